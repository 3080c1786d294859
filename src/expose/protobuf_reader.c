/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See protobuf_reader.h. */
#include "protobuf_reader.h"

#include <endian.h>
#include <errno.h>

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

int pe_protobuf_read_field(struct pe_span *in, struct pe_protobuf_field *ret_field)
{
	uint64_t tag, len = sizeof(uint64_t);
	int r;

	if (in->len == 0)
		return 0;
	r = pe_protobuf_read_number(in, &tag);
	if (r < 0 || tag >> 3 == 0 || tag >> 3 > 100)
		return -EBADMSG;
	ret_field->number = (unsigned int)(tag >> 3);
	ret_field->type = (enum pe_protobuf_type)(tag & 7);
	switch (ret_field->type) {
	case PE_PROTOBUF_VARINT:
		return pe_protobuf_read_number(in, &ret_field->value) < 0 ? -EBADMSG : 1;
	case PE_PROTOBUF_BYTES:
		if (pe_protobuf_read_number(in, &len) < 0)
			return -EBADMSG;
		break;
	case PE_PROTOBUF_FIXED64:
		break;
	default:
		return -EBADMSG;
	}
	if (len > in->len)
		return -EBADMSG;
	ret_field->data = (struct pe_span){ in->data, (size_t)len };
	in->data += len;
	in->len -= (size_t)len;
	return 1;
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
