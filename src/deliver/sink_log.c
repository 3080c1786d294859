/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See sink_log.h. */
#include "sink_log.h"

#include "pe/clock.h"
#include "pe/log.h"

#include "sink_ops.h"

static double seconds(uint64_t ns)
{
	return (double)ns / (double)PE_NS_PER_S;
}

void pe_sink_log_success(struct pe_sink_log *log, const char *address)
{
	if (log->failures > 0)
		pe_info(log->ops->subsystem, "%s to %s works again after %llu failures in %.1f s",
			log->ops->delivery, address, (unsigned long long)log->failures,
			seconds(pe_clock_monotonic_ns() - log->failed_ns));
	else if (!log->succeeded)
		pe_info(log->ops->subsystem, "first %s to %s accepted", log->ops->delivery,
			address);
	log->succeeded = true;
	log->failures = 0;
}

void pe_sink_log_failure(struct pe_sink_log *log, const char *address,
			 const struct pe_outcome *outcome, uint64_t next_ns)
{
	bool changed = log->failures == 0 || log->failed_result != outcome->result ||
		       log->failed_code != outcome->code;
	uint64_t now_ns = pe_clock_monotonic_ns();

	if (log->failures++ == 0)
		log->failed_ns = now_ns;
	log->failed_result = outcome->result;
	log->failed_code = outcome->code;
	/* What the peer wrote comes last: a long line is cut at its end. */
	if (log->ops->queues && outcome->given_up)
		pe_log(changed ? PE_LOG_WARN : PE_LOG_DEBUG, log->ops->subsystem,
		       "%s to %s refused, its samples are lost: %s", log->ops->delivery, address,
		       outcome->reason);
	else if (log->ops->queues)
		pe_log(changed ? PE_LOG_WARN : PE_LOG_DEBUG, log->ops->subsystem,
		       "%s to %s failed, it is sent again in %.1f s: %s", log->ops->delivery,
		       address, seconds(next_ns > now_ns ? next_ns - now_ns : 0), outcome->reason);
	else
		pe_log(changed ? PE_LOG_WARN : PE_LOG_DEBUG, log->ops->subsystem,
		       "%s to %s failed, the %s keeps the previous state, next attempt in %.1f s: "
		       "%s",
		       log->ops->delivery, address, log->ops->peer,
		       seconds(next_ns > now_ns ? next_ns - now_ns : 0), outcome->reason);
}

static const char *reason(const struct pe_outcome *outcome)
{
	return outcome->cancelled ? "no time left" : outcome->reason;
}

void pe_sink_log_last(struct pe_sink_log *log, const char *address, bool finishes,
		      const struct pe_outcome *outcome)
{
	if (log->ops->queues) {
		pe_warn(log->ops->subsystem, "last %s to %s failed, what waits is lost: %s",
			log->ops->delivery, address, reason(outcome));
		return;
	}
	pe_warn(log->ops->subsystem, "last %s of %s failed, the %s keeps the previous state: %s",
		finishes ? log->ops->finish_name : log->ops->delivery, address, log->ops->peer,
		reason(outcome));
}

void pe_sink_log_kept(struct pe_sink_log *log, const char *address,
		      const struct pe_outcome *outcome)
{
	pe_info(log->ops->subsystem, "last %s to %s failed, what waits is in the spool: %s",
		log->ops->delivery, address, reason(outcome));
}

void pe_sink_log_withheld(struct pe_sink_log *log, const char *address,
			  const struct pe_outcome *outcome)
{
	pe_warn(log->ops->subsystem,
		"last %s of %s is not sent: the %s does not answer, and could store one that it "
		"has not answered either after it: %s",
		log->ops->delivery, address, log->ops->peer, reason(outcome));
}
