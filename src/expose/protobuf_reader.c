/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See protobuf_reader.h. */
#include "protobuf_reader.h"

#include <endian.h>
#include <errno.h>

#define NUMBER_MAX ((1u << 29) - 1) /* of a field that there can be */

int pe_protobuf_read_number(struct pe_span *in, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64 && in->len > 0; shift += 7) {
		const unsigned char byte = (unsigned char)*in->data++;

		in->len--;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		*ret_value = value;
		return 0;
	}
	return -EBADMSG;
}

/* How many bytes a field of that type has, before them in `in` if need be. 0 or -EBADMSG. */
static int read_length(struct pe_span *in, unsigned int type, uint64_t *ret_len)
{
	switch (type) {
	case PE_PROTOBUF_BYTES:
		return pe_protobuf_read_number(in, ret_len);
	case PE_PROTOBUF_FIXED64:
		*ret_len = sizeof(uint64_t);
		return 0;
	case PE_PROTOBUF_FIXED32:
		*ret_len = sizeof(uint32_t);
		return 0;
	default:
		return -EBADMSG;
	}
}

int pe_protobuf_read_foreign(struct pe_span *in, struct pe_protobuf_field *ret_field, bool *ret_cut)
{
	uint64_t tag, len;

	*ret_cut = false;
	if (in->len == 0)
		return 0;
	if (pe_protobuf_read_number(in, &tag) < 0)
		return -EBADMSG;
	/* Some take a number that there cannot be, 0 as well, for one that they do not know. */
	*ret_field = (struct pe_protobuf_field){
		.number = tag >> 3 > NUMBER_MAX ? NUMBER_MAX + 1 : (unsigned int)(tag >> 3),
		.type = (enum pe_protobuf_type)(tag & 7),
	};
	if (ret_field->type == PE_PROTOBUF_VARINT)
		return pe_protobuf_read_number(in, &ret_field->value) < 0 ? -EBADMSG : 1;
	if (read_length(in, ret_field->type, &len) < 0)
		return -EBADMSG;
	if (len > in->len) {
		len = in->len;
		*ret_cut = true;
	}
	ret_field->data = (struct pe_span){ in->data, (size_t)len };
	in->data += len;
	in->len -= (size_t)len;
	return 1;
}

int pe_protobuf_read_field(struct pe_span *in, struct pe_protobuf_field *ret_field)
{
	bool cut;
	int r = pe_protobuf_read_foreign(in, ret_field, &cut);

	if (r > 0 && (cut || ret_field->type == PE_PROTOBUF_FIXED32 || ret_field->number == 0 ||
		      ret_field->number > 100))
		return -EBADMSG;
	return r;
}

void pe_protobuf_copy_field(struct pe_strbuf *out, const struct pe_protobuf_field *field)
{
	if (field->type == PE_PROTOBUF_VARINT) {
		pe_protobuf_add_varint(out, field->number, field->value);
	} else if (field->type == PE_PROTOBUF_BYTES) {
		pe_protobuf_add_bytes(out, field->number, field->data.data, field->data.len);
	} else {
		uint64_t value;

		memcpy(&value, field->data.data, sizeof(value));
		pe_protobuf_add_fixed64(out, field->number, le64toh(value));
	}
}
