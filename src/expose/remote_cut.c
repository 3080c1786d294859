/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bodies cut into smaller ones, or of remote write rewritten as version 1: what waits for a
 * receiver is not lost because that takes less at a time, or an older version only. Those of OTLP
 * are in otlp_cut.c.
 *
 * Samples are copied byte for byte. A body may come from a disk, so nothing in it is trusted; all
 * of it is read before anything is given away. One thread at a time.
 */
#include "pe/remote.h"

#include <errno.h>
#include <stdlib.h>

#include "labels.h"
#include "otlp_cut.h"
#include "protobuf_reader.h"
#include "snappy.h"
#include "symbols.h"

enum { REQUEST_SERIES_1 = 1, REQUEST_SYMBOLS_2 = 4, REQUEST_SERIES_2 = 5 };
enum { LABELS = 1, SAMPLE = 2, METADATA = 5, CREATED = 6 }; /* of a series */
enum { LABEL_NAME = 1, LABEL_VALUE = 2 };
enum { SAMPLE_START = 3 };
enum { METADATA_HELP = 3, METADATA_UNIT = 4 };

struct cut {
	enum pe_remote_format from, to;
	size_t max_samples;
	pe_remote_take take;
	void *userdata;
	struct pe_remote_batch batch; /* what is the same of all */
	struct pe_span *symbol;
	size_t symbols;
	/* Of the body at hand. */
	struct pe_strbuf series, body;
	struct pe_symbols new_symbols;
	size_t samples;
};

/* ---- symbols ---- */

static int symbol_of(const struct cut *cut, uint64_t number, struct pe_span *ret_text)
{
	if (number >= cut->symbols)
		return -EBADMSG;
	*ret_text = cut->symbol[number];
	return 0;
}

/* Of all symbols; `count` only if there is no room yet. */
static int read_symbols(struct cut *cut, struct pe_span in)
{
	struct pe_protobuf_field field;
	size_t count = 0;
	int r;

	while ((r = pe_protobuf_read_field(&in, &field)) > 0) {
		if (field.number != REQUEST_SYMBOLS_2)
			continue;
		if (field.type != PE_PROTOBUF_BYTES)
			return -EBADMSG;
		if (cut->symbol)
			cut->symbol[count] = field.data;
		count++;
	}
	cut->symbols = count;
	return r;
}

static int gather_symbols(struct cut *cut, struct pe_span in)
{
	int r = read_symbols(cut, in);

	if (r < 0 || cut->symbols == 0)
		return r;
	cut->symbol = calloc(cut->symbols, sizeof(*cut->symbol));
	return cut->symbol ? read_symbols(cut, in) : -ENOMEM;
}

/* ---- series ---- */

static int add_labels(struct cut *cut, struct pe_span refs)
{
	const bool as_2 = cut->to == PE_REMOTE_WRITE_2;
	struct pe_strbuf *out = &cut->series;
	size_t begun = as_2 ? pe_protobuf_begin(out, LABELS) : 0;

	while (refs.len > 0) {
		struct pe_span text[2];
		uint64_t ref;

		for (size_t i = 0; i < 2; i++)
			if (pe_protobuf_read_number(&refs, &ref) < 0 ||
			    symbol_of(cut, ref, &text[i]) < 0)
				return -EBADMSG;
		if (as_2) {
			for (size_t i = 0; i < 2; i++)
				pe_protobuf_add_number(out,
						       pe_symbols_add(&cut->new_symbols, text[i]));
			continue;
		}
		begun = pe_protobuf_begin(out, LABELS);
		pe_protobuf_add_bytes(out, LABEL_NAME, text[0].data, text[0].len);
		pe_protobuf_add_bytes(out, LABEL_VALUE, text[1].data, text[1].len);
		pe_protobuf_end(out, begun);
	}
	if (as_2)
		pe_protobuf_end(out, begun);
	return 0;
}

/* A message of which some fields are left out or renumbered. */
static int add_sample(struct cut *cut, struct pe_span in)
{
	const size_t begun = pe_protobuf_begin(&cut->series, SAMPLE);
	struct pe_protobuf_field field;
	int r;

	while ((r = pe_protobuf_read_field(&in, &field)) > 0)
		if (field.number < SAMPLE_START || cut->to == PE_REMOTE_WRITE_2)
			pe_protobuf_copy_field(&cut->series, &field);
	pe_protobuf_end(&cut->series, begun);
	return r;
}

static int add_metadata(struct cut *cut, struct pe_span in)
{
	const size_t begun = pe_protobuf_begin(&cut->series, METADATA);
	struct pe_protobuf_field field;
	struct pe_span text;
	int r;

	while ((r = pe_protobuf_read_field(&in, &field)) > 0) {
		if (field.type != PE_PROTOBUF_VARINT)
			return -EBADMSG;
		if (field.number == METADATA_HELP || field.number == METADATA_UNIT) {
			if (symbol_of(cut, field.value, &text) < 0)
				return -EBADMSG;
			field.value = pe_symbols_add(&cut->new_symbols, text);
		}
		pe_protobuf_copy_field(&cut->series, &field);
	}
	pe_protobuf_end(&cut->series, begun);
	return r;
}

