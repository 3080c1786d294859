/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The K largest flows of each interface, exact while they are shown, and the exact remainder.
 *
 * Each interface has up to max(4 K, 64) candidates; K of them are shown. A candidate has
 *   estimate  at least the bytes the flow has had in all, exactly those while error is 0;
 *   error     what of the estimate the flow may not have had itself, so that estimate - error is
 *             what it certainly has had.
 * A new flow takes a free candidate or, if there is none, that of the hidden (not shown) flow with
 * the smallest estimate, and begins with the largest estimate ever replaced, `floor`: no flow that
 * is not a candidate has had more (Space-Saving). Shown flows are never replaced by a new one, so
 * that a flood of small flows cannot make series come and go.
 *
 * A flow is shown if fewer than K are, or if a record makes it certainly larger than the shown flow
 * with the smallest estimate, which is hidden instead. So with at most K flows all are shown from
 * the first record, with as many flows as candidates the largest K are shown (of equal ones, the
 * earlier), and a flow is never displaced by one that had fewer bytes.
 *
 * Invariant: every packet and byte added is in the count of one shown flow or in the rest.
 * One mutex; any thread.
 */
#include "pe/top.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pe/arena.h"
#include "pe/clock.h"
#include "hash.h"
#include "tokens.h"

#define CANDIDATES_MIN	 64
#define CANDIDATES_FIRST 16
#define NONE		 UINT32_MAX

struct candidate {
	struct pe_flow_key key;
	uint64_t estimate;
	uint64_t error;
	struct pe_count count; /* since it is shown */
	uint64_t since_ns;
	uint32_t hash;
	uint32_t next; /* in the chain of its hash */
	uint32_t at;   /* in its heap */
	bool shown;
};

/* Candidates by number, the one with the smallest estimate first. */
struct heap {
	uint32_t *item;
	uint32_t count;
};

struct tops {
	struct pe_token_node node; /* first: the map hands out nodes */
	struct candidate *candidate;
	uint32_t *chain; /* first of each hash, as many as `capacity` */
	uint32_t count;
	uint32_t capacity; /* a power of two */
	struct heap shown, hidden;
	uint64_t floor;
	struct pe_count rest[PE_DIRECTIONS][PE_PROTO_COUNT];
};

struct pe_top {
	pthread_mutex_t lock;
	uint32_t k;
	uint32_t candidates;
	struct pe_hash hash;
	struct pe_token_map tokens;
	uint64_t since_ns; /* of the latest that was shown */
	uint64_t dropped;
};

/* ---- the heaps ---- */

static uint64_t estimate_at(const struct tops *tops, const struct heap *heap, uint32_t at)
{
	return tops->candidate[heap->item[at]].estimate;
}

static void heap_put(struct tops *tops, struct heap *heap, uint32_t at, uint32_t item)
{
	heap->item[at] = item;
	tops->candidate[item].at = at;
}

static void heap_up(struct tops *tops, struct heap *heap, uint32_t at)
{
	uint32_t item = heap->item[at];

	for (; at > 0; at = (at - 1) / 2) {
		uint32_t parent = (at - 1) / 2;

		if (estimate_at(tops, heap, parent) <= tops->candidate[item].estimate)
			break;
		heap_put(tops, heap, at, heap->item[parent]);
	}
	heap_put(tops, heap, at, item);
}

static void heap_down(struct tops *tops, struct heap *heap, uint32_t at)
{
	uint32_t item = heap->item[at], child;

	for (; (child = 2 * at + 1) < heap->count; at = child) {
		if (child + 1 < heap->count &&
		    estimate_at(tops, heap, child + 1) < estimate_at(tops, heap, child))
			child++;
		if (estimate_at(tops, heap, child) >= tops->candidate[item].estimate)
			break;
		heap_put(tops, heap, at, heap->item[child]);
	}
	heap_put(tops, heap, at, item);
}

static void heap_push(struct tops *tops, struct heap *heap, uint32_t item)
{
	heap->item[heap->count] = item;
	heap_up(tops, heap, heap->count++);
}

/* ---- the index ---- */

static void index_add(struct tops *tops, uint32_t item)
{
	struct candidate *c = &tops->candidate[item];
	uint32_t *first = &tops->chain[c->hash & (tops->capacity - 1)];

	c->next = *first;
	*first = item;
}

static void index_remove(struct tops *tops, uint32_t item)
{
	const struct candidate *c = &tops->candidate[item];
	uint32_t *link = &tops->chain[c->hash & (tops->capacity - 1)];

	while (*link != item)
		link = &tops->candidate[*link].next;
	*link = c->next;
}

static struct candidate *index_find(struct tops *tops, const struct pe_flow_key *key, uint32_t hash)
{
	uint32_t item = tops->capacity ? tops->chain[hash & (tops->capacity - 1)] : NONE;

