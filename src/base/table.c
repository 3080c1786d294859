/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See pe/table.h. */
#include "pe/table.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS_MIN 64

int pe_table_init(struct pe_table *table)
{
	table->buckets = calloc(BUCKETS_MIN, sizeof(struct pe_node *));
	if (!table->buckets)
		return -ENOMEM;
	table->mask = BUCKETS_MIN - 1;
	table->count = 0;
	return 0;
}

void pe_table_fini(struct pe_table *table)
{
	free(table->buckets);
	table->buckets = NULL;
}

uint32_t pe_hash_string(uint32_t hash, const char *string)
{
	for (; *string; string++)
		hash = (hash ^ (unsigned char)*string) * 16777619u;
	return hash;
}

static void grow(struct pe_table *table)
{
	size_t mask = table->mask * 2 + 1, i;
	struct pe_node **buckets = calloc(mask + 1, sizeof(struct pe_node *));

	if (!buckets)
		return;
	for (i = 0; i <= table->mask; i++) {
		struct pe_node *node = table->buckets[i], *next;

		for (; node; node = next) {
			struct pe_node **head = &buckets[node->hash & mask];

			next = node->next;
			node->next = *head;
			*head = node;
		}
	}
	free(table->buckets);
	table->buckets = buckets;
	table->mask = mask;
}

void pe_table_insert(struct pe_table *table, struct pe_node *node, uint32_t hash)
{
	struct pe_node **head;

	if (++table->count > table->mask)
		grow(table);
	node->hash = hash;
	head = &table->buckets[hash & table->mask];
	node->next = *head;
	*head = node;
}

void pe_table_remove(struct pe_table *table, struct pe_node *node)
{
	struct pe_node **at = &table->buckets[node->hash & table->mask];

	while (*at && *at != node)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = node->next;
	node->next = NULL;
	table->count--;
}

static struct pe_node *of_hash(struct pe_node *node, uint32_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct pe_node *pe_table_first(const struct pe_table *table, uint32_t hash)
{
	return of_hash(table->buckets[hash & table->mask], hash);
}

struct pe_node *pe_table_next(const struct pe_node *node)
{
	return of_hash(node->next, node->hash);
}

void pe_table_list(const struct pe_table *table, struct pe_node **ret_nodes)
{
	size_t i, n = 0;

	for (i = 0; i <= table->mask; i++) {
		struct pe_node *node;

		for (node = table->buckets[i]; node; node = node->next)
			ret_nodes[n++] = node;
	}
}
