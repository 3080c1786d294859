/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which kernels count the memory of BPF maps against RLIMIT_MEMLOCK. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/resource.h>
#include <sys/utsname.h>

#include "../../src/daemon/privileges.h"

static void test_counts_memlock(void **state)
{
	(void)state;
	assert_true(pe_privileges_counts_memlock("5.10.0-28-cloud-amd64"));
	assert_true(pe_privileges_counts_memlock("5.10"));
	assert_true(pe_privileges_counts_memlock("4.19.0"));
	assert_false(pe_privileges_counts_memlock("5.11.0"));
	assert_false(pe_privileges_counts_memlock("5.15.0-100-generic"));
	assert_false(pe_privileges_counts_memlock("6.1.0-18-amd64"));
	assert_false(pe_privileges_counts_memlock("10.1"));
	assert_false(pe_privileges_counts_memlock(""));
	assert_false(pe_privileges_counts_memlock("linux"));
}

static void test_lack_memlock(void **state)
{
	struct utsname kernel;
	struct rlimit before, limit;

	(void)state;
	assert_int_equal(uname(&kernel), 0);
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
	limit = before;
	limit.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	assert_int_equal(pe_privileges_lack_memlock(),
			 pe_privileges_counts_memlock(kernel.release));
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_memlock),
		cmocka_unit_test(test_lack_memlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
