#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Automake's driver of tests that speak TAP, and then how far the run is.
#
# driver.sh DRIVER --test-name NAME … -- COMMAND…
#
# Expects PE_CHECK_TESTS: all tests of this run, by their results' paths without ".trs". The harness
# removes the results before it begins, so that those there are belong to this run. How long each
# took stays beside them, for the next one.

begun=$(date +%s)
"$@"
status=$?
name=
while [ $# -gt 0 ]; do
	if [ "$1" = --test-name ]; then
		name=$2
		break
	fi
	shift
done
now=$(date +%s)
echo $((now - begun)) >"${name%.sh}.seconds"

done=0 left=0 seconds=0 unknown=0
for test in $PE_CHECK_TESTS; do
	if [ -e "$test.trs" ]; then
		done=$((done + 1))
		continue
	fi
	left=$((left + 1))
	if [ -e "$test.seconds" ]; then
		read -r took <"$test.seconds"
		seconds=$((seconds + took))
	else
		unknown=$((unknown + 1))
	fi
done
text="# $name took $((now - begun)) s: $done of $((done + left)) have run"
if [ "$left" -gt 0 ] && [ "$unknown" = 0 ]; then
	text="$text; the rest took $seconds s the last time"
fi
[ $((done + left)) -lt 2 ] || echo "$text"
exit "$status"
