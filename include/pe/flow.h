/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flow record as workers get it, of IPv4 or IPv6: one cache line.
 *
 * Addresses are in network order, IPv4 in the first four bytes and the rest zero; ports are in
 * network order, ICMP has its type and code in `sport`. Times are the low 32 bits of jiffies.
 */
#ifndef PE_FLOW_H
#define PE_FLOW_H

#include <stdint.h>

#include "pe/abi.h"

struct pe_flow_key {
	uint8_t saddr[16];
	uint8_t daddr[16];
	__be16 sport;
	__be16 dport;
	uint16_t slot;
	uint8_t ip_proto;
	uint8_t tag; /* PE_FLOW_TAG() */
};

struct pe_flow {
	struct pe_flow_key key;
	uint64_t bytes;
	uint32_t packets;
	uint32_t first;
	uint32_t last;
	uint8_t tcp_flags; /* every flag seen, as in the TCP header */
	uint8_t reason;	   /* enum pe_evict */
	uint8_t unused[2];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct pe_flow_key) == 40, "pe_flow_key has no hole");
_Static_assert(sizeof(struct pe_flow) == 64, "pe_flow is one cache line");

#endif
