/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See snappy.h. */
#include "snappy.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <snappy-c.h>

#define SONAME "libsnappy.so.1"
/* More than what it works with: a fragment of 64 KiB, the same compressed, a hash table. */
#define WORK_BYTES ((size_t)256 * 1024)

static struct {
	__typeof__(snappy_compress) *compress;
	__typeof__(snappy_max_compressed_length) *max_compressed_length;
	__typeof__(snappy_uncompress) *uncompress;
	__typeof__(snappy_uncompressed_length) *uncompressed_length;
} snappy;
static bool loaded;
static char why[256];

static void load(void)
{
	void *library = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
	const char *reason;

	loaded = library && (snappy.compress = dlsym(library, "snappy_compress")) &&
		 (snappy.max_compressed_length = dlsym(library, "snappy_max_compressed_length")) &&
		 (snappy.uncompress = dlsym(library, "snappy_uncompress")) &&
		 (snappy.uncompressed_length = dlsym(library, "snappy_uncompressed_length"));
	if (loaded)
		return;
	/* Copied: the next call of dlerror() may free its text. */
	reason = dlerror();
	snprintf(why, sizeof(why), "%s", reason ? reason : SONAME);
}

int pe_snappy_load(const char **ret_why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	*ret_why = why;
	return loaded ? 0 : -ENOENT;
}

/* Where memory for it is refused, libsnappy throws an exception, which ends a program in C. So the
 * memory is tried first; what is freed here is at hand for it. */
static bool has_memory_to_work(void)
{
	void *volatile memory = malloc(WORK_BYTES);

	free(memory);
	return memory;
}

int pe_snappy_compress(const struct pe_strbuf *data, struct pe_strbuf *ret_block)
{
	size_t len = snappy.max_compressed_length(data->len);
	int r;

	ret_block->len = 0;
	r = pe_strbuf_reserve(ret_block, len);
	if (r < 0)
		return r;
	if (!has_memory_to_work())
		return -ENOMEM;
	/* It fails only for want of room. */
	if (snappy.compress(data->len ? data->data : "", data->len, ret_block->data, &len) !=
	    SNAPPY_OK)
		return -ENOMEM;
	ret_block->len = len;
	return 0;
}

int pe_snappy_uncompress(const char *block, size_t len, size_t max, struct pe_strbuf *ret_data)
{
	size_t plain;
	int r;

	if (snappy.uncompressed_length(block, len, &plain) != SNAPPY_OK || plain > max)
		return -EBADMSG;
	ret_data->len = 0;
	r = pe_strbuf_reserve(ret_data, plain + 1);
	if (r < 0)
		return r;
	if (!has_memory_to_work())
		return -ENOMEM;
	if (snappy.uncompress(block, len, ret_data->data, &plain) != SNAPPY_OK)
		return -EBADMSG;
	ret_data->len = plain;
	return 0;
}
