/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See accumulator.h. */
#include "accumulator.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "pe/arena.h"
#include "pe/cleanup.h"

static void free_arena(struct pe_arena **arena)
{
	*arena = pe_arena_free(*arena);
}

static void attach(struct pe_feed *feed, struct pe_contributor *from, struct pe_accumulator *to)
{
	*feed = (struct pe_feed){
		.to = to,
		.from = from,
		.next = to->feeds,
		.link = &to->feeds,
	};
	if (feed->next)
		feed->next->link = &feed->next;
	to->feeds = feed;
}

/* ---- accumulators ---- */

/* Of most short-lived interfaces that nobody used. */
static bool rows_are_zero(const struct pe_row *rows)
{
	const __u64 *word = (const __u64 *)rows;
	__u64 any = 0;

	for (size_t i = 0; i < PE_ROW_WORDS * PE_DIRECTIONS; i++)
		any |= word[i];
	return !any;
}

static bool has_flows(const struct pe_flow_sample *flows)
{
	for (size_t i = 0; i < PE_PROTO_COUNT; i++) {
		if (flows->proto[i])
			return true;
	}
	return flows->rest || flows->top_count > 0;
}

void pe_accumulator_fini(struct pe_accumulator *accumulator)
{
	for (size_t i = 0; accumulator->flows && i < PE_PROTO_COUNT; i++)
		free(accumulator->flows->proto[i]);
	if (accumulator->flows)
		free(accumulator->flows->rest);
	free(accumulator->flows);
	free(accumulator->row);
	free(accumulator->drops);
	free(accumulator->dns);
	free(accumulator->tcp);
	accumulator->flows = NULL;
	accumulator->row = NULL;
	accumulator->drops = NULL;
	accumulator->dns = NULL;
	accumulator->tcp = NULL;
}

static int reserve_rows(struct pe_accumulator *accumulator)
{
	const size_t size = sizeof(*accumulator->row) * PE_DIRECTIONS;

	if (accumulator->row)
		return 0;
	accumulator->row = malloc(size);
	if (!accumulator->row)
		return -ENOMEM;
	memset(accumulator->row, 0, size);
	return 0;
}

static int reserve_flows(struct pe_accumulator *accumulator, const struct pe_flow_sample *flows)
{
	if (!accumulator->flows)
		accumulator->flows = calloc(1, sizeof(*accumulator->flows));
	if (!accumulator->flows)
		return -ENOMEM;
	if ((flows->rest || flows->top_count > 0) && !accumulator->flows->rest) {
		accumulator->flows->rest = calloc(1, sizeof(*accumulator->flows->rest));
		if (!accumulator->flows->rest)
			return -ENOMEM;
	}
	for (size_t i = 0; i < PE_PROTO_COUNT; i++) {
		struct pe_flow_stats **stats = &accumulator->flows->proto[i];

		if (!flows->proto[i] || *stats)
			continue;
		*stats = calloc(1, sizeof(**stats));
		if (!*stats)
			return -ENOMEM;
	}
	return 0;
}

int pe_accumulator_reserve_tcp(struct pe_accumulator *accumulator)
{
	if (!accumulator->tcp)
		accumulator->tcp = calloc(1, sizeof(*accumulator->tcp));
	return accumulator->tcp ? 0 : -ENOMEM;
}

int pe_accumulator_reserve(struct pe_accumulator *accumulator, const struct pe_series_body *body)
{
	int r = rows_are_zero(body->row) ? 0 : reserve_rows(accumulator);

	if (r == 0 && has_flows(&body->flows))
		r = reserve_flows(accumulator, &body->flows);
	if (r == 0 && body->drops && !accumulator->drops) {
		accumulator->drops = calloc(1, sizeof(*accumulator->drops));
		r = accumulator->drops ? 0 : -ENOMEM;
	}
	if (r == 0 && body->dns && !accumulator->dns) {
		accumulator->dns = calloc(1, sizeof(*accumulator->dns));
		r = accumulator->dns ? 0 : -ENOMEM;
	}
	return r;
}

