/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bump allocator over a list of zeroed chunks.
 *
 * Chunks double up to CHUNK_MAX, so that a small snapshot costs little and a large one few calls.
 * Large ones come from the kernel, already zeroed, and go back to it: malloc() would keep the
 * memory of one scrape for the next. Their pages are populated at once, in a fraction of the
 * time that a fault for each takes. Invariant: the first chunk of the list is the one that has
 * room. One thread at a time.
 */
#include "pe/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK_MIN ((size_t)4096)
#define CHUNK_MAX ((size_t)1 << 20)
#define MAP_MIN	  ((size_t)128 << 10) /* a chunk of so many bytes is mapped */

struct chunk {
	struct chunk *next;
	size_t used; /* bytes of data */
	size_t size;
	alignas(max_align_t) char data[];
};

struct pe_arena {
	struct chunk *chunks;
	size_t next_size; /* of the next chunk, with its header */
	size_t bytes;
};

static struct chunk *new_chunk(size_t total)
{
	struct chunk *chunk;

	if (total < MAP_MIN) {
		chunk = calloc(1, total);
	} else {
		chunk = mmap(NULL, total, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (chunk == MAP_FAILED)
			chunk = NULL;
	}
	if (chunk)
		chunk->size = total - sizeof(*chunk);
	return chunk;
}

static void free_chunk(struct chunk *chunk)
{
	const size_t total = sizeof(*chunk) + chunk->size;

	if (total < MAP_MIN)
		free(chunk);
	else
		munmap(chunk, total);
}

int pe_arena_new(struct pe_arena **ret_arena)
{
	struct pe_arena *arena = calloc(1, sizeof(*arena));

	if (!arena)
		return -ENOMEM;
	arena->next_size = CHUNK_MIN;
	arena->bytes = sizeof(*arena);
	*ret_arena = arena;
	return 0;
}

struct pe_arena *pe_arena_free(struct pe_arena *arena)
{
	struct chunk *chunk, *next;

	if (!arena)
		return NULL;
	for (chunk = arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		free_chunk(chunk);
	}
	free(arena);
	return NULL;
}

/* What is larger than the next chunk gets its own, behind the first, which keeps its room. */
static struct chunk *add_chunk(struct pe_arena *arena, size_t size)
{
	size_t total = arena->next_size;
	struct chunk *chunk;

	if (size > SIZE_MAX - sizeof(*chunk))
		return NULL;
	if (total < sizeof(*chunk) + size)
		total = sizeof(*chunk) + size;
	chunk = new_chunk(total);
	if (!chunk)
		return NULL;
	if (arena->chunks && total > arena->next_size) {
		chunk->next = arena->chunks->next;
		arena->chunks->next = chunk;
	} else {
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	arena->bytes += total;
	if (arena->next_size < CHUNK_MAX)
		arena->next_size *= 2;
	return chunk;
}

static void *take(struct pe_arena *arena, size_t size, size_t align)
{
	struct chunk *chunk = arena->chunks;
	size_t at = chunk ? (chunk->used + align - 1) & ~(align - 1) : 0;

	if (!chunk || at > chunk->size || chunk->size - at < size) {
		chunk = add_chunk(arena, size);
		if (!chunk)
			return NULL;
		at = 0;
	}
	chunk->used = at + size;
	return chunk->data + at;
}

void *pe_arena_alloc(struct pe_arena *arena, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		return NULL;
	/* NULL is for errors only: nothing still has an address. */
	return take(arena, total ? total : 1, alignof(max_align_t));
}

char *pe_arena_strdup(struct pe_arena *arena, const char *s, size_t max)
{
	size_t len = strnlen(s, max);
	char *copy = len < SIZE_MAX ? take(arena, len + 1, 1) : NULL;

	if (copy)
		memcpy(copy, s, len);
	return copy;
}

size_t pe_arena_bytes(const struct pe_arena *arena)
{
	return arena->bytes;
}

void pe_arena_trim(struct pe_arena *arena)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	for (struct chunk *chunk = arena->chunks; chunk; chunk = chunk->next) {
		const uintptr_t end = (uintptr_t)chunk->data + chunk->size;
		const uintptr_t free = ((uintptr_t)chunk->data + chunk->used + page - 1) &
				       ~(page - 1);

		if (sizeof(*chunk) + chunk->size >= MAP_MIN && free < end)
			madvise((void *)free, end - free, MADV_DONTNEED);
	}
}
