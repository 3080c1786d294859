/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a token to what is kept for it: an array by slot, and in each slot a list by generation.
 *
 * A departed interface stays readable while its slot already serves the next one, so a slot has
 * several tokens at times; the newest, which nearly all records carry, is first. Nodes are embedded
 * in the caller's structs and belong to the caller. Private to src/collect; one thread at a time.
 */
#ifndef PE_COLLECT_TOKENS_H
#define PE_COLLECT_TOKENS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pe/flow.h"

#define PE_TOKEN_SLOTS 65536 /* pe_flow_key.slot has 16 bits */

struct pe_token_node {
	struct pe_token_node *next;
	uint32_t token;
};

struct pe_token_map {
	struct pe_token_node **slot;
	uint32_t slots;
};

static inline uint32_t pe_token_of(const struct pe_flow_key *key)
{
	return PE_TOKEN(key->slot, PE_FLOW_GENERATION(key->tag));
}

static inline struct pe_token_node *pe_token_find(const struct pe_token_map *map, uint32_t token)
{
	uint32_t slot = PE_TOKEN_SLOT(token);
	struct pe_token_node *node = slot < map->slots ? map->slot[slot] : NULL;

	while (node && node->token != token)
		node = node->next;
	return node;
}

/* Adds a node, whose token must be new. 0 or -ENOMEM; -EINVAL for a token no record can carry. */
static inline int pe_token_insert(struct pe_token_map *map, struct pe_token_node *node)
{
	uint32_t slot = PE_TOKEN_SLOT(node->token);

	if (slot >= PE_TOKEN_SLOTS || (node->token & 0xff) >= PE_SLOT_GENERATIONS)
		return -EINVAL;
	if (slot >= map->slots) {
		uint32_t slots = map->slots ? map->slots : 64;
		struct pe_token_node **grown;

		while (slots <= slot)
			slots *= 2;
		grown = reallocarray(map->slot, slots, sizeof(struct pe_token_node *));
		if (!grown)
			return -ENOMEM;
		memset(grown + map->slots, 0, (slots - map->slots) * sizeof(*grown));
		map->slot = grown;
		map->slots = slots;
	}
	node->next = map->slot[slot];
	map->slot[slot] = node;
	return 0;
}

/* Takes a node out and returns it; NULL if there is none. */
static inline struct pe_token_node *pe_token_remove(struct pe_token_map *map, uint32_t token)
{
	uint32_t slot = PE_TOKEN_SLOT(token);
	struct pe_token_node **link, *node;

	if (slot >= map->slots)
		return NULL;
	for (link = &map->slot[slot]; (node = *link); link = &node->next) {
		if (node->token == token) {
			*link = node->next;
			return node;
		}
	}
	return NULL;
}

/* Calls `release` for every node and frees the array. A zeroed map is fine. */
static inline void pe_token_fini(struct pe_token_map *map,
				 void (*release)(struct pe_token_node *node))
{
	for (uint32_t i = 0; i < map->slots; i++) {
		struct pe_token_node *node = map->slot[i], *next;

		for (; node; node = next) {
			next = node->next;
			release(node);
		}
	}
	free(map->slot);
	*map = (struct pe_token_map){ 0 };
}

#endif
