/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Landlock, landlock(7): which files this process may still open. All of it is of the calling
 * thread and of those that it starts later, so it comes before there are other threads.
 */
#ifndef PE_DAEMON_LANDLOCK_H
#define PE_DAEMON_LANDLOCK_H

#include <stdbool.h>

/*
 * Begins a set of rules that forbids all there is: reading, writing, executing, and sending signals
 * and connecting to abstract sockets outside of this process, as far as the kernel knows these. The
 * caller closes the descriptor. >= 0; -ENOSYS or -EOPNOTSUPP without Landlock; -errno.
 */
int pe_landlock_new(void);

/* Permits to read a file, or all below a folder. 0; -errno of open(2), as -ENOENT. */
int pe_landlock_allow(int rules, const char *path);

/* Likewise also to make, write and remove files and folders below a folder. */
int pe_landlock_allow_writing(int rules, const char *folder);

/* Puts the rules in force, for good. Needs no_new_privs. 0 or -errno. */
int pe_landlock_enforce(int rules);

/* Gets a place and whether it is a folder. */
typedef void (*pe_landlock_place_fn)(const char *place, void *userdata);

/*
 * Names the places that must be readable so that the file can be read, also after it, or what it
 * links to, has been replaced: the folder of the file (if `with_folder`, or else the file alone),
 * and that of each link on the way. Of links to folders on the way there only those do count that
 * lie two levels down or lower: /run/secrets/current, but not /var/run. Reads links only.
 */
void pe_landlock_places(const char *file, bool with_folder, pe_landlock_place_fn fn,
			void *userdata);

#endif
