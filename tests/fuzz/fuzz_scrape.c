/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scrapes as protobuf: what libprotobuf-c reads of an arbitrary snapshot is what its OpenMetrics
 * text says, series by series, creation times included; and the bytes are the same whatever the
 * size of the pieces that are read. The input is a snapshot (snapshot_input.h).
 */
#include "fuzz.h"

#include "decoded.h"
#include "snapshot_input.h"

#include "client.pb-c.h"

#define PROTOBUF_MAX TEXT_MAX

/* Of the messages' length; moves *p behind it. */
static size_t take_length(const uint8_t **p, const uint8_t *end)
{
	size_t length = 0;

	for (unsigned int shift = 0;; shift += 7) {
		fuzz_check(*p < end && shift < 35, "a length is cut off");
		length |= (size_t)(**p & 0x7f) << shift;
		if (!(*(*p)++ & 0x80))
			break;
	}
	fuzz_check(length <= (size_t)(end - *p), "a family of %zu bytes is cut off", length);
	return length;
}

static uint64_t time_of(const Client__Timestamp *timestamp)
{
	fuzz_check(timestamp && timestamp->has_seconds && timestamp->has_nanos, "no time");
	fuzz_check(timestamp->nanos >= 0 && timestamp->nanos < 1000000000, "not nanoseconds");
	return (uint64_t)timestamp->seconds * 1000000000 + (uint64_t)timestamp->nanos;
}

static void check_histogram(struct expected *expected, struct decoded *decoded,
			    const Client__Histogram *histogram)
{
	double last = -INFINITY;

	fuzz_check(histogram->n_bucket > 0, "no buckets");
	for (size_t i = 0; i < histogram->n_bucket; i++) {
		const Client__Bucket *bucket = histogram->bucket[i];
		const char *le = decoded_next_bound(expected);
		struct decoded with_le = *decoded;

		fuzz_check(bucket->upper_bound > last && bucket->upper_bound == strtod(le, NULL),
			   "%s is %g", le, bucket->upper_bound);
		last = bucket->upper_bound;
		with_le.suffix = "_bucket";
		decoded_add(&with_le, "le", le);
		decoded_check(expected, &with_le, (double)bucket->cumulative_count);
	}
	fuzz_check(isinf(last), "no infinite bucket");
	decoded->suffix = "_count";
	decoded_check(expected, decoded, (double)histogram->sample_count);
	decoded->suffix = "_sum";
	decoded_check_created(decoded_check(expected, decoded, histogram->sample_sum),
			      time_of(histogram->created_timestamp));
}

static void check_counter(struct expected *expected, struct decoded *decoded,
			  const Client__Counter *counter)
{
	const struct series *series = decoded_check(expected, decoded, counter->value);

	/* A counter without _total is none in OpenMetrics. */
	if (series->created[0])
		decoded_check_created(series, time_of(counter->created_timestamp));
}

static void check_metric(struct expected *expected, const Client__MetricFamily *family,
			 const Client__Metric *metric)
{
	struct decoded decoded = { .name = family->name, .suffix = "" };

	fuzz_check(metric->base.n_unknown_fields == 0, "a field that the schema lacks");
	for (size_t i = 0; i < metric->n_label; i++)
		decoded_add(&decoded, metric->label[i]->name, metric->label[i]->value);
	switch (family->type) {
	case CLIENT__METRIC_TYPE__COUNTER:
		fuzz_check(metric->counter && !metric->gauge && !metric->histogram, "no counter");
		check_counter(expected, &decoded, metric->counter);
		break;
	case CLIENT__METRIC_TYPE__HISTOGRAM:
		fuzz_check(metric->histogram && !metric->gauge && !metric->counter, "no histogram");
		check_histogram(expected, &decoded, metric->histogram);
		break;
	default:
		fuzz_check(family->type == CLIENT__METRIC_TYPE__GAUGE && metric->gauge &&
				   !metric->counter && !metric->histogram,
			   "no gauge");
		decoded_check(expected, &decoded, metric->gauge->value);
		break;
	}
}

/* Every family once, with a help, a type and at least one series. */
static size_t check_families(const uint8_t *p, const uint8_t *end, struct expected *expected)
{
	size_t families = 0;

	for (; p < end; families++) {
		const size_t length = take_length(&p, end);
		Client__MetricFamily *family = client__metric_family__unpack(NULL, length, p);

		fuzz_check(family && family->name && family->help && family->has_type &&
				   family->n_metric > 0 && family->base.n_unknown_fields == 0,
			   "no family");
		for (size_t i = 0; i < family->n_metric; i++)
			check_metric(expected, family, family->metric[i]);
		client__metric_family__free_unpacked(family, NULL);
		p += length;
	}
	return families;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[TEXT_MAX], protobuf[PROTOBUF_MAX];
	struct fuzz_input input = { data, size };
	uint8_t bits = fuzz_u8(&input);
	size_t piece = 1 + fuzz_u8(&input) * 3, len;
	struct pe_encode_options options = options_of(bits | WITH_CREATED);
	struct pe_snapshot *snapshot = build(&input, bits);
	struct exposition exposition;
	struct expected expected = { .exposition = &exposition };

	options.format = PE_FORMAT_OPENMETRICS;
	len = encode(snapshot, &options, TEXT_MAX / 2, text);
	exposition_read(text, len, true, true, &exposition);
	options.format = PE_FORMAT_PROTOBUF;
	len = encode(snapshot, &options, PROTOBUF_MAX / 2, protobuf);
	check_pieces(snapshot, &options, protobuf, len, piece);
	fuzz_check(check_families((const uint8_t *)protobuf, (const uint8_t *)protobuf + len,
				  &expected) == exposition.families,
		   "not as many families as in the text");
	fuzz_check(expected.at == exposition.count, "%zu of %zu series", expected.at,
		   exposition.count);
	exposition_free(&exposition);
	pe_snapshot_unref(snapshot);
	return 0;
}
