/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See pe/otlp.h. */
#include "pe/otlp.h"

#include "protobuf_reader.h"

enum { RESPONSE_PARTIAL = 1 };
enum { PARTIAL_REJECTED = 1, PARTIAL_MESSAGE = 2 };
enum { STATUS_MESSAGE = 2 };

static bool is_bytes(const struct pe_protobuf_field *field, unsigned int number)
{
	return field->number == number && field->type == PE_PROTOBUF_BYTES;
}

static void read_partial(struct pe_span in, struct pe_otlp_partial *partial)
{
	struct pe_protobuf_field field;
	bool cut;

	while (pe_protobuf_read_foreign(&in, &field, &cut) > 0) {
		/* An int64: below zero is nothing. */
		if (field.number == PARTIAL_REJECTED && field.type == PE_PROTOBUF_VARINT)
			partial->rejected = field.value > INT64_MAX ? 0 : field.value;
		if (is_bytes(&field, PARTIAL_MESSAGE)) {
			partial->message = field.data.len > 0 ? field.data.data : NULL;
			partial->message_len = field.data.len;
		}
	}
}

void pe_otlp_read_partial(const char *body, size_t len, struct pe_otlp_partial *ret_partial)
{
	struct pe_span in = { body, len };
	struct pe_protobuf_field field;
	bool cut;

	*ret_partial = (struct pe_otlp_partial){ 0 };
	while (pe_protobuf_read_foreign(&in, &field, &cut) > 0)
		if (is_bytes(&field, RESPONSE_PARTIAL))
			read_partial(field.data, ret_partial);
}

const char *pe_otlp_read_status(const char *body, size_t len, size_t *ret_len)
{
	struct pe_span in = { body, len }, message = { NULL, 0 };
	struct pe_protobuf_field field;
	bool cut = false;
	int r;

	*ret_len = 0;
	while ((r = pe_protobuf_read_foreign(&in, &field, &cut)) > 0 && !cut)
		if (is_bytes(&field, STATUS_MESSAGE))
			message = field.data;
	/* Text can begin like a message. */
	if (r < 0 || cut || message.len == 0)
		return NULL;
	*ret_len = message.len;
	return message.data;
}
