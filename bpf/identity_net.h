/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network namespaces and the two ends of veths.
 */
#ifndef PE_BPF_IDENTITY_NET_H
#define PE_BPF_IDENTITY_NET_H

#include "cookie.h"
#include "pe/abi.h"

#define NETDEV_HASHENTRIES 256 /* of net/core/dev.h, since 2.6.24 */
#define NETDEV_ALIGN	   32
/* Interfaces in one bucket that are looked at: 16,384 veths are 64 in each. */
#define CHAIN_MAX   256
#define DEVICES_MAX 32 /* of a namespace, that are looked at */

__u64 pe_net; /* address of our namespace, which exists for as long as we do */
struct pe_task_peer pe_peer_result;

static __always_inline struct net *net_of(struct net_device *dev)
{
	return BPF_CORE_READ(dev, nd_net.net);
}

static __always_inline bool is_veth(struct net_device *dev)
{
	const struct rtnl_link_ops *ops = BPF_CORE_READ(dev, rtnl_link_ops);
	const char *name = ops ? BPF_CORE_READ(ops, kind) : NULL;
	char kind[sizeof("veth")] = {};

	return name && !bpf_probe_read_kernel(kind, sizeof(kind), name) && kind[0] == 'v' &&
	       kind[1] == 'e' && kind[2] == 't' && kind[3] == 'h' && kind[4] == '\0';
}

/*
 * struct veth_priv begins with the peer, and is behind the interface's own structure (netdev_priv).
 * It is in a module, so its type cannot be asked for; that the peer's peer is the interface itself
 * shows that it is so.
 */
static __always_inline struct net_device *raw_peer(struct net_device *dev)
{
	__u64 size = bpf_core_type_size(struct net_device);
	struct net_device *peer = NULL;

	size = (size + NETDEV_ALIGN - 1) & ~(__u64)(NETDEV_ALIGN - 1);
	bpf_probe_read_kernel(&peer, sizeof(peer), (void *)dev + size);
	return peer;
}

static __always_inline struct net_device *peer_of(struct net_device *dev)
{
	struct net_device *peer = is_veth(dev) ? raw_peer(dev) : NULL;

	return peer && raw_peer(peer) == dev && is_veth(peer) ? peer : NULL;
}

/* One of our namespace by its ifindex, or NULL. */
static __always_inline struct net_device *find_device(__u32 ifindex)
{
	struct net *net = (struct net *)pe_net;
	void *heads = net ? BPF_CORE_READ(net, dev_index_head) : NULL;
	void *node = NULL;

	if (!heads)
		return NULL;
	bpf_probe_read_kernel(&node, sizeof(node),
			      heads + (ifindex % NETDEV_HASHENTRIES) * sizeof(node));
	for (int i = 0; i < CHAIN_MAX && node; i++) {
		struct net_device *dev =
			node - bpf_core_field_offset(struct net_device, index_hlist);

		if ((__u32)BPF_CORE_READ(dev, ifindex) == ifindex)
			return dev;
		bpf_probe_read_kernel(&node, sizeof(node), node);
	}
	return NULL;
}

/* Which namespace the peer of a veth is in. args[0] is its ifindex. */
SEC("raw_tp")
int pe_peer(struct bpf_raw_tracepoint_args *ctx)
{
	struct net_device *dev = find_device(ctx->args[0]), *peer;
	struct net *net;

	pe_peer_result.netns = 0;
	if (!dev)
		return PE_PEER_NO_DEV;
	peer = peer_of(dev);
	net = peer ? net_of(peer) : NULL;
	if (!net)
		return PE_PEER_NONE;
	if ((__u64)net == pe_net)
		return PE_PEER_HERE;
	pe_peer_result.netns = cookie_of(net);
	return PE_PEER_FOUND;
}

/* The ifindex of the other end of a veth, if it is in our namespace; 0 if not. Verified by itself.
 */
__noinline int our_end(__u64 address)
{
	struct net_device *dev = (struct net_device *)address, *peer;

	if (!dev)
		return 0;
	peer = peer_of(dev);
	return peer && (__u64)net_of(peer) == pe_net ? BPF_CORE_READ(peer, ifindex) : 0;
}

/*
 * The ends in our namespace of the veths of another one. Before its own interfaces a namespace may
 * have a fallback device of each kind of tunnel. How many were found is kept from the verifier, so
 * that it does not look at the rest for each number.
 */
static __always_inline void list_peers(struct net *net, __s32 ret_ifindex[PE_TASK_PEERS])
{
	void *head = (void *)net + bpf_core_field_offset(struct net, dev_base_head);
	void *node = NULL;
	__u64 found = 0;

	bpf_probe_read_kernel(&node, sizeof(node), head);
	for (int i = 0; i < DEVICES_MAX && node && node != head; i++) {
		int end = our_end((__u64)node - bpf_core_field_offset(struct net_device, dev_list));

		hide(found);
		if (found >= PE_TASK_PEERS)
			break;
		ret_ifindex[found] = end;
		found += 1 ^ is_zero(end);
		bpf_probe_read_kernel(&node, sizeof(node), node);
	}
}

#endif
