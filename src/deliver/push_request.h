/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request to the Pushgateway at a time: PUT of a snapshot, or DELETE of the group.
 *
 * An object belongs to one thread, which alone calls everything but pe_request_cancel(). Memory
 * stays flat: body, compressor and connection are reused from request to request.
 */
#ifndef PE_EXPORT_PUSH_REQUEST_H
#define PE_EXPORT_PUSH_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "pe/push.h"
#include "pe/sample.h"

struct pe_request;

#define PE_REQUEST_NEVER      UINT64_MAX
#define PE_REQUEST_REASON_MAX 4608 /* 4 KiB of the gateway's answer and what we say around it */

struct pe_outcome {
	/* Also PE_PUSH_NETWORK when a file with credentials cannot be read or memory is short:
	 * nothing reached the gateway, and trying again soon is right. */
	enum pe_push_result result;
	/* Cut short by pe_request_cancel(): neither success nor failure. */
	bool cancelled;
	/* Sent, and timed out or cut short without the beginning of an answer: the peer may still
	 * act on it. */
	bool unanswered;
	/* Tells one kind of failure from another: HTTP status, -errno, or 1000 + CURLcode. */
	int code;
	/* For a person; "" on success. Has no credentials, but perhaps the peer's raw bytes. */
	char reason[PE_REQUEST_REASON_MAX];
};

/* Options must have passed pe_push_check(); they are copied. 0 or -ENOMEM. */
int pe_request_new(const struct pe_push_options *options, struct pe_request **ret_request);
struct pe_request *pe_request_free(struct pe_request *request);

/* The address of the group, without credentials. Lives until the request turns or ends. */
const char *pe_request_url(const struct pe_request *request);

/* These block until there is an answer, `deadline_ns` (CLOCK_MONOTONIC) or a cancellation. */
void pe_request_put(struct pe_request *request, struct pe_snapshot *snapshot, bool legacy,
		    uint64_t deadline_ns, struct pe_outcome *ret_outcome);
void pe_request_delete(struct pe_request *request, uint64_t deadline_ns,
		       struct pe_outcome *ret_outcome);

/* A DELETE of another group than the request's, which is at `url`. */
void pe_request_delete_at(struct pe_request *request, const char *url, uint64_t deadline_ns,
			  struct pe_outcome *ret_outcome);

/* Turns to the group of another instance. 0, and the address of the group before in *ret_left,
 * which the caller frees; or -ENOMEM, and nothing has changed. */
int pe_request_turn(struct pe_request *request, const char *instance, char **ret_left);

/* A HEAD, which changes nothing: whether there is an answer, whatever it says. */
void pe_request_probe(struct pe_request *request, uint64_t deadline_ns,
		      struct pe_outcome *ret_outcome);

/*
 * Makes any request end by `at_ns` (CLOCK_MONOTONIC), also the one under way; PE_REQUEST_NEVER
 * takes that back. Any thread; never blocks.
 */
void pe_request_cancel(struct pe_request *request, uint64_t at_ns);

#endif
