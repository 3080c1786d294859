/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The body of OTLP/HTTP: opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest
 * (https://opentelemetry.io/docs/specs/otlp/). One resource, one scope; everything that counts is
 * cumulative since its start.
 *
 * Names are those of text 0.0.4, _total included, which a translation to Prometheus' names leaves
 * as they are: it appends a suffix for the unit only if the name lacks it, and none for what is in
 * braces. A metric holds the points of all items, so it stays open from one to the next; its data,
 * the metric, the scope and the resource are messages in one another. One thread at a time.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "pe/catalogue.h"

#include "remote.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

enum { REQUEST_RESOURCE_METRICS = 1 };
enum { RESOURCE_METRICS_RESOURCE = 1, RESOURCE_METRICS_SCOPE = 2 };
enum { RESOURCE_ATTRIBUTE = 1 };
enum { SCOPE_METRICS_SCOPE = 1, SCOPE_METRICS_METRIC = 2 };
enum { SCOPE_NAME = 1, SCOPE_VERSION = 2 };
enum { METRIC_NAME = 1, METRIC_HELP = 2, METRIC_UNIT = 3 };
enum { METRIC_GAUGE = 5, METRIC_SUM = 7, METRIC_HISTOGRAM = 9 };
enum { DATA_POINT = 1, DATA_TEMPORALITY = 2, DATA_MONOTONIC = 3 };
enum { POINT_START = 2, POINT_TIME = 3 };
enum { NUMBER_DOUBLE = 4, NUMBER_INT = 6, NUMBER_ATTRIBUTE = 7, NUMBER_FLAGS = 8 };
enum { HISTOGRAM_COUNT = 4, HISTOGRAM_SUM = 5, HISTOGRAM_BUCKETS = 6, HISTOGRAM_BOUNDS = 7 };
enum { HISTOGRAM_ATTRIBUTE = 9, HISTOGRAM_FLAGS = 10 };
enum { ATTRIBUTE_KEY = 1, ATTRIBUTE_VALUE = 2 };
enum { VALUE_STRING = 1 };
#define CUMULATIVE	  2
#define NO_RECORDED_VALUE 1

/* What the semantic conventions call our labels
 * (https://opentelemetry.io/docs/specs/semconv/resource/). */
static const char *const resource_names[][2] = {
	{ "instance", "service.instance.id" },
	{ "job", "service.name" },
};
static const char *const names[][2] = {
	{ "container", "container.name" },   { "container_id", "container.id" },
	{ "image", "container.image.name" }, { "namespace", "k8s.namespace.name" },
	{ "pod", "k8s.pod.name" },	     { "pod_uid", "k8s.pod.uid" },
	{ "runtime", "container.runtime" },
};

static const char *rename_label(const char *const table[][2], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i][0], name) == 0)
			return table[i][1];
	return name;
}

bool pe_remote_otlp_has_attribute(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i][1], name) == 0)
			return true;
	return pe_catalogue_has_label(name);
}

static void add_text(struct pe_strbuf *out, unsigned int field, const char *text)
{
	pe_protobuf_add_bytes(out, field, text, strlen(text));
}

static void add_attribute(struct pe_strbuf *out, unsigned int field, const char *name,
			  struct pe_span value)
{
	size_t begun, inside;

	if (value.len == 0)
		return;
	begun = pe_protobuf_begin(out, field);
	add_text(out, ATTRIBUTE_KEY, name);
	inside = pe_protobuf_begin(out, ATTRIBUTE_VALUE);
	pe_protobuf_add_value(out, VALUE_STRING, value);
	pe_protobuf_end(out, inside);
	pe_protobuf_end(out, begun);
}

static void add_attributes(struct pe_strbuf *out, unsigned int field,
			   const struct pe_labels *labels)
{
	for (size_t i = 0; labels && i < labels->count; i++)
		add_attribute(out, field,
			      rename_label(names, sizeof(names) / sizeof(*names),
					   labels->label[i].name.data),
			      labels->label[i].value);
}

/* ---- what is around points ---- */

