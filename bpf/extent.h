/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much a packet of the stack's is to its interface: its counters may be older than what GRO
 * merged, younger than what a driver splits, and without or with more than the headers here.
 */
#ifndef PE_BPF_EXTENT_H
#define PE_BPF_EXTENT_H

#include <linux/can.h>
#include <linux/if_ether.h>

#include "account.h"
#include "origin.h"

#define GSO_TCP	       (1 << 0 | 1 << 4) /* SKB_GSO_TCPV4, SKB_GSO_TCPV6 */
#define GSO_UDP	       (1 << 17)	 /* SKB_GSO_UDP_L4 */
#define GSO_LIST       (1 << 18)	 /* SKB_GSO_FRAGLIST */
#define UDP_HEADER     8
#define NO_HEADER      0xffff
#define SEALED_MORE    32 /* message_data_len(): wireguard's header and authentication */
#define SEALED_PADDING 16

static __always_inline __u32 transport_of(const struct sk_buff *skb)
{
	return BPF_CORE_READ_BITFIELD(skb, encapsulation) ? skb->inner_transport_header
							  : skb->transport_header;
}

/*
 * Whether these datagrams are what a sender has put into one packet (UDP_SEGMENT), and not what GRO
 * has merged, which has a list of packets, a page at least for each datagram, or the first datagram
 * in its linear part.
 */
static __always_inline bool is_sent_as_one(const struct sk_buff *skb)
{
	const struct skb_shared_info *info = shared_info(skb);
	__u32 type = READ_INFO(info, gso_type), payload = transport_of(skb) + UDP_HEADER;
	__u64 end = (__u64)skb->data - (__u64)skb->head + skb->len - skb->data_len;

	return type & GSO_UDP && !(type & GSO_LIST) && !READ_INFO(info, frag_list) &&
	       READ_INFO(info, nr_frags) < READ_INFO(info, gso_segs) &&
	       (!skb->data_len || end <= payload);
}

/*
 * Headers of one segment of a merged packet, from `start` (an offset from skb->head). As
 * qdisc_pkt_len_init() in net/core/dev.c reckons them. 0 if it cannot be known.
 */
static __always_inline __u32 segment_headers(const struct sk_buff *skb, __u32 start, __u32 gso_type)
{
	__u32 transport = transport_of(skb);
	__u8 offset;

	if (transport == NO_HEADER || transport < start)
		return 0;
	if (!(gso_type & GSO_TCP))
		return transport - start + UDP_HEADER;
	if (bpf_probe_read_kernel(&offset, 1,
				  (const void *)skb->head + transport +
					  offsetof(struct tcp_head, offset)))
		return 0;
	return transport - start + (offset >> 4) * 4;
}

/*
 * Into the packets that there were before GRO merged them, or that there will be once they are
 * split. `by_division` where the number of segments is not filled in. A receiver may not: then one
 * packet came (virtio-net counts what the host merged as one).
 */
static __always_inline void split(const struct sk_buff *skb, __u32 start, bool by_division,
				  struct extent *extent)
{
	const struct skb_shared_info *info = shared_info(skb);
	__u32 size = READ_INFO(info, gso_size), segments, headers;

	if (likely(!size))
		return;
	segments = READ_INFO(info, gso_segs);
	headers = segment_headers(skb, start, READ_INFO(info, gso_type));
	if (!headers || extent->length <= headers)
		return;
	if (by_division)
		segments = (extent->length - headers + size - 1) / size;
	if (segments < 2 || (__u64)(segments - 1) * size >= extent->length - headers)
		return;
	extent->more = segments - 1;
	extent->each = headers + size;
	extent->length -= extent->more * size;
}

/* The length of a CAN frame's payload stands where that of CAN FD's does. */
static __always_inline void take_payload(__u64 frame, struct extent *extent)
{
	const void *at = (const void *)(frame + offsetof(struct canfd_frame, len));
	__u8 length;

	if (!bpf_probe_read_kernel(&length, sizeof(length), at))
		extent->length = length;
}

static __always_inline bool is_merged(const struct sk_buff *skb)
{
	const struct skb_shared_info *info = shared_info(skb);

	return READ_INFO(info, gso_size);
}

/*
 * Whether the interface's own GRO has merged it, although the packets have the mark of a tap's
 * copy: the tap was quicker than the tunnel, which then gave them to GRO. What was merged before,
 * below the tunnel, is one packet for it.
 */
static __always_inline bool is_merged_late(const struct sk_buff *skb)
{
	const struct skb_shared_info *info = shared_info(skb);
	const void *at = (const void *)skb->cb + bpf_core_field_offset(struct napi_gro_cb, count);
	__u16 count;

	return READ_INFO(info, gso_size) && !bpf_probe_read_kernel(&count, sizeof(count), at) &&
	       count > 1 && count == READ_INFO(info, gso_segs);
}

/* calculate_skb_padding() in drivers/net/wireguard/send.c. */
static __always_inline __u32 sealed(__u32 length, __u32 mtu)
{
	__u32 padded = (length + SEALED_PADDING - 1) & ~(SEALED_PADDING - 1);

	if (length <= mtu && padded > mtu)
		padded = mtu;
	return padded + SEALED_MORE;
}

static __always_inline void seal(const struct net_device *dev, struct extent *extent)
{
	extent->length = sealed(extent->length, dev->mtu);
	extent->each = sealed(extent->each, dev->mtu);
}

static __always_inline void take_off(__u32 header, struct extent *extent)
{
	extent->length -= header;
	extent->each -= header;
}

#endif
