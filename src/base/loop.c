/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop: each source is one fd in one epoll set (a timerfd for a timer, a signalfd for
 * signals).
 *
 * Invariant: a source that epoll_wait() has reported stays allocated until the batch is done; one
 * that is removed meanwhile is taken out of the set at once, marked by fd -1, and freed after the
 * batch. All calls belong to the loop's thread.
 */
#include "pe/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/clock.h"

#define BATCH 64

enum source_type {
	SOURCE_FD,
	SOURCE_TIMER,
	SOURCE_SIGNALS,
};

struct pe_source {
	struct pe_loop *loop;
	struct pe_source *prev, *next;
	enum source_type type;
	int fd;
	union {
		pe_loop_fn fn;
		pe_loop_signal_fn signal_fn;
	};
	void *userdata;
};

struct pe_loop {
	int epoll_fd;
	struct pe_source *sources;
	struct pe_source *removed; /* during a batch, linked by `next` */
	bool in_batch;
	bool stop;
};

int pe_loop_new(struct pe_loop **ret_loop)
{
	struct pe_loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		err = -errno;
		free(loop);
		return err;
	}
	*ret_loop = loop;
	return 0;
}

static void free_removed(struct pe_loop *loop)
{
	while (loop->removed) {
		struct pe_source *source = loop->removed;

		loop->removed = source->next;
		free(source);
	}
}

struct pe_loop *pe_loop_free(struct pe_loop *loop)
{
	if (!loop)
		return NULL;
	while (loop->sources)
		pe_source_remove(loop->sources);
	free_removed(loop);
	close(loop->epoll_fd);
	free(loop);
	return NULL;
}

/* On success the loop owns the source and, unless it is a SOURCE_FD, the fd. */
static int add_source(struct pe_loop *loop, const struct pe_source *template,
		      struct pe_source **ret_source)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct pe_source *source = malloc(sizeof(*source));

	if (!source)
		return -ENOMEM;
	*source = *template;
	event.data.ptr = source;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0) {
		int err = -errno;

		free(source);
		return err;
	}
	source->loop = loop;
	source->next = loop->sources;
	if (source->next)
		source->next->prev = source;
	loop->sources = source;
	if (ret_source)
		*ret_source = source;
	return 0;
}

int pe_loop_add_fd(struct pe_loop *loop, int fd, pe_loop_fn fn, void *userdata,
		   struct pe_source **ret_source)
{
	struct pe_source template = {
		.type = SOURCE_FD,
		.fd = fd,
		.fn = fn,
		.userdata = userdata,
	};

	return add_source(loop, &template, ret_source);
}

int pe_loop_add_timer(struct pe_loop *loop, pe_loop_fn fn, void *userdata,
		      struct pe_source **ret_source)
{
	_cleanup_close_ int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct pe_source template = {
		.type = SOURCE_TIMER,
		.fd = fd,
		.fn = fn,
		.userdata = userdata,
	};
	int err;

	if (fd < 0)
		return -errno;
	err = add_source(loop, &template, ret_source);
	if (err < 0)
		return err;
	PE_TAKE_FD(fd);
	return 0;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / PE_NS_PER_S),
		.tv_nsec = (long)(ns % PE_NS_PER_S),
	};
}

int pe_source_arm(struct pe_source *timer, uint64_t at_ns, uint64_t every_ns)
{
	struct itimerspec spec = {
		.it_value = to_timespec(at_ns),
		.it_interval = to_timespec(every_ns),
	};

	if (timer->type != SOURCE_TIMER)
		return -EINVAL;
	if (timerfd_settime(timer->fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
		return -errno;
	return 0;
}

int pe_loop_add_signals(struct pe_loop *loop, const int *signals, unsigned int count,
			pe_loop_signal_fn fn, void *userdata)
{
	_cleanup_close_ int fd = -1;
	struct pe_source template = {
		.type = SOURCE_SIGNALS,
		.signal_fn = fn,
		.userdata = userdata,
	};
	sigset_t set, before;
	unsigned int i;
	int err;

	sigemptyset(&set);
	for (i = 0; i < count; i++)
		if (sigaddset(&set, signals[i]) < 0)
			return -errno;
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = -pthread_sigmask(SIG_BLOCK, &set, &before);
	if (err < 0)
		return err;
	template.fd = fd;
	err = add_source(loop, &template, NULL);
	if (err < 0) {
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		return err;
	}
	PE_TAKE_FD(fd);
	return 0;
}

struct pe_source *pe_source_remove(struct pe_source *source)
{
	struct pe_loop *loop;

	if (!source)
		return NULL;
	loop = source->loop;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	if (source->type != SOURCE_FD)
		close(source->fd);
	source->fd = -1;
	if (source->prev)
		source->prev->next = source->next;
	else
		loop->sources = source->next;
	if (source->next)
		source->next->prev = source->prev;
	if (loop->in_batch) {
		source->next = loop->removed;
		loop->removed = source;
	} else {
		free(source);
	}
	return NULL;
}

static void dispatch(struct pe_source *source)
{
	struct signalfd_siginfo info;
	uint64_t expirations;

	switch (source->type) {
	case SOURCE_FD:
		source->fn(source->userdata);
		break;
	case SOURCE_TIMER:
		/* Nothing to read: an earlier callback of this batch has armed it anew. */
		if (read(source->fd, &expirations, sizeof(expirations)) == sizeof(expirations))
			source->fn(source->userdata);
		break;
	case SOURCE_SIGNALS:
		/* One at a time; the next is reported again. */
		if (read(source->fd, &info, sizeof(info)) == sizeof(info))
			source->signal_fn((int)info.ssi_signo, source->userdata);
		break;
	}
}

int pe_loop_run(struct pe_loop *loop)
{
	struct epoll_event events[BATCH];
	int i, count;

	while (!loop->stop) {
		count = epoll_wait(loop->epoll_fd, events, BATCH, -1);
		if (count < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		loop->in_batch = true;
		for (i = 0; i < count && !loop->stop; i++) {
			struct pe_source *source = events[i].data.ptr;

			if (source->fd >= 0)
				dispatch(source);
		}
		loop->in_batch = false;
		free_removed(loop);
	}
	loop->stop = false;
	return 0;
}

void pe_loop_stop(struct pe_loop *loop)
{
	loop->stop = true;
}
