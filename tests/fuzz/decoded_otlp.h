/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A body of OTLP against the exposition text of the same snapshot; see decoded.h. */
#ifndef PE_FUZZ_DECODED_OTLP_H
#define PE_FUZZ_DECODED_OTLP_H

#include <zlib.h>

#include "decoded.h"

#include "otlp.pb-c.h"

#define OTLP_CUMULATIVE 2

/* A whole stream and nothing behind it. */
static inline size_t gunzip(const char *body, size_t len, char *ret, size_t size)
{
	z_stream stream = {
		.next_in = (Bytef *)body,
		.avail_in = (uInt)len,
		.next_out = (Bytef *)ret,
		.avail_out = (uInt)size,
	};

	fuzz_check(inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK, "out of memory");
	fuzz_check(inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0, "no gzip");
	inflateEnd(&stream);
	return size - stream.avail_out;
}

/* What an attribute of a point is as a label. */
static inline const char *otlp_label_name(const char *attribute)
{
	static const char *const names[][2] = {
		{ "container.name", "container" },     { "container.id", "container_id" },
		{ "container.image.name", "image" },   { "container.runtime", "runtime" },
		{ "k8s.namespace.name", "namespace" }, { "k8s.pod.name", "pod" },
		{ "k8s.pod.uid", "pod_uid" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i][0], attribute) == 0)
			return names[i][1];
	return attribute;
}

static inline void otlp_add(struct decoded *decoded, Otlp__KeyValue *const *attribute, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fuzz_check(attribute[i]->value && *attribute[i]->value->string_value,
			   "%s has no value", attribute[i]->key);
		decoded_add(decoded, otlp_label_name(attribute[i]->key),
			    attribute[i]->value->string_value);
	}
}

/* Of the fuzzers' options: see decoded_write.h. */
static inline void otlp_check_resource(const Otlp__Resource *resource)
{
	static const char *const expected[][2] = {
		{ "service.name", "packet_exporter" },
		{ "service.instance.id", "h\xc3\xb6st:\xef\xbf\xbd"
					 "ff" },
		{ "Zone", "z\n1" },
		{ "host.name", "host-1" },
	};
	const size_t count = sizeof(expected) / sizeof(*expected);

	fuzz_check(resource && resource->n_attributes == count, "no resource");
	for (size_t i = 0; i < count; i++)
		fuzz_check(strcmp(resource->attributes[i]->key, expected[i][0]) == 0 &&
				   strcmp(resource->attributes[i]->value->string_value,
					  expected[i][1]) == 0,
			   "%s is %s", resource->attributes[i]->key,
			   resource->attributes[i]->value->string_value);
}

/* Since when it counts, in the text to the microsecond; not if that is not before its time. */
static inline void otlp_check_start(const struct series *series, uint64_t start_ns,
				    uint64_t time_ns)
{
	unsigned long long s = 0, us = 0;

	if (!series->created[0])
		return;
	fuzz_check(sscanf(series->created, "%llu.%6llu", &s, &us) == 2, "no time");
	/* The first millisecond of all is taken for none. */
	if (s * 1000 + us / 1000 >= time_ns / 1000000 || s * 1000 + us / 1000 == 0)
		fuzz_check(start_ns == 0, "%s has a start", series->id);
	else
		decoded_check_created(series, start_ns);
}

static inline void otlp_check_number(struct expected *expected, const char *name,
				     const Otlp__NumberPoint *point, bool counts, uint64_t time_ns)
{
	const bool real = point->value_case == OTLP__NUMBER_POINT__VALUE_AS_DOUBLE;
	struct decoded decoded = { .name = name, .suffix = "" };
	const struct series *series;

	fuzz_check(point->time == time_ns && point->base.n_unknown_fields == 0, "another time");
	fuzz_check(!point->has_flags, "%s has flags", name);
	otlp_add(&decoded, point->attributes, point->n_attributes);
	series = decoded_check(expected, &decoded, real ? point->as_double : (double)point->as_int);
	/* To the last digit, where a double has too few. */
	if (!real)
		fuzz_check((uint64_t)point->as_int == strtoull(series->value, NULL, 10), "%s: %s",
			   series->id, series->value);
	fuzz_check(counts || !point->has_start_time, "%s has a start", name);
	otlp_check_start(series, point->start_time, time_ns);
}

/* A point that is not at the time of the state begins a series: of an interface at any time. */
static inline void otlp_check_zero_time(const char *name, uint64_t zero_ns, uint64_t at_ns)
{
	const bool shared = strncmp(name, "packet_exporter_host_", 21) == 0 ||
			    strncmp(name, "packet_exporter_group_", 22) == 0;

	fuzz_check(at_ns == zero_ns || !shared, "%s begins at another time", name);
}

