/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chained hash table of interfaces. It grows when entries outnumber buckets; if memory for that
 * is refused, chains become longer and nothing is lost, so that inserting never fails and a dump
 * can be reconciled without a way back. Used by the monitor's thread only.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pe/cleanup.h"
#include "links.h"

#define MIN_BITS 6
#define MAX_BITS 24

/* Fibonacci hashing (Knuth, TAOCP 6.4): sequential ifindexes spread evenly, and so do strides. */
static size_t bucket_of(struct pe_ifkey key, unsigned int bits)
{
	uint32_t mixed = (uint32_t)key.ifindex ^ key.netns << 16;

	return (size_t)(mixed * UINT32_C(2654435769) >> (32 - bits));
}

int pe_links_init(struct pe_links *table)
{
	struct pe_links_entry **buckets = calloc((size_t)1 << MIN_BITS, sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	*table = (struct pe_links){ .buckets = buckets, .bits = MIN_BITS };
	return 0;
}

void pe_links_fini(struct pe_links *table)
{
	if (table->buckets)
		for (size_t i = 0; i < (size_t)1 << table->bits; i++)
			pe_links_free_list(table->buckets[i]);
	free(table->buckets);
	*table = (struct pe_links){ 0 };
}

/* Where the pointer to the entry is, or the end of its chain. */
static struct pe_links_entry **place_of(const struct pe_links *table, struct pe_ifkey key)
{
	struct pe_links_entry **place = &table->buckets[bucket_of(key, table->bits)];

	while (*place && !pe_ifkey_equal((*place)->link.key, key))
		place = &(*place)->next;
	return place;
}

struct pe_links_entry *pe_links_find(const struct pe_links *table, struct pe_ifkey key)
{
	return *place_of(table, key);
}

struct pe_links_entry *pe_links_find_name(const struct pe_links *table, const char *name)
{
	for (size_t i = 0; i < (size_t)1 << table->bits; i++) {
		for (struct pe_links_entry *e = table->buckets[i]; e; e = e->next) {
			if (strcmp(e->link.name, name) == 0)
				return e;
		}
	}
	return NULL;
}

size_t pe_links_list_ports(const struct pe_links *table, int master, int *ret_ifindex, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < (size_t)1 << table->bits; i++) {
		for (struct pe_links_entry *e = table->buckets[i]; e && count < max; e = e->next) {
			if (e->link.master == master)
				ret_ifindex[count++] = e->link.ifindex;
		}
	}
	return count;
}

static void grow(struct pe_links *table)
{
	unsigned int bits = table->bits + 1;
	struct pe_links_entry **buckets;

	if (bits > MAX_BITS)
		return;
	buckets = calloc((size_t)1 << bits, sizeof(*buckets));
	if (!buckets)
		return;
	for (size_t i = 0; i < (size_t)1 << table->bits; i++) {
		struct pe_links_entry *entry = table->buckets[i];

		while (entry) {
			struct pe_links_entry *next = entry->next;
			size_t bucket = bucket_of(entry->link.key, bits);

			entry->next = buckets[bucket];
			buckets[bucket] = entry;
			entry = next;
		}
	}
	free(table->buckets);
	table->buckets = buckets;
	table->bits = bits;
}

void pe_links_insert(struct pe_links *table, struct pe_links_entry *entry)
{
	struct pe_links_entry **bucket;

	if (table->count >> table->bits)
		grow(table);
	bucket = &table->buckets[bucket_of(entry->link.key, table->bits)];
	entry->next = *bucket;
	*bucket = entry;
	table->count++;
}

static struct pe_links_entry *unchain(struct pe_links *table, struct pe_links_entry **place)
{
	struct pe_links_entry *entry = *place;

	*place = entry->next;
	entry->next = NULL;
	table->count--;
	return entry;
}

struct pe_links_entry *pe_links_take(struct pe_links *table, struct pe_ifkey key)
{
	struct pe_links_entry **place = place_of(table, key);

	return *place ? unchain(table, place) : NULL;
}

struct pe_links_entry *pe_links_take_unseen(struct pe_links *table)
{
	struct pe_links_entry *list = NULL;

	for (size_t i = 0; i < (size_t)1 << table->bits; i++) {
		struct pe_links_entry **place = &table->buckets[i];

		while (*place) {
			struct pe_links_entry *entry = *place;

			if (entry->seen) {
				entry->seen = false;
				place = &entry->next;
			} else {
				unchain(table, place);
				entry->next = list;
				list = entry;
			}
		}
	}
	return list;
}

struct pe_links_entry *pe_links_new_entry(const struct pe_link *link)
{
	struct pe_links_entry *entry = malloc(sizeof(*entry));

	if (entry)
		*entry = (struct pe_links_entry){ .link = *link };
	return entry;
}

struct pe_links_entry *pe_links_free_list(struct pe_links_entry *list)
{
	while (list) {
		struct pe_links_entry *next = list->next;

		free(list);
		list = next;
	}
	return NULL;
}
