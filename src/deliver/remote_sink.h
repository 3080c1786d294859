/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of a sink of remote write share. The sink's thread alone. */
#ifndef PE_DELIVER_REMOTE_SINK_H
#define PE_DELIVER_REMOTE_SINK_H

#include "pe/log.h"
#include "pe/push.h"
#include "pe/remote_write.h"

#include "remote_queue.h"
#include "remote_watch.h"
#include "sink_ops.h"
#include "transfer.h"

struct pe_remote_sink {
	const struct pe_sink_ops *ops;
	struct pe_transfer *transfer[PE_REMOTE_FORMATS]; /* NULL: never spoken */
	enum pe_remote_format format;
	bool falls_back; /* from version 2 to 1 */
	void (*answer)(struct pe_remote_sink *remote, struct pe_remote_body *body, uint64_t now_ns,
		       struct pe_outcome *outcome);
	char *url, *shown; /* without credentials; for people */
	struct pe_remote_queue queue;
	struct pe_expose_options show;
	struct pe_remote_label labels[PE_REMOTE_LABELS_MAX];
	size_t label_count;
	size_t max_samples;
	uint64_t interval_ns, min_age_ns, hold_ns;
	struct pe_births *births;
	char host[PE_PUSH_HOST_MAX];	/* OTLP: host.name; "" if it is among the labels */
	struct pe_log_once partial_log; /* OTLP: a success that was not one of everything */
	struct pe_remote_watch watch;
	char *header_file;	   /* NULL: none */
	unsigned int bad_requests; /* 400 in a row */
	/* What the receiver may fail at, while the one behind it is tried; else NULL. */
	struct pe_remote_body *suspect;

	uint64_t state;				  /* how many there were */
	uint64_t taken_ns, time_ns, monotonic_ns; /* of the last one */
	uint64_t first_ns;			  /* monotonic: of the first one */
	uint64_t spooled_ns;			  /* of the newest one of an exporter before */
	uint64_t zero_ns;			  /* and of the zeros of what was new in it */
};

/* remote_send.c: makes the body whose turn it is ready to be sent. False if none waits. */
bool pe_remote_ready(struct pe_remote_sink *remote);

/* Sends the body whose turn it is, in the size and format that the receiver takes.
 */
void pe_remote_send(struct pe_remote_sink *remote, uint64_t deadline_ns,
		    struct pe_outcome *outcome);

/* Reads the file of headers. 0; or -EINVAL, which is logged, or -ENOMEM, and they stay as they
 * were.
 */
int pe_remote_read_headers(struct pe_remote_sink *remote);

/* Likewise if a file with credentials has changed: true. Those of others are read for each request.
 */
bool pe_remote_refresh(struct pe_remote_sink *remote);

/* Whose turn it is: the oldest; the one behind it once that alone may be what the receiver fails
 * at. NULL if none waits. `now_ns` is monotonic, here and below. */
struct pe_remote_body *pe_remote_turn(struct pe_remote_sink *remote, uint64_t now_ns);

/* remote_answer.c: what the answer to a request with this body means for it, for the others, and
 * for when to go on. */
void pe_remote_answer(struct pe_remote_sink *remote, struct pe_remote_body *body, uint64_t now_ns,
		      struct pe_outcome *outcome);
/* The receiver will not take it. */
void pe_remote_give_up(struct pe_remote_sink *remote, struct pe_remote_body *body,
		       struct pe_outcome *outcome);
/* otlp_answer.c: the same of a receiver of OTLP. */
void pe_otlp_answer(struct pe_remote_sink *remote, struct pe_remote_body *body, uint64_t now_ns,
		    struct pe_outcome *outcome);

/* otlp_check.c: the label that becomes an attribute of the resource. */
const char *pe_otlp_label(const char *attribute);
/* Whether names and values of the attributes can be sent. 0 or -EINVAL with a message. */
int pe_otlp_check_attributes(const struct pe_remote_write_options *options, char *error,
			     size_t error_size);

#endif
