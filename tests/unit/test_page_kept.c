/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept of samples between looks: all of it, in how much memory, and how long. */
#include <pthread.h>

#include "malloc-failure.h"
#include "live-scene.h"
#include "snapshot-fixture.h"

#include "../../src/web/page/packed.h"

/* ---- samples, packed ---- */

static void assert_flows(const struct pe_flow_sample *flows, const struct pe_flow_sample *expected)
{
	assert_int_equal(flows->active, expected->active);
	for (size_t i = 0; i < PE_PROTO_COUNT; i++) {
		assert_int_equal(!flows->proto[i], !expected->proto[i]);
		if (flows->proto[i])
			assert_memory_equal(flows->proto[i], expected->proto[i],
					    sizeof(*flows->proto[i]));
	}
	assert_int_equal(!flows->rest, !expected->rest);
	if (flows->rest)
		assert_memory_equal(flows->rest, expected->rest, sizeof(*flows->rest));
	assert_int_equal(flows->top_count, expected->top_count);
	if (flows->top_count)
		assert_memory_equal(flows->top, expected->top,
				    flows->top_count * sizeof(*flows->top));
}

static void assert_body(const struct pe_series_body *body, const struct pe_series_body *expected)
{
	assert_int_equal(body->created_ns, expected->created_ns);
	assert_memory_equal(body->row, expected->row, sizeof(body->row));
	assert_memory_equal(body->unobserved, expected->unobserved, sizeof(body->unobserved));
	assert_memory_equal(body->overcounted, expected->overcounted, sizeof(body->overcounted));
}

/* It is the same when it has been packed, with its flows and without. */
static void assert_iface_kept(struct pe_snapshot *snapshot, const struct pe_iface_sample *iface)
{
	struct pe_strbuf packed = PE_STRBUF_INIT;
	struct pe_iface_sample again;
	struct pe_arena *arenas[] = { NULL, snapshot->arena };

	pe_packed_add_iface(&packed, iface);
	assert_int_equal(packed.error, 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pe_packed_read_iface(packed.data, arenas[i], &again), 0);
		assert_int_equal(again.info.ifindex, iface->info.ifindex);
		assert_string_equal(again.info.name, iface->info.name);
		assert_string_equal(again.info.alias, iface->info.alias);
		assert_string_equal(again.info.altnames, iface->info.altnames);
		assert_string_equal(again.info.kind, iface->info.kind);
		assert_string_equal(again.info.master, iface->info.master);
		assert_int_equal(again.info.mode, iface->info.mode);
		assert_int_equal(again.info.mode_reason, iface->info.mode_reason);
		assert_null(again.identity);
		assert_int_equal(again.departed, iface->departed);
		assert_int_equal(again.departed_ns, iface->departed_ns);
		assert_memory_equal(again.dropped, iface->dropped, sizeof(again.dropped));
		assert_memory_equal(again.errors, iface->errors, sizeof(again.errors));
		assert_int_equal(again.has_tcp, iface->has_tcp);
		assert_memory_equal(&again.tcp, &iface->tcp, sizeof(again.tcp));
		assert_body(&again.body, &iface->body);
	}
	assert_flows(&again.body.flows, &iface->body.flows);
	assert_int_equal(again.body.drops != NULL, iface->body.drops != NULL);
	if (iface->body.drops)
		assert_memory_equal(again.body.drops, iface->body.drops, sizeof(*again.body.drops));
	assert_int_equal(again.body.dns != NULL, iface->body.dns != NULL);
	if (iface->body.dns)
		assert_memory_equal(again.body.dns, iface->body.dns, sizeof(*again.body.dns));
	pe_strbuf_fini(&packed);
}

