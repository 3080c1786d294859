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

#include "pe/abi.h"
#include "pe/features.h"

#include "../../src/iface/policy.h"

static struct pe_link make_link(const char *kind, unsigned short type)
{
	struct pe_link link = { .ifindex = 1, .type = type, .peer_netnsid = -1 };

	snprintf(link.kind, sizeof(link.kind), "%s", kind);
	return link;
}

static struct pe_plan make_plan(const struct pe_link *link, enum pe_xdp_mode mode)
{
	const struct pe_policy policy = { .xdp_mode = mode, .egress = true };
	struct pe_plan plan;

	pe_policy_plan(&policy, link, false, &plan);
	return plan;
}

/* How it comes to be counted, with these features in force on it and below it. */
static struct pe_way find_way(enum pe_xdp_mode mode, const struct pe_link *link,
			      unsigned int features, unsigned int below)
{
	const struct pe_plan plan = make_plan(link, mode);

	return pe_plan_way(&plan, features, below);
}

static void test_kinds(void **state)
{
	static const struct {
		const char *kind;
		unsigned short type;
		enum pe_mode mode, with_gro; /* by auto */
		bool traced, tcx, auditable;
		unsigned int framing;
	} cases[] = {
		{ "", ARPHRD_ETHER, PE_MODE_TRACEPOINT, PE_MODE_TRACEPOINT, true, false, false,
		  PE_ORIGIN_CARD },
		{ "veth", ARPHRD_ETHER, PE_MODE_GENERIC, PE_MODE_TRACEPOINT, true, false, true,
		  PE_ORIGIN_LINK },
		{ "bridge", ARPHRD_ETHER, PE_MODE_TRACEPOINT, PE_MODE_TRACEPOINT, true, false, true,
		  PE_ORIGIN_BRIDGE | PE_SLOT_RX_NO_LINK_HEADER },
		{ "vxlan", ARPHRD_ETHER, PE_MODE_GENERIC, PE_MODE_TRACEPOINT, true, false, true,
		  PE_ORIGIN_CELLS | PE_SLOT_RX_NO_LINK_HEADER | PE_SLOT_TX_NO_LINK_HEADER },
		{ "gretap", ARPHRD_ETHER, PE_MODE_GENERIC, PE_MODE_TRACEPOINT, true, false, true,
		  PE_ORIGIN_CELLS | PE_SLOT_TX_NO_LINK_HEADER },
		/* Its own GRO merges nothing: the packets come from the interface below. */
		{ "vlan", ARPHRD_ETHER, PE_MODE_GENERIC, PE_MODE_GENERIC, false, true, true,
		  PE_ORIGIN_STACKED | PE_SLOT_RX_NO_LINK_HEADER },
		{ "macvlan", ARPHRD_ETHER, PE_MODE_GENERIC, PE_MODE_GENERIC, false, true, true,
		  PE_ORIGIN_STACKED },
		{ "bond", ARPHRD_ETHER, PE_MODE_GENERIC, PE_MODE_GENERIC, false, true, false,
		  PE_ORIGIN_STACKED },
		{ "tun", ARPHRD_ETHER, PE_MODE_GENERIC, PE_MODE_TRACEPOINT, true, false, false,
		  PE_ORIGIN_CARD },
		{ "tun", ARPHRD_NONE, PE_MODE_GENERIC, PE_MODE_TRACEPOINT, true, false, false,
		  PE_ORIGIN_CARD | PE_SLOT_NO_ETHERNET },
		{ "wireguard", ARPHRD_NONE, PE_MODE_TRACEPOINT, PE_MODE_TRACEPOINT, true, false,
		  false, PE_ORIGIN_CELLS | PE_SLOT_SEALED },
		{ "gre", ARPHRD_IPGRE, PE_MODE_TRACEPOINT, PE_MODE_TRACEPOINT, true, false, true,
		  PE_ORIGIN_CELLS | PE_SLOT_NO_ETHERNET },
		{ "sit", ARPHRD_SIT, PE_MODE_TRACEPOINT, PE_MODE_TRACEPOINT, true, false, true,
		  PE_ORIGIN_OTHER | PE_SLOT_NO_ETHERNET },
		{ "ifb", ARPHRD_ETHER, PE_MODE_TRACEPOINT, PE_MODE_TRACEPOINT, true, false, true,
		  PE_ORIGIN_LOOP },
		{ "vrf", ARPHRD_ETHER, PE_MODE_NONE, PE_MODE_NONE, false, false, false,
		  PE_ORIGIN_OTHER },
		{ "nobody knows", ARPHRD_ETHER, PE_MODE_GENERIC, PE_MODE_TRACEPOINT, true, false,
		  false, PE_ORIGIN_OTHER },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pe_link link = make_link(cases[i].kind, cases[i].type);
		const struct pe_plan plan = make_plan(&link, PE_XDP_AUTO);

		assert_int_equal(find_way(PE_XDP_AUTO, &link, 0, 0).mode, cases[i].mode);
		assert_int_equal(find_way(PE_XDP_AUTO, &link, PE_FEATURE_GRO, 0).mode,
				 cases[i].with_gro);
		assert_int_equal(plan.needs_features, cases[i].mode == PE_MODE_GENERIC);
		assert_int_equal(plan.traced, cases[i].traced);
		assert_int_equal(plan.tcx, cases[i].tcx);
		assert_int_equal(plan.auditable, cases[i].auditable);
		assert_int_equal(plan.framing, cases[i].framing);
	}
}

