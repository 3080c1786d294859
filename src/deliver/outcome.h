/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How one request of a sink ended. Pure; any thread. */
#ifndef PE_DELIVER_OUTCOME_H
#define PE_DELIVER_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "pe/sample.h"

#define PE_OUTCOME_REASON_MAX 4608 /* 4 KiB of the peer's answer and the text around it */

struct pe_outcome {
	/* Also PE_SINK_NETWORK when a file with credentials cannot be read or memory is short:
	 * nothing reached the peer, and trying again soon is right. */
	enum pe_sink_result result;
	/* Cut short by pe_sink_ops.cancel: neither success nor failure. */
	bool cancelled;
	/* Sent, and timed out or cut short without the beginning of an answer: the peer may still
	 * act on it. */
	bool unanswered;
	/* Sent, and the connection ended without the beginning of an answer: the peer may have
	 * acted on it, and does no longer. */
	bool broken_off;
	/* The sink encodes the same snapshot in another form, which is to be sent at once. One that
	 * queues sends what waits in another form. */
	bool again;
	/* Sinks that queue: somebody has to put something right, and may do so at any time. */
	bool held;
	/* Likewise: a state is done with as a whole, and others wait. */
	bool state_ended;
	/* The answer says how many samples were written: the peer knows remote write 2. */
	bool samples_written;
	/* For so long the peer wants to be left alone, 0: it does not say. */
	uint64_t retry_after_ns;
	/* Sinks that queue: what was refused will not be sent again. */
	bool given_up;
	/* Delivered without what the peer refuses to take. */
	bool reduced;
	/* Distinguishes kinds of failure: HTTP status, -errno, or 1000 + CURLcode. */
	int code;
	/* For a person; "" on success. Has no credentials, but perhaps the peer's raw bytes. */
	char reason[PE_OUTCOME_REASON_MAX];
};

/* Makes it a failure; what is not named here stays. */
void pe_outcome_fail(struct pe_outcome *outcome, enum pe_sink_result result, int code,
		     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
