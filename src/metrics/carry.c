/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts that outlive the token they were counted under. Protected by the registry's mutex.
 */
#include "carry.h"

#include "pe/arena.h"
#include "pe/cleanup.h"

static void free_arena(struct pe_arena **arena)
{
	*arena = pe_arena_free(*arena);
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

void pe_carry_rows(const struct pe_carry_source *source, struct pe_entry *entry)
{
	struct pe_row rows[PE_DIRECTIONS];
	size_t d;

	if (entry->rows_token == PE_TOKEN_NONE)
		return;
	source->ops->read_rows(entry->rows_token, rows, source->userdata);
	for (d = 0; d < PE_DIRECTIONS; d++)
		pe_row_add(&entry->row[d], &rows[d]);
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
	r = pe_flow_sample_add(&entry->flows, flows, entry->arena);
	/* Nothing that is carried is still under way. */
	entry->flows.active = 0;
	return r;
}

/* What the token counts and, for another entry, what was carried before. 0 or -ENOMEM. */
static int gather(const struct pe_carry_source *source, const struct pe_entry *from,
		  const struct pe_entry *to, struct pe_arena *arena, struct pe_flow_sample *flows)
{
	int r = 0;

	if (from->flows_token != PE_TOKEN_NONE)
		r = source->ops->read_flows(from->flows_token, arena, flows, source->userdata);
	if (r == 0 && from != to)
		r = pe_flow_sample_add(flows, &from->flows, arena);
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
