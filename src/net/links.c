/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of interfaces. Inserting never fails, so that a dump can be reconciled without a way
 * back. Used by the monitor's thread only.
 */
#include "links.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Fibonacci hashing (Knuth, TAOCP 6.4): sequential ifindexes spread evenly, and so do strides. Its
 * high bits are the good ones, and the table takes the low ones. */
static uint32_t hash_of(struct pe_ifkey key)
{
	uint32_t mixed = ((uint32_t)key.ifindex ^ key.netns << 16) * UINT32_C(2654435769);

	return mixed >> 16 | mixed << 16;
}

int pe_links_init(struct pe_links *table)
{
	return pe_table_init(&table->by_key);
}

void pe_links_fini(struct pe_links *table)
{
	for (size_t i = 0; table->by_key.buckets && i <= table->by_key.mask; i++) {
		struct pe_links_entry *entry = pe_links_first(table, i), *next;

		for (; entry; entry = next) {
			next = pe_links_next(entry);
			free(entry);
		}
	}
	pe_table_fini(&table->by_key);
	*table = (struct pe_links){ 0 };
}

struct pe_links_entry *pe_links_find(const struct pe_links *table, struct pe_ifkey key)
{
	struct pe_node *node = pe_table_first(&table->by_key, hash_of(key));

	while (node && !pe_ifkey_equal(((struct pe_links_entry *)node)->link.key, key))
		node = pe_table_next(node);
	return (struct pe_links_entry *)node;
}

struct pe_links_entry *pe_links_find_name(const struct pe_links *table, const char *name)
{
	for (size_t i = 0; i <= table->by_key.mask; i++) {
		struct pe_links_entry *entry = pe_links_first(table, i);

		for (; entry; entry = pe_links_next(entry)) {
			if (strcmp(entry->link.name, name) == 0)
				return entry;
		}
	}
	return NULL;
}

size_t pe_links_list_ports(const struct pe_links *table, int master, int *ret_ifindex, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i <= table->by_key.mask; i++) {
		struct pe_links_entry *entry = pe_links_first(table, i);

		for (; entry && count < max; entry = pe_links_next(entry)) {
			if (entry->link.master == master)
				ret_ifindex[count++] = entry->link.ifindex;
		}
	}
	return count;
}

void pe_links_insert(struct pe_links *table, struct pe_links_entry *entry)
{
	entry->next = NULL;
	pe_table_insert(&table->by_key, &entry->node, hash_of(entry->link.key));
}

struct pe_links_entry *pe_links_take(struct pe_links *table, struct pe_ifkey key)
{
	struct pe_links_entry *entry = pe_links_find(table, key);

	if (entry)
		pe_table_remove(&table->by_key, &entry->node);
	return entry;
}

struct pe_links_entry *pe_links_take_unseen(struct pe_links *table)
{
	struct pe_links_entry *list = NULL;

	for (size_t i = 0; i <= table->by_key.mask; i++) {
		struct pe_links_entry *entry = pe_links_first(table, i), *next;

		for (; entry; entry = next) {
			next = pe_links_next(entry);
			if (entry->seen) {
				entry->seen = false;
				continue;
			}
			pe_table_remove(&table->by_key, &entry->node);
			entry->next = list;
			list = entry;
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
