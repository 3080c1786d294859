/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a running exporter does not need is taken from it: rights, files (Landlock), system calls
 * (seccomp), so that a thread that has been taken over finds little. It is of the process, once.
 */
#ifndef PE_DAEMON_SANDBOX_H
#define PE_DAEMON_SANDBOX_H

#include "pe/options.h"
#include "pe/sample.h"
#include "pe/web.h"

/*
 * Becomes --user, keeps three capabilities and, unless --sandbox=off, what of files and system
 * calls is needed. Comes when all that needs more has been done, and before there are other
 * threads. What the kernel lacks is logged in one line. 0; -errno after a line of log.
 */
int pe_sandbox_enter(const struct pe_options *options, const struct pe_web *web);

/* No dump of memory, and no other process of the same user may look into it; when the start is
 * over, which reads files of /proc/self. Does nothing without a sandbox. */
void pe_sandbox_seal(void);

/* Says so, once, when a system call has been refused. One thread. */
void pe_sandbox_report(void);

/* What is in force, and what was refused. Any thread. */
void pe_sandbox_sample(struct pe_self_sample *self);

#endif
