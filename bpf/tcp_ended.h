/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a connection was like, observed at its end: how long it lasted, how much it carried, and how
 * far away its peer was.
 */
#ifndef PE_BPF_TCP_ENDED_H
#define PE_BPF_TCP_ENDED_H

#include "tcp_spaces.h"
#include "histogram.h"

/*
 * When connections began, by socket. Memory of sockets is only there for tracepoints since 5.11,
 * and no field of a socket has it; a hash map takes longer than all the rest. Each is one word, so
 * that no half of it is ever read. Those that last longest make room for others.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* it begins with a page, and so a set with a line */
	__uint(max_entries, PE_TCP_BIRTH_SETS);
	__type(key, __u32);
	__type(value, struct pe_tcp_births);
} births SEC(".maps");

#define TIME_MASK ((1ull << PE_TCP_BIRTH_TIME_BITS) - 1)

/* What the address of a socket is spread to, so that the bits that differ are the uppermost. The
 * verifier has numbers made of two pointers by a subtraction, and otherwise of none. */
static __always_inline __u64 spread(const struct sock *socket)
{
	__u64 distance = (__u64)socket, from = (__u64)&pe_net;

	hide(from);
	return (distance - from) * 0x9e3779b97f4a7c15ull;
}

static __always_inline struct pe_tcp_births *births_of(__u64 spread)
{
	__u32 set = spread >> 32 & (PE_TCP_BIRTH_SETS - 1);

	return bpf_map_lookup_elem(&births, &set);
}

static __always_inline __u64 now_units(void)
{
	return bpf_ktime_get_ns() >> PE_TCP_BIRTH_UNIT_BITS & TIME_MASK;
}

/* At the place of a socket that had the same memory, a free one, or the oldest. */
static __always_inline void begin(const struct sock *socket)
{
	__u64 key = spread(socket), tag = key & ~TIME_MASK, oldest = ~0ull, at = 0;
	struct pe_tcp_births *set = births_of(key);

	if (!set)
		return;
#pragma unroll
	for (__u32 i = 0; i < PE_TCP_BIRTH_WAYS; i++) {
		__u64 word = set->at[i];
		__u64 age = word && (word & ~TIME_MASK) != tag ? word & TIME_MASK : 0;

		if (age < oldest) {
			oldest = age;
			at = i;
		}
	}
	hide(at);
	if (at < PE_TCP_BIRTH_WAYS)
		*(volatile __u64 *)&set->at[at] = tag | now_units();
}

/* Also of one that never was established: another may get its memory. 0 if it is not known. */
static __always_inline __u64 end(const struct sock *socket)
{
	__u64 key = spread(socket), tag = key & ~TIME_MASK;
	struct pe_tcp_births *set = births_of(key);

	if (!set)
		return 0;
#pragma unroll
	for (__u32 i = 0; i < PE_TCP_BIRTH_WAYS; i++) {
		__u64 word = *(volatile __u64 *)&set->at[i];

		if (!word || (word & ~TIME_MASK) != tag)
			continue;
		*(volatile __u64 *)&set->at[i] = 0;
		/* What is too short for a unit took some time, too. */
		return ((now_units() - word & TIME_MASK) << PE_TCP_BIRTH_UNIT_BITS) + 1;
	}
	return 0;
}

static __always_inline void observe_rtt(struct pe_tcp_counts *counts, __u64 value)
{
	observe(counts->rtt, 0 PE_TCP_RTT_BOUNDS_US(ABOVE), PE_TCP_RTT_BUCKETS);
	ADD(counts->rtt_sum_us, value);
}

static __always_inline void observe_duration(struct pe_tcp_counts *counts, __u64 value)
{
	observe(counts->duration, 0 PE_TCP_DURATION_BOUNDS_MS(ABOVE_MS), PE_TCP_DURATION_BUCKETS);
	ADD(counts->duration_sum_ns, value);
}

static __always_inline void observe_bytes(struct pe_tcp_counts *counts, enum pe_direction direction,
					  __u64 value)
{
	observe(counts->bytes[direction], 0 PE_TCP_BYTES_BOUNDS(ABOVE), PE_TCP_BYTES_BUCKETS);
	ADD(counts->bytes_sum[direction], value);
}

/* The kernel counts the peer's FIN as a byte. */
static __always_inline __u64 received(const struct sock *socket, const struct tcp_sock *tp)
{
	__u64 bytes = tp->bytes_received;
	__u64 fin = socket->__sk_common.skc_flags >> SOCK_DONE & 1;

	return bytes > fin ? bytes - fin : 0;
}

static __always_inline void observe_end(struct pe_tcp_counts *counts, const struct sock *socket,
					__u64 duration_ns)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock((void *)socket);
	__u64 rtt_us;

	if (!tp) /* which never happens */
		return;
	rtt_us = tp->srtt_us >> 3; /* it is kept in eighths */
	if (rtt_us)
		observe_rtt(counts, rtt_us);
	if (duration_ns)
		observe_duration(counts, duration_ns);
	else
		ADD(counts->unmeasured, 1);
	observe_bytes(counts, PE_EGRESS, tp->bytes_sent - tp->bytes_retrans);
	observe_bytes(counts, PE_INGRESS, received(socket, tp));
}

#endif
