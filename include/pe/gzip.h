/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gzip stream (RFC 1952), made as it is read: nothing exists as a whole, neither plain nor
 * compressed. 64 KiB and a piece of input each, whatever the length. One thread at a time; nothing
 * blocks but the source.
 */
#ifndef PE_GZIP_H
#define PE_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "pe/strbuf.h"

struct pe_gzip;

/* The next plain bytes, at most `size` (> 0): how many, 0 at the end, or -errno. */
typedef ssize_t (*pe_gzip_source)(void *userdata, char *buf, size_t size);

/* 0 or -ENOMEM. The caller owns *ret_gzip, which begins nothing yet. */
int pe_gzip_new(struct pe_gzip **ret_gzip);
/* NULL is fine. Returns NULL. */
struct pe_gzip *pe_gzip_free(struct pe_gzip *gzip);

/* Begins a stream of what `source` gives, also in the middle of another. `userdata` is borrowed
 * until the stream ends or another begins. Takes no memory. */
void pe_gzip_begin(struct pe_gzip *gzip, pe_gzip_source source, void *userdata);

/*
 * The next compressed bytes, at most `size` (> 0). Returns how many (short only at the end), 0 at
 * the end, or -errno of the source: the stream is then incomplete for good.
 */
ssize_t pe_gzip_read(struct pe_gzip *gzip, char *buf, size_t size);

/* Whether the last byte of the stream has been read. */
bool pe_gzip_ended(const struct pe_gzip *gzip);

/*
 * Replaces *ret_data by what a stream of any origin was made of, at most `max` bytes; nothing may
 * be behind it. 0, -ENOMEM, or -EBADMSG if it is no such stream. Any thread; nothing blocks.
 */
int pe_gunzip(const void *data, size_t len, size_t max, struct pe_strbuf *ret_data);

#endif
