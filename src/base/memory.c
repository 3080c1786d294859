/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Half of what is resident after the start is never used again: some forty libraries are relocated
 * and run their constructors, and for each page that is read the kernel maps its neighbours, too
 * (fault-around). As long as pages are mapped, the kernel takes them for used.
 */
#include "pe/memory.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Glibc's default; larger blocks go back to the kernel when they are freed. */
#define MMAP_THRESHOLD_BYTES (128 << 10)

void pe_memory_init(void)
{
	/* Otherwise it adapts to the largest block freed, and what was needed once is kept. */
	mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
}

/*
 * Only segments that nobody can have written: their pages are those of the file, and are read
 * again. Not those of the program itself, where a debugger's breakpoints would be lost.
 */
static int settle_object(struct dl_phdr_info *info, size_t size, void *userdata)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)userdata;
	if (!info->dlpi_name || !*info->dlpi_name)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + segment->p_vaddr;
		uintptr_t end = begin + segment->p_memsz;

		if (segment->p_type != PT_LOAD || segment->p_flags & PF_W)
			continue;
		begin -= begin % page;
		madvise((void *)begin, end - begin, MADV_DONTNEED);
	}
	return 0;
}

void pe_memory_settle(void)
{
	malloc_trim(0);
	dl_iterate_phdr(settle_object, NULL);
}
