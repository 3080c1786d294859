/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intrusive hash tables: being in one costs no memory of its own, so taking an element from one key
 * to another cannot fail. They grow when there is memory for it and get slower when there is not.
 * The caller compares keys, and sees to it that one thread at a time uses a table. No call blocks.
 */
#ifndef PE_TABLE_H
#define PE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct pe_node {
	struct pe_node *next;
	uint32_t hash;
};

struct pe_table {
	struct pe_node **buckets; /* a power of two */
	size_t mask;
	size_t count;
};

/* 0 or -ENOMEM. */
int pe_table_init(struct pe_table *table);
/* What is in it stays the caller's. A zeroed table is fine. */
void pe_table_fini(struct pe_table *table);

/* The node is in no table; equal hashes may be in one. Only the low bits of the hash may matter.
 * Never fails. */
void pe_table_insert(struct pe_table *table, struct pe_node *node, uint32_t hash);
/* A node that is in no table is left alone. */
void pe_table_remove(struct pe_table *table, struct pe_node *node);

/* The nodes of one hash, then NULL. */
struct pe_node *pe_table_first(const struct pe_table *table, uint32_t hash);
struct pe_node *pe_table_next(const struct pe_node *node);

/* Fills ret_nodes[table->count], in no order. */
void pe_table_list(const struct pe_table *table, struct pe_node **ret_nodes);

/* FNV-1a of a string, going on from `hash`. */
#define PE_HASH_START 2166136261u
uint32_t pe_hash_string(uint32_t hash, const char *string);

#endif
