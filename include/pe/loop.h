/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor's event loop: epoll, timers and signals in one thread.
 *
 * All calls belong to the thread that runs the loop. Callbacks may add and
 * remove any source, also the one that is running. See epoll(7), timerfd_create(2), signalfd(2).
 */
#ifndef PE_LOOP_H
#define PE_LOOP_H

#include <stdint.h>

struct pe_loop;
struct pe_source;

typedef void (*pe_loop_fn)(void *userdata);
typedef void (*pe_loop_signal_fn)(int signo, void *userdata);

/* Makes a loop. 0 or -errno. The caller owns *ret_loop. */
int pe_loop_new(struct pe_loop **ret_loop);

/* Frees the loop and all its sources. NULL is fine. Returns NULL. */
struct pe_loop *pe_loop_free(struct pe_loop *loop);

/*
 * Calls fn each time fd is readable (level-triggered). The fd stays the caller's and must outlive
 * the source. The loop owns the source; *ret_source (may be NULL) is for pe_source_remove(). 0 or
 * -errno, of epoll_ctl(2) or -ENOMEM.
 */
int pe_loop_add_fd(struct pe_loop *loop, int fd, pe_loop_fn fn, void *userdata,
		   struct pe_source **ret_source);

/* A timer that is not armed yet. 0 or -errno, of timerfd_create(2), epoll_ctl(2) or -ENOMEM. */
int pe_loop_add_timer(struct pe_loop *loop, pe_loop_fn fn, void *userdata,
		      struct pe_source **ret_source);

/*
 * Arms a timer to fire at `at_ns` on the monotonic clock and then every `every_ns` (0: once).
 * at_ns 0 disarms. Missed periods fire once. 0 or -errno of timerfd_settime(2).
 */
int pe_source_arm(struct pe_source *timer, uint64_t at_ns, uint64_t every_ns);

/* Blocks these signals in the calling thread (start other threads afterwards) and delivers them. 0
 * or -errno. */
int pe_loop_add_signals(struct pe_loop *loop, const int *signals, unsigned int count,
			pe_loop_signal_fn fn, void *userdata);

/* Removes and frees a source. NULL is fine. Returns NULL. */
struct pe_source *pe_source_remove(struct pe_source *source);

/* Runs until pe_loop_stop(). Returns 0 or -errno. */
int pe_loop_run(struct pe_loop *loop);

/* Makes pe_loop_run() return after the running callback. Loop thread only. */
void pe_loop_stop(struct pe_loop *loop);

#endif
