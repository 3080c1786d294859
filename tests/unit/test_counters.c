/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots and their counters, on memory that is not the kernel's; and lists of CPUs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../src/xdp/online.h"
#include "../../src/xdp/slots.h"

#define SETS	 512
#define CPUS	 300 /* that are possible */
#define CHUNKS	 3
#define SLOTS	 (2 * PE_CHUNK_SLOTS + 7)
#define REST_NS	 1000
#define FAR_CPU	 299
#define LATE_CPU 17

struct scene {
	union pe_slot_ref table[SETS * PE_SLOT_WAYS];
	struct pe_cpu cpu[CPUS];
	struct pe_counters *counters;
	struct pe_slots *slots;
	/* As programs find them. */
	struct pe_common *common[CHUNKS];
	struct pe_lane *lanes[CHUNKS][CPUS];
	int refused_cpu; /* -1: none */
	bool refuses_common;
	size_t bytes;
	unsigned int cleared[SLOTS]; /* before how many uses */
};

static void *make(struct scene *s, size_t bytes)
{
	void *memory = aligned_alloc(64, bytes);

	assert_non_null(memory);
	memset(memory, 0, bytes);
	s->bytes += bytes;
	return memory;
}

static void make_lanes(unsigned int chunk, const unsigned int *cpu, unsigned int count,
		       struct pe_lane **ret_lanes, void *userdata)
{
	struct scene *s = userdata;

	for (unsigned int i = 0; i < count; i++) {
		ret_lanes[i] = (int)cpu[i] == s->refused_cpu ? NULL : make(s, PE_LANES_BYTES);
		s->lanes[chunk][cpu[i]] = ret_lanes[i];
	}
}

static int make_chunk(unsigned int chunk, const unsigned int *cpu, unsigned int count,
		      struct pe_common **ret_common, struct pe_lane **ret_lanes, void *userdata)
{
	struct scene *s = userdata;

	if (s->refuses_common)
		return -ENOMEM;
	*ret_common = s->common[chunk] = make(s, PE_COMMON_BYTES);
	make_lanes(chunk, cpu, count, ret_lanes, s);
	return 0;
}

static size_t released;

static void release(void *memory, size_t bytes)
{
	released += bytes;
	free(memory);
}

static void clear(uint32_t slot, void *userdata)
{
	struct scene *s = userdata;

	s->cleared[slot]++;
}

static const struct pe_counters_ops ops = { make_chunk, make_lanes, release };

static int begin(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct pe_slots_options options = {
		.count = SLOTS,
		.limit = SLOTS,
		.table = s->table,
		.table_sets = SETS,
		.cpu = s->cpu,
		.cpus = CPUS,
		.rest_ns = REST_NS,
		.clear = clear,
		.userdata = s,
	};

	s->refused_cpu = -1;
	released = 0;
	assert_int_equal(pe_counters_new(CHUNKS, CPUS, &ops, s, &s->counters), 0);
	options.counters = s->counters;
	assert_int_equal(pe_slots_new(&options, &s->slots), 0);
	*state = s;
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;
	size_t bytes = s->bytes;

	pe_slots_free(s->slots);
	pe_counters_free(s->counters);
	free(s);
	/* To the byte, or something was forgotten. */
	assert_int_equal(released, bytes);
	return 0;
}

static uint32_t take(struct scene *s, int ifindex, uint64_t now_ns)
{
	uint32_t token = PE_TOKEN_NONE;
	int r = pe_slots_take(s->slots, ifindex, PE_ORIGIN_LINK, now_ns, &token);

	if (r == -ENODATA) {
		assert_int_equal(pe_counters_add_chunk(s->counters), 0);
		r = pe_slots_take(s->slots, ifindex, PE_ORIGIN_LINK, now_ns, &token);
	}
	assert_int_equal(r, 0);
	return token;
}

static struct pe_lane *lane(struct scene *s, uint32_t token, unsigned int direction,
			    unsigned int cpu)
{
	uint32_t slot = PE_TOKEN_SLOT(token);

	return &s->lanes[slot / PE_CHUNK_SLOTS][cpu][PE_CHUNK_INDEX(slot, direction)];
}

static struct pe_common *common(struct scene *s, uint32_t token, unsigned int direction)
{
	uint32_t slot = PE_TOKEN_SLOT(token);

	return &s->common[slot / PE_CHUNK_SLOTS][PE_CHUNK_INDEX(slot, direction)];
}

