/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flow table of one worker, and the statistics of the flows that began and ended. The table
 * grows and shrinks with the flows, since each of them touches a page of its own.
 *
 * Not thread-safe: the worker's mutex is held (src/collect/workers.c).
 */
#include "pe/shard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pe/clock.h"
#include "pe/top.h"
#include "flow_table.h"

#define BATCH	   32 /* look-ups under way at the same time */
#define HUGE_BYTES ((size_t)2 << 20)
/*
 * A table begins with so many buckets and doubles up to STEPS_MAX; from there it goes to its full
 * size at once, so that no step moves more than some 100,000 flows, which takes some 10 ms.
 */
#define BUCKETS_MIN ((size_t)64)
#define STEPS_MAX   ((size_t)1 << 14)

static struct flow *find(struct pe_shard *shard, const struct pe_flow_key *key,
			 const struct lookup *lookup)
{
	uint8_t tag = tag_of(lookup->hash);

	for (unsigned int choice = 0; choice < 2; choice++) {
		size_t bucket = bucket_of(shard, lookup->hash, choice);
		uint64_t match = tags_match(shard->tags[bucket], tag);

		for (; match; match &= match - 1) {
			struct flow *flow = &shard->flows[bucket * WAYS + first_way(match)];

			/* A token may have been forgotten and announced again. */
			if (flow->iface == lookup->iface && pe_key_equal(&flow->key, key))
				return flow;
		}
	}
	return NULL;
}

/* ---- the life of a flow ---- */

static struct pe_flow_stats *stats_of(struct iface *iface, const struct pe_flow_key *key)
{
	struct pe_flow_stats **stats = &iface->proto[pe_proto_from_ip(key->ip_proto)];

	if (!*stats)
		*stats = calloc(1, sizeof(**stats));
	return *stats;
}

static void observe_end(const struct pe_shard *shard, const struct flow *flow)
{
	static const uint32_t duration_ms[] = { PE_DURATION_BOUNDS_MS(PE_BOUND_NUMBER) };
	static const uint64_t size_bytes[] = { PE_FLOW_SIZE_BOUNDS(PE_BOUND_NUMBER) };
	struct pe_flow_stats *stats = flow->iface->proto[pe_proto_from_ip(flow->key.ip_proto)];
	uint64_t duration_ns = flow->span * shard->options.tick_ns;
	size_t i = 0;

	while (i < PE_DURATION_BUCKETS - 1 && duration_ns > duration_ms[i] * PE_NS_PER_MS)
		i++;
	stats->duration[i]++;
	stats->duration_sum_ns += duration_ns;

	for (i = 0; i < PE_FLOW_SIZE_BUCKETS - 1 && flow->bytes > size_bytes[i]; i++)
		;
	stats->size[i]++;
	stats->size_sum_bytes += flow->bytes;
}

static void iface_free(struct pe_token_node *node)
{
	struct iface *iface = (struct iface *)node;

	for (size_t i = 0; i < PE_PROTO_COUNT; i++)
		free(iface->proto[i]);
	free(iface);
}

/* Empties a place. True if the flow is counted, false if its interface was forgotten. */
static bool end_flow(struct pe_shard *shard, struct flow *flow)
{
	struct iface *iface = flow->iface;
	bool counted = !iface->forgotten;

	if (counted) {
		observe_end(shard, flow);
		shard->stats.active--;
	}
	set_tag(shard, (size_t)(flow - shard->flows), 0);
	shard->used--;
	if (--iface->flows == 0 && iface->forgotten)
		iface_free(&iface->node);
	return counted;
}

static int32_t age(const struct flow *flow, uint32_t now)
{
	return (int32_t)(now - flow->last);
}

/* Frees a place of a full bucket: of a forgotten flow, else of the one not seen for longest. */
static struct flow *make_room(struct pe_shard *shard, size_t bucket, uint32_t now)
{
	struct flow *flow = &shard->flows[bucket * WAYS], *victim = flow;

