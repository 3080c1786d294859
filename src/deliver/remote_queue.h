/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bodies that wait to be sent, oldest first, in bounded memory or in the spool. The sink's thread
 * alone, but for pe_remote_queue_sample(). A body in the spool is in memory, too, while it is its
 * turn.
 *
 * Beyond the limit of either place they are thinned: of the oldest third one state each minute
 * stays, then one each four minutes, and counters lose nothing by that. Only then the oldest are
 * dropped; bodies with what no later state repeats go last.
 */
#ifndef PE_DELIVER_REMOTE_QUEUE_H
#define PE_DELIVER_REMOTE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pe/remote.h"
#include "pe/sample.h"
#include "pe/strbuf.h"

#include "spool.h"

struct pe_remote_body {
	TAILQ_ENTRY(pe_remote_body) link;
	struct pe_strbuf data; /* exactly as large as it is; no data: it is in the spool alone */
	size_t file_bytes;     /* 0: it is not in the spool */
	uint64_t file;	       /* its number there */
	bool piece;	       /* it is in the file of one behind it */
	bool busy;	       /* a request depends on it: nothing else takes it out */
	enum pe_remote_format format;
	size_t samples;
	uint64_t time_ns;    /* wall clock: of its samples */
	uint64_t run, state; /* which exporter encoded it, and the number of the state there */
	bool ends, begins;   /* as in struct pe_remote_batch */
	bool whole;	     /* it cannot be cut */
	bool unanswered;     /* it was sent, and the peer may have stored it */
	/* Since when and how often the peer has answered it with an error of its own. */
	uint64_t failing_ns; /* monotonic */
	unsigned int tries;
	bool last_chance; /* the one behind it arrived: it has one more try */
};

TAILQ_HEAD(pe_remote_bodies, pe_remote_body);

struct pe_remote_queue {
	struct pe_remote_bodies bodies;
	size_t max_bytes;
	uint64_t max_age_ns; /* behind the newest; 0: any */
	uint64_t run, state; /* of what is added; of what was added last */
	bool newest_first;
	struct pe_spool *spool; /* NULL: none; the queue's */
	size_t max_spool_bytes;
	bool otlp;	   /* formats, here and in the spool */
	bool spool_failed; /* the last time */
	/* Guards what is below. */
	pthread_mutex_t mutex;
	size_t bytes, spool_bytes, samples;
	uint64_t oldest_ns; /* 0 if it is empty */
	uint64_t results[PE_SINK_SAMPLE_RESULTS];
};

void pe_remote_queue_init(struct pe_remote_queue *queue, size_t max_bytes);
void pe_remote_queue_fini(struct pe_remote_queue *queue);

/*
 * From now on what waits can be in the spool, which belongs to the queue then. What is there is
 * read and waits before all else. *ret_newest_ns is the time of the newest of it, 0 if there is
 * none. 0; -EBUSY if another exporter has it, or -ENOMEM. Another failure of the disk is logged,
 * and what waits stays in memory until that works. Blocks for the disk, as do the functions below
 * but for pe_remote_queue_sample().
 */
int pe_remote_queue_open(struct pe_remote_queue *queue, struct pe_spool *spool, size_t max_bytes,
			 uint64_t *ret_newest_ns);

/* Puts what waits into the spool. True if all of it is there. */
bool pe_remote_queue_keep(struct pe_remote_queue *queue);

/* Reads a body into memory. False if it is damaged: it is gone then, and counted. Where memory is
 * refused, its data stays NULL. */
bool pe_remote_queue_load(struct pe_remote_queue *queue, struct pe_remote_body *body);

/* Adds a copy at the end, and makes room for it. 0 or -ENOMEM. */
int pe_remote_queue_add(struct pe_remote_queue *queue, const struct pe_remote_batch *batch,
			enum pe_remote_format format, uint64_t time_ns, uint64_t state);

/* Likewise a body that is complete, at the start; it becomes the queue's. */
void pe_remote_queue_insert(struct pe_remote_queue *queue, struct pe_remote_body *body);

/* The one to be sent first, NULL if it is empty: the oldest, or that of the state that was added
 * last, if it has any and newest_first is set. The one behind one, NULL if that is the last. */
struct pe_remote_body *pe_remote_queue_first(struct pe_remote_queue *queue);
struct pe_remote_body *pe_remote_queue_next(struct pe_remote_queue *queue,
					    struct pe_remote_body *body);

/* One is done with: its samples are counted so. What is dropped after it was sent without an answer
 * is counted as that. */
void pe_remote_queue_end(struct pe_remote_queue *queue, struct pe_remote_body *body,
			 enum pe_sink_sample_result result);
void pe_remote_queue_drop(struct pe_remote_queue *queue, struct pe_remote_body *body,
			  enum pe_sink_sample_result result);

/* So many samples of one, or all, are rejected; the others go on to wait. */
void pe_remote_queue_reject(struct pe_remote_queue *queue, struct pe_remote_body *body,
			    uint64_t samples);

/*
 * Replaces a body by pieces of at most max_samples, as far as series allow that, and perhaps of
 * another format; *body is then the first of them. 0, or an error of pe_remote_cut(), and nothing
 * has changed.
 */
int pe_remote_queue_cut(struct pe_remote_queue *queue, struct pe_remote_body **body,
			enum pe_remote_format format, size_t max_samples);

/* Drops what is older. */
void pe_remote_queue_expire(struct pe_remote_queue *queue, uint64_t before_ns);

/* Thins and drops until there is room for `len` more bytes in memory, or in the spool. */
void pe_remote_queue_make_room(struct pe_remote_queue *queue, bool spool, size_t len);

/* Takes out all of one state, the last one, uncounted: it is not complete. */
void pe_remote_queue_take_back(struct pe_remote_queue *queue, uint64_t state);

/* Any thread. */
void pe_remote_queue_sample(struct pe_remote_queue *queue, struct pe_sink_sample *sample);

#endif
