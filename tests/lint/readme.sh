#!/bin/sh
# README.md says what the program says: the options, the metric families and their types, and
# whatever else it names of both. TAP.
set -u
readme=${PE_SRCDIR:-.}/README.md
program=${PE_BUILDDIR:-build}/packet-exporter
families=${PE_SRCDIR:-.}/src/metrics
n=0
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# result NAME OFFENDERS
result() {
	n=$((n + 1))
	if [ -z "$2" ]; then
		echo "ok $n - $1"
	else
		failed=$((failed + 1))
		echo "not ok $n - $1"
		echo "$2" | sed 's/^/# /'
	fi
}

# same NAME EXPECTED FOUND: both are there and alike.
same() {
	if [ -s "$2" ]; then
		result "$1" "$(diff "$2" "$3")"
	else
		result "$1" 'nothing to compare with'
	fi
}

# unknown NAME KNOWN MENTIONED: nothing is mentioned that does not exist.
unknown() {
	if [ -s "$3" ]; then
		result "$1" "$(grep -vxFf "$2" "$3")"
	else
		result "$1" 'none is mentioned'
	fi
}

cd "$work" || exit 1
"$program" --help=markdown >options
awk '/^\| option \| default \|/ { on = 1 } on && !/^\|/ { exit } on' "$readme" >options.readme
same 'the table of options is that of --help=markdown' options options.readme

sed -n 's/^| `--\([a-z.-]*\).*/\1/p' options >option-names
grep -oE -e '(^|[^a-z-])--[a-z]+[.-][a-z.-]*[a-z]' "$readme" | sed 's/.*--//' | sort -u |
	grep -vxE 'no-install-recommends|cap-add|cap-drop' >option-mentions
unknown 'every option it mentions exists' option-names option-mentions

# As they are exposed: "name type".
cat "$families"/families_*.c | awk -F'"' '
	/\.name = "/ { name = $2 }
	/\.type = PE_/ {
		sub(/.*PE_/, ""); sub(/,.*/, "")
		type = tolower($0)
		total = type == "counter" ? "_total" : ""
		sub(/^bare_/, "", type)
		print name (type == "info" ? "_info" : total) " " type
	}' | sort >families
awk -F' *[|] *' '/^\| `(packet_exporter_|process_|total_)/ {
	gsub(/`/, "", $2)
	print $2 " " $3
}' "$readme" | sort >families.readme
same 'the tables of metrics have every family with its type, and no other' families families.readme

sed 's/ .*//' families >metric-names
sed -n 's/ histogram$//p' families | sed 'p; s/$/_bucket/p; s/_bucket$/_count/p; s/_count$/_sum/' |
	cat - metric-names | sort -u >metric-known
grep -oE '(packet_exporter|process)_[a-z_]+' "$readme" | sort -u >metric-mentions
unknown 'every metric it mentions exists' metric-known metric-mentions

echo "1..$n"
exit $((failed > 0))
