/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bodies for receivers of time series: what libsnappy and libprotobuf-c read of an arbitrary
 * snapshot is what its text says, series by series, in batches of the size that was asked for, with
 * labels as a receiver wants them. The input is a snapshot (snapshot_input.h); the size of a batch
 * comes of what is the size of a piece there.
 */
#include "fuzz.h"

#include <errno.h>
#include <snappy-c.h>

#include "pe/clock.h"
#include "pe/remote.h"

#include "decoded.h"
#include "decoded_gone.h"
#include "decoded_otlp.h"
#include "decoded_write.h"
#include "snapshot_input.h"

#include "remote_write_1.pb-c.h"
#include "remote_write_2.pb-c.h"

#define TIME_NS	 (UINT64_C(1700000000) * PE_NS_PER_S + 123999999)
#define TIME_MS	 1700000000123
#define ZERO_NS	 (TIME_NS - 15 * PE_NS_PER_S)
#define ZERO_MS	 (TIME_MS - 15000)
#define ENDED_NS (TIME_NS - 2 * PE_NS_PER_S)
#define GONE_NS	 (TIME_NS + 15 * PE_NS_PER_S)

struct bodies {
	const struct pe_remote_options *options;
	struct expected *expected;
	size_t samples, count, zeros;
	bool ended;	       /* the last one was not full */
	bool first;	       /* with births, and nothing was there before */
	bool ends;	       /* the body has what no later state repeats */
	struct pe_count moved; /* by what ended */
	size_t ledger;	       /* its samples */
};

