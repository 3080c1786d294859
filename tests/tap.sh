# shellcheck shell=bash
# Results as TAP, for the check.sh of order and packages to source.
# Expects: nothing; sets passed and failed.

passed=0
failed=0

skip() {
	echo "1..0 # SKIP $*"
	exit 0
}

# check NAME COMMAND…: one result; what the command printed is shown when it fails.
check() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		passed=$((passed + 1))
		echo "ok $((passed + failed)) - $name"
	else
		failed=$((failed + 1))
		echo "not ok $((passed + failed)) - $name"
		tail -n 60 <<<"$output" | sed 's/^/# /'
		false
	fi
}

# must NAME COMMAND…: the rest needs it.
must() {
	check "$@" || finish
}

finish() {
	echo "1..$((passed + failed))"
	[ "$failed" = 0 ]
	exit
}
