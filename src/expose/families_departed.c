/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families of what departed interfaces left, so that sums over interfaces stay monotonic. One
 * thread at a time.
 */
#include "families.h"

static void label_group(struct pe_emit *emit, const struct pe_departed_sample *group)
{
	pe_emit_begin(emit, group->created_ns);
	pe_label_set_add(&emit->labels, "kind", group->kind);
	pe_label_set_add(&emit->labels, "master", group->master);
}

static void emit_interfaces(struct pe_emit *emit)
{
	size_t i;

	for (i = 0; i < emit->snapshot->departed_count; i++) {
		const struct pe_departed_sample *group = &emit->snapshot->departed[i];

		if (group->interfaces == 0)
			continue;
		label_group(emit, group);
		pe_emit_number(emit, NULL, group->interfaces);
	}
}

/* offset: in struct pe_departed_sample, of the first direction */
static void emit_counts(struct pe_emit *emit)
{
	size_t i, d;

	for (i = 0; i < emit->snapshot->departed_count; i++) {
		const struct pe_departed_sample *group = &emit->snapshot->departed[i];

		label_group(emit, group);
		for (d = 0; d < PE_DIRECTIONS; d++) {
			size_t offset = emit->family->offset + d * sizeof(struct pe_count);
			uint64_t value = pe_number_at(group, offset);

			if (value > 0)
				pe_emit_number(emit, &pe_direction_labels[d], value);
		}
	}
}

#define COUNT_OFFSET(counts, field) \
	(offsetof(struct pe_departed_sample, counts) + offsetof(struct pe_count, field))

/* offset: in struct pe_count */
static void emit_unobserved(struct pe_emit *emit)
{
	size_t i, d, reason;

	for (i = 0; i < emit->snapshot->departed_count; i++) {
		const struct pe_departed_sample *group = &emit->snapshot->departed[i];

		for (d = 0; d < PE_DIRECTIONS; d++) {
			label_group(emit, group);
			pe_label_set_add_all(&emit->labels, &pe_direction_labels[d]);
			for (reason = 0; reason < PE_UNOBSERVED_REASONS; reason++) {
				uint64_t value = pe_number_at(&group->unobserved[d][reason],
							      emit->family->offset);

				if (value > 0)
					pe_emit_number(emit, &pe_unobserved_labels[reason], value);
			}
		}
	}
}

static const struct pe_family families[] = {
	{ .section = "Departed interfaces",
	  .name = "packet_exporter_departed_interfaces",
	  .type = PE_COUNTER,
	  .help = "Interfaces that departed and whose series have ended.",
	  .label_names = "kind, master",
	  .emit = emit_interfaces },
	{ .name = "packet_exporter_departed_packets",
	  .type = PE_COUNTER,
	  .help = "Packets of departed interfaces whose series have ended.",
	  .label_names = "kind, master, direction",
	  .emit = emit_counts,
	  .offset = COUNT_OFFSET(count, packets) },
	{ .name = "packet_exporter_departed_bytes",
	  .type = PE_COUNTER,
	  .unit = "bytes",
	  .help = "Bytes of departed interfaces whose series have ended.",
	  .label_names = "kind, master, direction",
	  .emit = emit_counts,
	  .offset = COUNT_OFFSET(count, bytes) },
	{ .name = "packet_exporter_departed_unobserved_packets",
	  .type = PE_COUNTER,
	  .help = "Packets of departed interfaces that were not observed.",
	  .label_names = "kind, master, direction, reason",
	  .emit = emit_unobserved,
	  .offset = offsetof(struct pe_count, packets) },
	{ .name = "packet_exporter_departed_unobserved_bytes",
	  .type = PE_COUNTER,
	  .unit = "bytes",
	  .help = "Bytes of departed interfaces that were not observed.",
	  .label_names = "kind, master, direction, reason",
	  .emit = emit_unobserved,
	  .offset = offsetof(struct pe_count, bytes) },
	{ .name = "packet_exporter_departed_overcounted_packets",
	  .type = PE_COUNTER,
	  .help = "Packets counted in excess of the own counters of departed interfaces.",
	  .label_names = "kind, master, direction",
	  .emit = emit_counts,
	  .offset = COUNT_OFFSET(overcounted, packets) },
	{ .name = "packet_exporter_departed_overcounted_bytes",
	  .type = PE_COUNTER,
	  .unit = "bytes",
	  .help = "Bytes counted in excess of the own counters of departed interfaces.",
	  .label_names = "kind, master, direction",
	  .emit = emit_counts,
	  .offset = COUNT_OFFSET(overcounted, bytes) },
};

const struct pe_family_table pe_families_departed = {
	families,
	sizeof(families) / sizeof(families[0]),
};
