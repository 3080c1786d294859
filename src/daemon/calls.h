/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system calls that a running exporter may make, by seccomp(2): a list of what it uses, some
 * with the arguments that it uses. Any other fails with EPERM and is counted. What is refused:
 * programs and processes, tracing, mounts, namespaces, changes of user, modules, keys, loading BPF,
 * stream sockets of AF_UNIX, and whatever else is not named.
 */
#ifndef PE_DAEMON_CALLS_H
#define PE_DAEMON_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * With `writes` also those that make, write and remove files.
 *
 * From here on, and in each thread there is and will be, for good. Needs no_new_privs. No thread
 * may block SIGSYS (pe/thread.h). 0; -errno: -EINVAL or -ENOSYS where the kernel has no seccomp
 * filters, and nothing has changed then.
 */
int pe_calls_restrict(bool writes);

/* How many were refused. On architectures other than x86-64 and arm64 they are not counted. Any
 * thread. */
uint64_t pe_calls_refused(void);

/* The name of the last one, "" if there was none. One thread. */
void pe_calls_last_refused(char *name, size_t size);

#endif