static void open_batch(struct pe_writer *writer)
{
	struct pe_remote *remote = pe_remote_of(writer);
	const char *host = remote->options->host;
	struct pe_strbuf *out = &writer->out;
	size_t begun;

	remote->otlp.request = pe_protobuf_begin(out, REQUEST_RESOURCE_METRICS);
	begun = pe_protobuf_begin(out, RESOURCE_METRICS_RESOURCE);
	for (size_t i = 0; i < remote->common_count; i++)
		add_attribute(out, RESOURCE_ATTRIBUTE,
			      rename_label(resource_names,
					   sizeof(resource_names) / sizeof(*resource_names),
					   remote->common[i].name.data),
			      remote->common[i].value);
	if (host)
		add_attribute(out, RESOURCE_ATTRIBUTE, "host.name",
			      (struct pe_span){ host, strlen(host) });
	pe_protobuf_end(out, begun);
	remote->otlp.scope = pe_protobuf_begin(out, RESOURCE_METRICS_SCOPE);
	begun = pe_protobuf_begin(out, SCOPE_METRICS_SCOPE);
	add_text(out, SCOPE_NAME, "packet-exporter");
	add_text(out, SCOPE_VERSION, PACKAGE_VERSION);
	pe_protobuf_end(out, begun);
}

static unsigned int data_of(enum pe_type type)
{
	switch (type) {
	case PE_COUNTER:
	case PE_COUNTER_UNSUFFIXED:
		return METRIC_SUM;
	case PE_HISTOGRAM:
		return METRIC_HISTOGRAM;
	case PE_GAUGE:
	case PE_INFO:
		break;
	}
	return METRIC_GAUGE;
}

