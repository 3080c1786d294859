/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread of a sink: when to deliver, what to do after a failure, how to stop.
 *
 * Invariants: one request at a time; the mutex is never held during one, nor while a snapshot is
 * taken; what is sent is the state of the moment, in a retry too. A peer that fails is left alone
 * for at least a second.
 *
 * A delivery that timed out without an answer may lie in a peer that hangs; were another one sent,
 * both would be taken up together when it goes on, and the older could come last. So the sink only
 * probes until there is an answer, and then gives the peer another pause to store what it had
 * before. At the end there is time to probe once: without an answer the last state is not sent,
 * which the peer could store before the older one; the series would go backwards, and stay there.
 * What finishes a sink is sent in any case: it leaves no state that a later one could be older
 * than.
 *
 * The mutex guards what is behind it in the structure, the thread owns the rest. The contract's
 * functions may be called from any thread.
 */
#include "sink_ops.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/thread.h"

#include "sink_inside.h"

#define GRACE_SHARE	   4 /* of the time to stop, for a delivery that is under way */
#define QUEUE_PAUSE_MAX_NS (60 * PE_NS_PER_S)
#define LAST_SHARES	   3 /* of what is left: to probe, to store what was sent before, to deliver */

static void cleanup_sink(struct pe_sink **sink)
{
	pe_sink_free(*sink);
}

static void cleanup_snapshot(struct pe_snapshot **snapshot)
{
	pe_snapshot_unref(*snapshot);
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / PE_NS_PER_S),
		.tv_nsec = (long)(ns % PE_NS_PER_S),
	};
}

void pe_sink_count(struct pe_sink *sink, uint64_t began_ns, bool delivered)
{
	const struct pe_outcome *outcome = &sink->outcome;
	uint64_t now_ns = pe_clock_monotonic_ns();

	pthread_mutex_lock(&sink->mutex);
	sink->sample.requests[outcome->result]++;
	pe_latency_observe(&sink->sample.duration, now_ns - began_ns);
	if (delivered) {
		sink->sample.last_success_ns = now_ns;
		sink->sample.reduced = outcome->reduced;
	}
	pthread_mutex_unlock(&sink->mutex);
}

/* ---- requests; each fills sink->outcome ---- */

void pe_sink_begin(struct pe_sink *sink)
{
	sink->outcome = (struct pe_outcome){ 0 };
}

/* Nothing was sent: memory or the like is short. */
void pe_sink_fail(struct pe_sink *sink, int error, const char *what)
{
	errno = -error;
	pe_outcome_fail(&sink->outcome, PE_SINK_NETWORK, error, "cannot %s the metrics: %m", what);
}

static void encode_and_send(struct pe_sink *sink, struct pe_snapshot *snapshot,
			    uint64_t deadline_ns)
{
	int r;

	pe_sink_begin(sink);
	r = sink->ops->encode(sink->self, snapshot);
	if (r < 0)
		pe_sink_fail(sink, r, "encode");
	else
		sink->ops->send(sink->self, deadline_ns, &sink->outcome);
}

static void deliver(struct pe_sink *sink, uint64_t deadline_ns)
{
	_cleanup_(cleanup_snapshot) struct pe_snapshot *snapshot = NULL;
	uint64_t began_ns = pe_clock_monotonic_ns();
	int r = sink->snapshot(&snapshot, sink->userdata);

	if (r < 0) {
		pe_sink_begin(sink);
		pe_sink_fail(sink, r, "take a snapshot of");
		pe_sink_count(sink, began_ns, false);
		return;
	}
	do {
		encode_and_send(sink, snapshot, deadline_ns);
		if (sink->outcome.cancelled)
			return;
		pe_sink_count(sink, began_ns, sink->outcome.result == PE_SINK_OK);
		began_ns = pe_clock_monotonic_ns();
	} while (sink->outcome.again);
}

