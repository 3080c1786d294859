/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logs when a limit has been reached, and what to raise. Most cost detail only; each is counted
 * in a metric, which the line names. Supervisor's thread.
 */
#ifndef PE_LIMITS_H
#define PE_LIMITS_H

#include <stdint.h>

#include "pe/log.h"

enum pe_limit {
	PE_LIMIT_RING,	   /* flow records for which a ring had no room */
	PE_LIMIT_FLOWS,	   /* flows ended early */
	PE_LIMIT_DEPARTED, /* interfaces folded early */
	PE_LIMIT_EARLY,	   /* packets of early interfaces, for want of a provisional slot */
	PE_LIMITS,
};

struct pe_limits {
	uint64_t seen[PE_LIMITS];
	struct pe_log_once log[PE_LIMITS];
};

/* To be called each second with how often each limit has cost something so far. */
void pe_limits_check(struct pe_limits *limits, const uint64_t now[PE_LIMITS]);

#endif
