/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The schedule of a sink, with a clock, chance and a protocol that the test controls; its thread
 * and its locks are real.
 *
 * Time passes where the sink waits, and as long as a request of the script takes. The script says
 * how each request ends; behind its last step the peer stalls until the sink is stopped.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <cmocka.h>

#include "pe/clock.h"
#include "pe/log.h"

#include "../../src/deliver/schedule.h"
#include "../../src/deliver/sink_ops.h"

#define S	    PE_NS_PER_S
#define MS	    PE_NS_PER_MS
#define START_NS    (1000 * S)
#define INTERVAL_NS (15 * S)
#define TIMEOUT_NS  (10 * S)
#define STOP_NS	    (3 * S)
#define PATIENCE_S  20
#define CALLS_MAX   64

enum what { SEND, PROBE, CLEAN_UP, FINISH };

struct step {
	enum what what;
	enum pe_sink_result result;
	bool unanswered, again, reduced, given_up, held;
	uint64_t retry_after_ns;
	uint64_t took_ns;
	uint64_t request_ns[2]; /* of pe_sink_request() meanwhile, 0 for none */
	bool reload;		/* pe_sink_reload() meanwhile */
};

struct call {
	enum what what;
	uint64_t at_ns, deadline_ns;
	unsigned int snapshot; /* that was encoded last */
	bool reload;	       /* since the call before */
};

struct peer {
	struct pe_sink *sink;
	const struct step *steps, *last_steps; /* until it stalls, and then */
	size_t step_count, last_count, next;
	struct call calls[CALLS_MAX];
	size_t call_count;
	uint64_t cancels[CALLS_MAX];
	size_t cancel_count;
	unsigned int snapshots, encoded;
	bool reloaded;
	bool cleans_up;
	bool stalled_unanswered;
	int snapshot_error, encode_error; /* of the next one */
	bool freed;
	const struct pe_sink_ops *ops; /* NULL: `ops` */
	size_t waiting;		       /* of a sink that queues */
	unsigned int looks, mended_at;
	sem_t started, stalled, released;
};

/* ---- time, chance and the log ---- */

static uint64_t now_ns; /* atomic */
static uint64_t chance;
static bool hold_waits; /* atomic: waits last until somebody wakes the sink */
static sem_t held;
static unsigned int warnings, infos;
static char last_line[1024];

uint64_t __wrap_pe_clock_monotonic_ns(void);
ssize_t __wrap_getrandom(void *buf, size_t size, unsigned int flags);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
				  const struct timespec *until);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *until,
			   struct timespec *rest);
