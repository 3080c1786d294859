/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting one packet: first its row, exactly; then its flow, as detail.
 */
#ifndef PE_BPF_ACCOUNT_H
#define PE_BPF_ACCOUNT_H

#include "flow.h"

/* Bucket of a length: two small tables, because BPF has no instruction that counts leading zeros.
 */
const __u8 bucket_of_64[32] = { 0, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4,
				5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5 };
const __u8 bucket_of_2048[32] = { 5,  6,  7,  7,  8,  8,  8,  8,  9,  9,  9,  9,  9,  9,  9,  9,
				  10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10 };

static __always_inline __u32 size_bucket(__u32 length)
{
	__u64 last = length - 1;

	hide(last);
	if (last < 2048)
		return bucket_of_64[last >> 6];
	if (last < 65536)
		return bucket_of_2048[last >> 11];
	return length ? PE_SIZE_BUCKETS - 1 : 0;
}

static __always_inline void account_tcp(struct pe_row *row, __u8 flags)
{
	if (likely(!(flags & (TCP_SYN | TCP_FIN | TCP_RST))))
		return;
	if (flags & TCP_SYN)
		row->tcp[flags & TCP_ACK ? PE_TCP_SYNACK : PE_TCP_SYN]++;
	if (flags & TCP_FIN)
		row->tcp[PE_TCP_FIN]++;
	if (flags & TCP_RST)
		row->tcp[PE_TCP_RST]++;
}

/* Where a packet is counted. */
enum hook {
	HOOK_XDP,
	HOOK_NATIVE,
	HOOK_RECEIVE,
	HOOK_TCX,
	HOOK_EGRESS,
};

/*
 * How long a packet is, as the interface's own counters have it. Where they were counted before GRO
 * merged them (or after a driver split them), one packet here is several: `more` of `each` bytes,
 * and one of `length` bytes.
 */
struct extent {
	__u32 length;
	__u32 more;
	__u32 each;
};

/* Whether the hook before this one on the same CPU has counted this packet, or knows that it must
 * not be counted: its hand-off mark. */
static __always_inline bool is_handed_off(struct pe_row *row, __u32 flags, enum hook hook)
{
	__u64 counted = row->counted;

	if (likely(counted == PE_COUNTED_NOT) || hook == HOOK_RECEIVE || hook == HOOK_NATIVE)
		return false;
	if (hook == HOOK_XDP) {
		if (counted != PE_COUNTED_BY_RECEIVE)
			return false;
		/* The mark is for one packet; where TCX follows, it takes it off. */
		if (!(flags & PE_SLOT_TCX))
			row->counted = PE_COUNTED_NOT;
		return true;
	}
	row->counted = PE_COUNTED_NOT;
	return true;
}

/*
 * Ingress passes from one hook to the next without a packet counted twice or never. A packet
 * passes the tracepoint, then generic XDP, then TCX on one CPU with bottom halves off, so that no
 * other packet comes between: the tracepoint leaves a hand-off mark in the row, and XDP goes by
 * that, not by what user space wants meanwhile. (Native XDP comes before the
 * tracepoint; the change to it can miss or double one packet for each CPU.)
 *
 * Generic XDP and TCX likewise: where both are, XDP comes first, counts and marks, and TCX counts
 * only what is not marked. So one may be attached and the other detached at any time between, in
 * any order. XDP marks only while there may be a TCX program, or it would cost all others.
 */
static __always_inline void account(struct pe_cpu *cpu, __u32 cpu_id, union pe_slot_ref ref,
				    enum hook hook, const struct packet *packet,
				    const struct extent *extent)
{
	enum pe_direction direction = hook == HOOK_EGRESS ? PE_EGRESS : PE_INGRESS;
	struct pe_row *row = row_find(ref.slot, direction, cpu_id);
	__u32 class = packet->class;
	__u32 bucket = size_bucket(extent->length);
	struct pe_count sum = { 1, extent->length };

	if (!row || !cpu || class >= PE_CLASS_COUNT || bucket >= PE_SIZE_BUCKETS)
		return;
	if (hook != HOOK_EGRESS && is_handed_off(row, ref.flags, hook))
		return;
	if (hook == HOOK_XDP && unlikely(ref.flags & PE_SLOT_TCX))
		row->counted = PE_COUNTED_BY_XDP;
	if (hook == HOOK_RECEIVE)
		row->counted = PE_COUNTED_BY_RECEIVE;
	if (unlikely(extent->more)) {
		__u32 each = size_bucket(extent->each);

		sum.packets += extent->more;
		sum.bytes += (__u64)extent->more * extent->each;
		if (each < PE_SIZE_BUCKETS)
			row->size[each] += extent->more;
	}
	row->class[class].packets += sum.packets;
	row->class[class].bytes += sum.bytes;
	row->size[bucket]++;
	if (unlikely(packet->odd)) {
		row->vlan += packet->vlan ? sum.packets : 0;
		row->fragments += packet->fragment;
		row->truncated += packet->truncated;
	}
	account_tcp(row, packet->tcp_flags);

	if (likely(packet->has_flow)) {
		__u64 rest =
			FLOW_REST(packet->ports, ref.slot, packet->ip_proto,
				  PE_SLOT_TAG(ref.flags) | PE_FLOW_TAG(0, packet->ipv6, direction));

		if (packet->ipv6)
			flow_add(cpu, cpu_id, row, rest, true, packet, &sum);
		else
			flow_add(cpu, cpu_id, row, rest, false, packet, &sum);
	}
}

#endif
