/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lets the n-th allocation of this thread fail. Include it in one file of a test program.
 *
 * It stands in front of glibc's allocator, where the sanitizers stand too: with those it does
 * nothing, malloc_failure_works is false, and a test returns at once (cmocka's skip() is "not ok"
 * in TAP).
 */
#ifndef PE_TESTS_MALLOC_FAILURE_H
#define PE_TESTS_MALLOC_FAILURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PE_TESTS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PE_TESTS_SANITIZED 1
#endif

/* How many allocations succeed before one fails; negative: all do. */
static __thread long malloc_failure_after = -1;
/* How many more this thread has taken than given back. */
static __thread long malloc_failure_held;

#ifdef PE_TESTS_SANITIZED
static const bool malloc_failure_works = false;
#else
static const bool malloc_failure_works = true;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *memory);

static bool malloc_fails(void)
{
	return malloc_failure_after >= 0 && malloc_failure_after-- == 0;
}

static void *malloc_counted(void *memory)
{
	malloc_failure_held += memory != NULL;
	return memory;
}

void *malloc(size_t size)
{
	return malloc_fails() ? NULL : malloc_counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
	return malloc_fails() ? NULL : malloc_counted(__libc_calloc(count, size));
}

void *realloc(void *memory, size_t size)
{
	void *moved = malloc_fails() ? NULL : __libc_realloc(memory, size);

	return memory ? moved : malloc_counted(moved);
}

void *aligned_alloc(size_t align, size_t size)
{
	return malloc_fails() ? NULL : malloc_counted(__libc_memalign(align, size));
}

void free(void *memory)
{
	malloc_failure_held -= memory != NULL;
	__libc_free(memory);
}
#endif

#endif
