/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which packets an interface has received, of all those that the stack hands to it: those that its
 * own counters have. The stack also hands it, with the same call, packets that were redirected to
 * it (mirred, bpf_redirect), that ifb hands back, and that this host sends to itself (multicast,
 * a bridge's own queries). Each passage leaves a mark on the packet; what leaves none is found by
 * the audit.
 */
#ifndef PE_BPF_ORIGIN_H
#define PE_BPF_ORIGIN_H

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "constants.h"
#include "pe/abi.h"

static __always_inline bool is_loopback(const struct sk_buff *skb)
{
	return BPF_CORE_READ_BITFIELD(skb, pkt_type) == PACKET_LOOPBACK;
}

/* Redirected by tc, nft or BPF: generic XDP leaves such a packet alone (skb_is_redirected). */
static __always_inline bool is_redirected(const struct sk_buff *skb)
{
	return bpf_core_field_exists(skb->redirected) && BPF_CORE_READ_BITFIELD(skb, redirected);
}

/* By ifb: tc passes it over (skb_skip_tc_classify). */
static __always_inline bool is_handed_back(const struct sk_buff *skb)
{
	return bpf_core_field_exists(skb->tc_skip_classify) &&
	       BPF_CORE_READ_BITFIELD(skb, tc_skip_classify);
}

/* It passed an interface's tc ingress, and was sent by none since. */
static __always_inline bool is_from_ingress(const struct sk_buff *skb)
{
	return bpf_core_field_exists(skb->tc_at_ingress) &&
	       BPF_CORE_READ_BITFIELD(skb, tc_at_ingress);
}

/*
 * The three marks above as bits of the 8 bytes that begin with pkt_type, so that the usual packet
 * has one load for all of them. Their places differ from kernel to kernel. All bits where one mark
 * is not there: then no packet is usual.
 */
__u64 pe_marks = ~0ULL;
#define LOOPBACK_BIT 4 /* of pkt_type: what is received has no other type with it */

#define MARK_BIT(field)                                                           \
	((__u64)1 << ((__CORE_RELO((struct sk_buff *)0, field, BYTE_OFFSET) -     \
		       __CORE_RELO((struct sk_buff *)0, pkt_type, BYTE_OFFSET)) * \
			      8 +                                                 \
		      __CORE_RELO((struct sk_buff *)0, field, RSHIFT_U64) -       \
		      __CORE_RELO((struct sk_buff *)0, field, LSHIFT_U64)))
#define IS_NEAR(field)                                                     \
	(__CORE_RELO((struct sk_buff *)0, field, BYTE_OFFSET) -            \
		 __CORE_RELO((struct sk_buff *)0, pkt_type, BYTE_OFFSET) < \
	 sizeof(__u64))

static __always_inline void find_marks(void)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	const struct sk_buff *skb = NULL;

	if (bpf_core_field_exists(skb->redirected) && bpf_core_field_exists(skb->tc_at_ingress) &&
	    IS_NEAR(redirected) && IS_NEAR(tc_at_ingress))
		pe_marks = MARK_BIT(pkt_type) * LOOPBACK_BIT | MARK_BIT(redirected) |
			   MARK_BIT(tc_at_ingress);
#endif
}

/* Fresh on a link, and not redirected, for certain. */
static __always_inline bool is_usual(const struct sk_buff *skb)
{
	const void *bytes;

	if (!HAS_CASTS)
		return false;
	bytes = bytes_at((const void *)skb +
			 __CORE_RELO((struct sk_buff *)0, pkt_type, BYTE_OFFSET));
	return !(*(const __u64 *)bytes & pe_marks) && !skb->skb_iif;
}

/* A packet that was sent, or made by a driver, has no interface of an earlier reception. */
static __always_inline bool is_fresh(const struct sk_buff *skb)
{
	return !skb->skb_iif && !is_loopback(skb) && !is_from_ingress(skb);
}

/* A port's packet carries its bridge: struct br_input_skb_cb, whose first field that is. */
static __always_inline bool is_from_port(const struct sk_buff *skb, const struct net_device *dev)
{
	return *(const __u64 *)skb->cb == (__u64)dev && !is_loopback(skb);
}

/* Out of a tunnel or from an interface below, of which a trace may be left. */
static __always_inline bool is_passed_up(const struct sk_buff *skb)
{
	return !is_loopback(skb) &&
	       (!skb->skb_iif || (!is_redirected(skb) && !is_handed_back(skb)));
}

/* Behind the packet's linear part; always there. */
static __always_inline const struct skb_shared_info *shared_info(const struct sk_buff *skb)
{
	const void *info = (const void *)((__u64)skb->head + skb->end);

	if (!HAS_CASTS)
		return info;
	return bpf_rdonly_cast(info, bpf_core_type_id_kernel(struct skb_shared_info));
}
#define READ_INFO(info, field) (HAS_CASTS ? (info)->field : BPF_CORE_READ(info, field))

/* Not as skb_cloned(), which no longer says so once the other copy is freed: a tap's may be,
 * between the two places where this is asked. */
static __always_inline bool is_cloned(const struct sk_buff *skb)
{
	return BPF_CORE_READ_BITFIELD(skb, cloned);
}

/* gro_cells_receive() merges for this interface; a packet that somebody else holds it does not. */
static __always_inline bool has_gro(const struct net_device *dev)
{
	return dev->features & pe_gro_feature && !dev->xdp_prog;
}

/* Through the NAPI context of a veth: sending has put the CPU's number where its id is now. */
static __always_inline bool is_by_napi(const struct sk_buff *skb)
{
	return bpf_core_field_exists(skb->napi_id) && skb->napi_id > pe_cpus;
}

/* How much of a received frame the stack has taken off: it begins so far before skb->data. */
static __always_inline __u32 pulled_of(const struct sk_buff *skb, union pe_slot_ref ref)
{
	/* As numbers: the verifier lets nobody calculate with these pointers in 32 bits. */
	__u64 pulled = (__u64)skb->data - ((__u64)skb->head + skb->mac_header);

	return ref.flags & PE_SLOT_NO_ETHERNET || pulled > ETH_HLEN ? 0 : pulled;
}

/* Whether the interface has received this packet, and nobody has counted it yet. */
static __always_inline bool is_received(const struct sk_buff *skb, const struct net_device *dev,
					enum pe_origin origin)
{
	switch (origin) {
	case PE_ORIGIN_LINK:
	case PE_ORIGIN_CARD:
		return is_fresh(skb);
	case PE_ORIGIN_BRIDGE:
		return is_from_port(skb, dev);
	case PE_ORIGIN_CELLS:
		return is_passed_up(skb) && (!has_gro(dev) || is_cloned(skb));
	case PE_ORIGIN_STACKED:
	case PE_ORIGIN_OTHER:
		return is_passed_up(skb);
	default:
		return false;
	}
}

#endif
