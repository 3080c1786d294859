/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A row: the exact counters of an interface, in one direction, since some moment. What the kernel
 * side keeps apart (struct pe_lane and pe_common of pe/abi.h) is added up here. Plain data.
 */
#ifndef PE_ROW_H
#define PE_ROW_H

#include "pe/abi.h"

struct pe_row {
	struct pe_count class[PE_CLASS_COUNT]; /* every packet is in one of them */
	__u64 size[PE_SIZE_BUCKETS];	       /* not cumulative */
	__u64 tcp[PE_TCP_KINDS];
	__u64 fragments;
	__u64 vlan;
	__u64 truncated;
	struct pe_count lost[PE_PROTO_COUNT]; /* without flow detail */
};

#define PE_ROW_WORDS (sizeof(struct pe_row) / sizeof(__u64))

#endif
