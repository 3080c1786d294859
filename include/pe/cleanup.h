/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ownership that can be checked by reading one function.
 *
 * A variable that owns something says so with `_cleanup_(fn)`; ownership leaves it through
 * PE_TAKE_PTR or PE_TAKE_FD. File descriptors start at -1, pointers at NULL. Any thread.
 */
#ifndef PE_CLEANUP_H
#define PE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void pe_cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void pe_cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_free_	_cleanup_(pe_cleanup_free)
#define _cleanup_close_ _cleanup_(pe_cleanup_close)

#define PE_TAKE_PTR(p)                  \
	({                              \
		__typeof__(p) _p = (p); \
		(p) = NULL;             \
		_p;                     \
	})

#define PE_TAKE_FD(fd)          \
	({                      \
		int _fd = (fd); \
		(fd) = -1;      \
		_fd;            \
	})

#endif