/* Every word of a lane and of what is common comes to the row's field that has its name. */
static void test_every_word(void **state)
{
	struct scene *s = *state;
	struct pe_row row[PE_DIRECTIONS], *in = &row[PE_INGRESS], *out = &row[PE_EGRESS];
	uint64_t number = 1, *word;
	uint32_t token;

	pe_counters_add_cpu(s->counters, 0);
	pe_counters_add_cpu(s->counters, FAR_CPU);
	token = take(s, 5, 0);
	for (unsigned int i = 0; i < PE_LANE_WORDS; i++) {
		lane(s, token, PE_INGRESS, 0)->word[i] = 1 + i;
		lane(s, token, PE_INGRESS, FAR_CPU)->word[i] = 100;
		common(s, token, PE_INGRESS)->lane.word[i] = 1000;
	}
	for (int i = 0; i < PE_CLASS_COUNT; i++)
		common(s, token, PE_INGRESS)->class[i] = (struct pe_count){ 10000, 20000 };
	common(s, token, PE_INGRESS)->fragments = 7;
	common(s, token, PE_INGRESS)->truncated = 8;
	common(s, token, PE_EGRESS)->lost[PE_PROTO_UDP] = (struct pe_count){ 3, 4 };
	pe_slots_read(s->slots, token, row);
#define IN_LANE(first, class_number)                                        \
	assert_int_equal(in->class[class_number].packets, 11101 + (first)); \
	assert_int_equal(in->class[class_number].bytes, 21102 + (first));   \
	number += 2;
	PE_LANE_CLASSES(IN_LANE)
#define SIZE(first, bucket)                                 \
	assert_int_equal(in->size[bucket], 1101 + (first)); \
	number++;
	PE_LANE_SIZES(SIZE)
	assert_int_equal(number, 1 + 2 * 7 + PE_SIZE_BUCKETS);
	for (int i = 0; i < PE_TCP_KINDS; i++)
		assert_int_equal(in->tcp[i], 1101 + PE_LANE_TCP + i);
	assert_int_equal(in->vlan, 1101 + PE_LANE_VLAN);
	assert_int_equal(in->class[PE_CLASS_ARP].packets, 10000);
	assert_int_equal(in->class[PE_CLASS_ARP].bytes, 20000);
	assert_int_equal(in->fragments, 7);
	assert_int_equal(in->truncated, 8);
	assert_int_equal(out->lost[PE_PROTO_UDP].packets, 3);
	assert_int_equal(out->lost[PE_PROTO_UDP].bytes, 4);
	word = (uint64_t *)out;
	for (size_t i = 0; i < PE_ROW_WORDS; i++)
		assert_true(!word[i] || (__u64 *)&word[i] == &out->lost[PE_PROTO_UDP].packets ||
			    (__u64 *)&word[i] == &out->lost[PE_PROTO_UDP].bytes);
}

/* A CPU that comes gets lanes in all chunks there are, once; one that is refused counts in common.
 */
static void test_cpus(void **state)
{
	struct scene *s = *state;
	struct pe_row row[PE_DIRECTIONS];
	uint32_t first, last;

	pe_counters_add_cpu(s->counters, 0);
	first = take(s, 1, 0);
	for (int i = 2; i <= (int)PE_CHUNK_SLOTS; i++)
		take(s, i, 0);
	last = take(s, PE_CHUNK_SLOTS + 1, 0);
	assert_int_equal(PE_TOKEN_SLOT(last), PE_CHUNK_SLOTS);
	pe_counters_add_cpu(s->counters, LATE_CPU);
	pe_counters_add_cpu(s->counters, LATE_CPU);
	assert_int_equal(s->bytes, 2 * PE_COMMON_BYTES + 4 * PE_LANES_BYTES);
	assert_int_equal(pe_counters_bytes(s->counters), s->bytes);
	pe_counters_add_cpu(s->counters, CPUS); /* cannot be */
	s->refused_cpu = 3;
	pe_counters_add_cpu(s->counters, 3);
	assert_int_equal(pe_counters_bytes(s->counters), s->bytes);
	lane(s, first, PE_INGRESS, LATE_CPU)->word[0] = 2;
	lane(s, last, PE_INGRESS, LATE_CPU)->word[0] = 3;
	common(s, last, PE_INGRESS)->lane.word[0] = 4;
	pe_slots_read(s->slots, first, row);
	assert_int_equal(row[PE_INGRESS].class[PE_CLASS_IPV4 + PE_PROTO_TCP].packets, 2);
	pe_slots_read(s->slots, last, row);
	assert_int_equal(row[PE_INGRESS].class[PE_CLASS_IPV4 + PE_PROTO_TCP].packets, 7);
}

