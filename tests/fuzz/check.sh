#!/bin/sh
# A short run of the fuzzers as TAP: what `make check-fuzz` calls. TESTS can only hold scripts.
exec "$PE_SRCDIR/tests/fuzz/run"
