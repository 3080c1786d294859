/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A receiver of remote write, or of OTLP/HTTP, as a sink (sink.h): a state each interval, as
 * samples with the time at which it was taken, in batches, sent oldest first until they arrive.
 *
 * See https://prometheus.io/docs/specs/prw/remote_write_spec/. What an answer means:
 *
 * - none, 408, 429, 5xx: the same bytes are sent again, after Retry-After or after a random pause
 * of 1 to at most 60 s. After 8 answers of 5xx and five minutes the next batch is tried, too: if
 * that passes, and the first one fails once more behind it, it is given up, else neither is;
 * - 401, 403, 404, 407 and redirects, which are not followed: the same, each minute, and when a
 * file with credentials or headers changes;
 * - 413: what waits is cut into batches of half the size, and what comes is no larger;
 * - 415, and a success that does not say how many samples of version 2 were written: version 1 from
 *   then on, also of what waits, or with PE_REMOTE_WRITE_PROTOCOL_2 as after a 401;
 * - any other 4xx: the batch is given up. After three times 400 in a row, samples more than an hour
 *   older than the newest are, too: Prometheus takes nothing older behind those.
 *
 * OTLP (https://opentelemetry.io/docs/specs/otlp/#otlphttp) differs in this: of 408 and 5xx only
 * 502, 503 and 504 are sent again; a success can say how many samples were rejected.
 *
 * Samples that wait are sent oldest first, because receivers refuse what is older than what they
 * have unless they are configured otherwise, or the newest state before the others, and at four
 * times the pace at which they came about. They wait in memory, and once sending has failed in the
 * spool, if there is one. Beyond the size of either, of the oldest third one state a minute stays,
 * then one in four minutes, which takes nothing from counters; only then the oldest are given up.
 * What is in the spool when an exporter starts is sent before what is new.
 */
#ifndef PE_REMOTE_WRITE_H
#define PE_REMOTE_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pe/encode.h"
#include "pe/remote.h"
#include "pe/sample.h"
#include "pe/sink.h"

enum pe_remote_write_protocol {
	PE_REMOTE_WRITE_PROTOCOL_1,
	PE_REMOTE_WRITE_PROTOCOL_2,
	PE_REMOTE_WRITE_PROTOCOL_AUTO, /* 2, and from the first answer on that says so 1 */
};

struct pe_remote_write_options {
	const char *url; /* http(s)://[user:password@]host[:port]/path */
	bool otlp;	 /* OTLP/HTTP instead of remote write; `protocol` has no meaning then */
	enum pe_remote_write_protocol protocol;
	const char *job;
	const char *instance;
	const struct pe_remote_label
		*labels; /* further ones; job and instance win over those above; of OTLP attributes
			  * of the resource, service.name and service.instance.id among them */
	size_t label_count;
	uint64_t interval_ns;
	uint64_t timeout_ns;
	size_t max_samples;  /* of a request */
	uint64_t min_age_ns; /* interfaces that are younger have no series */
	uint64_t hold_ns;    /* how long the last value of one that is gone is repeated */
	/* Where what waits is put when sending fails, so that it outlives the exporter; a folder
	 * for each receiver is made in it. NULL: it waits in memory, at most 8 MiB. */
	const char *spool_path;
	size_t spool_bytes;  /* of each receiver */
	uint64_t max_age_ns; /* of what waits, behind the newest; 0: any */
	/* What is new is sent before what waits: the receiver takes samples out of order. */
	bool newest_first;
	struct pe_expose_options show;
	/* "Name: value" lines, read at the start and when it has changed; NULL: none */
	const char *header_file;
	/* As in struct pe_push_options. */
	const char *username;
	const char *password_file;
	const char *bearer_token_file;
	const char *tls_ca_file;
	const char *tls_cert_file;
	const char *tls_key_file;
	int (*snapshot)(struct pe_snapshot **ret_snapshot, void *userdata);
	void *userdata;
};

/*
 * Starts the sink; the first state is taken at a moment of the first interval that depends on the
 * labels, so that the hosts of a fleet are spread. 0 or -errno: -EINVAL for what
 * pe_remote_write_check() refuses, -EBUSY if another exporter has the receiver's spool. Options are
 * copied; `snapshot` is called by the sink's thread until it is stopped. The caller owns *ret_sink.
 * Blocks for files. One thread.
 */
int pe_remote_write_new(const struct pe_remote_write_options *options, struct pe_sink **ret_sink);

/*
 * Checks that the options can be used. The file of headers is read, and the spool looked for. 0 or
 * -EINVAL with a message for a person in `error`: one line, without credentials. One thread; loads
 * libraries.
 */
int pe_remote_write_check(const struct pe_remote_write_options *options, char *error,
			  size_t error_size);

/*
 * How many bytes wait in the spool `path` for receivers that no exporter writes to, such as were
 * configured before; 0: none do. `ret_target` gets a line for a person about one of them, without
 * credentials, cut off at `size`. To be called when the sinks have begun. 0 or -errno. One thread;
 * blocks for the disk.
 */
int pe_remote_write_left(const char *path, uint64_t *ret_bytes, char *ret_target, size_t size);

#endif
