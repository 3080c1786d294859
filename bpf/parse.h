/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a frame to what is known about it. One parser for both directions.
 *
 * Whatever is cut short or odd ends the walk: the packet is counted as what was recognised so far.
 */
#ifndef PE_BPF_PARSE_H
#define PE_BPF_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "constants.h"
#include "pe/abi.h"

#define ETH_P_8021Q_OLD	  0x9100
#define VLAN_TAGS	  2
#define IPV6_EXTENSIONS	  6
#define IP_MORE_FRAGMENTS 0x2000
#define IP_OFFSET	  0x1fff

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

struct vlan_tag {
	__be16 tci;
	__be16 ethertype;
};

struct ipv6_extension {
	__u8 next;
	__u8 length; /* in 8 bytes, without the first 8 */
	__be16 fragment;
	__u32 rest;
};

struct tcp_head {
	__be16 ports[2];
	__be16 sequence[4]; /* 16 bits wide, or the structure would be padded */
	__u8 offset;
	__u8 flags;
};

/*
 * What was recognised.
 *
 * It lives in memory on purpose (parse() hides its address from the compiler): in registers each
 * end of the walk would have to set all of it. Every field is loaded as it was stored, because a
 * load across several stores waits until they have reached the cache.
 */
struct packet {
	__u64 address[4]; /* source and destination; of IPv4 both are in the first */
	__u32 ports;	  /* as two network-order fields of struct pe_flow_head */
	__u32 class;
	__u32 end; /* where the IP header says that the packet ends; before itself if it does not
		      say */
	__u32 at;  /* where the walk is */
	__u8 ip_proto;
	__u8 tcp_flags;
	bool has_flow; /* the addresses are known */
	bool ipv6;
	bool vlan;
	bool fragment;
	bool truncated;
	bool odd; /* vlan, fragment or truncated */
};

_Static_assert(sizeof(struct packet) <= sizeof(((struct pe_cpu *)0)->packet), "it has its place");

/*
 * The CPU's own packet, zeroed. The verifier follows what is on the stack through every way of
 * parse(), and then looks at what is done with the packet once for each. Of what is in a map it
 * knows nothing, and looks once.
 */
static __always_inline struct packet *packet_of(struct pe_cpu *cpu)
{
	struct packet *packet = (struct packet *)cpu->packet;

	*packet = (struct packet){};
	return packet;
}

/* IP protocol number → enum pe_proto; a table, because a switch is a chain of jumps. */
const __u8 proto_of[256] = {
	[IPPROTO_TCP] = PE_PROTO_TCP,	[IPPROTO_UDP] = PE_PROTO_UDP,
	[IPPROTO_ICMP] = PE_PROTO_ICMP, [58] = PE_PROTO_ICMPV6,
	[IPPROTO_SCTP] = PE_PROTO_SCTP, [IPPROTO_IGMP] = PE_PROTO_IGMP,
	[IPPROTO_GRE] = PE_PROTO_GRE,	[IPPROTO_ESP] = PE_PROTO_ESP,
	[IPPROTO_AH] = PE_PROTO_AH,	[IPPROTO_IPIP] = PE_PROTO_IPIP,
	[IPPROTO_IPV6] = PE_PROTO_IPV6,
};

/*
 * How the bytes are reached. XDP has the packet itself (data, end). A tracepoint has the address of
 * its linear part (source, length) and reads there; where the kernel does not let it, it reads a
 * window, a copy of the head. Which it is, is known when the program is compiled or loaded.
 */
struct frame {
	bool is_skb;
	bool gathered; /* all there is to see is in the window */
	const void *data;
	const void *end;
	const void *source;
	__u32 length;
	const __u8 *window;
};

