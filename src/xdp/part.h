/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A part of memory that follows use: an array of the kernel's, which programs find in an array of
 * maps, and which is mapped here. The array goes when both have let it go.
 */
#ifndef PE_XDP_PART_H
#define PE_XDP_PART_H

#include <stddef.h>
#include <stdint.h>

/* The descriptor of a new one, zeroed, or -errno. */
int pe_part_make(const char *name, size_t value_size, size_t entries);
/* Its memory until munmap(), or NULL. */
void *pe_part_map(int fd, size_t bytes);
/* Makes one, maps it, and lets programs find it by `key`, which waits for programs that run: some
 * ms. 0 or -errno. */
int pe_part_add(int outer_fd, uint32_t key, const char *name, size_t value_size, size_t entries,
		void **ret_data);

#endif
