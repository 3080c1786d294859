/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow table: what it counts, when a flow ends, what happens at its limits. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "pe/arena.h"
#include "pe/shard.h"
#include "pe/top.h"

#include "../../src/collect/hash.h"

#define TICK_NS	   4000000u /* 4 ms */
#define IDLE_TICKS 1000
#define TOKEN	   PE_TOKEN(7, 3)

static struct pe_flow make_record(uint32_t token, unsigned int id, uint32_t packets, uint64_t bytes,
				  uint32_t first, uint32_t last)
{
	struct pe_flow record = {
		.key = {
			.sport = htons(443),
			.dport = (__be16)id,
			.slot = PE_TOKEN_SLOT(token),
			.ip_proto = id % 2 ? IPPROTO_UDP : IPPROTO_TCP,
			.tag = PE_FLOW_TAG(token & 0xff, 0, id / 2 % 2),
		},
		.packets = packets,
		.bytes = bytes,
		.first = first,
		.last = last,
	};

	memcpy(record.key.saddr, &id, sizeof(id));
	return record;
}

static struct pe_shard *make_shard(size_t max_flows, struct pe_top *top)
{
	struct pe_shard_options options = {
		.max_flows = max_flows,
		.idle_ticks = IDLE_TICKS,
		.tick_ns = TICK_NS,
		.top = top,
	};
	struct pe_shard *shard = NULL;

	assert_int_equal(pe_shard_new(&options, &shard), 0);
	assert_int_equal(pe_shard_announce(shard, TOKEN), 0);
	return shard;
}

static void add_one(struct pe_shard *shard, uint32_t token, unsigned int id, uint32_t packets,
		    uint64_t bytes, uint32_t first, uint32_t last)
{
	struct pe_flow record = make_record(token, id, packets, bytes, first, last);

	pe_shard_add(shard, &record, 1, record.last, 0);
}

static size_t expire_all(struct pe_shard *shard, uint32_t now)
{
	return pe_shard_expire(shard, now, pe_shard_places(shard));
}

/* Sums over protocols. */
struct totals {
	uint64_t active, begun, ended, duration_ns, bytes;
	uint64_t duration[PE_DURATION_BUCKETS], size[PE_FLOW_SIZE_BUCKETS];
};

static struct totals read_totals(struct pe_shard *shard, uint32_t token)
{
	struct pe_arena *arena = NULL;
	struct pe_flow_sample sample = { 0 };
	struct totals totals = { 0 };

	assert_int_equal(pe_arena_new(&arena), 0);
	assert_int_equal(pe_shard_read(shard, token, arena, &sample), 0);
	totals.active = sample.active;
	for (size_t p = 0; p < PE_PROTO_COUNT; p++) {
		const struct pe_flow_stats *stats = sample.proto[p];
		uint64_t by_size = 0, by_duration = 0;

		if (!stats)
			continue;
		totals.begun += stats->flows[PE_INGRESS] + stats->flows[PE_EGRESS];
		totals.duration_ns += stats->duration_sum_ns;
		totals.bytes += stats->size_sum_bytes;
		for (size_t i = 0; i < PE_DURATION_BUCKETS; i++) {
			totals.duration[i] += stats->duration[i];
			by_duration += stats->duration[i];
		}
		for (size_t i = 0; i < PE_FLOW_SIZE_BUCKETS; i++) {
			totals.size[i] += stats->size[i];
			by_size += stats->size[i];
		}
		assert_int_equal(by_size, by_duration);
		totals.ended += by_size;
	}
	pe_arena_free(arena);
	return totals;
}

static struct pe_shard_stats read_stats(struct pe_shard *shard)
{
	struct pe_shard_stats stats;

	pe_shard_get_stats(shard, &stats);
	return stats;
}