	for (; item != NONE; item = tops->candidate[item].next) {
		struct candidate *c = &tops->candidate[item];

		if (c->hash == hash && pe_key_equal(&c->key, key))
			return c;
	}
	return NULL;
}

/* ---- candidates ---- */

static bool grow_items(uint32_t **items, uint32_t capacity)
{
	uint32_t *grown = reallocarray(*items, capacity, sizeof(*grown));

	if (grown)
		*items = grown;
	return grown;
}

/* What could be grown stays so if the rest is refused; `capacity` is what all have. */
static bool grow(struct tops *tops)
{
	uint32_t capacity = tops->capacity ? 2 * tops->capacity : CANDIDATES_FIRST;
	struct candidate *grown = reallocarray(tops->candidate, capacity, sizeof(*grown));

	if (!grown)
		return false;
	tops->candidate = grown;
	if (!grow_items(&tops->shown.item, capacity) || !grow_items(&tops->hidden.item, capacity) ||
	    !grow_items(&tops->chain, capacity))
		return false;
	tops->capacity = capacity;
	memset(tops->chain, 0xff, capacity * sizeof(*tops->chain));
	for (uint32_t item = 0; item < tops->count; item++)
		index_add(tops, item);
	return true;
}

/* A candidate for a new flow; NULL if memory is refused, and the flow is left to the rest. */
static struct candidate *admit(const struct pe_top *top, struct tops *tops,
			       const struct pe_flow_key *key, uint32_t hash)
{
	bool full = tops->count == top->candidates;
	struct candidate *c;
	uint32_t item;

	if (!full && tops->count == tops->capacity && !grow(tops))
		return NULL;
	item = full ? tops->hidden.item[0] : tops->count++;
	c = &tops->candidate[item];
	if (full) {
		if (c->estimate > tops->floor)
			tops->floor = c->estimate;
		index_remove(tops, item);
	}
	*c = (struct candidate){
		.key = *key,
		.estimate = tops->floor,
		.error = tops->floor,
		.hash = hash,
	};
	index_add(tops, item);
	if (full)
		heap_down(tops, &tops->hidden, 0);
	else
		heap_push(tops, &tops->hidden, item);
	return c;
}

static struct pe_count *rest_of(struct tops *tops, const struct pe_flow_key *key)
{
	return &tops->rest[PE_FLOW_DIRECTION(key->tag)][pe_proto_from_ip(key->ip_proto)];
}

/* Two interfaces can have the same flow from one batch on, and swap names: each series has a
 * beginning of its own, in microseconds as it is exported. */
static void show(struct pe_top *top, struct candidate *c, uint64_t now_ns)
{
	top->since_ns += PE_NS_PER_US;
	if (top->since_ns < now_ns)
		top->since_ns = now_ns;
	c->shown = true;
	c->count = (struct pe_count){ 0 };
	c->since_ns = top->since_ns;
}

/* Shows a hidden candidate if it deserves it. */
static void contest(struct pe_top *top, struct tops *tops, struct candidate *c, uint64_t now_ns)
{
	uint32_t at = c->at, item = tops->hidden.item[at], other;
	struct candidate *smallest;

	if (tops->shown.count < top->k) {
		uint32_t last = tops->hidden.item[--tops->hidden.count];

		if (item != last) {
			heap_put(tops, &tops->hidden, at, last);
			heap_up(tops, &tops->hidden, at);
			heap_down(tops, &tops->hidden, tops->candidate[last].at);
		}
		heap_push(tops, &tops->shown, item);
		show(top, c, now_ns);
		return;
	}
	other = tops->shown.item[0];
	smallest = &tops->candidate[other];
	if (c->estimate - c->error <= smallest->estimate)
		return;

	pe_count_add(rest_of(tops, &smallest->key), &smallest->count);
	smallest->shown = false;
	heap_put(tops, &tops->hidden, at, other);
	heap_up(tops, &tops->hidden, at);
	heap_put(tops, &tops->shown, 0, item);
	heap_down(tops, &tops->shown, 0);
	show(top, c, now_ns);
}

/*
 * Flows that would have the same labels are one: ICMP types between two hosts, protocols without a
 * name. Otherwise their common series would fall when one of them left the largest.
 */
static struct pe_flow_key key_of(const struct pe_flow *record)
{
	enum pe_proto proto = pe_proto_from_ip(record->key.ip_proto);
	struct pe_flow_key key = record->key;

	if (!pe_proto_has_ports(proto))
		key.sport = key.dport = 0;
	if (proto == PE_PROTO_OTHER)
		key.ip_proto = IPPROTO_RAW;
	return key;
}

