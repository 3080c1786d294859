/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The largest flows: nothing is lost or counted twice, and the large ones are found. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "pe/arena.h"
#include "pe/shard.h"
#include "pe/top.h"

#define TOKEN	PE_TOKEN(2, 1)
#define IDS_MAX 5000
#define STEP_NS 1000 /* as fine as times are exported */

static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, 253 };

/* The id decides direction and protocol and can be read back from the key. */
static struct pe_flow make_record(uint32_t token, uint32_t id, uint32_t packets, uint64_t bytes)
{
	struct pe_flow record = {
		.key = {
			.slot = PE_TOKEN_SLOT(token),
			.ip_proto = protocols[id / 2 % 4],
			.tag = PE_FLOW_TAG(token & 0xff, 0, id % 2),
		},
		.packets = packets,
		.bytes = bytes,
	};

	memcpy(record.key.saddr, &id, sizeof(id));
	return record;
}

static uint32_t id_of(const struct pe_flow_key *key)
{
	uint32_t id;

	memcpy(&id, key->saddr, sizeof(id));
	return id;
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* Everything that was added, and what was seen at the last look. */
struct truth {
	struct pe_count flow[IDS_MAX];
	struct pe_count sum[PE_DIRECTIONS][PE_PROTO_COUNT];
	struct pe_count rest[PE_DIRECTIONS][PE_PROTO_COUNT];
	struct pe_count shown[IDS_MAX];
	/* What the flow had had before its series began. */
	struct pe_count base[IDS_MAX];
	uint64_t since_ns[IDS_MAX]; /* 0: not shown */
	uint64_t seen_at[IDS_MAX];
};

static void count_add(struct pe_count *count, struct pe_count more)
{
	count->packets += more.packets;
	count->bytes += more.bytes;
}

static void assert_not_less(struct pe_count now, struct pe_count before)
{
	assert_true(now.packets >= before.packets);
	assert_true(now.bytes >= before.bytes);
}

static void truth_add(struct truth *truth, const struct pe_flow *record)
{
	const struct pe_flow_key *key = &record->key;
	struct pe_count more = { .packets = record->packets, .bytes = record->bytes };

	count_add(&truth->flow[id_of(key)], more);
	count_add(&truth->sum[PE_FLOW_DIRECTION(key->tag)][pe_proto_from_ip(key->ip_proto)], more);
}

static void check_sums(struct truth *truth, const struct pe_flow_sample *sample)
{
	struct pe_count sum[PE_DIRECTIONS][PE_PROTO_COUNT];

	for (size_t i = 0; i < PE_DIRECTIONS * PE_PROTO_COUNT; i++)
		sum[i / PE_PROTO_COUNT][i % PE_PROTO_COUNT] =
			pe_flow_rest(sample, i / PE_PROTO_COUNT, i % PE_PROTO_COUNT);
	for (size_t i = 0; i < sample->top_count; i++) {
		const struct pe_flow_key *key = &sample->top[i].key;

		count_add(&sum[PE_FLOW_DIRECTION(key->tag)][pe_proto_from_ip(key->ip_proto)],
			  sample->top[i].count);
	}
	assert_memory_equal(sum, truth->sum, sizeof(sum));
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		for (size_t p = 0; p < PE_PROTO_COUNT; p++) {
			assert_not_less(pe_flow_rest(sample, d, p), truth->rest[d][p]);
			truth->rest[d][p] = pe_flow_rest(sample, d, p);
		}
	}
}

/* Right after `record`, the only one since the last look, was added in step `step`. */
static void check_shown(struct truth *truth, const struct pe_flow_sample *sample,
			const struct pe_flow *record, uint64_t step)
{
	uint32_t arrived = id_of(&record->key);

	for (size_t i = 0; i < sample->top_count; i++) {
		const struct pe_top_flow *top = &sample->top[i];
		uint32_t id = id_of(&top->key);

		assert_true(i == 0 || top->count.bytes <= top[-1].count.bytes);
		assert_true(truth->seen_at[id] != step); /* none twice */
		if (truth->since_ns[id] != top->since_ns) {
			/* A series begins, and only with a record of its own flow. */
			assert_int_equal(top->since_ns, step * STEP_NS);
			assert_int_equal(id, arrived);
			truth->since_ns[id] = step * STEP_NS;
			truth->base[id] = truth->flow[id];
			truth->base[id].packets -= record->packets;
			truth->base[id].bytes -= record->bytes;
		} else {
			assert_not_less(top->count, truth->shown[id]);
		}
		truth->shown[id] = top->count;
		truth->seen_at[id] = step;
		assert_int_equal(top->count.bytes, truth->flow[id].bytes - truth->base[id].bytes);
		assert_int_equal(top->count.packets,
				 truth->flow[id].packets - truth->base[id].packets);
	}
	for (uint32_t id = 0; id < IDS_MAX; id++) {
		if (!truth->since_ns[id] || truth->seen_at[id] == step)
			continue;
		/* Displaced: only by the flow of the record, only by a larger one. */
		truth->since_ns[id] = 0;
		assert_int_equal(truth->seen_at[arrived], step);
		assert_int_equal(truth->since_ns[arrived], step * STEP_NS);
		assert_true(truth->flow[arrived].bytes > truth->flow[id].bytes);
	}
}

