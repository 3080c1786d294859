/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flow cache: gathers packets into flows, so that the ring carries one record for many packets.
 *
 * Each CPU has its own sets of two ways and touches no other's: plain loads and stores, no lock. A
 * set of IPv4 is one cache line, because with many flows the time of a packet is that of memory. A
 * miss evicts the smaller way as one record, and the larger flow stays. What does not reach the
 * ring is counted, packets and bytes, in the flow's own row.
 *
 * Packets (with bottom halves off) never interrupt each other on one CPU. The sweep can interrupt a
 * packet, or be interrupted by one: `busy` keeps the second out (sweep.h).
 */
#ifndef PE_BPF_FLOW_H
#define PE_BPF_FLOW_H

#include "maps.h"
#include "parse.h"

/* So many records are sent between two looks at how full the ring is; the look is a helper call. */
#define LOOK_EVERY 32

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FLOW_REST(ports, slot, ip_proto, tag) \
	((__u64)(ports) | (__u64)(slot) << 32 | (__u64)(ip_proto) << 48 | (__u64)(tag) << 56)
#else
#define FLOW_REST(ports, slot, ip_proto, tag) \
	((__u64)(ports) << 32 | (__u64)(slot) << 16 | (__u64)(ip_proto) << 8 | (__u64)(tag))
#endif

static __always_inline __u64 flow_hash(__u64 rest, const __u64 *address, bool ipv6)
{
	__u64 h = pe_seed;

	/* Odd 64-bit constants from the golden ratio; the high bits are the good ones. */
	h = (h ^ rest) * 0x9e3779b97f4a7c15ULL;
	if (ipv6) {
		h = (h ^ h >> 32 ^ address[3]) * 0xbf58476d1ce4e5b9ULL;
		h = (h ^ h >> 32 ^ address[2]) * 0x9e3779b97f4a7c15ULL;
		h = (h ^ h >> 32 ^ address[1]) * 0xbf58476d1ce4e5b9ULL;
	}
	return (h ^ h >> 32 ^ address[0]) * 0x94d049bb133111ebULL;
}

/* In struct pe_flow4 and pe_flow6 they are in the same place. */
static __always_inline __u64 *flow_address(struct pe_flow_head *flow)
{
	return (__u64 *)(flow + 1);
}

static __always_inline bool flow_equal(struct pe_flow_head *flow, __u64 rest, const __u64 *address,
				       bool ipv6)
{
	const __u64 *have = flow_address(flow);

	if (flow->rest != rest || have[0] != address[0] || !flow->packets)
		return false;
	return !ipv6 || (have[1] == address[1] && have[2] == address[2] && have[3] == address[3]);
}

/* Flow detail that will be missing: kept in the row, where its packets are counted anyway. */
static __always_inline void flow_lost(struct pe_row *row, __u8 ip_proto, __u64 packets, __u64 bytes)
{
	__u32 proto = proto_of[ip_proto];

	if (proto >= PE_PROTO_COUNT)
		return;
	/* Atomic, because a packet that is bypassed may have interrupted the sweep just here. */
	__sync_fetch_and_add(&row->lost[proto].packets, packets);
	__sync_fetch_and_add(&row->lost[proto].bytes, bytes);
}

/*
 * Sends a way as a record and empties it. Numbers are 64 bits wide, because verifiers before 5.16
 * forget the value of a narrower one that the compiler keeps on the stack.
 */
static __noinline int flow_evict(struct pe_cpu *cpu, __u32 ring_id, struct pe_flow_head *flow,
				 __u64 size, __u64 reason)
{
	__u64 flags = BPF_RB_NO_WAKEUP;
	void *ring;

	if (!cpu || !flow || reason >= PE_EVICT_REASONS)
		return 0;
	flow->reason = reason;
	cpu->evicted[reason]++;
	cpu->flows--;
	ring = bpf_map_lookup_elem(&rings, &ring_id);
	if (!ring)
		goto lost;
	if (++cpu->sent % LOOK_EVERY == 0 &&
	    bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) >= pe_wake_bytes)
		flags = BPF_RB_FORCE_WAKEUP;
	if (likely(!bpf_ringbuf_output(ring, flow, size, flags))) {
		flow->packets = 0;
		return 0;
	}
