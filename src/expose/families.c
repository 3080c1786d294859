/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of families together, and how a sample gets from them to a writer. */
#include "families.h"

#include <stdio.h>

#define GROUP_DEFAULT(label, name, by_default) PE_GROUP_WORD_##by_default(", " name)

#define HOST   "packet_exporter_host_", "", PE_PART_HOST
#define GROUP  "packet_exporter_group_", PE_GROUP_LABELS_X(GROUP_DEFAULT) + 2, PE_PART_GROUP
#define LEDGER "packet_exporter_", PE_GROUP_LABELS_X(GROUP_DEFAULT) + 2, PE_PART_GROUP
#define IFACE  "packet_exporter_", "interface", PE_PART_IFACE
#define LEGACY "", "", PE_PART_IFACE
#define SELF   "", "", PE_PART_SELF

const struct pe_part pe_parts[PE_PARTS] = {
	{ "Host", HOST, &pe_families_counters, false },
	{ NULL, HOST, &pe_families_flow, false },
	{ NULL, HOST, &pe_families_tcp, false },
	{ NULL, HOST, &pe_families_dns, false },
	{ "Groups", GROUP, &pe_families_group, false },
	{ NULL, GROUP, &pe_families_counters, true },
	{ NULL, GROUP, &pe_families_flow, true },
	{ NULL, GROUP, &pe_families_tcp, true },
	{ NULL, GROUP, &pe_families_dns, true },
	{ "Interfaces", IFACE, &pe_families_iface, false },
	{ NULL, IFACE, &pe_families_counters, true },
	{ NULL, IFACE, &pe_families_flow, true },
	{ NULL, IFACE, &pe_families_dns, true },
	{ NULL, IFACE, &pe_families_top, false },
	{ "Legacy", LEGACY, &pe_families_legacy, false },
	{ "The exporter itself", SELF, &pe_families_self, false },
	{ NULL, SELF, &pe_families_drops, false },
	{ NULL, SELF, &pe_families_dns_self, false },
	{ NULL, SELF, &pe_families_sink, false },
	{ "Ended interfaces", LEDGER, &pe_families_ledger, false },
};

#define IDENTITY_LABEL(label, name) { #name, offsetof(struct pe_identity, name) },
const struct pe_identity_label pe_identity_labels[PE_IDENTITY_LABELS] = { PE_IDENTITY_LABELS_X(
	IDENTITY_LABEL) };

/* The series at hand; before the first one the writer gets the metadata of the family. */
static struct pe_series begin_sample(struct pe_emit *emit, const struct pe_labels *more)
{
	const struct pe_family *family = emit->family;

	if (!emit->begun) {
		emit->begun = true;
		snprintf(emit->name, sizeof(emit->name), "%s%s", emit->part->prefix, family->name);
		emit->writer.ops->family(
			&emit->writer,
			&(struct pe_metadata){
				.name = emit->name,
				.type = family->type,
				.unit = family->unit,
				.help = family->help,
				.ends = family->wants & PE_WANTS_LEDGER,
				.chosen = family->wants & (PE_WANTS_TOP | PE_WANTS_LEGACY),
			});
	}
	return (struct pe_series){ &emit->labels.labels, more, emit->created_ns, emit->at_ns };
}

void pe_emit_value(struct pe_emit *emit, const struct pe_labels *more, struct pe_value value)
{
	const struct pe_series series = begin_sample(emit, more);

	emit->writer.ops->sample(&emit->writer, &series, value);
}

void pe_emit_histogram(struct pe_emit *emit, const struct pe_labels *more,
		       const struct pe_histogram *histogram)
{
	const struct pe_series series = begin_sample(emit, more);

	emit->writer.ops->histogram(&emit->writer, &series, histogram);
}