static struct pe_flow_sample read_sample(struct pe_top *top, uint32_t token, struct pe_arena *arena)
{
	struct pe_flow_sample sample = { 0 };

	assert_int_equal(pe_top_read(top, token, arena, &sample), 0);
	return sample;
}

/* ---- streams ---- */

/* Draws from 1/(i+1)^exponent over `ids` flows by inversion. */
static double zipf_sum[IDS_MAX];

static void zipf_init(unsigned int ids, unsigned int exponent)
{
	double sum = 0;

	for (unsigned int i = 0; i < ids; i++) {
		double weight = 1;

		for (unsigned int e = 0; e < exponent; e++)
			weight /= i + 1;
		sum += weight;
		zipf_sum[i] = sum;
	}
}

static uint32_t zipf_draw(unsigned int ids)
{
	double x = (double)next_random(UINT64_C(1) << 52) / (double)(UINT64_C(1) << 52) *
		   zipf_sum[ids - 1];
	uint32_t low = 0, high = ids - 1;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (zipf_sum[middle] < x)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Adds one record of a stream over `ids` flows (after zipf_init) and checks all that must hold. */
static void check_step(struct pe_top *top, struct truth *truth, uint64_t step, unsigned int ids)
{
	struct pe_flow record =
		make_record(TOKEN, zipf_draw(ids), next_random(9) + 1, next_random(3000));
	struct pe_arena *arena = NULL;
	struct pe_flow_sample sample;

	assert_int_equal(pe_arena_new(&arena), 0);
	pe_top_add(top, &record, 1, step * STEP_NS);
	truth_add(truth, &record);
	sample = read_sample(top, TOKEN, arena);
	check_sums(truth, &sample);
	check_shown(truth, &sample, &record, step);
	pe_arena_free(arena);
}

static struct truth *truth_new(void)
{
	struct truth *truth = calloc(1, sizeof(*truth));

	assert_non_null(truth);
	return truth;
}

static void test_every_prefix(void **state)
{
	static const struct {
		unsigned int k, ids, exponent;
	} streams[] = {
		{ 1, 500, 0 },	 { 3, 70, 1 },	 { 10, 2000, 1 },
		{ 40, 5000, 1 }, { 5, 5000, 0 }, { 4, 500, 2 },
	};

	for (size_t i = 0; i < sizeof(streams) / sizeof(*streams); i++) {
		struct truth *truth = truth_new();
		struct pe_top *top = NULL;

		assert_int_equal(pe_top_new(streams[i].k, &top), 0);
		zipf_init(streams[i].ids, streams[i].exponent);
		for (uint64_t step = 1; step <= 4000; step++)
			check_step(top, truth, step, streams[i].ids);
		assert_int_equal(pe_top_dropped(top), 0);
		pe_top_free(top);
		free(truth);
	}
}

/* With no more flows than places all are shown, whole. */
static void test_few_flows_are_all_exact(void **state)
{
	struct pe_top *top = NULL;
	struct pe_arena *arena = NULL;
	struct pe_flow_sample sample;
	struct truth *truth = truth_new();

	assert_int_equal(pe_top_new(20, &top), 0);
	assert_int_equal(pe_arena_new(&arena), 0);
	zipf_init(20, 1);
	for (uint64_t step = 1; step <= 3000; step++)
		check_step(top, truth, step, 20);
	sample = read_sample(top, TOKEN, arena);
	assert_int_equal(sample.top_count, 20);
	for (size_t i = 0; i < 20; i++) {
		const struct pe_top_flow *flow = &sample.top[i];

		assert_memory_equal(&flow->count, &truth->flow[id_of(&flow->key)],
				    sizeof(flow->count));
	}
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		for (size_t p = 0; p < PE_PROTO_COUNT; p++)
			assert_int_equal(pe_flow_rest(&sample, d, p).packets, 0);
	}
	free(truth);
	pe_arena_free(arena);
	pe_top_free(top);
}

/* With no more flows than candidates the K largest are shown, at any time. */
static void test_largest_of_the_candidates(void **state)
{
	enum { K = 10, IDS = 64 };
	struct pe_top *top = NULL;
	struct truth *truth = truth_new();

	assert_int_equal(pe_top_new(K, &top), 0);
	zipf_init(IDS, 0);
	for (uint64_t step = 1; step <= 5000; step++) {
		uint64_t smallest = UINT64_MAX;

		check_step(top, truth, step, IDS);
		for (uint32_t id = 0; id < IDS; id++) {
			if (truth->since_ns[id] && truth->flow[id].bytes < smallest)
				smallest = truth->flow[id].bytes;
		}
		for (uint32_t id = 0; id < IDS; id++)
			assert_true(truth->since_ns[id] || truth->flow[id].bytes <= smallest);
	}
	free(truth);
	pe_top_free(top);
}

