/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of families together, and how a sample gets from them to a writer. */
#include "families.h"

const struct pe_family_table *const pe_family_tables[PE_FAMILY_TABLES] = {
	&pe_families_iface,    &pe_families_flow, &pe_families_top,
	&pe_families_departed, &pe_families_self,
};

/* The series at hand; before the first one the writer gets the metadata of the family. */
static struct pe_series begin_sample(struct pe_emit *emit, const struct pe_labels *more)
{
	const struct pe_family *family = emit->family;

	if (!emit->begun) {
		emit->begun = true;
		emit->writer.ops->family(&emit->writer, &(struct pe_metadata){
								.name = family->name,
								.type = family->type,
								.unit = family->unit,
								.help = family->help,
							});
	}
	return (struct pe_series){ &emit->labels.labels, more, emit->created_ns };
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
