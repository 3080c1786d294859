/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queries that wait for their answer, and what became of the others.
 *
 * Whoever takes a query out of the table, an answer, the same query after too long, or user space,
 * counts it: the kernel lets one of them do it. A place is not taken away from a query: the table
 * is bounded by not taking what comes when it is full, or when one interface has its share of it.
 */
#ifndef PE_BPF_DNS_PENDING_H
#define PE_BPF_DNS_PENDING_H

#include "kernel.h"
#include "histogram.h"
#include "pe/abi_dns.h"

/* Of slots. Mapped by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pe_dns_row);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PE_DNS_PENDING);
	__type(key, struct pe_dns_key);
	__type(value, __u64);
} pending SEC(".maps");

__u64 pe_pending; /* how many there are, at most */

static __always_inline void count_pending(struct pe_dns_counts *counts, __s64 by)
{
	ADD(pe_pending, by);
	ADD(counts->pending, by);
}

/* False if somebody else was faster. */
static __always_inline bool take_out(struct pe_dns_counts *counts, const struct pe_dns_key *key)
{
	if (bpf_map_delete_elem(&pending, key))
		return false;
	count_pending(counts, -1);
	return true;
}

/* Whether the query is in the table now; if it was there, *ret_is_there. */
static __always_inline bool put_in(struct pe_dns_counts *counts, const struct pe_dns_key *key,
				   const __u64 *now, bool *ret_is_there)
{
	long r;

	/* First, so that there never are less than none. */
	count_pending(counts, 1);
	r = bpf_map_update_elem(&pending, key, now, BPF_NOEXIST);
	if (!r)
		return true;
	count_pending(counts, -1);
	*ret_is_there = r == -EEXIST;
	return false;
}

/*
 * A client that has no answer sends the same query again: what it waits for is the answer to its
 * first one, and the time goes on from there. If that is too long ago, it was unanswered, and the
 * time begins anew.
 */
static __always_inline void ask(struct pe_dns_counts *counts, const struct pe_dns_key *key)
{
	const __u64 now = bpf_ktime_get_ns();
	bool is_there = false;
	__u64 *asked;

	ADD(counts->queries, 1);
	if (*(volatile __u64 *)&counts->pending < PE_DNS_PENDING_EACH) {
		if (put_in(counts, key, &now, &is_there))
			return;
	} else {
		is_there = true;
	}
	asked = is_there ? bpf_map_lookup_elem(&pending, key) : NULL;
	if (!asked) {
		ADD(counts->untracked, 1);
		return;
	}
	if (now - *(volatile __u64 *)asked < PE_DNS_TIMEOUT_NS) {
		ADD(counts->repeated, 1);
		return;
	}
	if (take_out(counts, key))
		ADD(counts->unanswered, 1);
	if (!put_in(counts, key, &now, &is_there))
		ADD(counts->untracked, 1);
}

/* Segments of a large answer are none of their own, and look like anything. */
static __always_inline void not_asked_for(struct pe_dns_counts *counts, bool is_udp)
{
	if (is_udp)
		ADD(counts->unmatched, 1);
}

static __always_inline void answer(struct pe_dns_counts *counts, const struct pe_dns_key *key,
				   __u64 rcode)
{
	__u64 *asked = bpf_map_lookup_elem(&pending, key), value;
	const bool is_udp = key->ip_proto == IPPROTO_UDP;

	if (!asked) {
		not_asked_for(counts, is_udp);
		return;
	}
	/* Before it is another one's memory. */
	value = bpf_ktime_get_ns() - *(volatile __u64 *)asked;
	if (!take_out(counts, key)) {
		not_asked_for(counts, is_udp);
		return;
	}
	if (value >= PE_DNS_TIMEOUT_NS) {
		ADD(counts->unanswered, 1);
		not_asked_for(counts, is_udp);
		return;
	}
	observe(counts->answers, rcode, PE_DNS_RCODES);
	observe(counts->time, 0 PE_DNS_BOUNDS_US(ABOVE_US), PE_DNS_BUCKETS);
	ADD(counts->time_sum_ns, value);
}

#endif
