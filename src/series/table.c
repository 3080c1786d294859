/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intrusive hash tables. They grow when there is memory for it and get slower when there is not.
 * Protected by the registry's mutex.
 */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 64

int pe_table_init(struct pe_table *table)
{
	table->buckets = calloc(BUCKETS_MIN, sizeof(struct pe_entry *));
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

static uint32_t hash_ifindex(int ifindex)
{
	/* The kernel hands them out one after the other: they spread by themselves. */
	return (uint32_t)ifindex;
}

/* FNV-1a */
static uint32_t hash_name(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash;
}

static void grow(struct pe_table *table, enum pe_table_key key)
{
	size_t mask = table->mask * 2 + 1, i;
	struct pe_entry **buckets = calloc(mask + 1, sizeof(struct pe_entry *));

	if (!buckets)
		return;
	for (i = 0; i <= table->mask; i++) {
		struct pe_entry *entry = table->buckets[i], *next;

		for (; entry; entry = next) {
			struct pe_entry **head = &buckets[entry->hash[key] & mask];

			next = entry->chain[key];
			entry->chain[key] = *head;
			*head = entry;
		}
	}
	free(table->buckets);
	table->buckets = buckets;
	table->mask = mask;
}

void pe_table_insert(struct pe_table *table, enum pe_table_key key, struct pe_entry *entry)
{
	struct pe_entry **head;

	if (++table->count > table->mask)
		grow(table, key);
	entry->hash[key] = key == PE_BY_NAME ? hash_name(entry->info.name)
					     : hash_ifindex(entry->info.ifindex);
	head = &table->buckets[entry->hash[key] & table->mask];
	entry->chain[key] = *head;
	*head = entry;
}

void pe_table_remove(struct pe_table *table, enum pe_table_key key, struct pe_entry *entry)
{
	struct pe_entry **at = &table->buckets[entry->hash[key] & table->mask];

	while (*at && *at != entry)
		at = &(*at)->chain[key];
	if (!*at)
		return;
	*at = entry->chain[key];
	entry->chain[key] = NULL;
	table->count--;
}

struct pe_entry *pe_table_find_ifindex(const struct pe_table *table, int ifindex)
{
	struct pe_entry *entry = table->buckets[hash_ifindex(ifindex) & table->mask];

	while (entry && entry->info.ifindex != ifindex)
		entry = entry->chain[PE_BY_IFINDEX];
	return entry;
}

struct pe_entry *pe_table_find_name(const struct pe_table *table, const char *name)
{
	uint32_t hash = hash_name(name);
	struct pe_entry *entry = table->buckets[hash & table->mask];

	while (entry && (entry->hash[PE_BY_NAME] != hash || strcmp(entry->info.name, name) != 0))
		entry = entry->chain[PE_BY_NAME];
	return entry;
}
