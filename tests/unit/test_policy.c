/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of kinds of interfaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>

#include "../../src/daemon/policy.h"

static void test_kinds(void **state)
{
	static const struct {
		const char *kind;
		unsigned short type;
		bool native, xdp, traced, tcx, auditable;
		unsigned int shape;
	} cases[] = {
		{ "", ARPHRD_ETHER, true, true, true, false, false, 0 },
		{ "veth", ARPHRD_ETHER, false, true, true, false, true, 0 },
		{ "bridge", ARPHRD_ETHER, false, false, true, false, true, PE_SLOT_BARE_INGRESS },
		{ "vxlan", ARPHRD_ETHER, false, true, true, false, false, PE_SLOT_BARE_INGRESS },
		{ "vlan", ARPHRD_ETHER, false, true, false, true, false, PE_SLOT_BARE_INGRESS },
		{ "macvlan", ARPHRD_ETHER, false, true, false, true, false, 0 },
		{ "bond", ARPHRD_ETHER, false, true, false, true, false, 0 },
		{ "tun", ARPHRD_ETHER, false, true, true, false, false, 0 },
		{ "tun", ARPHRD_NONE, false, true, true, false, false, PE_SLOT_NO_ETHERNET },
		{ "wireguard", ARPHRD_NONE, false, true, true, false, false, PE_SLOT_NO_ETHERNET },
		{ "vrf", ARPHRD_ETHER, false, true, false, false, false, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pe_link link = { .ifindex = 1, .type = cases[i].type };

		snprintf(link.kind, sizeof(link.kind), "%s", cases[i].kind);
		assert_int_equal(pe_policy_native(PE_XDP_AUTO, &link), cases[i].native);
		assert_true(pe_policy_native(PE_XDP_NATIVE, &link));
		assert_false(pe_policy_native(PE_XDP_GENERIC, &link));
		assert_int_equal(pe_policy_xdp(&link), cases[i].xdp);
		assert_int_equal(pe_policy_traced(&link), cases[i].traced);
		assert_int_equal(pe_policy_tcx(&link), cases[i].tcx);
		assert_int_equal(pe_policy_auditable(&link), cases[i].auditable);
		assert_int_equal(pe_policy_shape(&link), cases[i].shape);
	}
}

static void test_below(void **state)
{
	struct pe_link link = { .ifindex = 2, .peer = 1, .peer_netnsid = -1, .kind = "macvlan" };

	assert_int_equal(pe_policy_below(&link), 1);
	link.peer_netnsid = 0;
	assert_int_equal(pe_policy_below(&link), 0);
	link = (struct pe_link){ .ifindex = 2, .peer = 1, .peer_netnsid = -1, .kind = "veth" };
	assert_int_equal(pe_policy_below(&link), 0);
}

static void test_errors(void **state)
{
	assert_int_equal(pe_policy_error(-EBUSY), PE_ATTACH_BUSY);
	assert_int_equal(pe_policy_error(-ENODEV), PE_ATTACH_VANISHED);
	assert_int_equal(pe_policy_error(-ENOSPC), PE_ATTACH_NO_SLOT);
	assert_int_equal(pe_policy_error(-EAGAIN), PE_ATTACH_NO_SLOT);
	assert_int_equal(pe_policy_error(-ENOENT), PE_ATTACH_NO_SLOT);
	assert_int_equal(pe_policy_error(-EMFILE), PE_ATTACH_NO_MEMORY);
	assert_int_equal(pe_policy_error(-EOPNOTSUPP), PE_ATTACH_REFUSED);
	assert_int_equal(pe_policy_reason(-EBUSY), PE_REASON_BUSY);
	assert_int_equal(pe_policy_reason(-ENODEV), PE_REASON_NONE);
	assert_int_equal(pe_policy_reason(-EAGAIN), PE_REASON_NO_SLOT);
	assert_int_equal(pe_policy_reason(-EMFILE), PE_REASON_NO_MEMORY);
	assert_int_equal(pe_policy_reason(-EOPNOTSUPP), PE_REASON_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_below),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