/* Memory comes when there is no slot that has some and has rested; no sooner. */
static void test_growth(void **state)
{
	struct scene *s = *state;
	uint32_t token[SLOTS], again;
	uint64_t now_ns = 0;

	assert_int_equal(pe_slots_ready(s->slots, now_ns), 0);
	for (unsigned int i = 0; i < PE_CHUNK_SLOTS; i++) {
		token[i] = take(s, (int)i + 1, now_ns);
		assert_int_equal(pe_slots_ready(s->slots, now_ns), PE_CHUNK_SLOTS - i - 1);
	}
	assert_int_equal(s->bytes, PE_COMMON_BYTES);
	pe_slots_give_back(s->slots, token[9], now_ns);
	pe_slots_give_back(s->slots, token[10], now_ns + 2);
	assert_int_equal(pe_slots_ready(s->slots, now_ns), 0);
	now_ns += REST_NS;
	assert_int_equal(pe_slots_ready(s->slots, now_ns - 1), 0);
	assert_int_equal(pe_slots_ready(s->slots, now_ns), 1);
	assert_int_equal(pe_slots_ready(s->slots, now_ns + 2), 2);
	again = take(s, 1000, now_ns);
	assert_int_equal(PE_TOKEN_SLOT(again), PE_TOKEN_SLOT(token[9]));
	assert_int_not_equal(again, token[9]);
	take(s, 1001, now_ns + 2);
	assert_int_equal(s->cleared[8], 1);
	assert_int_equal(s->cleared[9], 2);
	assert_int_equal(s->bytes, PE_COMMON_BYTES);
	pe_slots_give_back(s->slots, again, now_ns);
	/* It rests. */
	for (unsigned int i = PE_CHUNK_SLOTS; i < SLOTS; i++) {
		token[i] = take(s, (int)i + 1, now_ns);
		assert_int_equal(PE_TOKEN_SLOT(token[i]), i);
	}
	assert_int_equal(s->bytes, 3 * PE_COMMON_BYTES);
	assert_int_equal(pe_slots_ready(s->slots, now_ns), UINT_MAX);
	assert_int_equal(pe_slots_take(s->slots, 2000, PE_ORIGIN_LINK, now_ns, &again), -EAGAIN);
	now_ns += REST_NS;
	take(s, 2000, now_ns);
	assert_int_equal(pe_slots_take(s->slots, 2001, PE_ORIGIN_LINK, now_ns, &again), -ENOSPC);
}

static void test_refused(void **state)
{
	struct scene *s = *state;
	uint32_t token;

	s->refuses_common = true;
	assert_int_equal(pe_slots_take(s->slots, 1, PE_ORIGIN_LINK, 0, &token), -ENODATA);
	assert_int_equal(pe_counters_add_chunk(s->counters), -ENOMEM);
	s->refuses_common = false;
	assert_int_equal(PE_TOKEN_SLOT(take(s, 1, 0)), 0);
}

/* What was counted in an earlier use of a slot is not in the next. */
static void test_baseline(void **state)
{
	struct scene *s = *state;
	struct pe_row row[PE_DIRECTIONS];
	uint32_t token;

	pe_counters_add_cpu(s->counters, 0);
	for (unsigned int i = 0; i < PE_CHUNK_SLOTS; i++)
		token = take(s, (int)i + 1, 0);
	lane(s, token, PE_EGRESS, 0)->word[PE_LANE_VLAN] = 5;
	common(s, token, PE_EGRESS)->truncated = 6;
	pe_slots_give_back(s->slots, token, 0);
	token = take(s, 500, REST_NS);
	common(s, token, PE_EGRESS)->truncated++;
	pe_slots_read(s->slots, token, row);
	assert_int_equal(row[PE_EGRESS].vlan, 0);
	assert_int_equal(row[PE_EGRESS].truncated, 1);
}

/* Listening takes the marks of this interface off, and of no other one. */
static void test_marks(void **state)
{
	struct scene *s = *state;
	uint32_t token = take(s, 1, 0), other = take(s, 2, 0);

	s->cpu[0].mark = PE_MARK(token, PE_COUNTED_BY_XDP);
	s->cpu[1].mark = PE_MARK(other, PE_COUNTED_BY_XDP);
	s->cpu[FAR_CPU].mark = PE_MARK(token, PE_COUNTED_BY_RECEIVE);
	pe_slots_listen(s->slots, token, PE_SLOT_TCX);
	assert_int_equal(s->cpu[0].mark, 0);
	assert_int_equal(s->cpu[1].mark, PE_MARK(other, PE_COUNTED_BY_XDP));
	assert_int_equal(s->cpu[FAR_CPU].mark, 0);
}

static void lists(const char *list, const char *expected)
{
	unsigned int cpu[8], count = pe_cpus_parse(list, cpu, 8);
	char text[64] = "";

	for (unsigned int i = 0; i < count; i++)
		sprintf(text + strlen(text), "%u ", cpu[i]);
	assert_string_equal(text, expected);
}

static void test_cpu_lists(void **state)
{
	(void)state;
	lists("0\n", "0 ");
	lists("0-3\n", "0 1 2 3 ");
	lists("0-1,4,6-7\n", "0 1 4 6 7 ");
	lists("0,6-400\n", "0 6 7 ");
	lists("9\n", "");
	/* As no kernel writes it. */
	lists("", "");
	lists("\n", "");
	lists("a", "");
	lists("0-", "");
	lists("0,", "");
	lists("3-1", "");
	lists("0,0", "");
	lists("-1", "");
	lists("0-99999999999999999999999", "0 1 2 3 4 5 6 7 ");
}

static void test_online(void **state)
{
	unsigned int cpu[4096], count = pe_cpus_online(cpu, 4096);

	(void)state;
	assert_int_equal(count, sysconf(_SC_NPROCESSORS_ONLN));
	assert_int_equal(pe_cpus_online(cpu, 1), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_every_word),
		TEST(test_cpus),
		TEST(test_growth),
		TEST(test_refused),
		TEST(test_baseline),
		TEST(test_marks),
		cmocka_unit_test(test_cpu_lists),
		cmocka_unit_test(test_online),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
