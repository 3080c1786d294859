#!/bin/sh
# The integration tests as TAP (conftest.py writes it to the descriptor PE_TAP), in parallel processes.
# With Debian's python3, for which the packages of the tests are installed.
#   PE_PYTEST   the files to run; all of them if it is not set
#   PE_SUITE    `sanitized` or `threads`: those of them that sanitized.py chooses
#   PE_JOBS     how many processes; they mostly wait, so more than there are CPUs. Not as many with
#               sanitizers: these run beside all of them without, which take longer
exec 3>&1 1>&2
export PE_TAP=3
cd "${PE_SRCDIR:-.}/tests/integration" || exit 1
[ -n "${PE_SUITE:-}" ] && per_cpu=2 || per_cpu=3
# Arguments come last and win: `-n 0 -x -s` shows one test as it goes.
exec /usr/bin/python3 -B -m pytest -p no:cacheprovider -q -n "${PE_JOBS:-$(($(nproc) * per_cpu))}" \
	-m 'not soak' ${PE_PYTEST:-.} "$@"
