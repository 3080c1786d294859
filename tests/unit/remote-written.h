/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a state becomes in remote write 1, series by series: its bodies are read before they are
 * compressed (link with --wrap=pe_snappy_compress). tests/fuzz/fuzz_remote.c has an independent
 * decoder of what is compressed, in all formats.
 */
#ifndef PE_TESTS_REMOTE_WRITTEN_H
#define PE_TESTS_REMOTE_WRITTEN_H

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pe/remote.h"
#include "pe/strbuf.h"

#define WRITTEN_MAX   20000
#define WRITTEN_STALE UINT64_C(0x7ff0000000000002)

struct written {
	size_t count; /* of samples */
	struct {
		char series[512]; /* {name="value",…}, __name__ among them */
		uint64_t bits, ms;
		bool ends, begins; /* as in the batch */
	} sample[WRITTEN_MAX];
	size_t bodies;
	int refuse; /* the body, from 1 on, that is refused; 0: none */
};

struct written_message {
	const unsigned char *at, *end;
};

/* A field's number; its value is in *ret_value, or what it holds in *ret_inside. 0 at the end. */
static inline unsigned int written_field(struct written_message *message, uint64_t *ret_value,
					 struct written_message *ret_inside)
{
	uint64_t number[2] = { 0, 0 };

	if (message->at == message->end)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		if (i == 1 && (number[0] & 7) == 1) {
			memcpy(ret_value, message->at, sizeof(*ret_value));
			*ret_value = le64toh(*ret_value);
			message->at += sizeof(*ret_value);
			return (unsigned int)(number[0] >> 3);
		}
		for (unsigned int shift = 0;; shift += 7) {
			assert_true(message->at < message->end);
			number[i] |= (uint64_t)(*message->at & 0x7f) << shift;
			if (!(*message->at++ & 0x80))
				break;
		}
	}
	*ret_value = number[1];
	if ((number[0] & 7) == 2) {
		*ret_inside = (struct written_message){ message->at, message->at + number[1] };
		message->at = ret_inside->end;
	}
	assert_true(message->at <= message->end);
	return (unsigned int)(number[0] >> 3);
}

static inline void written_series(struct written *written, struct written_message series,
				  const struct pe_remote_batch *batch)
{
	struct written_message pair = { NULL, NULL }, text = { NULL, NULL };
	char name[512] = "";
	size_t len = 0;
	uint64_t value;
	unsigned int field;

	while ((field = written_field(&series, &value, &pair))) {
		if (field == 1) {
			while ((field = written_field(&pair, &value, &text)))
				len += (size_t)snprintf(name + len, sizeof(name) - len,
							field == 1 ? "%s%.*s=" : "%s%.*s",
							field == 1 && len ? "," : "",
							(int)(text.end - text.at),
							(const char *)text.at);
			assert_true(len < sizeof(name));
			continue;
		}
		assert_int_equal(field, 2);
		assert_true(written->count < WRITTEN_MAX);
		while ((field = written_field(&pair, &value, &text)))
			if (field == 1)
				written->sample[written->count].bits = value;
			else
				written->sample[written->count].ms = value;
		memcpy(written->sample[written->count].series, name, sizeof(name));
		written->sample[written->count].begins = batch->begins;
		written->sample[written->count++].ends = batch->ends;
	}
}

/* libsnappy's own memory cannot be refused: see snappy.c. */
static struct pe_strbuf written_plain;
int __real_pe_snappy_compress(const struct pe_strbuf *data, struct pe_strbuf *ret_block);
int __wrap_pe_snappy_compress(const struct pe_strbuf *data, struct pe_strbuf *ret_block);
int __wrap_pe_snappy_compress(const struct pe_strbuf *data, struct pe_strbuf *ret_block)
{
	pe_strbuf_fini(&written_plain);
	written_plain = (struct pe_strbuf){ 0 };
	pe_strbuf_add(&written_plain, data->data, data->len);
	return __real_pe_snappy_compress(data, ret_block);
}

/* A pe_remote_take. */
static inline int written_take(void *userdata, const struct pe_remote_batch *batch)
{
	struct written *written = userdata;
	const unsigned char *data = (const unsigned char *)written_plain.data;
	struct written_message request = { data, data + written_plain.len },
			       series = { NULL, NULL };
	const size_t before = written->count;
	uint64_t value;

	if (++written->bodies == (size_t)written->refuse)
		return -ENOSPC;
	while (written_field(&request, &value, &series))
		written_series(written, series, batch);
	assert_int_equal(written->count - before, batch->samples);
	return 0;
}

/* The value of a sample that has one. */
static inline uint64_t written_value(const struct written *written, size_t i)
{
	double value;

	memcpy(&value, &written->sample[i].bits, sizeof(value));
	return (uint64_t)value;
}

static inline bool written_is(const struct written *written, size_t i, const char *part)
{
	return strstr(written->sample[i].series, part) != NULL;
}

/* Around the tests of a program. */
static inline int written_load(void **state)
{
	const char *why;

	return pe_remote_load(&why);
}

static inline int written_unload(void **state)
{
	pe_strbuf_fini(&written_plain);
	return 0;
}

#endif
