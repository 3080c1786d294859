/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See part.h. */
#include "part.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>

#include "pe/cleanup.h"

int pe_part_make(const char *name, size_t value_size, size_t entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);

	return bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(uint32_t), (uint32_t)value_size,
			      (uint32_t)entries, &options);
}

void *pe_part_map(int fd, size_t bytes)
{
	void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return data == MAP_FAILED ? NULL : data;
}

int pe_part_add(int outer_fd, uint32_t key, const char *name, size_t value_size, size_t entries,
		void **ret_data)
{
	_cleanup_close_ int fd = pe_part_make(name, value_size, entries);
	void *data;
	int r;

	if (fd < 0)
		return fd;
	data = pe_part_map(fd, value_size * entries);
	if (!data)
		return -ENOMEM;
	r = bpf_map_update_elem(outer_fd, &key, &fd, BPF_ANY);
	if (r < 0) {
		munmap(data, value_size * entries);
		return r;
	}
	*ret_data = data;
	return 0;
}
