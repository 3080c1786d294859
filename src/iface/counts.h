/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets and bytes of the kernel's counters. Pure; any thread. */
#ifndef PE_IFACE_COUNTS_H
#define PE_IFACE_COUNTS_H

#include "pe/abi.h"
#include "pe/link.h"

static inline struct pe_count pe_link_count(const struct pe_link_stats *stats,
					    enum pe_direction direction)
{
	if (direction == PE_INGRESS)
		return (struct pe_count){ stats->rx_packets, stats->rx_bytes };
	return (struct pe_count){ stats->tx_packets, stats->tx_bytes };
}

/* Each at most as in `most`. */
static inline void pe_count_limit(struct pe_count *count, const struct pe_count *most)
{
	if (count->packets > most->packets)
		count->packets = most->packets;
	if (count->bytes > most->bytes)
		count->bytes = most->bytes;
}

#endif
