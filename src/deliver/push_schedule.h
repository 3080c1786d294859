/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When to push next. Pushes fall on a grid from the start on, so they do not drift; after a failure
 * they come earlier, or the gateway is left alone for a while. The push thread alone; times are
 * monotonic.
 */
#ifndef PE_EXPORT_PUSH_SCHEDULE_H
#define PE_EXPORT_PUSH_SCHEDULE_H

#include <stdint.h>

#include "pe/sample.h"

struct pe_push_schedule {
	uint64_t interval_ns;
	uint64_t start_ns;
	uint64_t next_ns;	/* if nobody asks for it earlier */
	uint64_t not_before_ns; /* not even if somebody asks */
	unsigned int retries;	/* in a row, since the last answer that makes no retry */
};

/* The first push is at once. */
void pe_push_schedule_init(struct pe_push_schedule *schedule, uint64_t interval_ns);

/* After a push that ended so. */
void pe_push_schedule_next(struct pe_push_schedule *schedule, enum pe_push_result result);

/* The shortest pause that a gateway gets, after `from_ns`: nothing earlier. */
void pe_push_schedule_pause(struct pe_push_schedule *schedule, uint64_t from_ns);

/* How long that is. */
uint64_t pe_push_schedule_pause_ns(const struct pe_push_schedule *schedule);

#endif
