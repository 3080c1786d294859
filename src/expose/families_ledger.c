/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Families that only receivers of time series have: each sample is at its own time, and is not
 * repeated. One thread at a time. */
#include "families.h"

/* offset: in struct pe_count */
static void emit_ended(struct pe_emit *emit)
{
	const size_t group = (size_t)(emit->group - emit->snapshot->groups);

	emit->at_ns = emit->group->ended_ns;
	for (unsigned int d = 0; d < PE_DIRECTIONS; d++)
		pe_emit_direction(emit, d, NULL,
				  pe_number_at(&emit->ledger[group][d], emit->family->offset),
				  false);
}

static const struct pe_family families[] = {
	{ .name = "ended_packets",
	  .type = PE_GAUGE,
	  .help = "What interfaces that ended since the last sample had moved in their lives.",
	  .label_names = "direction",
	  .details = "One sample for all that ended in an interval, at the time at which the last "
		     "of them did; it is never repeated. `sum_over_time()` over it is exact also "
		     "for interfaces that lived shorter than any interval. They count for the "
		     "group that they belonged to at their end.",
	  .wants = PE_WANTS_LEDGER,
	  .emit = emit_ended,
	  .offset = offsetof(struct pe_count, packets) },
	{ .name = "ended_bytes",
	  .type = PE_GAUGE,
	  .unit = "bytes",
	  .help = "Likewise in bytes.",
	  .label_names = "direction",
	  .wants = PE_WANTS_LEDGER,
	  .emit = emit_ended,
	  .offset = offsetof(struct pe_count, bytes) },
};

const struct pe_family_table pe_families_ledger = {
	families,
	sizeof(families) / sizeof(families[0]),
};
