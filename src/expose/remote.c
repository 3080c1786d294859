/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Batches for receivers of time series.
 *
 * The whole snapshot is encoded in one go, and each batch is compressed as soon as it is full:
 * what exists uncompressed is one batch, whatever the number of interfaces.
 */
#include "remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "pe/gzip.h"
#include "pe/sample.h"

#include "gone.h"
#include "lines.h"
#include "snappy.h"
#include "walk.h"

#define PIECE_BYTES    16384
#define ROUNDED_SHARE  50
#define KEPT_INTERVALS 6 /* from what had samples to the last zero that could be before them */

const struct pe_remote_headers *pe_remote_headers(enum pe_remote_format format)
{
	static const struct pe_remote_headers headers[] = {
		[PE_REMOTE_WRITE_1] = { "application/x-protobuf", "snappy", "0.1.0" },
		[PE_REMOTE_WRITE_2] = { "application/"
					"x-protobuf;proto=io.prometheus.write.v2.Request",
					"snappy", "2.0.0" },
		[PE_REMOTE_OTLP] = { "application/x-protobuf", "gzip", NULL },
	};

	return &headers[format];
}

static const struct pe_writer_ops *writer_of(enum pe_remote_format format)
{
	static const struct pe_writer_ops *const writers[] = {
		[PE_REMOTE_WRITE_1] = &pe_remote_write_1_writer,
		[PE_REMOTE_WRITE_2] = &pe_remote_write_2_writer,
		[PE_REMOTE_OTLP] = &pe_otlp_writer,
	};

	return writers[format];
}

int pe_remote_load(const char **ret_why)
{
	return pe_snappy_load(ret_why);
}

/* ---- labels ---- */

static void gather(struct pe_remote *remote, const struct pe_label *label, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (label[i].value.len > 0)
			remote->label[remote->labels++] = label[i];
}

static bool is_ordered(const struct pe_remote *remote)
{
	if (remote->labels != remote->ordered_count)
		return false;
	for (size_t i = 0; i < remote->labels; i++)
		if (remote->label[i].name.data != remote->ordered[i])
			return false;
	return true;
}

static void put_in_order(struct pe_remote *remote)
{
	for (size_t i = 0; i < remote->labels; i++) {
		const char *name = remote->label[i].name.data;
		size_t at = i;

		for (; at > 0; at--) {
			const unsigned char before = remote->order[at - 1];

			if (strcmp(remote->label[before].name.data, name) <= 0)
				break;
			remote->order[at] = before;
		}
		remote->order[at] = (unsigned char)i;
		remote->ordered[i] = name;
	}
	remote->ordered_count = remote->labels;
}

void pe_remote_sort(struct pe_remote *remote, enum pe_remote_name name,
		    const struct pe_series *series, const struct pe_labels *le)
{
	const char *text = remote->name[name];

	remote->labels = 0;
	gather(remote, &(struct pe_label){ PE_SPAN("__name__"), { text, strlen(text) } }, 1);
	gather(remote, remote->common, remote->common_count);
	gather(remote, series->labels->label, series->labels->count);
	if (series->more)
		gather(remote, series->more->label, series->more->count);
	if (le)
		gather(remote, le->label, le->count);
	if (!is_ordered(remote))
		put_in_order(remote);
}

/* ---- births ---- */

/*
 * When something was so, on the clock of the samples. What became known only after the state before
 * is later than that: times of a series rise, also where a group ended and is there again.
 */
static uint64_t time_in_state(const struct pe_remote *remote, uint64_t at_ns)
{
	const struct pe_remote_options *options = remote->options;

	at_ns += (uint64_t)remote->shift_ns;
	if (at_ns < options->zero_ns)
		return options->zero_ns;
	return at_ns < options->time_ns ? at_ns : options->time_ns;
}