/* False if the peer does not answer. */
static bool probe(struct pe_sink *sink, uint64_t deadline_ns)
{
	uint64_t began_ns = pe_clock_monotonic_ns();

	pe_sink_begin(sink);
	sink->ops->probe(sink->self, deadline_ns, &sink->outcome);
	if (sink->outcome.cancelled)
		return false;
	if (sink->outcome.result != PE_SINK_NETWORK)
		return true;
	pe_sink_count(sink, began_ns, false);
	return false;
}

static void set_doubt(struct pe_sink *sink)
{
	sink->doubtful = sink->ops->probe && sink->outcome.unanswered;
}

static void clean_up(struct pe_sink *sink, uint64_t deadline_ns)
{
	uint64_t began_ns = pe_clock_monotonic_ns();

	pe_sink_begin(sink);
	if (!sink->ops->clean_up || !sink->ops->clean_up(sink->self, deadline_ns, &sink->outcome))
		return;
	set_doubt(sink);
	if (!sink->outcome.cancelled)
		pe_sink_count(sink, began_ns, false);
}

/* ---- the thread ---- */

static const char *address(const struct pe_sink *sink)
{
	return sink->ops->address(sink->self);
}

static void report_failure(struct pe_sink *sink)
{
	pe_sink_log_failure(&sink->log, address(sink), &sink->outcome, sink->schedule.next_ns);
}

/* Probes instead of delivering, as long as the peer owes an answer. */
static void await_answer(struct pe_sink *sink, uint64_t deadline_ns)
{
	if (probe(sink, deadline_ns)) {
		sink->doubtful = false;
		pe_schedule_pause(&sink->schedule, pe_clock_monotonic_ns());
	} else if (!sink->outcome.cancelled) {
		pe_schedule_next(&sink->schedule, sink->outcome.result);
		report_failure(sink);
	}
}

bool pe_sink_prepare(struct pe_sink *sink)
{
	bool reload;

	pthread_mutex_lock(&sink->mutex);
	reload = sink->reload;
	sink->reload = false;
	pthread_mutex_unlock(&sink->mutex);
	if (sink->ops->prepare)
		sink->ops->prepare(sink->self, reload);
	return reload;
}

bool pe_sink_is_stopping(struct pe_sink *sink)
{
	bool stop;

	pthread_mutex_lock(&sink->mutex);
	stop = sink->stop;
	pthread_mutex_unlock(&sink->mutex);
	return stop;
}

bool pe_sink_has_reload(struct pe_sink *sink)
{
	bool reload;

	pthread_mutex_lock(&sink->mutex);
	reload = sink->reload;
	pthread_mutex_unlock(&sink->mutex);
	return reload;
}

static void deliver_on_schedule(struct pe_sink *sink)
{
	uint64_t deadline_ns = add_saturated(pe_clock_monotonic_ns(), sink->timeout_ns);

	if (sink->ops->queues) {
		pe_sink_queue_deliver(sink);
		return;
	}
	if (sink->doubtful) {
		await_answer(sink, deadline_ns);
		return;
	}
	pe_sink_prepare(sink);
	deliver(sink, deadline_ns);
	set_doubt(sink);
	if (sink->outcome.cancelled)
		return;
	pe_schedule_next(&sink->schedule, sink->outcome.result);
	if (sink->outcome.result != PE_SINK_OK) {
		report_failure(sink);
		return;
	}
	pe_sink_log_success(&sink->log, address(sink));
	clean_up(sink, deadline_ns);
}

/*
 * Lets the peer store what it has not answered, as far as there is time for it. False if it does
 * not answer now either.
 */
static bool await_unanswered(struct pe_sink *sink)
{
	uint64_t began_ns = pe_clock_monotonic_ns();
	uint64_t share_ns = sink->stop_deadline_ns > began_ns
				    ? (sink->stop_deadline_ns - began_ns) / LAST_SHARES
				    : 0;
	struct timespec until;

	if (!probe(sink, began_ns + share_ns))
		return false;
	until = timespec_of(pe_clock_monotonic_ns() +
			    pe_min_ns(share_ns, pe_schedule_pause_ns(&sink->schedule)));
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
	return true;
}

