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
	const struct net_device *dev;
	const struct xdp_rxq_info *rxq;
	const struct xdp_buff *xdp;

	if (!HAS_CASTS)
		return false;
	xdp = bpf_cast_to_kern_ctx(ctx);
	rxq = xdp->rxq;
	dev = rxq ? rxq->dev : NULL;
	return !dev || !is_ours(dev);
}

/*
 * Length of the whole frame, which is all in the first buffer (generic XDP sees to that), unless
 * the program takes frames of several. The helper that knows costs as much as all the parsing, so
 * then it is asked only where there can be more: when the IP header does not confirm that the first
 * buffer is all, or it is so long that a driver may have begun another.
 */
#define ALWAYS_LINEAR 1024
static __always_inline __u32 frame_length(struct xdp_md *ctx, const struct frame *frame,
					  const struct packet *packet, bool several_buffers)
{
	__u32 linear = (long)frame->end - (long)frame->data;

	if (!several_buffers ||
	    likely(linear <= ALWAYS_LINEAR &&
		   (packet->end == linear || (linear <= ETH_ZLEN && packet->end < linear))))
		return linear;
	return pe_has_buff_len ? bpf_xdp_get_buff_len(ctx) : linear;
}

static __always_inline void count(struct xdp_md *ctx, const struct frame *frame,
				  union pe_slot_ref ref, struct pe_cpu *cpu, __u32 cpu_id,
				  const struct packet *packet, bool several_buffers)
{
	struct extent extent = {
		.length = frame_length(ctx, frame, packet, several_buffers),
	};

	if (unlikely(ref.flags & PE_SLOT_RX_NO_LINK_HEADER))
		extent.length -= ETH_HLEN;
	account(cpu, cpu_id, ref, several_buffers ? HOOK_NATIVE : HOOK_XDP, packet, &extent);
}

#define UNUSUAL_FLAGS (PE_SLOT_NO_ETHERNET | PE_SLOT_RX_NO_LINK_HEADER | PE_SLOT_TCX)

/* One of the usual ones, after what parse_usual() or parse_usual6() says. */
static __always_inline void count_recognised(struct xdp_md *ctx, const struct frame *frame,
					     union pe_slot_ref ref, const struct packet *usual,
					     bool several_buffers)
{
	__u32 cpu_id = bpf_get_smp_processor_id();

	ref.flags &= ~UNUSUAL_FLAGS; /* the compiler drops what they need */
	count(ctx, frame, ref, cpu_find(cpu_id), cpu_id, usual, several_buffers);
}

static __always_inline int ingress(struct xdp_md *ctx, bool several_buffers)
{
	struct frame frame = {
		.data = (const void *)(long)ctx->data,
		.end = (const void *)(long)ctx->data_end,
	};
	union pe_slot_ref ref = interface_find(ctx->ingress_ifindex);
	struct pe_cpu *cpu;
	__u32 cpu_id;

	if (!(ref.flags & PE_SLOT_ORIGIN) || is_elsewhere(ctx))
		return XDP_PASS;
	/* In the driver it comes before the tracepoint, and cannot know its marks. */
	if (several_buffers && ref.flags & PE_SLOT_RECEIVE)
		return XDP_PASS;
	if (likely(!(ref.flags & UNUSUAL_FLAGS) && frame.data + USUAL_LENGTH <= frame.end)) {
		struct packet usual = {}, usual6 = {};

		if (likely(parse_usual(frame.data, &usual))) {
			count_recognised(ctx, &frame, ref, &usual, several_buffers);
			return XDP_PASS;
		}
		if (frame.data + USUAL6_LENGTH <= frame.end && parse_usual6(frame.data, &usual6)) {
			count_recognised(ctx, &frame, ref, &usual6, several_buffers);
			return XDP_PASS;
		}
	}
	struct packet packet_here = {}, *packet = &packet_here;

	cpu_id = bpf_get_smp_processor_id();
	cpu = cpu_find(cpu_id);
	if (!cpu)
		return XDP_PASS;
	/* Verifiers of old kernels are slow. */
	if (!HAS_CASTS)
		packet = packet_of(cpu);
	parse(&frame, !(ref.flags & PE_SLOT_NO_ETHERNET), packet);
	count(ctx, &frame, ref, cpu, cpu_id, packet, several_buffers);
	return XDP_PASS;
}

/*
 * Twice the same, but for frames of several buffers. Generic XDP gives a program that takes
 * fragments a copy that does not know how long its Ethernet header is (skb_pp_cow_data in
 * net/core/skbuff.c: mac_len is 0), and then tc programs on the interface find packets without one,
 * and redirect them so.
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
