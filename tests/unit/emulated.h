/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs of another architecture, run by QEMU (tests/archs), have its kernel and not ours: no
 * filter of system calls, messages of netlink only as far as it knows them, and memory that is its.
 */
#ifndef PE_TESTS_EMULATED_H
#define PE_TESTS_EMULATED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

/* Ends the test; tests/archs/check.sh lists those that may. */
#define SKIP_IF_EMULATED()                 \
	do {                               \
		if (getenv("PE_EMULATED")) \
			skip();            \
	} while (0)

#endif
