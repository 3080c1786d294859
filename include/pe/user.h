/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user that --user names. One thread, at start: the user database may be behind a network.
 */
#ifndef PE_USER_H
#define PE_USER_H

#include <sys/types.h>

struct pe_user {
	uid_t uid;
	gid_t gid;
	char *name; /* NULL if the database has none: no supplementary groups then */
};

/*
 * Looks the user up by name, or by number, which needs no entry: its group then has the same
 * number. The caller ends *ret_user with pe_user_fini(). 0; -ENOENT: there is none; -errno of the
 * database. May block.
 */
int pe_user_find(const char *name, struct pe_user *ret_user);

/* Frees the name. A zeroed one is fine. */
void pe_user_fini(struct pe_user *user);

#endif
