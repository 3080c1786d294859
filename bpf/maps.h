/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Maps and constants. Sizes and constants are set by user space before the load; the verifier then
 * sees the constants as numbers. Only arrays, and arrays of them: their look-ups are inlined, a
 * hash map's is a call.
 */
#ifndef PE_BPF_MAPS_H
#define PE_BPF_MAPS_H

#include "table.h"
#include "constants.h"

/* With those of table.h and constants.h, which come before, in one line of the CPU's cache, because
 * most packets need most of them. They have values here, or else the compiler would place them
 * behind all that have. */
const volatile __u64 pe_seed = 1;	    /* so that nobody can aim at one set of the cache */
const volatile __u32 pe_pair_bits = 4;	    /* log2 of a CPU's pairs in the flow cache */
const volatile __u32 pe_active_ticks = 1;   /* a flow is reported after gathering for this long */
const volatile bool pe_has_flows = true;    /* flows are gathered */
const volatile bool pe_has_buff_len = true; /* the kernel has multi-buffer XDP */
const volatile __u32 pe_rings = 1;	    /* workers */
const volatile __u32 pe_wake_bytes = 1;	    /* fill of a ring at which its worker is woken */

/* Each part is made when it is needed, and found by number. Mmapable, also where nobody maps it:
 * then values begin at a page, and so a line of ours is one of the CPU's cache. */
struct pe_lane_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PE_CHUNK_ENTRIES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct pe_lane));
};

/* Of chunk * pe_cpus + CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct pe_lane_chunk);
} lanes SEC(".maps");

struct pe_common_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PE_CHUNK_ENTRIES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct pe_common));
};

/* Of a chunk. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct pe_common_chunk);
} common SEC(".maps");

struct pe_flow_cache {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct pe_flow_pair));
};

/* Of a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct pe_flow_cache);
} flows SEC(".maps");

/* Of every possible CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pe_cpu);
} cpus SEC(".maps");

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

static __always_inline struct pe_cpu *cpu_find(__u32 cpu_id)
{
	return bpf_map_lookup_elem(&cpus, &cpu_id);
}

/* NULL on a CPU that has no lanes, or not yet. */
static __always_inline struct pe_lane *lane_find(__u32 slot, __u32 direction, __u32 cpu_id)
{
	__u32 part = (slot >> PE_CHUNK_SHIFT) * pe_cpus + cpu_id;
	__u32 index = PE_CHUNK_INDEX(slot, direction);
	void *chunk = bpf_map_lookup_elem(&lanes, &part);

	return likely(chunk) ? bpf_map_lookup_elem(chunk, &index) : NULL;
}

static __always_inline struct pe_common *common_find(__u32 slot, __u32 direction)
{
	__u32 part = slot >> PE_CHUNK_SHIFT;
	__u32 index = PE_CHUNK_INDEX(slot, direction);
	void *chunk = bpf_map_lookup_elem(&common, &part);

	return chunk ? bpf_map_lookup_elem(chunk, &index) : NULL;
}

#endif
