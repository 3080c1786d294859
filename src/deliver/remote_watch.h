/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Notices that files with credentials have changed. One thread; blocks for the files. */
#ifndef PE_DELIVER_REMOTE_WATCH_H
#define PE_DELIVER_REMOTE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define PE_REMOTE_WATCHED_MAX 8

struct pe_remote_watch {
	struct {
		char *path;
		struct stat was; /* zeroed: it was not there */
	} file[PE_REMOTE_WATCHED_MAX];
	size_t count;
};

/* Adds a file; NULL is none. 0 or -ENOMEM. */
int pe_remote_watch_add(struct pe_remote_watch *watch, const char *path);
void pe_remote_watch_fini(struct pe_remote_watch *watch);

/* Whether one of them is another one than at the last call. */
bool pe_remote_watch_changed(struct pe_remote_watch *watch);

#endif