lost:
	cpu->lost[reason]++;
	struct pe_row *row =
		row_find(flow->slot, PE_FLOW_DIRECTION(flow->tag), bpf_get_smp_processor_id());

	if (row)
		flow_lost(row, flow->ip_proto, flow->packets, flow->bytes);
	flow->packets = 0;
	return 0;
}

/* Sets of IPv6 are half as many. */
static __always_inline __u32 set_shift(bool ipv6)
{
	return pe_set_shift + ipv6;
}

/* The set of a flow on a CPU: first the CPU's number, then the highest bits of the hash. */
static __always_inline __u32 set_index(__u32 cpu_id, __u64 hash, bool ipv6)
{
	return ((__u64)cpu_id << 32 | hash >> 32) >> set_shift(ipv6);
}

static __always_inline void *set_find(__u32 index, bool ipv6)
{
	return ipv6 ? bpf_map_lookup_elem(&flows6, &index) : bpf_map_lookup_elem(&flows4, &index);
}

static __always_inline struct pe_flow_head *way_of(void *set, int way, bool ipv6)
{
	return set + way * (ipv6 ? sizeof(struct pe_flow6) : sizeof(struct pe_flow4));
}

/* To the ring that the hash's bits of its set's index choose: one ring, and one worker, gets all of
 * a flow from every CPU. */
static __always_inline void flow_send(struct pe_cpu *cpu, __u32 index, struct pe_flow_head *flow,
				      bool ipv6, enum pe_evict reason)
{
	__u32 ring_id = (__u64)(index << set_shift(ipv6)) * pe_rings >> 32;

	flow_evict(cpu, ring_id, flow,
		   ipv6 ? offsetof(struct pe_flow6, unused) : sizeof(struct pe_flow4), reason);
}

/* Called with `ipv6` as a constant: it is compiled twice. */
static __always_inline void flow_add(struct pe_cpu *cpu, __u32 cpu_id, struct pe_row *row,
				     __u64 rest, bool ipv6, const struct packet *packet,
				     const struct pe_count *sum)
{
	const __u64 *address = packet->address;
	__u32 index = set_index(cpu_id, flow_hash(rest, address, ipv6), ipv6);
	enum pe_evict reason = PE_EVICT_ACTIVE;
	void *set = set_find(index, ipv6);
	struct pe_flow_head *flow;
	__u32 now, bytes, span;

	if (unlikely(!set || cpu->busy)) {
		cpu->bypassed++;
		flow_lost(row, packet->ip_proto, sum->packets, sum->bytes);
		return;
	}
	cpu->busy = 1;
	barrier();

	now = bpf_jiffies64(); /* inlined: one load */
	flow = way_of(set, 0, ipv6);
	if (!flow_equal(flow, rest, address, ipv6)) {
		flow = way_of(set, 1, ipv6);
		if (!flow_equal(flow, rest, address, ipv6)) {
			if (way_of(set, 0, ipv6)->packets <= flow->packets)
				flow = way_of(set, 0, ipv6);
			reason = PE_EVICT_CAPACITY;
			goto begin;
		}
	}
	bytes = flow->bytes + sum->bytes;
	span = now - flow->first;
	if (likely(span < pe_active_ticks && bytes <= PE_FLOW_BYTES_MAX)) {
		flow->bytes = bytes;
		flow->packets += sum->packets;
		flow->span = span;
		flow->tcp_flags |= packet->tcp_flags;
		goto done;
	}
	/* A flow that never pauses is reported all the same; this packet begins a new record. */
begin:
	if (flow->packets)
		flow_send(cpu, index, flow, ipv6, reason);
	flow->bytes = sum->bytes;
	flow->packets = sum->packets;
	flow->first = now;
	flow->span = 0;
	flow->tcp_flags = packet->tcp_flags;
	flow->rest = rest;
	flow_address(flow)[0] = address[0];
	if (ipv6) {
		flow_address(flow)[1] = address[1];
		flow_address(flow)[2] = address[2];
		flow_address(flow)[3] = address[3];
	}
	cpu->flows++;
done:
	barrier();
	cpu->busy = 0;
}

#endif
