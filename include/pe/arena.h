/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that is freed all at once: a snapshot lives in one. Any thread, one at a time.
 */
#ifndef PE_ARENA_H
#define PE_ARENA_H

#include <stddef.h>

struct pe_arena;

/* Makes an empty arena. 0 or -ENOMEM. The caller owns it. */
int pe_arena_new(struct pe_arena **ret_arena);

/* Frees the arena and all that was allocated from it. NULL is fine. Returns NULL. */
struct pe_arena *pe_arena_free(struct pe_arena *arena);

/*
 * `count` zeroed elements of `size` bytes, aligned for any type; NULL if memory is refused or the
 * product overflows. Belongs to the arena.
 */
void *pe_arena_alloc(struct pe_arena *arena, size_t count, size_t size);

/* A copy of a string, cut to `max` bytes; NULL if memory is refused. */
char *pe_arena_strdup(struct pe_arena *arena, const char *s, size_t max);

/* Gives pages back that nothing was allocated from; what is allocated later takes them again. Where
 * the arena is kept for long. The thread that allocates, or any once none does. */
void pe_arena_trim(struct pe_arena *arena);

/* Bytes taken from the system. For tests. */
size_t pe_arena_bytes(const struct pe_arena *arena);

#endif