static void assert_group_kept(struct pe_snapshot *snapshot, const struct pe_group_sample *group)
{
	struct pe_strbuf packed = PE_STRBUF_INIT;
	struct pe_tcp_summary tcp = { 0 };
	struct pe_group_sample again;

	pe_packed_add_group(&packed, group);
	assert_int_equal(pe_packed_read_group(packed.data, snapshot->arena, &again), 0);
	for (size_t label = 0; label < PE_GROUP_LABELS; label++) {
		assert_string_equal(again.label[label], group->label[label]);
		assert_string_equal(pe_packed_text(packed.data, label), group->label[label]);
	}
	assert_int_equal(again.interfaces, group->interfaces);
	assert_int_equal(again.arrived, group->arrived);
	assert_int_equal(again.departed, group->departed);
	pe_tcp_summarize(&tcp, group->body.tcp);
	assert_memory_equal(&again.tcp, &tcp, sizeof(tcp));
	assert_body(&again.body, &group->body);
	assert_flows(&again.body.flows, &group->body.flows);
	pe_strbuf_fini(&packed);
}

static void test_packed(void **state)
{
	struct pe_snapshot *snapshot = fixture_snapshot(20, true, true);
	struct pe_iface_sample *iface = &snapshot->ifaces[7];
	struct pe_row *row = iface->body.row;

	for (size_t i = 0; i < snapshot->iface_count; i++) {
		snapshot->ifaces[i].dropped[i % 2] = (uint64_t)i << 40;
		snapshot->ifaces[i].has_tcp = i % 2;
		snapshot->ifaces[i].info.mode_reason = (enum pe_mode_reason)(i % PE_REASON_COUNT);
		assert_iface_kept(snapshot, &snapshot->ifaces[i]);
	}
	for (size_t i = 0; i < snapshot->group_count; i++)
		assert_group_kept(snapshot, &snapshot->groups[i]);
	/* Nothing at all, the first number alone, and the last. */
	memset(&iface->body, 0, sizeof(iface->body));
	assert_iface_kept(snapshot, iface);
	row[PE_INGRESS].class[0].packets = UINT64_MAX;
	assert_iface_kept(snapshot, iface);
	iface->body.overcounted[PE_EGRESS].bytes = 1;
	assert_iface_kept(snapshot, iface);
	row[PE_INGRESS].class[0].packets = 0;
	assert_iface_kept(snapshot, iface);
	/* Each length that a number can have. */
	for (unsigned int bits = 0; bits < 64; bits++) {
		row[PE_EGRESS].size[0] = UINT64_C(1) << bits;
		assert_iface_kept(snapshot, iface);
		row[PE_EGRESS].size[0]--;
		assert_iface_kept(snapshot, iface);
	}
	pe_snapshot_unref(snapshot);
}

/* Without memory for its flows. */
static void test_packed_refused(void **state)
{
	struct pe_snapshot *snapshot = fixture_snapshot(1, true, false);
	struct pe_strbuf packed = PE_STRBUF_INIT;
	struct pe_iface_sample again;
	struct pe_arena *arena;
	int r = -ENOMEM;

	pe_packed_add_iface(&packed, &snapshot->ifaces[0]);
	for (long after = 0; malloc_failure_works && r < 0; after++) {
		assert_int_equal(pe_arena_new(&arena), 0);
		malloc_failure_after = after;
		r = pe_packed_read_iface(packed.data, arena, &again);
		malloc_failure_after = -1;
		assert_true(r == 0 || (r == -ENOMEM && after < 10));
		pe_arena_free(arena);
	}
	pe_strbuf_fini(&packed);
	pe_snapshot_unref(snapshot);
}

/* ---- what is kept ---- */

static void test_tick(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", scene_now_ns - 100 * S, { 0, 0 });
	const struct pe_live_view *view;

	pe_live_tick(live);
	align_clock();
	look_at(live, &item);
	scene_pass(299 * S);
	pe_live_tick(live);
	/* Its history is still there. */
	item.count[PE_INGRESS].bytes = 60000 * 299 / 5;
	view = look_at(live, &item);
	assert_rate(view->ifaces.item[0], 96000, 0, 0, 0);
	scene_pass(300 * S);
	pe_live_tick(live);
	view = look_at(live, &item);
	assert_true(view->seconds <= 0);
	assert_points(live, view->ifaces.item[0], NULL, 0);
	/* Who looks is not disturbed. */
	assert_int_equal(pe_live_lock(live, &view), 0);
	scene_pass(1000 * S);
	pe_live_tick(live);
	assert_int_equal(view->ifaces.count, 1);
	pe_live_unlock(live);
	free_live(live);
}

/* ---- memory ---- */

