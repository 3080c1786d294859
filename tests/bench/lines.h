/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In how many lines of the CPU's cache a program leaves something else in its maps: what is in them
 * is compared before and after. What it only reads, or writes and puts back, leaves nothing that
 * could be counted.
 */
#ifndef PE_BENCH_LINES_H
#define PE_BENCH_LINES_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAPS_MAX 1024
#define LINES_SIZE     64

struct lines_map {
	uint32_t entries;
	size_t stride;		/* of an entry */
	unsigned int cpus;	/* that have one each, one behind the other; 1: all have the same */
	unsigned char *content; /* entry by entry */
};

struct lines {
	size_t count;
	struct lines_map map[LINES_MAPS_MAX];
};

static inline void lines_free(struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->map[i].content);
	lines->count = 0;
}

/* 0 or -errno. */
static inline int lines_copy(int fd, const struct bpf_map_info *info, struct lines *lines)
{
	const bool each = info->type == BPF_MAP_TYPE_PERCPU_ARRAY;
	struct lines_map *map = &lines->map[lines->count];

	if (lines->count == LINES_MAPS_MAX)
		return -ENOSPC;
	map->entries = info->max_entries;
	map->stride = (info->value_size + 7u) & ~7u;
	map->cpus = each ? (unsigned int)libbpf_num_possible_cpus() : 1;
	map->content = calloc(map->entries, map->stride * map->cpus);
	if (!map->content)
		return -ENOMEM;
	lines->count++;
	for (uint32_t i = 0; i < map->entries; i++) {
		if (bpf_map_lookup_elem(fd, &i, map->content + i * map->stride * map->cpus) < 0)
			return -errno;
	}
	return 0;
}

/* A map by its number, or those in it. */
static inline int lines_take(uint32_t id, struct lines *lines)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id), r = 0;

	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		r = -errno;
	else if (info.type == BPF_MAP_TYPE_ARRAY || info.type == BPF_MAP_TYPE_PERCPU_ARRAY)
		r = lines_copy(fd, &info, lines);
	for (uint32_t i = 0; !r && info.type == BPF_MAP_TYPE_ARRAY_OF_MAPS && i < info.max_entries;
	     i++) {
		uint32_t inner;

		if (!bpf_map_lookup_elem(fd, &i, &inner))
			r = lines_take(inner, lines);
	}
	close(fd);
	return r;
}

/* All that a program has. 0 or -errno; lines_free() in any case. */
static inline int lines_look(int program, struct lines *ret_lines)
{
	uint32_t id[LINES_MAPS_MAX], size = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .nr_map_ids = LINES_MAPS_MAX, .map_ids = (uintptr_t)id };
	int r = 0;

	ret_lines->count = 0;
	if (bpf_obj_get_info_by_fd(program, &info, &size) < 0)
		return -errno;
	for (uint32_t i = 0; !r && i < info.nr_map_ids && i < LINES_MAPS_MAX; i++)
		r = lines_take(id[i], ret_lines);
	return r;
}

/* Lines that differ, as if each map began where a line does; -ESTALE if there are other maps now.
 */
static inline int lines_changed(const struct lines *before, const struct lines *after)
{
	int changed = 0;

	if (before->count != after->count)
		return -ESTALE;
	for (size_t i = 0; i < before->count; i++) {
		const struct lines_map *map = &before->map[i];

		if (map->entries != after->map[i].entries || map->stride != after->map[i].stride)
			return -ESTALE;
		for (unsigned int cpu = 0; cpu < map->cpus; cpu++) {
			size_t last = SIZE_MAX;

			for (size_t at = 0; at < map->entries * map->stride; at++) {
				size_t byte = (at / map->stride * map->cpus + cpu) * map->stride +
					      at % map->stride;

				if (map->content[byte] != after->map[i].content[byte] &&
				    at / LINES_SIZE != last) {
					last = at / LINES_SIZE;
					changed++;
				}
			}
		}
	}
	return changed;
}

/* That one more run leaves changed after a first one, or -errno. `run` makes the program run as
 * often as it likes, with packets of one flow. */
static inline int lines_of(int program, void (*run)(void *userdata), void *userdata)
{
	static struct lines before, after;
	int r;

	run(userdata);
	r = lines_look(program, &before);
	if (!r) {
		run(userdata);
		r = lines_look(program, &after);
	}
	if (!r)
		r = lines_changed(&before, &after);
	lines_free(&before);
	lines_free(&after);
	return r;
}

#endif
