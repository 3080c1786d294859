/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker threads: each empties one ring into one shard and ends that shard's idle flows.
 *
 * A worker learns what is wanted of it from counters (`kicks`, `drains`, `stop`) that are changed
 * before its eventfd is written, and read after the eventfd is; so a request is seen by the pass it
 * wakes, or by an earlier one. Only the worker touches its ring; its shard is touched by anyone
 * under worker.lock, which is held for one batch at a time. `drained` belongs to workers.lock.
 * No two locks of this file are ever held together; pe_top's own is taken inside worker.lock.
 */
#include "pe/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pe/clock.h"
#include "pe/shard.h"
#include "pe/thread.h"
#include "pe/top.h"

#define WORKERS_MAX 256
#define BATCH	    64
/*
 * A ring is at most 1 GiB, so what was in it has been read after this many records, even if new
 * ones arrive faster than they are read: no request waits forever.
 */
#define RING_RECORDS_MAX ((size_t)1 << 24)
/* Places looked at in one hold of the lock, and in one kick if the table is larger. */
#define EXPIRE_CHUNK 1024
#define EXPIRE_KICK  65536
#define EXPIRE_PARTS 8

struct worker {
	struct pe_workers *workers;
	struct pe_ring *ring;
	pthread_mutex_t lock;
	struct pe_shard *shard;
	pthread_t thread;
	bool started;
	int event_fd;
	int epoll_fd;
	uint64_t drained; /* the last drain request that was met */
};

struct pe_workers {
	struct pe_workers_options options;
	struct pe_top *top;
	atomic_uint_fast64_t kicks;
	atomic_uint_fast64_t drains;
	atomic_bool stop;
	pthread_mutex_t lock;
	pthread_cond_t progress; /* a `drained` has changed */
	unsigned int count;
	struct worker worker[];
};

/* ---- the thread ---- */

static void empty_ring(struct worker *worker)
{
	const struct pe_workers_options *options = &worker->workers->options;
	struct pe_flow records[BATCH];
	size_t n;

	for (size_t total = 0; total < RING_RECORDS_MAX; total += n) {
		n = pe_ring_read(worker->ring, records, BATCH);
		if (n == 0)
			return;
		pthread_mutex_lock(&worker->lock);
		pe_shard_add(worker->shard, records, n, options->now(options->userdata),
			     pe_clock_monotonic_ns());
		pthread_mutex_unlock(&worker->lock);
	}
}

static void expire_part(struct worker *worker)
{
	const struct pe_workers_options *options = &worker->workers->options;
	size_t places = pe_shard_places(worker->shard);
	size_t steps = places / EXPIRE_PARTS;

	if (steps < EXPIRE_KICK)
		steps = places < EXPIRE_KICK ? places : EXPIRE_KICK;
	for (size_t done = 0; done < steps; done += EXPIRE_CHUNK) {
		size_t left = steps - done;

		pthread_mutex_lock(&worker->lock);
		pe_shard_expire(worker->shard, options->now(options->userdata),
				left < EXPIRE_CHUNK ? left : EXPIRE_CHUNK);
		pthread_mutex_unlock(&worker->lock);
	}
}

static void report_drained(struct worker *worker, uint64_t drains)
{
	struct pe_workers *workers = worker->workers;

	if (worker->drained == drains)
		return;
	pthread_mutex_lock(&workers->lock);
	worker->drained = drains;
	pthread_cond_broadcast(&workers->progress);
	pthread_mutex_unlock(&workers->lock);
}

static void wait_for_work(struct worker *worker)
{
	struct epoll_event events[2];
	uint64_t ignored;

	/* Fails only by EINTR: a look at the ring too many does no harm. */
	(void)epoll_wait(worker->epoll_fd, events, 2, -1);
	/* Non-blocking; the counters have what it was written for. */
	(void)!read(worker->event_fd, &ignored, sizeof(ignored));
}

