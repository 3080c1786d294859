/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ingress: XDP. Whatever happens, the packet goes on: there is one return value.
 */
#ifndef PE_BPF_INGRESS_H
#define PE_BPF_INGRESS_H

#include "account.h"
#include "netns.h"

static __always_inline bool is_elsewhere(struct xdp_md *ctx)
{
	struct xdp_buff *xdp;

	if (!HAS_CASTS)
		return false;
	xdp = bpf_cast_to_kern_ctx(ctx);
	return !is_ours(xdp->rxq->dev);
}

/*
 * Length of the whole frame. The helper that knows costs as much as all the parsing, so it is asked
 * only where there can be more than the linear part: when the IP header does not confirm that the
 * linear part is all, or that part is so long that a driver may have begun another.
 */
#define ALWAYS_LINEAR 1024
static __always_inline __u32 frame_length(struct xdp_md *ctx, const struct frame *frame,
					  const struct packet *packet, bool fragments)
{
	__u32 linear = (long)frame->end - (long)frame->data;

	if (!fragments ||
	    likely(linear <= ALWAYS_LINEAR && (packet->end == linear || linear <= ETH_ZLEN)))
		return linear;
	return pe_has_buff_len ? bpf_xdp_get_buff_len(ctx) : linear;
}

static __always_inline void count(struct xdp_md *ctx, const struct frame *frame,
				  union pe_slot_ref ref, const struct packet *packet,
				  bool fragments)
{
	__u32 cpu_id = bpf_get_smp_processor_id();
	__u32 length = frame_length(ctx, frame, packet, fragments);

	if (unlikely(ref.flags & PE_SLOT_BARE_INGRESS))
		length -= ETH_HLEN;
	account(cpu_id, ref, HOOK_XDP, packet, length);
}

#define UNUSUAL_FLAGS (PE_SLOT_NO_ETHERNET | PE_SLOT_BARE_INGRESS | PE_SLOT_TCX)

static __always_inline int ingress(struct xdp_md *ctx, bool fragments)
{
	struct frame frame = {
		.data = (const void *)(long)ctx->data,
		.end = (const void *)(long)ctx->data_end,
	};
	union pe_slot_ref ref = interface_find(ctx->ingress_ifindex);

	if (!(ref.flags & PE_SLOT_XDP) || is_elsewhere(ctx))
		return XDP_PASS;
	if (likely(!(ref.flags & UNUSUAL_FLAGS) && frame.data + USUAL_LENGTH <= frame.end)) {
		struct packet usual = {};

		if (likely(parse_usual(frame.data, &usual))) {
			ref.flags = PE_SLOT_XDP; /* so that the compiler knows, too */
			count(ctx, &frame, ref, &usual, fragments);
			return XDP_PASS;
		}
	}
	struct packet packet = {};

	parse(&frame, !(ref.flags & PE_SLOT_NO_ETHERNET), &packet);
	count(ctx, &frame, ref, &packet, fragments);
	return XDP_PASS;
}

/*
 * Twice the same. Generic XDP gives a program that takes fragments a copy that does not know how
 * long its Ethernet header is (skb_pp_cow_data in net/core/skbuff.c: mac_len is 0), and then tc
 * programs on the interface find packets without one, and redirect them so.
 */
SEC("xdp")
int pe_ingress(struct xdp_md *ctx)
{
	return ingress(ctx, false);
}

/* In the driver, which may have frames of several buffers: with fragments where the kernel can. */
SEC("xdp")
int pe_native(struct xdp_md *ctx)
{
	return ingress(ctx, true);
}

#endif
