/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * To compare with: a model of a design that counts by TCX, packets and bytes of each protocol, both
 * directions; and an XDP program that does nothing, for what being attached costs by itself.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct count {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct count);
} protocols SEC(".maps");

SEC("tc")
int count_protocol(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct count *count;
	__u32 protocol = 0;

	if (skb->protocol == bpf_htons(ETH_P_IP) && (void *)(ip + 1) <= end)
		protocol = ip->protocol;
	count = bpf_map_lookup_elem(&protocols, &protocol);
	if (count) {
		count->packets++;
		count->bytes += skb->len;
	}
	return -1; /* TCX_NEXT */
}

/* What the hook costs by itself. */
SEC("tc")
int pass_on(struct __sk_buff *skb)
{
	return -1; /* TCX_NEXT */
}

SEC("xdp.frags")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
