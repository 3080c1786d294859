/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Markers for series that are gone, in all formats: of each one, at the time of the state, in the
 * order of the text that had the series; see decoded.h.
 */
#ifndef PE_FUZZ_DECODED_GONE_H
#define PE_FUZZ_DECODED_GONE_H

#include "pe/clock.h"

#include "decoded_otlp.h"
#include "decoded_write.h"

#include "remote_write_1.pb-c.h"

#define GONE_STALE	       UINT64_C(0x7ff0000000000002)
#define OTLP_NO_RECORDED_VALUE 1

struct gone {
	struct pe_remote_options options; /* of the state that lacks them */
	struct exposition series;	  /* what is gone, with zeros for values */
	struct expected expected;
};

static inline int gone_compare(const void *a, const void *b)
{
	const struct series *x = a, *y = b;

	return strcmp(x->id, y->id);
}

/* Sorts `now`. */
static inline void gone_init(struct gone *gone, const struct pe_remote_options *options,
			     const struct exposition *before, struct exposition *now)
{
	*gone = (struct gone){ .options = *options };
	for (size_t i = 0; i < now->count; i++)
		decoded_drop_empty(now->series[i].id);
	qsort(now->series, now->count, sizeof(*now->series), gone_compare);
	gone->series.series = calloc(before->count, sizeof(*before->series));
	fuzz_check(gone->series.series, "out of memory");
	for (size_t i = 0; i < before->count; i++) {
		const struct series *series = &before->series[i];

		if (!bsearch(series, now->series, now->count, sizeof(*series), gone_compare))
			gone->series.series[gone->series.count++] =
				(struct series){ .id = series->id, .value = "0" };
	}
	gone->expected.exposition = &gone->series;
}

static inline void gone_fini(struct gone *gone)
{
	free(gone->series.series);
}

static inline void gone_check_sample(struct gone *gone, struct decoded *decoded, double value,
				     int64_t time_ms, size_t samples)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	check_common(decoded);
	fuzz_check(decoded->name && samples == 1, "no name, or %zu samples", samples);
	fuzz_check(bits == GONE_STALE, "%s has no marker", decoded->name);
	fuzz_check(time_ms == (int64_t)(gone->options.time_ns / PE_NS_PER_MS), "%s ends at %lld",
		   decoded->name, (long long)time_ms);
	decoded_check(&gone->expected, decoded, 0);
}

static inline size_t gone_check_write_1(struct gone *gone, const uint8_t *data, size_t len)
{
	Write1__WriteRequest *request = write1__write_request__unpack(NULL, len, data);
	size_t count;

	fuzz_check(request && request->base.n_unknown_fields == 0, "no request");
	count = request->n_timeseries;
	for (size_t i = 0; i < count; i++) {
		const Write1__TimeSeries *series = request->timeseries[i];
		struct decoded decoded = { .suffix = "" };
		const char *last = NULL;

		for (size_t l = 0; l < series->n_labels; l++)
			add_label(&decoded, &last, series->labels[l]->name,
				  series->labels[l]->value);
		fuzz_check(series->n_samples > 0, "no sample");
		gone_check_sample(gone, &decoded, series->samples[0]->value,
				  series->samples[0]->timestamp, series->n_samples);
	}
	write1__write_request__free_unpacked(request, NULL);
	return count;
}

static inline size_t gone_check_write_2(struct gone *gone, const uint8_t *data, size_t len)
{
	Write2__Request *request = write2__request__unpack(NULL, len, data);
	size_t count;

	fuzz_check(request && request->base.n_unknown_fields == 0, "no request");
	count = request->n_timeseries;
	for (size_t i = 0; i < count; i++) {
		const Write2__TimeSeries *series = request->timeseries[i];
		struct decoded decoded = { .suffix = "" };
		const char *last = NULL;

		for (size_t l = 0; l + 1 < series->n_labels_refs; l += 2)
			add_label(&decoded, &last, symbol(request, series->labels_refs[l]),
				  symbol(request, series->labels_refs[l + 1]));
		fuzz_check(series->n_samples > 0 && series->metadata, "no sample or metadata");
		fuzz_check(series->created_timestamp == series->samples[0]->start_timestamp,
			   "a marker has two starts");
		gone_check_sample(gone, &decoded, series->samples[0]->value,
				  series->samples[0]->timestamp, series->n_samples);
	}
	write2__request__free_unpacked(request, NULL);
	return count;
}

static inline size_t gone_check_numbers(struct gone *gone, const char *name,
					const Otlp__Numbers *numbers)
{
	for (size_t i = 0; i < numbers->n_data_points; i++) {
		const Otlp__NumberPoint *point = numbers->data_points[i];
		struct decoded decoded = { .name = name, .suffix = "" };

		fuzz_check(point->flags == OTLP_NO_RECORDED_VALUE &&
				   point->value_case == OTLP__NUMBER_POINT__VALUE__NOT_SET,
			   "%s has no marker", name);
		fuzz_check(point->time == gone->options.time_ns && !point->has_start_time &&
				   point->base.n_unknown_fields == 0,
			   "%s ends at another time", name);
		otlp_add(&decoded, point->attributes, point->n_attributes);
		decoded_check(&gone->expected, &decoded, 0);
	}
	return numbers->n_data_points;
}

/* With all that it had: there are receivers that end what a point has. */
static inline size_t gone_check_histograms(struct gone *gone, const char *name,
					   const Otlp__Histogram *histogram)
{
	for (size_t i = 0; i < histogram->n_data_points; i++) {
		const Otlp__HistogramPoint *point = histogram->data_points[i];

		fuzz_check(point->flags == OTLP_NO_RECORDED_VALUE, "%s has no marker", name);
		fuzz_check(point->has_count && point->has_sum && !point->has_start_time,
			   "%s has no count, no sum, or a start", name);
		otlp_check_histogram(&gone->expected, name, point, gone->options.time_ns);
	}
	return histogram->n_data_points;
}

static inline size_t gone_check_otlp(struct gone *gone, const uint8_t *data, size_t len)
{
	Otlp__Request *request = otlp__request__unpack(NULL, len, data);
	const Otlp__ScopeMetrics *scope;
	size_t points = 0;

	fuzz_check(request && request->n_resource_metrics == 1 &&
			   request->resource_metrics[0]->n_scope_metrics == 1,
		   "no request");
	scope = request->resource_metrics[0]->scope_metrics[0];
	for (size_t m = 0; m < scope->n_metrics; m++) {
		const Otlp__Metric *metric = scope->metrics[m];

		if (metric->data_case == OTLP__METRIC__DATA_HISTOGRAM)
			points += gone_check_histograms(gone, metric->name, metric->histogram);
		else
			points += gone_check_numbers(gone, metric->name,
						     metric->data_case == OTLP__METRIC__DATA_SUM
							     ? metric->sum
							     : metric->gauge);
	}
	otlp__request__free_unpacked(request, NULL);
	return points;
}

/* A body; returns how many markers it has. */
static inline size_t gone_check(struct gone *gone, const uint8_t *data, size_t len)
{
	switch (gone->options.format) {
	case PE_REMOTE_WRITE_2:
		return gone_check_write_2(gone, data, len);
	case PE_REMOTE_OTLP:
		return gone_check_otlp(gone, data, len);
	case PE_REMOTE_WRITE_1:
		break;
	}
	return gone_check_write_1(gone, data, len);
}

#endif
