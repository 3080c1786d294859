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
	HOOK_RECEIVE,
	HOOK_TCX,
	HOOK_EGRESS,
};

/*
 * Ingress passes from one hook to the other without a packet counted twice or never. A packet
 * passes the tracepoint, then generic XDP, on one CPU with bottom halves off, so that no other
 * comes between: the tracepoint leaves word in the row whether it has counted, and XDP goes by
 * that, not by what user space wants meanwhile. (Native XDP comes first; it can miss or double one
 * packet for each CPU.)
 *
 * Generic XDP and TCX likewise: where both are, XDP comes first, counts and leaves word, and TCX
 * counts only what XDP has not. So one may be attached and the other taken off at any time between,
 * in any order. XDP leaves word only while there may be a TCX program, or it would cost all others.
 */
static __always_inline void account(__u32 cpu_id, union pe_slot_ref ref, enum hook hook,
				    const struct packet *packet, __u32 length)
{
	enum pe_direction direction = hook == HOOK_EGRESS ? PE_EGRESS : PE_INGRESS;
	struct pe_row *row = row_find(ref.slot, direction, cpu_id);
	struct pe_cpu *cpu = bpf_map_lookup_elem(&cpus, &cpu_id);
	__u32 class = packet->class;
	__u32 bucket = size_bucket(length);

	if (!row || !cpu || class >= PE_CLASS_COUNT || bucket >= PE_SIZE_BUCKETS)
		return;
	if (hook == HOOK_XDP && unlikely(row->counted == PE_COUNTED_BY_RECEIVE))
		return;
	if (hook == HOOK_XDP && unlikely(ref.flags & PE_SLOT_TCX))
		row->counted = PE_COUNTED_BY_XDP;
	if (hook == HOOK_TCX && row->counted == PE_COUNTED_BY_XDP) {
		row->counted = PE_COUNTED_NOT;
		return;
	}
	if (hook == HOOK_RECEIVE)
		row->counted = PE_COUNTED_BY_RECEIVE;
	row->class[class].packets++;
	row->class[class].bytes += length;
	row->size[bucket]++;
	if (unlikely(packet->odd)) {
		row->vlan += packet->vlan;
		row->fragments += packet->fragment;
		row->truncated += packet->truncated;
	}
	account_tcp(row, packet->tcp_flags);

	if (likely(packet->has_flow)) {
		__u64 rest = FLOW_REST(packet->ports, ref.slot, packet->ip_proto,
				       ref.tag | PE_FLOW_TAG(0, packet->ipv6, direction));

		if (packet->ipv6)
			flow_add(cpu, cpu_id, row, rest, true, packet, length);
		else
			flow_add(cpu, cpu_id, row, rest, false, packet, length);
	} else if (class < PE_CLASS_ARP) {
		flow_lost(row, packet->ip_proto, 1, length);
	}
}

#endif
