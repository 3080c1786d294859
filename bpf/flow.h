/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flow cache: gathers packets into flows, so that the ring carries one record for many packets.
 *
 * Each CPU has its own sets of two ways and touches no other's: plain loads and stores, no lock.
 * A hit costs one cache line. A miss evicts the smaller way as one record, and the larger flow
 * stays. What does not reach the ring is counted, packets and bytes, in the flow's own row.
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

/* struct pe_flow_key as five words, to be compared and hashed in registers. */
struct flow_words {
	__u64 saddr[2];
	__u64 daddr[2];
	__u64 rest;
};

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FLOW_REST(ports, slot, ip_proto, tag) \
	((__u64)(ports) | (__u64)(slot) << 32 | (__u64)(ip_proto) << 48 | (__u64)(tag) << 56)
#else
#define FLOW_REST(ports, slot, ip_proto, tag) \
	((__u64)(ports) << 32 | (__u64)(slot) << 16 | (__u64)(ip_proto) << 8 | (__u64)(tag))
#endif

static __always_inline __u64 flow_hash(const struct flow_words *key, bool ipv6)
{
	__u64 h = pe_seed;

	/* Odd 64-bit constants from the golden ratio; the high bits are the good ones. */
	h = (h ^ key->rest) * 0x9e3779b97f4a7c15ULL;
	if (ipv6) {
		h = (h ^ h >> 32 ^ key->saddr[0]) * 0xbf58476d1ce4e5b9ULL;
		h = (h ^ h >> 32 ^ key->saddr[1]) * 0x9e3779b97f4a7c15ULL;
		h = (h ^ h >> 32 ^ key->daddr[0]) * 0xbf58476d1ce4e5b9ULL;
		h = (h ^ h >> 32 ^ key->daddr[1]) * 0x94d049bb133111ebULL;
	} else {
		h = (h ^ h >> 32 ^ (key->saddr[0] << 32 | key->daddr[0])) * 0x94d049bb133111ebULL;
	}
	return h;
}

/* `rest` tells IPv4 from IPv6, and the second words of IPv4 are zero. */
static __always_inline bool flow_equal(const struct pe_flow *flow, const struct flow_words *key,
				       bool ipv6)
{
	const struct flow_words *have = (const struct flow_words *)&flow->key;

	if (have->rest != key->rest || have->saddr[0] != key->saddr[0] ||
	    have->daddr[0] != key->daddr[0] || !flow->packets)
		return false;
	return !ipv6 || (have->saddr[1] == key->saddr[1] && have->daddr[1] == key->daddr[1]);
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
 * Sends a way as a record and empties it. `set` is the set's number within the CPU's part: it comes
 * from the flow's hash alone, so that one ring, and one worker, gets all of a flow from every CPU.
 */
static __noinline int flow_evict(struct pe_cpu *cpu, __u32 cpu_id, __u32 set, struct pe_flow *flow,
				 __u32 reason)
{
	__u32 ring_id = (__u64)set * pe_rings >> pe_set_bits;
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
	if (likely(!bpf_ringbuf_output(ring, flow, sizeof(*flow), flags))) {
		flow->packets = 0;
		return 0;
	}
lost:
	cpu->lost[reason]++;
	struct pe_row *row = row_find(flow->key.slot, PE_FLOW_DIRECTION(flow->key.tag), cpu_id);

	if (row)
		flow_lost(row, flow->key.ip_proto, flow->packets, flow->bytes);
	flow->packets = 0;
	return 0;
}

static __always_inline void flow_hit(struct pe_flow *flow, __u32 length, __u32 now, __u8 tcp_flags)
{
	flow->bytes += length;
	flow->packets++;
	flow->last = now;
	flow->tcp_flags |= tcp_flags;
}

static __always_inline void flow_add(struct pe_cpu *cpu, __u32 cpu_id, struct pe_row *row,
				     const struct flow_words *key, const struct packet *packet,
				     __u32 length)
{
	__u32 now = bpf_jiffies64(); /* inlined: one load */
	__u32 set_id = flow_hash(key, packet->ipv6) >> (64 - pe_set_bits);
	__u32 index = (cpu_id << pe_set_bits) + set_id;
	struct pe_flow_set *set = bpf_map_lookup_elem(&flows, &index);
	struct pe_flow *flow;

	if (unlikely(!set || cpu->busy)) {
		cpu->bypassed++;
		flow_lost(row, packet->ip_proto, 1, length);
		return;
	}
	cpu->busy = 1;
	barrier();

	flow = &set->way[0];
	if (!flow_equal(flow, key, packet->ipv6)) {
		flow = &set->way[1];
		if (!flow_equal(flow, key, packet->ipv6))
			goto miss;
	}
	flow_hit(flow, length, now, packet->tcp_flags);
	/* A flow that never pauses is reported all the same; its next packet begins a new record.
	 */
	if (unlikely(now - flow->first >= pe_active_ticks))
		flow_evict(cpu, cpu_id, set_id, flow, PE_EVICT_ACTIVE);
	barrier();
	cpu->busy = 0;
	return;

miss:
	if (set->way[0].packets <= set->way[1].packets)
		flow = &set->way[0];
	if (flow->packets)
		flow_evict(cpu, cpu_id, set_id, flow, PE_EVICT_CAPACITY);
	*(struct flow_words *)&flow->key = *key;
	flow->bytes = length;
	flow->packets = 1;
	flow->first = now;
	flow->last = now;
	flow->tcp_flags = packet->tcp_flags;
	cpu->flows++;
	barrier();
	cpu->busy = 0;
}

#endif