void __wrap_pe_log(enum pe_log_level level, const char *subsystem, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

uint64_t __wrap_pe_clock_monotonic_ns(void)
{
	return __atomic_load_n(&now_ns, __ATOMIC_ACQUIRE);
}

ssize_t __wrap_getrandom(void *buf, size_t size, unsigned int flags)
{
	(void)flags;
	assert_int_equal(size, sizeof(chance));
	memcpy(buf, &chance, size);
	return (ssize_t)size;
}

static void pass(uint64_t ns)
{
	__atomic_fetch_add(&now_ns, ns, __ATOMIC_ACQ_REL);
}

static void pass_until(const struct timespec *until)
{
	uint64_t ns = (uint64_t)until->tv_sec * S + (uint64_t)until->tv_nsec;

	if (ns > __wrap_pe_clock_monotonic_ns())
		__atomic_store_n(&now_ns, ns, __ATOMIC_RELEASE);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
				  const struct timespec *until)
{
	if (__atomic_load_n(&hold_waits, __ATOMIC_ACQUIRE)) {
		sem_post(&held);
		return pthread_cond_wait(cond, mutex);
	}
	pass_until(until);
	return ETIMEDOUT;
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *until,
			   struct timespec *rest)
{
	(void)clock;
	(void)flags;
	(void)rest;
	pass_until(until);
	return 0;
}

void __wrap_pe_log(enum pe_log_level level, const char *subsystem, const char *fmt, ...)
{
	va_list args;

	(void)subsystem;
	warnings += level == PE_LOG_WARN;
	infos += level == PE_LOG_INFO;
	if (level < PE_LOG_INFO)
		return;
	va_start(args, fmt);
	vsnprintf(last_line, sizeof(last_line), fmt, args);
	va_end(args);
}

/* ---- the peer ---- */

static void stall(struct peer *peer, struct pe_outcome *outcome)
{
	sem_post(&peer->stalled);
	sem_wait(&peer->released);
	outcome->cancelled = true;
	outcome->unanswered = peer->stalled_unanswered;
	peer->steps = peer->last_steps;
	peer->step_count = peer->last_count;
	peer->next = 0;
}

static void request(struct peer *peer, enum what what, uint64_t deadline_ns,
		    struct pe_outcome *outcome)
{
	const struct step *step;

	/* A step uses the sink. */
	if (peer->call_count == 0)
		sem_wait(&peer->started);
	if (peer->call_count < CALLS_MAX)
		peer->calls[peer->call_count++] = (struct call){
			.what = what,
			.at_ns = pe_clock_monotonic_ns() - START_NS,
			.deadline_ns = deadline_ns - START_NS,
			.snapshot = peer->encoded,
			.reload = peer->reloaded,
		};
	peer->reloaded = false;
	if (peer->next == peer->step_count) {
		stall(peer, outcome);
		return;
	}
	step = &peer->steps[peer->next++];
	for (int i = 0; i < 2; i++) {
		if (step->request_ns[i])
			pe_sink_request(peer->sink, step->request_ns[i]);
	}
	if (step->reload)
		pe_sink_reload(peer->sink);
	pass(step->took_ns);
	outcome->unanswered = step->unanswered;
	outcome->again = step->again;
	outcome->reduced = step->reduced;
	outcome->given_up = step->given_up;
	outcome->held = step->held;
	outcome->retry_after_ns = step->retry_after_ns;
	outcome->result = step->result;
	if (step->result != PE_SINK_OK)
		pe_outcome_fail(outcome, step->result, (int)step->result, "result %d",
				(int)step->result);
}

static const char *address(void *self)
{
	(void)self;
	return "http://peer";
}

static void prepare(void *self, bool reload)
{
	struct peer *peer = self;

	peer->reloaded |= reload;
}

static int encode(void *self, struct pe_snapshot *snapshot)
{
	struct peer *peer = self;
	int r = peer->encode_error;

	peer->encoded = (unsigned int)snapshot->taken_ns;
	peer->encode_error = 0;
	peer->waiting += r == 0;
	return r;
}

static void send_it(void *self, uint64_t deadline_ns, struct pe_outcome *outcome)
{
	struct peer *to = self;

	request(to, SEND, deadline_ns, outcome);
	if (!outcome->cancelled && !outcome->again &&
	    (outcome->result == PE_SINK_OK || outcome->given_up))
		to->waiting--;
	outcome->state_ended = to->waiting > 0;
}

static bool pending(void *self)
{
	const struct peer *to = self;

	return to->waiting > 0;
}

static bool mended(void *self)
{
	struct peer *to = self;

	return ++to->looks == to->mended_at;
}

static void probe(void *self, uint64_t deadline_ns, struct pe_outcome *outcome)
{
	request(self, PROBE, deadline_ns, outcome);
}

static bool clean_up(void *self, uint64_t deadline_ns, struct pe_outcome *outcome)
{
	struct peer *peer = self;

	if (!peer->cleans_up)
		return false;
	request(peer, CLEAN_UP, deadline_ns, outcome);
	return true;
}

static void finish(void *self, uint64_t deadline_ns, struct pe_outcome *outcome)
{
	request(self, FINISH, deadline_ns, outcome);
}

static void cancel(void *self, uint64_t at_ns)
{
	struct peer *peer = self;

	peer->cancels[peer->cancel_count++] = at_ns - START_NS;
	sem_post(&peer->released);
}

static void free_it(void *self)
{
	struct peer *peer = self;

	peer->freed = true;
}

static const struct pe_sink_ops ops = {
	.subsystem = "test",
	.thread = "pe-test",
	.delivery = "push",
	.peer = "gateway",
	.finish_name = "delete",
	.address = address,
	.prepare = prepare,
	.encode = encode,
	.send = send_it,
	.probe = probe,
	.clean_up = clean_up,
	.finish = finish,
	.cancel = cancel,
	.free = free_it,
};

static const struct pe_sink_ops queue_ops = {
	.subsystem = "test",
	.thread = "pe-test",
	.delivery = "write",
	.peer = "receiver",
	.address = address,
	.queues = true,
	.pending = pending,
	.mended = mended,
	.prepare = prepare,
	.encode = encode,
	.send = send_it,
	.cancel = cancel,
	.free = free_it,
};

static int snapshot(struct pe_snapshot **ret_snapshot, void *userdata)
{
	struct peer *peer = userdata;
	int r = peer->snapshot_error;

	peer->snapshots++;
	peer->snapshot_error = 0;
	if (r == 0)
		r = pe_snapshot_new(ret_snapshot);
	if (r == 0)
		(*ret_snapshot)->taken_ns = peer->snapshots;
	return r;
}

/* ---- a run ---- */

static struct peer peer;

static void init(struct peer *p)
{
	sem_init(&p->started, 0, 0);
	sem_init(&p->stalled, 0, 0);
	sem_init(&p->released, 0, 0);
}

static int setup(void **state)
{
	(void)state;
	memset(&peer, 0, sizeof(peer));
	init(&peer);
	sem_init(&held, 0, 0);
	now_ns = START_NS;
	chance = 0;
	hold_waits = false;
	warnings = infos = 0;
	return 0;
}

static void wait_for(sem_t *sem)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	if (sem_timedwait(sem, &until) < 0)
		fail_msg("the sink does not get there");
}

