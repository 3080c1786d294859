/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded: makes allocations by the exporter itself and by GMP fail in libmicrohttpd's threads,
 * so many of 256 as the first byte of the file says that SHORT_MEMORY names. Other libraries get
 * what they want: not all survive without.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static const volatile unsigned char *share;
static __thread unsigned int state;

static void __attribute__((constructor)) start(void)
{
	const char *path = getenv("SHORT_MEMORY");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);

	if (fd < 0 || map == MAP_FAILED)
		abort();
	close(fd);
	share = map;
}

static bool is_ours(void *caller)
{
	Dl_info info;

	return dladdr(caller, &info) && info.dli_fname &&
	       (strstr(info.dli_fname, "packet-exporter") || strstr(info.dli_fname, "libgmp"));
}

static bool fails(void *caller)
{
	char name[16] = "";

	if (!share || !*share)
		return false;
	prctl(PR_GET_NAME, name);
	if (strncmp(name, "MHD", 3) != 0 || !is_ours(caller))
		return false;
	state = state * 1103515245 + 12345;
	if ((state >> 16) % 256 >= *share)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}
