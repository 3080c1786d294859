/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the sockets of a network namespace count. A namespace takes a free place with its first
 * event; user space takes places back that have been quiet, as bpf/early.h does with slots. A count
 * may come to a place while it is taken back: it is read once more before it is free.
 */
#ifndef PE_BPF_TCP_SPACES_H
#define PE_BPF_TCP_SPACES_H

#include "tcp_overflows.h"

/* Mapped by user space. Its size, and that of the others, is set before the load. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pe_tcp_space);
} spaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 1);
	__uint(value_size, sizeof(__u32));
} free_spaces SEC(".maps");

/* By cookie. Entries are removed by user space alone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u32);
} places SEC(".maps");

__u64 pe_net;	   /* address of our namespace, which exists for as long as we do */
__u64 pe_unplaced; /* events of namespaces that found no place */

/* Of the namespaces that it is called for. */
static __noinline __u32 take_place(__u64 net, __u64 cookie)
{
	struct pe_tcp_space *space;
	__u32 place, *first;

	if (bpf_map_pop_elem(&free_spaces, &place)) {
		__sync_fetch_and_add(&pe_unplaced, 1);
		return PE_TCP_SPACE_REST;
	}
	space = bpf_map_lookup_elem(&spaces, &place);
	if (space) {
		begin_overflows(space, net);
		*(volatile __u64 *)&space->cookie = cookie;
	}
	if (!bpf_map_update_elem(&places, &cookie, &place, BPF_NOEXIST))
		return place;
	/* Another CPU was first. */
	if (space)
		*(volatile __u64 *)&space->cookie = 0;
	bpf_map_push_elem(&free_spaces, &place, BPF_ANY);
	first = bpf_map_lookup_elem(&places, &cookie);
	return first ? *(volatile __u32 *)first : PE_TCP_SPACE_REST;
}

/* NULL never happens, which the verifier does not know. */
static __always_inline struct pe_tcp_space *space_by(__u64 net, __u64 cookie)
{
	__u32 place = PE_TCP_SPACE_HOST;

	if (net != pe_net) {
		__u32 *found = bpf_map_lookup_elem(&places, &cookie);

		place = found ? *(volatile __u32 *)found : take_place(net, cookie);
	}
	return bpf_map_lookup_elem(&spaces, &place);
}

/* Of whatever may be behind a pointer. */
static __always_inline struct pe_tcp_counts *counts_of(struct net *net)
{
	struct pe_tcp_space *space;
	__u32 rest = PE_TCP_SPACE_REST;

	space = net ? space_by((__u64)net, cookie_of(net)) : bpf_map_lookup_elem(&spaces, &rest);
	return space ? &space->counts : NULL;
}

#endif
