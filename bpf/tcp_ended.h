/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a connection was like, observed at its end: how long it lasted, how much it carried, and how
 * far away its peer was.
 */
#ifndef PE_BPF_TCP_ENDED_H
#define PE_BPF_TCP_ENDED_H

#include "tcp_spaces.h"

#define ADD(word, by) __sync_fetch_and_add(&(word), by)

/*
 * When connections began, by socket. Memory of sockets is only there for tracepoints since 5.11,
 * and no field of a socket has it. Those that last longest make room for others.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PE_TCP_BIRTHS);
	__type(key, __u64);
	__type(value, __u64);
} births SEC(".maps");

static __always_inline void begin(const struct sock *sk)
{
	__u64 key = (__u64)sk, now = bpf_ktime_get_ns();

	bpf_map_update_elem(&births, &key, &now, BPF_ANY);
}

/* Also of one that never was established: another may get its memory. 0 if it is not known. */
static __always_inline __u64 end(const struct sock *sk)
{
	__u64 key = (__u64)sk, *birth = bpf_map_lookup_elem(&births, &key), ns;

	if (!birth)
		return 0;
	ns = bpf_ktime_get_ns() - *birth;
	bpf_map_delete_elem(&births, &key);
	return ns;
}

#define ABOVE(number, text)    +(value > (number))
#define ABOVE_MS(number, text) +(value > (number)*1000000ull)

static __always_inline void observe(__u64 *buckets, __u64 bucket, __u64 count)
{
	hide(bucket);
	if (bucket < count)
		ADD(buckets[bucket], 1);
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
static __always_inline __u64 received(const struct sock *sk)
{
	__u64 bytes = BPF_CORE_READ((const struct tcp_sock *)sk, bytes_received);
	__u64 fin = BPF_CORE_READ(sk, __sk_common.skc_flags) >> SOCK_DONE & 1;

	return bytes > fin ? bytes - fin : 0;
}

static __always_inline void observe_end(struct pe_tcp_counts *counts, const struct sock *sk,
					__u64 duration_ns)
{
	const struct tcp_sock *tp = (const void *)sk;
	__u64 rtt_us = BPF_CORE_READ(tp, srtt_us) >> 3; /* it is kept in eighths */

	if (rtt_us)
		observe_rtt(counts, rtt_us);
	if (duration_ns)
		observe_duration(counts, duration_ns);
	else
		ADD(counts->unmeasured, 1);
	observe_bytes(counts, PE_EGRESS,
		      BPF_CORE_READ(tp, bytes_sent) - BPF_CORE_READ(tp, bytes_retrans));
	observe_bytes(counts, PE_INGRESS, received(sk));
}

#endif
