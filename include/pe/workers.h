/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Worker threads: each empties one ring into one shard.
 *
 * A worker sleeps until the kernel wakes it at the ring's fill mark or pe_workers_kick() does, once
 * a second, while there is something to gather; an idle exporter's workers never wake. One mutex a
 * shard, held for one batch at a time, so that a reader waits for some microseconds, or some
 * milliseconds where a table grows.
 */
#ifndef PE_WORKERS_H
#define PE_WORKERS_H

#include "pe/ring.h"
#include "pe/sample.h"

struct pe_workers;

struct pe_workers_options {
	unsigned int count;	      /* threads, at most 256; 0: there are no flows */
	struct pe_ring *const *rings; /* one each; borrowed until pe_workers_free() */
	size_t max_flows;	      /* remembered by all workers together */
	uint64_t flow_idle_ns;	      /* a flow ends after this long without a record */
	unsigned int top;	      /* K, 0 is off */
	uint64_t tick_ns;
	/* The current jiffy, low 32 bits. Called by the workers; must not block. */
	uint32_t (*now)(void *userdata);
	void *userdata;
};

struct pe_workers_stats {
	uint64_t records;
	uint64_t orphaned;
	uint64_t table_full;
	uint64_t top_dropped; /* records that the largest flows lack */
	uint64_t active;
};

/* Starts the threads (all signals blocked in them). 0 or -errno; on error none is left running. */
int pe_workers_new(const struct pe_workers_options *options, struct pe_workers **ret_workers);

/*
 * Stops: each worker empties its ring first, then ends and is joined. Blocks for that. NULL is
 * fine. Returns NULL.
 */
struct pe_workers *pe_workers_free(struct pe_workers *workers);

/*
 * Wakes every worker: it empties its ring and looks through a part of its flows for ended ones.
 * Called each second while there are flows or records. Any thread; never blocks.
 */
void pe_workers_kick(struct pe_workers *workers);

/* Waits until each worker has emptied its ring after this call. Any thread but theirs. */
void pe_workers_drain(struct pe_workers *workers);

/* As the pe_shard_* functions, for all shards. Any thread. */
int pe_workers_announce(struct pe_workers *workers, uint32_t token);
void pe_workers_forget(struct pe_workers *workers, uint32_t token);
int pe_workers_read(struct pe_workers *workers, uint32_t token, struct pe_arena *arena,
		    struct pe_flow_sample *ret_flows);
void pe_workers_get_stats(struct pe_workers *workers, struct pe_workers_stats *ret_stats);

#endif
