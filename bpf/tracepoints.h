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

#include "account.h"
#include "newcomers.h"

static __always_inline bool is_ours(const struct net_device *dev)
{
	return dev->nd_net.net->ns.inum == pe_netns;
}

static __always_inline union pe_slot_ref slot_of(const struct net_device *dev)
{
	union pe_slot_ref ref = interface_find(dev->ifindex);

	return likely(ref.word) || !is_ours(dev) ? ref : newcomer_find(dev);
}

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

	if (pe_reads_bytes)
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
	if (hook == HOOK_RECEIVE && ref.flags & PE_SLOT_BARE_INGRESS)
		length -= pulled;
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
		row->counted = 0;
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(pe_receive, const struct sk_buff *skb)
{
	const struct net_device *dev = skb->dev;
	union pe_slot_ref ref = slot_of(dev);
	__u64 data, pulled;

	if (likely(!(ref.flags & (PE_SLOT_RECEIVE | PE_SLOT_RETURNED))) || !is_ours(dev))
		return 0;
	if (!(ref.flags & PE_SLOT_RECEIVE)) {
		leave_to_xdp(ref);
		return 0;
	}
	/* As numbers: the verifier lets nobody calculate with these pointers in 32 bits. */
	data = (__u64)skb->data;
	pulled = data - ((__u64)skb->head + skb->mac_header);
	if (ref.flags & PE_SLOT_NO_ETHERNET || pulled > ETH_HLEN)
		pulled = 0;
	count_skb(skb, ref, HOOK_RECEIVE, (const void *)(data - pulled), pulled);
	return 0;
}

#endif