	for (size_t way = 0; way < WAYS; way++, flow++) {
		if (flow->iface->forgotten) {
			victim = flow;
			break;
		}
		if (age(flow, now) > age(victim, now))
			victim = flow;
	}
	shard->stats.table_full += end_flow(shard, victim);
	return victim;
}

static struct flow *place_for(struct pe_shard *shard, uint64_t hash, uint32_t now)
{
	size_t bucket = bucket_of(shard, hash, 0), other = bucket_of(shard, hash, 1);
	uint64_t free_ways = tags_match(shard->tags[bucket], 0);
	uint64_t other_ways = tags_match(shard->tags[other], 0);

	if (__builtin_popcountll(other_ways) > __builtin_popcountll(free_ways)) {
		bucket = other;
		free_ways = other_ways;
	}
	if (!free_ways)
		return make_room(shard, bucket, now);
	return &shard->flows[bucket * WAYS + first_way(free_ways)];
}

/* NULL if there is no memory to count it. */
static struct flow *begin_flow(struct pe_shard *shard, const struct pe_flow *record,
			       const struct lookup *lookup, uint32_t now)
{
	struct pe_flow_stats *stats = stats_of(lookup->iface, &record->key);
	struct flow *flow;

	if (!stats)
		return NULL;
	stats->flows[PE_FLOW_DIRECTION(record->key.tag)]++;
	lookup->iface->flows++;
	shard->stats.active++;
	shard->used++;

	flow = place_for(shard, lookup->hash, now);
	set_tag(shard, (size_t)(flow - shard->flows), tag_of(lookup->hash));
	*flow = (struct flow){
		.key = record->key,
		.iface = lookup->iface,
		.last = record->last,
	};
	return flow;
}

static void extend_flow(struct flow *flow, const struct pe_flow *record)
{
	int32_t ahead = (int32_t)(record->last - flow->last);
	int32_t before;

	flow->bytes += record->bytes;
	if (ahead > 0) {
		if (__builtin_add_overflow(flow->span, (uint32_t)ahead, &flow->span))
			flow->span = UINT32_MAX;
		flow->last = record->last;
	}
	/* A record that ends before it begins tells only when the flow was seen last. */
	if ((int32_t)(record->last - record->first) < 0)
		return;
	before = (int32_t)(flow->last - record->first);
	if (before > 0 && (uint32_t)before > flow->span)
		flow->span = (uint32_t)before;
}

/* ---- the size of the table ---- */

static int allocate_table(struct pe_shard *shard)
{
	size_t bytes = pe_shard_places(shard) * sizeof(struct flow);

	shard->tags = calloc(shard->buckets, sizeof(*shard->tags));
	shard->flows = aligned_alloc(bytes < HUGE_BYTES ? sizeof(struct flow) : HUGE_BYTES, bytes);
	if (!shard->tags || !shard->flows)
		return -ENOMEM;
	/* Flows are all over the table: with small pages each would miss the TLB, too. */
	if (bytes >= HUGE_BYTES)
		(void)madvise(shard->flows, bytes, MADV_HUGEPAGE);
	return 0;
}

static void free_table(struct pe_shard *shard)
{
	free(shard->tags);
	free(shard->flows);
}

/* Takes the flows along. Where memory is refused the table stays as it is. */
static void resize(struct pe_shard *shard, size_t buckets, uint32_t now)
{
	const struct pe_shard old = *shard;

	shard->buckets = buckets;
	if (allocate_table(shard) < 0) {
		free_table(shard);
		*shard = old;
		return;
	}
	shard->cursor = 0;
	for (size_t i = 0; i < pe_shard_places(&old); i++) {
		uint64_t hash;
		struct flow *flow;

		if (!(old.tags[i / WAYS] >> i % WAYS * 8 & 0xff))
			continue;
		hash = pe_hash_key(&shard->hash, &old.flows[i].key);
		flow = place_for(shard, hash, now);
		set_tag(shard, (size_t)(flow - shard->flows), tag_of(hash));
		*flow = old.flows[i];
	}
	free(old.tags);
	free(old.flows);
}

/* So that `more` flows find room. Two buckets of a table filled to five eighths are both full for
 * one flow in some millions; at three quarters it is one in some ten thousands. */
