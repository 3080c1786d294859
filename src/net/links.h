/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interfaces the link monitor knows, by their keys. The monitor's thread only.
 */
#ifndef PE_NET_LINKS_H
#define PE_NET_LINKS_H

#include <stddef.h>

#include "pe/link.h"
#include "pe/table.h"

/* Allocated with malloc(); its address is stable until it is freed. */
struct pe_links_entry {
	struct pe_node node; /* in the table; the first member */
	struct pe_link link;
	struct pe_links_entry *next; /* in a list of its owner */
	bool seen;		     /* by the dump that is being reconciled */
};

struct pe_links {
	struct pe_table by_key;
};

/* The next entry of a bucket, or its first one; NULL behind the last. */
static inline struct pe_links_entry *pe_links_next(const struct pe_links_entry *entry)
{
	return (struct pe_links_entry *)entry->node.next;
}

static inline struct pe_links_entry *pe_links_first(const struct pe_links *table, size_t bucket)
{
	return (struct pe_links_entry *)table->by_key.buckets[bucket];
}

/* Makes an empty table. 0 or -ENOMEM. */
int pe_links_init(struct pe_links *table);

/* Frees all entries. A zeroed or finished table is fine. */
void pe_links_fini(struct pe_links *table);

/* The entry, or NULL. */
struct pe_links_entry *pe_links_find(const struct pe_links *table, struct pe_ifkey key);

/* The entry with this name, or NULL. Looks at all. */
struct pe_links_entry *pe_links_find_name(const struct pe_links *table, const char *name);

/* Those whose master it is, up to `max`; how many. Looks at all. */
size_t pe_links_list_ports(const struct pe_links *table, int master, int *ret_ifindex, size_t max);

/* Takes the entry over. Its key must not be in the table yet. Never fails. */
void pe_links_insert(struct pe_links *table, struct pe_links_entry *entry);

/* Removes an entry and hands it to the caller; NULL if there is none. */
struct pe_links_entry *pe_links_take(struct pe_links *table, struct pe_ifkey key);

/*
 * Removes every entry that is not marked as seen and hands them to the caller as a list; clears the
 * mark of the others.
 */
struct pe_links_entry *pe_links_take_unseen(struct pe_links *table);

/* An entry of this link, in no table. NULL for want of memory. The caller owns it. */
struct pe_links_entry *pe_links_new_entry(const struct pe_link *link);

/* Frees a list of entries. NULL is fine. Returns NULL. */
struct pe_links_entry *pe_links_free_list(struct pe_links_entry *list);

#endif