static void test_refuses_zeros(void **state)
{
	const struct pe_shard_options good = { .max_flows = 1, .idle_ticks = 1, .tick_ns = 1 };
	struct pe_shard_options bad;
	struct pe_shard *shard = NULL;

	bad = good;
	bad.max_flows = 0;
	assert_int_equal(pe_shard_new(&bad, &shard), -EINVAL);
	bad = good;
	bad.idle_ticks = 0;
	assert_int_equal(pe_shard_new(&bad, &shard), -EINVAL);
	bad = good;
	bad.tick_ns = 0;
	assert_int_equal(pe_shard_new(&bad, &shard), -EINVAL);
	bad = good;
	bad.max_flows = SIZE_MAX;
	assert_int_equal(pe_shard_new(&bad, &shard), -ENOMEM);
	assert_null(shard);
	assert_null(pe_shard_free(NULL));
}

static void test_tokens(void **state)
{
	struct pe_shard *shard = make_shard(64, NULL);
	struct pe_flow_sample sample = { 0 };

	assert_int_equal(pe_shard_announce(shard, TOKEN), -EEXIST);
	assert_int_equal(pe_shard_announce(shard, PE_TOKEN(65535, 63)), 0);
	assert_int_equal(pe_shard_announce(shard, PE_TOKEN(65536, 0)), -EINVAL);
	assert_int_equal(pe_shard_announce(shard, PE_TOKEN(1, 64)), -EINVAL);
	assert_int_equal(pe_shard_announce(shard, PE_TOKEN_NONE), -EINVAL);
	assert_int_equal(pe_shard_read(shard, PE_TOKEN(1, 1), NULL, &sample), -ENOENT);
	pe_shard_forget(shard, PE_TOKEN(1, 1));
	pe_shard_forget(shard, PE_TOKEN_NONE);
	pe_shard_forget(shard, TOKEN);
	assert_int_equal(pe_shard_read(shard, TOKEN, NULL, &sample), -ENOENT);
	assert_int_equal(pe_shard_announce(shard, TOKEN), 0);
	pe_shard_free(shard);
}

static void test_orphans(void **state)
{
	struct pe_shard *shard = make_shard(64, NULL);

	add_one(shard, PE_TOKEN(7, 4), 0, 1, 100, 5, 5);     /* other generation */
	add_one(shard, PE_TOKEN(8, 3), 0, 1, 100, 5, 5);     /* other slot */
	add_one(shard, PE_TOKEN(60000, 3), 0, 1, 100, 5, 5); /* slot never seen */
	add_one(shard, TOKEN, 0, 0, 100, 5, 5);		     /* no packets */
	add_one(shard, TOKEN, 0, 1, 100, 5, 5);
	assert_int_equal(read_stats(shard).records, 5);
	assert_int_equal(read_stats(shard).orphaned, 4);
	assert_int_equal(read_stats(shard).active, 1);
	assert_int_equal(read_totals(shard, TOKEN).begun, 1);
	pe_shard_free(shard);
}

static void test_life_of_a_flow(void **state)
{
	struct pe_shard *shard = make_shard(64, NULL);
	struct pe_arena *arena = NULL;
	struct pe_flow_sample sample = { 0 };
	struct totals totals;

	add_one(shard, TOKEN, 3, 2, 1000, 100, 110);
	add_one(shard, TOKEN, 3, 1, 500, 120, 350);
	assert_int_equal(pe_arena_new(&arena), 0);
	assert_int_equal(pe_shard_read(shard, TOKEN, arena, &sample), 0);
	assert_int_equal(sample.active, 1);
	assert_null(sample.proto[PE_PROTO_TCP]);
	assert_int_equal(sample.proto[PE_PROTO_UDP]->flows[PE_EGRESS], 1);
	assert_int_equal(sample.proto[PE_PROTO_UDP]->flows[PE_INGRESS], 0);
	pe_arena_free(arena);

	assert_int_equal(expire_all(shard, 350 + IDLE_TICKS - 1), 0);
	assert_int_equal(read_totals(shard, TOKEN).ended, 0);
	assert_int_equal(expire_all(shard, 350 + IDLE_TICKS), 1);
	totals = read_totals(shard, TOKEN);
	assert_int_equal(totals.active, 0);
	assert_int_equal(totals.duration_ns, 250u * TICK_NS);
	assert_int_equal(totals.duration[4], 1); /* 1000 ms, inclusive */
	assert_int_equal(totals.bytes, 1500);
	assert_int_equal(totals.size[2], 1); /* 4096 */
	assert_int_equal(expire_all(shard, 350 + IDLE_TICKS), 0);

	/* It is a new one when it comes again. */
	add_one(shard, TOKEN, 3, 1, 1, 2000, 2000);
	totals = read_totals(shard, TOKEN);
	assert_int_equal(totals.begun, 2);
	assert_int_equal(totals.active, 1);
	pe_shard_free(shard);
}