static void finish(struct pe_sink *sink, uint64_t deadline_ns)
{
	uint64_t began_ns = pe_clock_monotonic_ns();

	pe_sink_begin(sink);
	sink->ops->finish(sink->self, deadline_ns, &sink->outcome);
	if (!sink->outcome.cancelled)
		pe_sink_count(sink, began_ns, false);
}

static void deliver_last(struct pe_sink *sink)
{
	bool answers = true, finishes = sink->last == PE_SINK_LAST_FINISH;
	uint64_t deadline_ns;

	if (sink->last == PE_SINK_LAST_NOTHING)
		return;
	sink->ops->cancel(sink->self, sink->stop_deadline_ns);
	if (sink->ops->queues) {
		pe_sink_queue_deliver_last(sink, sink->stop_deadline_ns);
		return;
	}
	if (sink->doubtful)
		answers = await_unanswered(sink);
	deadline_ns = pe_min_ns(sink->stop_deadline_ns,
				add_saturated(pe_clock_monotonic_ns(), sink->timeout_ns));
	if (finishes) {
		finish(sink, deadline_ns);
	} else if (answers) {
		deliver(sink, deadline_ns);
	} else {
		pe_sink_log_withheld(&sink->log, address(sink), &sink->outcome);
		return;
	}
	if (sink->outcome.cancelled || sink->outcome.result != PE_SINK_OK)
		pe_sink_log_last(&sink->log, address(sink), finishes, &sink->outcome);
	else
		clean_up(sink, deadline_ns);
}

/* Waits for the next delivery; false when it is time to stop. */
static bool wait_until_due(struct pe_sink *sink)
{
	bool go;

	pthread_mutex_lock(&sink->mutex);
	while (!sink->stop) {
		uint64_t due_ns = pe_schedule_due_ns(&sink->schedule, sink->requested_ns);
		struct timespec due;

		if (sink->ops->queues)
			due_ns = sink->reload ? 0
					      : pe_min_ns(pe_min_ns(due_ns, sink->state_ns),
							  sink->watch_ns);
		due = timespec_of(due_ns);
		if (pe_clock_monotonic_ns() >= due_ns)
			break;
		pthread_cond_timedwait(&sink->wake, &sink->mutex, &due);
	}
	go = !sink->stop;
	/* Cleared before the snapshot is taken: a request that comes later is for a later state. */
	sink->requested_ns = PE_SINK_NEVER;
	pthread_mutex_unlock(&sink->mutex);
	return go;
}

static void *sink_thread(void *arg)
{
	struct pe_sink *sink = arg;

	while (wait_until_due(sink))
		deliver_on_schedule(sink);
	deliver_last(sink);
	return NULL;
}

/* ---- the contract ---- */

static int init_locks(struct pe_sink *sink)
{
	pthread_condattr_t attr;
	int r;

	r = pthread_mutex_init(&sink->mutex, NULL);
	if (r != 0)
		return -r;
	sink->mutex_ready = true;
	r = pthread_condattr_init(&attr);
	if (r != 0)
		return -r;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	r = pthread_cond_init(&sink->wake, &attr);
	pthread_condattr_destroy(&attr);
	sink->wake_ready = r == 0;
	return -r;
}

