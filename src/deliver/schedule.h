/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a sink delivers next. Deliveries fall on a grid from the start on, so they do not drift;
 * after a failure they come earlier, or the peer is left alone for a while. The sink's thread
 * alone; times are monotonic.
 */
#ifndef PE_DELIVER_SCHEDULE_H
#define PE_DELIVER_SCHEDULE_H

#include <stdint.h>

#include "pe/sample.h"

struct pe_schedule {
	uint64_t interval_ns;
	uint64_t ceiling_ns; /* of a pause after failures */
	uint64_t start_ns;
	uint64_t next_ns;	/* if nobody requests it earlier */
	uint64_t not_before_ns; /* not even on request */
	unsigned int retries;	/* in a row, since the last answer that makes no retry */
};

/* The first delivery is at once; after failures pauses grow up to the interval. */
void pe_schedule_init(struct pe_schedule *schedule, uint64_t interval_ns);

/* Before the first delivery: that is `phase_ns` later, less than the interval, and pauses grow up
 * to `ceiling_ns`. */
void pe_schedule_shift(struct pe_schedule *schedule, uint64_t phase_ns, uint64_t ceiling_ns);

/* A phase for whoever has this hash: those that begin together are spread over the interval. Pure.
 */
uint64_t pe_schedule_phase_ns(uint32_t hash, uint64_t interval_ns);

/* The next place on the grid behind `now_ns`. */
uint64_t pe_schedule_grid_ns(const struct pe_schedule *schedule, uint64_t now_ns);

/*
 * The time of a state's samples, on the wall clock, whose snapshot was taken at `taken_ns`:
 * `elapsed_ns` after that of `last_ns` (0: there was none), on the monotonic clock. Exactly an
 * interval later where it is nearly that: a series that is gone has its marker with the next state,
 * and databases store times in less. Always so much later that the zero of a new series is between,
 * in milliseconds, also where the clock was set back or a state was late and the next is due. Pure.
 */
uint64_t pe_schedule_state_ns(uint64_t interval_ns, uint64_t last_ns, uint64_t taken_ns,
			      uint64_t elapsed_ns);

/* Leaves the peer alone for this long, whoever requests a delivery. */
void pe_schedule_hold(struct pe_schedule *schedule, uint64_t pause_ns);

/* When the next delivery is due, if one by `requested_ns` (UINT64_MAX: none) is requested. */
uint64_t pe_schedule_due_ns(const struct pe_schedule *schedule, uint64_t requested_ns);

/* After a delivery that ended so. */
void pe_schedule_next(struct pe_schedule *schedule, enum pe_sink_result result);

/* Leaves the peer alone for the shortest pause after `from_ns`, then delivers. */
void pe_schedule_pause(struct pe_schedule *schedule, uint64_t from_ns);

/* How long that is. */
uint64_t pe_schedule_pause_ns(const struct pe_schedule *schedule);

#endif
