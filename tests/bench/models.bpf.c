/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * To compare with: what a program at the egress tracepoint cannot be without, one thing after the
 * other. They recognise UDP and TCP over IPv4 without options, and report nothing.
 */
#include "kernel.h"

#include <linux/if_ether.h>
#include <linux/ip.h>

#include "flows.h"

struct model_key {
	__u32 source;
	__u32 dest;
	__u32 ports;
	__u32 protocol;
};

struct model_count {
	__u64 packets;
	__u64 bytes;
};

struct model_line {
	struct model_key key;
	struct model_count count;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct model_count);
} protocols SEC(".maps");

/* As much memory as our cache has for IPv4 and a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BENCH_FLOWS);
	__type(key, __u32);
	__type(value, struct model_line);
} lines SEC(".maps");

static __always_inline bool read_headers(const struct sk_buff *skb, const struct net_device *dev,
					 struct model_key *key)
{
	const void *frame = skb && dev && dev->ifindex ? bytes_at(skb->data) : NULL;
	const struct iphdr *ip = frame + ETH_HLEN;

	if (!frame || skb->len - skb->data_len < ETH_HLEN + sizeof(*ip) + sizeof(__u32) ||
	    *(const __be16 *)(frame + ETH_HLEN - 2) != bpf_htons(ETH_P_IP) ||
	    *(const __u8 *)ip != 0x45)
		return false;
	key->source = ip->saddr;
	key->dest = ip->daddr;
	key->protocol = ip->protocol;
	key->ports = *(const __u32 *)(ip + 1);
	return true;
}

/* It reaches the packet, and does nothing. What it returns is for the compiler. */
SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(model_reads, const struct sk_buff *skb, const struct net_device *dev)
{
	struct model_key key = {};

	return read_headers(skb, dev, &key) ? key.source ^ key.dest ^ key.ports ^ key.protocol : 0;
}

static __always_inline void count(__u32 protocol, __u32 bytes)
{
	struct model_count *count = bpf_map_lookup_elem(&protocols, &protocol);

	if (!count)
		return;
	count->packets++;
	count->bytes += bytes;
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(model_counts, const struct sk_buff *skb, const struct net_device *dev)
{
	struct model_key key = {};

	if (read_headers(skb, dev, &key))
		count(key.protocol, skb->len);
	return 0;
}

/* And its flow, as a line of memory. */
SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(model_lines, const struct sk_buff *skb, const struct net_device *dev)
{
	struct model_key key = {};
	struct model_line *line;
	__u32 index;

	if (!read_headers(skb, dev, &key))
		return 0;
	count(key.protocol, skb->len);
	index = (key.source ^ key.dest ^ key.ports ^ key.protocol) * 2654435761u /
		(0x100000000 / BENCH_FLOWS);
	line = bpf_map_lookup_elem(&lines, &index);
	if (!line)
		return 0;
	if (line->key.source != key.source || line->key.dest != key.dest ||
	    line->key.ports != key.ports || line->key.protocol != key.protocol) {
		line->key = key;
		line->count = (struct model_count){};
	}
	line->count.packets++;
	line->count.bytes += skb->len;
	return 0;
}

char _license[] SEC("license") = "GPL";
