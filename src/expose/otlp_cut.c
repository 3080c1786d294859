/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bodies of OTLP, cut into smaller ones. A point is four messages deep, as otlp_writer.c has it;
 * each body repeats what is around its points. Everything is copied byte for byte.
 *
 * A body may come from a disk, so nothing in it is trusted; all of it is read before anything is
 * given away. One thread at a time.
 */
#include "otlp_cut.h"

#include <errno.h>

#include "pe/gzip.h"

#include "protobuf_reader.h"
#include "remote.h"

enum { REQUEST, RESOURCE_METRICS, SCOPE_METRICS, METRIC, DATA, LEVELS };

/* The fields of each level that lead to points. */
static const uint32_t children[LEVELS] = {
	[REQUEST] = 1u << 1,
	[RESOURCE_METRICS] = 1u << 2,
	[SCOPE_METRICS] = 1u << 2,
	[METRIC] = 1u << 5 | 1u << 7 | 1u << 9, /* gauge, sum, histogram */
	[DATA] = 1u << 1,
};

struct level {
	unsigned int number; /* of the message in the one around it */
	struct pe_span message;
	size_t begun; /* in the body at hand */
};

struct cut {
	struct level level[LEVELS];
	unsigned int open; /* levels, in the body at hand */
	size_t samples, bodies;
	size_t max_samples;
	struct pe_strbuf plain, body;
	struct pe_gzip *gzip;
	struct pe_remote_batch batch; /* what is the same of all */
	pe_remote_take take;
	void *userdata;
};

static bool leads_to_points(unsigned int level, const struct pe_protobuf_field *field)
{
	return field->type == PE_PROTOBUF_BYTES && field->number < 32 &&
	       children[level] & 1u << field->number;
}

static void close_to(struct cut *cut, unsigned int open)
{
	for (; cut->open > open; cut->open--)
		if (cut->open - 1 > REQUEST)
			pe_protobuf_end(&cut->plain, cut->level[cut->open - 1].begun);
}

static int give(struct cut *cut)
{
	int r;

	close_to(cut, 0);
	r = cut->plain.error ? cut->plain.error
			     : pe_remote_gzip(cut->gzip, &cut->plain, &cut->body);
	if (r < 0)
		return r;
	cut->batch.data = cut->body.data;
	cut->batch.len = cut->body.len;
	cut->batch.samples = cut->samples;
	cut->plain.len = cut->samples = 0;
	cut->bodies++;
	return cut->take(cut->userdata, &cut->batch);
}

/* Begins the message of a level, with all that is not on the way to points. */
static int open_level(struct cut *cut)
{
	struct level *level = &cut->level[cut->open];
	struct pe_span in = level->message;
	struct pe_protobuf_field field;
	int r;

	if (cut->open > REQUEST)
		level->begun = pe_protobuf_begin(&cut->plain, level->number);
	while ((r = pe_protobuf_read_field(&in, &field)) > 0)
		if (!leads_to_points(cut->open, &field))
			pe_protobuf_copy_field(&cut->plain, &field);
	cut->open++;
	return r;
}

static int add_point(struct cut *cut, const struct pe_protobuf_field *point)
{
	int r = cut->samples == cut->max_samples ? give(cut) : 0;

	while (r == 0 && cut->open < LEVELS)
		r = open_level(cut);
	if (r < 0)
		return r;
	pe_protobuf_copy_field(&cut->plain, point);
	cut->samples++;
	return 0;
}

static int add_message(struct cut *cut, unsigned int depth)
{
	struct pe_span in = cut->level[depth].message;
	struct pe_protobuf_field field;
	int r;

	while ((r = pe_protobuf_read_field(&in, &field)) > 0) {
		if (!leads_to_points(depth, &field))
			continue;
		if (depth == DATA) {
			r = add_point(cut, &field);
		} else {
			cut->level[depth + 1] = (struct level){ field.number, field.data, 0 };
			r = add_message(cut, depth + 1);
			close_to(cut, depth + 1);
		}
		if (r < 0)
			return r;
	}
	return r;
}

static int cut_all(struct cut *cut, pe_remote_take take, void *userdata)
{
	int r;

	cut->take = take;
	cut->userdata = userdata;
	cut->bodies = 0;
	r = add_message(cut, REQUEST);
	return r == 0 && (cut->samples > 0 || cut->bodies == 0) ? give(cut) : r;
}

static int ignore(void *userdata, const struct pe_remote_batch *batch)
{
	return 0;
}

int pe_otlp_cut(const struct pe_remote_batch *batch, size_t max_samples, pe_remote_take take,
		void *userdata)
{
	struct cut cut = { .max_samples = max_samples, .batch = *batch };
	struct pe_strbuf plain = { 0 };
	int r = pe_gzip_new(&cut.gzip);

	if (r == 0)
		r = pe_gunzip(batch->data, batch->len, PE_REMOTE_PLAIN_MAX, &plain);
	cut.level[REQUEST].message = (struct pe_span){ plain.data, plain.len };
	if (r == 0)
		r = cut_all(&cut, ignore, NULL);
	if (r == 0)
		r = cut_all(&cut, take, userdata);
	pe_gzip_free(cut.gzip);
	pe_strbuf_fini(&plain);
	pe_strbuf_fini(&cut.plain);
	pe_strbuf_fini(&cut.body);
	return r;
}
