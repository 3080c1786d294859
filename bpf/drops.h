/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a packet was dropped, and where that is counted.
 *
 * Of a packet that is dropped little is certain. TCP clears skb->dev, and UDP keeps other things in
 * its place; what is behind other pointers may have ended. So the packet alone is read by loads of
 * our own; whatever it leads to is read by probe reads, which no address makes fault.
 */
#ifndef PE_BPF_DROPS_H
#define PE_BPF_DROPS_H

#include <linux/if_ether.h>

#include "pe/abi_drops.h"
#include "table.h"

const volatile __u64 pe_net;	      /* address of our namespace: see netns.h */
const volatile bool pe_has_reasons;   /* this kernel gives them */
const volatile bool pe_has_sockets;   /* likewise the socket */
const volatile __u32 pe_first_reason; /* those before it are no drops */
const volatile __u32 pe_subsystems;   /* a bit for each whose reasons have names */
const volatile __u32 pe_stripe_mask;  /* stripes - 1 */

/* Of a chunk of slots, which comes with the interfaces: see maps.h. */
struct pe_drop_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PE_CHUNK_SLOTS);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct pe_drop_row));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct pe_drop_chunk);
} rows SEC(".maps");

/* Of what is of no interface of ours, or of one that has no row. */
struct pe_drop_row pe_rest[PE_DROP_STRIPES];

/* Places in rows that no reason has yet: for whichever comes, and for those that are frequent. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, PE_DROP_REASONS);
	__uint(value_size, sizeof(__u32));
} places SEC(".maps"), reserved SEC(".maps");

__u8 pe_place_of[PE_DROP_CODES];   /* 0: none yet */
__u32 pe_others[PE_DROP_CODES];	   /* counted among others, about */
__u16 pe_code_at[PE_DROP_REASONS]; /* code + 1; 0: none */

/* ---- reasons ---- */

static __always_inline __u32 code_of(__u32 reason)
{
	__u32 subsystem = reason >> 16, number = reason & 0xffff;

	if (subsystem && !(subsystem < 16 && pe_subsystems >> subsystem & 1))
		number = 0;
	return subsystem < 16 && number < 256 ? PE_DROP_CODE(subsystem, number) : PE_DROP_CODES;
}

static __always_inline __u32 code_of_protocol(__be16 protocol)
{
	switch (bpf_ntohs(protocol)) {
	case ETH_P_IP:
		return PE_DROP_IPV4;
	case ETH_P_IPV6:
		return PE_DROP_IPV6;
	case ETH_P_ARP:
		return PE_DROP_ARP;
	default:
		return PE_DROP_CODES;
	}
}

/* Where two CPUs meet a reason at the same time it may have two places, which is one for nothing:
 * user space adds them up. */
static __noinline __u32 assign(__u32 code)
{
	__u32 popped = 0;
	__u64 at;

	code &= PE_DROP_CODES - 1;
	at = bpf_map_pop_elem(&places, &popped) ? PE_DROP_NO_PLACE : popped;
	hide(at);
	if (at < PE_DROP_REASONS)
		pe_code_at[at] = code + 1;
	pe_place_of[code] = at;
	return at;
}

/* Of one among others: what it has there stays there, so that nothing goes back. */
static __noinline __u32 reconsider(__u32 code)
{
	__u32 popped = 0;
	__u64 at;

	code &= PE_DROP_CODES - 1;
	if (++pe_others[code] < PE_DROP_FREQUENT)
		return 0;
	at = bpf_map_pop_elem(&reserved, &popped) ? PE_DROP_NEVER : popped;
	hide(at);
	if (at < PE_DROP_REASONS)
		pe_code_at[at] = code + 1;
	pe_place_of[code] = at;
	return at;
}

/* ---- places ---- */

#define NO_SLOT (~0u)

struct place {
	bool is_ours;
	__u32 direction;
	__u32 slot;
};