static void *worker_main(void *userdata)
{
	struct worker *worker = userdata;
	struct pe_workers *workers = worker->workers;
	uint64_t kicks_done = 0;
	bool stop;

	do {
		uint64_t drains, kicks;

		wait_for_work(worker);
		stop = atomic_load(&workers->stop);
		drains = atomic_load(&workers->drains);
		kicks = atomic_load(&workers->kicks);
		empty_ring(worker);
		report_drained(worker, drains);
		if (kicks != kicks_done && !stop)
			expire_part(worker);
		kicks_done = kicks;
	} while (!stop);
	return NULL;
}

static void wake_all(struct pe_workers *workers)
{
	uint64_t one = 1;

	/* Refused only if the counter is about to overflow, and then the worker wakes anyway. */
	for (unsigned int i = 0; i < workers->count; i++)
		(void)!write(workers->worker[i].event_fd, &one, sizeof(one));
}

/* ---- start and stop ---- */

static int watch(int epoll_fd, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int worker_start(struct worker *worker, unsigned int number)
{
	char name[32];
	int r;

	worker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (worker->event_fd < 0 || worker->epoll_fd < 0)
		return -errno;
	r = watch(worker->epoll_fd, worker->event_fd, EPOLLIN);
	if (r < 0)
		return r;
	/*
	 * Edge-triggered, to be woken at the fill mark only: a ring counts as readable as soon as
	 * it holds a record.
	 */
	r = watch(worker->epoll_fd, pe_ring_fd(worker->ring), EPOLLIN | EPOLLET);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "pe-worker-%u", number);
	r = pe_thread_new(&worker->thread, name, worker_main, worker);
	worker->started = r == 0;
	return r;
}

static int start_all(struct pe_workers *workers)
{
	int r = 0;

	for (unsigned int i = 0; i < workers->count && r == 0; i++)
		r = worker_start(&workers->worker[i], i);
	return r;
}

static uint32_t idle_ticks(const struct pe_workers_options *options)
{
	uint64_t ticks = options->flow_idle_ns / options->tick_ns;

	if (ticks == 0)
		return 1;
	return ticks < INT32_MAX ? (uint32_t)ticks : INT32_MAX;
}

static int make_shards(struct pe_workers *workers)
{
	const struct pe_workers_options *options = &workers->options;
	struct pe_shard_options shard = {
		.idle_ticks = idle_ticks(options),
		.tick_ns = options->tick_ns,
	};
	int r;

	if (options->count == 0)
		return 0;
	shard.max_flows = (options->max_flows - 1) / options->count + 1;
	if (options->top > 0) {
		r = pe_top_new(options->top, &workers->top);
		if (r < 0)
			return r;
		shard.top = workers->top;
	}
	for (unsigned int i = 0; i < workers->count; i++) {
		r = pe_shard_new(&shard, &workers->worker[i].shard);
		if (r < 0)
			return r;
	}
	return 0;
}

int pe_workers_new(const struct pe_workers_options *options, struct pe_workers **ret_workers)
{
	struct pe_workers *workers;
	int r;

	if (options->count > WORKERS_MAX || options->max_flows == 0 || options->tick_ns == 0)
		return -EINVAL;
	workers = calloc(1, sizeof(*workers) + options->count * sizeof(struct worker));
	if (!workers)
		return -ENOMEM;
	workers->options = *options;
	workers->options.rings = NULL; /* only the rings are borrowed, not the array */
	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->progress, NULL);
	workers->count = options->count;
	for (unsigned int i = 0; i < workers->count; i++) {
		struct worker *worker = &workers->worker[i];

		worker->workers = workers;
		worker->ring = options->rings[i];
		worker->event_fd = -1;
		worker->epoll_fd = -1;
		pthread_mutex_init(&worker->lock, NULL);
	}

	r = make_shards(workers);
	if (r == 0)
		r = start_all(workers);
	if (r < 0) {
		pe_workers_free(workers);
		return r;
	}
	*ret_workers = workers;
	return 0;
}

