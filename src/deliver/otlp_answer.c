/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the answer of a receiver of OTLP means for what waits, as pe/remote_write.h lists it: where
 * the protocol (https://opentelemetry.io/docs/specs/otlp/#otlphttp) says nothing else, the same as
 * in remote write.
 *
 * The sink's thread alone.
 */
#include "remote_sink.h"

#include "pe/clock.h"
#include "pe/log.h"
#include "pe/otlp.h"

#define PARTIAL_LOG_NS (3600 * PE_NS_PER_S)

static void on_success(struct pe_remote_sink *remote, struct pe_remote_body *body)
{
	const size_t samples = body->samples;
	struct pe_otlp_partial partial;
	const char *answer;
	const size_t len = pe_transfer_answer(remote->transfer[PE_REMOTE_OTLP], &answer);
	bool first;

	pe_otlp_read_partial(answer, len, &partial);
	if (partial.rejected > samples)
		partial.rejected = samples;
	/* With none rejected it is a warning. */
	if (partial.rejected > 0 || partial.message) {
		first = pe_log_once(&remote->partial_log, PARTIAL_LOG_NS);
		pe_log(first ? PE_LOG_WARN : PE_LOG_DEBUG, remote->ops->subsystem,
		       "%s has taken %zu of %zu samples: %.*s", remote->shown,
		       samples - (size_t)partial.rejected, samples, (int)partial.message_len,
		       partial.message ? partial.message : "");
		pe_remote_queue_reject(&remote->queue, body, partial.rejected);
	}
}

/* A reason in protobuf is shown as the text that it has. */
static void show_reason(struct pe_remote_sink *remote, struct pe_outcome *outcome)
{
	const char *answer, *message;
	size_t len = pe_transfer_answer(remote->transfer[PE_REMOTE_OTLP], &answer);

	message = pe_otlp_read_status(answer, len, &len);
	if (message)
		pe_outcome_fail(outcome, outcome->result, outcome->code, "HTTP %d: %.*s",
				outcome->code, (int)len, message);
}

static bool is_for_good(const struct pe_outcome *outcome)
{
	switch (outcome->code) {
	case 502:
	case 503:
	case 504:
		return false;
	case 408:
		return true;
	default:
		return outcome->result == PE_SINK_SERVER;
	}
}

void pe_otlp_answer(struct pe_remote_sink *remote, struct pe_remote_body *body, uint64_t now_ns,
		    struct pe_outcome *outcome)
{
	if (outcome->result == PE_SINK_OK)
		on_success(remote, body);
	else if (outcome->result != PE_SINK_NETWORK && outcome->code >= 400)
		show_reason(remote, outcome);
	if (is_for_good(outcome))
		pe_remote_give_up(remote, body, outcome);
	else
		pe_remote_answer(remote, body, now_ns, outcome);
}
