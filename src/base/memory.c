/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Half of what is resident after the start is never used again: some twenty libraries are relocated
 * and run their constructors, and for each page that is read the kernel maps its neighbours, too
 * (fault-around). As long as pages are mapped, the kernel treats them as used.
 */
#include "pe/memory.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pe/cleanup.h"

/* Glibc's default; larger blocks go back to the kernel when they are freed. */
#define MMAP_THRESHOLD_BYTES (128 << 10)
/* Of /proc/self/pagemap, 64 bits for a page: it is in memory or swapped, and is no private copy. */
#define PAGEMAP_IN_USE	(3ULL << 62)
#define PAGEMAP_OF_FILE (1ULL << 61)
#define PAGEMAP_ENTRIES 256

void pe_memory_init(void)
{
	/* Otherwise it adapts to the largest block freed, and what was needed once is kept. */
	mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
}

/*
 * Has a page been written, of a mapping that cannot be? Text relocations do that, and breakpoints
 * and probes of others. Such a page is no longer the file's. "Yes" if it cannot be known.
 */
static bool is_written(int pagemap, uintptr_t begin, uintptr_t end, uintptr_t page)
{
	uint64_t entries[PAGEMAP_ENTRIES];

	for (uintptr_t at = begin / page, last = (end - 1) / page; at <= last;) {
		size_t count = last - at + 1 < PAGEMAP_ENTRIES ? last - at + 1 : PAGEMAP_ENTRIES;
		ssize_t size = (ssize_t)(count * sizeof(*entries));

		if (pread(pagemap, entries, (size_t)size, (off_t)(at * sizeof(*entries))) != size)
			return true;
		for (size_t i = 0; i < count; i++) {
			if (entries[i] & PAGEMAP_IN_USE && !(entries[i] & PAGEMAP_OF_FILE))
				return true;
		}
		at += count;
	}
	return false;
}

/* Only segments that nobody has written: their pages are those of the file, and are read again. */
static int release_object(struct dl_phdr_info *info, size_t size, void *userdata)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const int *pagemap = userdata;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + segment->p_vaddr;
		uintptr_t end = begin + segment->p_memsz;

		if (segment->p_type != PT_LOAD || segment->p_flags & PF_W || !segment->p_memsz)
			continue;
		begin -= begin % page;
		if (!is_written(*pagemap, begin, end, page))
			madvise((void *)begin, end - begin, MADV_DONTNEED);
	}
	return 0;
}

void pe_memory_trim(void)
{
	malloc_trim(0);
}

void pe_memory_release_start(void)
{
	_cleanup_close_ int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	pe_memory_trim();
	if (pagemap >= 0)
		dl_iterate_phdr(release_object, &pagemap);
}
