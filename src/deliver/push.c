/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The push thread: when to push, what to do after a failure, how to stop.
 *
 * Invariants: one request at a time; the mutex is never held during one, nor while a snapshot is
 * taken; what is sent is the state of the moment, in a retry too. A gateway that fails is left
 * alone for at least a second.
 *
 * A push that timed out without an answer may lie in a gateway that hangs; were another one sent,
 * both would be taken up together when it goes on, and the older could come last. So it is only
 * asked whether it answers until it does, and gets another pause to store what it had before. At
 * the end there is time to ask once: without an answer the last state is not sent, which the
 * gateway could store before the older one; the series would go backwards, and stay there. A last
 * DELETE is sent in any case: it leaves no state that a later one could be older than.
 *
 * A gateway refuses what contradicts the types of others' series, and the names of the legacy
 * metrics may be others' as well. A refusal for them must not cost the rest, so a push that is
 * answered 400 is repeated without them, and they are tried again now and then.
 *
 * The thread owns `request` and what says so; the mutex guards the rest. The contract's functions
 * may be called from any thread.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/log.h"
#include "pe/push.h"
#include "pe/thread.h"

#include "push_group.h"
#include "push_request.h"
#include "push_schedule.h"

#define NEVER		 UINT64_MAX
#define HTTP_BAD_REQUEST 400
#define GRACE_SHARE	 4 /* of the time to stop, for a push that is under way */
/* Until the legacy metrics are tried again. */
#define LEGACY_PAUSE_NS (15 * 60 * PE_NS_PER_S)
#define LAST_SHARES	3 /* of what is left: to ask, to store what was sent before, to push */

static const char subsystem[] = "push";

struct pe_push {
	struct pe_request *request;
	struct pe_push_group group; /* of the thread alone */
	int (*snapshot)(struct pe_snapshot **ret_snapshot, void *userdata);
	void *userdata;
	struct pe_push_schedule schedule; /* of the thread alone */
	uint64_t timeout_ns;
	enum pe_push_exit on_exit;

	pthread_t thread;
	bool thread_ready;

	/* What --metrics.legacy adds, of the thread alone. */
	bool legacy;		  /* wanted */
	bool legacy_refused;	  /* the gateway takes the rest alone */
	uint64_t legacy_after_ns; /* when to try them again */

	/* The failure that was logged last, of the thread alone. */
	bool succeeded;	    /* at least once */
	uint64_t failures;  /* in a row */
	uint64_t failed_ns; /* the first of them */
	enum pe_push_result failed_result;
	int failed_code;
	bool doubtful;		   /* a push had no answer, and may still arrive */
	struct pe_outcome outcome; /* here because it is large for a stack */

	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool mutex_ready;
	bool wake_ready;
	bool stop;
	bool reload; /* see pe_push_reload() */
	uint64_t stop_deadline_ns;
	uint64_t requested_ns;
	struct pe_push_sample sample;
};

static void cleanup_push(struct pe_push **push)
{
	pe_push_free(*push, 0);
}