static void test_size_bounds(void **state)
{
	struct pe_shard *shard = make_shard(64, NULL);
	unsigned int id = 0;
	struct totals totals;

	for (unsigned int i = 0; i < PE_FLOW_SIZE_BUCKETS - 1; i++) {
		uint64_t bound = UINT64_C(256) << (2 * i);

		add_one(shard, TOKEN, id++, 1, bound, 1, 1);
		add_one(shard, TOKEN, id++, 1, bound + 1, 1, 1);
	}
	expire_all(shard, 1 + IDLE_TICKS);
	totals = read_totals(shard, TOKEN);
	assert_int_equal(totals.size[0], 1);
	for (unsigned int i = 1; i < PE_FLOW_SIZE_BUCKETS - 1; i++)
		assert_int_equal(totals.size[i], 2);
	assert_int_equal(totals.size[PE_FLOW_SIZE_BUCKETS - 1], 1);
	pe_shard_free(shard);
}

static void test_duration_bounds(void **state)
{
	static const uint32_t bound_ms[] = { 10,    50,	   100,	  500,	  1500,	  5500,
					     15000, 30000, 60000, 300000, 1800000 };
	struct pe_shard_options options = {
		.max_flows = 64,
		.idle_ticks = 1,
		.tick_ns = 1000000,
	};
	struct pe_shard *shard = NULL;
	struct totals totals;

	assert_int_equal(pe_shard_new(&options, &shard), 0);
	assert_int_equal(pe_shard_announce(shard, TOKEN), 0);
	for (unsigned int i = 0; i < 11; i++) {
		add_one(shard, TOKEN, 2 * i, 1, 1, 77, 77 + bound_ms[i]);
		add_one(shard, TOKEN, 2 * i + 1, 1, 1, 77, 78 + bound_ms[i]);
	}
	expire_all(shard, 100 + 1800000);
	totals = read_totals(shard, TOKEN);
	assert_int_equal(totals.duration[0], 1);
	for (unsigned int i = 1; i < PE_DURATION_BUCKETS - 1; i++)
		assert_int_equal(totals.duration[i], 2);
	assert_int_equal(totals.duration[PE_DURATION_BUCKETS - 1], 1);
	pe_shard_free(shard);
}

static uint64_t ticks_of(const struct pe_flow *records, size_t count)
{
	struct pe_shard *shard = make_shard(64, NULL);
	uint32_t last = records[0].last;
	struct totals totals;

	for (size_t i = 0; i < count; i++) {
		pe_shard_add(shard, &records[i], 1, last, 0);
		if ((int32_t)(records[i].last - last) > 0)
			last = records[i].last;
		assert_int_equal(expire_all(shard, last + IDLE_TICKS - 1), 0);
	}
	assert_int_equal(expire_all(shard, last + IDLE_TICKS), 1);
	totals = read_totals(shard, TOKEN);
	assert_int_equal(totals.ended, 1);
	pe_shard_free(shard);
	return totals.duration_ns / TICK_NS;
}

