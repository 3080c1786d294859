/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See push_body.h. */
#include "push_body.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "pe/cleanup.h"
#include "pe/encode.h"

#define PIECE_BYTES	 16384
#define GZIP_WINDOW_BITS (15 + 16) /* 16 asks zlib for the gzip format */
#define GZIP_MEM_LEVEL	 8

struct pe_push_body {
	bool gzip;
	z_stream deflate;
	struct pe_strbuf text;
	char piece[PIECE_BYTES];
};

static void cleanup_encoder(struct pe_encoder **encoder)
{
	pe_encoder_free(*encoder);
}

int pe_push_body_new(bool gzip, struct pe_push_body **ret_body)
{
	struct pe_push_body *body = calloc(1, sizeof(*body));

	if (!body)
		return -ENOMEM;
	if (gzip && deflateInit2(&body->deflate, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW_BITS,
				 GZIP_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(body);
		return -ENOMEM;
	}
	body->gzip = gzip;
	*ret_body = body;
	return 0;
}

struct pe_push_body *pe_push_body_free(struct pe_push_body *body)
{
	if (!body)
		return NULL;
	if (body->gzip)
		deflateEnd(&body->deflate);
	pe_strbuf_fini(&body->text);
	free(body);
	return NULL;
}

static int add_deflated(struct pe_push_body *body, size_t len, bool last)
{
	z_stream *z = &body->deflate;
	struct pe_strbuf *text = &body->text;

	z->next_in = (Bytef *)body->piece;
	z->avail_in = (uInt)len;
	do {
		size_t room;
		int r = pe_strbuf_reserve(text, PIECE_BYTES);

		if (r < 0)
			return r;
		room = text->cap - text->len;
		if (room > UINT_MAX)
			room = UINT_MAX;
		z->next_out = (Bytef *)text->data + text->len;
		z->avail_out = (uInt)room;
		if (deflate(z, last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
			return -EINVAL;
		text->len += room - z->avail_out;
	} while (z->avail_out == 0);
	return 0;
}

static int encode(struct pe_push_body *body, struct pe_snapshot *snapshot, bool legacy)
{
	const struct pe_encode_options options = {
		.format = PE_FORMAT_TEXT,
		.legacy = legacy,
		.no_process = true,
	};
	_cleanup_(cleanup_encoder) struct pe_encoder *encoder = NULL;
	ssize_t n;
	int r;

	r = pe_encoder_new(snapshot, &options, &encoder);
	if (r < 0)
		return r;
	body->text.len = 0;
	if (body->gzip)
		deflateReset(&body->deflate);
	do {
		n = pe_encoder_read(encoder, body->piece, sizeof(body->piece));
		if (n < 0)
			return (int)n;
		if (body->gzip)
			r = add_deflated(body, (size_t)n, n == 0);
		else
			pe_strbuf_add(&body->text, body->piece, (size_t)n);
		if (r < 0)
			return r;
	} while (n > 0);
	return body->text.error;
}

int pe_push_body_encode(struct pe_push_body *body, struct pe_snapshot *snapshot, bool legacy,
			const struct pe_strbuf **ret_text)
{
	int r = encode(body, snapshot, legacy);

	if (r < 0)
		pe_strbuf_fini(&body->text);
	else
		*ret_text = &body->text;
	return r;
}
