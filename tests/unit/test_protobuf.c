/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The protobuf writer: exact bytes, lengths at their boundaries, refused memory. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "pe/strbuf.h"

#include "../../src/expose/protobuf.h"
#include "malloc-failure.h"

static void assert_bytes(struct pe_strbuf *buf, const char *hex)
{
	char text[256] = "";

	assert_int_equal(buf->error, 0);
	assert_true(buf->len < sizeof(text) / 2);
	for (size_t i = 0; i < buf->len; i++)
		snprintf(text + 2 * i, 3, "%02x", (unsigned char)buf->data[i]);
	assert_string_equal(text, hex);
	pe_strbuf_fini(buf);
}

/* The examples of https://protobuf.dev/programming-guides/encoding/. */
static void writes_what_the_documentation_shows(void **state)
{
	struct pe_strbuf buf = PE_STRBUF_INIT;
	size_t begun;

	pe_protobuf_add_varint(&buf, 1, 150);
	assert_bytes(&buf, "089601");
	pe_protobuf_add_bytes(&buf, 2, "testing", 7);
	assert_bytes(&buf, "120774657374696e67");
	begun = pe_protobuf_begin(&buf, 3);
	pe_protobuf_add_varint(&buf, 1, 150);
	pe_protobuf_end(&buf, begun);
	assert_bytes(&buf, "1a03089601");
	begun = pe_protobuf_begin(&buf, 6);
	pe_protobuf_add_number(&buf, 3);
	pe_protobuf_add_number(&buf, 270);
	pe_protobuf_add_number(&buf, 86942);
	pe_protobuf_end(&buf, begun);
	assert_bytes(&buf, "3206038e029ea705");
}

static void writes_numbers_of_every_size(void **state)
{
	struct pe_strbuf buf = PE_STRBUF_INIT;

	pe_protobuf_add_varint(&buf, 1, 0);
	pe_protobuf_add_varint(&buf, 15, 127);
	pe_protobuf_add_varint(&buf, 16, 128);
	assert_bytes(&buf, "0800787f80018001");
	pe_protobuf_add_varint(&buf, 1, UINT64_MAX);
	assert_bytes(&buf, "08ffffffffffffffffff01");
	pe_protobuf_add_varint(&buf, 536870911, 1);
	assert_bytes(&buf, "f8ffffff0f01");
	pe_protobuf_add_fixed64(&buf, 2, 0x0102030405060708);
	assert_bytes(&buf, "110807060504030201");
	pe_protobuf_add_double(&buf, 1, 1.0);
	pe_protobuf_add_double(&buf, 1, INFINITY);
	assert_bytes(&buf, "09000000000000f03f"
			   "09000000000000f07f");
	pe_protobuf_add_bytes(&buf, 1, NULL, 0);
	assert_bytes(&buf, "0a00");
}

/* Where the length takes a byte more, what is inside moves and stays what it was. */
static void lengths_grow(void **state)
{
	static const struct {
		size_t inside; /* bytes of the string in the message in the message */
		const char *head;
	} cases[] = {
		{ 0, "0a021200" },
		{ 123, "0a7d127b" },
		{ 125, "0a7f127d" },
		{ 126, "0a8001127e" },
		{ 127, "0a8101127f" },
		{ 128, "0a8301128001" },
		{ 16380, "0a"
			 "ff7f"
			 "12fc7f" },
		{ 16381, "0a808001"
			 "12fd7f" },
		{ 16384, "0a848001"
			 "12808001" },
	};
	static char inside[16384];

	for (size_t i = 0; i < sizeof(inside); i++)
		inside[i] = (char)('a' + i % 23);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pe_strbuf buf = PE_STRBUF_INIT;
		const size_t head = strlen(cases[i].head) / 2, outer = pe_protobuf_begin(&buf, 1);
		const size_t inner = pe_protobuf_begin(&buf, 2);

		pe_strbuf_add(&buf, inside, cases[i].inside);
		pe_protobuf_end(&buf, inner);
		pe_protobuf_end(&buf, outer);
		assert_int_equal(buf.len, head + cases[i].inside);
		if (cases[i].inside)
			assert_memory_equal(buf.data + head, inside, cases[i].inside);
		buf.len = head;
		assert_bytes(&buf, cases[i].head);
	}
}

/* Whichever append is refused, all that follow do nothing, the end of messages included. */
static void refused_memory_sticks(void **state)
{
	static const char big[1000];

	if (!malloc_failure_works)
		return;
	for (long n = 0; n < 4; n++) {
		struct pe_strbuf buf = PE_STRBUF_INIT;
		size_t outer, inner;

		malloc_failure_after = n;
		outer = pe_protobuf_begin(&buf, 1);
		pe_protobuf_add_bytes(&buf, 1, big, n > 0 ? sizeof(big) : 0);
		inner = pe_protobuf_begin(&buf, 2);
		for (int i = 0; i < 1000; i++)
			pe_protobuf_add_fixed64(&buf, 3, 7);
		pe_protobuf_end(&buf, inner);
		pe_protobuf_add_varint(&buf, 4, 1);
		pe_protobuf_add_number(&buf, 1);
		pe_protobuf_end(&buf, outer);
		malloc_failure_after = -1;
		assert_int_equal(buf.error, -ENOMEM);
		pe_strbuf_fini(&buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_what_the_documentation_shows),
		cmocka_unit_test(writes_numbers_of_every_size),
		cmocka_unit_test(lengths_grow),
		cmocka_unit_test(refused_memory_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
