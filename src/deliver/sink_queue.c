/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sinks that queue: a state is taken each interval and becomes bytes once; these are sent until
 * they arrive, oldest first, or are given up. While the peer fails, or takes its time, states go on
 * to be taken. A backlog is sent at four times the pace at which it came about.
 *
 * The sink's thread alone.
 */
#include "sink_inside.h"

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/memory.h"

#define BACKLOG_SPEED 4
#define WATCH_NS      PE_NS_PER_S

static void cleanup_snapshot(struct pe_snapshot **snapshot)
{
	pe_snapshot_unref(*snapshot);
}

/* Puts a state into the queue. 0, or -errno and what failed. */
static int take_state(struct pe_sink *sink, const char **ret_what)
{
	_cleanup_(cleanup_snapshot) struct pe_snapshot *snapshot = NULL;
	int r = sink->snapshot(&snapshot, sink->userdata);

	*ret_what = r < 0 ? "take a snapshot of" : "encode";
	return r < 0 ? r : sink->ops->encode(sink->self, snapshot);
}

static bool add_state(struct pe_sink *sink)
{
	const uint64_t began_ns = pe_clock_monotonic_ns();
	const char *what;
	int r = take_state(sink, &what);

	if (r == 0)
		return true;
	pe_sink_begin(sink);
	pe_sink_fail(sink, r, what);
	pe_sink_count(sink, began_ns, false);
	return false;
}

static void report_failure(struct pe_sink *sink)
{
	pe_sink_log_failure(&sink->log, sink->ops->address(sink->self), &sink->outcome,
			    sink->schedule.next_ns);
}

/* Leaves the peer alone for as long as it wants, or with growing pauses. */
static void back_off(struct pe_sink *sink)
{
	const uint64_t wanted_ns = sink->outcome.retry_after_ns;

	pe_schedule_next(&sink->schedule, sink->outcome.result == PE_SINK_REJECTED
						  ? PE_SINK_SERVER
						  : sink->outcome.result);
	if (wanted_ns > 0)
		pe_schedule_hold(&sink->schedule, wanted_ns);
	report_failure(sink);
}

static bool keep(struct pe_sink *sink)
{
	return sink->ops->keep && sink->ops->keep(sink->self);
}

/* A backlog does not come to the peer all at once: the states of an interval take a quarter of it.
 * True if the next one is due. */
static bool keep_pace(struct pe_sink *sink)
{
	const uint64_t now_ns = pe_clock_monotonic_ns();
	const uint64_t due_ns = sink->pace_ns + sink->schedule.interval_ns / BACKLOG_SPEED;

	sink->pace_ns = due_ns > now_ns ? due_ns : now_ns;
	sink->schedule.next_ns = sink->schedule.not_before_ns = sink->pace_ns;
	return due_ns <= now_ns;
}

/* Sends once. True if more can be sent at once: it arrived, or was given up. */
static bool send_one(struct pe_sink *sink, uint64_t deadline_ns, bool hurry)
{
	const uint64_t began_ns = pe_clock_monotonic_ns();

	pe_sink_begin(sink);
	sink->ops->send(sink->self, deadline_ns, &sink->outcome);
	if (sink->outcome.cancelled)
		return false;
	sink->watch_ns = sink->outcome.held && sink->ops->mended ? began_ns + WATCH_NS
								 : PE_SINK_NEVER;
	pe_sink_count(sink, began_ns, sink->outcome.result == PE_SINK_OK);
	if (sink->outcome.again)
		return true;
	if (sink->outcome.result == PE_SINK_OK) {
		sink->schedule.retries = 0;
		pe_sink_log_success(&sink->log, sink->ops->address(sink->self));
		return hurry || !sink->outcome.state_ended || keep_pace(sink);
	}
	if (!sink->outcome.given_up) {
		back_off(sink);
		keep(sink);
		return false;
	}
	report_failure(sink);
	return hurry || !sink->outcome.state_ended || keep_pace(sink);
}

static bool is_mended(struct pe_sink *sink, uint64_t now_ns)
{
	if (now_ns < sink->watch_ns)
		return false;
	sink->watch_ns = now_ns + WATCH_NS;
	return sink->ops->mended(sink->self);
}

void pe_sink_queue_deliver(struct pe_sink *sink)
{
	uint64_t now_ns = pe_clock_monotonic_ns();
	bool go_on = true;

	/* What was wrong may be right now. */
	if (pe_sink_prepare(sink) || is_mended(sink, now_ns))
		sink->schedule.not_before_ns = 0;
	if (now_ns >= sink->state_ns) {
		const bool waits = sink->ops->pending(sink->self);

		sink->state_ns = pe_schedule_grid_ns(&sink->schedule, now_ns);
		add_state(sink);
		if (waits)
			keep(sink);
	}
	if (now_ns < sink->schedule.not_before_ns)
		return;
	sink->schedule.next_ns = PE_SINK_NEVER;
	while (go_on && sink->ops->pending(sink->self) && !pe_sink_is_stopping(sink)) {
		/* However long a backlog is, what is new is not late for it. */
		if (pe_clock_monotonic_ns() >= sink->state_ns || pe_sink_has_reload(sink)) {
			sink->schedule.next_ns = 0;
			return;
		}
		go_on = send_one(sink, pe_clock_monotonic_ns() + sink->timeout_ns, false);
	}
	/* Some hundred bodies have come and gone, and the next ones are an interval away. */
	pe_memory_trim();
}

uint64_t pe_sink_queue_tick(void *userdata)
{
	struct pe_sink *sink = userdata;
	const uint64_t now_ns = pe_clock_monotonic_ns();
	const char *what;

	if (now_ns < sink->state_ns)
		return sink->state_ns;
	/* The outcome belongs to the request: a failure is one after that. */
	if (take_state(sink, &what) < 0)
		return PE_SINK_NEVER;
	sink->state_ns = pe_schedule_grid_ns(&sink->schedule, now_ns);
	return sink->state_ns;
}

void pe_sink_queue_deliver_last(struct pe_sink *sink, uint64_t deadline_ns)
{
	bool go_on = add_state(sink);

	sink->state_ns = PE_SINK_NEVER;
	while (go_on && sink->ops->pending(sink->self))
		go_on = send_one(sink,
				 pe_min_ns(deadline_ns, pe_clock_monotonic_ns() + sink->timeout_ns),
				 true);
	if (go_on)
		return;
	if (keep(sink))
		pe_sink_log_kept(&sink->log, sink->ops->address(sink->self), &sink->outcome);
	else
		pe_sink_log_last(&sink->log, sink->ops->address(sink->self), false, &sink->outcome);
}
