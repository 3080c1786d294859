/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accumulators and what contributes to them.
 *
 * An accumulator is what a series shows: what ended contributions left in it, and what its
 * contributors count at the moment. A contributor is one use of counters, a token in every source;
 * it feeds one accumulator at each level, or none there. Its counters are read once, and added to
 * all that it feeds.
 *
 * Carrying over reads counters for the last time, leaves that in everything the contributor feeds,
 * and releases them: what the accumulators show is the same before and after. Protected by the
 * registry's mutex.
 */
#ifndef PE_SERIES_ACCUMULATOR_H
#define PE_SERIES_ACCUMULATOR_H

#include "pe/registry.h"
#include "pe/table.h"

enum pe_level {
	PE_LEVEL_HOST,
	PE_LEVEL_GROUP,
	PE_LEVEL_INTERFACE,
	PE_LEVELS,
};

struct pe_contributor;

/* One contributor in one accumulator. */
struct pe_feed {
	struct pe_accumulator *to; /* NULL: none */
	struct pe_contributor *from;
	struct pe_feed *next, **link;
};

struct pe_accumulator {
	uint64_t created_ns;
	struct pe_feed *feeds;
	struct pe_series_body *sample; /* while a snapshot is taken */
	/* What was left here: */
	struct pe_count unobserved[PE_DIRECTIONS][PE_UNOBSERVED_REASONS];
	struct pe_count overcounted[PE_DIRECTIONS];
	struct pe_row *row;	      /* PE_DIRECTIONS of them, NULL until there is something */
	struct pe_flow_sample *flows; /* likewise, and its protocols */
	struct pe_drop_row *drops;    /* likewise */
	struct pe_dns_row *dns;	      /* likewise */
	struct pe_tcp_counts *tcp;    /* likewise; not of interfaces */
};

/* Where counters come from. */
struct pe_counter_sources {
	const struct pe_counter_source *source;
	unsigned int count;
	unsigned int all, late; /* sets of sources, a bit each */
	void *userdata;
};

struct pe_contributor {
	uint32_t token;
	unsigned int held; /* sources in which the token is held */
	bool departed;	   /* has no active flows */
	/* By all tokens that were carried over. */
	struct pe_count moved[PE_DIRECTIONS];
	struct pe_feed feed[PE_LEVELS];
};

/* ---- accumulators ---- */

/* Frees what is left in it. Nothing may feed it any more. */
void pe_accumulator_fini(struct pe_accumulator *accumulator);

/* Memory for leaving `body`, which then cannot fail. 0 or -ENOMEM. */
int pe_accumulator_reserve(struct pe_accumulator *accumulator, const struct pe_series_body *body);
void pe_accumulator_leave(struct pe_accumulator *accumulator, const struct pe_series_body *body);

/* Memory for counts of TCP. 0 or -ENOMEM. */
int pe_accumulator_reserve_tcp(struct pe_accumulator *accumulator);

/*
 * What a contributor counted before it came: it will be added with the rest, and must not be. Until
 * then what is left is too small by that, modulo 2^64. Needs the same memory.
 */
void pe_accumulator_discount(struct pe_accumulator *accumulator, const struct pe_series_body *body);

/* Moves what was left in `from`, and what feeds it, to `to`. 0 or -ENOMEM (nothing changed). */
int pe_accumulator_merge(struct pe_accumulator *to, struct pe_accumulator *from);

/* Adds what was left to the sample. 0 or -ENOMEM. */
int pe_accumulator_collect(const struct pe_accumulator *accumulator, struct pe_arena *arena);

/* What was left, borrowed: flows are valid while nothing is left in it and it exists. */
void pe_accumulator_left(const struct pe_accumulator *accumulator, struct pe_series_body *ret_body);

/* ---- contributors ---- */

/* Counts under a token from now on, or under none; the one before must have been released. */
void pe_contributor_set_token(const struct pe_counter_sources *sources,
			      struct pe_contributor *contributor, uint32_t token);

/* Starts at zero in `to`. */
void pe_feed_connect(struct pe_contributor *contributor, enum pe_level level,
		     struct pe_accumulator *to);
void pe_feed_disconnect(struct pe_contributor *contributor, enum pe_level level);

/*
 * Feeds `to` from now on, and leaves where it was what it has counted until now. 0 or -ENOMEM
 * (nothing changed).
 */
int pe_contributor_move(const struct pe_counter_sources *sources,
			struct pe_contributor *contributor, enum pe_level level,
			struct pe_accumulator *to);

/* What is counted in a set of sources, into a zeroed body. 0 or -ENOMEM. */
int pe_contributor_read(const struct pe_counter_sources *sources,
			const struct pe_contributor *contributor, unsigned int set,
			struct pe_arena *arena, struct pe_series_body *ret_body);

/*
 * Carries over what is counted in a set of sources. Where memory is refused the contributor keeps
 * the token, and the counts stay where they are: nothing is lost, but a slot is used for longer.
 * 0 or -ENOMEM (nothing changed).
 */
int pe_contributor_carry_over(const struct pe_counter_sources *sources,
			      struct pe_contributor *contributor, unsigned int set);

/* Gives the token back to a set of sources; counts that were not carried over are lost. */
void pe_contributor_release(const struct pe_counter_sources *sources,
			    struct pe_contributor *contributor, unsigned int set);

/*
 * Reads a contributor once and adds it to the samples of all that it feeds. Its interface's sample
 * must be empty until then: it gets the largest flows as they are. 0 or -ENOMEM.
 */
int pe_contributor_collect(const struct pe_counter_sources *sources,
			   const struct pe_contributor *contributor, struct pe_arena *arena);

#endif
