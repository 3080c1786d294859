# What guests have reported of features, and the table src/config/kernels.def.
#
#   awk -f table.awk [-v write=FILE] REPORTS src/config/kernels.def
#
# A line of REPORTS is `KERNEL RELEASE FEATURE WORD`, where KERNEL is a name as apt.sh has them. Prints results
# for TAP without numbers: each kernel's words are those of the table. With write=FILE the table is
# written there, with the words that were reported, and what fails is a word that the table does not
# explain, and what was reported of no kernel that has a column.

function class(release,    part) {
	split(release, part, ".")
	return part[1] "." (part[2] + 0)
}

# The number of a kernel's column, 0 if it has none.
function column_of(kernel, release,    name) {
	name = kernel ~ /^newest/ ? "newest" : class(release)
	return name in kernels ? 2 * kernels[name] - (kernel !~ /-cloud$/) : 0
}

function fails(text) {
	print "not ok - " text
	failures++
}

FILENAME == ARGV[1] {
	report[++reports] = $0
	next
}

# ---- the table ----

/^KERNEL\("/ { split($0, part, "\""); kernels[part[2]] = ++count; kernel_name[count] = part[2] }
/^WORD\("/ { split($0, part, "\""); explained[part[2]] = 1 }
{ line[++lines] = $0 }
/^(FEATURE|KIND)\("/ {
	split($0, part, "\"")
	row[part[2]] = lines
	text[lines] = part[4]
	n = split(part[6], of, " ")
	for (i = 1; i <= n; i++) word[part[2], i] = of[i]
}

function name_of(column) {
	return kernel_name[int((column + 1) / 2)] (column % 2 ? "" : "-cloud")
}

# Two kernels of one class have one column.
function take(kernel, release, feature, found,    column) {
	column = column_of(kernel, release)
	if (!(feature in row)) {
		fails("the table has a row of " feature)
	} else if (!column) {
		print "# " kernel ": the table has no column of " release
	} else if ((feature, column) in reported && reported[feature, column] != found) {
		fails(name_of(column) ": " feature " is " reported[feature, column] ", and " found " of " release)
	} else {
		reported[feature, column] = found
		some[column]++
		if (kernel ~ /^newest/) newest = class(release)
	}
}

function compare(    key, part, wrong) {
	for (key in reported) {
		split(key, part, SUBSEP)
		if (reported[key] != word[key]) {
			fails(name_of(part[2]) ": " part[1] " is " reported[key] ", the table has " word[key])
			wrong[part[2]] = 1
		}
	}
	for (key in some)
		if (!(key in wrong))
			print "ok - " name_of(key) ": " some[key] " reports of features are what the table has"
}

# The row of a feature as it is now; what is not known stays.
function row_of(feature, columns,    i, words) {
	for (i = 1; i <= columns; i++) {
		if (!((feature, i) in reported))
			fails(name_of(i) ": something is reported of " feature)
		else if (reported[feature, i] != "yes" && !(reported[feature, i] in explained))
			fails(name_of(i) ": " feature " is " reported[feature, i] ", which the table does not explain")
		else
			word[feature, i] = reported[feature, i]
		words = words (i > 1 ? " " : "") word[feature, i]
	}
	return words
}

function write_table(    i, part) {
	for (i = 1; i <= lines; i++) {
		split(line[i], part, "\"")
		if (i in text)
			print part[1] "\"" part[2] "\", \"" part[4] "\", \"" row_of(part[2], 2 * count) "\")" >write
		else if (part[2] == "newest" && newest)
			print "KERNEL(\"newest\", \"" newest "\")" >write
		else
			print line[i] >write
	}
	close(write)
	if (!failures)
		print "ok - each kernel has a word of each feature"
}

END {
	for (r = 1; r <= reports; r++) {
		split(report[r], part, " ")
		take(part[1], part[2], part[3], part[4])
	}
	if (!reports)
		fails("guests report features")
	else if (write)
		write_table()
	else
		compare()
}
