/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See gone.h. Which series are gone, the hashes say; what their labels were, a second walk over the
 * last state. For most a marker is due at once; the others wait with a copy of their labels.
 */
#include "gone.h"

#include <errno.h>
#include <stdlib.h>

#include "lines.h"
#include "walk.h"

struct pe_gone {
	STAILQ_ENTRY(pe_gone) link;
	uint64_t hash, at_ns;
	bool is_new; /* gone since the state at hand */
	bool done;   /* has its marker, or is there again */
	struct pe_metadata family;
	struct pe_histogram histogram; /* without le: it is none */
	struct pe_labels labels;
	struct pe_label label[PE_LABELS_MAX];
	char text[];
};

struct walk {
	struct pe_remote remote; /* of the last state; first */
	struct pe_writer *target;
	bool announced; /* the target has the family */
};

static bool is_due(const struct pe_writer *target, uint64_t at_ns)
{
	const struct pe_remote_options *options = pe_remote_of((struct pe_writer *)target)->options;

	return options->time_ns / PE_NS_PER_MS >= (at_ns + options->interval_ns) / PE_NS_PER_MS;
}

static void announce(struct pe_writer *target, const struct pe_metadata *family)
{
	struct pe_metadata ends = *family;

	ends.ends = true;
	target->ops->family(target, &ends);
}

static void mark(struct pe_writer *target, const struct pe_series *series,
		 const struct pe_histogram *histogram)
{
	struct pe_remote *remote = pe_remote_of(target);

	remote->stale = true;
	if (histogram)
		target->ops->histogram(target, series, histogram);
	else
		target->ops->sample(target, series, (struct pe_value){ 0 });
	remote->stale = false;
}

/* ---- what waits ---- */

static void copy_labels(struct pe_gone *gone, const struct pe_labels *labels, char **text)
{
	for (size_t i = 0; labels && i < labels->count; i++) {
		const struct pe_span value = labels->label[i].value;

		gone->label[gone->labels.count++] =
			(struct pe_label){ labels->label[i].name, { *text, value.len } };
		memcpy(*text, value.data, value.len);
		*text += value.len + 1;
	}
}

static size_t text_size(const struct pe_labels *labels)
{
	size_t size = 0;

	for (size_t i = 0; labels && i < labels->count; i++)
		size += labels->label[i].value.len + 1;
	return size;
}

static int wait_for(struct pe_births *births, const struct pe_writer *writer, uint64_t hash,
		    uint64_t at_ns, const struct pe_series *series,
		    const struct pe_histogram *histogram)
{
	static const uint64_t nothing[PE_BOUNDS_MAX];
	struct pe_gone *gone =
		calloc(1, sizeof(*gone) + writer->name_len + 1 + text_size(series->labels) +
				  text_size(series->more));
	char *text;

	if (!gone)
		return -ENOMEM;
	gone->hash = hash;
	gone->at_ns = at_ns;
	gone->is_new = true;
	gone->family = writer->family;
	gone->family.name = memcpy(gone->text, writer->family.name, writer->name_len);
	text = gone->text + writer->name_len + 1;
	gone->labels.label = gone->label;
	copy_labels(gone, series->labels, &text);
	copy_labels(gone, series->more, &text);
	if (histogram) {
		gone->histogram = *histogram;
		gone->histogram.buckets = nothing;
	}
	STAILQ_INSERT_TAIL(&births->waiting, gone, link);
	return 0;
}

static void write_waiting(struct pe_writer *writer, struct pe_births *births)
{
	struct pe_gone *gone;

	STAILQ_FOREACH(gone, &births->waiting, link)
	{
		const struct pe_series series = { .labels = &gone->labels };

		if (pe_births_is(births, gone->hash)) {
			gone->done = true;
		} else if (is_due(writer, gone->at_ns)) {
			announce(writer, &gone->family);
			mark(writer, &series, gone->histogram.le ? &gone->histogram : NULL);
			gone->done = true;
		}
	}
}

void pe_gone_settle(struct pe_births *births, bool written)
{
	struct pe_gone *gone, *next;

	for (gone = STAILQ_FIRST(&births->waiting); gone; gone = next) {
		next = STAILQ_NEXT(gone, link);
		if (written ? gone->done : gone->is_new) {
			STAILQ_REMOVE(&births->waiting, gone, pe_gone, link);
			free(gone);
			continue;
		}
		gone->done = gone->is_new = false;
	}
}

void pe_gone_fini(struct pe_births *births)
{
	struct pe_gone *gone;

	while ((gone = STAILQ_FIRST(&births->waiting))) {
		STAILQ_REMOVE_HEAD(&births->waiting, link);
		free(gone);
	}
}

/* ---- the last state ---- */

static struct walk *walk_of(struct pe_writer *writer)
{
	return writer->self;
}

static void begin_family(struct pe_writer *writer, const struct pe_metadata *family)
{
	pe_lines_begin(writer, family);
	walk_of(writer)->announced = false;
}

static void on_series(struct pe_writer *writer, const struct pe_series *series,
		      const struct pe_histogram *histogram)
{
	struct walk *walk = walk_of(writer);
	struct pe_births *births = walk->remote.options->births;
	const uint64_t hash = pe_remote_hash(writer, series);
	const uint64_t at_ns = pe_remote_time_of(writer, series);

	if (!pe_births_is_gone(births, hash))
		return;
	if (!is_due(walk->target, at_ns)) {
		writer->error = wait_for(births, writer, hash, at_ns, series, histogram);
		return;
	}
	if (!walk->announced)
		announce(walk->target, &writer->family);
	walk->announced = true;
	mark(walk->target, series, histogram);
	writer->error = walk->target->error;
}

static void on_sample(struct pe_writer *writer, const struct pe_series *series,
		      struct pe_value value)
{
	on_series(writer, series, NULL);
}

static void on_end(struct pe_writer *writer)
{
	(void)writer;
}

static const struct pe_writer_ops ops = {
	.family = begin_family,
	.sample = on_sample,
	.histogram = on_series,
	.shows = pe_remote_shows,
	.end = on_end,
};

static int walk_last_state(struct pe_writer *target, struct pe_births *births,
			   struct pe_snapshot *snapshot)
{
	const struct pe_births_state *state = &births->last;
	const struct pe_encode_options encode = { .show = state->options.show };
	struct walk walk = { .target = target };
	struct pe_encoder *encoder;
	int r = pe_encoder_new(snapshot, &encode, &encoder);

	if (r < 0)
		return r;
	pe_remote_init(&walk.remote, &state->options, snapshot);
	r = pe_encoder_walk(encoder, &ops, &walk, NULL);
	pe_encoder_free(encoder);
	return r;
}

void pe_gone_write(struct pe_writer *writer)
{
	struct pe_births *births = pe_remote_of(writer)->options->births;
	struct pe_snapshot *snapshot;
	int r;

	if (!births || writer->error || births->failed)
		return;
	write_waiting(writer, births);
	r = pe_births_gone(births, &snapshot);
	if (r == 0 && snapshot)
		r = walk_last_state(writer, births, snapshot);
	pe_snapshot_unref(snapshot);
	if (r < 0 && !writer->error)
		writer->error = r;
}
