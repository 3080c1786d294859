/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Egress: a BTF tracepoint, attached once for all interfaces. It sees each packet as it is handed
 * to the driver, cannot change or drop it, and takes no lock of the network stack to attach.
 */
#ifndef PE_BPF_EGRESS_H
#define PE_BPF_EGRESS_H

#include "account.h"

static __always_inline bool has_tag(const struct sk_buff *skb)
{
	/* The tag may wait beside the packet until the driver sends it. */
	return bpf_core_field_exists(skb->vlan_all) ? skb->vlan_all : skb->vlan_proto;
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(pe_egress, const struct sk_buff *skb, const struct net_device *dev)
{
	union pe_slot_ref ref = interface_find(dev->ifindex);
	struct packet packet = {};
	struct frame frame = {};
	__u32 cpu_id, length;
	struct pe_cpu *cpu;

	if (!(ref.flags & PE_SLOT_EGRESS) || dev->nd_net.net->ns.inum != pe_netns)
		return 0;
	cpu_id = bpf_get_smp_processor_id();
	cpu = bpf_map_lookup_elem(&cpus, &cpu_id);
	if (!cpu)
		return 0;

	length = skb->len;
	frame.window = cpu->window;
	frame.source = skb->data;
	frame.length = length - skb->data_len;
	if (bpf_probe_read_kernel(cpu->window, frame.length < PE_WINDOW ? frame.length : PE_WINDOW,
				  frame.source))
		frame.length = 0;
	parse(&frame, !(ref.flags & PE_SLOT_NO_ETHERNET), &packet);
	packet.vlan |= has_tag(skb);
	account(cpu, cpu_id, ref, PE_EGRESS, &packet, length);
	return 0;
}

#endif