void pe_accumulator_leave(struct pe_accumulator *accumulator, const struct pe_series_body *body)
{
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++) {
		/* Without memory for it, there is nothing in it. */
		if (accumulator->row)
			pe_row_add(&accumulator->row[d], &body->row[d]);
		for (i = 0; i < PE_UNOBSERVED_REASONS; i++)
			pe_count_add(&accumulator->unobserved[d][i], &body->unobserved[d][i]);
		pe_count_add(&accumulator->overcounted[d], &body->overcounted[d]);
	}
	if (accumulator->drops && body->drops)
		(void)pe_drop_row_add(&accumulator->drops, body->drops, NULL);
	if (accumulator->dns && body->dns)
		(void)pe_dns_row_add(&accumulator->dns, body->dns, NULL);
	if (!accumulator->flows)
		return;
	(void)pe_flow_sample_add(accumulator->flows, &body->flows, NULL);
	/* Nothing that was left is still under way. */
	accumulator->flows->active = 0;
}

static void negate(void *words, size_t size)
{
	uint64_t *word = words;

	for (size_t i = 0; i < size / sizeof(*word); i++)
		word[i] = -word[i];
}

void pe_accumulator_discount(struct pe_accumulator *accumulator, const struct pe_series_body *body)
{
	/* a - b = -(-a + b), and nothing but sums of words is in it. */
	for (int pass = 0; pass < 2; pass++) {
		if (accumulator->row)
			negate(accumulator->row, sizeof(*accumulator->row) * PE_DIRECTIONS);
		for (size_t i = 0; accumulator->flows && i < PE_PROTO_COUNT; i++) {
			if (accumulator->flows->proto[i])
				negate(accumulator->flows->proto[i],
				       sizeof(*accumulator->flows->proto[i]));
		}
		if (accumulator->flows && accumulator->flows->rest)
			negate(accumulator->flows->rest, sizeof(*accumulator->flows->rest));
		if (accumulator->drops)
			negate(accumulator->drops, sizeof(*accumulator->drops));
		if (accumulator->dns)
			negate(accumulator->dns, sizeof(*accumulator->dns));
		negate(accumulator->unobserved, sizeof(accumulator->unobserved));
		negate(accumulator->overcounted, sizeof(accumulator->overcounted));
		if (pass == 0)
			pe_accumulator_leave(accumulator, body);
	}
}

int pe_accumulator_merge(struct pe_accumulator *to, struct pe_accumulator *from)
{
	struct pe_series_body left;
	struct pe_feed *feed;
	int r;

	pe_accumulator_left(from, &left);
	r = pe_accumulator_reserve(to, &left);
	if (r == 0 && from->tcp)
		r = pe_accumulator_reserve_tcp(to);
	if (r < 0)
		return r;
	pe_accumulator_leave(to, &left);
	if (from->tcp)
		pe_tcp_add(to->tcp, from->tcp);
	pe_accumulator_fini(from);
	memset(from->unobserved, 0, sizeof(from->unobserved));
	memset(from->overcounted, 0, sizeof(from->overcounted));
	while ((feed = from->feeds)) {
		from->feeds = feed->next;
		attach(feed, feed->from, to);
	}
	return 0;
}

int pe_accumulator_collect(const struct pe_accumulator *accumulator, struct pe_arena *arena)
{
	struct pe_series_body *sample = accumulator->sample;

	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		if (accumulator->row)
			pe_row_add(&sample->row[d], &accumulator->row[d]);
		for (size_t i = 0; i < PE_UNOBSERVED_REASONS; i++)
			pe_count_add(&sample->unobserved[d][i], &accumulator->unobserved[d][i]);
		pe_count_add(&sample->overcounted[d], &accumulator->overcounted[d]);
	}
	if (accumulator->drops && pe_drop_row_add(&sample->drops, accumulator->drops, arena) < 0)
		return -ENOMEM;
	if (accumulator->dns && pe_dns_row_add(&sample->dns, accumulator->dns, arena) < 0)
		return -ENOMEM;
	if (accumulator->tcp) {
		sample->tcp = pe_arena_alloc(arena, 1, sizeof(*sample->tcp));
		if (!sample->tcp)
			return -ENOMEM;
		*sample->tcp = *accumulator->tcp;
	}
	if (!accumulator->flows)
		return 0;
	return pe_flow_sample_add(&sample->flows, accumulator->flows, arena);
}

void pe_accumulator_left(const struct pe_accumulator *accumulator, struct pe_series_body *ret_body)
{
	memset(ret_body, 0, sizeof(*ret_body));
	memcpy(ret_body->unobserved, accumulator->unobserved, sizeof(ret_body->unobserved));
	memcpy(ret_body->overcounted, accumulator->overcounted, sizeof(ret_body->overcounted));
	if (accumulator->row)
		memcpy(ret_body->row, accumulator->row, sizeof(ret_body->row));
	if (accumulator->flows)
		ret_body->flows = *accumulator->flows;
	ret_body->drops = accumulator->drops;
	ret_body->dns = accumulator->dns;
}

