/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See schedule.h. */
#include "schedule.h"

#include <sys/random.h>

#include "pe/clock.h"

#define BACKOFF_NS PE_NS_PER_S
#define DOUBLINGS  32
/* Of a state's time: what share of the interval it may be off, and how near to another one it is.
 */
#define ROUNDED_SHARE 100
#define APART_NS      (2 * PE_NS_PER_MS)

uint64_t pe_schedule_grid_ns(const struct pe_schedule *schedule, uint64_t now_ns)
{
	uint64_t since_ns;

	if (now_ns < schedule->start_ns)
		return schedule->start_ns;
	since_ns = now_ns - schedule->start_ns;

	return now_ns + (schedule->interval_ns - since_ns % schedule->interval_ns);
}

static uint64_t random_below(uint64_t bound)
{
	uint64_t value;

	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
		value = pe_clock_monotonic_ns();
	return value % bound;
}

/*
 * Anything between the shortest pause and a ceiling that doubles up to the interval: full jitter,
 * so that the hosts of a fleet do not come back to a recovering peer together.
 */
static uint64_t backoff_ns(const struct pe_schedule *schedule)
{
	unsigned int doublings = schedule->retries < DOUBLINGS ? schedule->retries : DOUBLINGS;
	uint64_t ceiling = pe_min_ns(BACKOFF_NS << doublings, schedule->ceiling_ns);
	uint64_t floor = pe_schedule_pause_ns(schedule);

	return floor + random_below(ceiling - floor + 1);
}

void pe_schedule_init(struct pe_schedule *schedule, uint64_t interval_ns)
{
	*schedule = (struct pe_schedule){ .interval_ns = interval_ns, .ceiling_ns = interval_ns };
	schedule->start_ns = pe_clock_monotonic_ns();
	schedule->next_ns = schedule->start_ns;
}

uint64_t pe_schedule_phase_ns(uint32_t hash, uint64_t interval_ns)
{
	/* Similar names have similar hashes, in their high bits. */
	hash ^= hash >> 16;
	hash *= UINT32_C(2246822507);
	hash ^= hash >> 13;
	return (interval_ns >> 16) * (hash >> 16);
}

void pe_schedule_shift(struct pe_schedule *schedule, uint64_t phase_ns, uint64_t ceiling_ns)
{
	schedule->start_ns += phase_ns;
	schedule->next_ns = schedule->start_ns;
	schedule->ceiling_ns = ceiling_ns;
}

uint64_t pe_schedule_due_ns(const struct pe_schedule *schedule, uint64_t requested_ns)
{
	uint64_t wanted_ns = pe_min_ns(schedule->next_ns, requested_ns);

	return wanted_ns > schedule->not_before_ns ? wanted_ns : schedule->not_before_ns;
}

void pe_schedule_next(struct pe_schedule *schedule, enum pe_sink_result result)
{
	uint64_t now_ns = pe_clock_monotonic_ns();
	uint64_t grid_ns = pe_schedule_grid_ns(schedule, now_ns);

	switch (result) {
	case PE_SINK_OK:
		schedule->retries = 0;
		schedule->next_ns = grid_ns;
		schedule->not_before_ns = 0;
		break;
	case PE_SINK_REJECTED:
		schedule->retries = 0;
		pe_schedule_pause(schedule, now_ns);
		if (schedule->next_ns < grid_ns)
			schedule->next_ns = schedule->not_before_ns = grid_ns;
		break;
	default:
		schedule->retries++;
		schedule->next_ns = now_ns + backoff_ns(schedule);
		schedule->not_before_ns = schedule->next_ns;
		break;
	}
}

uint64_t pe_schedule_state_ns(uint64_t interval_ns, uint64_t last_ns, uint64_t taken_ns,
			      uint64_t elapsed_ns)
{
	const uint64_t due_ns = last_ns + interval_ns;
	const uint64_t off_ns = taken_ns > due_ns ? taken_ns - due_ns : due_ns - taken_ns;

	if (last_ns && off_ns <= interval_ns / ROUNDED_SHARE)
		return due_ns;
	if (!last_ns || taken_ns >= last_ns + APART_NS)
		return taken_ns;
	return last_ns + elapsed_ns + APART_NS;
}

void pe_schedule_pause(struct pe_schedule *schedule, uint64_t from_ns)
{
	schedule->next_ns = from_ns + pe_schedule_pause_ns(schedule);
	schedule->not_before_ns = schedule->next_ns;
}

void pe_schedule_hold(struct pe_schedule *schedule, uint64_t pause_ns)
{
	schedule->next_ns = pe_clock_monotonic_ns() + pause_ns;
	schedule->not_before_ns = schedule->next_ns;
}

uint64_t pe_schedule_pause_ns(const struct pe_schedule *schedule)
{
	return pe_min_ns(BACKOFF_NS, schedule->interval_ns);
}