/* What a container that serves web pages has after some hours. */
static void make_busy(struct pe_snapshot *snapshot, size_t i, struct pe_series_body *body)
{
	static const enum pe_proto protos[] = { PE_PROTO_TCP, PE_PROTO_UDP };
	const uint64_t packets = 1200000 + 977 * i;

	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		struct pe_row *row = &body->row[d];

		memset(row, 0, sizeof(*row));
		row->class[PE_CLASS_IPV4 + PE_PROTO_TCP] =
			(struct pe_count){ packets, packets * 900 };
		row->class[PE_CLASS_IPV4 + PE_PROTO_UDP] =
			(struct pe_count){ packets / 100, packets };
		row->class[PE_CLASS_ARP] = (struct pe_count){ packets / 5000, packets / 100 };
		for (size_t bucket = 0; bucket < 6; bucket++)
			row->size[bucket] = packets / (bucket + 2);
		for (size_t kind = 0; kind < 3; kind++)
			row->tcp[kind] = packets / 30 + kind;
		body->unobserved[d][PE_UNOBSERVED_BEFORE_ATTACH] = (struct pe_count){ 3, 238 };
	}
	body->flows.active = 12;
	for (size_t p = 0; p < 2; p++) {
		struct pe_flow_stats *stats = pe_arena_alloc(snapshot->arena, 1, sizeof(*stats));

		assert_non_null(stats);
		stats->flows[PE_INGRESS] = packets / 50;
		for (size_t bucket = 0; bucket < 4; bucket++) {
			stats->duration[2 + bucket] = packets / 200 + bucket;
			stats->size[1 + bucket] = packets / 200 - bucket;
		}
		stats->duration_sum_ns = packets * PE_NS_PER_S / 10;
		stats->size_sum_bytes = packets * 900;
		body->flows.proto[protos[p]] = stats;
	}
}

static void add_top_flows(struct pe_snapshot *snapshot, struct pe_flow_sample *flows, size_t count)
{
	flows->top_count = count;
	flows->top = pe_arena_alloc(snapshot->arena, count, sizeof(*flows->top));
	assert_non_null(flows->top);
	for (size_t i = 0; i < count; i++) {
		struct pe_top_flow *top = &flows->top[i];

		memcpy(top->key.saddr, (uint8_t[]){ 172, 17, (uint8_t)i, 200 }, 4);
		memcpy(top->key.daddr, (uint8_t[]){ 198, 51, 100, (uint8_t)i }, 4);
		top->key.sport = (uint16_t)(40000 + i);
		top->key.dport = 443;
		top->key.ip_proto = IPPROTO_TCP;
		top->key.tag = PE_FLOW_TAG(3, 0, PE_EGRESS);
		top->count = (struct pe_count){ 100000 + i, 140000000 + i };
		top->since_ns = snapshot->taken_ns - i;
	}
}

/* As many interfaces as the documents promise for, each in a group of its own. */
static struct pe_snapshot *many(size_t top_flows)
{
	static char names[1024][32];
	static struct scene_item items[1024];
	struct pe_snapshot *snapshot;

	for (size_t i = 0; i < 1024; i++) {
		snprintf(names[i], sizeof(names[i]), "veth%07zx-of-a-workload", i << 16 | i);
		items[i] = (struct scene_item)ITEM(names[i], 0);
	}
	snapshot = scene_snapshot(items, 1024, items, 1024);
	for (size_t i = 0; i < 1024; i++) {
		strcpy(snapshot->ifaces[i].info.name + 11, "");
		strcpy(snapshot->ifaces[i].info.master, "br-0123456789ab");
		snapshot->groups[i].label[PE_GROUP_MASTER] = "br-0123456789ab";
		make_busy(snapshot, i, &snapshot->ifaces[i].body);
		make_busy(snapshot, i, &snapshot->groups[i].body);
		if (top_flows)
			add_top_flows(snapshot, &snapshot->ifaces[i].body.flows, top_flows);
	}
	return snapshot;
}

