/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Protocol buffers read field by field: what protobuf.h has written, and what others write. Nothing
 * of what is read is trusted. Pure; any thread.
 */
#ifndef PE_EXPOSE_PROTOBUF_READER_H
#define PE_EXPOSE_PROTOBUF_READER_H

#include <stdbool.h>
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

/*
 * Likewise a field of a message that can be cut short. 1, 0 at the end, or -EBADMSG. `*ret_cut`:
 * some of its bytes are missing, and it has those that are there.
 */
int pe_protobuf_read_foreign(struct pe_span *in, struct pe_protobuf_field *ret_field,
			     bool *ret_cut);

/* A field of what protobuf.h has written. 1, 0 at the end, or -EBADMSG for anything else. */
int pe_protobuf_read_field(struct pe_span *in, struct pe_protobuf_field *ret_field);

/* Appends one as it was. */
void pe_protobuf_copy_field(struct pe_strbuf *out, const struct pe_protobuf_field *field);

#endif
