/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families as members of one JSON object (RFC 8259), of one item:
 *
 *   "packet_exporter_packets_total": [{"labels":{"direction":"ingress",…},"value":174},…],
 *   "packet_exporter_group_packet_size_bytes":
 *       [{"labels":{…},"count":9,"sum":612,"buckets":{"64":3,…}}]
 *
 * The item's own labels are left out: the reader knows of what it asked for.
 * Buckets are cumulative. Counters of 64 bits are numbers, which a reader with doubles rounds
 * beyond 2^53. One thread at a time.
 */
#include "lines.h"

#include "pe/text.h"

static void add_string(struct pe_strbuf *out, const char *text)
{
	pe_strbuf_addc(out, '"');
	pe_text_add_json(out, text);
	pe_strbuf_addc(out, '"');
}

/* Ends the list of a family, so that another one can follow. */
static void end_family(struct pe_writer *writer)
{
	if (writer->name_len > 0)
		pe_strbuf_adds(&writer->out, "],");
	writer->name_len = 0;
}

static void write_family(struct pe_writer *writer, const struct pe_metadata *family)
{
	const struct pe_span suffix = pe_lines_suffix(family->type);
	struct pe_strbuf *out = &writer->out;

	end_family(writer);
	pe_lines_begin(writer, family);
	pe_strbuf_addc(out, '"');
	pe_strbuf_add(out, family->name, writer->name_len);
	pe_strbuf_add(out, suffix.data, suffix.len);
	pe_strbuf_adds(out, "\":[");
}

/* Wherever it is in the sample: the families of the original exporter begin with their own. */
static bool is_left_out(const struct pe_labels *left_out, const struct pe_label *label)
{
	for (size_t i = 0; i < left_out->count; i++) {
		if (left_out->label[i].value.data == label->value.data &&
		    left_out->label[i].name.data == label->name.data)
			return true;
	}
	return false;
}

static void add_labels(struct pe_strbuf *out, const struct pe_labels *labels,
		       const struct pe_labels *left_out)
{
	for (size_t i = 0; labels && i < labels->count; i++) {
		if (is_left_out(left_out, &labels->label[i]))
			continue;
		if (out->data[out->len - 1] != '{')
			pe_strbuf_addc(out, ',');
		add_string(out, labels->label[i].name.data);
		pe_strbuf_addc(out, ':');
		add_string(out, labels->label[i].value.data);
	}
}

/* "{"labels":{…}," of a sample. */
static void begin_sample(struct pe_writer *writer, const struct pe_series *series)
{
	struct pe_strbuf *out = &writer->out;

	if (out->len > 0 && out->data[out->len - 1] == '}')
		pe_strbuf_addc(out, ',');
	pe_strbuf_adds(out, "{\"labels\":{");
	if (!out->error) {
		add_labels(out, series->labels, writer->left_out);
		add_labels(out, series->more, writer->left_out);
	}
	pe_strbuf_adds(out, "},");
}

static void add_value(struct pe_strbuf *out, struct pe_value value)
{
	if (value.decimals)
		pe_lines_seconds(out, value.number, value.decimals);
	else
		pe_strbuf_add_u64(out, value.number);
}

static void write_sample(struct pe_writer *writer, const struct pe_series *series,
			 struct pe_value value)
{
	begin_sample(writer, series);
	pe_strbuf_adds(&writer->out, "\"value\":");
	add_value(&writer->out, value);
	pe_strbuf_addc(&writer->out, '}');
}

static void write_histogram(struct pe_writer *writer, const struct pe_series *series,
			    const struct pe_histogram *histogram)
{
	struct pe_strbuf *out = &writer->out;
	uint64_t below = 0, total = pe_histogram_total(histogram);

	if (total < histogram->observations)
		total = histogram->observations;
	begin_sample(writer, series);
	pe_strbuf_adds(out, "\"count\":");
	pe_strbuf_add_u64(out, total);
	pe_strbuf_adds(out, ",\"sum\":");
	add_value(out, histogram->sum);
	pe_strbuf_adds(out, ",\"buckets\":{");
	for (size_t i = 0; i < histogram->count; i++) {
		below += pe_histogram_bucket(histogram, i);
		add_string(out, histogram->le[i].label->value.data);
		pe_strbuf_addc(out, ':');
		pe_strbuf_add_u64(out, i + 1 == histogram->count ? total : below);
		pe_strbuf_addc(out, i + 1 == histogram->count ? '}' : ',');
	}
	pe_strbuf_addc(out, '}');
}

static void write_end(struct pe_writer *writer)
{
	end_family(writer);
	if (writer->out.len > 0)
		writer->out.len--;
}

const struct pe_writer_ops pe_json_writer = {
	.family = write_family,
	.sample = write_sample,
	.histogram = write_histogram,
	.end = write_end,
};