static __always_inline __u64 net_of(struct net_device *dev)
{
	return (__u64)BPF_CORE_READ(dev, nd_net.net);
}

/*
 * Whether the interface that a packet has received it, and has not sent it on: that interface is
 * where it came in, or it has not come so far yet, and its link header has been taken off.
 */
static __always_inline bool is_ingress(const struct sk_buff *skb, __u32 ifindex)
{
	__u16 mac = skb->mac_header;

	if (skb->skb_iif)
		return (__u32)skb->skb_iif == ifindex;
	return mac != 0xffff && (__u64)skb->head + mac < (__u64)skb->data;
}

static __always_inline void find_slot(struct place *place, __u32 ifindex)
{
	union pe_slot_ref ref = slot_find(ifindex);

	place->is_ours = true;
	place->slot = ref.word ? ref.slot : NO_SLOT;
}

/* The namespace of a packet without a device, and the device that it was to be sent from. */
static __always_inline __u64 net_without_dev(const struct sk_buff *skb, __u64 socket,
					     __u32 *ret_ifindex)
{
	struct sock *sk = (struct sock *)(socket ?: (__u64)skb->sk);
	struct dst_entry *dst = (struct dst_entry *)(skb->_skb_refdst & ~1UL);
	struct net_device *dev = dst ? BPF_CORE_READ(dst, dev) : NULL;
	__u64 net = sk ? (__u64)BPF_CORE_READ(sk, __sk_common.skc_net.net) : 0;

	if (!net && dev)
		net = net_of(dev);
	*ret_ifindex = dev ? BPF_CORE_READ(dev, ifindex) : 0;
	return net;
}

static __always_inline struct place place_of(const struct sk_buff *skb, __u64 socket)
{
	struct place place = { .is_ours = false };
	struct net_device *dev = skb->dev;
	__u32 iif = skb->skb_iif, ifindex = 0;
	__u64 net = dev ? net_of(dev) : 0;

	if (net == pe_net) {
		ifindex = BPF_CORE_READ(dev, ifindex);
		place.direction = is_ingress(skb, ifindex) ? PE_INGRESS : PE_EGRESS;
		find_slot(&place, ifindex);
		return place;
	}
	/* Another namespace's; or what is local to this machine, and was never a packet. */
	if (net || !skb->protocol)
		return place;
	net = net_without_dev(skb, socket, &ifindex);
	if (net && net != pe_net)
		return place;
	place.direction = iif ? PE_INGRESS : PE_EGRESS;
	place.is_ours = true;
	place.slot = NO_SLOT;
	if (net)
		find_slot(&place, iif ?: ifindex);
	return place;
}

/* Counted in atomically: a stripe has several CPUs. */
static __always_inline struct pe_drop_row *find_row(__u32 slot)
{
	__u32 stripe = bpf_get_smp_processor_id() & pe_stripe_mask;
	__u32 index = (slot % PE_CHUNK_SLOTS) * (pe_stripe_mask + 1) + stripe;
	__u32 part = slot >> PE_CHUNK_SHIFT;
	void *chunk = bpf_map_lookup_elem(&rows, &part);
	struct pe_drop_row *row = chunk ? bpf_map_lookup_elem(chunk, &index) : NULL;

	return row ?: &pe_rest[stripe % PE_DROP_STRIPES];
}

static __always_inline void count(struct place place, __u64 code)
{
	struct pe_drop_row *row = find_row(place.slot);
	__u64 at = PE_DROP_NO_PLACE;

	hide(code);
	if (code < PE_DROP_CODES)
		at = pe_place_of[code] ?: assign(code);
	if (code < PE_DROP_CODES && at == PE_DROP_NO_PLACE)
		at = reconsider(code);
	hide(at);
	if (at >= PE_DROP_REASONS)
		at = 0;
	if (place.direction == PE_INGRESS)
		__sync_fetch_and_add(&row->count[PE_INGRESS][at], 1);
	else
		__sync_fetch_and_add(&row->count[PE_EGRESS][at], 1);
}

#endif
