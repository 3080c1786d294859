/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See otlp_response.h, and https://protobuf.dev/programming-guides/encoding/. */
#include "otlp_response.h"

#include <stdbool.h>

enum { RESPONSE_PARTIAL = 1 };
enum { PARTIAL_REJECTED = 1, PARTIAL_MESSAGE = 2 };
enum { STATUS_MESSAGE = 2 };
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* What is left of a message. */
struct input {
	const unsigned char *at;
	size_t left;
	bool whole; /* nothing is missing at the end so far */
};

struct field {
	uint64_t number;
	unsigned int type;
	uint64_t value;		   /* WIRE_VARINT */
	const unsigned char *text; /* WIRE_BYTES */
	size_t len;
};

static bool take_varint(struct input *input, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64 && input->left > 0; shift += 7) {
		const unsigned char byte = *input->at++;

		input->left--;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

/* Without what is cut off at the end. */
static void skip(struct input *input, uint64_t len)
{
	if (len > input->left) {
		len = input->left;
		input->whole = false;
	}
	input->at += len;
	input->left -= (size_t)len;
}

/* The next field. False at the end, or if there is none: `whole` says which. */
static bool take_field(struct input *input, struct field *ret_field)
{
	struct field field = { 0 };
	uint64_t tag;

	if (input->left == 0)
		return false;
	if (!take_varint(input, &tag) || tag >> 3 == 0)
		goto malformed;
	field.number = tag >> 3;
	field.type = tag & 7;
	switch (field.type) {
	case WIRE_VARINT:
		if (!take_varint(input, &field.value))
			goto malformed;
		break;
	case WIRE_BYTES:
		if (!take_varint(input, &field.value))
			goto malformed;
		field.text = input->at;
		skip(input, field.value);
		field.len = (size_t)(input->at - field.text);
		break;
	case WIRE_FIXED64:
	case WIRE_FIXED32:
		skip(input, field.type == WIRE_FIXED64 ? 8 : 4);
		break;
	default:
		goto malformed;
	}
	*ret_field = field;
	return true;
malformed:
	input->whole = false;
	return false;
}

static struct input begin(const void *body, size_t len)
{
	return (struct input){ body, len, true };
}

static void read_partial(const struct field *message, struct pe_otlp_partial *partial)
{
	struct input input = begin(message->text, message->len);
	struct field field;

	while (take_field(&input, &field)) {
		/* An int64: below zero is nothing. */
		if (field.number == PARTIAL_REJECTED && field.type == WIRE_VARINT)
			partial->rejected = field.value > INT64_MAX ? 0 : field.value;
		if (field.number == PARTIAL_MESSAGE && field.type == WIRE_BYTES) {
			partial->message = field.len > 0 ? (const char *)field.text : NULL;
			partial->message_len = field.len;
		}
	}
}

void pe_otlp_read_partial(const char *body, size_t len, struct pe_otlp_partial *ret_partial)
{
	struct input input = begin(body, len);
	struct field field;

	*ret_partial = (struct pe_otlp_partial){ 0 };
	while (take_field(&input, &field))
		if (field.number == RESPONSE_PARTIAL && field.type == WIRE_BYTES)
			read_partial(&field, ret_partial);
}

const char *pe_otlp_read_status(const char *body, size_t len, size_t *ret_len)
{
	struct input input = begin(body, len);
	const unsigned char *message = NULL;
	struct field field;

	*ret_len = 0;
	while (take_field(&input, &field))
		if (field.number == STATUS_MESSAGE && field.type == WIRE_BYTES) {
			message = field.text;
			*ret_len = field.len;
		}
	/* Text can begin like a message. */
	if (!input.whole || !message || *ret_len == 0) {
		*ret_len = 0;
		return NULL;
	}
	return (const char *)message;
}