/* `size` bytes at `offset`, perhaps copied to `buf`, or NULL if the frame ends before. */
static __always_inline const void *frame_pull(const struct frame *frame, __u32 offset, __u32 size,
					      void *buf)
{
	__u64 in_window = offset;
	const void *at;

	if (!frame->is_skb) {
		at = frame->data + offset;
		return at + size > frame->end ? NULL : at;
	}
	if (offset + size > frame->length)
		return NULL;
	if (HAS_CASTS && pe_reads_bytes && !frame->gathered)
		return bytes_at(frame->source + offset);
	hide(in_window);
	if (likely(in_window <= PE_WINDOW - size))
		return frame->window + in_window;
	if (frame->gathered)
		return NULL;
	/* Behind the window: after long options or extension headers. */
	return bpf_probe_read_kernel(buf, size, frame->source + offset) ? NULL : buf;
}

/* As the first of two fields in memory. */
static __always_inline __u32 first_port(__u32 field)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return field;
#else
	return field << 16;
#endif
}

/*
 * Where the walk goes on. Again the verifier is to look once at what comes next, whatever way leads
 * there: it sees an offset of which it knows the bound and nothing else.
 */
#define AT_MAX 16384 /* more than all headers that are walked over can be */
static __always_inline __u32 place_of(const struct packet *packet)
{
	return *(const volatile __u32 *)&packet->at & (AT_MAX - 1);
}

static __always_inline void parse_l4(const struct frame *frame, struct packet *packet)
{
	__u32 offset = place_of(packet);
	union {
		struct tcp_head tcp;
		__u32 ports;
		__u8 icmp[2];
	} buf;

	switch (packet->ip_proto) {
	case IPPROTO_TCP: {
		const struct tcp_head *tcp = frame_pull(frame, offset, sizeof(*tcp), &buf);

		if (!tcp)
			break;
		packet->ports = *(const __u32 *)tcp;
		packet->tcp_flags = tcp->flags;
		return;
	}
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
	case IPPROTO_SCTP: {
		const __u32 *ports = frame_pull(frame, offset, sizeof(*ports), &buf);

		if (!ports)
			break;
		packet->ports = *ports;
		return;
	}
	case IPPROTO_ICMP:
	case 58: {
		const __u8 *icmp = frame_pull(frame, offset, 2, &buf);

		if (!icmp)
			break;
		packet->ports = first_port(*(const __u16 *)icmp);
		return;
	}
	default:
		return;
	}
	packet->truncated = packet->odd = true;
}

/* Both addresses as they stand in memory. Not loaded at once, see struct packet. */
static __always_inline __u64 addresses_of(const struct iphdr *ip)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return ip->saddr | (__u64)ip->daddr << 32;
#else
	return (__u64)ip->saddr << 32 | ip->daddr;
#endif
}

static __always_inline void parse_ipv4(const struct frame *frame, struct packet *packet)
{
	__u32 offset = place_of(packet);
	struct iphdr buf;
	const struct iphdr *ip = frame_pull(frame, offset, sizeof(*ip), &buf);
	__u16 fragment;

	packet->class = PE_CLASS_IPV4;
	if (!ip) {
		packet->truncated = packet->odd = true;
		return;
	}
	if (ip->version != 4 || ip->ihl < 5)
		return;
	packet->ip_proto = ip->protocol;
	packet->class = PE_CLASS_IPV4 + proto_of[ip->protocol];
	packet->address[0] = addresses_of(ip);
	packet->has_flow = true;
	/* 0 with segmentation offload above 64 KiB: then the IP header does not say. */
	if (ip->tot_len)
		packet->end = offset + bpf_ntohs(ip->tot_len);
	fragment = bpf_ntohs(ip->frag_off);
	if (fragment & (IP_MORE_FRAGMENTS | IP_OFFSET)) {
		packet->fragment = packet->odd = true;
		if (fragment & IP_OFFSET)
			return;
	}
	packet->at = offset + ip->ihl * 4;
	parse_l4(frame, packet);
}

