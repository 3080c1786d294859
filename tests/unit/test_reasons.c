/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why kernels drop, by type information as several kernels have it. */
#include <bpf/btf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../../src/xdp/reasons.h"

struct value {
	const char *name;
	int64_t value;
};

static void add_enum(struct btf *btf, const char *name, const struct value *values)
{
	assert_true(btf__add_enum(btf, name, 4) > 0);
	for (; values->name; values++)
		assert_int_equal(btf__add_enum_value(btf, values->name, values->value), 0);
}

/* A kernel whose tracepoint has so many arguments, with its data; 0: it has none. */
static struct btf *new_kernel(int arguments)
{
	struct btf *btf = btf__new_empty();
	int proto;

	assert_non_null(btf);
	if (!arguments)
		return btf;
	proto = btf__add_func_proto(btf, 0);
	assert_true(proto > 0);
	for (int i = 0; i < arguments; i++)
		assert_int_equal(btf__add_func_param(btf, "x", 0), 0);
	assert_true(btf__add_typedef(btf, "btf_trace_kfree_skb", btf__add_ptr(btf, proto)) > 0);
	return btf;
}

static struct pe_reasons read_kernel(struct btf *btf, int expected)
{
	struct pe_reasons reasons;

	assert_int_equal(pe_reasons_read(btf, &reasons), expected);
	btf__free(btf);
	return reasons;
}

static void test_no_tracepoint(void **state)
{
	read_kernel(new_kernel(0), -EOPNOTSUPP);
	read_kernel(new_kernel(2), -EOPNOTSUPP);
}

/* Linux 5.10: no reason. */
static void test_protocols(void **state)
{
	const struct pe_reasons reasons = read_kernel(new_kernel(3), 0);

	assert_false(reasons.has_reasons);
	assert_false(reasons.has_sockets);
	assert_string_equal(pe_reasons_name(&reasons, PE_DROP_IPV4), "ipv4");
	assert_string_equal(pe_reasons_name(&reasons, PE_DROP_IPV6), "ipv6");
	assert_string_equal(pe_reasons_name(&reasons, PE_DROP_ARP), "arp");
	assert_null(pe_reasons_name(&reasons, PE_DROP_OTHER));
}

/* Linux 5.17: the first reason is a drop. */
static void test_first_reasons(void **state)
{
	struct btf *btf = new_kernel(4);
	struct pe_reasons reasons;

	add_enum(btf, "skb_drop_reason",
		 (const struct value[]){ { "SKB_DROP_REASON_NOT_SPECIFIED", 0 },
					 { "SKB_DROP_REASON_NO_SOCKET", 1 },
					 { "SKB_DROP_REASON_MAX", 2 },
					 { NULL, 0 } });
	reasons = read_kernel(btf, 0);
	assert_true(reasons.has_reasons);
	assert_false(reasons.has_sockets);
	assert_int_equal(reasons.first, 0);
	assert_int_equal(reasons.count, 2);
	assert_string_equal(pe_reasons_name(&reasons, 0), "not_specified");
	assert_string_equal(pe_reasons_name(&reasons, 1), "no_socket");
	assert_null(pe_reasons_name(&reasons, 2));
}

static void count_usual(unsigned int code, void *userdata)
{
	unsigned int *seen = userdata;

	*seen |= 1u << code;
}

/* Since then: what is no drop comes first, subsystems have values of their own, and the socket is
 * there. A subsystem in a module has no names. */
static void test_subsystems(void **state)
{
	struct btf *btf = new_kernel(5);
	struct pe_reasons reasons;
	unsigned int seen = 0;

	add_enum(btf, "skb_drop_reason",
		 (const struct value[]){ { "SKB_NOT_DROPPED_YET", 0 },
					 { "SKB_CONSUMED", 1 },
					 { "SKB_DROP_REASON_NOT_SPECIFIED", 2 },
					 { "SKB_DROP_REASON_NETFILTER_DROP", 7 },
					 { "SKB_DROP_REASON_TCP_CSUM", 8 },
					 { "SKB_DROP_REASON_MAX", 9 },
					 { "SKB_DROP_REASON_SUBSYS_MASK", 0xffff0000 },
					 { NULL, 0 } });
	add_enum(btf, "skb_drop_reason_subsys",
		 (const struct value[]){ { "SKB_DROP_REASON_SUBSYS_CORE", 0 },
					 { "SKB_DROP_REASON_SUBSYS_MAC80211_UNUSABLE", 1 },
					 { "SKB_DROP_REASON_SUBSYS_OPENVSWITCH", 2 },
					 { "SKB_DROP_REASON_SUBSYS_FAR", 16 },
					 { "SKB_DROP_REASON_SUBSYS_NUM", 3 },
					 { NULL, 0 } });
	add_enum(btf, "ovs_drop_reason",
		 (const struct value[]){ { "__OVS_DROP_REASON", 2 << 16 },
					 { "OVS_DROP_LAST_ACTION", (2 << 16) + 1 },
					 { "OVS_DROP_TOO_FAR", (2 << 16) + 256 },
					 { NULL, 0 } });
	reasons = read_kernel(btf, 0);
	assert_true(reasons.has_sockets);
	assert_int_equal(reasons.first, 2);
	assert_int_equal(reasons.named, 1u << 2);
	assert_int_equal(reasons.count, 6);
	assert_string_equal(pe_reasons_name(&reasons, 7), "netfilter_drop");
	assert_string_equal(pe_reasons_name(&reasons, PE_DROP_CODE(1, 0)), "mac80211_unusable");
	assert_string_equal(pe_reasons_name(&reasons, PE_DROP_CODE(2, 0)), "openvswitch");
	assert_string_equal(pe_reasons_name(&reasons, PE_DROP_CODE(2, 1)),
			    "openvswitch_last_action");
	pe_reasons_list_usual(&reasons, count_usual, &seen);
	assert_int_equal(seen, 1u << 2 | 1u << 7);
}

/* More than there is room for, and names that are longer. */
static void test_bounds(void **state)
{
	struct btf *btf = new_kernel(4);
	struct pe_reasons reasons;

	assert_true(btf__add_enum(btf, "skb_drop_reason", 4) > 0);
	for (int i = 0; i < 300; i++) {
		char name[128];

		snprintf(name, sizeof(name), "SKB_DROP_REASON_%0*d", i == 0 ? 90 : 1, i);
		assert_int_equal(btf__add_enum_value(btf, name, i), 0);
	}
	reasons = read_kernel(btf, 0);
	assert_int_equal(reasons.count, 256);
	assert_int_equal(strlen(pe_reasons_name(&reasons, 0)), PE_REASON_MAX - 1);
	assert_string_equal(pe_reasons_name(&reasons, 255), "255");
}

/* Of the kernel that this runs on. */
static void test_own_kernel(void **state)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return;
	assert_true(read_kernel(btf, 0).count >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_tracepoint), cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_first_reasons), cmocka_unit_test(test_subsystems),
		cmocka_unit_test(test_bounds),	      cmocka_unit_test(test_own_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
