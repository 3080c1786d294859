/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Protocol buffers on the wire, written field by field into a byte string
 * (https://protobuf.dev/programming-guides/encoding/). There are no message objects: the caller
 * knows the schema and names each field by its number. Fields of type int64, uint64, uint32, bool
 * and enum are varints. Memory errors stick in the string. One thread at a time; nothing blocks.
 */
#ifndef PE_EXPOSE_PROTOBUF_H
#define PE_EXPOSE_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

#include "pe/strbuf.h"

#define PE_PROTOBUF_VARINT_MAX 10 /* bytes of 64 bits */

/* Wire types: how long a field's value is. */
enum pe_protobuf_type {
	PE_PROTOBUF_VARINT = 0,
	PE_PROTOBUF_FIXED64 = 1,
	PE_PROTOBUF_BYTES = 2, /* a length, then as many bytes: strings, messages, packed numbers */
	PE_PROTOBUF_FIXED32 = 5, /* only read */
};

/* Writes a varint of at most PE_PROTOBUF_VARINT_MAX bytes; returns the end of it. */
static inline char *pe_protobuf_put_varint(char *p, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*p++ = (char)(value | 0x80);
	*p++ = (char)value;
	return p;
}

static inline char *pe_protobuf_put_tag(char *p, unsigned int field, enum pe_protobuf_type type)
{
	return pe_protobuf_put_varint(p, (uint64_t)field << 3 | type);
}

/* Appends a bare number: the length before a delimited message, an element of a packed field. */
void pe_protobuf_add_number(struct pe_strbuf *out, uint64_t value);

/* Likewise elements of packed fields of 64 bits. */
void pe_protobuf_add_bare64(struct pe_strbuf *out, uint64_t value);
void pe_protobuf_add_bare_double(struct pe_strbuf *out, double value);

/* Append a field. Zero is written, too: whether it may be left out is the schema's. */
void pe_protobuf_add_varint(struct pe_strbuf *out, unsigned int field, uint64_t value);
void pe_protobuf_add_fixed64(struct pe_strbuf *out, unsigned int field, uint64_t value);
void pe_protobuf_add_double(struct pe_strbuf *out, unsigned int field, double value);
/* A string must be UTF-8; it is not checked here. */
void pe_protobuf_add_bytes(struct pe_strbuf *out, unsigned int field, const void *data, size_t len);

/*
 * Begins a message inside another one, a string that is written in pieces, or a packed field.
 * Returns its handle for pe_protobuf_end(), which writes the length once it is known and moves what
 * is longer than 127 bytes for that. They nest.
 */
size_t pe_protobuf_begin(struct pe_strbuf *out, unsigned int field);
void pe_protobuf_end(struct pe_strbuf *out, size_t begun);

#endif
