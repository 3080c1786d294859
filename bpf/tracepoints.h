/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting by BTF tracepoints, each attached once for all interfaces: they cannot change or drop a
 * packet, and attaching takes no lock of the network stack.
 *
 *   pe_egress   what an interface sends, as it is handed to the driver
 *   pe_receive  what an interface receives, where XDP cannot count it or should not: on cards and
 *               bridges, where GRO is on, where another XDP program is, and under load. Where XDP
 *               counts, it marks for it what it must not count.
 *   pe_gro      what a tunnel receives, before its GRO merges it
 */
#ifndef PE_BPF_TRACEPOINTS_H
#define PE_BPF_TRACEPOINTS_H

#include "early.h"
#include "skb.h"

/* Most packets of a host full of containers pass interfaces of other namespaces as well: that is
 * asked first, and one load. */
static __always_inline union pe_slot_ref slot_of(const struct net_device *dev)
{
	union pe_slot_ref ref = { .word = 0 };

	if (!is_ours(dev))
		return ref;
	ref = interface_find(dev->ifindex);
	return likely(ref.word) ? ref : early_find(dev);
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(pe_egress, const struct sk_buff *skb, const struct net_device *dev)
{
	union pe_slot_ref ref;

	if (!skb || !dev)
		return 0;
	ref = slot_of(dev);
	if (ref.flags & PE_SLOT_EGRESS)
		count_sent(skb, dev, ref);
	return 0;
}

/* For the hook that comes next on this CPU: see account(). */
static __always_inline void mark(union pe_slot_ref ref, enum pe_counted counted)
{
	struct pe_cpu *cpu = cpu_find(bpf_get_smp_processor_id());

	if (cpu)
		cpu->mark = counted ? mark_of(ref, counted) : 0;
}

/* Whether XDP or TCX will see this packet, and take a mark off again. */
static __always_inline bool is_seen_next(const struct sk_buff *skb, union pe_slot_ref ref)
{
	return ref.flags & PE_SLOT_TCX ? !is_handed_back(skb) : !is_redirected(skb);
}

/* A function of its own, so that the usual packet does not pay for what it needs. */
static __noinline int receive(const struct sk_buff *skb, const struct net_device *dev, __u64 word)
{
	union pe_slot_ref ref = { .word = word };
	__u32 origin = ref.flags & PE_SLOT_ORIGIN;
	bool received, by_napi;

	if (!skb || !dev)
		return 0;
	received = is_received(skb, dev, origin);
	by_napi = origin == PE_ORIGIN_LINK && is_by_napi(skb);
	/* What generic XDP passes over, and what its length cannot show it, is counted here. */
	if (received && (ref.flags & PE_SLOT_RECEIVE || by_napi ||
			 (is_redirected(skb) && !(ref.flags & PE_SLOT_TCX))))
		count_received(skb, dev, ref, by_napi, false);
	else if (received)
		mark(ref, PE_COUNTED_NOT);
	else if (is_seen_next(skb, ref))
		mark(ref, PE_COUNTED_BY_RECEIVE);
	return 0;
}

/* Of a veth that XDP counts, most packets are for XDP. */
static __always_inline bool is_for_xdp(const struct sk_buff *skb, union pe_slot_ref ref)
{
	const __u32 mask = PE_SLOT_ORIGIN | PE_SLOT_RECEIVE | PE_SLOT_TCX;

	return (ref.flags & mask) == PE_ORIGIN_LINK && is_usual(skb) && !is_by_napi(skb);
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(pe_receive, const struct sk_buff *skb)
{
	const struct net_device *dev;
	union pe_slot_ref ref;

	dev = skb ? skb->dev : NULL;
	if (!dev)
		return 0;
	ref = slot_of(dev);
	if (!(ref.flags & PE_SLOT_ORIGIN) || ref.flags & PE_SLOT_NATIVE)
		return 0;
	if (likely(is_for_xdp(skb, ref)))
		mark(ref, PE_COUNTED_NOT);
	else
		receive(skb, dev, ref.word);
	return 0;
}

SEC("tp_btf/napi_gro_receive_entry")
int BPF_PROG(pe_gro, const struct sk_buff *skb)
{
	const __u32 mask = PE_SLOT_ORIGIN | PE_SLOT_RECEIVE;
	const struct net_device *dev;
	union pe_slot_ref ref;

	dev = skb ? skb->dev : NULL;
	if (!dev || !is_ours(dev))
		return 0;
	ref = interface_find(dev->ifindex);
	if (likely((ref.flags & mask) != (PE_ORIGIN_CELLS | PE_SLOT_RECEIVE)) || !has_gro(dev) ||
	    is_cloned(skb))
		return 0;
	count_received(skb, dev, ref, false, true);
	return 0;
}

#endif