/* To the transport header, which is of `*next` then. False if it is not in this packet. */
static __always_inline bool skip_extensions(const struct frame *frame, struct packet *packet,
					    __u8 *next)
{
	/* Counted in 64 bits: verifiers before 5.16 forget a narrower number that is on the stack,
	 * and with it where the loop ends. */
	for (__u64 i = 0; i < IPV6_EXTENSIONS; i++) {
		struct ipv6_extension buf;
		const struct ipv6_extension *extension;
		__u32 offset;

		if (*next != IPPROTO_HOPOPTS && *next != IPPROTO_ROUTING &&
		    *next != IPPROTO_DSTOPTS && *next != IPPROTO_FRAGMENT)
			break;
		offset = place_of(packet);
		extension = frame_pull(frame, offset, sizeof(*extension), &buf);
		if (!extension) {
			packet->truncated = packet->odd = true;
			return false;
		}
		if (*next == IPPROTO_FRAGMENT) {
			__u16 fragment = bpf_ntohs(extension->fragment);

			*next = extension->next;
			packet->at = offset + sizeof(*extension);
			/* An "atomic" fragment (RFC 6946) is a whole packet. */
			if (fragment & 0xfff9)
				packet->fragment = packet->odd = true;
			if (fragment & 0xfff8) {
				packet->ip_proto = *next;
				packet->class = PE_CLASS_IPV6 + proto_of[*next];
				return false;
			}
		} else {
			*next = extension->next;
			packet->at = offset + (extension->length + 1) * 8;
		}
	}
	return true;
}

static __always_inline void parse_ipv6(const struct frame *frame, struct packet *packet)
{
	__u32 offset = place_of(packet);
	struct ipv6hdr buf;
	const struct ipv6hdr *ip = frame_pull(frame, offset, sizeof(*ip), &buf);
	const __u64 *addresses;
	__u8 next;

	packet->class = PE_CLASS_IPV6;
	packet->ipv6 = true;
	if (!ip) {
		packet->truncated = packet->odd = true;
		return;
	}
	if (ip->version != 6)
		return;
	addresses = (const __u64 *)&ip->saddr;
	packet->address[0] = addresses[0];
	packet->address[1] = addresses[1];
	packet->address[2] = addresses[2];
	packet->address[3] = addresses[3];
	packet->has_flow = true;
	next = ip->nexthdr;
	/* 0 with a jumbo payload: then the IP header does not say. */
	if (ip->payload_len)
		packet->end = offset + sizeof(*ip) + bpf_ntohs(ip->payload_len);
	packet->at = offset + sizeof(*ip);
	if (!skip_extensions(frame, packet, &next))
		return;
	packet->ip_proto = next;
	packet->class = PE_CLASS_IPV6 + proto_of[next];
	parse_l4(frame, packet);
}

static __always_inline void parse_l3(const struct frame *frame, __u16 ethertype,
				     struct packet *packet)
{
	switch (ethertype) {
	case ETH_P_IP:
		parse_ipv4(frame, packet);
		break;
	case ETH_P_IPV6:
		parse_ipv6(frame, packet);
		break;
	case ETH_P_ARP:
		packet->class = PE_CLASS_ARP;
		break;
	default:
		packet->class = PE_CLASS_OTHER;
	}
}

static __always_inline bool is_vlan(__u16 ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD ||
	       ethertype == ETH_P_8021Q_OLD;
}

