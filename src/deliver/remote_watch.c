/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See remote_watch.h. */
#include "remote_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pe_remote_watch_add(struct pe_remote_watch *watch, const char *path)
{
	if (!path)
		return 0;
	if (watch->count == PE_REMOTE_WATCHED_MAX)
		return -ENOMEM;
	watch->file[watch->count].path = strdup(path);
	if (!watch->file[watch->count].path)
		return -ENOMEM;
	watch->count++;
	return 0;
}

void pe_remote_watch_fini(struct pe_remote_watch *watch)
{
	while (watch->count > 0)
		free(watch->file[--watch->count].path);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

bool pe_remote_watch_changed(struct pe_remote_watch *watch)
{
	bool changed = false;

	for (size_t i = 0; i < watch->count; i++) {
		struct stat now;

		if (stat(watch->file[i].path, &now) < 0)
			now = (struct stat){ 0 };
		changed |= !is_same(&now, &watch->file[i].was);
		watch->file[i].was = now;
	}
	return changed;
}
