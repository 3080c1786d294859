/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families of sinks that queue: one for each receiver of remote write or OTLP. They exist at zero:
 * an alert needs the series before the fault. One thread at a time.
 */
#include "families.h"

static const char *const result_values[PE_SINK_RESULTS] = {
	[PE_SINK_OK] = "ok",
	[PE_SINK_NETWORK] = "network",
	[PE_SINK_REJECTED] = "rejected",
	[PE_SINK_SERVER] = "server",
};
const struct pe_label_values pe_sink_results = { "result", result_values, PE_SINK_RESULTS };

static const char *const sample_values[PE_SINK_SAMPLE_RESULTS] = {
	[PE_SINK_SAMPLE_SENT] = "sent",	      [PE_SINK_SAMPLE_REJECTED] = "rejected",
	[PE_SINK_SAMPLE_EXPIRED] = "expired", [PE_SINK_SAMPLE_THINNED] = "thinned",
	[PE_SINK_SAMPLE_CORRUPT] = "corrupt", [PE_SINK_SAMPLE_MAYBE_DELIVERED] = "maybe_delivered",
};
static const struct pe_label_values sample_results = { "result", sample_values,
						       PE_SINK_SAMPLE_RESULTS };

/* Begins the series of a sink. */
static const struct pe_sink_sample *begin(struct pe_emit *emit, size_t i)
{
	const struct pe_self_sample *self = &emit->snapshot->self;

	pe_emit_begin(emit, self->created_ns);
	pe_label_set_add(&emit->labels, "url", self->sinks[i].url);
	return &self->sinks[i];
}

/* offset: of a uint64_t in struct pe_sink_sample, here and below; of nanoseconds since the epoch
 * where the unit is seconds */
static void emit_number(struct pe_emit *emit)
{
	const unsigned int decimals =
		emit->family->unit && *emit->family->unit == 's' ? TIMESTAMP_DECIMALS : 0;

	for (size_t i = 0; i < emit->snapshot->self.sink_count; i++) {
		const struct pe_sink_sample *sink = begin(emit, i);

		pe_emit_value(
			emit, NULL,
			(struct pe_value){ pe_number_at(sink, emit->family->offset), decimals });
	}
}

/* offset: of an array, one number for each label value */
static void emit_numbers(struct pe_emit *emit)
{
	const struct pe_label_values *values = emit->family->values;

	for (size_t i = 0; i < emit->snapshot->self.sink_count; i++)
		for (size_t v = 0; v < values->count; v++) {
			const struct pe_sink_sample *sink = begin(emit, i);

			pe_label_set_add(&emit->labels, values->name, values->values[v]);
			pe_emit_number(
				emit, NULL,
				pe_number_at(sink, emit->family->offset + v * sizeof(uint64_t)));
		}
}

static const struct pe_labels latency_le[] = { PE_LATENCY_BOUNDS_US(PE_LE) PE_LE_INF };

static void emit_duration(struct pe_emit *emit)
{
	for (size_t i = 0; i < emit->snapshot->self.sink_count; i++) {
		const struct pe_latency *latency = &begin(emit, i)->duration;

		pe_emit_histogram(emit, NULL,
				  &(struct pe_histogram){
					  .le = latency_le,
					  .buckets = latency->bucket,
					  .count = PE_LATENCY_BUCKETS,
					  .sum = { latency->sum_ns, DURATION_DECIMALS },
				  });
	}
}

#define AT(field) offsetof(struct pe_sink_sample, field)

static const struct pe_family families[] = {
	{ .name = "packet_exporter_sink_requests",
	  .type = PE_COUNTER,
	  .help = "Requests to receivers of remote write and OTLP by result.",
	  .details = "Result: `ok`, `network`, `rejected` (4xx or a redirect), `server` (5xx, 408 "
		     "and 429).",
	  .label_names = "url, result",
	  .wants = PE_WANTS_SINKS,
	  .emit = emit_numbers,
	  .offset = AT(requests),
	  .values = &pe_sink_results },
	{ .name = "packet_exporter_sink_duration_seconds",
	  .type = PE_HISTOGRAM,
	  .unit = "seconds",
	  .help = "Duration of requests to receivers of remote write and OTLP.",
	  .label_names = "url",
	  .wants = PE_WANTS_SINKS,
	  .emit = emit_duration },
	{ .name = "packet_exporter_sink_samples",
	  .type = PE_COUNTER,
	  .help = "Samples by what became of them.",
	  .details = "Result: `sent`, `rejected` (the receiver refused them for good), `expired` "
		     "(too much waited to be sent, or too long), `thinned` (too much waited; later "
		     "samples of the same minute, then of the same four, are there, so that "
		     "counters lose nothing), `corrupt` (files of the "
		     "spool were damaged; one sample a file if it does not say how many), "
		     "`maybe_delivered` (expired or thinned, but they had "
		     "been sent without an answer).",
	  .label_names = "url, result",
	  .wants = PE_WANTS_SINKS,
	  .emit = emit_numbers,
	  .offset = AT(samples),
	  .values = &sample_results },
	{ .name = "packet_exporter_sink_pending_samples",
	  .type = PE_GAUGE,
	  .help = "Samples that wait to be sent.",
	  .label_names = "url",
	  .wants = PE_WANTS_SINKS,
	  .emit = emit_number,
	  .offset = AT(pending_samples) },
	{ .name = "packet_exporter_sink_pending_bytes",
	  .type = PE_GAUGE,
	  .unit = "bytes",
	  .help = "Memory of what waits to be sent.",
	  .details = "At most 8 MiB: then the oldest are thinned, and at last expire.",
	  .label_names = "url",
	  .wants = PE_WANTS_SINKS,
	  .emit = emit_number,
	  .offset = AT(pending_bytes) },
	{ .name = "packet_exporter_sink_spool_bytes",
	  .type = PE_GAUGE,
	  .unit = "bytes",
	  .help = "Size of what waits in the spool.",
	  .details = "At most `--spool.max-size`: then likewise.",
	  .label_names = "url",
	  .wants = PE_WANTS_SINKS,
	  .emit = emit_number,
	  .offset = AT(spool_bytes) },
	{ .name = "packet_exporter_sink_oldest_sample_timestamp_seconds",
	  .type = PE_GAUGE,
	  .unit = "seconds",
	  .help = "Time of the oldest sample that waits to be sent, 0 if none does.",
	  .label_names = "url",
	  .wants = PE_WANTS_SINKS,
	  .emit = emit_number,
	  .offset = AT(oldest_ns) },
	{ .name = "packet_exporter_sink_last_success_timestamp_seconds",
	  .type = PE_GAUGE,
	  .unit = "seconds",
	  .help = "When a request to the receiver last succeeded, 0 if never.",
	  .label_names = "url",
	  .wants = PE_WANTS_SINKS,
	  .emit = emit_number,
	  .offset = AT(last_success_ns) },
};

const struct pe_family_table pe_families_sink = {
	families,
	sizeof(families) / sizeof(families[0]),
};
