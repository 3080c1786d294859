/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See reuse.h. A table by ifindex; a place that is taken goes to the newer one. */
#include "reuse.h"

#include <string.h>

void pe_reuse_look(struct pe_reuse *reuse, struct pe_monitor *monitor, int ifindex, bool ingress,
		   bool egress)
{
	unsigned int i = (unsigned int)ifindex % PE_REUSE_MAX;
	struct pe_link_stats now;

	if ((!ingress && !egress) || !pe_monitor_exists(monitor, ifindex) ||
	    pe_monitor_read_stats(monitor, ifindex, &now) < 0)
		return;
	memset(&reuse->place[i], 0, sizeof(reuse->place[i]));
	reuse->place[i].ifindex = ifindex;
	if (ingress)
		reuse->place[i].known[PE_INGRESS] =
			(struct pe_count){ now.rx_packets, now.rx_bytes };
	if (egress)
		reuse->place[i].known[PE_EGRESS] =
			(struct pe_count){ now.tx_packets, now.tx_bytes };
}

void pe_reuse_take(struct pe_reuse *reuse, int ifindex, struct pe_count known[PE_DIRECTIONS])
{
	unsigned int i = (unsigned int)ifindex % PE_REUSE_MAX;

	if (reuse->place[i].ifindex != ifindex)
		return;
	reuse->place[i].ifindex = 0;
	for (size_t d = 0; known && d < PE_DIRECTIONS; d++) {
		known[d].packets += reuse->place[i].known[d].packets;
		known[d].bytes += reuse->place[i].known[d].bytes;
	}
}