static void start(struct peer *p, enum pe_sink_last last)
{
	const struct pe_sink_options options = {
		.ops = p->ops ? p->ops : &ops,
		.interval_ns = INTERVAL_NS,
		.phase_ns = 4 * S, /* of those that queue */
		.timeout_ns = TIMEOUT_NS,
		.last = last,
		.snapshot = snapshot,
		.userdata = p,
	};

	assert_int_equal(pe_sink_new(&options, p, &p->sink), 0);
	sem_post(&p->started);
}

/* Runs all steps, then stops while the peer stalls. */
#define RUN(...)                                                                           \
	do {                                                                               \
		static const struct step steps[] = { __VA_ARGS__ };                        \
                                                                                           \
		run(steps, sizeof(steps) / sizeof(*steps), PE_SINK_LAST_NOTHING, NULL, 0); \
	} while (0)

static void run(const struct step *steps, size_t count, enum pe_sink_last last,
		const struct step *last_steps, size_t last_count)
{
	peer.steps = steps;
	peer.step_count = count;
	peer.last_steps = last_steps;
	peer.last_count = last_count;
	start(&peer, last);
	wait_for(&peer.stalled);
	pe_sinks_stop(&peer.sink, 1, STOP_NS);
}

/* The sink's end; what it has called has been checked. */
static int teardown(void **state)
{
	(void)state;
	assert_null(pe_sink_free(peer.sink));
	assert_true(peer.freed || !peer.sink);
	sem_destroy(&held);
	return 0;
}

static void assert_call(size_t index, enum what what, uint64_t at_ns)
{
	assert_true(index < peer.call_count);
	assert_int_equal(peer.calls[index].what, what);
	assert_int_equal(peer.calls[index].at_ns, at_ns);
}

static struct pe_sink_sample stats(void)
{
	struct pe_sink_sample sample;

	pe_sink_get_stats(peer.sink, &sample);
	return sample;
}

/* ---- when ---- */

static void test_grid(void **state)
{
	(void)state;
	/* One takes longer than an interval: what it has missed is not made up for. */
	RUN({ .took_ns = 3 * S }, { .took_ns = 20 * S }, { .took_ns = 1 * MS }, { 0 });
	assert_call(0, SEND, 0);
	assert_call(1, SEND, 15 * S);
	assert_call(2, SEND, 45 * S);
	assert_call(3, SEND, 60 * S);
	assert_call(4, SEND, 75 * S);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(peer.calls[i].deadline_ns, peer.calls[i].at_ns + TIMEOUT_NS);
		assert_int_equal(peer.calls[i].snapshot, i + 1);
	}
	assert_int_equal(stats().requests[PE_SINK_OK], 4);
	assert_int_equal(stats().last_success_ns, START_NS + 60 * S);
	assert_true(stats().enabled);
	assert_int_equal(infos, 1);
	assert_string_equal(last_line, "first push to http://peer accepted");
}

static uint64_t pause_after(unsigned int failures, uint64_t random)
{
	struct pe_schedule schedule;

	chance = random;
	pe_schedule_init(&schedule, INTERVAL_NS);
	for (unsigned int i = 0; i < failures; i++)
		pe_schedule_next(&schedule, i % 2 ? PE_SINK_SERVER : PE_SINK_NETWORK);
	/* Not even on request. */
	assert_int_equal(pe_schedule_due_ns(&schedule, now_ns), schedule.next_ns);
	return schedule.next_ns - now_ns;
}

