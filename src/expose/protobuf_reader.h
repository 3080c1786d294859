/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Protocol buffers read again, field by field, as protobuf.h writes them. Nothing of what is read
 * is trusted. Pure; any thread.
 */
#ifndef PE_EXPOSE_PROTOBUF_READER_H
#define PE_EXPOSE_PROTOBUF_READER_H

#include <stdint.h>

#include "labels.h"
#include "protobuf.h"

struct pe_protobuf_field {
	unsigned int number;
	enum pe_protobuf_type type;
	uint64_t value;	     /* of a varint */
	struct pe_span data; /* of others */
};

/* A bare number at the beginning of *in, which begins behind it then. 0 or -EBADMSG. */
int pe_protobuf_read_number(struct pe_span *in, uint64_t *ret_value);

/* Likewise a field. 1, 0 at the end, or -EBADMSG, also for what protobuf.h does not write. */
int pe_protobuf_read_field(struct pe_span *in, struct pe_protobuf_field *ret_field);

/* Appends one as it was. */
void pe_protobuf_copy_field(struct pe_strbuf *out, const struct pe_protobuf_field *field);

#endif
