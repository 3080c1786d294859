/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clocks as plain nanoseconds. The clock ids are constants that every supported kernel has, so
 * clock_gettime() cannot fail. Any thread.
 */
#include "pe/clock.h"

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

/* The wall clock may go ahead of the offset by so much before that is a step. */
#define STEP_NS ((int64_t)PE_NS_PER_S)

static struct {
	pthread_mutex_t mutex;
	bool taken;
	int64_t ns;
} offset = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static uint64_t timespec_ns(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * PE_NS_PER_S + (uint64_t)ts->tv_nsec;
}

static uint64_t now_ns(clockid_t id)
{
	struct timespec ts = { 0 };

	clock_gettime(id, &ts);
	return timespec_ns(&ts);
}

uint64_t pe_clock_monotonic_ns(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

uint64_t pe_clock_realtime_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

bool pe_clock_is_step(int64_t offset_ns, uint64_t before_ns, uint64_t wall_ns, uint64_t after_ns)
{
	int64_t lowest = (int64_t)(wall_ns - after_ns), highest = (int64_t)(wall_ns - before_ns);

	return highest < offset_ns || lowest - STEP_NS > offset_ns;
}

int64_t pe_clock_wall_offset_ns(void)
{
	uint64_t before_ns, wall_ns, after_ns;
	int64_t ns;

	pthread_mutex_lock(&offset.mutex);
	before_ns = pe_clock_monotonic_ns();
	wall_ns = pe_clock_realtime_ns();
	after_ns = pe_clock_monotonic_ns();
	if (!offset.taken || pe_clock_is_step(offset.ns, before_ns, wall_ns, after_ns))
		offset.ns = (int64_t)(wall_ns - after_ns);
	offset.taken = true;
	ns = offset.ns;
	pthread_mutex_unlock(&offset.mutex);
	return ns;
}

uint64_t pe_clock_to_wall_ns(uint64_t monotonic_ns, int64_t offset_ns)
{
	if (offset_ns < 0 && monotonic_ns < -(uint64_t)offset_ns)
		return 0;
	return monotonic_ns + (uint64_t)offset_ns;
}

uint64_t pe_clock_cpu_ns(void)
{
	return now_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t pe_clock_tick_ns(void)
{
	struct timespec ts = { 0 };

	clock_getres(CLOCK_MONOTONIC_COARSE, &ts);
	return timespec_ns(&ts);
}
