/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of a sink's thread share; see sink.c. */
#ifndef PE_DELIVER_SINK_INSIDE_H
#define PE_DELIVER_SINK_INSIDE_H

#include <pthread.h>

#include "schedule.h"
#include "sink_log.h"
#include "sink_ops.h"

struct pe_sink {
	const struct pe_sink_ops *ops;
	void *self;
	int (*snapshot)(struct pe_snapshot **ret_snapshot, void *userdata);
	void *userdata;
	uint64_t timeout_ns;
	enum pe_sink_last last;
	struct pe_schedule schedule;

	struct pe_sink_log log;
	uint64_t state_ns;	   /* queues: when the next state is taken */
	uint64_t watch_ns;	   /* likewise: when `mended` is called */
	uint64_t pace_ns;	   /* likewise: when the last state of a backlog was due */
	bool doubtful;		   /* a request had no answer, and may still arrive */
	struct pe_outcome outcome; /* here because it is large for a stack */

	pthread_t thread;
	bool thread_ready;
	bool wake_ready;
	bool mutex_ready;

	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool stop;
	bool reload; /* see pe_sink_reload() */
	uint64_t stop_deadline_ns;
	uint64_t requested_ns;
	struct pe_sink_sample sample;
};

/* Begins a request, and counts it when it has ended. */
void pe_sink_begin(struct pe_sink *sink);
void pe_sink_count(struct pe_sink *sink, uint64_t began_ns, bool delivered);
/* It failed before anything was sent: memory or the like is short. */
void pe_sink_fail(struct pe_sink *sink, int error, const char *what);

/* Has the sink read what may have changed; true on reload. */
bool pe_sink_prepare(struct pe_sink *sink);
bool pe_sink_is_stopping(struct pe_sink *sink);
/* Whether that would be on reload. */
bool pe_sink_has_reload(struct pe_sink *sink);

/* sink_queue.c: of a sink that queues, a state if it is time for one, and what can be sent; the
 * last one, until `deadline_ns`. */
void pe_sink_queue_deliver(struct pe_sink *sink);
void pe_sink_queue_deliver_last(struct pe_sink *sink, uint64_t deadline_ns);
/* While a request waits: a state, if it is time for one. Returns when it is. */
uint64_t pe_sink_queue_tick(void *userdata);

#endif
