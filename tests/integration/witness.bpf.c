/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts the packets of one interface at which the receive tracepoint runs no BPF program: there
 * are kernels that run none while they have interrupted certain tasks. A tc program, which comes
 * later on the same CPU and sees every packet, looks whether the tracepoint's was there.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	int ifindex;
	possible_net_t nd_net;
};

struct sk_buff {
	struct net_device *dev;
};

#pragma clang attribute pop

const volatile __u32 inum;
const volatile __u32 ifindex;
__u64 unseen; /* received, of merged ones each */
__u64 sent, sent_seen;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

static __u64 *seen_here(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&seen, &key);
}

static bool is_it(const struct net_device *dev)
{
	return dev && dev->ifindex == (int)ifindex && dev->nd_net.net->ns.inum == inum;
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(see_received, const struct sk_buff *skb)
{
	__u64 *here = seen_here();

	if (here && is_it(skb->dev))
		*here = 1;
	return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(see_sent, const struct sk_buff *skb, const struct net_device *dev)
{
	if (is_it(dev))
		__sync_fetch_and_add(&sent_seen, 1);
	return 0;
}

SEC("tc")
int look_sent(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&sent, 1);
	return 0 /* TC_ACT_OK */;
}

SEC("tc")
int look_received(struct __sk_buff *skb)
{
	__u64 *here = seen_here();

	if (here && !*here)
		__sync_fetch_and_add(&unseen, skb->gso_segs ?: 1);
	if (here)
		*here = 0;
	return 0 /* TC_ACT_OK */;
}

char _license[] SEC("license") = "GPL";