static int add_series_field(struct cut *cut, const struct pe_protobuf_field *field)
{
	const bool bytes = field->type == PE_PROTOBUF_BYTES, as_2 = cut->to == PE_REMOTE_WRITE_2;

	if (cut->from == PE_REMOTE_WRITE_1) {
		pe_protobuf_copy_field(&cut->series, field);
		return 0;
	}
	if (field->number == LABELS && bytes)
		return add_labels(cut, field->data);
	if (field->number == SAMPLE && bytes)
		return add_sample(cut, field->data);
	if (field->number == METADATA && bytes)
		return as_2 ? add_metadata(cut, field->data) : 0;
	if (field->number != CREATED || bytes)
		return -EBADMSG;
	if (as_2)
		pe_protobuf_copy_field(&cut->series, field);
	return 0;
}

/* ---- bodies ---- */

static void begin_body(struct cut *cut)
{
	cut->samples = 0;
	cut->series.len = 0;
	if (cut->to == PE_REMOTE_WRITE_2)
		pe_symbols_begin(&cut->new_symbols, REQUEST_SYMBOLS_2);
}

static int give(struct cut *cut)
{
	struct pe_strbuf *plain = &cut->series;
	int r;

	if (cut->to == PE_REMOTE_WRITE_2) {
		plain = &cut->new_symbols.out;
		pe_strbuf_add(plain, cut->series.data, cut->series.len);
	}
	r = cut->series.error ? cut->series.error : plain->error;
	if (r == 0)
		r = pe_snappy_compress(plain, &cut->body);
	if (r < 0)
		return r;
	cut->batch.data = cut->body.data;
	cut->batch.len = cut->body.len;
	cut->batch.samples = cut->samples;
	begin_body(cut);
	return cut->take(cut->userdata, &cut->batch);
}

static int count_samples(struct pe_span series, size_t *ret_count)
{
	struct pe_protobuf_field field;
	int r;

	*ret_count = 0;
	while ((r = pe_protobuf_read_field(&series, &field)) > 0)
		*ret_count += field.number == SAMPLE;
	return r;
}

static int add_series(struct cut *cut, struct pe_span series)
{
	const unsigned int number = cut->to == PE_REMOTE_WRITE_2 ? REQUEST_SERIES_2
								 : REQUEST_SERIES_1;
	struct pe_protobuf_field field;
	size_t samples, begun;
	int r = count_samples(series, &samples);

	if (r == 0 && cut->samples > 0 && cut->samples + samples > cut->max_samples)
		r = give(cut);
	if (r < 0)
		return r;
	begun = pe_protobuf_begin(&cut->series, number);
	while ((r = pe_protobuf_read_field(&series, &field)) > 0) {
		r = add_series_field(cut, &field);
		if (r < 0)
			return r;
	}
	pe_protobuf_end(&cut->series, begun);
	cut->samples += samples;
	return r;
}

static int cut_all(struct cut *cut, struct pe_span in)
{
	const unsigned int number = cut->from == PE_REMOTE_WRITE_2 ? REQUEST_SERIES_2
								   : REQUEST_SERIES_1;
	struct pe_protobuf_field field;
	int r;

	begin_body(cut);
	while ((r = pe_protobuf_read_field(&in, &field)) > 0) {
		if (field.number != number)
			continue;
		r = field.type == PE_PROTOBUF_BYTES ? add_series(cut, field.data) : -EBADMSG;
		if (r < 0)
			return r;
	}
	return r < 0 ? r : give(cut);
}

static int ignore(void *userdata, const struct pe_remote_batch *batch)
{
	return 0;
}

int pe_remote_cut(const struct pe_remote_batch *batch, enum pe_remote_format from,
		  enum pe_remote_format to, size_t max_samples, pe_remote_take take, void *userdata)
{
	struct cut cut = { .from = from, .to = to, .max_samples = max_samples, .batch = *batch };
	struct pe_strbuf plain = { 0 };
	struct pe_span in;
	int r;

	if (from == PE_REMOTE_OTLP && to == PE_REMOTE_OTLP)
		return pe_otlp_cut(batch, max_samples, take, userdata);
	if (from == PE_REMOTE_OTLP || to == PE_REMOTE_OTLP || from < to)
		return -ENOTSUP;
	r = pe_snappy_uncompress(batch->data, batch->len, PE_REMOTE_PLAIN_MAX, &plain);
	in = (struct pe_span){ plain.data, plain.len };
	if (r == 0 && from == PE_REMOTE_WRITE_2)
		r = gather_symbols(&cut, in);
	/* Once to see that all of it can be read. */
	cut.take = ignore;
	if (r == 0)
		r = cut_all(&cut, in);
	cut.take = take;
	cut.userdata = userdata;
	if (r == 0)
		r = cut_all(&cut, in);
	pe_strbuf_fini(&plain);
	pe_strbuf_fini(&cut.series);
	pe_strbuf_fini(&cut.body);
	pe_symbols_fini(&cut.new_symbols);
	free(cut.symbol);
	return r;
}