static void grow(struct pe_shard *shard, size_t more, uint32_t now)
{
	if (shard->used + more > pe_shard_places(shard) / 8 * 5 &&
	    shard->buckets < shard->buckets_max)
		resize(shard, shard->buckets < STEPS_MAX ? shard->buckets * 2 : shard->buckets_max,
		       now);
}

static void shrink(struct pe_shard *shard, uint32_t now)
{
	size_t smaller = shard->buckets > STEPS_MAX ? STEPS_MAX : shard->buckets / 2;

	if (smaller >= BUCKETS_MIN && shard->used < smaller * WAYS / 4)
		resize(shard, smaller, now);
}

/* ---- records ---- */

/* Asks for the line that the record will most likely need. */
static void prefetch_flow(const struct pe_shard *shard, uint64_t hash)
{
	size_t bucket = bucket_of(shard, hash, 0);
	uint64_t match = tags_match(shard->tags[bucket], tag_of(hash));

	if (!match) {
		bucket = bucket_of(shard, hash, 1);
		match = tags_match(shard->tags[bucket], tag_of(hash));
	}
	if (match)
		__builtin_prefetch(&shard->flows[bucket * WAYS + first_way(match)], 1);
}

static void look_up(const struct pe_shard *shard, const struct pe_flow *records, size_t count,
		    struct lookup *ret_lookups)
{
	for (size_t i = 0; i < count; i++) {
		const struct pe_flow_key *key = &records[i].key;
		struct pe_token_node *node = pe_token_find(&shard->ifaces, pe_token_of(key));

		ret_lookups[i].iface = records[i].packets ? (struct iface *)node : NULL;
		ret_lookups[i].hash = pe_hash_key(&shard->hash, key);
		__builtin_prefetch(&shard->tags[bucket_of(shard, ret_lookups[i].hash, 0)], 1);
		__builtin_prefetch(&shard->tags[bucket_of(shard, ret_lookups[i].hash, 1)], 1);
	}
	for (size_t i = 0; i < count; i++)
		prefetch_flow(shard, ret_lookups[i].hash);
}

/* False if the record is an orphan. */
static bool add_record(struct pe_shard *shard, const struct pe_flow *record,
		       const struct lookup *lookup, uint32_t now)
{
	struct flow *flow;

	if (!lookup->iface)
		return false;
	flow = find(shard, &record->key, lookup);
	if (!flow)
		flow = begin_flow(shard, record, lookup, now);
	if (!flow)
		return false;
	extend_flow(flow, record);
	return true;
}

static void add_batch(struct pe_shard *shard, const struct pe_flow *records, size_t count,
		      uint32_t now, uint64_t now_ns)
{
	struct pe_top *top = shard->options.top;
	struct lookup lookups[BATCH];
	size_t run = 0; /* where the records begin that `top` has not seen */

	grow(shard, count, now);
	look_up(shard, records, count, lookups);
	for (size_t i = 0; i < count; i++) {
		if (add_record(shard, &records[i], &lookups[i], now))
			continue;
		shard->stats.orphaned++;
		if (top && i > run)
			pe_top_add(top, &records[run], i - run, now_ns);
		run = i + 1;
	}
	if (top && count > run)
		pe_top_add(top, &records[run], count - run, now_ns);
}

void pe_shard_add(struct pe_shard *shard, const struct pe_flow *records, size_t count, uint32_t now,
		  uint64_t now_ns)
{
	shard->stats.records += count;
	while (count > 0) {
		size_t n = count < BATCH ? count : BATCH;

		add_batch(shard, records, n, now, now_ns);
		records += n;
		count -= n;
	}
}

