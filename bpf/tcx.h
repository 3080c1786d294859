/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ingress of an interface that XDP is refused and that the receive tracepoint does not see: one
 * stacked on another. Since 6.6. It leaves the packet to whoever comes next: there is one return
 * value.
 */
#ifndef PE_BPF_TCX_H
#define PE_BPF_TCX_H

#include "skb.h"

#define TCX_NEXT -1

SEC("tc")
int pe_tcx(struct __sk_buff *ctx)
{
	const struct net_device *dev;
	const struct sk_buff *skb;
	union pe_slot_ref ref;

	if (!HAS_CASTS)
		return TCX_NEXT;
	skb = bpf_cast_to_kern_ctx(ctx);
	dev = skb->dev;
	if (!dev)
		return TCX_NEXT;
	ref = interface_find(dev->ifindex);
	/* The Ethernet header is back, except on a copy that somebody's generic XDP made. */
	if (ref.flags & PE_SLOT_TCX && is_ours(dev))
		count_tcx(ctx, skb, ref);
	return TCX_NEXT;
}

#endif
