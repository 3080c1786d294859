/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting by BTF tracepoints, each attached once for all interfaces: they cannot change or drop a
 * packet, and attaching takes no lock of the network stack.
 *
 *   pe_egress   what an interface sends, as it is handed to the driver
 *   pe_receive  what an interface receives, where XDP cannot be or should not: on a bridge, whose
 *               ports the kernel would then refuse a program, where another XDP program is, and
 *               under load, because generic XDP copies most packets first
 */
#ifndef PE_BPF_TRACEPOINTS_H
#define PE_BPF_TRACEPOINTS_H

#include "newcomers.h"
#include "skb.h"

static __always_inline union pe_slot_ref slot_of(const struct net_device *dev)
{
	union pe_slot_ref ref = interface_find(dev->ifindex);

	return likely(ref.word) || !is_ours(dev) ? ref : newcomer_find(dev);
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(pe_egress, const struct sk_buff *skb, const struct net_device *dev)
{
	union pe_slot_ref ref = slot_of(dev);

	if (ref.flags & PE_SLOT_EGRESS && is_ours(dev))
		count_skb(skb, ref, HOOK_EGRESS, skb->data, 0);
	return 0;
}

/* See account(). */
static __always_inline void leave_to_xdp(union pe_slot_ref ref)
{
	struct pe_row *row = row_find(ref.slot, PE_INGRESS, bpf_get_smp_processor_id());

	if (row)
		row->counted = PE_COUNTED_NOT;
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(pe_receive, const struct sk_buff *skb)
{
	const struct net_device *dev = skb->dev;
	union pe_slot_ref ref = slot_of(dev);

	if (likely(!(ref.flags & (PE_SLOT_RECEIVE | PE_SLOT_RETURNED))) || !is_ours(dev))
		return 0;
	if (!(ref.flags & PE_SLOT_RECEIVE)) {
		leave_to_xdp(ref);
		return 0;
	}
	count_received(skb, ref, HOOK_RECEIVE);
	return 0;
}

#endif
