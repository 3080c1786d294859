/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts that outlive the token they were counted under. Protected by the registry's mutex.
 */
#include "carry.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "pe/arena.h"
#include "pe/cleanup.h"

static void free_arena(struct pe_arena **arena)
{
	*arena = pe_arena_free(*arena);
}

/* Of most short-lived interfaces that nobody used. */
static bool is_zero(const struct pe_row *rows)
{
	const __u64 *word = (const __u64 *)rows;
	__u64 any = 0;

	for (size_t i = 0; i < PE_ROW_WORDS * PE_DIRECTIONS; i++)
		any |= word[i];
	return !any;
}

void pe_release_rows(const struct pe_carry_source *source, struct pe_entry *entry)
{
	if (entry->rows_token != PE_TOKEN_NONE)
		source->ops->release_rows(entry->rows_token, source->userdata);
	entry->rows_token = PE_TOKEN_NONE;
}

void pe_release_flows(const struct pe_carry_source *source, struct pe_entry *entry)
{
	if (entry->flows_token != PE_TOKEN_NONE)
		source->ops->release_flows(entry->flows_token, source->userdata);
	entry->flows_token = PE_TOKEN_NONE;
}

void pe_carry_read_rows(const struct pe_carry_source *source, const struct pe_entry *entry,
			struct pe_row *ret_row)
{
	if (entry->rows_token != PE_TOKEN_NONE)
		source->ops->read_rows(entry->rows_token, ret_row, source->userdata);
	else
		memset(ret_row, 0, sizeof(*ret_row) * PE_DIRECTIONS);
	for (size_t d = 0; entry->row && d < PE_DIRECTIONS; d++)
		pe_row_add(&ret_row[d], &entry->row[d]);
}

int pe_carry_reserve_rows(struct pe_entry *entry)
{
	const size_t size = sizeof(*entry->row) * PE_DIRECTIONS;

	if (entry->rows_token == PE_TOKEN_NONE || entry->row)
		return 0;
	entry->row = aligned_alloc(alignof(struct pe_row), size);
	if (!entry->row)
		return -ENOMEM;
	memset(entry->row, 0, size);
	return 0;
}

void pe_carry_rows(const struct pe_carry_source *source, struct pe_entry *entry)
{
	struct pe_row rows[PE_DIRECTIONS];

	if (entry->rows_token == PE_TOKEN_NONE)
		return;
	pe_carry_read_rows(source, entry, rows);
	if (!is_zero(rows)) {
		if (pe_carry_reserve_rows(entry) < 0)
			return;
		memcpy(entry->row, rows, sizeof(rows));
	}
	pe_release_rows(source, entry);
}

/* Adds to the flows an entry carries. 0 or -ENOMEM (nothing was added). */
static int carry_sample(struct pe_entry *entry, const struct pe_flow_sample *flows)
{
	int r;

	if (!entry->arena) {
		r = pe_arena_new(&entry->arena);
		if (r < 0)
			return r;
	}
	if (!entry->flows)
		entry->flows = pe_arena_alloc(entry->arena, 1, sizeof(*entry->flows));
	if (!entry->flows)
		return -ENOMEM;
	r = pe_flow_sample_add(entry->flows, flows, entry->arena);
	/* Nothing that is carried is still under way. */
	entry->flows->active = 0;
	return r;
}

/* What the token counts and, for another entry, what was carried before. 0 or -ENOMEM. */
static int gather(const struct pe_carry_source *source, const struct pe_entry *from,
		  const struct pe_entry *to, struct pe_arena *arena, struct pe_flow_sample *flows)
{
	int r = 0;

	if (from->flows_token != PE_TOKEN_NONE)
		r = source->ops->read_flows(from->flows_token, arena, flows, source->userdata);
	if (r == 0 && from != to && from->flows)
		r = pe_flow_sample_add(flows, from->flows, arena);
	return r;
}

int pe_carry_flows(const struct pe_carry_source *source, struct pe_entry *from, struct pe_entry *to)
{
	_cleanup_(free_arena) struct pe_arena *scratch = NULL;
	struct pe_flow_sample flows = { 0 };
	int r;

	if (from == to && from->flows_token == PE_TOKEN_NONE)
		return 0;
	r = pe_arena_new(&scratch);
	if (r < 0)
		return r;
	r = gather(source, from, to, scratch, &flows);
	if (r < 0)
		return r;
	r = carry_sample(to, &flows);
	if (r < 0)
		return r;
	pe_release_flows(source, from);
	return 0;
}

void pe_set_token(struct pe_entry *entry, uint32_t token)
{
	entry->rows_token = token;
	entry->flows_token = token;
}
