/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a receiver's answer means for what waits, as pe/remote_write.h lists it.
 *
 * The sink's thread alone.
 */
#include "remote_sink.h"

#include "pe/clock.h"

#define HOLD_NS	     (60 * PE_NS_PER_S) /* what somebody has to put right */
#define BAD_REQUESTS 3
/* What receivers take behind the newest sample at most. */
#define BACKLOG_NS (3600 * PE_NS_PER_S)

/* The samples are not at fault; somebody has to put something right. */
static void hold(struct pe_outcome *outcome)
{
	outcome->held = true;
	if (outcome->retry_after_ns < HOLD_NS)
		outcome->retry_after_ns = HOLD_NS;
}

/* Version 2 is not known. */
static void fall_back(struct pe_remote_sink *remote, struct pe_outcome *outcome)
{
	if (!remote->falls_back) {
		pe_outcome_fail(outcome, PE_SINK_REJECTED, outcome->code,
				"HTTP %d: it does not know remote write 2.0", outcome->code);
		hold(outcome);
		return;
	}
	pe_warn(remote->ops->subsystem,
		"%s does not know remote write 2.0 (HTTP %d): writing version 1.0", remote->shown,
		outcome->code);
	remote->format = PE_REMOTE_WRITE_1;
	outcome->again = true;
}

/* What comes behind it is of another state. */
static bool ends_state(struct pe_remote_sink *remote, struct pe_remote_body *body)
{
	const struct pe_remote_body *next = pe_remote_queue_next(&remote->queue, body);

	return next && (next->state != body->state || next->run != body->run);
}

void pe_remote_give_up(struct pe_remote_sink *remote, struct pe_remote_body *body,
		       struct pe_outcome *outcome)
{
	outcome->given_up = true;
	outcome->state_ended = ends_state(remote, body);
	pe_remote_queue_end(&remote->queue, body, PE_SINK_SAMPLE_REJECTED);
}

static void on_too_large(struct pe_remote_sink *remote, struct pe_remote_body *body,
			 struct pe_outcome *outcome)
{
	if (body->whole || body->samples <= 1) {
		pe_remote_give_up(remote, body, outcome);
		return;
	}
	remote->max_samples = body->samples / 2;
	pe_warn(remote->ops->subsystem,
		"%s refuses requests of that size (HTTP %d): at most %zu samples each",
		remote->shown, outcome->code, remote->max_samples);
	outcome->again = true;
}

/* Of a backlog that is too old for the receiver, each request would be refused. */
static void on_bad_request(struct pe_remote_sink *remote)
{
	const struct pe_remote_body *oldest = TAILQ_FIRST(&remote->queue.bodies);

	if (++remote->bad_requests < BAD_REQUESTS || !oldest ||
	    oldest->time_ns + BACKLOG_NS >= remote->time_ns)
		return;
	pe_warn(remote->ops->subsystem,
		"%s has refused %u requests of old samples in a row: samples older than an hour "
		"are given up",
		remote->shown, remote->bad_requests);
	remote->bad_requests = 0;
	pe_remote_queue_expire(&remote->queue, remote->time_ns - BACKLOG_NS);
}

static void on_refusal(struct pe_remote_sink *remote, struct pe_remote_body *body,
		       struct pe_outcome *outcome)
{
	switch (outcome->code) {
	case 408:
	case 429:
		/* It is busy, and takes the same later. */
		outcome->result = PE_SINK_SERVER;
		return;
	case 413:
		on_too_large(remote, body, outcome);
		return;
	case 415:
		if (body->format == PE_REMOTE_WRITE_2)
			fall_back(remote, outcome);
		else
			pe_remote_give_up(remote, body, outcome);
		return;
	case 401:
	case 403:
	case 404:
	case 407:
		break;
	default:
		if (outcome->code >= 400) {
			pe_remote_give_up(remote, body, outcome);
			if (outcome->code == 400)
				on_bad_request(remote);
			return;
		}
		break; /* a redirect */
	}
	hold(outcome);
}

static void on_success(struct pe_remote_sink *remote, struct pe_remote_body *body,
		       struct pe_outcome *outcome)
{
	remote->bad_requests = 0;
	/* The receiver may just have come back. */
	if (remote->suspect)
		remote->suspect->last_chance = true;
	outcome->state_ended = ends_state(remote, body);
	pe_remote_queue_end(&remote->queue, body, PE_SINK_SAMPLE_SENT);
}

/* The receiver's own error. Where it fails at the next one, too, neither is at fault. */
static void on_failure(struct pe_remote_sink *remote, struct pe_remote_body *body, uint64_t now_ns,
		       struct pe_outcome *outcome)
{
	if (remote->suspect) {
		remote->suspect->tries = 0;
	} else if (body->last_chance) {
		pe_error(remote->ops->subsystem,
			 "%s fails at a request of %zu samples, and takes the one behind it: its "
			 "samples are lost",
			 remote->shown, body->samples);
		pe_remote_give_up(remote, body, outcome);
	} else if (body->tries++ == 0) {
		body->failing_ns = now_ns;
	}
}

void pe_remote_answer(struct pe_remote_sink *remote, struct pe_remote_body *body, uint64_t now_ns,
		      struct pe_outcome *outcome)
{
	switch (outcome->result) {
	case PE_SINK_OK:
		/* Who knows only version 1 says that it is well, and stores nothing. */
		if (body->format == PE_REMOTE_WRITE_2 && !outcome->samples_written)
			fall_back(remote, outcome);
		else
			on_success(remote, body, outcome);
		break;
	case PE_SINK_REJECTED:
		on_refusal(remote, body, outcome);
		break;
	case PE_SINK_SERVER:
		on_failure(remote, body, now_ns, outcome);
		break;
	default:
		break;
	}
}
