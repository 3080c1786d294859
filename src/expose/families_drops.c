/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Families of how the kernel's drops are counted. One thread at a time. */
#include "families.h"

static void emit_attached(struct pe_emit *emit)
{
	pe_emit_begin(emit, emit->snapshot->self.created_ns);
	pe_emit_number(emit, NULL, emit->snapshot->drop_reasons.counted);
}

static void emit_missed(struct pe_emit *emit)
{
	pe_emit_begin(emit, emit->snapshot->self.created_ns);
	pe_emit_number(emit, NULL, emit->snapshot->self.drops_missed);
}

static const struct pe_family families[] = {
	{ .name = "packet_exporter_drops_attached",
	  .type = PE_GAUGE,
	  .help = "Whether the tracepoint of drops is attached (1), or they are not counted (0).",
	  .details = "It is 0 with `--drops=off`, or when the kernel refuses.",
	  .emit = emit_attached },
	{ .name = "packet_exporter_drops_missed",
	  .type = PE_COUNTER,
	  .help = "Drops that were not counted because they interrupted the counting of another.",
	  .details = "On the same CPU; kernels since 5.12 tell.",
	  .wants = PE_WANTS_DROPS,
	  .emit = emit_missed },
};

const struct pe_family_table pe_families_drops = {
	families,
	sizeof(families) / sizeof(families[0]),
};