static void test_back_off_begins_anew(void **state)
{
	static const enum pe_sink_result answers[] = { PE_SINK_OK, PE_SINK_REJECTED };
	struct pe_schedule schedule;

	(void)state;
	for (int i = 0; i < 2; i++) {
		pe_schedule_init(&schedule, INTERVAL_NS);
		for (int failures = 0; failures < 5; failures++)
			pe_schedule_next(&schedule, PE_SINK_NETWORK);
		pe_schedule_next(&schedule, answers[i]);
		/* Beyond the first ceiling, but not beyond a later one. */
		chance = S + 1;
		pe_schedule_next(&schedule, PE_SINK_NETWORK);
		assert_int_equal(schedule.next_ns - now_ns, S);
	}
}

/* Between a second and a ceiling that doubles up to the interval, whatever chance says. */
static void test_back_off(void **state)
{
	static const uint64_t ceilings[] = { 2 * S, 4 * S, 8 * S, 15 * S, 15 * S };
	uint64_t random = 1;

	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		uint64_t span = ceilings[i] - S, low = UINT64_MAX, high = 0;

		assert_int_equal(pause_after(i + 1, 0), S);
		assert_int_equal(pause_after(i + 1, span), ceilings[i]);
		assert_int_equal(pause_after(i + 1, span + 1), S);
		for (int draw = 0; draw < 200; draw++) {
			uint64_t pause = pause_after(i + 1, random);

			assert_in_range(pause, S, ceilings[i]);
			low = pause < low ? pause : low;
			high = pause > high ? pause : high;
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		}
		/* It uses all of that. */
		assert_true(low < S + span / 10 && high > ceilings[i] - span / 10);
	}
	/* However many doublings, nothing overflows. */
	for (unsigned int failures = 30; failures < 130; failures++)
		assert_int_equal(pause_after(failures, 14 * S), 15 * S);
}

static void test_back_off_ends_with_success(void **state)
{
	(void)state;
	chance = UINT64_C(500000000); /* half a second above the least */
	RUN({ .result = PE_SINK_NETWORK }, { .result = PE_SINK_NETWORK },
	    { .result = PE_SINK_SERVER, .took_ns = S }, { 0 }, { 0 });
	assert_call(0, SEND, 0);
	assert_call(1, SEND, 1500 * MS);
	assert_call(2, SEND, 3000 * MS);
	assert_call(3, SEND, 5500 * MS);
	/* The grid was not moved, and each attempt has the state of its moment. */
	assert_call(4, SEND, 15 * S);
	assert_call(5, SEND, 30 * S);
	assert_int_equal(peer.calls[3].snapshot, 4);
	assert_int_equal(stats().requests[PE_SINK_NETWORK], 2);
	assert_int_equal(stats().requests[PE_SINK_SERVER], 1);
	assert_int_equal(stats().requests[PE_SINK_OK], 2);
	/* Once for each kind. */
	assert_int_equal(warnings, 2);
	assert_string_equal(last_line, "push to http://peer works again after 3 failures in 5.5 s");
}

static void test_refusal_waits(void **state)
{
	(void)state;
	/* A request meanwhile brings nothing forward. */
	RUN({ .result = PE_SINK_REJECTED, .request_ns = { 1 * S } },
	    { .result = PE_SINK_REJECTED, .took_ns = 14500 * MS }, { 0 });
	assert_call(1, SEND, 15 * S);
	/* Half a second before the grid it still gets a pause. */
	assert_call(2, SEND, 30500 * MS);
	assert_call(3, SEND, 45 * S);
	assert_int_equal(warnings, 1);
	assert_string_equal(last_line, "push to http://peer works again after 2 failures in "
				       "30.5 s");
}

static void test_requests_join(void **state)
{
	(void)state;
	hold_waits = true;
	peer.steps = (const struct step[]){ { 0 }, { 0 }, { 0 } };
	peer.step_count = 3;
	start(&peer, PE_SINK_LAST_NOTHING);
	wait_for(&held);
	/* The earliest counts; later ones are in it. */
	pe_sink_request(peer.sink, 5 * S);
	wait_for(&held);
	pe_sink_request(peer.sink, 2 * S);
	wait_for(&held);
	pe_sink_request(peer.sink, 7 * S);
	__atomic_store_n(&hold_waits, false, __ATOMIC_RELEASE);
	pe_sink_request(peer.sink, 1 * S);
	wait_for(&peer.stalled);
	pe_sinks_stop(&peer.sink, 1, STOP_NS);
	assert_call(0, SEND, 0);
	assert_call(1, SEND, 1 * S);
	assert_call(2, SEND, 15 * S);
}