static void test_odd_times(void **state)
{
	const uint32_t top = UINT32_MAX;
	const struct pe_flow wrap[] = {
		make_record(TOKEN, 1, 1, 1, top - 9, top - 4),
		make_record(TOKEN, 1, 1, 1, top, 20),
	};
	const struct pe_flow older[] = {
		make_record(TOKEN, 1, 1, 1, 5, 30),
		make_record(TOKEN, 1, 1, 1, top - 4, top),
		make_record(TOKEN, 1, 1, 1, 7, 9),
	};
	const struct pe_flow backward[] = {
		make_record(TOKEN, 1, 1, 1, 20, 10),
		make_record(TOKEN, 1, 1, 1, 40, 25),
	};
	const struct pe_flow longest[] = {
		make_record(TOKEN, 1, 1, 1, 0, 0x40000000),
		make_record(TOKEN, 1, 1, 1, 0x40000001, 0x80000000),
		make_record(TOKEN, 1, 1, 1, 0x80000001, 0xc0000000),
		make_record(TOKEN, 1, 1, 1, 0xc0000001, 0xfffffff0),
	};
	const struct pe_flow beyond[] = {
		longest[0],
		longest[1],
		longest[2],
		longest[3],
		make_record(TOKEN, 1, 1, 1, 100, 0x10000000),
	};

	assert_int_equal(ticks_of(wrap, 2), 30);
	assert_int_equal(ticks_of(older, 3), 35);
	assert_int_equal(ticks_of(backward, 2), 15);
	assert_int_equal(ticks_of(longest, 4), 0xfffffff0);
	assert_int_equal(ticks_of(beyond, 5), UINT32_MAX);
}

static void test_full_bucket_ends_the_oldest(void **state)
{
	struct pe_shard *shard = make_shard(1, NULL);
	const uint32_t base = UINT32_MAX - 3; /* the order holds across the wrap */
	struct totals totals;

	assert_int_equal(pe_shard_places(shard), 8);
	for (unsigned int id = 0; id < 8; id++)
		add_one(shard, TOKEN, id, 1, 1u << id, base + id, base + id);
	add_one(shard, TOKEN, 0, 1, 0, base, base + 10);
	assert_int_equal(read_stats(shard).table_full, 0);

	add_one(shard, TOKEN, 8, 1, 1u << 8, base + 11, base + 11);
	totals = read_totals(shard, TOKEN);
	assert_int_equal(read_stats(shard).table_full, 1);
	assert_int_equal(totals.ended, 1);
	assert_int_equal(totals.bytes, 1u << 1); /* flow 1: flow 0 was seen again */
	assert_int_equal(totals.active, 8);
	pe_shard_free(shard);
}

static void test_flood(void **state)
{
	enum { FLOWS = 20000 };
	struct pe_shard *shard = make_shard(1000, NULL);
	struct pe_shard_stats stats;
	struct totals totals;

	for (unsigned int id = 0; id < FLOWS; id++)
		add_one(shard, TOKEN, id, 1, 10, 1, 1);
	assert_int_equal(pe_shard_places(shard), 1024);
	stats = read_stats(shard);
	totals = read_totals(shard, TOKEN);
	assert_true(stats.active <= 1024 && stats.active > 1000);
	assert_int_equal(stats.active, totals.active);
	assert_int_equal(totals.begun, FLOWS);
	assert_int_equal(totals.ended, stats.table_full);
	assert_int_equal(totals.ended + totals.active, FLOWS);
	assert_int_equal(expire_all(shard, 1 + IDLE_TICKS), totals.active);
	assert_int_equal(read_totals(shard, TOKEN).bytes, FLOWS * 10);
	pe_shard_free(shard);
}

static void test_fills_well(void **state)
{
	struct pe_shard *shard = make_shard(65536, NULL);
	const unsigned int flows = 65536 * 8 / 10;

	for (unsigned int id = 0; id < flows; id++)
		add_one(shard, TOKEN, id, 1, 10, 1, 1);
	assert_true(read_stats(shard).table_full < flows / 1000);
	pe_shard_free(shard);
}