static inline size_t otlp_check_numbers(struct expected *expected, const Otlp__Metric *metric,
					uint64_t time_ns, uint64_t zero_ns, size_t *zeros)
{
	const bool sum = metric->data_case == OTLP__METRIC__DATA_SUM;
	const Otlp__Numbers *numbers = sum ? metric->sum : metric->gauge;
	const size_t len = strlen(metric->name);
	const bool total = len > 6 && strcmp(metric->name + len - 6, "_total") == 0;

	fuzz_check(numbers->n_data_points > 0, "no points of %s", metric->name);
	fuzz_check(numbers->temporality == (sum ? OTLP_CUMULATIVE : 0), "not cumulative");
	fuzz_check(numbers->is_monotonic == total, "%s is monotonic or not", metric->name);
	for (size_t i = 0; i < numbers->n_data_points; i++) {
		const Otlp__NumberPoint *point = numbers->data_points[i];

		if (point->time == time_ns) {
			otlp_check_number(expected, metric->name, point, sum, time_ns);
			continue;
		}
		otlp_check_zero_time(metric->name, zero_ns, point->time);
		fuzz_check(sum && point->as_int == 0 && point->start_time == point->time &&
				   point->value_case == OTLP__NUMBER_POINT__VALUE_AS_INT,
			   "%s does not begin at zero", metric->name);
		++*zeros;
	}
	return numbers->n_data_points;
}

static inline void otlp_check_histogram(struct expected *expected, const char *name,
					const Otlp__HistogramPoint *point, uint64_t time_ns)
{
	struct decoded decoded = { .name = name };
	uint64_t below = 0;

	fuzz_check(point->time == time_ns && point->base.n_unknown_fields == 0, "another time");
	fuzz_check(point->n_bucket_counts == point->n_explicit_bounds + 1, "another bound");
	otlp_add(&decoded, point->attributes, point->n_attributes);
	for (size_t i = 0; i < point->n_bucket_counts; i++) {
		const char *le = decoded_next_bound(expected);
		const double bound = i < point->n_explicit_bounds ? point->explicit_bounds[i]
								  : INFINITY;
		struct decoded with_le = decoded;

		fuzz_check(strtod(le, NULL) == bound, "%s is %g", le, bound);
		with_le.suffix = "_bucket";
		decoded_add(&with_le, "le", le);
		below += point->bucket_counts[i];
		decoded_check(expected, &with_le, (double)below);
	}
	decoded.suffix = "_count";
	decoded_check(expected, &decoded, (double)point->count);
	decoded.suffix = "_sum";
	otlp_check_start(decoded_check(expected, &decoded, point->sum), point->start_time, time_ns);
}

static inline void otlp_check_unit(const Otlp__Metric *metric)
{
	static const char *const units[][2] = {
		{ "By", "bytes" },
		{ "s", "seconds" },
		{ "{packet}", "packets" },
		{ "{flow}", "flows" },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (strcmp(units[i][0], metric->unit) == 0) {
			fuzz_check(strstr(metric->name, units[i][1]), "%s in %s", metric->name,
				   metric->unit);
			return;
		}
	fuzz_check(!*metric->unit, "%s in %s", metric->name, metric->unit);
}

static inline void otlp_check_zero(const Otlp__HistogramPoint *point)
{
	uint64_t sum = point->count;

	for (size_t i = 0; i < point->n_bucket_counts; i++)
		sum |= point->bucket_counts[i];
	fuzz_check(sum == 0 && point->sum == 0 && point->start_time == point->time &&
			   point->n_bucket_counts == point->n_explicit_bounds + 1,
		   "a histogram does not begin at zero");
}

/* Each metric once in a body; returns the points, those at zero included. */
static inline size_t otlp_check_metrics(struct expected *expected, const Otlp__ScopeMetrics *scope,
					uint64_t time_ns, uint64_t zero_ns, size_t *zeros)
{
	size_t points = 0;

	for (size_t m = 0; m < scope->n_metrics; m++) {
		const Otlp__Metric *metric = scope->metrics[m];

		fuzz_check(metric->name && *metric->description, "no name");
		fuzz_check(m == 0 || strcmp(metric->name, scope->metrics[m - 1]->name) != 0,
			   "%s twice", metric->name);
		otlp_check_unit(metric);
		if (metric->data_case != OTLP__METRIC__DATA_HISTOGRAM) {
			points += otlp_check_numbers(expected, metric, time_ns, zero_ns, zeros);
			continue;
		}
		fuzz_check(metric->histogram->temporality == OTLP_CUMULATIVE &&
				   metric->histogram->n_data_points > 0,
			   "no points of %s, or not cumulative", metric->name);
		for (size_t i = 0; i < metric->histogram->n_data_points; i++) {
			const Otlp__HistogramPoint *point = metric->histogram->data_points[i];

			if (point->time != time_ns) {
				otlp_check_zero_time(metric->name, zero_ns, point->time);
				otlp_check_zero(point);
				++*zeros;
			} else {
				fuzz_check(!point->has_flags, "%s has flags", metric->name);
				otlp_check_histogram(expected, metric->name, point, time_ns);
			}
		}
		points += metric->histogram->n_data_points;
	}
	return points;
}

#endif