static void test_request_during_a_delivery(void **state)
{
	(void)state;
	/* What was requested before the snapshot is in it, what comes later is not. */
	RUN({ .request_ns = { 4 * S, 6 * S }, .took_ns = 2 * S },
	    { .request_ns = { 2 * S }, .took_ns = 5 * S }, { 0 });
	assert_call(1, SEND, 4 * S);
	assert_call(2, SEND, 9 * S);
	assert_call(3, SEND, 15 * S);
}

static void test_reload(void **state)
{
	(void)state;
	RUN({ .reload = true, .took_ns = S }, { 0 });
	assert_false(peer.calls[0].reload);
	assert_call(1, SEND, 1 * S);
	assert_true(peer.calls[1].reload);
	assert_call(2, SEND, 15 * S);
	assert_false(peer.calls[2].reload);
}

/* ---- what a request is followed by ---- */

/* Nothing newer is sent as long as the peer owes an answer. */
static void test_doubt(void **state)
{
	(void)state;
	RUN({ .result = PE_SINK_NETWORK, .unanswered = true, .took_ns = TIMEOUT_NS },
	    { .what = PROBE, .result = PE_SINK_NETWORK },
	    { .what = PROBE, .result = PE_SINK_SERVER }, { 0 });
	assert_call(1, PROBE, 11 * S);
	assert_call(2, PROBE, 12 * S);
	/* And a pause, in which it can store what it had. */
	assert_call(3, SEND, 13 * S);
	assert_int_equal(peer.snapshots, 3);
	/* A probe that is answered is no delivery. */
	assert_int_equal(stats().requests[PE_SINK_NETWORK], 2);
	assert_int_equal(stats().requests[PE_SINK_SERVER], 0);
	assert_int_equal(stats().requests[PE_SINK_OK], 1);
}

static void test_again(void **state)
{
	(void)state;
	RUN({ .result = PE_SINK_REJECTED, .again = true, .took_ns = S },
	    { .reduced = true, .took_ns = S }, { .result = PE_SINK_NETWORK });
	assert_call(1, SEND, 1 * S);
	/* The same state, within the same time. */
	assert_int_equal(peer.calls[1].snapshot, 1);
	assert_int_equal(peer.calls[1].deadline_ns, TIMEOUT_NS);
	assert_call(2, SEND, 15 * S);
	assert_int_equal(stats().requests[PE_SINK_REJECTED], 1);
	assert_int_equal(stats().requests[PE_SINK_OK], 1);
	/* What a failure says about it does not count. */
	assert_true(stats().reduced);
}

static void test_clean_up(void **state)
{
	(void)state;
	peer.cleans_up = true;
	RUN({ .took_ns = S }, { .what = CLEAN_UP, .result = PE_SINK_NETWORK, .unanswered = true },
	    { .what = PROBE }, { 0 }, { .what = CLEAN_UP });
	assert_call(1, CLEAN_UP, 1 * S);
	/* It shares the time of the delivery. */
	assert_int_equal(peer.calls[1].deadline_ns, TIMEOUT_NS);
	/* It may still arrive, too. */
	assert_call(2, PROBE, 15 * S);
	assert_call(3, SEND, 16 * S);
	assert_call(4, CLEAN_UP, 16 * S);
	assert_call(5, SEND, 30 * S);
	assert_int_equal(stats().last_success_ns, START_NS + 16 * S);
}

static void test_nothing_to_send(void **state)
{
	(void)state;
	peer.snapshot_error = -ENOMEM;
	peer.encode_error = -ENOMEM;
	RUN({ 0 });
	assert_call(0, SEND, 2 * S);
	assert_int_equal(peer.calls[0].snapshot, 3);
	assert_int_equal(stats().requests[PE_SINK_NETWORK], 2);
	assert_int_equal(warnings, 1);
}

/* ---- the end ---- */

#define STOP(last, ...)                                                                       \
	do {                                                                                  \
		static const struct step steps[] = { { 0 } }, last_steps[] = { __VA_ARGS__ }; \
                                                                                              \
		run(steps, 1, last, last_steps, sizeof(last_steps) / sizeof(*last_steps));    \
	} while (0)

/* All of these stop at the second delivery, which the peer does not answer. */
#define STOPPED_NS (15 * S)

