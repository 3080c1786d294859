/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See body.h. */
#include "body.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>

#include "pe/cleanup.h"
#include "pe/gzip.h"

#define BLOCK_BYTES 16384

struct body {
	struct pe_bodies *bodies;
	struct pe_strbuf text;
	size_t counted; /* of bodies->bytes */
	size_t read_at; /* while it is compressed */
};

static struct body *body_free(struct body *body)
{
	if (!body)
		return NULL;
	__atomic_sub_fetch(&body->bodies->bytes, body->counted, __ATOMIC_RELAXED);
	pe_strbuf_fini(&body->text);
	free(body);
	return NULL;
}

static void cleanup_body(struct body **body)
{
	body_free(*body);
}

static void cleanup_gzip(struct pe_gzip **gzip)
{
	pe_gzip_free(*gzip);
}

static ssize_t read_plain(void *userdata, char *buf, size_t size)
{
	struct body *body = userdata;
	size_t n = body->text.len - body->read_at;

	if (n > size)
		n = size;
	memcpy(buf, body->text.data + body->read_at, n);
	body->read_at += n;
	return (ssize_t)n;
}

static int compress(struct body *body)
{
	_cleanup_(cleanup_gzip) struct pe_gzip *gzip = NULL;
	struct pe_strbuf packed = PE_STRBUF_INIT;
	int r = pe_gzip_new(&gzip);
	ssize_t n = 1;

	if (r < 0)
		return r;
	pe_gzip_begin(gzip, read_plain, body);
	while (n > 0 && pe_strbuf_reserve(&packed, BLOCK_BYTES) == 0) {
		n = pe_gzip_read(gzip, packed.data + packed.len, BLOCK_BYTES);
		packed.len += n > 0 ? (size_t)n : 0;
	}
	if (packed.error || n < 0) {
		pe_strbuf_fini(&packed);
		return -ENOMEM;
	}
	pe_strbuf_fini(&body->text);
	body->text = packed;
	return 0;
}

/* Text grows by doubling; a body does not grow any more. */
static void shrink(struct pe_strbuf *text)
{
	char *data = text->len ? realloc(text->data, text->len) : NULL;

	if (!data)
		return;
	text->data = data;
	text->cap = text->len;
}

static ssize_t on_read(void *userdata, uint64_t position, char *buf, size_t size)
{
	const struct body *body = userdata;
	size_t n = position < body->text.len ? body->text.len - (size_t)position : 0;

	if (n == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (n > size)
		n = size;
	memcpy(buf, body->text.data + position, n);
	return (ssize_t)n;
}

static void on_free(void *userdata)
{
	body_free(userdata);
}

int pe_body_respond(struct pe_bodies *bodies, struct pe_strbuf *text, bool gzip,
		    struct MHD_Response **ret_response)
{
	_cleanup_(cleanup_body) struct body *body = calloc(1, sizeof(*body));
	int r = 0;

	if (!body)
		return -ENOMEM;
	body->bodies = bodies;
	body->text = *text;
	*text = PE_STRBUF_INIT;
	if (gzip)
		r = compress(body);
	if (r < 0)
		return r;
	shrink(&body->text);
	body->counted = body->text.cap > PE_BODY_SMALL ? body->text.cap : 0;
	if (__atomic_add_fetch(&bodies->bytes, body->counted, __ATOMIC_RELAXED) > PE_BODIES_MAX &&
	    body->counted)
		return -EBUSY;
	*ret_response = MHD_create_response_from_callback(body->text.len, BLOCK_BYTES, on_read,
							  body, on_free);
	if (!*ret_response)
		return -ENOMEM;
	(void)PE_TAKE_PTR(body);
	return 0;
}
