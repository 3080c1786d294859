/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of a shard: the flow table, and where in it a flow may be.
 *
 * The table is set-associative: buckets of eight places, each flow at home in two of them and put
 * into the emptier one. So a table that is filled to eight tenths has ended one flow in some
 * thousands early, and one in a hundred at nine tenths. A bucket's eight tags (one byte of each
 * flow's hash, 0 is a free place) are one word, so that a look-up reads two words and, but for one
 * in some tens, only the cache line it wants.
 *
 * Invariants: a place is taken exactly if its tag is not 0, and `used` is how many are. iface.flows
 * is the number of places that point to the interface; a forgotten interface stays allocated until
 * that is 0, and its places are reclaimed when the sweep or an insertion comes by. shard.active
 * counts the places of interfaces that are not forgotten.
 */
#ifndef PE_COLLECT_FLOW_TABLE_H
#define PE_COLLECT_FLOW_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pe/shard.h"

#include "hash.h"
#include "tokens.h"

#define WAYS 8
/* The hash has 28 bits for each of the two buckets and 8 for the tag. */
#define BUCKET_BITS 28
#define TAG_SHIFT   (2 * BUCKET_BITS)

#define EACH_BYTE(x) (UINT64_C(0x0101010101010101) * (x))

struct iface {
	struct pe_token_node node; /* first: the map hands out nodes */
	bool forgotten;
	uint64_t flows;
	struct pe_flow_stats *proto[PE_PROTO_COUNT];
};

/* The start of a flow is kept as its distance from the end, so that it outlives half a wrap. */
struct flow {
	struct pe_flow_key key;
	uint64_t bytes;
	struct iface *iface;
	uint32_t last;
	uint32_t span; /* ticks from the first to the last packet, saturating */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct flow) == 64, "a flow is one cache line");

struct pe_shard {
	struct pe_shard_options options;
	struct pe_hash hash;
	struct pe_token_map ifaces;
	uint64_t *tags; /* one word a bucket */
	struct flow *flows;
	size_t buckets; /* a power of two */
	size_t buckets_max;
	size_t used;
	size_t cursor; /* the place where the sweep goes on */
	struct pe_shard_stats stats;
};

/* A record on its way through the batch. */
struct lookup {
	struct iface *iface; /* NULL: an orphan */
	uint64_t hash;
};

/* ---- buckets ---- */

/* The top bit of each byte of `tags` that equals `tag`; exact, unlike the shorter trick. */
static inline uint64_t tags_match(uint64_t tags, uint8_t tag)
{
	uint64_t x = tags ^ EACH_BYTE(tag);

	return ~(((x & EACH_BYTE(0x7f)) + EACH_BYTE(0x7f)) | x | EACH_BYTE(0x7f));
}

static inline size_t first_way(uint64_t match)
{
	return (size_t)__builtin_ctzll(match) / 8;
}

static inline uint8_t tag_of(uint64_t hash)
{
	uint8_t tag = hash >> TAG_SHIFT;

	return tag ? tag : 1;
}

static inline size_t bucket_of(const struct pe_shard *shard, uint64_t hash, unsigned int choice)
{
	return (hash >> (choice * BUCKET_BITS)) & (shard->buckets - 1);
}

static inline void set_tag(struct pe_shard *shard, size_t place, uint8_t tag)
{
	unsigned int shift = place % WAYS * 8;
	uint64_t *tags = &shard->tags[place / WAYS];

	*tags = (*tags & ~(UINT64_C(0xff) << shift)) | (uint64_t)tag << shift;
}

#endif
