/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads of the daemon: named, and with all signals left to the thread that runs the loop.
 *
 * SIGSYS alone is blocked nowhere: with it the kernel reports a system call that it has refused
 * (src/daemon/calls.h), and it kills a process that blocks it.
 */
#ifndef PE_THREAD_H
#define PE_THREAD_H

#include <pthread.h>
#include <signal.h>

/* As long as the kernel keeps, without the NUL. */
#define PE_THREAD_NAME_MAX 15

/*
 * Starts a thread that runs fn(userdata) under this name, which is cut to PE_THREAD_NAME_MAX. The
 * caller joins it, and keeps `userdata` until then. It has its name when the call returns. 0 or
 * -EAGAIN. Any thread.
 */
int pe_thread_new(pthread_t *ret_thread, const char *name, void *(*fn)(void *), void *userdata);

/*
 * Blocks all signals but SIGSYS in the calling thread, so that the threads that a library makes
 * inherit that. The mask before goes to *ret_before, for pthread_sigmask(3). Never fails.
 */
void pe_thread_block_signals(sigset_t *ret_before);

#endif
