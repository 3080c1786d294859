/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The body of remote write 1.0: prometheus.WriteRequest
 * (https://github.com/prometheus/prometheus/blob/main/prompb/remote.proto), which is nothing but
 * its series one behind the other. One thread at a time.
 */
#include "remote.h"

enum { REQUEST_SERIES = 1 };
enum { SERIES_LABEL = 1, SERIES_SAMPLE = 2 };
enum { LABEL_NAME = 1, LABEL_VALUE = 2 };
enum { SAMPLE_VALUE = 1, SAMPLE_TIME = 2 };

static void add_sample(struct pe_strbuf *out, double value, uint64_t time_ms)
{
	const size_t begun = pe_protobuf_begin(out, SERIES_SAMPLE);

	pe_protobuf_add_double(out, SAMPLE_VALUE, value);
	pe_protobuf_add_varint(out, SAMPLE_TIME, time_ms);
	pe_protobuf_end(out, begun);
}

static void write_series(struct pe_writer *writer, enum pe_remote_name name,
			 const struct pe_series *series, const struct pe_labels *le, double value)
{
	struct pe_remote *remote = pe_remote_of(writer);
	struct pe_strbuf *out = &writer->out;
	const size_t samples = pe_remote_make_room(writer);
	const size_t begun = pe_protobuf_begin(out, REQUEST_SERIES);

	pe_remote_sort(remote, name, series, le);
	for (size_t i = 0; i < remote->labels; i++) {
		const struct pe_label *label = &remote->label[remote->order[i]];
		const size_t pair = pe_protobuf_begin(out, SERIES_LABEL);

		pe_protobuf_add_bytes(out, LABEL_NAME, label->name.data, label->name.len);
		pe_protobuf_add_value(out, LABEL_VALUE, label->value);
		pe_protobuf_end(out, pair);
	}
	if (remote->zero_ns)
		add_sample(out, 0, remote->zero_ns / PE_NS_PER_MS);
	add_sample(out, pe_remote_value(remote, value), remote->at_ns / PE_NS_PER_MS);
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

const struct pe_writer_ops pe_remote_write_1_writer = {
	.family = pe_remote_begin_family,
	.sample = write_sample,
	.histogram = write_histogram,
	.shows = pe_remote_shows,
	.end = pe_remote_end,
};
