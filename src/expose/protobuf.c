/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See protobuf.h. Each append reserves once, so that the bytes themselves need no check. */
#include "protobuf.h"

#include <endian.h>

#define VARINT_MAX PE_PROTOBUF_VARINT_MAX

/* Room for `more` bytes, NULL without memory. */
static inline char *reserve(struct pe_strbuf *out, size_t more)
{
	if (out->cap - out->len < more && pe_strbuf_reserve(out, more) < 0)
		return NULL;
	return out->data + out->len;
}

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

void pe_protobuf_add_number(struct pe_strbuf *out, uint64_t value)
{
	char *p = reserve(out, VARINT_MAX);

	if (p)
		out->len = (size_t)(pe_protobuf_put_varint(p, value) - out->data);
}

void pe_protobuf_add_varint(struct pe_strbuf *out, unsigned int field, uint64_t value)
{
	char *p = reserve(out, 2 * VARINT_MAX);

	if (!p)
		return;
	p = pe_protobuf_put_tag(p, field, PE_PROTOBUF_VARINT);
	out->len = (size_t)(pe_protobuf_put_varint(p, value) - out->data);
}

void pe_protobuf_add_fixed64(struct pe_strbuf *out, unsigned int field, uint64_t value)
{
	char *p = reserve(out, VARINT_MAX + sizeof(value));

	if (!p)
		return;
	p = pe_protobuf_put_tag(p, field, PE_PROTOBUF_FIXED64);
	value = htole64(value);
	memcpy(p, &value, sizeof(value));
	out->len = (size_t)(p - out->data) + sizeof(value);
}

void pe_protobuf_add_bare64(struct pe_strbuf *out, uint64_t value)
{
	value = htole64(value);
	pe_strbuf_add(out, &value, sizeof(value));
}

void pe_protobuf_add_bare_double(struct pe_strbuf *out, double value)
{
	pe_protobuf_add_bare64(out, bits_of(value));
}

void pe_protobuf_add_double(struct pe_strbuf *out, unsigned int field, double value)
{
	pe_protobuf_add_fixed64(out, field, bits_of(value));
}

void pe_protobuf_add_bytes(struct pe_strbuf *out, unsigned int field, const void *data, size_t len)
{
	char *p = reserve(out, 2 * VARINT_MAX + len);

	if (!p)
		return;
	p = pe_protobuf_put_tag(p, field, PE_PROTOBUF_BYTES);
	p = pe_protobuf_put_varint(p, len);
	if (len)
		memcpy(p, data, len);
	out->len = (size_t)(p - out->data) + len;
}

/* The length of most messages is one byte. */
size_t pe_protobuf_begin(struct pe_strbuf *out, unsigned int field)
{
	char *p = reserve(out, VARINT_MAX + 1);

	if (!p)
		return 0;
	out->len = (size_t)(pe_protobuf_put_tag(p, field, PE_PROTOBUF_BYTES) + 1 - out->data);
	return out->len;
}

void pe_protobuf_end(struct pe_strbuf *out, size_t begun)
{
	char length[VARINT_MAX];
	size_t len, more;

	if (out->error)
		return;
	len = out->len - begun;
	more = (size_t)(pe_protobuf_put_varint(length, len) - length) - 1;
	if (more && !reserve(out, more))
		return;
	if (more)
		memmove(out->data + begun + more, out->data + begun, len);
	memcpy(out->data + begun - 1, length, more + 1);
	out->len += more;
}