/* ---- contributors ---- */

void pe_contributor_set_token(const struct pe_counter_sources *sources,
			      struct pe_contributor *contributor, uint32_t token)
{
	contributor->token = token;
	contributor->held = token == PE_TOKEN_NONE ? 0 : sources->all;
}

void pe_feed_connect(struct pe_contributor *contributor, enum pe_level level,
		     struct pe_accumulator *to)
{
	attach(&contributor->feed[level], contributor, to);
}

void pe_feed_disconnect(struct pe_contributor *contributor, enum pe_level level)
{
	struct pe_feed *feed = &contributor->feed[level];

	if (!feed->to)
		return;
	*feed->link = feed->next;
	if (feed->next)
		feed->next->link = feed->link;
	*feed = (struct pe_feed){ 0 };
}

int pe_contributor_read(const struct pe_counter_sources *sources,
			const struct pe_contributor *contributor, unsigned int set,
			struct pe_arena *arena, struct pe_series_body *ret_body)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < sources->count; i++) {
		if (contributor->held & set & 1u << i)
			r = sources->source[i].read(contributor->token, arena, ret_body,
						    sources->userdata);
	}
	if (contributor->departed)
		ret_body->flows.active = 0;
	return r;
}

void pe_contributor_release(const struct pe_counter_sources *sources,
			    struct pe_contributor *contributor, unsigned int set)
{
	for (unsigned int i = 0; i < sources->count; i++) {
		if (contributor->held & set & 1u << i)
			sources->source[i].release(contributor->token, sources->userdata);
	}
	contributor->held &= ~set;
}

/* For all levels before anything is left at one. */
static int reserve(struct pe_contributor *contributor, const struct pe_series_body *body)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < PE_LEVELS; i++) {
		if (contributor->feed[i].to)
			r = pe_accumulator_reserve(contributor->feed[i].to, body);
	}
	return r;
}

int pe_contributor_carry_over(const struct pe_counter_sources *sources,
			      struct pe_contributor *contributor, unsigned int set)
{
	_cleanup_(free_arena) struct pe_arena *scratch = NULL;
	struct pe_series_body body = { 0 };
	int r;

	if (!(contributor->held & set))
		return 0;
	r = pe_arena_new(&scratch);
	if (r == 0)
		r = pe_contributor_read(sources, contributor, set, scratch, &body);
	if (r == 0)
		r = reserve(contributor, &body);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < PE_LEVELS; i++) {
		if (contributor->feed[i].to)
			pe_accumulator_leave(contributor->feed[i].to, &body);
	}
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_count total = pe_row_total(&body.row[d]);

		pe_count_add(&contributor->moved[d], &total);
	}
	pe_contributor_release(sources, contributor, set);
	return 0;
}

int pe_contributor_move(const struct pe_counter_sources *sources,
			struct pe_contributor *contributor, enum pe_level level,
			struct pe_accumulator *to)
{
	struct pe_accumulator *from = contributor->feed[level].to;
	_cleanup_(free_arena) struct pe_arena *scratch = NULL;
	struct pe_series_body body = { 0 };
	int r = pe_arena_new(&scratch);

	if (r == 0)
		r = pe_contributor_read(sources, contributor, sources->all, scratch, &body);
	if (r == 0)
		r = pe_accumulator_reserve(from, &body);
	if (r == 0)
		r = pe_accumulator_reserve(to, &body);
	if (r < 0)
		return r;
	pe_accumulator_leave(from, &body);
	pe_accumulator_discount(to, &body);
	pe_feed_disconnect(contributor, level);
	pe_feed_connect(contributor, level, to);
	return 0;
}

int pe_contributor_collect(const struct pe_counter_sources *sources,
			   const struct pe_contributor *contributor, struct pe_arena *arena)
{
	struct pe_series_body scratch, *body = &scratch;
	int r;

	if (!contributor->held)
		return 0;
	/* In place, so that most are read and copied once. */
	if (contributor->feed[PE_LEVEL_INTERFACE].to)
		body = contributor->feed[PE_LEVEL_INTERFACE].to->sample;
	else
		memset(&scratch, 0, sizeof(scratch));
	r = pe_contributor_read(sources, contributor, sources->all, arena, body);
	for (unsigned int i = 0; r == 0 && i < PE_LEVEL_INTERFACE; i++) {
		if (contributor->feed[i].to)
			r = pe_series_body_add(contributor->feed[i].to->sample, body, arena);
	}
	return r;
}
