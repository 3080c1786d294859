/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a sink logs about its deliveries. Its thread alone. */
#ifndef PE_DELIVER_SINK_LOG_H
#define PE_DELIVER_SINK_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "outcome.h"

struct pe_sink_ops;

struct pe_sink_log {
	const struct pe_sink_ops *ops; /* whose words; the rest begins zeroed */
	bool succeeded;		       /* at least once */
	uint64_t failures;	       /* in a row */
	uint64_t failed_ns;	       /* the first of them */
	enum pe_sink_result failed_result;
	int failed_code;
};

/* The first success, and the first after failures. */
void pe_sink_log_success(struct pe_sink_log *log, const char *address);

/* Once for each kind of failure in a row; the others can be seen in the metrics. */
void pe_sink_log_failure(struct pe_sink_log *log, const char *address,
			 const struct pe_outcome *outcome, uint64_t next_ns);

/* The last delivery failed, or what finishes the sink. */
void pe_sink_log_last(struct pe_sink_log *log, const char *address, bool finishes,
		      const struct pe_outcome *outcome);

/* The last delivery of a sink that queues failed, and what waits outlives the exporter. */
void pe_sink_log_kept(struct pe_sink_log *log, const char *address,
		      const struct pe_outcome *outcome);

/* The last delivery was not made, because the peer did not answer a probe. */
void pe_sink_log_withheld(struct pe_sink_log *log, const char *address,
			  const struct pe_outcome *outcome);

#endif