static void test_stop_delivers(void **state)
{
	(void)state;
	STOP(PE_SINK_LAST_DELIVERY, { .took_ns = S });
	/* A quarter of the time for what is under way, then all of it for the last. */
	assert_int_equal(peer.cancel_count, 2);
	assert_int_equal(peer.cancels[0], STOPPED_NS + STOP_NS / 4);
	assert_int_equal(peer.cancels[1], STOPPED_NS + STOP_NS);
	assert_call(2, SEND, STOPPED_NS);
	assert_int_equal(peer.calls[2].deadline_ns, STOPPED_NS + STOP_NS);
	assert_int_equal(peer.calls[2].snapshot, 3);
	assert_int_equal(peer.call_count, 3);
	assert_int_equal(warnings, 0);
	/* What was cut off is neither success nor failure. */
	assert_int_equal(stats().requests[PE_SINK_OK], 2);
}

static void test_stop_without_a_word(void **state)
{
	(void)state;
	STOP(PE_SINK_LAST_NOTHING, { 0 });
	assert_int_equal(peer.cancels[0], STOPPED_NS);
	assert_int_equal(peer.call_count, 2);
}

static void test_stop_finishes(void **state)
{
	(void)state;
	STOP(PE_SINK_LAST_FINISH, { .what = FINISH, .result = PE_SINK_SERVER });
	assert_call(2, FINISH, STOPPED_NS);
	assert_int_equal(peer.calls[2].deadline_ns, STOPPED_NS + STOP_NS);
	assert_int_equal(peer.call_count, 3);
	assert_int_equal(peer.snapshots, 2);
	assert_string_equal(last_line, "last delete of http://peer failed, the gateway keeps the "
				       "previous state: result 3");
}

static void test_stop_in_doubt(void **state)
{
	(void)state;
	peer.stalled_unanswered = true;
	STOP(PE_SINK_LAST_DELIVERY, { .what = PROBE, .took_ns = 500 * MS }, { 0 });
	/* A third to probe, then a pause of a third at most, then what is left. */
	assert_call(2, PROBE, STOPPED_NS);
	assert_int_equal(peer.calls[2].deadline_ns, STOPPED_NS + STOP_NS / 3);
	assert_call(3, SEND, STOPPED_NS + 500 * MS + STOP_NS / 3);
	assert_int_equal(peer.calls[3].deadline_ns, STOPPED_NS + STOP_NS);
}

static void test_stop_withholds(void **state)
{
	(void)state;
	peer.stalled_unanswered = true;
	STOP(PE_SINK_LAST_DELIVERY, { .what = PROBE, .result = PE_SINK_NETWORK, .took_ns = S });
	assert_call(2, PROBE, STOPPED_NS);
	assert_int_equal(peer.call_count, 3);
	assert_int_equal(warnings, 1);
	assert_string_equal(last_line,
			    "last push of http://peer is not sent: the gateway does not answer, "
			    "and could store one that it has not answered either after it: "
			    "result 1");
}

/* What finishes is sent to a peer that hangs, too. */
static void test_stop_finishes_in_doubt(void **state)
{
	(void)state;
	peer.stalled_unanswered = true;
	STOP(PE_SINK_LAST_FINISH, { .what = PROBE, .result = PE_SINK_NETWORK, .took_ns = S },
	     { .what = FINISH });
	assert_call(3, FINISH, STOPPED_NS + S);
	assert_int_equal(peer.calls[3].deadline_ns, STOPPED_NS + STOP_NS);
	assert_int_equal(warnings, 0);
}

static void test_stop_while_it_waits(void **state)
{
	(void)state;
	hold_waits = true;
	peer.steps = (const struct step[]){ { 0 }, { 0 } };
	peer.step_count = 2;
	start(&peer, PE_SINK_LAST_DELIVERY);
	wait_for(&held);
	pe_sinks_stop(&peer.sink, 1, STOP_NS);
	assert_call(1, SEND, 0);
	assert_int_equal(peer.call_count, 2);
	/* A second time it does nothing. */
	pe_sinks_stop(&peer.sink, 1, STOP_NS);
	assert_int_equal(peer.call_count, 2);
}

