/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Early interfaces: veths that user space does not know yet. Containers send as soon as they are
 * up, and the event of an interface may have to wait: until the daemon gets a CPU, or for a list of
 * all interfaces after events were lost. So that no packet has to, user space keeps some
 * provisional slots ready. The first packet of an interface that is not in the table takes one, and
 * user space goes on with that slot when it reads the event.
 *
 * Only veths: their frames have Ethernet headers, and their own counters mean the same as ours.
 * Only the tracepoints come here, and for packets of unknown interfaces only: helper calls are
 * fine.
 */
#ifndef PE_BPF_EARLY_H
#define PE_BPF_EARLY_H

#include "maps.h"

/* Words of union pe_slot_ref, without an ifindex. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, PE_EARLY_MAX);
	__uint(value_size, sizeof(__u64));
} provisional SEC(".maps");

static __always_inline bool is_veth(const struct net_device *dev)
{
	const struct rtnl_link_ops *ops = dev->rtnl_link_ops;
	char kind[sizeof("veth")] = {};

	/* Not even a guarded load may fault: Linux 5.10 can panic there. It has two symbols for one
	 * program, and finds the exception table by the wrong one. */
	if (!ops)
		return false;
	return !bpf_probe_read_kernel(kind, sizeof(kind), ops->kind) && kind[0] == 'v' &&
	       kind[1] == 'e' && kind[2] == 't' && kind[3] == 'h' && kind[4] == '\0';
}

/* For want of a provisional slot. */
static __always_inline void early_missed(void)
{
	__u32 cpu_id = bpf_get_smp_processor_id();
	struct pe_cpu *cpu = bpf_map_lookup_elem(&cpus, &cpu_id);

	if (cpu)
		cpu->missed++;
}

/* Its slot, or a zero word. */
static __always_inline union pe_slot_ref early_find(const struct net_device *dev)
{
	union pe_slot_ref ref = { .word = 0 }, slot = { .word = 0 };
	__u32 ifindex = dev->ifindex;
	__u64 *word = bpf_map_lookup_elem(&early, &ifindex);

	if (!word && !is_veth(dev))
		return ref;
	if (!word && !bpf_map_pop_elem(&provisional, &slot.word)) {
		ref.word = slot.word;
		ref.ifindex = ifindex;
		if (!bpf_map_update_elem(&early, &ifindex, &ref.word, BPF_NOEXIST))
			return ref;
		/* Another CPU was first. */
		bpf_map_push_elem(&provisional, &slot.word, BPF_ANY);
		word = bpf_map_lookup_elem(&early, &ifindex);
	}
	/* Between two instructions an entry can be removed, and its memory be another one's. */
	ref.word = word ? *(volatile __u64 *)word : 0;
	if (ref.ifindex != ifindex) {
		early_missed();
		ref.word = 0;
	}
	return ref;
}

#endif