/* Whatever the size of the table was when a flow came, it is found again and ends once. */
static void test_grows_and_shrinks(void **state)
{
	enum { FLOWS = 200000 };
	struct pe_shard *shard = make_shard(1 << 19, NULL);
	const size_t small = pe_shard_places(shard);
	struct totals totals;

	for (unsigned int id = 0; id < FLOWS; id++)
		add_one(shard, TOKEN, id, 1, 10, 1, 1);
	assert_int_equal(pe_shard_places(shard), 1 << 19);
	for (unsigned int id = 0; id < FLOWS; id++)
		add_one(shard, TOKEN, id, 1, 10, 1, id % 100 ? 1 : 2 * IDLE_TICKS);
	totals = read_totals(shard, TOKEN);
	assert_int_equal(totals.begun, FLOWS);
	assert_int_equal(totals.active, FLOWS);
	assert_int_equal(read_stats(shard).table_full, 0);

	assert_int_equal(expire_all(shard, 1 + IDLE_TICKS), FLOWS - FLOWS / 100);
	for (int i = 0; i < 20; i++)
		assert_int_equal(expire_all(shard, 1 + IDLE_TICKS), 0);
	assert_true(pe_shard_places(shard) < FLOWS / 100 * 9);
	assert_int_equal(read_totals(shard, TOKEN).active, FLOWS / 100);
	assert_int_equal(expire_all(shard, 1 + 3 * IDLE_TICKS), FLOWS / 100);
	for (int i = 0; i < 20; i++)
		expire_all(shard, 1 + 3 * IDLE_TICKS);
	assert_int_equal(pe_shard_places(shard), small);
	assert_int_equal(read_totals(shard, TOKEN).bytes, FLOWS * 20);
	assert_int_equal(read_stats(shard).table_full, 0);
	pe_shard_free(shard);
}

static void test_forget(void **state)
{
	const uint32_t other = PE_TOKEN(7, 4);
	struct pe_shard *shard = make_shard(8, NULL);
	struct totals totals;

	for (unsigned int id = 0; id < 8; id++)
		add_one(shard, TOKEN, id, 1, 100, 1, 1);
	pe_shard_forget(shard, TOKEN);
	assert_int_equal(read_stats(shard).active, 0);
	add_one(shard, TOKEN, 0, 1, 100, 1, 1);
	assert_int_equal(read_stats(shard).orphaned, 1);

	/* The same token again: nothing of the old flows is left, and their places are free. */
	assert_int_equal(pe_shard_announce(shard, TOKEN), 0);
	assert_int_equal(pe_shard_announce(shard, other), 0);
	assert_int_equal(read_totals(shard, TOKEN).begun, 0);
	for (unsigned int id = 0; id < 4; id++) {
		add_one(shard, TOKEN, id, 1, 100, 1, 1);
		add_one(shard, other, id, 1, 100, 1, 1);
	}
	assert_int_equal(read_stats(shard).table_full, 0);
	assert_int_equal(read_stats(shard).active, 8);
	assert_int_equal(read_totals(shard, other).active, 4);

	pe_shard_forget(shard, other);
	assert_int_equal(read_stats(shard).active, 4);
	assert_int_equal(expire_all(shard, 1 + IDLE_TICKS), 4);
	totals = read_totals(shard, TOKEN);
	assert_int_equal(totals.ended, 4);
	assert_int_equal(totals.bytes, 400);
	pe_shard_free(shard);
}

static void test_expire_in_parts(void **state)
{
	static const size_t steps[] = { 1, 3, 7, 8, 9, 64, 1000 };

	for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
		struct pe_shard *shard = make_shard(256, NULL);
		size_t ended = 0;

		for (unsigned int id = 0; id < 100; id++)
			add_one(shard, TOKEN, id, 1, 100, 1, 1);
		for (size_t done = 0; done < 256; done += steps[s])
			ended += pe_shard_expire(shard, 1 + IDLE_TICKS, steps[s]);
		assert_int_equal(ended, 100);
		pe_shard_free(shard);
	}
}