/* A sink that stalls delays no other, nor the end of another. */
static void test_sinks_beside_each_other(void **state)
{
	static const struct step all_well[10];
	struct peer stalled = { 0 };
	struct pe_sink *sinks[3] = { 0 };
	struct pe_sink_sample sample;

	(void)state;
	init(&stalled);
	start(&stalled, PE_SINK_LAST_NOTHING);
	wait_for(&stalled.stalled);
	peer.steps = peer.last_steps = all_well;
	peer.step_count = 10;
	peer.last_count = 1;
	start(&peer, PE_SINK_LAST_DELIVERY);
	wait_for(&peer.stalled);
	assert_call(10, SEND, 150 * S);
	assert_int_equal(stalled.call_count, 1);
	sinks[0] = stalled.sink;
	sinks[2] = peer.sink;
	pe_sinks_stop(sinks, 3, STOP_NS);
	assert_int_equal(stalled.cancels[0], 150 * S);
	assert_int_equal(peer.cancels[0], 150 * S + STOP_NS / 4);
	assert_int_equal(stats().requests[PE_SINK_OK], 11);
	pe_sink_get_stats(stalled.sink, &sample);
	assert_int_equal(sample.requests[PE_SINK_OK], 0);
	pe_sink_free(stalled.sink);
}

/* ---- sinks that queue ---- */

/* States go on to be taken while the peer wants to be left alone, and all are sent
 * afterwards. */
static void test_queue(void **state)
{
	(void)state;
	peer.ops = &queue_ops;
	RUN({ .result = PE_SINK_SERVER, .retry_after_ns = 40 * S, .request_ns = { 2 * S } }, { 0 },
	    { 0 }, { 0 }, { 0 });
	assert_call(0, SEND, 4 * S);
	assert_int_equal(peer.calls[0].snapshot, 1);
	assert_int_equal(peer.calls[0].deadline_ns, 4 * S + TIMEOUT_NS);
	/* Those of 4, 19 and 34 s, at four times their pace. */
	assert_call(1, SEND, 44 * S);
	assert_call(2, SEND, 44 * S);
	assert_call(3, SEND, 47 * S + 750 * MS);
	for (size_t i = 1; i <= 3; i++)
		assert_int_equal(peer.calls[i].snapshot, 3);
	assert_call(4, SEND, 49 * S);
	assert_call(5, SEND, 64 * S);
	assert_int_equal(peer.calls[5].snapshot, 5);
	assert_int_equal(stats().requests[PE_SINK_SERVER], 1);
	assert_int_equal(stats().requests[PE_SINK_OK], 4);
	assert_int_equal(warnings, 1);
	assert_int_equal(infos, 1);
}

/* A retry sends what there is: no state is taken for it. */
static void test_queue_retries(void **state)
{
	(void)state;
	peer.ops = &queue_ops;
	RUN({ .result = PE_SINK_NETWORK }, { .result = PE_SINK_SERVER },
	    { .result = PE_SINK_NETWORK }, { 0 });
	for (size_t i = 0; i < 4; i++) {
		assert_call(i, SEND, (4 + i) * S);
		assert_int_equal(peer.calls[i].snapshot, 1);
	}
	assert_call(4, SEND, 19 * S);
	assert_string_equal(last_line,
			    "write to http://peer works again after 3 failures in 3.0 s");
}

static void test_queue_gives_up(void **state)
{
	(void)state;
	peer.ops = &queue_ops;
	RUN({ .result = PE_SINK_REJECTED, .given_up = true });
	assert_string_equal(last_line,
			    "write to http://peer refused, its samples are lost: result 2");
	assert_call(0, SEND, 4 * S);
	assert_call(1, SEND, 19 * S);
	assert_int_equal(peer.calls[1].snapshot, 2);
}

/* Who has put something right need not wait for the end of the hold. */
static void test_queue_reload(void **state)
{
	(void)state;
	peer.ops = &queue_ops;
	RUN({ .result = PE_SINK_REJECTED, .retry_after_ns = 60 * S, .reload = true }, { 0 });
	assert_call(1, SEND, 4 * S);
	assert_true(peer.calls[1].reload);
	assert_int_equal(peer.calls[1].snapshot, 1);
	assert_call(2, SEND, 19 * S);
}

static void test_queue_again(void **state)
{
	(void)state;
	peer.ops = &queue_ops;
	RUN({ .again = true }, { 0 }, { 0 });
	assert_call(1, SEND, 4 * S);
	assert_int_equal(peer.calls[1].snapshot, 1);
	assert_call(2, SEND, 19 * S);
	assert_int_equal(peer.snapshots, 3);
}

