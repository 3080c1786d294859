/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Maps and constants. Sizes and constants are set by user space before the load; the verifier then
 * sees the constants as numbers. Only arrays: their look-ups are inlined, a hash map's is a call.
 */
#ifndef PE_BPF_MAPS_H
#define PE_BPF_MAPS_H

#include "kernel.h"
#include "pe/abi.h"

const volatile __u32 pe_cpus = 1;	/* possible CPUs */
const volatile __u32 pe_interface_mask; /* sets of the interface table - 1 */
const volatile __u32 pe_set_shift = 31; /* 32 - log2 of a CPU's sets of IPv4; of IPv6 it has half */
const volatile __u32 pe_rings = 1;	/* workers */
const volatile __u32 pe_wake_bytes;	/* fill of a ring at which its worker is woken */
const volatile __u32 pe_active_ticks;	/* a flow is reported after gathering for this long */
const volatile bool pe_has_buff_len;	/* the kernel has multi-buffer XDP */
const volatile bool pe_reads_bytes;	/* packets are read by bytes_at() */
const volatile bool pe_reads_pages;	/* and beyond their linear part by bpf_dynptr_from_skb() */
const volatile __u64 pe_gro_feature;	/* the bit of net_device.features */
const volatile __u64 pe_seed;		/* so that nobody can aim at one set of the cache */

struct pe_interface_set {
	union pe_slot_ref way[PE_SLOT_WAYS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pe_interface_set);
} interfaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pe_row);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pe_cpu);
} cpus SEC(".maps");

/* Mmapable, though nobody maps them: then values begin at a page, and a set of IPv4 is one line. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pe_flow4_set);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pe_flow6_set);
} flows6 SEC(".maps");

struct pe_ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct pe_ring_map);
} rings SEC(".maps");

/* The slot of an interface, or a zero word. Four ways, because ifindexes of live interfaces can
 * clash. */
static __always_inline union pe_slot_ref interface_find(__u32 ifindex)
{
	union pe_slot_ref ref = { .word = 0 };
	__u32 index = ifindex & pe_interface_mask;
	struct pe_interface_set *set = bpf_map_lookup_elem(&interfaces, &index);

	if (!set)
		return ref;
#pragma unroll
	for (int i = 0; i < PE_SLOT_WAYS; i++) {
		/* One load: user space changes an entry by one store. */
		ref.word = *(volatile __u64 *)&set->way[i].word;
		if (ref.ifindex == ifindex)
			return ref;
	}
	ref.word = 0;
	return ref;
}

static __always_inline struct pe_cpu *cpu_find(__u32 cpu_id)
{
	return bpf_map_lookup_elem(&cpus, &cpu_id);
}

static __always_inline struct pe_row *row_find(__u32 slot, __u32 direction, __u32 cpu)
{
	__u32 index = (slot * PE_DIRECTIONS + direction) * pe_cpus + cpu;

	return bpf_map_lookup_elem(&rows, &index);
}

#endif
