/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clocks as plain nanoseconds. The clock ids are constants that every supported kernel has, so
 * clock_gettime() cannot fail. Any thread.
 */
#include "pe/clock.h"

#include <time.h>

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
