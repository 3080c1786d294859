# shellcheck shell=bash
# Runs the tests of a guest; the plan is written only if they come to their end.
set -Eeuo pipefail
trap 'echo "${BASH_SOURCE[0]}:$LINENO: $BASH_COMMAND"' ERR
. /tests/lib.sh
for test in ${tests_of_guest//+/ }; do
	began=$SECONDS
	. "/tests/$test.sh"
	note "took $((SECONDS - began)) s"
done
echo "1..$tests" >&3