static void test_top_gets_what_is_accepted(void **state)
{
	struct pe_top *top = NULL;
	struct pe_arena *arena = NULL;
	struct pe_flow_sample sample = { 0 };
	struct pe_flow records[100];
	struct pe_shard *shard;
	uint64_t bytes = 0, expected = 0;

	assert_int_equal(pe_top_new(4, &top), 0);
	assert_int_equal(pe_arena_new(&arena), 0);
	shard = make_shard(256, top);
	for (unsigned int i = 0; i < 100; i++) {
		bool orphan = i % 7 == 0 || i == 31 || i == 32;

		records[i] = make_record(orphan ? PE_TOKEN(9, 9) : TOKEN, i, 1, i, 1, 1);
		expected += orphan ? 0 : i;
	}
	pe_shard_add(shard, records, 100, 1, 1);
	assert_int_equal(pe_top_read(top, PE_TOKEN(9, 9), arena, &sample), 0);
	assert_int_equal(sample.top_count, 0);
	assert_int_equal(pe_top_read(top, TOKEN, arena, &sample), 0);
	for (size_t i = 0; i < sample.top_count; i++)
		bytes += sample.top[i].count.bytes;
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		for (size_t p = 0; p < PE_PROTO_COUNT; p++)
			bytes += pe_flow_rest(&sample, d, p).bytes;
	}
	assert_int_equal(bytes, expected);
	pe_arena_free(arena);
	pe_shard_free(shard);
	pe_top_free(top);
}

/* ---- against a model that remembers everything in 64 bits ---- */

enum { MODEL_TOKENS = 3, MODEL_IDS = 200 };

struct model_flow {
	bool live;
	uint64_t bytes, start, end;
};

struct model {
	bool announced[MODEL_TOKENS];
	struct model_flow flow[MODEL_TOKENS][MODEL_IDS];
	struct totals totals[MODEL_TOKENS];
	uint64_t orphaned;
};

static uint64_t random_state;

