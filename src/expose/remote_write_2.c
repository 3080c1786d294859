/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The body of remote write 2.0: io.prometheus.write.v2.Request
 * (https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/). Strings are symbols of the batch.
 * Receivers until Prometheus 3.7 read since when a series counts in the series, later ones in the
 * sample, so it is in both. One thread at a time.
 */
#include "remote.h"

enum { REQUEST_SYMBOLS = 4, REQUEST_SERIES = 5 };
enum { SERIES_LABELS = 1, SERIES_SAMPLE = 2, SERIES_METADATA = 5, SERIES_CREATED = 6 };
enum { SAMPLE_VALUE = 1, SAMPLE_TIME = 2, SAMPLE_START = 3 };
enum { METADATA_TYPE = 1, METADATA_HELP = 3, METADATA_UNIT = 4 };
enum { TYPE_COUNTER = 1, TYPE_GAUGE = 2, TYPE_HISTOGRAM = 3, TYPE_INFO = 6 };

static unsigned int type_of(enum pe_type type)
{
	switch (type) {
	case PE_COUNTER:
	case PE_COUNTER_UNSUFFIXED:
		return TYPE_COUNTER;
	case PE_HISTOGRAM:
		return TYPE_HISTOGRAM;
	case PE_INFO:
		return TYPE_INFO;
	case PE_GAUGE:
		break;
	}
	return TYPE_GAUGE;
}

static void add_labels(struct pe_strbuf *out, struct pe_remote *remote)
{
	const size_t begun = pe_protobuf_begin(out, SERIES_LABELS);

	for (size_t i = 0; i < remote->labels; i++) {
		const struct pe_label *label = &remote->label[remote->order[i]];

		pe_protobuf_add_number(out, pe_symbols_add(&remote->symbols, label->name));
		pe_protobuf_add_number(out, pe_symbols_add_value(&remote->symbols, label->value));
	}
	pe_protobuf_end(out, begun);
}

/* `created_ms` is 0 if it has none. */
static void add_sample(struct pe_strbuf *out, double value, uint64_t time_ms, uint64_t created_ms)
{
	const size_t begun = pe_protobuf_begin(out, SERIES_SAMPLE);

	pe_protobuf_add_double(out, SAMPLE_VALUE, value);
	pe_protobuf_add_varint(out, SAMPLE_TIME, time_ms);
	if (created_ms)
		pe_protobuf_add_varint(out, SAMPLE_START, created_ms);
	pe_protobuf_end(out, begun);
}

static void add_metadata(struct pe_strbuf *out, struct pe_remote *remote,
			 const struct pe_metadata *family)
{
	const struct pe_span help = { family->help, strlen(family->help) };
	const size_t begun = pe_protobuf_begin(out, SERIES_METADATA);

	pe_protobuf_add_varint(out, METADATA_TYPE, type_of(family->type));
	pe_protobuf_add_varint(out, METADATA_HELP, pe_symbols_add(&remote->symbols, help));
	if (family->unit)
		pe_protobuf_add_varint(
			out, METADATA_UNIT,
			pe_symbols_add(&remote->symbols,
				       (struct pe_span){ family->unit, strlen(family->unit) }));
	pe_protobuf_end(out, begun);
}

static void write_series(struct pe_writer *writer, enum pe_remote_name name,
			 const struct pe_series *series, const struct pe_labels *le, double value)
{
	const unsigned int type = type_of(writer->family.type);
	struct pe_remote *remote = pe_remote_of(writer);
	struct pe_strbuf *out = &writer->out;
	const size_t samples = pe_remote_make_room(writer);
	uint64_t created_ms = 0;
	size_t begun;

	if (remote->samples == 0)
		pe_symbols_begin(&remote->symbols, REQUEST_SYMBOLS);
	if (type == TYPE_COUNTER || type == TYPE_HISTOGRAM)
		created_ms = pe_remote_created_ms(remote, series);
	begun = pe_protobuf_begin(out, REQUEST_SERIES);
	pe_remote_sort(remote, name, series, le);
	add_labels(out, remote);
	if (remote->zero_ns)
		add_sample(out, 0, remote->zero_ns / PE_NS_PER_MS, 0);
	add_sample(out, pe_remote_value(remote, value), remote->at_ns / PE_NS_PER_MS, created_ms);
	add_metadata(out, remote, &writer->family);
	if (created_ms)
		pe_protobuf_add_varint(out, SERIES_CREATED, created_ms);
	pe_protobuf_end(out, begun);
	pe_remote_added(writer, samples);
}

static void write_sample(struct pe_writer *writer, const struct pe_series *series,
			 struct pe_value value)
{
	pe_remote_begin_series(writer, series);
	write_series(writer, PE_REMOTE_VALUE, series, NULL, pe_value_double(value));
}

static void write_histogram(struct pe_writer *writer, const struct pe_series *series,
			    const struct pe_histogram *histogram)
{
	pe_remote_begin_series(writer, series);
	pe_remote_histogram(writer, series, histogram, write_series);
}

/* The symbols of a batch are complete when its last series is. */
void pe_remote_write_2_close(struct pe_writer *writer)
{
	struct pe_remote *remote = pe_remote_of(writer);
	const struct pe_strbuf series = writer->out;

	if (remote->samples == 0)
		pe_symbols_begin(&remote->symbols, REQUEST_SYMBOLS);
	pe_strbuf_add(&remote->symbols.out, series.data, series.len);
	if (series.error)
		remote->symbols.out.error = series.error;
	writer->out = remote->symbols.out;
	remote->symbols.out = series;
	remote->symbols.out.error = 0;
}

const struct pe_writer_ops pe_remote_write_2_writer = {
	.family = pe_remote_begin_family,
	.sample = write_sample,
	.histogram = write_histogram,
	.shows = pe_remote_shows,
	.end = pe_remote_end,
};
