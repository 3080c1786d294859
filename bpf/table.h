/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which slot an interface has: what the objects that count by slot share. User space writes it.
 */
#ifndef PE_BPF_TABLE_H
#define PE_BPF_TABLE_H

#include "kernel.h"
#include "pe/abi.h"

const volatile __u32 pe_interface_mask = 1; /* sets of the interface table - 1 */

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

/* Early interfaces (early.h): ifindex to word. Entries are removed by user space alone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PE_EARLY_MAX);
	__type(key, __u32);
	__type(value, __u64);
} early SEC(".maps");

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

/* The same with early interfaces, of which none becomes one by this. A zero word for one that is
 * not to be counted, which may be in the table without flags. */
static __always_inline union pe_slot_ref slot_find(__u32 ifindex)
{
	union pe_slot_ref ref = interface_find(ifindex);

	if (!ref.word) {
		__u64 *word = bpf_map_lookup_elem(&early, &ifindex);

		ref.word = word ? *(volatile __u64 *)word : 0;
	}
	if (ref.ifindex != ifindex || !(ref.flags & PE_SLOT_FLAGS))
		ref.word = 0;
	return ref;
}

static __always_inline bool has_ethernet(union pe_slot_ref ref)
{
	return !(ref.flags & PE_SLOT_NO_ETHERNET);
}

static __always_inline bool is_can(union pe_slot_ref ref)
{
	return (ref.flags & PE_SLOT_SEALED) == PE_SLOT_CAN;
}

#endif
