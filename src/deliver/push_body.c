/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See push_body.h. */
#include "push_body.h"

#include <errno.h>
#include <stdlib.h>

#include "pe/cleanup.h"
#include "pe/encode.h"
#include "pe/gzip.h"

#define PIECE_BYTES 16384

struct pe_push_body {
	struct pe_gzip *gzip; /* NULL for plain text */
	struct pe_strbuf text;
};

static void cleanup_encoder(struct pe_encoder **encoder)
{
	pe_encoder_free(*encoder);
}

static void cleanup_body(struct pe_push_body **body)
{
	pe_push_body_free(*body);
}

int pe_push_body_new(bool gzip, struct pe_push_body **ret_body)
{
	_cleanup_(cleanup_body) struct pe_push_body *body = calloc(1, sizeof(*body));
	int r = body ? 0 : -ENOMEM;

	if (r == 0 && gzip)
		r = pe_gzip_new(&body->gzip);
	if (r == 0)
		*ret_body = PE_TAKE_PTR(body);
	return r;
}

struct pe_push_body *pe_push_body_free(struct pe_push_body *body)
{
	if (!body)
		return NULL;
	pe_gzip_free(body->gzip);
	pe_strbuf_fini(&body->text);
	free(body);
	return NULL;
}

static ssize_t read_text(void *userdata, char *buf, size_t size)
{
	return pe_encoder_read(userdata, buf, size);
}

static int encode(struct pe_push_body *body, struct pe_snapshot *snapshot,
		  const struct pe_expose_options *show)
{
	const struct pe_encode_options options = {
		.format = PE_FORMAT_TEXT,
		.show = *show,
		.no_process = true,
	};
	_cleanup_(cleanup_encoder) struct pe_encoder *encoder = NULL;
	struct pe_strbuf *text = &body->text;
	ssize_t n;
	int r;

	r = pe_encoder_new(snapshot, &options, &encoder);
	if (r < 0)
		return r;
	if (body->gzip)
		pe_gzip_begin(body->gzip, read_text, encoder);
	text->len = 0;
	do {
		char *end;
		size_t room;

		r = pe_strbuf_reserve(text, PIECE_BYTES);
		if (r < 0)
			return r;
		end = text->data + text->len;
		room = text->cap - text->len;
		n = body->gzip ? pe_gzip_read(body->gzip, end, room)
			       : read_text(encoder, end, room);
		if (n < 0)
			return (int)n;
		text->len += (size_t)n;
	} while (n > 0);
	return 0;
}

int pe_push_body_encode(struct pe_push_body *body, struct pe_snapshot *snapshot,
			const struct pe_expose_options *show, const struct pe_strbuf **ret_text)
{
	int r = encode(body, snapshot, show);

	if (r < 0)
		pe_strbuf_fini(&body->text);
	else
		*ret_text = &body->text;
	return r;
}