static uint64_t next_random(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

static void model_add(struct model *model, size_t t, size_t id, uint64_t bytes, uint64_t first,
		      uint64_t last)
{
	struct model_flow *flow = &model->flow[t][id];

	if (!model->announced[t]) {
		model->orphaned++;
		return;
	}
	if (!flow->live) {
		*flow = (struct model_flow){ .live = true, .start = last, .end = last };
		model->totals[t].begun++;
		model->totals[t].active++;
	}
	flow->bytes += bytes;
	if (last > flow->end)
		flow->end = last;
	if (first <= last && first < flow->start)
		flow->start = first;
}

static size_t model_expire(struct model *model, uint64_t now)
{
	size_t ended = 0;

	for (size_t t = 0; t < MODEL_TOKENS; t++) {
		for (size_t id = 0; id < MODEL_IDS; id++) {
			struct model_flow *flow = &model->flow[t][id];

			if (!flow->live || now < flow->end + IDLE_TICKS)
				continue;
			flow->live = false;
			model->totals[t].active--;
			model->totals[t].ended++;
			model->totals[t].bytes += flow->bytes;
			model->totals[t].duration_ns += (flow->end - flow->start) * TICK_NS;
			ended++;
		}
	}
	return ended;
}

static void model_toggle(struct model *model, struct pe_shard *shard, size_t t, uint32_t token)
{
	if (model->announced[t]) {
		pe_shard_forget(shard, token);
		memset(model->flow[t], 0, sizeof(model->flow[t]));
		memset(&model->totals[t], 0, sizeof(model->totals[t]));
	} else {
		assert_int_equal(pe_shard_announce(shard, token), 0);
	}
	model->announced[t] = !model->announced[t];
}

static void model_compare(const struct model *model, struct pe_shard *shard, const uint32_t *token)
{
	uint64_t active = 0;

	for (size_t t = 0; t < MODEL_TOKENS; t++) {
		struct totals totals;

		if (!model->announced[t])
			continue;
		totals = read_totals(shard, token[t]);
		assert_int_equal(totals.active, model->totals[t].active);
		assert_int_equal(totals.begun, model->totals[t].begun);
		assert_int_equal(totals.ended, model->totals[t].ended);
		assert_int_equal(totals.bytes, model->totals[t].bytes);
		assert_int_equal(totals.duration_ns, model->totals[t].duration_ns);
		active += totals.active;
	}
	assert_int_equal(read_stats(shard).active, active);
	assert_int_equal(read_stats(shard).orphaned, model->orphaned);
	assert_int_equal(read_stats(shard).table_full, 0);
}

static void test_random_against_model(void **state)
{
	static const uint32_t token[MODEL_TOKENS] = { TOKEN, PE_TOKEN(7, 4), PE_TOKEN(300, 0) };
	static struct model model;
	struct pe_shard *shard = make_shard(8192, NULL);
	uint64_t now = (UINT64_C(1) << 32) - 20000; /* wraps on the way */

	random_state = 20240229;
	model.announced[0] = true;
	for (unsigned int round = 0; round < 2000; round++) {
		struct pe_flow records[150];
		size_t count = next_random(150) + 1;

		for (size_t i = 0; i < count; i++) {
			size_t t = next_random(MODEL_TOKENS), id = next_random(MODEL_IDS);
			uint64_t first = now - next_random(500), last = now - next_random(300);
			uint64_t bytes = next_random(100000);

			records[i] = make_record(token[t], id, 1, bytes, first, last);
			model_add(&model, t, id, bytes, first, last);
		}
		pe_shard_add(shard, records, count, now, 0);
		if (next_random(50) == 0) {
			size_t t = next_random(MODEL_TOKENS);

			model_toggle(&model, shard, t, token[t]);
		}
		now += next_random(4) ? next_random(20) : next_random(1500);
		if (next_random(3) == 0)
			assert_int_equal(expire_all(shard, now), model_expire(&model, now));
		model_compare(&model, shard, token);
	}
	pe_shard_free(shard);
}

/* Multiplied by the compiler's numbers of 128 bits and by halves of words: the same. */
static void test_hash_is_the_same_everywhere(void **state)
{
	const struct pe_wide most = { UINT64_MAX, UINT64_MAX }, none = { 0, 0 };
	struct pe_wide by_halves = pe_wide_add_halves(none, most, UINT64_MAX);

	assert_int_equal(by_halves.high, UINT64_MAX);
	assert_int_equal(by_halves.low, 1);
	by_halves = pe_wide_add_halves(by_halves, most, 1);
	assert_int_equal(by_halves.high, UINT64_MAX);
	assert_int_equal(by_halves.low, 0);
	random_state = 88172645463325252;
	for (size_t i = 0; i < 10000; i++) {
		struct pe_wide sum, factor;
		uint64_t word = next_random(UINT64_MAX) << next_random(64);

		sum.high = next_random(UINT64_MAX);
		sum.low = ~(next_random(UINT64_MAX) >> next_random(64));
		factor.high = next_random(UINT64_MAX);
		factor.low = ~(next_random(UINT64_MAX) << next_random(64));
		by_halves = pe_wide_add_halves(sum, factor, word);
		sum = pe_wide_add(sum, factor, word);
		assert_int_equal(by_halves.high, sum.high);
		assert_int_equal(by_halves.low, sum.low);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_is_the_same_everywhere),
		cmocka_unit_test(test_refuses_zeros),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_life_of_a_flow),
		cmocka_unit_test(test_size_bounds),
		cmocka_unit_test(test_duration_bounds),
		cmocka_unit_test(test_odd_times),
		cmocka_unit_test(test_full_bucket_ends_the_oldest),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_fills_well),
		cmocka_unit_test(test_grows_and_shrinks),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_expire_in_parts),
		cmocka_unit_test(test_top_gets_what_is_accepted),
		cmocka_unit_test(test_random_against_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
