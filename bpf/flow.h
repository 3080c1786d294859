/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flow cache: gathers packets into flows, so that the ring carries one record for many packets.
 *
 * Each CPU has its own lines and touches no other's: plain loads and stores, no lock. A flow of
 * IPv4 has two places in one cache line, because with many flows the time of a packet is that of
 * memory; one of IPv6 takes one of a pair of lines. A miss evicts the smaller as one record, and
 * the larger stays. What does not reach the ring is counted, packets and bytes, as its interface's.
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

/* Flow detail that will be missing: kept beside the counters, where its packets are anyway. */
static __noinline int flow_lost(__u64 slot, __u64 direction, __u64 ip_proto, __u64 packets,
				__u64 bytes)
{
	struct pe_common *common = common_find(slot, direction);
	__u32 proto = proto_of[ip_proto & 0xff];

	if (!common || proto >= PE_PROTO_COUNT)
		return 0;
	__sync_fetch_and_add(&common->lost[proto].packets, packets);
	__sync_fetch_and_add(&common->lost[proto].bytes, bytes);
	return 0;
}

/*
 * Sends a flow as a record and empties its place. Numbers are 64 bits wide, because verifiers
 * before 5.16 forget the value of a narrower one that the compiler keeps on the stack.
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
	flow_lost(flow->slot, PE_FLOW_DIRECTION(flow->tag), flow->ip_proto, flow->packets,
		  flow->bytes);
	flow->packets = 0;
	return 0;
}

/* The pair of a flow, by the highest bits of its hash. */
static __always_inline __u32 pair_index(__u64 hash)
{
	return hash >> (64 - pe_pair_bits);
}

/* To the ring that the pair's number chooses: one ring, and one worker, gets all of a flow from
 * every CPU. */
static __always_inline __u32 ring_of(__u32 index)
{
	return (__u64)index * pe_rings >> pe_pair_bits;
}

static __always_inline bool is_whole(const union pe_flow_line *line)
{
	return line->whole.head.packets && PE_FLOW_IS_IPV6(line->whole.head.tag);
}

static __always_inline __u64 line_packets(const union pe_flow_line *line)
{
	__u64 packets = line->way[0].head.packets;

	return is_whole(line) ? packets : packets + line->way[1].head.packets;
}

static __always_inline void line_evict(struct pe_cpu *cpu, union pe_flow_line *line, __u32 ring_id,
				       enum pe_evict reason)
{
	if (is_whole(line)) {
		flow_evict(cpu, ring_id, &line->whole.head, offsetof(struct pe_flow6, unused),
			   reason);
		/* Which was in the middle of its addresses. */
		line->way[1].head.packets = 0;
		return;
	}
	if (line->way[0].head.packets)
		flow_evict(cpu, ring_id, &line->way[0].head, sizeof(struct pe_flow4), reason);
	if (line->way[1].head.packets)
		flow_evict(cpu, ring_id, &line->way[1].head, sizeof(struct pe_flow4), reason);
}

/* Its place, which may be another flow's still. */
static __always_inline struct pe_flow_head *flow_place4(union pe_flow_line *line, __u64 rest,
							const __u64 *address, bool *ret_is_found)
{
	struct pe_flow_head *first = &line->way[0].head, *second = &line->way[1].head;

	*ret_is_found = true;
	if (flow_equal(first, rest, address, false))
		return first;
	if (is_whole(line)) {
		*ret_is_found = false;
		return first;
	}
	if (flow_equal(second, rest, address, false))
		return second;
	*ret_is_found = false;
	return first->packets <= second->packets ? first : second;
}

static __always_inline bool flow_gather(struct pe_flow_head *flow, __u32 now, __u8 tcp_flags,
					const struct pe_count *sum)
{
	__u32 bytes = flow->bytes + sum->bytes, span = now - flow->first;

	/* A flow that never pauses is reported all the same. */
	if (unlikely(span >= pe_active_ticks || bytes > PE_FLOW_BYTES_MAX))
		return false;
	flow->bytes = bytes;
	flow->packets += sum->packets;
	flow->span = span;
	flow->tcp_flags |= tcp_flags;
	return true;
}

