/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS as interfaces see it: queries, what they are answered, and when. An object of its own, which
 * is loaded only when asked for, since every packet of a counted interface passes its tracepoints.
 *
 *   pe_dns_receive, pe_dns_send
 */
#include "dns.h"

/*
 * Where it is seen whether the interface has received a packet, and where both directions are: not
 * at interfaces that are stacked on others, whose packets are seen there.
 */
static __always_inline bool is_seen(union pe_slot_ref ref)
{
	switch (ref.flags & PE_SLOT_ORIGIN) {
	case PE_ORIGIN_LINK:
	case PE_ORIGIN_CARD:
	case PE_ORIGIN_BRIDGE:
	case PE_ORIGIN_CELLS:
	case PE_ORIGIN_OTHER:
		return !is_can(ref);
	default:
		return false;
	}
}

/* A tunnel's GRO has packets before the tracepoint; of what it gives on, DNS is not merged. */
static __always_inline bool has_received(const struct sk_buff *skb, const struct net_device *dev,
					 enum pe_origin origin)
{
	return is_received(skb, dev, origin == PE_ORIGIN_CELLS ? PE_ORIGIN_OTHER : origin);
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(pe_dns_receive, const struct sk_buff *skb)
{
	const struct net_device *dev;
	union pe_slot_ref ref;
	__u32 pulled;

	dev = skb ? skb->dev : NULL;
	if (!dev || (__u64)dev->nd_net.net != pe_net)
		return 0;
	ref = slot_find(dev->ifindex);
	if (!is_seen(ref))
		return 0;
	pulled = pulled_of(skb, ref);
	if (may_be_dns((__u64)skb->data - pulled, ref) &&
	    has_received(skb, dev, ref.flags & PE_SLOT_ORIGIN))
		look_at(skb, ref, PE_INGRESS, pulled);
	return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(pe_dns_send, const struct sk_buff *skb, const struct net_device *dev)
{
	union pe_slot_ref ref;

	if (!skb || !dev || (__u64)dev->nd_net.net != pe_net)
		return 0;
	ref = slot_find(dev->ifindex);
	if (is_seen(ref) && may_be_dns((__u64)skb->data, ref))
		look_at(skb, ref, PE_EGRESS, 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
