/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many flow records a worker takes in a second, by the number of live flows.
 *
 * Records of uniformly drawn flows are copied batch by batch into the worker's buffer, as from a
 * ring, and added to a shard; the baseline only copies them. Both runs alternate, and the medians
 * are printed, one JSON object a line.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/shard.h"

#define BATCH	64
#define RECORDS ((size_t)1 << 18)
#define PASSES	4 /* over the records in one run, each beginning with other flows */
#define RUNS	9
#define TOKEN	PE_TOKEN(3, 1)

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void fill_record(struct pe_flow *record, uint32_t id)
{
	*record = (struct pe_flow){
		.key = {
			.sport = htons(443),
			.dport = (__be16)(id * 7),
			.slot = PE_TOKEN_SLOT(TOKEN),
			.ip_proto = IPPROTO_TCP,
			.tag = PE_FLOW_TAG(TOKEN & 0xff, 0, PE_INGRESS),
		},
		.bytes = 1500,
		.packets = 1,
		.first = 1,
		.last = 1,
	};
	memcpy(record->key.saddr, &id, sizeof(id));
}

/* Seconds for one pass; `shard` NULL is the baseline. */
static double run(const struct pe_flow *records, struct pe_shard *shard)
{
	static struct pe_flow batch[BATCH];
	uint64_t begin_ns = pe_clock_monotonic_ns();

	for (size_t i = 0; i < RECORDS; i += BATCH) {
		memcpy(batch, records + i, sizeof(batch));
		__asm__ volatile("" : : "r"(batch) : "memory"); /* the copy must be made */
		if (shard)
			pe_shard_add(shard, batch, BATCH, 1, 1);
	}
	return (double)(pe_clock_monotonic_ns() - begin_ns) / PE_NS_PER_S;
}

static int compare_doubles(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void print_result(size_t flows, unsigned int top, double *with, double *without)
{
	size_t n = RUNS * PASSES;

	qsort(with, n, sizeof(*with), compare_doubles);
	qsort(without, n, sizeof(*without), compare_doubles);
	printf("{\"name\":\"worker_%zu_flows%s\",\"value\":%.0f,\"unit\":\"records/s\","
	       "\"baseline\":%.0f,\"baseline_name\":\"memcpy of the same records\"}\n",
	       flows, top ? "_top_10" : "", RECORDS / with[n / 2], RECORDS / without[n / 2]);
	fflush(stdout);
}

static int bench(size_t flows, unsigned int top_k, struct pe_flow *records)
{
	struct pe_shard_options options = {
		/* Leads to the next power of two: a full table would end flows. */
		.max_flows = flows + flows / 8,
		.idle_ticks = 1000,
		.tick_ns = 4 * PE_NS_PER_MS,
	};
	double with[RUNS * PASSES], without[RUNS * PASSES];
	struct pe_shard *shard = NULL;
	struct pe_shard_stats stats;

	if ((top_k && pe_top_new(top_k, &options.top) < 0) || pe_shard_new(&options, &shard) < 0 ||
	    pe_shard_announce(shard, TOKEN) < 0)
		return -1;
	for (size_t id = 0; id < flows; id++) {
		fill_record(records, (uint32_t)id);
		pe_shard_add(shard, records, 1, 1, 1);
	}
	for (size_t r = 0; r < RUNS * PASSES; r++) {
		if (r % RUNS == 0) {
			for (size_t i = 0; i < RECORDS; i++)
				fill_record(&records[i], (uint32_t)(next_random() % flows));
			run(records, shard);
		}
		with[r] = run(records, shard);
		without[r] = run(records, NULL);
	}
	pe_shard_get_stats(shard, &stats);
	print_result(flows, top_k, with, without);
	if (stats.orphaned || stats.table_full)
		fprintf(stderr, "bench_worker: not all records were kept\n");
	pe_shard_free(shard);
	pe_top_free(options.top);
	return 0;
}

int main(void)
{
	static const size_t flows[] = { 1, 1000, 65536, 1048576 };
	struct pe_flow *records = aligned_alloc(64, RECORDS * sizeof(*records));
	int r = 0;

	if (!records)
		return 1;
	for (size_t i = 0; i < sizeof(flows) / sizeof(*flows) && r == 0; i++)
		r = bench(flows[i], 0, records);
	if (r == 0)
		r = bench(65536, 10, records);
	free(records);
	if (r < 0)
		fprintf(stderr, "bench_worker: out of memory\n");
	return r < 0;
}