int pe_sink_new(const struct pe_sink_options *options, void *self, struct pe_sink **ret_sink)
{
	_cleanup_(cleanup_sink) struct pe_sink *sink = calloc(1, sizeof(*sink));
	int r;

	if (!sink)
		return -ENOMEM;
	sink->ops = options->ops;
	sink->log.ops = options->ops;
	sink->snapshot = options->snapshot;
	sink->userdata = options->userdata;
	sink->timeout_ns = options->timeout_ns;
	sink->last = options->last;
	pe_schedule_init(&sink->schedule, options->interval_ns);
	if (sink->ops->queues)
		pe_schedule_shift(&sink->schedule, options->phase_ns, QUEUE_PAUSE_MAX_NS);
	sink->state_ns = sink->schedule.start_ns;
	sink->watch_ns = PE_SINK_NEVER;
	sink->requested_ns = PE_SINK_NEVER;
	sink->sample.enabled = true;
	sink->sample.interval_ns = options->interval_ns;
	r = init_locks(sink);
	if (r < 0)
		return r;
	/* Before the thread, which uses it; taken back if there is none. */
	sink->self = self;
	if (sink->ops->set_tick)
		sink->ops->set_tick(self, pe_sink_queue_tick, sink);
	/* Its signals are blocked: SIGPIPE, too, which a TLS library may raise. */
	r = pe_thread_new(&sink->thread, options->ops->thread, sink_thread, sink);
	if (r < 0) {
		sink->self = NULL;
		return r;
	}
	sink->thread_ready = true;
	*ret_sink = PE_TAKE_PTR(sink);
	return 0;
}

static void begin_stop(struct pe_sink *sink, uint64_t now_ns, uint64_t timeout_ns)
{
	/*
	 * A delivery under way gets a share of the time: cut off after it was sent, the peer may
	 * still store it, and later than what follows. With nothing to follow it ends at once.
	 */
	uint64_t grace_ns = sink->last == PE_SINK_LAST_NOTHING ? 0 : timeout_ns / GRACE_SHARE;

	pthread_mutex_lock(&sink->mutex);
	sink->stop = true;
	sink->stop_deadline_ns = add_saturated(now_ns, timeout_ns);
	/* Under the lock: the thread takes the limit back once it has seen `stop`. */
	sink->ops->cancel(sink->self, add_saturated(now_ns, grace_ns));
	pthread_cond_signal(&sink->wake);
	pthread_mutex_unlock(&sink->mutex);
}

void pe_sinks_stop(struct pe_sink *const sinks[], size_t count, uint64_t timeout_ns)
{
	uint64_t now_ns = pe_clock_monotonic_ns();

	for (size_t i = 0; i < count; i++) {
		if (sinks[i] && sinks[i]->thread_ready)
			begin_stop(sinks[i], now_ns, timeout_ns);
	}
	for (size_t i = 0; i < count; i++) {
		if (!sinks[i] || !sinks[i]->thread_ready)
			continue;
		pthread_join(sinks[i]->thread, NULL);
		sinks[i]->thread_ready = false;
	}
}

struct pe_sink *pe_sink_free(struct pe_sink *sink)
{
	if (!sink)
		return NULL;
	pe_sinks_stop(&sink, 1, 0);
	if (sink->self)
		sink->ops->free(sink->self);
	if (sink->wake_ready)
		pthread_cond_destroy(&sink->wake);
	if (sink->mutex_ready)
		pthread_mutex_destroy(&sink->mutex);
	free(sink);
	return NULL;
}

void pe_sink_request(struct pe_sink *sink, uint64_t delay_ns)
{
	uint64_t at_ns;

	if (!sink)
		return;
	at_ns = add_saturated(pe_clock_monotonic_ns(), delay_ns);
	pthread_mutex_lock(&sink->mutex);
	if (at_ns < sink->requested_ns) {
		sink->requested_ns = at_ns;
		pthread_cond_signal(&sink->wake);
	}
	pthread_mutex_unlock(&sink->mutex);
}

void pe_sink_reload(struct pe_sink *sink)
{
	if (!sink)
		return;
	pthread_mutex_lock(&sink->mutex);
	sink->reload = true;
	pthread_mutex_unlock(&sink->mutex);
	pe_sink_request(sink, 0);
}

void pe_sink_get_stats(const struct pe_sink *sink, struct pe_sink_sample *ret_sample)
{
	/* A lock is no part of what the caller sees change. */
	pthread_mutex_t *mutex = (pthread_mutex_t *)&sink->mutex;

	pthread_mutex_lock(mutex);
	*ret_sample = sink->sample;
	pthread_mutex_unlock(mutex);
	if (sink->ops->sample)
		sink->ops->sample(sink->self, ret_sample);
}