static size_t allocated(void)
{
	const struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* What a look leaves behind. The snapshot is given back while the lock is still held. */
static size_t look_at_many(struct pe_live *live, size_t top_flows)
{
	const struct pe_live_view *view;
	size_t before;

	scene_set(&scene, many(top_flows));
	before = allocated();
	assert_int_equal(pe_live_lock(live, &view), 0);
	assert_int_equal(view->ifaces.count + view->groups.count, 2048);
	assert_int_equal(scene.next->references, 1);
	pe_live_unlock(live);
	return allocated() - before;
}

/* Addresses are packed as numbers: it takes more where their first byte is the upper one. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FLOW_KEPT 45
#else
#define FLOW_KEPT 53
#endif

static void test_memory(void **state)
{
	struct pe_live *live;
	size_t first, with_flows;
	long held;

	if (!malloc_failure_works)
		return;
	live = new_live();
	held = malloc_failure_held;
	first = look_at_many(live, 0);
	assert_in_range(first, 1024 * 100, 1 << 20);
	/* However often. */
	for (int second = 0; second < 3; second++) {
		scene_pass(S);
		assert_in_range(look_at_many(live, 0), 0, 1024);
	}
	scene_pass(S);
	with_flows = look_at_many(live, 10);
	assert_in_range(with_flows, 1, 10 * 1024 * FLOW_KEPT);
	scene_pass(300 * S);
	pe_live_tick(live);
	scene_set(&scene, NULL);
	assert_int_equal(malloc_failure_held, held);
	free_live(live);
}

/* A look for which an allocation fails, and one more that knows what it saw. Returns what the first
 * one did. */
static int look_without_memory(struct pe_live *live, long after)
{
	const struct pe_live_view *view;
	int r;

	malloc_failure_after = after;
	r = pe_live_lock(live, &view);
	malloc_failure_after = -1;
	if (r == 0) {
		pe_live_unlock(live);
		return r;
	}
	assert_int_equal(r, -ENOMEM);
	assert_int_equal(scene.next->references, 1);
	assert_int_equal(pe_live_lock(live, &view), 0);
	pe_live_unlock(live);
	scene_pass(S);
	malloc_failure_after = after % 2;
	assert_int_equal(pe_live_lock(live, &view), -ENOMEM);
	malloc_failure_after = -1;
	return r;
}

static void test_memory_refused(void **state)
{
	struct pe_live *live = new_live();
	const struct scene_item items[] = {
		ITEM("a", 0, { 1, 60 }),
		ITEM("b", 0, { 2, 120 }),
		{ .name = "c", .departed = true },
	};
	int r = malloc_failure_works ? -ENOMEM : 0;
	long after;

	scene_set(&scene, scene_snapshot(items, 3, items, 2));
	for (after = 0; r < 0; after++) {
		const long held = malloc_failure_held;

		r = look_without_memory(live, after);
		if (r < 0)
			assert_int_equal(malloc_failure_held, held);
	}
	if (malloc_failure_works)
		assert_in_range(after, 6, 20);
	free_live(live);
}

/* ---- threads ---- */

static void *look_often(void *userdata)
{
	struct pe_live *live = userdata;
	const struct pe_live_view *view;
	bool fine = true;

	for (int i = 0; i < 500; i++) {
		scene_pass(10 * PE_NS_PER_MS);
		if (pe_live_lock(live, &view) < 0)
			return live;
		for (size_t n = 0; n < view->ifaces.count; n++)
			fine = fine && pe_live_rate(view->ifaces.item[n]).bits[PE_EGRESS] >= 0 &&
			       pe_live_point(live, view->groups.item[n], 0, PE_EGRESS) >= -1;
		pe_live_unlock(live);
		pe_live_tick(live);
	}
	return fine ? NULL : live;
}

static void test_threads(void **state)
{
	struct pe_live *live = new_live();
	const struct scene_item items[] = { ITEM("a", 0, { 1, 60 }), ITEM("b", 0, { 2, 120 }) };
	const uint64_t begin_ns = scene_now_ns;
	pthread_t thread[4];
	void *failed;

	scene_set(&scene, scene_snapshot(items, 2, items, 2));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, look_often, live), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
	assert_in_range(scene.taken, 2, 1 + (scene_now_ns - begin_ns) / (900 * PE_NS_PER_MS));
	free_live(live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packed),	       cmocka_unit_test(test_packed_refused),
		cmocka_unit_test(test_tick),	       cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_refused), cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