static void add_record(struct pe_top *top, struct tops *tops, const struct pe_flow *record,
		       uint64_t now_ns)
{
	struct pe_count more = { .packets = record->packets, .bytes = record->bytes };
	struct pe_flow_key key = key_of(record);
	uint32_t hash = (uint32_t)pe_hash_key(&top->hash, &key);
	struct candidate *c = index_find(tops, &key, hash);

	if (!c)
		c = admit(top, tops, &key, hash);
	if (c) {
		c->estimate += more.bytes;
		heap_down(tops, c->shown ? &tops->shown : &tops->hidden, c->at);
		if (!c->shown)
			contest(top, tops, c, now_ns);
	}
	pe_count_add(c && c->shown ? &c->count : rest_of(tops, &key), &more);
}

/* ---- interfaces ---- */

static void tops_free(struct pe_token_node *node)
{
	struct tops *tops = (struct tops *)node;

	free(tops->candidate);
	free(tops->chain);
	free(tops->shown.item);
	free(tops->hidden.item);
	free(tops);
}

static struct tops *tops_of(struct pe_top *top, uint32_t token)
{
	struct tops *tops = (struct tops *)pe_token_find(&top->tokens, token);

	if (tops)
		return tops;
	tops = calloc(1, sizeof(*tops));
	if (!tops)
		return NULL;
	tops->node.token = token;
	if (pe_token_insert(&top->tokens, &tops->node) < 0) {
		free(tops);
		return NULL;
	}
	return tops;
}

void pe_top_add(struct pe_top *top, const struct pe_flow *records, size_t count, uint64_t now_ns)
{
	pthread_mutex_lock(&top->lock);
	for (size_t i = 0; i < count; i++) {
		struct tops *tops = tops_of(top, pe_token_of(&records[i].key));

		if (tops)
			add_record(top, tops, &records[i], now_ns);
		else
			top->dropped++;
	}
	pthread_mutex_unlock(&top->lock);
}

void pe_top_forget(struct pe_top *top, uint32_t token)
{
	struct pe_token_node *node;

	pthread_mutex_lock(&top->lock);
	node = pe_token_remove(&top->tokens, token);
	pthread_mutex_unlock(&top->lock);
	if (node)
		tops_free(node);
}

static int compare_largest_first(const void *a, const void *b)
{
	const struct pe_top_flow *x = a, *y = b;

	if (x->count.bytes != y->count.bytes)
		return x->count.bytes < y->count.bytes ? 1 : -1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

static int read_tops(const struct tops *tops, struct pe_arena *arena, struct pe_flow_sample *sample)
{
	struct pe_top_flow *flow = pe_arena_alloc(arena, tops->shown.count, sizeof(*flow));

	if (!flow || !pe_flow_rest_make(sample, arena))
		return -ENOMEM;
	for (uint32_t i = 0; i < tops->shown.count; i++) {
		const struct candidate *c = &tops->candidate[tops->shown.item[i]];

		flow[i] = (struct pe_top_flow){
			.key = c->key,
			.count = c->count,
			.since_ns = c->since_ns,
		};
	}
	qsort(flow, tops->shown.count, sizeof(*flow), compare_largest_first);
	sample->top = flow;
	sample->top_count = tops->shown.count;
	for (size_t direction = 0; direction < PE_DIRECTIONS; direction++) {
		for (size_t proto = 0; proto < PE_PROTO_COUNT; proto++)
			pe_count_add(&sample->rest->count[direction][proto],
				     &tops->rest[direction][proto]);
	}
	return 0;
}

int pe_top_read(struct pe_top *top, uint32_t token, struct pe_arena *arena,
		struct pe_flow_sample *sample)
{
	const struct tops *tops;
	int r = 0;

	pthread_mutex_lock(&top->lock);
	tops = (const struct tops *)pe_token_find(&top->tokens, token);
	if (tops)
		r = read_tops(tops, arena, sample);
	pthread_mutex_unlock(&top->lock);
	return r;
}

uint64_t pe_top_dropped(struct pe_top *top)
{
	uint64_t dropped;

	pthread_mutex_lock(&top->lock);
	dropped = top->dropped;
	pthread_mutex_unlock(&top->lock);
	return dropped;
}

int pe_top_new(unsigned int k, struct pe_top **ret_top)
{
	struct pe_top *top;
	int r;

	if (k == 0 || k > UINT32_MAX / 8)
		return -EINVAL;
	top = calloc(1, sizeof(*top));
	if (!top)
		return -ENOMEM;
	r = pe_hash_init(&top->hash);
	if (r < 0) {
		free(top);
		return r;
	}
	pthread_mutex_init(&top->lock, NULL);
	top->k = k;
	top->candidates = 4 * k > CANDIDATES_MIN ? 4 * k : CANDIDATES_MIN;
	*ret_top = top;
	return 0;
}

struct pe_top *pe_top_free(struct pe_top *top)
{
	if (!top)
		return NULL;
	pe_token_fini(&top->tokens, tops_free);
	pthread_mutex_destroy(&top->lock);
	free(top);
	return NULL;
}
