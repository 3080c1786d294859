/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots as data: sharing, adding up, names. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pe/arena.h"
#include "pe/sample.h"

#include "malloc-failure.h"

static void test_snapshot_is_shared(void **state)
{
	struct pe_snapshot *snapshot;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_ptr_equal(pe_snapshot_ref(snapshot), snapshot);
	assert_null(pe_snapshot_unref(snapshot));
	/* Still there: the sanitizer would see otherwise. */
	assert_int_equal(pe_snapshot_alloc_ifaces(snapshot, 3), 0);
	assert_int_equal(snapshot->references, 1);
	assert_null(pe_snapshot_unref(snapshot));
	assert_null(pe_snapshot_unref(NULL));
}

/* All of them, and what never was stays that. */
static void test_times_become_wall_clock(void **state)
{
	const int64_t offset = 1000;
	struct pe_snapshot *snapshot;
	struct pe_self_sample *self;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_snapshot_alloc_ifaces(snapshot, 2), 0);
	snapshot->ifaces[0].body.created_ns = 2;
	snapshot->ifaces[1].body.created_ns = 3;
	snapshot->ifaces[1].body.flows.top =
		pe_arena_alloc(snapshot->arena, 2, sizeof(*snapshot->ifaces[1].body.flows.top));
	snapshot->ifaces[1].body.flows.top_count = 2;
	snapshot->ifaces[1].body.flows.top[0].since_ns = 4;
	snapshot->ifaces[1].body.flows.top[1].since_ns = 5;
	assert_int_equal(pe_snapshot_alloc_groups(snapshot, 1), 0);
	snapshot->groups[0].body.created_ns = 10;
	snapshot->host->body.created_ns = 11;
	snapshot->taken_ns = 6;
	self = &snapshot->self;
	self->created_ns = 7;
	self->process.start_ns = 8;
	self->http.reload_success_ns = 9;

	pe_snapshot_to_wall(snapshot, offset);
	assert_int_equal(snapshot->ifaces[0].body.created_ns, 1002);
	assert_int_equal(snapshot->ifaces[1].body.created_ns, 1003);
	assert_int_equal(snapshot->ifaces[1].body.flows.top[0].since_ns, 1004);
	assert_int_equal(snapshot->ifaces[1].body.flows.top[1].since_ns, 1005);
	assert_int_equal(snapshot->groups[0].body.created_ns, 1010);
	assert_int_equal(snapshot->host->body.created_ns, 1011);
	assert_int_equal(snapshot->waiting->body.created_ns, 0);
	assert_int_equal(snapshot->taken_ns, 1006);
	assert_int_equal(self->created_ns, 1007);
	assert_int_equal(self->process.start_ns, 1008);
	assert_int_equal(self->http.reload_success_ns, 1009);
	assert_int_equal(self->push.last_success_ns, 0);
	pe_snapshot_unref(snapshot);
}

static void test_interfaces_are_aligned_and_zero(void **state)
{
	static const struct pe_iface_sample zero;
	struct pe_snapshot *snapshot;
	size_t count, i;

	for (count = 0; count < 20; count++) {
		assert_int_equal(pe_snapshot_new(&snapshot), 0);
		assert_int_equal(pe_snapshot_alloc_ifaces(snapshot, count), 0);
		assert_int_equal(snapshot->iface_count, count);
		assert_int_equal((uintptr_t)snapshot->ifaces % alignof(struct pe_iface_sample), 0);
		for (i = 0; i < count; i++) {
			assert_string_equal(snapshot->ifaces[i].info.alias, "");
			assert_string_equal(snapshot->ifaces[i].info.altnames, "");
			assert_memory_equal(&snapshot->ifaces[i].body, &zero.body,
					    sizeof(zero.body));
		}
		for (i = 0; i < count; i++)
			memset(&snapshot->ifaces[i].body, 1, sizeof(snapshot->ifaces[i].body));
		pe_snapshot_unref(snapshot);
	}
	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_snapshot_alloc_ifaces(snapshot, SIZE_MAX / 2), -ENOMEM);
	assert_int_equal(snapshot->iface_count, 0);
	pe_snapshot_unref(snapshot);
}

