/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See limits.h. */
#include "limits.h"

#include <inttypes.h>

#include "pe/clock.h"

/* A limit that is reached all the time is reported once an hour. */
#define REPEAT_NS (3600 * PE_NS_PER_S)

static const struct {
	const char *what;
	const char *kept;
	const char *metric;
	const char *option;
} texts[PE_LIMITS] = {
	[PE_LIMIT_RING] = { "flow records were lost because a ring buffer was full",
			    "packets and bytes stay exact",
			    "packet_exporter_flow_records_lost_total", "--flows.ring-size" },
	[PE_LIMIT_FLOWS] = { "flows ended early because the table of flows was full",
			     "packets and bytes stay exact",
			     "packet_exporter_flow_table_evictions_total", "--flows.table-size" },
	[PE_LIMIT_DEPARTED] = { "departed interfaces were folded before the retention",
				"the counters of the host and of groups keep theirs",
				"packet_exporter_departed_folded_early_total", "--departed.max" },
	[PE_LIMIT_EARLY] = { "packets passed on interfaces that were not known yet",
			     "unobserved_packets has those of interfaces that are still there",
			     "packet_exporter_early_packets_missed_total",
			     "the CPU share of the exporter: too many came while it did not "
			     "run" },
};

void pe_limits_check(struct pe_limits *limits, const uint64_t now[PE_LIMITS])
{
	for (int i = 0; i < PE_LIMITS; i++) {
		if (now[i] > limits->seen[i] && pe_log_once(&limits->log[i], REPEAT_NS))
			pe_warn("main", "%" PRIu64 " %s; %s; see %s; raise %s",
				now[i] - limits->seen[i], texts[i].what, texts[i].kept,
				texts[i].metric, texts[i].option);
		limits->seen[i] = now[i];
	}
}
