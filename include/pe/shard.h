/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shard: flow records in, flow statistics per interface out. Pure: no thread, no clock, no I/O.
 *
 * One worker owns one shard; all records of a flow come to the same one. A flow is known while
 * records arrive; it ends after `idle_ticks` without one, and is then put into the histograms.
 * Memory is bounded by max_flows and by the interfaces that have flows. Times are jiffies (low 32
 * bits, wrapping).
 */
#ifndef PE_SHARD_H
#define PE_SHARD_H

#include "pe/sample.h"

struct pe_shard;
struct pe_top;

struct pe_shard_options {
	/* Flows remembered at the same time, > 0; rounded up to a power of two, at least 8. The
	 * table is as large as its flows need. */
	size_t max_flows;
	uint32_t idle_ticks; /* > 0 */
	uint64_t tick_ns;    /* length of a jiffy */
	struct pe_top *top;  /* shared by all shards, NULL if top flows are off */
};

struct pe_shard_stats {
	uint64_t records;
	/* Of a forgotten interface, or malformed, or no memory was left to count their flow. */
	uint64_t orphaned;
	uint64_t table_full; /* flows ended early to make room */
	uint64_t active;
};

/* 0 or -ENOMEM; -EINVAL for a zero. The caller owns *ret_shard. */
int pe_shard_new(const struct pe_shard_options *options, struct pe_shard **ret_shard);
struct pe_shard *pe_shard_free(struct pe_shard *shard);

/*
 * Starts to accept records of an interface; records of tokens that were not announced are orphans.
 * 0, -EEXIST or -ENOMEM; -EINVAL for a token that no record can carry.
 */
int pe_shard_announce(struct pe_shard *shard, uint32_t token);

/*
 * Drops all about an interface: its flows end without being counted, later records are orphans.
 * A token that is not known is ignored.
 */
void pe_shard_forget(struct pe_shard *shard, uint32_t token);

/*
 * Adds a batch of records; `now` is the jiffy of the call, `now_ns` the monotonic clock. Never
 * fails: what cannot be kept is counted. The batch form is what makes it fast: table lines are
 * prefetched ahead.
 */
void pe_shard_add(struct pe_shard *shard, const struct pe_flow *records, size_t count, uint32_t now,
		  uint64_t now_ns);

/*
 * Ends idle flows, looking at up to `steps` places of the table and going on from there at the next
 * call. Returns how many ended.
 */
size_t pe_shard_expire(struct pe_shard *shard, uint32_t now, size_t steps);

/* Places in the table now: pe_shard_expire() with this many steps looks at every flow. */
size_t pe_shard_places(const struct pe_shard *shard);

/* Adds this shard's flows of an interface (not the top flows) to a sample. 0, -ENOENT or -ENOMEM.
 */
int pe_shard_read(const struct pe_shard *shard, uint32_t token, struct pe_arena *arena,
		  struct pe_flow_sample *sample);

void pe_shard_get_stats(const struct pe_shard *shard, struct pe_shard_stats *ret_stats);

#endif
