#!/bin/sh
# The documents say what the program says: src/REFERENCE.md and the man page are printed by it, and no
# document names an option, a variable, a metric, a file or a function that does not exist, nor a log
# line a metric; nor do the dashboard, the rules and the alerts. TAP.
set -u
# shellcheck source=tests/lint/tap.inc
. "$(dirname "$0")/tap.inc"
source=$(cd "${PE_SRCDIR:-.}" && pwd) || exit 1
build=$(cd "${PE_BUILDDIR:-build}" && pwd) || exit 1
program=$build/packet-exporter
manual=$build/packet-exporter.8
readme_lines_max=200
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# known NAME KNOWN MENTIONED: nothing is mentioned that does not exist.
known() {
	if [ -s "$2" ] && [ -s "$3" ]; then
		result "$1" "$(grep -vxFf "$2" "$3")"
	else
		result "$1" 'nothing to compare with'
	fi
}

# all NAME EXPECTED TEXT: each line is a word of the text.
all() {
	if [ -s "$2" ]; then
		result "$1" "$(while read -r word; do
			grep -qwF -e "$word" "$3" || echo "$word"
		done <"$2")"
	else
		result "$1" 'nothing is expected'
	fi
}

cd "$work" || exit 1
(cd "$source" && find . -name '*.md' -not -path './.*/*' -not -path './build*') | sed 's,^\./,,' |
	sort >documents
documents=$(sed "s,^,$source/," documents)
"$program" --help=markdown >reference

# ---- what is generated ----

result 'src/REFERENCE.md is the output of --help=markdown' "$(diff "$source/src/REFERENCE.md" reference)"
result "README.md has at most $readme_lines_max lines" "$(
	awk -v max=$readme_lines_max 'END { if (NR > max) print NR " lines" }' "$source/README.md"
)"
sed -n 's/^| \(`-[a-zA-Z]`, \)\{0,1\}`--\([a-z.-]*\).*/\2/p' reference >options
sed -n 's/^| `\([a-z_]*\)` | [a-z]* |.*/\1/p' reference >families
if command -v groff >/dev/null; then
	groff -man -Tutf8 -ww -P-cbu -rLL=500n "$manual" >manual.txt 2>manual.err
	result 'the man page renders without warnings' "$(cat manual.err)"
	sed 's/^/--/' options >options-long
	all 'the man page names every option' options-long manual.txt
	all 'the man page names every family' families manual.txt
	result 'the man page has its sections' "$(
		for section in NAME SYNOPSIS DESCRIPTION OPTIONS METRICS SIGNALS FILES 'EXIT STATUS' \
			PRIVILEGES KERNELS LIMITS EXAMPLES 'SEE ALSO'; do
			grep -qx "$section" manual.txt || echo "$section"
		done
	)"
else
	skip "the man page renders without warnings" "groff is not installed"
	: >manual.txt
fi

# ---- what is mentioned ----

# Of other programs.
foreign='host|now|build-arg|cap-add|cap-drop|disable-hardening|enable-tests|no-install-recommends|profile|web.enable-otlp-receiver|web.enable-remote-write-receiver|with-sanitizers'
# shellcheck disable=SC2086 # a list
cat $documents manual.txt >text
# What is deployed names metrics and options, too; names of recorded series are its own.
deployed=$(find "$source/docker/grafana" "$source/docker/prometheus" -type f)
# shellcheck disable=SC2086 # a list
sed 's/[a-z_]*:packet_exporter_[a-z_]*:[a-z0-9_]*//g' $deployed >>text
grep -oE -e '(^|[^a-z-])--[a-z]+([.-][a-z]+)*' text | sed 's/.*--//' | sort -u |
	grep -vxE "$foreign" >mentioned
known 'every option that is mentioned exists' options mentioned

