# tests/unit, tests/bpf: TAP programs under `make check`. tests/integration: pytest, the same run.
# tests/bench: `make bench`. tests/lint: part of check.
