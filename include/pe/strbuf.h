/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growing byte string. Sticky error: after a failed allocation every append is a no-op and
 * `error` stays -ENOMEM, so that a caller checks once, at the end. Any thread, one at a time.
 */
#ifndef PE_STRBUF_H
#define PE_STRBUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pe_strbuf {
	char *data; /* not terminated; NULL until the first append */
	size_t len;
	size_t cap;
	int error;
};

#define PE_STRBUF_INIT ((struct pe_strbuf){ 0 })

/* Frees the memory and makes the buffer empty and usable again. */
void pe_strbuf_fini(struct pe_strbuf *buf);

/* Makes room for `more` bytes behind len. 0 or -ENOMEM. Never blocks. */
int pe_strbuf_reserve(struct pe_strbuf *buf, size_t more);

void pe_strbuf_addf(struct pe_strbuf *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static inline void pe_strbuf_add(struct pe_strbuf *buf, const void *data, size_t len)
{
	if (!len || (buf->cap - buf->len < len && pe_strbuf_reserve(buf, len) < 0))
		return;
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}

static inline void pe_strbuf_adds(struct pe_strbuf *buf, const char *s)
{
	pe_strbuf_add(buf, s, strlen(s));
}

static inline void pe_strbuf_addc(struct pe_strbuf *buf, char c)
{
	pe_strbuf_add(buf, &c, 1);
}

/* Appends a decimal number without leading zeros. */
void pe_strbuf_add_u64(struct pe_strbuf *buf, uint64_t value);

#endif
