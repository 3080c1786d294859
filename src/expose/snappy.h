/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The snappy block format (https://github.com/google/snappy), by libsnappy, which is loaded on
 * first use: it brings libstdc++ along.
 */
#ifndef PE_EXPOSE_SNAPPY_H
#define PE_EXPOSE_SNAPPY_H

#include "pe/strbuf.h"

/* 0; or -ENOENT and in *ret_why what is wrong, for a person. Any thread; the first call reads
 * files. */
int pe_snappy_load(const char **ret_why);

/* Replaces *ret_block by `data`, compressed; its memory is used again. 0 or -ENOMEM. Needs
 * pe_snappy_load(). */
int pe_snappy_compress(const struct pe_strbuf *data, struct pe_strbuf *ret_block);

/* Replaces *ret_data by what a block of any origin was made of, at most `max` bytes. 0, -ENOMEM, or
 * -EBADMSG if it is no such block. Needs pe_snappy_load(). */
int pe_snappy_uncompress(const char *block, size_t len, size_t max, struct pe_strbuf *ret_data);

#endif