# As they are exposed.
awk -F' [|] ' '/^\| `[a-z_]*` \| [a-z]* \|/ {
	gsub(/[|` ]/, "", $1)
	print $1
	if ($2 == "histogram") {
		print $1 "_bucket"
		print $1 "_count"
		print $1 "_sum"
	}
}' reference >exposed
grep -oE '(packet_exporter|process)_[a-z_]+[a-z]' text | sort -u |
	grep -vxE 'packet_exporter_(push|host|group)' >mentioned
known 'every metric that is mentioned exists' exposed mentioned
grep -rh '"' "$source/src" --include='*.c' --exclude-dir=expose | grep -v '^#include' |
	grep -oE 'packet_exporter_[a-z_]+[a-z]' | sort -u | grep -vxE 'packet_exporter_push' >mentioned
known 'every metric that a log line or a help text names exists' exposed mentioned

# Those of options; the others stand where they are read.
sed -n 's/.*`\(PE_[A-Z_]*\)`.*/\1/p' reference >variables
grep -ohrE 'PE_[A-Z_]+' "$source/tests" "$source/docker" "$source/src/config" "$source/src/daemon" "$source/autotools" \
	--include='*.sh' --include='*.c' --include='*.py' --include='*.mk' --include='*.yml' \
	--include=boot --include=bootstrap | sort -u >>variables
grep -oE 'PE_[A-Z_]+' text | sort -u >mentioned
known 'every variable that is mentioned exists' variables mentioned

grep -oE '`(autotools|bpf|docker|include|src|tests)/[A-Za-z0-9_./-]*`' text | tr -d '`' | sort -u >mentioned
result 'every file that is mentioned exists' "$(
	while read -r file; do
		[ -e "$source/$file" ] || [ -e "$build/$file" ] || echo "$file"
	done <mentioned
)"

# Which function stands in which file: rows of tables such as | … | `file` | `function()` |.
sed -n 's/^|.*| `\([a-z0-9_./-]*\.[ch]\)` | \(`[a-z_`(), 0-9]*`\) |$/\1 \2/p' text | tr -d '`(),' >walked
if [ -s walked ]; then
	result 'every function of a walk is in its file' "$(
		while read -r file functions; do
			for function in $functions; do
				grep -qsE "(^|[ *])$function\(|BPF_PROG\($function," "$source/$file" || echo "$file: $function()"
			done
		done <walked
	)"
else
	result 'every function of a walk is in its file' 'there is no walk'
fi
grep -oE '`[a-z_0-9]+\(\)`' text | tr -d '`()' | sort -u >mentioned
grep -rohwFf mentioned "$source/src" "$source/bpf" "$source/include" "$source/tests" \
	--include='*.[ch]' --include='*.py' --include='*.sh' | sort -u >functions
known 'every function that is mentioned exists' functions mentioned

# ---- links ----

# The anchors that a heading gets on a web page: "FILE#ANCHOR".
anchors() {
	# shellcheck disable=SC2016 # awk's
	while read -r file; do
		awk -v file="$file" '
			/^```/ { code = !code }
			!code && /^#+ / {
				sub(/^#+ /, "")
				$0 = tolower($0)
				gsub(/[^a-z0-9 _-]/, "")
				gsub(/ /, "-")
				print file "#" $0
			}' "$source/$file"
	done <documents
}

# The document and the link, a line each.
links() {
	while read -r file; do
		grep -oE '\]\([^)]*\)' "$source/$file" | sed 's/^](//; s/)$//' | grep -v '://' | sed "s,^,$file ,"
	done <documents
}

# The file that a link of it leads to.
targets() {
	while read -r file link; do
		case $link in
		'#'*) echo "$source/$file" ;;
		*) echo "$source/./${file%"${file##*/}"}${link%%#*}" ;;
		esac
	done <links | xargs -d '\n' realpath -m --relative-to="$source"
}

anchors >anchors
links >links
result 'every link between the documents leads somewhere' "$(
	[ -s links ] || echo 'there is none'
	targets | paste -d ' ' links - | while read -r file link target; do
		[ -e "$source/$target" ] || echo "$file: $link"
		case $link in
		*#*) grep -qxF "$target#${link#*#}" anchors || echo "$file: $link" ;;
		esac
	done
)"

finish
