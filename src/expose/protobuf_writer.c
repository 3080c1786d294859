/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Delimited protobuf for scrapes: io.prometheus.client.MetricFamily, each behind its length
 * (https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto).
 * Names are those of text 0.0.4. Counters and histograms say since when they count. One thread at a
 * time.
 */
#include "pe/clock.h"

#include "lines.h"
#include "protobuf_parts.h"

enum { FAMILY_NAME = 1, FAMILY_HELP = 2, FAMILY_TYPE = 3, FAMILY_METRIC = 4, FAMILY_UNIT = 5 };
enum { METRIC_LABEL = 1, METRIC_GAUGE = 2, METRIC_COUNTER = 3, METRIC_HISTOGRAM = 7 };
enum { LABEL_NAME = 1, LABEL_VALUE = 2 };
enum { GAUGE_VALUE = 1 };
enum { COUNTER_VALUE = 1, COUNTER_CREATED = 3 };
enum { HISTOGRAM_COUNT = 1, HISTOGRAM_SUM = 2, HISTOGRAM_BUCKET = 3, HISTOGRAM_CREATED = 15 };
enum { BUCKET_COUNT = 1, BUCKET_BOUND = 2 };
enum { TIMESTAMP_SECONDS = 1, TIMESTAMP_NANOS = 2 };
enum { TYPE_COUNTER = 0, TYPE_GAUGE = 1, TYPE_HISTOGRAM = 4 };

static unsigned int type_of(enum pe_type type)
{
	switch (type) {
	case PE_COUNTER:
	case PE_COUNTER_UNSUFFIXED:
		return TYPE_COUNTER;
	case PE_HISTOGRAM:
		return TYPE_HISTOGRAM;
	case PE_GAUGE:
	case PE_INFO:
		break;
	}
	return TYPE_GAUGE;
}

static void add_text(struct pe_strbuf *out, unsigned int field, const char *text)
{
	pe_protobuf_add_bytes(out, field, text, strlen(text));
}

static void write_family(struct pe_writer *writer, const struct pe_metadata *family)
{
	struct pe_strbuf *out = &writer->out;
	size_t name;

	pe_lines_begin(writer, family);
	if (!writer->measuring)
		pe_protobuf_add_number(out, writer->family_len);
	name = pe_protobuf_begin(out, FAMILY_NAME);
	pe_strbuf_add(out, family->name, writer->name_len);
	pe_strbuf_add(out, writer->suffix.data, writer->suffix.len);
	pe_protobuf_end(out, name);
	add_text(out, FAMILY_HELP, family->help);
	pe_protobuf_add_varint(out, FAMILY_TYPE, type_of(family->type));
	if (family->unit)
		add_text(out, FAMILY_UNIT, family->unit);
}

static void add_labels(struct pe_strbuf *out, const struct pe_labels *labels)
{
	for (size_t i = 0; labels && i < labels->count; i++) {
		const struct pe_label *label = &labels->label[i];
		const size_t begun = pe_protobuf_begin(out, METRIC_LABEL);

		pe_protobuf_add_bytes(out, LABEL_NAME, label->name.data, label->name.len);
		pe_protobuf_add_value(out, LABEL_VALUE, label->value);
		pe_protobuf_end(out, begun);
	}
}

static size_t begin_metric(struct pe_strbuf *out, const struct pe_series *series)
{
	const size_t begun = pe_protobuf_begin(out, FAMILY_METRIC);

	add_labels(out, series->labels);
	add_labels(out, series->more);
	return begun;
}

static void add_created(struct pe_strbuf *out, unsigned int field, const struct pe_series *series)
{
	const size_t begun = pe_protobuf_begin(out, field);

	pe_protobuf_add_varint(out, TIMESTAMP_SECONDS, series->created_ns / PE_NS_PER_S);
	pe_protobuf_add_varint(out, TIMESTAMP_NANOS, series->created_ns % PE_NS_PER_S);
	pe_protobuf_end(out, begun);
}

static void write_sample(struct pe_writer *writer, const struct pe_series *series,
			 struct pe_value value)
{
	const bool counter = type_of(writer->family.type) == TYPE_COUNTER;
	struct pe_strbuf *out = &writer->out;
	const size_t metric = begin_metric(out, series);
	const size_t inside = pe_protobuf_begin(out, counter ? METRIC_COUNTER : METRIC_GAUGE);

	pe_protobuf_add_double(out, counter ? COUNTER_VALUE : GAUGE_VALUE, pe_value_double(value));
	if (counter)
		add_created(out, COUNTER_CREATED, series);
	pe_protobuf_end(out, inside);
	pe_protobuf_end(out, metric);
}

static void add_bucket(struct pe_strbuf *out, uint64_t below, double bound)
{
	const size_t begun = pe_protobuf_begin(out, HISTOGRAM_BUCKET);

	pe_protobuf_add_varint(out, BUCKET_COUNT, below);
	pe_protobuf_add_double(out, BUCKET_BOUND, bound);
	pe_protobuf_end(out, begun);
}

static void write_histogram(struct pe_writer *writer, const struct pe_series *series,
			    const struct pe_histogram *histogram)
{
	const double *bound = pe_bounds_of(&writer->bounds, histogram);
	struct pe_strbuf *out = &writer->out;
	const size_t metric = begin_metric(out, series);
	const size_t inside = pe_protobuf_begin(out, METRIC_HISTOGRAM);
	uint64_t below = 0, total = pe_histogram_total(histogram);

	if (total < histogram->observations)
		total = histogram->observations;
	pe_protobuf_add_varint(out, HISTOGRAM_COUNT, total);
	pe_protobuf_add_double(out, HISTOGRAM_SUM, pe_value_double(histogram->sum));
	for (size_t i = 0; i < histogram->count; i++) {
		below += pe_histogram_bucket(histogram, i);
		add_bucket(out, i + 1 == histogram->count ? total : below, bound[i]);
	}
	add_created(out, HISTOGRAM_CREATED, series);
	pe_protobuf_end(out, inside);
	pe_protobuf_end(out, metric);
}

static void write_end(struct pe_writer *writer)
{
	(void)writer;
}

const struct pe_writer_ops pe_protobuf_writer = {
	.measured = true,
	.family = write_family,
	.sample = write_sample,
	.histogram = write_histogram,
	.end = write_end,
};