static void expect_way(struct pe_way way, enum pe_mode mode, enum pe_mode_reason reason)
{
	assert_int_equal(way.mode, mode);
	assert_int_equal(way.reason, reason);
}

/* Nothing that is on is switched off unless somebody asks for it. */
static void test_ways(void **state)
{
	struct pe_link card = make_link("", ARPHRD_ETHER), veth = make_link("veth", ARPHRD_ETHER);
	struct pe_link vlan = make_link("vlan", ARPHRD_ETHER);
	struct pe_link bridge = make_link("bridge", ARPHRD_ETHER);
	struct pe_link gre = make_link("gre", ARPHRD_IPGRE), vrf = make_link("vrf", ARPHRD_ETHER);

	expect_way(find_way(PE_XDP_AUTO, &card, 0, 0), PE_MODE_TRACEPOINT, PE_REASON_HARDWARE);
	expect_way(find_way(PE_XDP_NATIVE, &card, 0, 0), PE_MODE_NATIVE, PE_REASON_NONE);
	expect_way(find_way(PE_XDP_GENERIC, &card, PE_FEATURE_GRO_HW, 0), PE_MODE_GENERIC,
		   PE_REASON_NONE);
	expect_way(find_way(PE_XDP_AUTO, &veth, 0, 0), PE_MODE_GENERIC, PE_REASON_NONE);
	expect_way(find_way(PE_XDP_AUTO, &veth, PE_FEATURE_GRO, 0), PE_MODE_TRACEPOINT,
		   PE_REASON_GRO);
	expect_way(find_way(PE_XDP_AUTO, &veth, PE_FEATURE_LRO, 0), PE_MODE_TRACEPOINT,
		   PE_REASON_OFFLOAD);
	expect_way(find_way(PE_XDP_AUTO, &vlan, PE_FEATURE_GRO, PE_FEATURE_GRO), PE_MODE_GENERIC,
		   PE_REASON_NONE);
	expect_way(find_way(PE_XDP_AUTO, &vlan, 0, PE_FEATURE_LRO), PE_MODE_NONE,
		   PE_REASON_OFFLOAD);
	/* What generic XDP on a vlan leaves alone. */
	expect_way(find_way(PE_XDP_AUTO, &vlan, 0, PE_FEATURE_GRO_HW), PE_MODE_GENERIC,
		   PE_REASON_NONE);
	for (enum pe_xdp_mode mode = PE_XDP_AUTO; mode <= PE_XDP_NATIVE; mode++) {
		expect_way(find_way(mode, &bridge, 0, 0), PE_MODE_TRACEPOINT, PE_REASON_BRIDGE);
		expect_way(find_way(mode, &gre, 0, 0), PE_MODE_TRACEPOINT, PE_REASON_KIND);
		expect_way(find_way(mode, &vrf, 0, 0), PE_MODE_NONE, PE_REASON_KIND);
	}
	assert_int_equal(make_plan(&veth, PE_XDP_NATIVE).native_framing,
			 PE_ORIGIN_LINK | PE_SLOT_RX_NO_LINK_HEADER);
	assert_int_equal(make_plan(&card, PE_XDP_NATIVE).native_framing, PE_ORIGIN_CARD);
}

/* What ifb receives is seen as it sends, by the tracepoint of egress alone. */
static void test_egress_off(void **state)
{
	const struct pe_policy policy = { .xdp_mode = PE_XDP_AUTO };
	struct pe_link ifb = make_link("ifb", ARPHRD_ETHER), veth = make_link("veth", ARPHRD_ETHER);
	struct pe_plan plan;

	pe_policy_plan(&policy, &ifb, false, &plan);
	expect_way(plan.way, PE_MODE_NONE, PE_REASON_KIND);
	assert_false(plan.traced);
	pe_policy_plan(&policy, &veth, false, &plan);
	expect_way(plan.way, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_true(plan.traced);
}

static void test_below(void **state)
{
	struct pe_link link = { .ifindex = 2, .peer = 1, .peer_netnsid = -1, .kind = "macvlan" };

	assert_int_equal(make_plan(&link, PE_XDP_AUTO).below, 1);
	link.peer_netnsid = 0;
	assert_int_equal(make_plan(&link, PE_XDP_AUTO).below, 0);
	link = (struct pe_link){ .ifindex = 2, .peer = 1, .peer_netnsid = -1, .kind = "veth" };
	assert_int_equal(make_plan(&link, PE_XDP_AUTO).below, 0);
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
		cmocka_unit_test(test_kinds),	   cmocka_unit_test(test_ways),
		cmocka_unit_test(test_egress_off), cmocka_unit_test(test_below),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