static void cleanup_snapshot(struct pe_snapshot **snapshot)
{
	pe_snapshot_unref(*snapshot);
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
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

/* ---- what is said ---- */

static double seconds(uint64_t ns)
{
	return (double)ns / (double)PE_NS_PER_S;
}

static void report_success(struct pe_push *push)
{
	const char *url = pe_request_url(push->request);

	if (push->failures > 0)
		pe_info(subsystem, "push to %s works again after %llu failures in %.1f s", url,
			(unsigned long long)push->failures,
			seconds(pe_clock_monotonic_ns() - push->failed_ns));
	else if (!push->succeeded)
		pe_info(subsystem, "first push to %s accepted", url);
	push->succeeded = true;
	push->failures = 0;
}

/* Once for each kind of failure in a row; the others can be seen in the metrics. */
static void report_failure(struct pe_push *push)
{
	const struct pe_outcome *outcome = &push->outcome;
	bool changed = push->failures == 0 || push->failed_result != outcome->result ||
		       push->failed_code != outcome->code;
	uint64_t now_ns = pe_clock_monotonic_ns();

	if (push->failures++ == 0)
		push->failed_ns = now_ns;
	push->failed_result = outcome->result;
	push->failed_code = outcome->code;
	/* What the peer wrote comes last: a long line is cut at its end. */
	pe_log(changed ? PE_LOG_WARN : PE_LOG_DEBUG, subsystem,
	       "push to %s failed, the gateway keeps the previous state, next attempt in %.1f s: "
	       "%s",
	       pe_request_url(push->request),
	       seconds(push->schedule.next_ns - min_u64(push->schedule.next_ns, now_ns)),
	       outcome->reason);
}

static void count(struct pe_push *push, uint64_t began_ns, bool delivered)
{
	const struct pe_outcome *outcome = &push->outcome;
	uint64_t took_ns = pe_clock_monotonic_ns() - began_ns;

	pthread_mutex_lock(&push->mutex);
	push->sample.requests[outcome->result]++;
	pe_latency_observe(&push->sample.duration, took_ns);
	if (delivered)
		push->sample.last_success_ns = pe_clock_monotonic_ns();
	pthread_mutex_unlock(&push->mutex);
}

/* ---- the thread ---- */

static void put(struct pe_push *push, struct pe_snapshot *snapshot, bool legacy, uint64_t began_ns,
		uint64_t deadline_ns)
{
	pe_request_put(push->request, snapshot, legacy, deadline_ns, &push->outcome);
	if (!push->outcome.cancelled)
		count(push, began_ns, push->outcome.result == PE_PUSH_OK);
}

static void set_legacy_refused(struct pe_push *push, bool refused)
{
	push->legacy_refused = refused;
	pthread_mutex_lock(&push->mutex);
	push->sample.legacy_refused = refused;
	pthread_mutex_unlock(&push->mutex);
}

/* After a push with the legacy metrics: if they may be why it was refused, one without them. */
static void judge_legacy(struct pe_push *push, struct pe_snapshot *snapshot, uint64_t deadline_ns)
{
	struct pe_outcome *outcome = &push->outcome;
	_cleanup_free_ char *reason = NULL;

	if (outcome->result == PE_PUSH_OK && push->legacy_refused && !outcome->cancelled) {
		pe_info(subsystem, "%s takes the series of --metrics.legacy again",
			pe_request_url(push->request));
		set_legacy_refused(push, false);
	}
	if (outcome->result != PE_PUSH_REJECTED || outcome->code != HTTP_BAD_REQUEST)
		return;
	reason = strdup(outcome->reason);
	put(push, snapshot, false, pe_clock_monotonic_ns(), deadline_ns);
	if (outcome->cancelled || outcome->result != PE_PUSH_OK)
		return;
	push->legacy_after_ns = pe_clock_monotonic_ns() + LEGACY_PAUSE_NS;
	if (!push->legacy_refused)
		pe_warn(subsystem,
			"%s refuses the series of --metrics.legacy: pushing without them, and "
			"trying again every %llu minutes: %s",
			pe_request_url(push->request),
			(unsigned long long)(LEGACY_PAUSE_NS / PE_NS_PER_S / 60),
			reason ? reason : "out of memory");
	set_legacy_refused(push, true);
}

/* Fills push->outcome. */
static void put_now(struct pe_push *push, uint64_t deadline_ns)
{
	_cleanup_(cleanup_snapshot) struct pe_snapshot *snapshot = NULL;
	uint64_t began_ns = pe_clock_monotonic_ns();
	bool legacy = push->legacy && began_ns >= push->legacy_after_ns;
	int r;

	r = push->snapshot(&snapshot, push->userdata);
	if (r < 0) {
		push->outcome = (struct pe_outcome){ .result = PE_PUSH_NETWORK, .code = r };
		errno = -r;
		snprintf(push->outcome.reason, sizeof(push->outcome.reason),
			 "cannot take a snapshot of the metrics: %m");
		count(push, began_ns, false);
		return;
	}
	put(push, snapshot, legacy, began_ns, deadline_ns);
	if (legacy)
		judge_legacy(push, snapshot, deadline_ns);
}

/* Sends nothing; any answer will do. */
static void ask_whether_it_answers(struct pe_push *push, uint64_t deadline_ns)
{
	uint64_t began_ns = pe_clock_monotonic_ns();
	struct pe_outcome *outcome = &push->outcome;

	pe_request_probe(push->request, deadline_ns, outcome);
	if (outcome->cancelled)
		return;
	if (outcome->result == PE_PUSH_NETWORK) {
		count(push, began_ns, false);
		pe_push_schedule_next(&push->schedule, outcome->result);
		report_failure(push);
		return;
	}
	push->doubtful = false;
	pe_push_schedule_pause(&push->schedule, pe_clock_monotonic_ns());
}

/* What was pushed under the name before must not stay beside it. */
static void leave_old_group(struct pe_push *push, uint64_t deadline_ns)
{
	uint64_t began_ns = pe_clock_monotonic_ns();
	struct pe_outcome *outcome = &push->outcome;

	if (!pe_push_group_leave(&push->group, push->request, deadline_ns, outcome))
		return;
	/* It could come after a push to that group, if the host gets its name back. */
	push->doubtful = outcome->unanswered;
	if (!outcome->cancelled)
		count(push, began_ns, false);
}

/* What was asked for by pe_push_reload(), and may come by itself. */
static void follow_host(struct pe_push *push)
{
	bool reload;

	pthread_mutex_lock(&push->mutex);
	reload = push->reload;
	push->reload = false;
	pthread_mutex_unlock(&push->mutex);
	if (reload)
		push->legacy_after_ns = 0;
	pe_push_group_follow(&push->group, push->request, reload);
}

static void push_once(struct pe_push *push)
{
	uint64_t deadline_ns = add_saturated(pe_clock_monotonic_ns(), push->timeout_ns);

	if (push->doubtful) {
		ask_whether_it_answers(push, deadline_ns);
		return;
	}
	follow_host(push);
	put_now(push, deadline_ns);
	push->doubtful = push->outcome.unanswered;
	if (push->outcome.cancelled)
		return;
	pe_push_schedule_next(&push->schedule, push->outcome.result);
	if (push->outcome.result != PE_PUSH_OK) {
		report_failure(push);
		return;
	}
	report_success(push);
	leave_old_group(push, deadline_ns);
}

/*
 * Lets the gateway store what it has not answered, as far as there is time for it. False if it does
 * not answer now either.
 */
static bool settle_doubt(struct pe_push *push)
{
	uint64_t began_ns = pe_clock_monotonic_ns();
	uint64_t share_ns = push->stop_deadline_ns > began_ns
				    ? (push->stop_deadline_ns - began_ns) / LAST_SHARES
				    : 0;
	uint64_t until_ns;
	struct timespec until;

	pe_request_probe(push->request, began_ns + share_ns, &push->outcome);
	if (push->outcome.cancelled)
		return false;
	if (push->outcome.result == PE_PUSH_NETWORK) {
		count(push, began_ns, false);
		return false;
	}
	until_ns = pe_clock_monotonic_ns() +
		   min_u64(share_ns, pe_push_schedule_pause_ns(&push->schedule));
	until = timespec_of(until_ns);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
	return true;
}

static void push_last(struct pe_push *push)
{
	bool delete = push->on_exit == PE_PUSH_EXIT_DELETE, answers = true;
	uint64_t began_ns, deadline_ns;

	if (push->on_exit == PE_PUSH_EXIT_NONE)
		return;
	pe_request_cancel(push->request, push->stop_deadline_ns);
	if (push->doubtful)
		answers = settle_doubt(push);
	began_ns = pe_clock_monotonic_ns();
	deadline_ns = min_u64(push->stop_deadline_ns, add_saturated(began_ns, push->timeout_ns));
	if (delete) {
		pe_request_delete(push->request, deadline_ns, &push->outcome);
		count(push, began_ns, false);
	} else if (answers) {
		put_now(push, deadline_ns);
	}
	if (!delete &&!answers)
		pe_warn(subsystem,
			"last push of %s is not sent: the gateway does not answer, and could store "
			"one that it has not answered either after it: %s",
			pe_request_url(push->request),
			push->outcome.cancelled ? "no time left" : push->outcome.reason);
	else if (push->outcome.cancelled || push->outcome.result != PE_PUSH_OK)
		pe_warn(subsystem, "last %s of %s failed, the gateway keeps the previous state: %s",
			delete ? "delete" : "push", pe_request_url(push->request),
			push->outcome.cancelled ? "no time left" : push->outcome.reason);
	else
		leave_old_group(push, deadline_ns);
}

/* Waits for the next push; false when it is time to stop. */
static bool wait_until_due(struct pe_push *push)
{
	bool go;

	pthread_mutex_lock(&push->mutex);
	while (!push->stop) {
		uint64_t due_ns = max_u64(min_u64(push->schedule.next_ns, push->requested_ns),
					  push->schedule.not_before_ns);
		struct timespec due = timespec_of(due_ns);

		if (pe_clock_monotonic_ns() >= due_ns)
			break;
		pthread_cond_timedwait(&push->wake, &push->mutex, &due);
	}
	go = !push->stop;
	/* Cleared before the snapshot is taken: a request that comes later is for a later state. */
	push->requested_ns = NEVER;
	pthread_mutex_unlock(&push->mutex);
	return go;
}

static void *push_thread(void *arg)
{
	struct pe_push *push = arg;

	while (wait_until_due(push))
		push_once(push);
	push_last(push);
	return NULL;
}

static int start_thread(struct pe_push *push)
{
	/* Its signals are blocked: SIGPIPE, too, which a TLS library may raise. */
	int r = pe_thread_new(&push->thread, "pe-push", push_thread, push);

	push->thread_ready = r == 0;
	return r;
}

/* ---- the contract ---- */

static int init_locks(struct pe_push *push)
{
	pthread_condattr_t attr;
	int r;

	r = pthread_mutex_init(&push->mutex, NULL);
	if (r != 0)
		return -r;
	push->mutex_ready = true;
	r = pthread_condattr_init(&attr);
	if (r != 0)
		return -r;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	r = pthread_cond_init(&push->wake, &attr);
	pthread_condattr_destroy(&attr);
	push->wake_ready = r == 0;
	return -r;
}

int pe_push_new(const struct pe_push_options *options, struct pe_push **ret_push)
{
	_cleanup_(cleanup_push) struct pe_push *push = NULL;
	char error[256];
	int r;

	r = pe_push_check(options, error, sizeof(error));
	if (r < 0)
		return r;
	push = calloc(1, sizeof(*push));
	if (!push)
		return -ENOMEM;
	push->snapshot = options->snapshot;
	push->userdata = options->userdata;
	push->timeout_ns = options->timeout_ns;
	push->on_exit = options->on_exit;
	push->legacy = options->legacy;
	pe_push_schedule_init(&push->schedule, options->interval_ns);
	push->requested_ns = NEVER;
	push->sample.enabled = true;
	pe_push_group_init(&push->group, options);
	r = init_locks(push);
	if (r == 0)
		r = pe_request_new(options, &push->request);
	if (r == 0)
		r = start_thread(push);
	if (r < 0)
		return r;
	*ret_push = PE_TAKE_PTR(push);
	return 0;
}

static void stop_thread(struct pe_push *push, uint64_t timeout_ns)
{
	uint64_t now_ns = pe_clock_monotonic_ns();
	/*
	 * A push under way gets a share of the time: cut off after it was sent, the gateway may
	 * still store it, and later than what follows. With nothing to follow it ends at once.
	 */
	uint64_t grace_ns = push->on_exit == PE_PUSH_EXIT_NONE ? 0 : timeout_ns / GRACE_SHARE;

	pthread_mutex_lock(&push->mutex);
	push->stop = true;
	push->stop_deadline_ns = add_saturated(now_ns, timeout_ns);
	/* Under the lock: the thread takes the limit back once it has seen `stop`. */
	pe_request_cancel(push->request, add_saturated(now_ns, grace_ns));
	pthread_cond_signal(&push->wake);
	pthread_mutex_unlock(&push->mutex);
	pthread_join(push->thread, NULL);
	push->thread_ready = false;
}

void pe_push_stop(struct pe_push *push, uint64_t timeout_ns)
{
	if (push && push->thread_ready)
		stop_thread(push, timeout_ns);
}

struct pe_push *pe_push_free(struct pe_push *push, uint64_t timeout_ns)
{
	if (!push)
		return NULL;
	pe_push_stop(push, timeout_ns);
	pe_request_free(push->request);
	pe_push_group_fini(&push->group);
	if (push->wake_ready)
		pthread_cond_destroy(&push->wake);
	if (push->mutex_ready)
		pthread_mutex_destroy(&push->mutex);
	free(push);
	return NULL;
}

void pe_push_request(struct pe_push *push, uint64_t delay_ns)
{
	uint64_t at_ns;

	if (!push)
		return;
	at_ns = add_saturated(pe_clock_monotonic_ns(), delay_ns);
	pthread_mutex_lock(&push->mutex);
	if (at_ns < push->requested_ns) {
		push->requested_ns = at_ns;
		pthread_cond_signal(&push->wake);
	}
	pthread_mutex_unlock(&push->mutex);
}

void pe_push_reload(struct pe_push *push)
{
	if (!push)
		return;
	pthread_mutex_lock(&push->mutex);
	push->reload = true;
	pthread_mutex_unlock(&push->mutex);
	pe_push_request(push, 0);
}

void pe_push_get_stats(const struct pe_push *push, struct pe_push_sample *ret_sample)
{
	/* A lock is no part of what the caller sees change. */
	pthread_mutex_t *mutex = push ? (pthread_mutex_t *)&push->mutex : NULL;

	if (!push) {
		*ret_sample = (struct pe_push_sample){ 0 };
		return;
	}
	pthread_mutex_lock(mutex);
	*ret_sample = push->sample;
	pthread_mutex_unlock(mutex);
}
