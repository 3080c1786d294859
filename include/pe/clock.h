/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time in nanoseconds. Any thread; no call blocks or fails.
 *
 * Whatever is kept is monotonic, beginnings of series too: the wall clock may be set at any time,
 * by days and both ways. Only what is shown is wall clock, converted where a snapshot is made.
 */
#ifndef PE_CLOCK_H
#define PE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define PE_NS_PER_US UINT64_C(1000)
#define PE_NS_PER_MS UINT64_C(1000000)
#define PE_NS_PER_S  UINT64_C(1000000000)

/* The smaller of two times or durations. */
static inline uint64_t pe_min_ns(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

/* CLOCK_MONOTONIC: for durations and timers. */
uint64_t pe_clock_monotonic_ns(void);

/* CLOCK_REALTIME since the epoch: only for timestamps that are shown at once. */
uint64_t pe_clock_realtime_ns(void);

/*
 * What to add to a monotonic time to show it as wall clock, the same at each call until the wall
 * clock was stepped: back at all, or on by more than a second. So what is converted by it keeps
 * its value to the nanosecond, is at most a second early, and never lies in the future.
 */
int64_t pe_clock_wall_offset_ns(void);

/* A monotonic time as wall clock, by such an offset; 0 for what lies before the epoch. */
uint64_t pe_clock_to_wall_ns(uint64_t monotonic_ns, int64_t offset_ns);

/*
 * Whether the wall clock was stepped since `offset_ns` was right. It read `wall_ns` between two
 * readings of the monotonic clock.
 */
bool pe_clock_is_step(int64_t offset_ns, uint64_t before_ns, uint64_t wall_ns, uint64_t after_ns);

/* CLOCK_PROCESS_CPUTIME_ID: user and system time of all threads. */
uint64_t pe_clock_cpu_ns(void);

/* Length of a kernel tick (one jiffy), from clock_getres(CLOCK_MONOTONIC_COARSE). */
uint64_t pe_clock_tick_ns(void);

#endif