/* While it is held, each second is looked whether what it is for has changed; not afterwards. */
static void test_queue_mended(void **state)
{
	(void)state;
	peer.ops = &queue_ops;
	peer.mended_at = 3;
	RUN({ .result = PE_SINK_REJECTED, .retry_after_ns = 60 * S, .held = true }, { 0 }, { 0 });
	assert_call(0, SEND, 4 * S);
	assert_call(1, SEND, 7 * S);
	assert_call(2, SEND, 19 * S);
	assert_int_equal(peer.looks, 3);
}

/* The end has a state of its own, and sends it behind what waits. */
static void test_queue_last(void **state)
{
	static const struct step steps[] = { { 0 } }, last[] = { { 0 }, { 0 } };

	(void)state;
	peer.ops = &queue_ops;
	run(steps, 1, PE_SINK_LAST_DELIVERY, last, 2);
	assert_int_equal(peer.call_count, 4);
	assert_int_equal(peer.calls[1].snapshot, 2);
	for (size_t i = 2; i < 4; i++) {
		assert_call(i, SEND, 19 * S);
		assert_int_equal(peer.calls[i].snapshot, 3);
		assert_int_equal(peer.calls[i].deadline_ns, 19 * S + STOP_NS);
	}
	assert_int_equal(peer.waiting, 0);
	assert_int_equal(warnings, 0);
}

/* No state of an interval is lost to want of memory but the one that it was for. */
static void test_queue_memory(void **state)
{
	(void)state;
	peer.ops = &queue_ops;
	peer.encode_error = -ENOMEM;
	RUN({ 0 });
	assert_call(0, SEND, 19 * S);
	assert_int_equal(peer.calls[0].snapshot, 2);
	assert_int_equal(stats().requests[PE_SINK_NETWORK], 1);
}

/* Times of two states, and the zero between them, are different milliseconds. */
static void test_states_are_apart(void **state)
{
	const uint64_t last_ns = 1795910233 * S + 675999999;

	(void)state;
	assert_int_equal(pe_schedule_state_ns(S, 0, last_ns, 0), last_ns);
	/* Nearly an interval later, and what is not. */
	assert_int_equal(pe_schedule_state_ns(S, last_ns, last_ns + S - S / 100, S), last_ns + S);
	assert_int_equal(pe_schedule_state_ns(S, last_ns, last_ns + S + S / 100, S), last_ns + S);
	assert_int_equal(pe_schedule_state_ns(S, last_ns, last_ns + S / 2, S / 2), last_ns + S / 2);
	/* One that was late, and the next behind it; a clock that was set back. */
	for (int64_t after_ns = -(int64_t)S; after_ns < 2 * (int64_t)PE_NS_PER_MS;
	     after_ns += 100000) {
		const uint64_t next_ns = pe_schedule_state_ns(
			S, last_ns, last_ns + (uint64_t)after_ns, PE_NS_PER_MS / 10);

		assert_true((last_ns + PE_NS_PER_MS) / PE_NS_PER_MS < next_ns / PE_NS_PER_MS);
		assert_true(next_ns < last_ns + 3 * PE_NS_PER_MS);
	}
}

int main(void)
{
#define SINK_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		SINK_TEST(test_grid),
		SINK_TEST(test_back_off),
		SINK_TEST(test_back_off_begins_anew),
		SINK_TEST(test_back_off_ends_with_success),
		SINK_TEST(test_refusal_waits),
		SINK_TEST(test_requests_join),
		SINK_TEST(test_request_during_a_delivery),
		SINK_TEST(test_reload),
		SINK_TEST(test_doubt),
		SINK_TEST(test_again),
		SINK_TEST(test_clean_up),
		SINK_TEST(test_nothing_to_send),
		SINK_TEST(test_stop_delivers),
		SINK_TEST(test_stop_without_a_word),
		SINK_TEST(test_stop_finishes),
		SINK_TEST(test_stop_in_doubt),
		SINK_TEST(test_stop_withholds),
		SINK_TEST(test_stop_finishes_in_doubt),
		SINK_TEST(test_stop_while_it_waits),
		SINK_TEST(test_sinks_beside_each_other),
		SINK_TEST(test_queue),
		SINK_TEST(test_queue_retries),
		SINK_TEST(test_queue_gives_up),
		SINK_TEST(test_queue_reload),
		SINK_TEST(test_queue_again),
		SINK_TEST(test_queue_mended),
		SINK_TEST(test_queue_last),
		SINK_TEST(test_queue_memory),
		SINK_TEST(test_states_are_apart),
	};

	return cmocka_run_group_tests_name("sink", tests, NULL, NULL);
}
