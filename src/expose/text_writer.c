/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text format 0.0.4, in which metadata carries the names of samples. One thread at a time. */
#include "lines.h"

static const char *type_name(enum pe_type type)
{
	switch (type) {
	case PE_COUNTER:
	case PE_COUNTER_UNSUFFIXED:
		return "counter";
	case PE_HISTOGRAM:
		return "histogram";
	case PE_GAUGE:
	case PE_INFO:
		break;
	}
	return "gauge";
}

static void write_family(struct pe_writer *writer, const struct pe_metadata *family)
{
	struct pe_span suffix = pe_lines_suffix(family->type);

	pe_lines_begin(writer, family);
	pe_lines_comment(writer, "HELP", suffix, family->help, "\\");
	pe_lines_comment(writer, "TYPE", suffix, type_name(family->type), "");
}

static void write_sample(struct pe_writer *writer, const struct pe_series *series,
			 struct pe_value value)
{
	pe_lines_sample(writer, writer->suffix, series, value);
}

static void write_end(struct pe_writer *writer)
{
	(void)writer;
}

const struct pe_writer_ops pe_text_writer = {
	.family = write_family,
	.sample = write_sample,
	.histogram = pe_lines_histogram,
	.end = write_end,
};
