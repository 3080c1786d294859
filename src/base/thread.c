/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pe/thread.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/prctl.h>

struct start {
	const char *name;
	void *(*fn)(void *userdata);
	void *userdata;
	sem_t named;
};

static void *run(void *userdata)
{
	struct start *start = userdata;
	void *(*fn)(void *userdata) = start->fn;
	void *argument = start->userdata;

	/* By itself: to name another thread a file of /proc is written, which a sandbox forbids. */
	prctl(PR_SET_NAME, start->name);
	/* From here on it is gone. */
	sem_post(&start->named);
	return fn(argument);
}

void pe_thread_block_signals(sigset_t *ret_before)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, ret_before);
}

int pe_thread_new(pthread_t *ret_thread, const char *name, void *(*fn)(void *), void *userdata)
{
	char cut[PE_THREAD_NAME_MAX + 1];
	struct start start = { .name = cut, .fn = fn, .userdata = userdata };
	sigset_t before;
	int r;

	snprintf(cut, sizeof(cut), "%s", name);
	sem_init(&start.named, 0, 0);
	pe_thread_block_signals(&before);
	r = pthread_create(ret_thread, NULL, run, &start);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	while (r == 0 && sem_wait(&start.named) < 0 && errno == EINTR)
		;
	sem_destroy(&start.named);
	return -r;
}