static bool ends_in(const char *text, const char *end)
{
	const size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* A sample of the ledger, which is in no text. */
static void add_moved(struct bodies *bodies, const char *name, double value, uint64_t time_ms,
		      size_t samples)
{
	const bool bytes = strcmp(name, "packet_exporter_ended_bytes") == 0;

	fuzz_check(bytes || strcmp(name, "packet_exporter_ended_packets") == 0, "%s ends", name);
	fuzz_check(samples == 1 && time_ms == ENDED_NS / PE_NS_PER_MS, "%s at another time", name);
	*(bytes ? &bodies->moved.bytes : &bodies->moved.packets) += (uint64_t)value;
	bodies->ledger++;
}

/* Whether a series begins at zero: what counts, if it is new; of interfaces not all. */
static void check_zero(struct bodies *bodies, const char *name, bool zero)
{
	const bool counts = ends_in(name, "_total") || ends_in(name, "_sum") ||
			    ends_in(name, "_count") || ends_in(name, "_bucket") ||
			    strncmp(name, "total_", 6) == 0;
	const bool shared = strncmp(name, "packet_exporter_host_", 21) == 0 ||
			    strncmp(name, "packet_exporter_group_", 22) == 0;

	bodies->zeros += zero;
	fuzz_check(!zero || (counts && bodies->first), "%s begins at zero", name);
	fuzz_check(zero || !bodies->first || !counts || !shared, "%s has no zero", name);
}

/* Of an interface at any time before. */
static void check_zero_time(const char *name, double value, int64_t time_ms)
{
	const bool shared = strncmp(name, "packet_exporter_host_", 21) == 0 ||
			    strncmp(name, "packet_exporter_group_", 22) == 0;

	fuzz_check(value == 0 && (shared ? time_ms == ZERO_MS : time_ms < TIME_MS), "no zero");
}

static size_t check_write_1(struct bodies *bodies, const uint8_t *data, size_t len)
{
	Write1__WriteRequest *request = write1__write_request__unpack(NULL, len, data);
	size_t samples;

	fuzz_check(request && request->base.n_unknown_fields == 0, "no request");
	samples = request->n_timeseries;
	for (size_t i = 0; i < request->n_timeseries; i++) {
		const Write1__TimeSeries *series = request->timeseries[i];
		struct decoded decoded = { .suffix = "" };
		const char *last = NULL;

		for (size_t l = 0; l < series->n_labels; l++)
			add_label(&decoded, &last, series->labels[l]->name,
				  series->labels[l]->value);
		check_common(&decoded);
		fuzz_check(decoded.name && (series->n_samples == 1 || series->n_samples == 2),
			   "no name or no sample");
		if (bodies->ends) {
			add_moved(bodies, decoded.name, series->samples[0]->value,
				  (uint64_t)series->samples[0]->timestamp, series->n_samples);
			continue;
		}
		check_zero(bodies, decoded.name, series->n_samples == 2);
		if (series->n_samples == 2)
			check_zero_time(decoded.name, series->samples[0]->value,
					series->samples[0]->timestamp);
		fuzz_check(series->samples[series->n_samples - 1]->timestamp == TIME_MS, "time");
		decoded_check(bodies->expected, &decoded,
			      series->samples[series->n_samples - 1]->value);
		samples += series->n_samples - 1;
	}
	write1__write_request__free_unpacked(request, NULL);
	return samples;
}

/* Since when it counts, as OpenMetrics says it behind the last series; not if that is not before.
 */
static void check_start(const struct series *series, int64_t start_ms)
{
	unsigned long long s = 0, us = 0;
	int64_t expected;

	if (!series->created[0])
		return;
	fuzz_check(sscanf(series->created, "%llu.%6llu", &s, &us) == 2, "no time");
	expected = (int64_t)(s * 1000 + us / 1000);
	fuzz_check(start_ms == (expected < TIME_MS ? expected : 0), "%s began at %s, not %lld",
		   series->id, series->created, (long long)start_ms);
}

static void check_metadata(const Write2__Request *request, const Write2__TimeSeries *series,
			   const Write2__Sample *sample, const char *name)
{
	const Write2__Metadata *metadata = series->metadata;
	const char *unit = symbol(request, metadata->unit_ref);
	const bool counts = metadata->type == WRITE2__METRIC_TYPE__COUNTER ||
			    metadata->type == WRITE2__METRIC_TYPE__HISTOGRAM;

	fuzz_check(*symbol(request, metadata->help_ref), "no help for %s", name);
	fuzz_check(!*unit || strstr(name, unit), "%s has the unit %s", name, unit);
	fuzz_check(!ends_in(name, "_total") || metadata->type == WRITE2__METRIC_TYPE__COUNTER,
		   "%s is no counter", name);
	fuzz_check(!ends_in(name, "_bucket") || metadata->type == WRITE2__METRIC_TYPE__HISTOGRAM,
		   "%s is no histogram", name);
	fuzz_check(!ends_in(name, "_info") || metadata->type == WRITE2__METRIC_TYPE__INFO,
		   "%s is no info", name);
	fuzz_check(counts || !series->created_timestamp, "%s has a start", name);
	fuzz_check(series->created_timestamp == sample->start_timestamp, "%s has two starts", name);
}

static size_t check_write_2(struct bodies *bodies, const uint8_t *data, size_t len)
{
	Write2__Request *request = write2__request__unpack(NULL, len, data);
	size_t samples;

	fuzz_check(request && request->base.n_unknown_fields == 0, "no request");
	fuzz_check(request->n_symbols > 0 && !*request->symbols[0], "the first symbol is not \"\"");
	samples = request->n_timeseries;
	for (size_t i = 0; i < request->n_timeseries; i++) {
		const Write2__TimeSeries *series = request->timeseries[i];
		const Write2__Sample *sample;
		struct decoded decoded = { .suffix = "" };
		const char *last = NULL;

		fuzz_check(series->n_labels_refs % 2 == 0, "half a label");
		for (size_t l = 0; l < series->n_labels_refs; l += 2)
			add_label(&decoded, &last, symbol(request, series->labels_refs[l]),
				  symbol(request, series->labels_refs[l + 1]));
		check_common(&decoded);
		fuzz_check(decoded.name && series->metadata &&
				   (series->n_samples == 1 || series->n_samples == 2),
			   "no name, sample or metadata");
		if (bodies->ends) {
			add_moved(bodies, decoded.name, series->samples[0]->value,
				  (uint64_t)series->samples[0]->timestamp, series->n_samples);
			continue;
		}
		check_zero(bodies, decoded.name, series->n_samples == 2);
		if (series->n_samples == 2) {
			check_zero_time(decoded.name, series->samples[0]->value,
					series->samples[0]->timestamp);
			fuzz_check(!series->samples[0]->has_start_timestamp, "no zero");
		}
		sample = series->samples[series->n_samples - 1];
		samples += series->n_samples - 1;
		fuzz_check(sample->timestamp == TIME_MS, "time");
		check_metadata(request, series, sample, decoded.name);
		check_start(decoded_check(bodies->expected, &decoded, sample->value),
			    series->created_timestamp);
	}
	write2__request__free_unpacked(request, NULL);
	return samples;
}

static size_t add_moved_points(struct bodies *bodies, const Otlp__ScopeMetrics *scope)
{
	size_t points = 0;

	for (size_t m = 0; m < scope->n_metrics; m++) {
		const Otlp__Metric *metric = scope->metrics[m];

		fuzz_check(metric->data_case == OTLP__METRIC__DATA_GAUGE, "%s is no gauge",
			   metric->name);
		for (size_t i = 0; i < metric->gauge->n_data_points; i++, points++)
			add_moved(bodies, metric->name,
				  (double)metric->gauge->data_points[i]->as_int,
				  metric->gauge->data_points[i]->time / PE_NS_PER_MS, 1);
	}
	return points;
}

static size_t check_otlp(struct bodies *bodies, const uint8_t *data, size_t len)
{
	Otlp__Request *request = otlp__request__unpack(NULL, len, data);
	const Otlp__ScopeMetrics *scope;
	size_t samples, zeros = 0;

	fuzz_check(request && request->base.n_unknown_fields == 0 &&
			   request->n_resource_metrics == 1 &&
			   request->resource_metrics[0]->n_scope_metrics == 1,
		   "no request");
	otlp_check_resource(request->resource_metrics[0]->resource);
	scope = request->resource_metrics[0]->scope_metrics[0];
	fuzz_check(scope->scope && strcmp(scope->scope->name, "packet-exporter") == 0 &&
			   *scope->scope->version,
		   "no scope");
	samples = bodies->ends
			  ? add_moved_points(bodies, scope)
			  : otlp_check_metrics(bodies->expected, scope, TIME_NS, ZERO_NS, &zeros);
	fuzz_check(bodies->first || zeros == 0, "%zu begin at zero", zeros);
	bodies->zeros += zeros;
	otlp__request__free_unpacked(request, NULL);
	return samples;
}

static size_t check_body(struct bodies *bodies, const uint8_t *data, size_t len)
{
	switch (bodies->options->format) {
	case PE_REMOTE_WRITE_2:
		return check_write_2(bodies, data, len);
	case PE_REMOTE_OTLP:
		return check_otlp(bodies, data, len);
	case PE_REMOTE_WRITE_1:
		break;
	}
	return check_write_1(bodies, data, len);
}

/* What was compressed. */
static const uint8_t *plain(const struct pe_remote_batch *batch, enum pe_remote_format format,
			    size_t *ret_size)
{
	static char data[TEXT_MAX];

	*ret_size = sizeof(data);
	if (format == PE_REMOTE_OTLP)
		*ret_size = gunzip(batch->data, batch->len, data, sizeof(data));
	else
		fuzz_check(snappy_uncompress(batch->data, batch->len, data, ret_size) == SNAPPY_OK,
			   "no snappy");
	return (const uint8_t *)data;
}

static int take(void *userdata, const struct pe_remote_batch *batch)
{
	struct bodies *bodies = userdata;
	const size_t samples = batch->samples;
	size_t size;
	const uint8_t *data = plain(batch, bodies->options->format, &size);

	bodies->ended &= batch->ends == bodies->ends;
	bodies->ends = batch->ends;
	fuzz_check(check_body(bodies, data, size) == samples, "not as many samples as it says");
	fuzz_check(!bodies->ended && (samples <= bodies->options->max_samples ||
				      (bodies->first && samples == 2)),
		   "a batch of %zu samples", samples);
	/* One that begins at zero may not have had room any more. */
	bodies->ended = samples + bodies->first < bodies->options->max_samples;
	bodies->samples += samples;
	bodies->count++;
	return 0;
}

static int refuse(void *userdata, const struct pe_remote_batch *batch)
{
	return ++*(int *)userdata == 2 ? -ENOSPC : 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *why;

	fuzz_check(pe_remote_load(&why) == 0, "%s", why);
	return 0;
}

/* A body of everything, cut as if a receiver took no more at a time. */
static int take_and_cut(void *userdata, const struct pe_remote_batch *batch)
{
	struct bodies *bodies = userdata;
	const struct pe_remote_options *options = bodies->options;

	return pe_remote_cut(batch, options->format, options->format, options->max_samples, take,
			     bodies);
}

static void check_cut(struct pe_snapshot *snapshot, const struct pe_remote_options *options,
		      const struct exposition *exposition)
{
	struct expected expected = { .exposition = exposition, .no_empty = true };
	struct bodies bodies = { .options = options, .expected = &expected };
	struct pe_remote_options whole = *options;

	whole.max_samples = SIZE_MAX;
	fuzz_check(pe_remote_encode(snapshot, &whole, take_and_cut, &bodies) == 0, "not cut");
	fuzz_check(expected.at == exposition->count, "%zu of %zu series", expected.at,
		   exposition->count);
}

static void check_format(struct pe_snapshot *snapshot, const struct pe_remote_options *options,
			 const struct exposition *exposition)
{
	struct expected expected = { .exposition = exposition, .no_empty = true };
	struct bodies bodies = { .options = options, .expected = &expected };
	int calls = 0, r;

	r = pe_remote_encode(snapshot, options, take, &bodies);
	fuzz_check(r == 0, "%d", r);
	fuzz_check(expected.at == exposition->count, "%zu of %zu series", expected.at,
		   exposition->count);
	fuzz_check(options->format == PE_REMOTE_OTLP || bodies.samples == exposition->count,
		   "%zu samples", bodies.samples);
	r = pe_remote_encode(snapshot, options, refuse, &calls);
	fuzz_check(bodies.count == 1 ? r == 0 : r == -ENOSPC && calls == 2,
		   "%d after %d of %zu bodies", r, calls, bodies.count);
}

static int take_gone(void *userdata, const struct pe_remote_batch *batch)
{
	struct gone *gone = userdata;
	size_t size;
	const uint8_t *data = plain(batch, gone->options.format, &size);

	/* The others have what is still there. */
	if (batch->ends)
		fuzz_check(gone_check(gone, data, size) == batch->samples,
			   "not as many markers as it says");
	return 0;
}

/* What never ends is left: the exporter and the host. Borrows of `before`. */
static struct pe_snapshot *without_ifaces(const struct pe_snapshot *before)
{
	struct pe_snapshot *snapshot;

	fuzz_check(pe_snapshot_new(&snapshot) == 0 && pe_snapshot_alloc_ifaces(snapshot, 0) == 0,
		   "out of memory");
	snapshot->taken_ns = GONE_NS;
	snapshot->self = before->self;
	snapshot->top_flows = before->top_flows;
	snapshot->group_by = before->group_by;
	snapshot->drop_reasons = before->drop_reasons;
	snapshot->no_flows = before->no_flows;
	snapshot->tcp = before->tcp;
	snapshot->overflows = before->overflows;
	snapshot->dns = before->dns;
	if (!before->host)
		return snapshot;
	fuzz_check(pe_snapshot_alloc_groups(snapshot, 0) == 0, "out of memory");
	*snapshot->host = *before->host;
	return snapshot;
}

/* Interfaces and groups end: each series of theirs has a marker in one state, and no more. */
static void check_gone(const struct pe_snapshot *before, struct pe_remote_options options,
		       const struct exposition *exposition)
{
	const struct pe_encode_options encode_options = { .show = options.show,
							  .format = PE_FORMAT_OPENMETRICS };
	static char text[TEXT_MAX];
	struct exposition now;
	struct pe_snapshot *snapshot = without_ifaces(before);
	struct gone gone;

	exposition_read(text, encode(snapshot, &encode_options, TEXT_MAX / 2, text), true, true,
			&now);
	options.time_ns = GONE_NS;
	options.zero_ns = TIME_NS + PE_NS_PER_MS;
	options.interval_ns = GONE_NS - TIME_NS;
	gone_init(&gone, &options, exposition, &now);
	for (int state = 0; state < 3; state++) {
		pe_births_begin(options.births, state == 1);
		gone.expected.at = 0;
		fuzz_check(pe_remote_encode(snapshot, &options, take_gone, &gone) == 0, "failed");
		fuzz_check(gone.expected.at == (state < 2 ? gone.series.count : 0),
			   "%zu of %zu markers", gone.expected.at, gone.series.count);
	}
	gone_fini(&gone);
	exposition_free(&now);
	pe_snapshot_unref(snapshot);
}

/* With births: all begins at zero, then nothing does, also after a state that failed. */
static void check_births(struct pe_snapshot *snapshot, struct pe_remote_options options,
			 const struct exposition *exposition)
{
	uint64_t moved = 0;
	int calls = 0;

	options.zero_ns = ZERO_NS;
	options.hold_ns = UINT64_MAX;
	snapshot->taken_ns = TIME_NS;
	for (size_t i = 0; i < snapshot->group_count; i++) {
		snapshot->groups[i].id = i;
		snapshot->groups[i].ended[i % 2] = (struct pe_count){ i, i * 100 };
		snapshot->groups[i].ended_ns = ENDED_NS;
		moved += i;
	}
	fuzz_check(pe_births_new(&options.births) == 0, "out of memory");
	for (int state = 0; state < 4; state++) {
		struct expected expected = { .exposition = exposition, .no_empty = true };
		struct bodies bodies = { .options = &options, .expected = &expected };

		bodies.first = state < 2;
		pe_births_begin(options.births, state == 1);
		fuzz_check(pe_remote_encode(snapshot, &options, take, &bodies) == 0, "failed");
		fuzz_check(expected.at == exposition->count, "%zu series", expected.at);
		fuzz_check(bodies.moved.packets == (bodies.first ? moved : 0) &&
				   bodies.moved.bytes == bodies.moved.packets * 100,
			   "%llu of %llu packets", (unsigned long long)bodies.moved.packets,
			   (unsigned long long)moved);
		fuzz_check(options.format == PE_REMOTE_OTLP ||
				   bodies.samples ==
					   exposition->count + bodies.zeros + bodies.ledger,
			   "%zu samples, %zu zeros", bodies.samples, bodies.zeros);
		/* The exporter's own counters are always there. */
		fuzz_check(!bodies.first || bodies.zeros > 10, "%zu zeros", bodies.zeros);
		if (state != 2)
			continue;
		pe_births_begin(options.births, false);
		pe_remote_encode(snapshot, &options, refuse, &calls);
	}
	check_gone(snapshot, options, exposition);
	pe_births_free(options.births);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum pe_remote_format formats[] = { PE_REMOTE_WRITE_1, PE_REMOTE_WRITE_2,
							 PE_REMOTE_OTLP };
	static char text[TEXT_MAX];
	struct fuzz_input input = { data, size };
	uint8_t bits = fuzz_u8(&input);
	const size_t piece = fuzz_u8(&input);
	struct pe_encode_options encode_options = options_of(bits | WITH_CREATED);
	struct pe_snapshot *snapshot = build(&input, bits);
	struct pe_remote_options options = {
		.show = encode_options.show,
		.labels = common,
		.label_count = sizeof(common) / sizeof(*common),
		.host = "host-1",
		.time_ns = TIME_NS,
		/* Each body costs: few inputs have many. */
		.max_samples = (piece % 16 ? 20 : 1) + piece * piece / 8,
	};
	struct exposition exposition;

	encode_options.format = PE_FORMAT_OPENMETRICS;
	encode_options.no_process = false;
	exposition_read(text, encode(snapshot, &encode_options, TEXT_MAX / 2, text), true, true,
			&exposition);
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		options.format = formats[i];
		check_format(snapshot, &options, &exposition);
		check_cut(snapshot, &options, &exposition);
		if (i == piece % 3)
			check_births(snapshot, options, &exposition);
	}
	exposition_free(&exposition);
	pe_snapshot_unref(snapshot);
	return 0;
}
