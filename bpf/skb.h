/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets as the network stack has them: read through the kernel's own structure.
 */
#ifndef PE_BPF_SKB_H
#define PE_BPF_SKB_H

#include "account.h"
#include "netns.h"

static __always_inline bool has_tag(const struct sk_buff *skb)
{
	/* The tag may wait beside the packet until the driver sends it. */
	return bpf_core_field_exists(skb->vlan_all) ? skb->vlan_all : skb->vlan_proto;
}

/* The head of a frame as parse_usual() reads it. */
static __always_inline const void *frame_head(struct frame *frame, __u32 cpu_id)
{
	__u64 size = frame->length;
	struct pe_cpu *cpu;

	if (HAS_CASTS && pe_reads_bytes)
		return bytes_at(frame->source);
	cpu = bpf_map_lookup_elem(&cpus, &cpu_id);
	if (!cpu)
		return NULL;
	frame->window = cpu->window;
	hide(size);
	if (size > PE_WINDOW)
		size = PE_WINDOW;
	if (bpf_probe_read_kernel(cpu->window, size, frame->source))
		frame->length = 0;
	return cpu->window;
}

/*
 * `source` is where the frame begins, `pulled` how much of it the stack has already taken off, so
 * that it is not in skb->len.
 */
static __always_inline void count_skb(const struct sk_buff *skb, union pe_slot_ref ref,
				      enum hook hook, const void *source, __u32 pulled)
{
	__u32 cpu_id = bpf_get_smp_processor_id(), length = skb->len + pulled;
	struct frame frame = { .is_skb = true, .source = source, .length = length - skb->data_len };
	const void *head = frame_head(&frame, cpu_id);

	if (!head)
		return;
	if (hook != HOOK_EGRESS && ref.flags & PE_SLOT_BARE_INGRESS)
		length -= hook == HOOK_TCX ? ETH_HLEN : pulled;
	if (likely(!(ref.flags & PE_SLOT_NO_ETHERNET) && frame.length >= USUAL_LENGTH)) {
		struct packet usual = {};

		if (likely(parse_usual(head, &usual))) {
			if (unlikely(has_tag(skb)))
				usual.vlan = usual.odd = true;
			account(cpu_id, ref, hook, &usual, length);
			return;
		}
	}
	struct packet packet = {};

	parse(&frame, !(ref.flags & PE_SLOT_NO_ETHERNET), &packet);
	if (unlikely(has_tag(skb)))
		packet.vlan = packet.odd = true;
	account(cpu_id, ref, hook, &packet, length);
}

/* A packet on its way up, of whose header some may have been taken off. */
static __always_inline void count_received(const struct sk_buff *skb, union pe_slot_ref ref,
					   enum hook hook)
{
	/* As numbers: the verifier lets nobody calculate with these pointers in 32 bits. */
	__u64 data = (__u64)skb->data;
	__u64 pulled = data - ((__u64)skb->head + skb->mac_header);

	if (ref.flags & PE_SLOT_NO_ETHERNET || pulled > ETH_HLEN)
		pulled = 0;
	count_skb(skb, ref, hook, (const void *)(data - pulled), pulled);
}

#endif