static bool ends_in(const char *text, const char *end)
{
	const size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* In UCUM (https://ucum.org/ucum); "" where a unit would only make a suffix of the name. */
static const char *unit_of(const struct pe_metadata *family)
{
	if (family->unit && strcmp(family->unit, "bytes") == 0)
		return "By";
	if (family->unit && strcmp(family->unit, "seconds") == 0)
		return "s";
	if (ends_in(family->name, "packets"))
		return "{packet}";
	return ends_in(family->name, "flows") ? "{flow}" : "";
}

static void open_metric(struct pe_writer *writer)
{
	const char *name = pe_remote_of(writer)->name[PE_REMOTE_VALUE];
	struct pe_remote *remote = pe_remote_of(writer);
	struct pe_strbuf *out = &writer->out;

	remote->otlp.metric = pe_protobuf_begin(out, SCOPE_METRICS_METRIC);
	add_text(out, METRIC_NAME, name);
	add_text(out, METRIC_HELP, writer->family.help);
	add_text(out, METRIC_UNIT, unit_of(&writer->family));
	remote->otlp.data = pe_protobuf_begin(out, data_of(writer->family.type));
	remote->otlp.is_open = true;
}

static void close_metric(struct pe_writer *writer)
{
	struct pe_remote *remote = pe_remote_of(writer);
	const unsigned int data = data_of(writer->family.type);
	struct pe_strbuf *out = &writer->out;

	if (!remote->otlp.is_open)
		return;
	remote->otlp.is_open = false;
	if (data != METRIC_GAUGE)
		pe_protobuf_add_varint(out, DATA_TEMPORALITY, CUMULATIVE);
	/* A sum that is monotonic has a name that ends in _total. */
	if (writer->family.type == PE_COUNTER)
		pe_protobuf_add_varint(out, DATA_MONOTONIC, 1);
	pe_protobuf_end(out, remote->otlp.data);
	pe_protobuf_end(out, remote->otlp.metric);
}

void pe_otlp_close(struct pe_writer *writer)
{
	struct pe_remote *remote = pe_remote_of(writer);

	if (remote->samples == 0)
		open_batch(writer);
	close_metric(writer);
	pe_protobuf_end(&writer->out, remote->otlp.scope);
	pe_protobuf_end(&writer->out, remote->otlp.request);
}

static void write_family(struct pe_writer *writer, const struct pe_metadata *family)
{
	close_metric(writer);
	pe_remote_begin_family(writer, family);
}

/* ---- points ---- */

/* What is around points is open then; returns how many there are. */
static size_t begin_points(struct pe_writer *writer, const struct pe_series *series)
{
	size_t samples;

	pe_remote_begin_series(writer, series);
	samples = pe_remote_make_room(writer);
	if (pe_remote_of(writer)->samples == 0)
		open_batch(writer);
	if (!pe_remote_of(writer)->otlp.is_open)
		open_metric(writer);
	return samples;
}

static size_t begin_point(struct pe_strbuf *out, const struct pe_series *series, uint64_t start_ns,
			  uint64_t time_ns, unsigned int attribute)
{
	const size_t begun = pe_protobuf_begin(out, DATA_POINT);

	if (start_ns)
		pe_protobuf_add_fixed64(out, POINT_START, start_ns);
	pe_protobuf_add_fixed64(out, POINT_TIME, time_ns);
	add_attributes(out, attribute, series->labels);
	add_attributes(out, attribute, series->more);
	return begun;
}

static uint64_t start_of(const struct pe_remote *remote, const struct pe_series *series)
{
	return pe_remote_created_ms(remote, series) ? series->created_ns : 0;
}

static void add_number(struct pe_strbuf *out, const struct pe_series *series, uint64_t start_ns,
		       uint64_t time_ns, struct pe_value value)
{
	const size_t begun = begin_point(out, series, start_ns, time_ns, NUMBER_ATTRIBUTE);

	if (value.decimals || value.number > INT64_MAX)
		pe_protobuf_add_double(out, NUMBER_DOUBLE, pe_value_double(value));
	else
		pe_protobuf_add_fixed64(out, NUMBER_INT, value.number);
	pe_protobuf_end(out, begun);
}

/* The series ends. */
static void add_marker(struct pe_writer *writer, const struct pe_series *series)
{
	const struct pe_remote *remote = pe_remote_of(writer);
	const size_t begun = begin_point(&writer->out, series, 0, remote->at_ns, NUMBER_ATTRIBUTE);

	pe_protobuf_add_varint(&writer->out, NUMBER_FLAGS, NO_RECORDED_VALUE);
	pe_protobuf_end(&writer->out, begun);
}

static void write_sample(struct pe_writer *writer, const struct pe_series *series,
			 struct pe_value value)
{
	const bool counts = data_of(writer->family.type) == METRIC_SUM;
	const size_t samples = begin_points(writer, series);
	const struct pe_remote *remote = pe_remote_of(writer);

	if (remote->zero_ns)
		add_number(&writer->out, series, remote->zero_ns, remote->zero_ns,
			   (struct pe_value){ 0 });
	if (remote->stale)
		add_marker(writer, series);
	else
		add_number(&writer->out, series, counts ? start_of(remote, series) : 0,
			   remote->at_ns, value);
	pe_remote_added(writer, samples);
}

/*
 * `zero`: as it was before its first observation. A marker has buckets and a sum, too:
 * VictoriaMetrics and what writes on from a collector end the series that a point has, and pass
 * over one without.
 */
static void add_histogram(struct pe_writer *writer, const struct pe_series *series,
			  uint64_t start_ns, uint64_t time_ns, const struct pe_histogram *histogram,
			  bool zero)
{
	const double *bound = pe_bounds_of(&writer->bounds, histogram);
	struct pe_strbuf *out = &writer->out;
	const size_t begun = begin_point(out, series, start_ns, time_ns, HISTOGRAM_ATTRIBUTE);
	uint64_t total = pe_histogram_total(histogram), rest = 0;
	size_t packed;

	if (total < histogram->observations) {
		rest = histogram->observations - total;
		total = histogram->observations;
	}
	pe_protobuf_add_fixed64(out, HISTOGRAM_COUNT, zero ? 0 : total);
	pe_protobuf_add_double(out, HISTOGRAM_SUM, zero ? 0 : pe_value_double(histogram->sum));
	packed = pe_protobuf_begin(out, HISTOGRAM_BUCKETS);
	for (size_t i = 0; i < histogram->count; i++)
		pe_protobuf_add_bare64(out, zero ? 0
						 : pe_histogram_bucket(histogram, i) +
							    (i + 1 == histogram->count ? rest : 0));
	pe_protobuf_end(out, packed);
	/* The last one is infinite, and goes without saying. */
	packed = pe_protobuf_begin(out, HISTOGRAM_BOUNDS);
	for (size_t i = 0; i + 1 < histogram->count; i++)
		pe_protobuf_add_bare_double(out, bound[i]);
	pe_protobuf_end(out, packed);
	if (pe_remote_of(writer)->stale)
		pe_protobuf_add_varint(out, HISTOGRAM_FLAGS, NO_RECORDED_VALUE);
	pe_protobuf_end(out, begun);
}

static void write_histogram(struct pe_writer *writer, const struct pe_series *series,
			    const struct pe_histogram *histogram)
{
	const size_t samples = begin_points(writer, series);
	const struct pe_remote *remote = pe_remote_of(writer);

	if (remote->zero_ns)
		add_histogram(writer, series, remote->zero_ns, remote->zero_ns, histogram, true);
	if (remote->stale)
		add_histogram(writer, series, 0, remote->at_ns, histogram, true);
	else
		add_histogram(writer, series, start_of(remote, series), remote->at_ns, histogram,
			      false);
	pe_remote_added(writer, samples);
}

const struct pe_writer_ops pe_otlp_writer = {
	.family = write_family,
	.sample = write_sample,
	.histogram = write_histogram,
	.shows = pe_remote_shows,
	.end = pe_remote_end,
};