static bool counts(enum pe_type type)
{
	return type == PE_COUNTER || type == PE_COUNTER_UNSUFFIXED || type == PE_HISTOGRAM;
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* 0 if that is before. */
static uint64_t since(uint64_t then_ns, uint64_t now_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* Those of the first state were there before this exporter, as far as it knows. */
static bool was_at_first(const struct pe_remote *remote, const struct pe_iface_sample *iface)
{
	return since(iface->body.created_ns, remote->snapshot->taken_ns) >=
	       remote->options->since_first_ns;
}

/*
 * When new series of an interface begin at zero. They are new if it was too young for a state until
 * now; others may only have another name. It had counted nothing an interval before it came, and
 * from there on a receiver that keeps one sample in an interval keeps this one.
 */
static uint64_t birth_of(const struct pe_remote *remote, const struct pe_iface_sample *iface)
{
	const struct pe_remote_options *options = remote->options;
	const uint64_t shift_ns = (uint64_t)remote->shift_ns;
	const uint64_t created_ns = iface->body.created_ns + shift_ns;
	const uint64_t start_ns = remote->snapshot->self.created_ns + shift_ns;

	if (add_saturated(created_ns, was_at_first(remote, iface) ? 0 : options->min_age_ns) <=
	    options->zero_ns)
		return 0;
	/* What an exporter before this one wrote is not later than that. */
	if (created_ns < start_ns + options->interval_ns)
		return start_ns < options->zero_ns ? start_ns : options->zero_ns;
	return created_ns - options->interval_ns;
}

bool pe_remote_shows(struct pe_writer *writer, const struct pe_iface_sample *iface)
{
	struct pe_remote *remote = pe_remote_of(writer);
	const struct pe_remote_options *options = remote->options;
	const uint64_t taken_ns = remote->snapshot->taken_ns;
	const uint64_t end_ns = iface->departed ? iface->departed_ns : taken_ns;

	remote->ended_ns = remote->born_ns = 0;
	remote->has_labels = false;
	remote->iface = (uint32_t)(iface - remote->snapshot->ifaces);
	if (!options->births)
		return true;
	if (since(iface->body.created_ns, end_ns) < options->min_age_ns &&
	    !was_at_first(remote, iface))
		return false;
	remote->born_ns = birth_of(remote, iface);
	if (!iface->departed)
		return true;
	if (end_ns + (uint64_t)remote->shift_ns < options->zero_ns)
		return since(end_ns, taken_ns) <= options->hold_ns;
	remote->ended_ns = time_in_state(remote, end_ns);
	return true;
}

uint64_t pe_remote_hash(const struct pe_writer *writer, const struct pe_series *series)
{
	uint64_t hash;

	hash = pe_births_hash(0, (struct pe_span){ writer->family.name, writer->name_len });
	hash = pe_births_hash(hash, series->labels->text);
	return series->more ? pe_births_hash(hash, series->more->text) : hash;
}

uint64_t pe_remote_time_of(struct pe_writer *writer, const struct pe_series *series)
{
	const struct pe_remote *remote = pe_remote_of(writer);

	if (series->at_ns)
		return time_in_state(remote, series->at_ns);
	if (writer->level == PE_PART_IFACE && remote->ended_ns)
		return remote->ended_ns;
	return remote->options->time_ns;
}

/* Whether the interface at hand had the same labels in the last state. */
static bool had_labels(struct pe_remote *remote, const struct pe_series *series)
{
	if (!remote->has_labels) {
		remote->has_labels = true;
		remote->had_labels = pe_births_had_labels(remote->options->births,
							  pe_births_hash(0, series->labels->text));
	}
	return remote->had_labels;
}

/* When a series that the last state had not begins at zero; 0: it does not. */
static uint64_t zero_of(struct pe_writer *writer, const struct pe_series *series, uint64_t hash)
{
	struct pe_remote *remote = pe_remote_of(writer);
	const struct pe_remote_options *options = remote->options;

	if (writer->level != PE_PART_IFACE)
		return options->zero_ns;
	/* Another one of these labels may have had samples since it began. */
	if (remote->born_ns)
		return pe_births_was(options->births, hash) ? options->zero_ns : remote->born_ns;
	/* What an interface counts for the first time is new; all of it is if it is renamed. */
	return had_labels(remote, series) && !writer->family.chosen ? options->zero_ns : 0;
}

void pe_remote_begin_series(struct pe_writer *writer, const struct pe_series *series)
{
	struct pe_remote *remote = pe_remote_of(writer);
	const struct pe_remote_options *options = remote->options;
	uint64_t hash, zero_ns;
	bool is_new;

	remote->at_ns = remote->stale ? options->time_ns : pe_remote_time_of(writer, series);
	remote->zero_ns = 0;
	if (!options->births || remote->ends)
		return;
	hash = pe_remote_hash(writer, series);
	is_new = pe_births_add(options->births, hash,
			       writer->level == PE_PART_IFACE ? remote->iface : PE_BIRTHS_NO_IFACE);
	if (writer->level == PE_PART_IFACE)
		had_labels(remote, series);
	if (!is_new || !counts(writer->family.type))
		return;
	zero_ns = zero_of(writer, series, hash);
	if (zero_ns && zero_ns / PE_NS_PER_MS < remote->at_ns / PE_NS_PER_MS)
		remote->zero_ns = zero_ns;
}

/* ---- histograms ---- */

void pe_remote_histogram(struct pe_writer *writer, const struct pe_series *series,
			 const struct pe_histogram *histogram,
			 void (*write)(struct pe_writer *writer, enum pe_remote_name name,
				       const struct pe_series *series, const struct pe_labels *le,
				       double value))
{
	uint64_t below = 0, total = pe_histogram_total(histogram);

	if (total < histogram->observations)
		total = histogram->observations;
	for (size_t i = 0; i < histogram->count; i++) {
		below += pe_histogram_bucket(histogram, i);
		write(writer, PE_REMOTE_BUCKET, series, &histogram->le[i],
		      (double)(i + 1 == histogram->count ? total : below));
	}
	write(writer, PE_REMOTE_COUNT, series, NULL, (double)total);
	write(writer, PE_REMOTE_SUM, series, NULL, pe_value_double(histogram->sum));
}

/* ---- batches ---- */

static void close_batch(struct pe_writer *writer)
{
	switch (pe_remote_of(writer)->options->format) {
	case PE_REMOTE_WRITE_2:
		pe_remote_write_2_close(writer);
		break;
	case PE_REMOTE_OTLP:
		pe_otlp_close(writer);
		break;
	case PE_REMOTE_WRITE_1:
		break;
	}
}

/* What is left of a plain body, for gzip. */
struct source {
	const char *data;
	size_t len;
};

static ssize_t read_source(void *userdata, char *buf, size_t size)
{
	struct source *source = userdata;
	const size_t n = source->len < size ? source->len : size;

	if (n == 0)
		return 0;
	memcpy(buf, source->data, n);
	source->data += n;
	source->len -= n;
	return (ssize_t)n;
}

int pe_remote_gzip(struct pe_gzip *gzip, const struct pe_strbuf *plain, struct pe_strbuf *body)
{
	struct source source = { plain->data, plain->len };
	ssize_t n;

	pe_gzip_begin(gzip, read_source, &source);
	body->len = 0;
	do {
		const int r = pe_strbuf_reserve(body, PIECE_BYTES);

		if (r < 0)
			return r;
		n = pe_gzip_read(gzip, body->data + body->len, body->cap - body->len);
		if (n < 0)
			return (int)n;
		body->len += (size_t)n;
	} while (n > 0);
	return 0;
}

static int compress(struct pe_remote *remote, const struct pe_strbuf *plain)
{
	return remote->gzip ? pe_remote_gzip(remote->gzip, plain, &remote->body)
			    : pe_snappy_compress(plain, &remote->body);
}

static void give(struct pe_writer *writer)
{
	struct pe_remote *remote = pe_remote_of(writer);
	int r;

	close_batch(writer);
	r = writer->error ? writer->error : writer->out.error;
	if (r == 0)
		r = compress(remote, &writer->out);
	if (r == 0)
		r = remote->take(remote->userdata, &(struct pe_remote_batch){
							   .data = remote->body.data,
							   .len = remote->body.len,
							   .samples = remote->samples,
							   .ends = remote->ends,
							   .begins = remote->begins,
						   });
	writer->out.len = 0;
	remote->samples = 0;
	remote->begins = false;
	remote->batches++;
	writer->error = r;
}

/* What no later state repeats is in bodies of its own, which can be kept for longer. */
static void begin_ends(struct pe_writer *writer)
{
	struct pe_remote *remote = pe_remote_of(writer);

	if (remote->samples > 0 && !remote->ends)
		give(writer);
	remote->ends = true;
}

void pe_remote_added(struct pe_writer *writer, size_t samples)
{
	struct pe_remote *remote = pe_remote_of(writer);

	remote->samples += samples;
	/* The value at an end is repeated for the hold only. */
	remote->begins |= remote->zero_ns > 0 ||
			  (writer->level == PE_PART_IFACE && remote->ended_ns > 0);
	if (remote->samples >= remote->options->max_samples)
		give(writer);
}

size_t pe_remote_make_room(struct pe_writer *writer)
{
	struct pe_remote *remote = pe_remote_of(writer);
	const size_t samples = remote->zero_ns ? 2 : 1;

	if (remote->samples > 0 && remote->samples + samples > remote->options->max_samples)
		give(writer);
	return samples;
}

void pe_remote_end(struct pe_writer *writer)
{
	const struct pe_remote *remote = pe_remote_of(writer);

	pe_gone_write(writer);
	if (remote->samples > 0 || remote->batches == 0)
		give(writer);
}

/* ---- the whole ---- */

void pe_remote_begin_family(struct pe_writer *writer, const struct pe_metadata *family)
{
	static const char *const suffixes[] = {
		[PE_REMOTE_BUCKET] = "_bucket",
		[PE_REMOTE_COUNT] = "_count",
		[PE_REMOTE_SUM] = "_sum",
	};
	struct pe_remote *remote = pe_remote_of(writer);

	if (family->ends)
		begin_ends(writer);
	pe_lines_begin(writer, family);
	snprintf(remote->name[PE_REMOTE_VALUE], sizeof(remote->name[0]), "%s%.*s", family->name,
		 (int)writer->suffix.len, writer->suffix.data);
	for (size_t i = PE_REMOTE_BUCKET; i <= PE_REMOTE_SUM; i++)
		snprintf(remote->name[i], sizeof(remote->name[i]), "%s%s", family->name,
			 suffixes[i]);
}

/* A time that was rounded to the interval is no other clock. */
static int64_t shift_of(const struct pe_remote_options *options, const struct pe_snapshot *snapshot)
{
	const uint64_t shift_ns = options->time_ns - snapshot->taken_ns;
	const uint64_t off_ns = (int64_t)shift_ns < 0 ? -shift_ns : shift_ns;

	return off_ns <= options->interval_ns / ROUNDED_SHARE ? 0 : (int64_t)shift_ns;
}

void pe_remote_init(struct pe_remote *remote, const struct pe_remote_options *options,
		    const struct pe_snapshot *snapshot)
{
	*remote = (struct pe_remote){
		.options = options,
		.snapshot = snapshot,
		.shift_ns = shift_of(options, snapshot),
	};
}

int pe_remote_encode(struct pe_snapshot *snapshot, const struct pe_remote_options *options,
		     pe_remote_take take, void *userdata)
{
	const struct pe_encode_options encode = { .show = options->show };
	struct pe_remote remote;
	struct pe_encoder *encoder = NULL;
	pe_ledger_row *ledger = NULL;
	int r;

	pe_remote_init(&remote, options, snapshot);
	remote.take = take;
	remote.userdata = userdata;
	remote.common_count = options->label_count;
	for (size_t i = 0; i < options->label_count; i++) {
		const struct pe_remote_label *label = &options->labels[i];

		remote.common[i] = (struct pe_label){
			{ label->name, strlen(label->name) },
			{ label->value, strlen(label->value) },
		};
	}
	r = options->births ? pe_births_take(options->births, options, snapshot) : 0;
	if (r == 0 && options->format == PE_REMOTE_OTLP)
		r = pe_gzip_new(&remote.gzip);
	if (r == 0 && options->births)
		pe_births_forget(options->births, options->time_ns,
				 options->min_age_ns + KEPT_INTERVALS * options->interval_ns);
	if (r == 0 && options->births)
		r = pe_ledger_balance(&options->births->ledger, snapshot, &ledger);
	if (r == 0)
		r = pe_encoder_new(snapshot, &encode, &encoder);
	if (r == 0)
		r = pe_encoder_walk(encoder, writer_of(options->format), &remote, ledger);
	if (r == 0 && options->births && !pe_births_end(options->births))
		r = -ENOMEM;
	pe_encoder_free(encoder);
	free(ledger);
	pe_gzip_free(remote.gzip);
	pe_strbuf_fini(&remote.body);
	pe_symbols_fini(&remote.symbols);
	return r;
}
