#!/bin/sh
# The integration tests as TAP (conftest.py writes it to descriptor 3).
# With Debian's python3, for which the packages of the tests are installed.
exec 3>&1 1>&2
cd "${PE_SRCDIR:-.}/tests/integration" || exit 1
# PE_PYTEST names the files to run; all of them if it is not set.
exec /usr/bin/python3 -B -m pytest -p no:cacheprovider -q ${PE_PYTEST:-.} "$@"
