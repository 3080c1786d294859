/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time in nanoseconds. Any thread; no call blocks or fails. */
#ifndef PE_CLOCK_H
#define PE_CLOCK_H

#include <stdint.h>

#define PE_NS_PER_US UINT64_C(1000)
#define PE_NS_PER_MS UINT64_C(1000000)
#define PE_NS_PER_S  UINT64_C(1000000000)

/* CLOCK_MONOTONIC: for durations and timers. */
uint64_t pe_clock_monotonic_ns(void);

/* CLOCK_REALTIME since the epoch: only for timestamps that are shown. */
uint64_t pe_clock_realtime_ns(void);

/* CLOCK_PROCESS_CPUTIME_ID: user and system time of all threads. */
uint64_t pe_clock_cpu_ns(void);

/* Length of a kernel tick (one jiffy), from clock_getres(CLOCK_MONOTONIC_COARSE). */
uint64_t pe_clock_tick_ns(void);

#endif
