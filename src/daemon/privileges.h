/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the process may do: no more than it needs, and nothing can give it more.
 *
 * capabilities(7). Capabilities are of a thread and inherited by those it starts, so both calls
 * come before there are other threads.
 */
#ifndef PE_PRIVILEGES_H
#define PE_PRIVILEGES_H

#include <stdbool.h>

#include "pe/user.h"

/*
 * Whether the capabilities are there that everything else depends on. 0; -EPERM after one line of
 * log that names each missing one and what it is for.
 */
int pe_privileges_check(void);

/*
 * Becomes the user, if one is given, with its groups, and gives up all but what a running exporter
 * needs: CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, or CAP_SYS_ADMIN where that stands for the first
 * and the last. The bounding set, where that is permitted, and the inheritable and ambient sets
 * follow, and no program that is executed can have more (PR_SET_NO_NEW_PRIVS). 0; -EPERM also if
 * changing the user takes CAP_SETUID and CAP_SETGID, and they are not there; -errno.
 */
int pe_privileges_drop(const struct pe_user *user);

/*
 * Whether a kernel of this release (uname(2)) counts BPF maps against RLIMIT_MEMLOCK, getrlimit(2):
 * those before 5.11 do. False if the release cannot be read as a version.
 */
bool pe_privileges_counts_memlock(const char *release);

/* Whether this kernel does, and the limit of this process is not unlimited. */
bool pe_privileges_lack_memlock(void);

#endif