static void test_heavy_hitters_are_found(void **state)
{
	enum { K = 10, IDS = 5000, STEPS = 200000 };
	struct pe_top *top = NULL;
	struct pe_arena *arena = NULL;
	struct pe_flow_sample sample;
	bool found[IDS] = { false };

	assert_int_equal(pe_top_new(K, &top), 0);
	assert_int_equal(pe_arena_new(&arena), 0);
	zipf_init(IDS, 1);
	/* The small flows come first and take every place. */
	for (uint32_t id = 0; id < IDS; id++) {
		struct pe_flow record = make_record(TOKEN, IDS - 1 - id, 1, 1000);

		pe_top_add(top, &record, 1, 1);
	}
	for (unsigned int step = 0; step < STEPS; step++) {
		struct pe_flow record = make_record(TOKEN, zipf_draw(IDS), 1, 1000);

		pe_top_add(top, &record, 1, 2 + step);
	}
	sample = read_sample(top, TOKEN, arena);
	for (size_t i = 0; i < sample.top_count; i++)
		found[id_of(&sample.top[i].key)] = true;
	for (uint32_t id = 0; id < K / 2; id++)
		assert_true(found[id]);
	pe_arena_free(arena);
	pe_top_free(top);
}

/* A flood of flows that come once does not make series come and go. */
static void test_flood_changes_nothing(void **state)
{
	struct pe_top *top = NULL;
	struct pe_arena *arena = NULL;
	struct pe_flow_sample sample;

	assert_int_equal(pe_top_new(2, &top), 0);
	assert_int_equal(pe_arena_new(&arena), 0);
	for (uint32_t id = 0; id < 100000; id++) {
		struct pe_flow record = make_record(TOKEN, id, 1, 100);

		pe_top_add(top, &record, 1, id + 1);
	}
	sample = read_sample(top, TOKEN, arena);
	assert_int_equal(sample.top_count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_true(id_of(&sample.top[i].key) < 2);
		assert_int_equal(sample.top[i].count.bytes, 100);
	}
	pe_arena_free(arena);
	pe_top_free(top);
}

static void test_tokens_are_apart(void **state)
{
	const uint32_t other = PE_TOKEN(2, 2);
	struct pe_flow records[] = {
		make_record(TOKEN, 1, 1, 10),
		make_record(other, 1, 2, 20),
		make_record(TOKEN, 3, 4, 40),
	};
	struct pe_top *top = NULL;
	struct pe_arena *arena = NULL;
	struct pe_flow_sample sample;
	uint64_t other_since_ns;

	assert_int_equal(pe_top_new(1, &top), 0);
	assert_int_equal(pe_arena_new(&arena), 0);
	pe_top_add(top, records, 3, 5 * STEP_NS);
	sample = read_sample(top, other, arena);
	assert_int_equal(sample.top_count, 1);
	assert_int_equal(sample.top[0].count.packets, 2);
	other_since_ns = sample.top[0].since_ns;
	sample = read_sample(top, TOKEN, arena);
	/* Of the same batch, and still not the same beginning. */
	assert_true(sample.top[0].since_ns / STEP_NS != other_since_ns / STEP_NS);
	assert_int_equal(sample.top[0].count.bytes, 40);
	assert_int_equal(pe_flow_rest(&sample, PE_EGRESS, PE_PROTO_TCP).bytes, 10);

	/* Reading adds to the rest and leaves an unknown token's sample as it is. */
	assert_int_equal(pe_top_read(top, TOKEN, arena, &sample), 0);
	assert_int_equal(pe_flow_rest(&sample, PE_EGRESS, PE_PROTO_TCP).bytes, 20);
	pe_top_forget(top, TOKEN);
	pe_top_forget(top, TOKEN);
	assert_int_equal(pe_top_read(top, TOKEN, arena, &sample), 0);
	assert_int_equal(sample.top_count, 1);
	assert_int_equal(pe_flow_rest(&sample, PE_EGRESS, PE_PROTO_TCP).bytes, 20);
	assert_int_equal(read_sample(top, TOKEN, arena).top_count, 0);
	assert_int_equal(read_sample(top, other, arena).top_count, 1);

	/* A new use of the token begins with nothing. */
	pe_top_add(top, records, 1, 9 * STEP_NS);
	sample = read_sample(top, TOKEN, arena);
	assert_int_equal(sample.top[0].count.bytes, 10);
	assert_int_equal(sample.top[0].since_ns, 9 * STEP_NS);
	pe_arena_free(arena);
	pe_top_free(top);
}

static void test_bad_k(void **state)
{
	struct pe_top *top = NULL;

	assert_int_equal(pe_top_new(0, &top), -EINVAL);
	assert_int_equal(pe_top_new(UINT32_MAX, &top), -EINVAL);
	assert_null(top);
	assert_null(pe_top_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_k),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_few_flows_are_all_exact),
		cmocka_unit_test(test_largest_of_the_candidates),
		cmocka_unit_test(test_heavy_hitters_are_found),
		cmocka_unit_test(test_flood_changes_nothing),
		cmocka_unit_test(test_tokens_are_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
