/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request of a receiver's queue. A body is sent as it was encoded; it is cut, or rewritten in
 * an older version, only for a receiver that does not take it so. Its samples never change.
 *
 * The sink's thread alone.
 */
#include "remote_sink.h"

#include <errno.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/log.h"

#include "header_file.h"

#define POISON_TRIES 8
#define POISON_NS    (300 * PE_NS_PER_S)

int pe_remote_read_headers(struct pe_remote_sink *remote)
{
	struct pe_headers file = { 0 };
	char error[256];
	int r = pe_headers_read(remote->header_file, &file, error, sizeof(error));

	for (size_t i = 0; i < PE_REMOTE_FORMATS && r == 0; i++)
		if (remote->transfer[i])
			r = pe_transfer_set_headers(remote->transfer[i],
						    (const char *const *)file.header);
	if (r == -EINVAL)
		pe_warn(remote->ops->subsystem, "the headers stay as they were: %s: %s",
			remote->header_file, error);
	pe_headers_fini(&file);
	return r;
}

bool pe_remote_refresh(struct pe_remote_sink *remote)
{
	if (!pe_remote_watch_changed(&remote->watch))
		return false;
	pe_remote_read_headers(remote);
	return true;
}

struct pe_remote_body *pe_remote_turn(struct pe_remote_sink *remote, uint64_t now_ns)
{
	struct pe_remote_body *first = pe_remote_queue_first(&remote->queue), *next;

	if (!first || first->last_chance || first->tries < POISON_TRIES ||
	    now_ns < first->failing_ns + POISON_NS)
		return first;
	next = pe_remote_queue_next(&remote->queue, first);
	return next ? next : first;
}

bool pe_remote_ready(struct pe_remote_sink *remote)
{
	struct pe_remote_body *body;

	do
		body = pe_remote_turn(remote, pe_clock_monotonic_ns());
	while (body && !pe_remote_queue_load(&remote->queue, body));
	return body;
}

/* 0, or -errno and what that means in *outcome. */
static int fit(struct pe_remote_sink *remote, struct pe_remote_body **body,
	       struct pe_outcome *outcome)
{
	const bool is_newer = (*body)->format == PE_REMOTE_WRITE_2 &&
			      remote->format == PE_REMOTE_WRITE_1;
	int r = -ENOMEM;

	if ((*body)->data.data && !is_newer &&
	    ((*body)->whole || (*body)->samples <= remote->max_samples))
		return 0;
	if ((*body)->data.data)
		r = pe_remote_queue_cut(&remote->queue, body,
					is_newer ? PE_REMOTE_WRITE_1 : (*body)->format,
					remote->max_samples);
	if (r == -ENOMEM) {
		pe_outcome_fail(outcome, PE_SINK_NETWORK, r, "out of memory");
	} else if (r < 0) {
		pe_outcome_fail(outcome, PE_SINK_REJECTED, r, "it cannot be read any more: %s",
				strerror(-r));
		outcome->given_up = true;
		pe_remote_queue_end(&remote->queue, *body, PE_SINK_SAMPLE_REJECTED);
	}
	return r;
}

void pe_remote_send(struct pe_remote_sink *remote, uint64_t deadline_ns, struct pe_outcome *outcome)
{
	struct pe_remote_body *body = pe_remote_turn(remote, pe_clock_monotonic_ns());
	struct pe_remote_body *first = pe_remote_queue_first(&remote->queue);

	remote->suspect = body == first ? NULL : first;
	if (fit(remote, &body, outcome) < 0)
		return;
	pe_remote_refresh(remote);
	/* States come meanwhile, and have what waits thinned. */
	body->busy = true;
	if (remote->suspect)
		remote->suspect->busy = true;
	pe_transfer_request(remote->transfer[body->format], "POST", remote->url, &body->data,
			    deadline_ns, outcome);
	body->busy = false;
	if (remote->suspect)
		remote->suspect->busy = false;
	body->unanswered |= outcome->unanswered || outcome->broken_off;
	if (!outcome->cancelled)
		remote->answer(remote, body, pe_clock_monotonic_ns(), outcome);
}