static void test_groups_are_aligned_and_nameless(void **state)
{
	struct pe_snapshot *snapshot;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_null(snapshot->host);
	assert_int_equal(pe_snapshot_alloc_groups(snapshot, SIZE_MAX / 2), -ENOMEM);
	assert_null(snapshot->host);
	assert_int_equal(pe_snapshot_alloc_groups(snapshot, 3), 0);
	assert_int_equal(snapshot->group_count, 3);
	assert_int_equal((uintptr_t)snapshot->groups % alignof(struct pe_group_sample), 0);
	assert_string_equal(snapshot->groups[2].label[PE_GROUP_IMAGE], "");
	assert_string_equal(snapshot->host->label[PE_GROUP_KIND], "");
	memset(&snapshot->groups[2].body, 1, sizeof(snapshot->groups[2].body));
	assert_int_equal(snapshot->host->body.created_ns, 0);
	memset(&snapshot->host->body, 1, sizeof(snapshot->host->body));
	assert_int_equal(snapshot->waiting->body.created_ns, 0);
	memset(&snapshot->waiting->body, 1, sizeof(snapshot->waiting->body));
	pe_snapshot_unref(snapshot);
}

static void test_latency_bounds_are_inclusive(void **state)
{
	static const uint64_t bounds_us[] = { 10,    50,    100,    500,    1000,   5000,
					      10000, 50000, 100000, 500000, 2500000 };
	const size_t count = sizeof(bounds_us) / sizeof(bounds_us[0]);
	size_t i;

	assert_int_equal(count, PE_LATENCY_BUCKETS - 1);
	for (i = 0; i < count; i++) {
		struct pe_latency latency = { 0 };

		pe_latency_observe(&latency, bounds_us[i] * 1000);
		assert_int_equal(latency.bucket[i], 1);
		pe_latency_observe(&latency, bounds_us[i] * 1000 + 1);
		assert_int_equal(latency.bucket[i], 1);
		assert_int_equal(latency.bucket[i + 1], 1);
		assert_int_equal(latency.sum_ns, 2 * bounds_us[i] * 1000 + 1);
	}
}

static void test_rows_add_word_by_word(void **state)
{
	struct pe_row a, b, expected;
	uint64_t *x = (uint64_t *)&a, *y = (uint64_t *)&b, *z = (uint64_t *)&expected;
	struct pe_count total;
	size_t i, packets = 0, bytes = 0;

	for (i = 0; i < PE_ROW_WORDS; i++) {
		x[i] = i * 3 + 1;
		y[i] = UINT64_C(1) << 60 | i;
		z[i] = (UINT64_C(1) << 60) + i * 4 + 1;
	}
	for (i = 0; i < PE_CLASS_COUNT; i++) {
		packets += a.class[i].packets;
		bytes += a.class[i].bytes;
	}
	total = pe_row_total(&a);
	assert_int_equal(total.packets, packets);
	assert_int_equal(total.bytes, bytes);
	pe_row_add(&a, &b);
	assert_memory_equal(&a, &expected, sizeof(a));
}

static struct pe_flow_stats numbered_stats(uint64_t number)
{
	struct pe_flow_stats stats;
	uint64_t *words = (uint64_t *)&stats;
	size_t i;

	for (i = 0; i < sizeof(stats) / sizeof(*words); i++)
		words[i] = number * (i + 1);
	return stats;
}

static void test_flows_add(void **state)
{
	struct pe_flow_stats tcp = numbered_stats(1), more_tcp = numbered_stats(10),
			     udp = numbered_stats(100), sum = numbered_stats(11);
	struct pe_top_flow top[] = {
		{ .key = { .ip_proto = IPPROTO_TCP, .tag = PE_FLOW_TAG(5, 1, PE_EGRESS) },
		  .count = { 7, 700 } },
		{ .key = { .ip_proto = 99, .tag = PE_FLOW_TAG(63, 0, PE_INGRESS) },
		  .count = { 1, 10 } },
	};
	struct pe_top_flow own = { .count = { 1, 1 } };
	struct pe_flow_sample a = { .active = 3, .top = &own, .top_count = 1 };
	struct pe_flow_sample b = { .active = 4, .top = top, .top_count = 2 };
	struct pe_arena *arena;

	a.proto[PE_PROTO_TCP] = &tcp;
	b.proto[PE_PROTO_TCP] = &more_tcp;
	b.proto[PE_PROTO_UDP] = &udp;
	assert_int_equal(pe_arena_new(&arena), 0);
	assert_non_null(pe_flow_rest_make(&a, arena));
	assert_non_null(pe_flow_rest_make(&b, arena));
	a.rest->count[PE_EGRESS][PE_PROTO_TCP] = (struct pe_count){ 1, 2 };
	b.rest->count[PE_EGRESS][PE_PROTO_TCP] = (struct pe_count){ 10, 20 };
	assert_int_equal(pe_flow_sample_add(&a, &b, arena), 0);
	assert_int_equal(a.active, 7);
	assert_ptr_equal(a.proto[PE_PROTO_TCP], &tcp);
	assert_memory_equal(&tcp, &sum, sizeof(sum));
	assert_ptr_not_equal(a.proto[PE_PROTO_UDP], &udp);
	assert_memory_equal(a.proto[PE_PROTO_UDP], &udp, sizeof(udp));
	assert_null(a.proto[PE_PROTO_ICMP]);
	/* b's largest flows are among the others of a; a's own stay. */
	assert_int_equal(pe_flow_rest(&a, PE_EGRESS, PE_PROTO_TCP).packets, 18);
	assert_int_equal(pe_flow_rest(&a, PE_EGRESS, PE_PROTO_TCP).bytes, 722);
	assert_int_equal(pe_flow_rest(&a, PE_INGRESS, PE_PROTO_OTHER).packets, 1);
	assert_int_equal(pe_flow_rest(&a, PE_INGRESS, PE_PROTO_TCP).packets, 0);
	assert_ptr_equal(a.top, &own);
	assert_int_equal(a.top_count, 1);
	pe_arena_free(arena);
}

