/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry's entries and the hash tables that find them by ifindex and by name.
 *
 * Intrusive chains: being in a table costs no memory of its own, so taking an entry from one key to
 * another cannot fail. Protected by the registry's mutex.
 */
#ifndef PE_METRICS_TABLE_H
#define PE_METRICS_TABLE_H

#include "pe/sample.h"

enum pe_table_key {
	PE_BY_IFINDEX, /* live entries */
	PE_BY_NAME,    /* all entries */
	PE_TABLE_KEYS,
};

struct pe_entry {
	struct pe_entry *chain[PE_TABLE_KEYS];
	uint32_t hash[PE_TABLE_KEYS];
	/* Of the departed, oldest first. */
	struct pe_entry *newer, *older;
	struct pe_iface_info info;
	bool departed;
	uint64_t created_ns;
	uint64_t departed_ns;
	uint32_t rows_token;  /* being counted, PE_TOKEN_NONE if nothing is; see carry.h */
	uint32_t flows_token; /* outlives rows_token when the interface departs */
	struct pe_count unobserved[PE_DIRECTIONS][PE_UNOBSERVED_REASONS];
	struct pe_count overcounted[PE_DIRECTIONS]; /* above the kernel's own counters */
	/* What earlier tokens counted; NULL until they have. */
	struct pe_row *row;	      /* PE_DIRECTIONS of them */
	struct pe_flow_sample *flows; /* in the arena */
	struct pe_arena *arena;
};

struct pe_table {
	struct pe_entry **buckets; /* a power of two */
	size_t mask;
	size_t count;
};

/* 0 or -ENOMEM. */
int pe_table_init(struct pe_table *table);
void pe_table_fini(struct pe_table *table);

/* The key is the entry's info at that time; remove before changing it. */
void pe_table_insert(struct pe_table *table, enum pe_table_key key, struct pe_entry *entry);
void pe_table_remove(struct pe_table *table, enum pe_table_key key, struct pe_entry *entry);

/* NULL if there is none. */
struct pe_entry *pe_table_find_ifindex(const struct pe_table *table, int ifindex);
struct pe_entry *pe_table_find_name(const struct pe_table *table, const char *name);

#endif
