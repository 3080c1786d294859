/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See heirs.h. A table by ifindex; a place that is taken goes to the newer one. */
#include "heirs.h"

#include <net/if.h>
#include <string.h>

void pe_heirs_look(struct pe_heirs *heirs, struct pe_monitor *monitor, int ifindex, bool ingress,
		   bool egress)
{
	unsigned int i = (unsigned int)ifindex % PE_HEIRS_MAX;
	struct pe_link_stats now;
	char name[IF_NAMESIZE];

	if ((!ingress && !egress) || !if_indextoname((unsigned int)ifindex, name) ||
	    pe_monitor_read_stats(monitor, ifindex, &now) < 0)
		return;
	memset(&heirs->place[i], 0, sizeof(heirs->place[i]));
	heirs->place[i].ifindex = ifindex;
	if (ingress)
		heirs->place[i].known[PE_INGRESS] =
			(struct pe_count){ now.rx_packets, now.rx_bytes };
	if (egress)
		heirs->place[i].known[PE_EGRESS] =
			(struct pe_count){ now.tx_packets, now.tx_bytes };
}

void pe_heirs_take(struct pe_heirs *heirs, int ifindex, struct pe_count known[PE_DIRECTIONS])
{
	unsigned int i = (unsigned int)ifindex % PE_HEIRS_MAX;

	if (heirs->place[i].ifindex != ifindex)
		return;
	heirs->place[i].ifindex = 0;
	for (size_t d = 0; known && d < PE_DIRECTIONS; d++) {
		known[d].packets += heirs->place[i].known[d].packets;
		known[d].bytes += heirs->place[i].known[d].bytes;
	}
}
