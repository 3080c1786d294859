/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What abi.h is, of what the kernel drops: bpf/drops.bpf.c. */
#ifndef PE_ABI_DROPS_H
#define PE_ABI_DROPS_H

#include "pe/abi.h"

/*
 * A reason's code: the subsystem of the kernel's that has it in the upper bits, its number there in
 * the lower ones (struct drop_reason_list of net/dropreason.h). Kernels that give no reason have
 * the protocol: enum pe_drop_protocol. So many reasons as follow have a place of their own in rows,
 * from when they are first met on, or are frequent; the first place is that of all others.
 */
#define PE_DROP_CODE(subsystem, number) ((subsystem) << 8 | (number))
#define PE_DROP_CODES			4096u
#define PE_DROP_REASONS			33
/* So many of them are for those that come later, and then so often. */
#define PE_DROP_RESERVED 8
#define PE_DROP_FREQUENT 1000u
/* Of a code: it is among others, until it is frequent or for good. */
#define PE_DROP_NO_PLACE 255
#define PE_DROP_NEVER	 254

enum pe_drop_protocol {
	PE_DROP_OTHER,
	PE_DROP_IPV4,
	PE_DROP_IPV6,
	PE_DROP_ARP,
};

/* More CPUs share a stripe, and memory need not follow those that are possible. */
#define PE_DROP_STRIPES 4u

/* Packets; by the places of reasons. A slot has a row for each of some stripes of CPUs. */
struct pe_drop_row {
	__u64 count[PE_DIRECTIONS][PE_DROP_REASONS];
	__u64 unused[6];
};

_Static_assert(sizeof(struct pe_drop_row) % 64 == 0,
	       "pe_drop_row shares no line with its neighbour");

#endif