static __always_inline void flow_begin(struct pe_cpu *cpu, struct pe_flow_head *flow, __u64 rest,
				       __u32 now, __u8 tcp_flags, const struct pe_count *sum)
{
	flow->bytes = sum->bytes;
	flow->packets = sum->packets;
	flow->first = now;
	flow->span = 0;
	flow->tcp_flags = tcp_flags;
	flow->rest = rest;
	cpu->flows++;
}

static __always_inline void flow_add4(struct pe_cpu *cpu, union pe_flow_line *line, __u32 index,
				      __u64 rest, const struct packet *packet,
				      const struct pe_count *sum)
{
	__u32 now = bpf_jiffies64(); /* inlined: one load */
	struct pe_flow_head *flow;
	bool is_found;

	flow = flow_place4(line, rest, packet->address, &is_found);
	if (likely(is_found)) {
		if (likely(flow_gather(flow, now, packet->tcp_flags, sum)))
			return;
		flow_evict(cpu, ring_of(index), flow, sizeof(struct pe_flow4), PE_EVICT_ACTIVE);
	} else if (unlikely(is_whole(line))) {
		line_evict(cpu, line, ring_of(index), PE_EVICT_CAPACITY);
	} else if (flow->packets) {
		flow_evict(cpu, ring_of(index), flow, sizeof(struct pe_flow4), PE_EVICT_CAPACITY);
	}
	flow_begin(cpu, flow, rest, now, packet->tcp_flags, sum);
	flow_address(flow)[0] = packet->address[0];
}

static __always_inline void flow_add6(struct pe_cpu *cpu, struct pe_flow_pair *pair, __u32 index,
				      __u64 rest, const struct packet *packet,
				      const struct pe_count *sum)
{
	const __u64 *address = packet->address;
	enum pe_evict reason = PE_EVICT_ACTIVE;
	union pe_flow_line *line = &pair->line[0];
	__u32 now = bpf_jiffies64();

	if (!flow_equal(&line->whole.head, rest, address, true)) {
		line = &pair->line[1];
		if (!flow_equal(&line->whole.head, rest, address, true)) {
			if (line_packets(&pair->line[0]) <= line_packets(line))
				line = &pair->line[0];
			reason = PE_EVICT_CAPACITY;
		}
	}
	if (likely(reason == PE_EVICT_ACTIVE) &&
	    likely(flow_gather(&line->whole.head, now, packet->tcp_flags, sum)))
		return;
	line_evict(cpu, line, ring_of(index), reason);
	flow_begin(cpu, &line->whole.head, rest, now, packet->tcp_flags, sum);
	for (int i = 0; i < 4; i++)
		line->whole.address[i] = address[i];
}

/* Called with `ipv6` as a constant: it is compiled twice. */
static __always_inline void flow_add(struct pe_cpu *cpu, __u32 cpu_id, __u32 slot,
				     enum pe_direction direction, __u64 rest, bool ipv6,
				     const struct packet *packet, const struct pe_count *sum)
{
	__u64 hash = flow_hash(rest, packet->address, ipv6);
	void *cache = bpf_map_lookup_elem(&flows, &cpu_id);
	__u32 index = pair_index(hash);
	struct pe_flow_pair *pair;

	pair = likely(cache) ? bpf_map_lookup_elem(cache, &index) : NULL;
	if (unlikely(!pair || cpu->busy)) {
		if (!pair)
			cpu->lacks = 1;
		cpu->bypassed++;
		flow_lost(slot, direction, packet->ip_proto, sum->packets, sum->bytes);
		return;
	}
	cpu->busy = 1;
	barrier();
	if (ipv6)
		flow_add6(cpu, pair, index, rest, packet, sum);
	else
		flow_add4(cpu, &pair->line[hash >> (63 - pe_pair_bits) & 1], index, rest, packet,
			  sum);
	barrier();
	cpu->busy = 0;
}

#endif
