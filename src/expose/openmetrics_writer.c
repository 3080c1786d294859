/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OpenMetrics 1.0: metadata names families, and counters may have a
 * _created time. One thread at a time. */
#include "lines.h"

/* Two interfaces can appear in one millisecond and swap names, so microseconds are shown. */
#define CREATED_DECIMALS 6

static const char *type_name(enum pe_type type)
{
	switch (type) {
	case PE_COUNTER:
		return "counter";
	case PE_COUNTER_UNSUFFIXED:
		return "unknown";
	case PE_HISTOGRAM:
		return "histogram";
	case PE_INFO:
		return "info";
	case PE_GAUGE:
		break;
	}
	return "gauge";
}

static void write_family(struct pe_writer *writer, const struct pe_metadata *family)
{
	pe_lines_begin(writer, family);
	pe_lines_comment(writer, "HELP", PE_TEXT(""), family->help, "\\\"");
	pe_lines_comment(writer, "TYPE", PE_TEXT(""), type_name(family->type), "");
	if (family->unit)
		pe_lines_comment(writer, "UNIT", PE_TEXT(""), family->unit, "");
}

/* The time is rendered once for all series that began together. */
static void render_created(struct pe_writer *writer, uint64_t created_ns)
{
	struct pe_strbuf *out = &writer->out;
	size_t begin = out->len;

	/* The room behind what was written is lent. */
	pe_lines_seconds(out, created_ns, CREATED_DECIMALS);
	pe_strbuf_addc(out, '\n');
	if (out->error)
		return;
	writer->created_len = out->len - begin;
	memcpy(writer->created, out->data + begin, writer->created_len);
	writer->created_ns = created_ns;
	out->len = begin;
}

static void write_created(struct pe_writer *writer, const struct pe_series *series)
{
	if (!writer->with_created)
		return;
	if (writer->created_len == 0 || writer->created_ns != series->created_ns)
		render_created(writer, series->created_ns);
	if (pe_lines_name_again(writer, PE_TEXT("_created")))
		pe_strbuf_add(&writer->out, writer->created, writer->created_len);
}

static void write_sample(struct pe_writer *writer, const struct pe_series *series,
			 struct pe_value value)
{
	pe_lines_sample(writer, writer->suffix, series, value);
	if (writer->family.type == PE_COUNTER)
		write_created(writer, series);
}

static void write_histogram(struct pe_writer *writer, const struct pe_series *series,
			    const struct pe_histogram *histogram)
{
	pe_lines_histogram(writer, series, histogram);
	write_created(writer, series);
}

static void write_end(struct pe_writer *writer)
{
	pe_strbuf_adds(&writer->out, "# EOF\n");
}

const struct pe_writer_ops pe_openmetrics_writer = {
	.family = write_family,
	.sample = write_sample,
	.histogram = write_histogram,
	.end = write_end,
};
