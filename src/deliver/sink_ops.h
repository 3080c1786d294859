/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a kind of sink is made of: a protocol under the schedule of sink.c.
 *
 * All but `cancel` are called by the sink's thread alone, one at a time. `send`, `probe`,
 * `clean_up` and `finish` each make one request; they fill an outcome that is zeroed, and the
 * schedule counts it. They block until there is an answer, the deadline (CLOCK_MONOTONIC) or a
 * cancellation.
 */
#ifndef PE_DELIVER_SINK_OPS_H
#define PE_DELIVER_SINK_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "pe/sample.h"
#include "pe/sink.h"

#include "outcome.h"

#define PE_SINK_NEVER UINT64_MAX

struct pe_sink_ops {
	/* Words for logs and the thread. */
	const char *subsystem;
	const char *thread;
	const char *delivery; /* "push" */
	const char *peer;     /* "gateway" */
	const char *finish_name;

	/* Where it delivers to, for logs: no credentials. Lives until the next call of `prepare`.
	 */
	const char *(*address)(void *self);

	/* Before each delivery but the last, with nothing of an earlier one under way: reads
	 * what may have changed, all of it on `reload`. May be NULL. */
	void (*prepare)(void *self, bool reload);

	/*
	 * What was made of a snapshot is sent until it arrives, the same bytes each time, also when
	 * there are newer ones: `encode` adds to what there is, which `send` sends. A snapshot is
	 * taken each interval, whatever happened to earlier ones, and not for a retry. After
	 * successes `send` is called until nothing is pending.
	 */
	bool queues;
	/* Whether there is something to send. Only with `queues`. */
	bool (*pending)(void *self);
	/* Puts what waits where it outlives the exporter, if there is such a place. Called when
	 * sending fails, for each state that comes behind a backlog, and at the end. True if
	 * nothing would be lost. May be NULL. */
	bool (*keep)(void *self);
	/* Whether what the last outcome is held for may have been put right. Called each second
	 * then. May be NULL. */
	bool (*mended)(void *self);
	/* Before the first request: has `tick` called while a request waits for the peer, at once
	 * and at the time (monotonic) that it returns. `encode` is called by that. NULL: states are
	 * taken between requests alone. */
	void (*set_tick)(void *self, uint64_t (*tick)(void *userdata), void *userdata);
	/* What its statistics have beside those of requests. May be NULL. */
	void (*sample)(void *self, struct pe_sink_sample *sample);

	/* Makes of a snapshot what `send` sends. 0 or -errno. */
	int (*encode)(void *self, struct pe_snapshot *snapshot);

	/* Sends it. With `again` in the outcome, the same snapshot is encoded and sent once more.
	 */
	void (*send)(void *self, uint64_t deadline_ns, struct pe_outcome *outcome);

	/*
	 * Finds out whether the peer answers: anything but PE_SINK_NETWORK will do. Called instead
	 * of a delivery after a request without an answer, which the peer may still act on, until
	 * there is one. NULL if a later delivery may overtake an earlier one.
	 */
	void (*probe)(void *self, uint64_t deadline_ns, struct pe_outcome *outcome);

	/* After a delivery that succeeded: false if there is nothing to request. May be NULL. */
	bool (*clean_up)(void *self, uint64_t deadline_ns, struct pe_outcome *outcome);

	/* The end of a sink with PE_SINK_LAST_FINISH. */
	void (*finish)(void *self, uint64_t deadline_ns, struct pe_outcome *outcome);

	/* Makes any request end by `at_ns`, also the one under way, until it is called again. Any
	 * thread; never blocks. */
	void (*cancel)(void *self, uint64_t at_ns);

	void (*free)(void *self);
};

/* What a sink sends when it is stopped. */
enum pe_sink_last {
	PE_SINK_LAST_DELIVERY,
	PE_SINK_LAST_FINISH,
	PE_SINK_LAST_NOTHING,
};

struct pe_sink_options {
	const struct pe_sink_ops *ops;
	uint64_t interval_ns;
	uint64_t phase_ns;   /* until the first delivery, less than the interval */
	uint64_t timeout_ns; /* of a delivery */
	enum pe_sink_last last;
	int (*snapshot)(struct pe_snapshot **ret_snapshot, void *userdata);
	void *userdata;
};

/* Starts the thread; the first delivery is made at once. 0, and `self` belongs to the sink; or
 * -errno, and it stays the caller's. The caller owns *ret_sink. */
int pe_sink_new(const struct pe_sink_options *options, void *self, struct pe_sink **ret_sink);

#endif
