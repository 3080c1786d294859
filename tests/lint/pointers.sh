#!/bin/sh
# Every pointer of the kernel's that a BPF program follows was compared with NULL in that program,
# whatever the verifier lets pass: a guarded load that faults can panic Linux 5.10. TAP.
exec /usr/bin/python3 -B "$(dirname "$0")/pointers.py" "${PE_SRCDIR:-.}"
