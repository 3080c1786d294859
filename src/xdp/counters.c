/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See counters.h. */
#include "counters.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct pe_counters {
	const struct pe_counters_ops *ops;
	void *userdata;
	unsigned int max_chunks, max_cpus;
	unsigned int chunks;
	struct pe_common **common; /* of a chunk */
	struct pe_lane **lanes;	   /* of a chunk and a CPU of the list below; NULL if refused */
	unsigned int *cpu;	   /* those that have lanes, in the order in which they came */
	unsigned int cpus;
	uint64_t bytes;
};

/* Where the words of a lane are in a row. */
#define WORD_OF(field) (offsetof(struct pe_row, field) / sizeof(__u64))
#define CLASS(first, number)                       \
	[(first)] = WORD_OF(class) + 2 * (number), \
	[(first) + 1] = WORD_OF(class) + 2 * (number) + 1,
#define SIZE(first, number) [first] = WORD_OF(size) + (number),
#define TCP(kind)	    [PE_LANE_TCP + (kind)] = WORD_OF(tcp) + (kind)
static const uint8_t row_word[PE_LANE_VLAN + 1] = {
	PE_LANE_CLASSES(CLASS) PE_LANE_SIZES(SIZE) TCP(PE_TCP_SYN),
	TCP(PE_TCP_SYNACK),
	TCP(PE_TCP_FIN),
	TCP(PE_TCP_RST),
	[PE_LANE_VLAN] = WORD_OF(vlan),
};

int pe_counters_new(unsigned int chunks, unsigned int cpus, const struct pe_counters_ops *ops,
		    void *userdata, struct pe_counters **ret_counters)
{
	struct pe_counters *counters = calloc(1, sizeof(*counters));

	if (!counters)
		return -ENOMEM;
	counters->ops = ops;
	counters->userdata = userdata;
	counters->max_chunks = chunks;
	counters->max_cpus = cpus;
	counters->common = calloc(chunks, sizeof(struct pe_common *));
	counters->lanes = calloc((size_t)chunks * cpus, sizeof(struct pe_lane *));
	counters->cpu = calloc(cpus, sizeof(*counters->cpu));
	if (!counters->common || !counters->lanes || !counters->cpu) {
		pe_counters_free(counters);
		return -ENOMEM;
	}
	*ret_counters = counters;
	return 0;
}

/* `at` counts the CPUs that have lanes. */
static struct pe_lane **lanes_of(const struct pe_counters *counters, unsigned int chunk,
				 unsigned int at)
{
	return &counters->lanes[(size_t)chunk * counters->max_cpus + at];
}

struct pe_counters *pe_counters_free(struct pe_counters *counters)
{
	if (!counters)
		return NULL;
	for (unsigned int chunk = 0; chunk < counters->chunks; chunk++) {
		counters->ops->release(counters->common[chunk], PE_COMMON_BYTES);
		for (unsigned int at = 0; at < counters->cpus; at++) {
			if (*lanes_of(counters, chunk, at))
				counters->ops->release(*lanes_of(counters, chunk, at),
						       PE_LANES_BYTES);
		}
	}
	free(counters->common);
	free(counters->lanes);
	free(counters->cpu);
	free(counters);
	return NULL;
}

/* Of the CPUs from `at` on. */
static void count_lanes(struct pe_counters *counters, unsigned int chunk, unsigned int at,
			unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (*lanes_of(counters, chunk, at + i))
			__atomic_fetch_add(&counters->bytes, PE_LANES_BYTES, __ATOMIC_RELAXED);
	}
}

int pe_counters_add_chunk(struct pe_counters *counters)
{
	unsigned int chunk = counters->chunks;
	int r;

	if (chunk == counters->max_chunks)
		return -ENOSPC;
	r = counters->ops->make_chunk(chunk, counters->cpu, counters->cpus,
				      &counters->common[chunk], lanes_of(counters, chunk, 0),
				      counters->userdata);
	if (r < 0)
		return r;
	__atomic_fetch_add(&counters->bytes, PE_COMMON_BYTES, __ATOMIC_RELAXED);
	count_lanes(counters, chunk, 0, counters->cpus);
	__atomic_store_n(&counters->chunks, chunk + 1, __ATOMIC_RELEASE);
	return 0;
}

static void add_lanes(struct pe_counters *counters, unsigned int chunk, unsigned int at)
{
	counters->ops->make_lanes(chunk, &counters->cpu[at], 1, lanes_of(counters, chunk, at),
				  counters->userdata);
	count_lanes(counters, chunk, at, 1);
}

void pe_counters_add_cpu(struct pe_counters *counters, unsigned int cpu)
{
	unsigned int at = counters->cpus;

	for (unsigned int i = 0; i < at; i++) {
		if (counters->cpu[i] == cpu)
			return;
	}
	if (cpu >= counters->max_cpus)
		return;
	counters->cpu[at] = cpu;
	for (unsigned int chunk = 0; chunk < counters->chunks; chunk++)
		add_lanes(counters, chunk, at);
	__atomic_store_n(&counters->cpus, at + 1, __ATOMIC_RELEASE);
}

unsigned int pe_counters_slots(const struct pe_counters *counters)
{
	return __atomic_load_n(&counters->chunks, __ATOMIC_ACQUIRE) * PE_CHUNK_SLOTS;
}

uint64_t pe_counters_bytes(const struct pe_counters *counters)
{
	return __atomic_load_n(&counters->bytes, __ATOMIC_RELAXED);
}

/* Aligned 64-bit loads of words that are being added to. */
static uint64_t load(const __u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void add_lane(const struct pe_lane *lane, uint64_t *row)
{
	for (size_t i = 0; i < sizeof(row_word); i++)
		row[row_word[i]] += load(&lane->word[i]);
}

static void add_common(const struct pe_common *common, struct pe_row *row)
{
	add_lane(&common->lane, (uint64_t *)row);
	for (int i = 0; i < PE_CLASS_COUNT; i++) {
		row->class[i].packets += load(&common->class[i].packets);
		row->class[i].bytes += load(&common->class[i].bytes);
	}
	row->fragments += load(&common->fragments);
	row->truncated += load(&common->truncated);
	for (int i = 0; i < PE_PROTO_COUNT; i++) {
		row->lost[i].packets += load(&common->lost[i].packets);
		row->lost[i].bytes += load(&common->lost[i].bytes);
	}
}

void pe_counters_sum(const struct pe_counters *counters, uint32_t slot, struct pe_row *ret_row)
{
	const unsigned int cpus = __atomic_load_n(&counters->cpus, __ATOMIC_ACQUIRE);
	const unsigned int chunk = slot / PE_CHUNK_SLOTS;

	memset(ret_row, 0, sizeof(*ret_row) * PE_DIRECTIONS);
	for (unsigned int direction = 0; direction < PE_DIRECTIONS; direction++) {
		const unsigned int index = PE_CHUNK_INDEX(slot, direction);

		add_common(&counters->common[chunk][index], &ret_row[direction]);
		for (unsigned int at = 0; at < cpus; at++) {
			const struct pe_lane *lanes = *lanes_of(counters, chunk, at);

			if (lanes)
				add_lane(&lanes[index], (uint64_t *)&ret_row[direction]);
		}
	}
}