size_t pe_shard_expire(struct pe_shard *shard, uint32_t now, size_t steps)
{
	size_t places = pe_shard_places(shard), ended = 0;

	if (steps > places)
		steps = places;
	while (steps > 0) {
		size_t way = shard->cursor % WAYS;
		size_t n = steps < WAYS - way ? steps : WAYS - way;
		/* A word at a time, because most of a table is empty most of the time. */
		uint64_t tags = shard->tags[shard->cursor / WAYS];

		for (size_t i = 0; tags && i < n; i++) {
			struct flow *flow = &shard->flows[shard->cursor + i];

			if (!(tags >> (way + i) * 8 & 0xff))
				continue;
			if (flow->iface->forgotten ||
			    age(flow, now) >= (int32_t)shard->options.idle_ticks)
				ended += end_flow(shard, flow);
		}
		shard->cursor = (shard->cursor + n) & (places - 1);
		steps -= n;
	}
	if (shard->cursor == 0)
		shrink(shard, now);
	return ended;
}

/* ---- interfaces ---- */

int pe_shard_announce(struct pe_shard *shard, uint32_t token)
{
	struct iface *iface;
	int r;

	if (pe_token_find(&shard->ifaces, token))
		return -EEXIST;
	iface = calloc(1, sizeof(*iface));
	if (!iface)
		return -ENOMEM;
	iface->node.token = token;
	r = pe_token_insert(&shard->ifaces, &iface->node);
	if (r < 0)
		free(iface);
	return r;
}

void pe_shard_forget(struct pe_shard *shard, uint32_t token)
{
	struct iface *iface = (struct iface *)pe_token_remove(&shard->ifaces, token);

	if (!iface)
		return;
	shard->stats.active -= iface->flows;
	if (iface->flows == 0) {
		iface_free(&iface->node);
		return;
	}
	iface->forgotten = true;
	for (size_t i = 0; i < PE_PROTO_COUNT; i++) {
		free(iface->proto[i]);
		iface->proto[i] = NULL;
	}
}

int pe_shard_read(const struct pe_shard *shard, uint32_t token, struct pe_arena *arena,
		  struct pe_flow_sample *sample)
{
	const struct iface *iface = (const struct iface *)pe_token_find(&shard->ifaces, token);
	struct pe_flow_sample own = { 0 };

	if (!iface)
		return -ENOENT;
	own.active = iface->flows;
	memcpy(own.proto, iface->proto, sizeof(own.proto));
	return pe_flow_sample_add(sample, &own, arena);
}

/* ---- the shard ---- */

int pe_shard_new(const struct pe_shard_options *options, struct pe_shard **ret_shard)
{
	struct pe_shard *shard;
	int r;

	if (!options->max_flows || !options->idle_ticks || !options->tick_ns)
		return -EINVAL;
	if (options->max_flows > (size_t)WAYS << BUCKET_BITS)
		return -ENOMEM;
	shard = calloc(1, sizeof(*shard));
	if (!shard)
		return -ENOMEM;
	shard->options = *options;
	if (shard->options.idle_ticks > INT32_MAX)
		shard->options.idle_ticks = INT32_MAX;
	shard->buckets_max = 1;
	while (shard->buckets_max * WAYS < options->max_flows)
		shard->buckets_max *= 2;
	shard->buckets = shard->buckets_max < BUCKETS_MIN ? shard->buckets_max : BUCKETS_MIN;

	r = pe_hash_init(&shard->hash);
	if (r == 0)
		r = allocate_table(shard);
	if (r < 0) {
		pe_shard_free(shard);
		return r;
	}
	*ret_shard = shard;
	return 0;
}

struct pe_shard *pe_shard_free(struct pe_shard *shard)
{
	if (!shard)
		return NULL;
	/* Forgotten interfaces are reachable only from their flows. */
	for (size_t i = 0; shard->tags && shard->flows && i < pe_shard_places(shard); i++) {
		if (shard->tags[i / WAYS] >> i % WAYS * 8 & 0xff)
			end_flow(shard, &shard->flows[i]);
	}
	pe_token_fini(&shard->ifaces, iface_free);
	free_table(shard);
	free(shard);
	return NULL;
}

size_t pe_shard_places(const struct pe_shard *shard)
{
	return shard->buckets * WAYS;
}

void pe_shard_get_stats(const struct pe_shard *shard, struct pe_shard_stats *ret_stats)
{
	*ret_stats = shard->stats;
}