struct pe_workers *pe_workers_free(struct pe_workers *workers)
{
	if (!workers)
		return NULL;
	atomic_store(&workers->stop, true);
	wake_all(workers);
	for (unsigned int i = 0; i < workers->count; i++) {
		struct worker *worker = &workers->worker[i];

		if (worker->started)
			pthread_join(worker->thread, NULL);
		pe_shard_free(worker->shard);
		if (worker->event_fd >= 0)
			close(worker->event_fd);
		if (worker->epoll_fd >= 0)
			close(worker->epoll_fd);
		pthread_mutex_destroy(&worker->lock);
	}
	pe_top_free(workers->top);
	pthread_cond_destroy(&workers->progress);
	pthread_mutex_destroy(&workers->lock);
	free(workers);
	return NULL;
}

/* ---- requests ---- */

void pe_workers_kick(struct pe_workers *workers)
{
	atomic_fetch_add(&workers->kicks, 1);
	wake_all(workers);
}

void pe_workers_drain(struct pe_workers *workers)
{
	uint64_t request = atomic_fetch_add(&workers->drains, 1) + 1;

	wake_all(workers);
	pthread_mutex_lock(&workers->lock);
	for (unsigned int i = 0; i < workers->count; i++) {
		while (workers->worker[i].drained < request)
			pthread_cond_wait(&workers->progress, &workers->lock);
	}
	pthread_mutex_unlock(&workers->lock);
}

int pe_workers_announce(struct pe_workers *workers, uint32_t token)
{
	for (unsigned int i = 0; i < workers->count; i++) {
		struct worker *worker = &workers->worker[i];
		int r;

		pthread_mutex_lock(&worker->lock);
		r = pe_shard_announce(worker->shard, token);
		pthread_mutex_unlock(&worker->lock);
		if (r == 0)
			continue;
		/* The first shard knows what all know; behind it only memory can be refused. */
		if (i > 0)
			pe_workers_forget(workers, token);
		return r;
	}
	return 0;
}

void pe_workers_forget(struct pe_workers *workers, uint32_t token)
{
	for (unsigned int i = 0; i < workers->count; i++) {
		struct worker *worker = &workers->worker[i];

		pthread_mutex_lock(&worker->lock);
		pe_shard_forget(worker->shard, token);
		pthread_mutex_unlock(&worker->lock);
	}
	/* Last: a shard that still knew the token could bring it back. */
	if (workers->top)
		pe_top_forget(workers->top, token);
}

int pe_workers_read(struct pe_workers *workers, uint32_t token, struct pe_arena *arena,
		    struct pe_flow_sample *ret_flows)
{
	for (unsigned int i = 0; i < workers->count; i++) {
		struct worker *worker = &workers->worker[i];
		int r;

		pthread_mutex_lock(&worker->lock);
		r = pe_shard_read(worker->shard, token, arena, ret_flows);
		pthread_mutex_unlock(&worker->lock);
		if (r < 0)
			return r;
	}
	return workers->top ? pe_top_read(workers->top, token, arena, ret_flows) : 0;
}

void pe_workers_get_stats(struct pe_workers *workers, struct pe_workers_stats *ret_stats)
{
	struct pe_workers_stats stats = { 0 };

	for (unsigned int i = 0; i < workers->count; i++) {
		struct worker *worker = &workers->worker[i];
		struct pe_shard_stats shard;

		pthread_mutex_lock(&worker->lock);
		pe_shard_get_stats(worker->shard, &shard);
		pthread_mutex_unlock(&worker->lock);
		stats.records += shard.records;
		stats.orphaned += shard.orphaned;
		stats.table_full += shard.table_full;
		stats.active += shard.active;
	}
	if (workers->top)
		stats.top_dropped = pe_top_dropped(workers->top);
	*ret_stats = stats;
}
