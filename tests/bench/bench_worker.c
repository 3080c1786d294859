/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many flow records a worker takes in a second, by the number of live flows, and two workers
 * together.
 *
 * Records of uniformly drawn flows are copied batch by batch into the worker's buffer, as from a
 * ring, and added to a shard; the baseline only copies them. Both runs alternate, and the medians
 * are printed, one JSON object a line.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/shard.h"
#include "pe/top.h"

#include "bench.h"

#define BATCH	       64
#define RECORDS	       ((size_t)1 << 18)
#define PASSES	       4 /* over the records in one run, each beginning with other flows */
#define RUNS	       9
#define PARALLEL       2
#define PARALLEL_FLOWS 65536
#define PARALLEL_TIMES 16 /* passes in one run, so that threads run beside each other for long */
#define TARGET	       "≥ 10,000,000 records/s"
#define TOKEN	       PE_TOKEN(3, 1)

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
	struct pe_flow batch[BATCH];
	uint64_t begin_ns = pe_clock_monotonic_ns();

	for (size_t i = 0; i < RECORDS; i += BATCH) {
		memcpy(batch, records + i, sizeof(batch));
		__asm__ volatile("" : : "r"(batch) : "memory"); /* the copy must be made */
		if (shard)
			pe_shard_add(shard, batch, BATCH, 1, 1);
	}
	return (double)(pe_clock_monotonic_ns() - begin_ns) / PE_NS_PER_S;
}

static void print_result(size_t flows, unsigned int top, size_t runs, double *with, double *without)
{
	char name[64];

	snprintf(name, sizeof(name), "worker_%zu_flows%s", flows, top ? "_top_10" : "");
	bench_print((struct bench_figure){ name, RECORDS / bench_median(with, runs), "records/s",
					   RECORDS / bench_median(without, runs),
					   "memcpy of the same records", top ? NULL : TARGET });
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
	size_t runs = bench_quick() ? RUNS : RUNS * PASSES;
	struct pe_shard *shard = NULL;
	struct pe_shard_stats stats;

	if ((top_k && pe_top_new(top_k, &options.top) < 0) || pe_shard_new(&options, &shard) < 0 ||
	    pe_shard_announce(shard, TOKEN) < 0)
		return -1;
	for (size_t id = 0; id < flows; id++) {
		fill_record(records, (uint32_t)id);
		pe_shard_add(shard, records, 1, 1, 1);
	}
	for (size_t r = 0; r < runs; r++) {
		if (r % RUNS == 0) {
			for (size_t i = 0; i < RECORDS; i++)
				fill_record(&records[i], (uint32_t)(next_random() % flows));
			run(records, shard);
		}
		with[r] = run(records, shard);
		without[r] = run(records, NULL);
	}
	pe_shard_get_stats(shard, &stats);
	print_result(flows, top_k, runs, with, without);
	if (stats.orphaned || stats.table_full)
		fprintf(stderr, "bench_worker: not all records were kept\n");
	pe_shard_free(shard);
	pe_top_free(options.top);
	return 0;
}

/* ---- two workers ---- */

struct parallel {
	struct pe_flow *records;
	struct pe_shard *shard;
	pthread_barrier_t *begin;
	pthread_t thread;
};

static void *run_parallel(void *userdata)
{
	struct parallel *worker = userdata;

	pthread_barrier_wait(worker->begin);
	for (int i = 0; i < PARALLEL_TIMES; i++)
		run(worker->records, worker->shard);
	return NULL;
}

/* Records a second of the first `count` workers together. */
static double rate(struct parallel *workers, unsigned int count)
{
	pthread_barrier_t begin;
	uint64_t begin_ns;

	pthread_barrier_init(&begin, NULL, count + 1);
	for (unsigned int i = 0; i < count; i++) {
		workers[i].begin = &begin;
		if (pthread_create(&workers[i].thread, NULL, run_parallel, &workers[i]))
			abort();
	}
	begin_ns = pe_clock_monotonic_ns();
	pthread_barrier_wait(&begin);
	for (unsigned int i = 0; i < count; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&begin);
	return (double)(count * PARALLEL_TIMES * RECORDS) * PE_NS_PER_S /
	       (double)(pe_clock_monotonic_ns() - begin_ns);
}

static int bench_parallel(void)
{
	const struct pe_shard_options options = { .max_flows = PARALLEL_FLOWS * 9 / 8,
						  .idle_ticks = 1000,
						  .tick_ns = 4 * PE_NS_PER_MS };
	struct parallel workers[PARALLEL] = { 0 };
	size_t runs = bench_quick() ? 3 : RUNS;
	double one[RUNS], two[RUNS];

	for (unsigned int i = 0; i < PARALLEL; i++) {
		workers[i].records = aligned_alloc(64, RECORDS * sizeof(struct pe_flow));
		if (!workers[i].records || pe_shard_new(&options, &workers[i].shard) < 0 ||
		    pe_shard_announce(workers[i].shard, TOKEN) < 0)
			return -1;
		for (size_t j = 0; j < RECORDS; j++)
			fill_record(&workers[i].records[j],
				    (uint32_t)(next_random() % PARALLEL_FLOWS));
	}
	for (size_t r = 0; r < runs; r++) {
		one[r] = rate(workers, 1);
		two[r] = rate(workers, PARALLEL);
	}
	bench_print((struct bench_figure){ "two_workers_65536_flows_each", bench_median(two, runs),
					   "records/s", bench_median(one, runs), "one worker",
					   NULL });
	for (unsigned int i = 0; i < PARALLEL; i++) {
		pe_shard_free(workers[i].shard);
		free(workers[i].records);
	}
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
	if (r == 0)
		r = bench_parallel();
	free(records);
	if (r < 0)
		fprintf(stderr, "bench_worker: out of memory\n");
	return r < 0;
}