/* Fills a zeroed packet. */
static __always_inline void parse(const struct frame *frame, bool ethernet, struct packet *packet)
{
	__u32 offset = 0;
	__u16 ethertype;

	asm volatile("" : : "r"(packet) : "memory");
	packet->class = PE_CLASS_OTHER;
	if (likely(ethernet)) {
		struct ethhdr buf;
		const struct ethhdr *eth = frame_pull(frame, 0, sizeof(*eth), &buf);

		if (!eth) {
			packet->truncated = packet->odd = true;
			return;
		}
		ethertype = bpf_ntohs(*(const __be16 *)((const void *)eth + ETH_HLEN - 2));
		offset = sizeof(*eth);
#pragma unroll
		for (int i = 0; i < VLAN_TAGS; i++) {
			struct vlan_tag tag_buf;
			const struct vlan_tag *tag;

			if (likely(!is_vlan(ethertype)))
				break;
			packet->vlan = packet->odd = true;
			tag = frame_pull(frame, offset, sizeof(*tag), &tag_buf);
			if (!tag) {
				packet->truncated = packet->odd = true;
				return;
			}
			ethertype = bpf_ntohs(tag->ethertype);
			offset += sizeof(*tag);
		}
	} else {
		__u8 buf;
		const __u8 *first = frame_pull(frame, 0, 1, &buf);

		if (!first) {
			packet->truncated = packet->odd = true;
			return;
		}
		ethertype = *first >> 4 == 4 ? ETH_P_IP : *first >> 4 == 6 ? ETH_P_IPV6 : 0;
	}
	packet->at = offset;
	parse_l3(frame, ethertype, packet);
}

/* The end of the two fast ways: TCP and UDP, and nothing else. */
static __always_inline bool take_usual(const struct tcp_head *l4, __u8 ip_proto, __u8 family,
				       struct packet *packet)
{
	if (ip_proto == IPPROTO_TCP) {
		packet->class = family + PE_PROTO_TCP;
		packet->tcp_flags = l4->flags;
	} else if (ip_proto == IPPROTO_UDP) {
		packet->class = family + PE_PROTO_UDP;
	} else {
		return false;
	}
	packet->ip_proto = ip_proto;
	packet->ports = *(const __u32 *)l4;
	packet->has_flow = true;
	return true;
}

/*
 * The fast way for what nearly all packets are: IPv4 without options, not a fragment, in an
 * untagged Ethernet frame, TCP or UDP. It finds what parse() would find, without a walk, so that it
 * all stays in registers: half the cost of a packet. False if it is anything else. Fills a zeroed
 * packet.
 *
 * `data` has USUAL_LENGTH bytes; the caller takes the slow way with a frame that is shorter.
 */
#define USUAL_LENGTH (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcp_head))
static __always_inline bool parse_usual(const void *data, struct packet *packet)
{
	const struct iphdr *ip = data + ETH_HLEN;
	const struct tcp_head *l4 = (const void *)(ip + 1);

	if (*(const __be16 *)(data + ETH_HLEN - 2) != bpf_htons(ETH_P_IP) ||
	    *(const __u8 *)ip != 0x45 || ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_OFFSET))
		return false;
	if (!take_usual(l4, ip->protocol, PE_CLASS_IPV4, packet))
		return false;
	packet->address[0] = addresses_of(ip);
	packet->end = ETH_HLEN + bpf_ntohs(ip->tot_len);
	return true;
}

/* The same for IPv6 without extension headers, of USUAL6_LENGTH bytes. Where the header does not
 * say where the packet ends, because its payload is a jumbo one, `end` is that of the header. */
#define USUAL6_LENGTH (ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct tcp_head))
static __always_inline bool parse_usual6(const void *data, struct packet *packet)
{
	const struct ipv6hdr *ip = data + ETH_HLEN;
	const struct tcp_head *l4 = (const void *)(ip + 1);
	const __u64 *addresses = (const __u64 *)&ip->saddr;

	if (*(const __be16 *)(data + ETH_HLEN - 2) != bpf_htons(ETH_P_IPV6) ||
	    *(const __u8 *)ip >> 4 != 6)
		return false;
	if (!take_usual(l4, ip->nexthdr, PE_CLASS_IPV6, packet))
		return false;
	packet->address[0] = addresses[0];
	packet->address[1] = addresses[1];
	packet->address[2] = addresses[2];
	packet->address[3] = addresses[3];
	packet->ipv6 = true;
	packet->end = ETH_HLEN + sizeof(*ip) + bpf_ntohs(ip->payload_len);
	return true;
}

#endif
