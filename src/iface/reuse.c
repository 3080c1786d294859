/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See reuse.h. A table by ifindex; a place that is taken goes to the newer one. */
#include "reuse.h"

#include <string.h>

#include "pe/sample.h"

#include "counts.h"

static bool is_zero(const struct pe_count *count)
{
	return !count->packets && !count->bytes;
}

void pe_reuse_look(struct pe_reuse *reuse, struct pe_monitor *monitor, int ifindex,
		   const struct pe_count most[PE_DIRECTIONS])
{
	unsigned int i = (unsigned int)ifindex % PE_REUSE_MAX;
	struct pe_link_stats now;

	if ((is_zero(&most[PE_INGRESS]) && is_zero(&most[PE_EGRESS])) ||
	    !pe_monitor_exists(monitor, ifindex) ||
	    pe_monitor_read_stats(monitor, ifindex, &now) < 0)
		return;
	memset(&reuse->place[i], 0, sizeof(reuse->place[i]));
	reuse->place[i].ifindex = ifindex;
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		reuse->place[i].known[d] = pe_link_count(&now, d);
		pe_count_limit(&reuse->place[i].known[d], &most[d]);
		reuse->place[i].is_exact[d] = most[d].packets != PE_REUSE_UNKNOWN;
	}
}

void pe_reuse_take(struct pe_reuse *reuse, int ifindex, bool returns,
		   struct pe_count known[PE_DIRECTIONS])
{
	unsigned int i = (unsigned int)ifindex % PE_REUSE_MAX;

	if (reuse->place[i].ifindex != ifindex)
		return;
	reuse->place[i].ifindex = 0;
	for (enum pe_direction d = 0; known && d < PE_DIRECTIONS; d++) {
		if (!returns || reuse->place[i].is_exact[d])
			pe_count_add(&known[d], &reuse->place[i].known[d]);
	}
}