static void test_flows_without_memory(void **state)
{
	struct pe_flow_stats tcp = numbered_stats(1), more = numbered_stats(10), before = tcp;
	struct pe_flow_sample a = { .active = 1 }, b = { .active = 1 };
	struct pe_arena *arena;
	size_t i;
	int r;

	if (!malloc_failure_works)
		return;
	a.proto[PE_PROTO_TCP] = &tcp;
	for (i = 0; i < PE_PROTO_COUNT; i++)
		b.proto[i] = &more;
	assert_int_equal(pe_arena_new(&arena), 0);
	malloc_failure_after = 0;
	r = pe_flow_sample_add(&a, &b, arena);
	malloc_failure_after = -1;
	assert_int_equal(r, -ENOMEM);
	assert_int_equal(a.active, 1);
	assert_memory_equal(&tcp, &before, sizeof(tcp));
	pe_arena_free(arena);
}

static void test_names(void **state)
{
	static const struct {
		uint8_t number;
		enum pe_proto proto;
		const char *name;
	} cases[] = {
		{ IPPROTO_TCP, PE_PROTO_TCP, "tcp" },	 { IPPROTO_UDP, PE_PROTO_UDP, "udp" },
		{ IPPROTO_ICMP, PE_PROTO_ICMP, "icmp" }, { 58, PE_PROTO_ICMPV6, "icmpv6" },
		{ IPPROTO_SCTP, PE_PROTO_SCTP, "sctp" }, { IPPROTO_IGMP, PE_PROTO_IGMP, "igmp" },
		{ IPPROTO_GRE, PE_PROTO_GRE, "gre" },	 { IPPROTO_ESP, PE_PROTO_ESP, "esp" },
		{ IPPROTO_AH, PE_PROTO_AH, "ah" },	 { IPPROTO_IPIP, PE_PROTO_IPIP, "ipip" },
		{ IPPROTO_IPV6, PE_PROTO_IPV6, "ipv6" }, { 0, PE_PROTO_OTHER, "other" },
		{ 255, PE_PROTO_OTHER, "other" },
	};
	size_t i, known = 0;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(pe_proto_from_ip(cases[i].number), cases[i].proto);
		assert_string_equal(pe_proto_name(cases[i].proto), cases[i].name);
	}
	for (i = 0; i <= UINT8_MAX; i++)
		known += pe_proto_from_ip((uint8_t)i) != PE_PROTO_OTHER;
	assert_int_equal(known, PE_PROTO_COUNT - 1);
	assert_string_equal(pe_mode_name(PE_MODE_NONE), "none");
	assert_string_equal(pe_mode_name(PE_MODE_NATIVE), "native");
	assert_string_equal(pe_mode_name(PE_MODE_GENERIC), "generic");
	assert_string_equal(pe_mode_name(PE_MODE_TRACEPOINT), "tracepoint");
	assert_string_equal(pe_mode_name(PE_MODE_TCX), "tcx");
	for (i = 0; i < PE_REASON_COUNT; i++)
		assert_non_null(pe_mode_reason_name((enum pe_mode_reason)i));
	assert_string_equal(pe_mode_reason_name(PE_REASON_NONE), "");
	assert_string_equal(pe_mode_reason_name(PE_REASON_NATIVE_REFUSED), "native_refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_snapshot_is_shared),
		cmocka_unit_test(test_times_become_wall_clock),
		cmocka_unit_test(test_interfaces_are_aligned_and_zero),
		cmocka_unit_test(test_groups_are_aligned_and_nameless),
		cmocka_unit_test(test_latency_bounds_are_inclusive),
		cmocka_unit_test(test_rows_add_word_by_word),
		cmocka_unit_test(test_flows_add),
		cmocka_unit_test(test_flows_without_memory),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
