/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The growing byte string. Invariants: len <= cap; after an error cap == len, so that the inline
 * fast path of every append comes here and is refused. One thread at a time.
 */
#include "pe/strbuf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CAP_MIN	   ((size_t)256)
#define U64_DIGITS 20

void pe_strbuf_fini(struct pe_strbuf *buf)
{
	free(buf->data);
	*buf = PE_STRBUF_INIT;
}

static int fail(struct pe_strbuf *buf)
{
	buf->cap = buf->len;
	buf->error = -ENOMEM;
	return buf->error;
}

int pe_strbuf_reserve(struct pe_strbuf *buf, size_t more)
{
	size_t need, cap;
	char *data;

	if (buf->error)
		return buf->error;
	if (buf->cap - buf->len >= more)
		return 0;
	if (__builtin_add_overflow(buf->len, more, &need))
		return fail(buf);
	cap = buf->cap < CAP_MIN ? CAP_MIN : buf->cap;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	data = realloc(buf->data, cap);
	if (!data)
		return fail(buf);
	buf->data = data;
	buf->cap = cap;
	return 0;
}

void pe_strbuf_addf(struct pe_strbuf *buf, const char *fmt, ...)
{
	size_t room;
	va_list ap;
	int n;

	if (pe_strbuf_reserve(buf, 64) < 0)
		return;
	room = buf->cap - buf->len;
	va_start(ap, fmt);
	n = vsnprintf(buf->data + buf->len, room, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n >= room) {
		/* One more for the terminator that vsnprintf() insists on. */
		if (pe_strbuf_reserve(buf, (size_t)n + 1) < 0)
			return;
		va_start(ap, fmt);
		n = vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	if (n < 0) {
		fail(buf);
		return;
	}
	buf->len += (size_t)n;
}

static const char digit_pairs[200] = { "0001020304050607080910111213141516171819"
				       "2021222324252627282930313233343536373839"
				       "4041424344454647484950515253545556575859"
				       "6061626364656667686970717273747576777879"
				       "8081828384858687888990919293949596979899" };

static const uint64_t powers_of_ten[U64_DIGITS] = {
	UINT64_C(1),
	UINT64_C(10),
	UINT64_C(100),
	UINT64_C(1000),
	UINT64_C(10000),
	UINT64_C(100000),
	UINT64_C(1000000),
	UINT64_C(10000000),
	UINT64_C(100000000),
	UINT64_C(1000000000),
	UINT64_C(10000000000),
	UINT64_C(100000000000),
	UINT64_C(1000000000000),
	UINT64_C(10000000000000),
	UINT64_C(100000000000000),
	UINT64_C(1000000000000000),
	UINT64_C(10000000000000000),
	UINT64_C(100000000000000000),
	UINT64_C(1000000000000000000),
	UINT64_C(10000000000000000000),
};

static unsigned int count_digits(uint64_t value)
{
	/* bits * log10(2), in 1/4096, is at most one too small. */
	unsigned int bits = 64 - (unsigned int)__builtin_clzll(value | 1);
	unsigned int digits = bits * 1233 >> 12;

	return digits + (value >= powers_of_ten[digits]);
}

void pe_strbuf_add_u64(struct pe_strbuf *buf, uint64_t value)
{
	unsigned int digits;
	char *p;

	if (buf->cap - buf->len < U64_DIGITS && pe_strbuf_reserve(buf, U64_DIGITS) < 0)
		return;
	digits = value ? count_digits(value) : 1;
	buf->len += digits;
	p = buf->data + buf->len;
	/* Each division waits for the one before: four digits at a time. */
	while (value >= 10000) {
		unsigned int low = (unsigned int)(value % 10000);

		value /= 10000;
		p -= 4;
		memcpy(p, digit_pairs + low / 100 * 2, 2);
		memcpy(p + 2, digit_pairs + low % 100 * 2, 2);
	}
	if (value >= 100) {
		p -= 2;
		memcpy(p, digit_pairs + value % 100 * 2, 2);
		value /= 100;
	}
	if (value >= 10)
		memcpy(p - 2, digit_pairs + value * 2, 2);
	else
		p[-1] = (char)('0' + value);
}
