/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a packet to the header of a DNS message, and no further: its id, whether it is a query or an
 * answer, and the code of that.
 *
 * Nearly all packets are none: that is seen at a glance. Others are parsed by functions that the
 * verifier looks at once, for which memory of the CPU's own holds what they need.
 */
#ifndef PE_BPF_DNS_H
#define PE_BPF_DNS_H

#include "table.h"
#include "origin.h"
#include "parse.h"

#define EEXIST 17

#include "dns_pending.h"

const volatile __u64 pe_net; /* address of our namespace: see netns.h */

#define DNS_PORT       bpf_htons(53)
#define DNS_ANSWER     0x80 /* the flag QR */
#define DNS_RCODE      0x0f
#define ICMPV6	       58
#define UDP_HEADER     8
#define TCP_OFFSET     12 /* of the byte that has the length of TCP's header */
#define MESSAGE_PREFIX 2  /* of TCP: the message's length */

/* Of UDP the prefix is what stands before it. */
struct dns_message {
	__be16 length;
	__be16 id;
	__u8 flags[2];
	__be16 counts[4];
};
#define MESSAGE_HEADER (sizeof(struct dns_message) - MESSAGE_PREFIX)

struct look {
	struct packet packet;
	__u64 source; /* where its frame begins */
	__u32 head;   /* bytes of it in the linear part */
	__u32 total;  /* bytes of it in all */
	__u32 at;     /* where the message is, with its prefix */
	__u32 length; /* from there to the packet's end */
	__u32 token;
	__u8 direction;
	bool ethernet;
	struct dns_message message;
	struct pe_dns_key key;
	__u8 window[PE_WINDOW];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct look);
} looks SEC(".maps");

/* The CPU's own. Its key is handed on: the verifier wants arguments that are used. */
#define LOOK_KEY 0
static __always_inline struct look *look_of_cpu(__u32 key)
{
	return bpf_map_lookup_elem(&looks, &key);
}

/* ---- at a glance ---- */

static __always_inline bool has_port(__u32 ports)
{
	return (ports & 0xffff) == DNS_PORT || ports >> 16 == DNS_PORT;
}

static __always_inline bool has_ports(__u8 ip_proto)
{
	return ip_proto == IPPROTO_UDP || ip_proto == IPPROTO_TCP;
}

static __always_inline bool may_be_in_ip(const void *ip)
{
	const __u8 *byte = ip;

	if (byte[0] == 0x45)
		return has_ports(byte[offsetof(struct iphdr, protocol)]) &&
		       has_port(*(const __u32 *)(ip + sizeof(struct iphdr)));
	if (byte[0] >> 4 == 6) {
		const __u8 next = byte[offsetof(struct ipv6hdr, nexthdr)];

		/* Behind further headers there may be anything. */
		return has_ports(next) ? has_port(*(const __u32 *)(ip + sizeof(struct ipv6hdr)))
				       : next != ICMPV6;
	}
	return byte[0] >> 4 == 4;
}

static __always_inline bool may_be_in_frame(const void *ethertype_at, const void *ip)
{
	const __u16 ethertype = bpf_ntohs(*(const __be16 *)ethertype_at);

	return ethertype == ETH_P_IP || ethertype == ETH_P_IPV6 ? may_be_in_ip(ip)
								: is_vlan(ethertype);
}

/* The heads of frames and packets, as far as has to be seen; copied so that IP begins at a
 * multiple of 8. What the packet itself lacks of it is memory behind it, which says nothing wrong:
 * it is parsed afterwards. */
#define GLANCE_IP    16
#define GLANCE_FRAME (GLANCE_IP - ETH_HLEN)
#define GLANCE_SIZE  (GLANCE_IP + sizeof(struct ipv6hdr) + sizeof(__u32))

static __always_inline bool may_be_dns(__u64 source, union pe_slot_ref ref)
{
	__u8 glance[GLANCE_SIZE + 4] __attribute__((aligned(8)));

	if (HAS_CASTS && pe_reads_bytes) {
		const void *head = bytes_at((const void *)source);

		return has_ethernet(ref)
			       ? may_be_in_frame(head + ETH_HLEN - sizeof(__be16), head + ETH_HLEN)
			       : may_be_in_ip(head);
	}
	if (!has_ethernet(ref))
		return !bpf_probe_read_kernel(glance + GLANCE_IP, GLANCE_SIZE - GLANCE_IP,
					      (const void *)source) &&
		       may_be_in_ip(glance + GLANCE_IP);
	return !bpf_probe_read_kernel(glance + GLANCE_FRAME, GLANCE_SIZE - GLANCE_FRAME,
				      (const void *)source) &&
	       may_be_in_frame(glance + GLANCE_IP - sizeof(__be16), glance + GLANCE_IP);
}

/* ---- where the message is ---- */

static __always_inline void find_frame(struct look *look, struct frame *frame)
{
	__u64 size = look->head;

	*frame = (struct frame){
		.is_skb = true,
		.source = (const void *)look->source,
		.length = look->head,
		.window = look->window,
	};
	if (HAS_CASTS && pe_reads_bytes)
		return;
	hide(size);
	if (size > PE_WINDOW)
		size = PE_WINDOW;
	if (bpf_probe_read_kernel(look->window, size, frame->source))
		frame->length = 0;
}

/* From the transport's header to the prefix of the message; 0 if there is none. */
static __always_inline __u32 skip_transport(const struct frame *frame, const struct packet *packet,
					    __u32 offset)
{
	const __u8 *length;
	__u8 buf;

	if (packet->ip_proto == IPPROTO_UDP)
		return UDP_HEADER - MESSAGE_PREFIX;
	/* Of most segments the payload is in pages. */
	if (packet->ip_proto != IPPROTO_TCP || !pe_reads_pages)
		return 0;
	length = frame_pull(frame, offset + TCP_OFFSET, 1, &buf);
	return length ? (*length >> 4) * 4 : 0;
}

/* Not 0 if it is DNS for what its headers say. */
__noinline int dns_find(__u32 key)
{
	struct look *look = look_of_cpu(key);
	__u32 offset, end, skip;
	struct packet *packet;
	struct frame frame;

	if (!look)
		return 0;
	find_frame(look, &frame);
	packet = &look->packet;
	*packet = (struct packet){};
	parse(&frame, look->ethernet, packet);
	if (!has_port(packet->ports))
		return 0;
	offset = place_of(packet);
	skip = skip_transport(&frame, packet, offset);
	if (!skip)
		return 0;
	end = packet->end > offset ? packet->end : look->total;
	if (end > look->total)
		end = look->total;
	offset += skip;
	if (offset + sizeof(struct dns_message) > end)
		return 0;
	look->at = offset;
	look->length = end - offset;
	return 1;
}

/* ---- what it says ---- */

/* By TCP, of a segment that begins with a message; and of a query, has all of it. */
static __always_inline bool is_message(const struct look *look, bool is_answer)
{
	__u32 length = bpf_ntohs(look->message.length);

	if (look->packet.ip_proto == IPPROTO_UDP)
		return true;
	return length >= MESSAGE_HEADER && (is_answer || length + MESSAGE_PREFIX <= look->length);
}

static __always_inline void set_key(struct look *look, bool is_answer)
{
	const struct packet *packet = &look->packet;
	const __be16 *port = (const void *)&packet->ports;
	struct pe_dns_key *key = &look->key;

	*key = (struct pe_dns_key){
		.token = look->token,
		.port = is_answer ? port[1] : port[0],
		.id = look->message.id,
		.direction = look->direction ^ is_answer,
		.ip_proto = packet->ip_proto,
		.ipv6 = packet->ipv6,
	};
	if (packet->ipv6) {
		key->client[0] = packet->address[is_answer ? 2 : 0];
		key->client[1] = packet->address[is_answer ? 3 : 1];
		key->server[0] = packet->address[is_answer ? 0 : 2];
		key->server[1] = packet->address[is_answer ? 1 : 3];
	} else {
		const __u32 *address = (const void *)packet->address;

		key->client[0] = address[is_answer];
		key->server[0] = address[!is_answer];
	}
}

__noinline int dns_count(__u32 key)
{
	struct look *look = look_of_cpu(key);
	struct pe_dns_row *row;
	const __be16 *port;
	bool is_answer;
	__u64 direction, rcode;
	__u32 slot;

	if (!look)
		return 0;
	port = (const void *)&look->packet.ports;
	is_answer = look->message.flags[0] & DNS_ANSWER;
	if (port[!is_answer] != DNS_PORT || !is_message(look, is_answer))
		return 0;
	slot = PE_TOKEN_SLOT(look->token);
	row = bpf_map_lookup_elem(&rows, &slot);
	if (!row)
		return 0;
	set_key(look, is_answer);
	direction = look->key.direction;
	hide(direction);
	if (direction >= PE_DIRECTIONS)
		return 0;
	if (!is_answer) {
		ask(&row->of[direction], &look->key);
		return 0;
	}
	rcode = look->message.flags[1] & DNS_RCODE;
	answer(&row->of[direction], &look->key, rcode < PE_DNS_OTHER ? rcode : PE_DNS_OTHER);
	return 0;
}

/* The message's header, also behind the linear part. */
static __always_inline bool read_message(struct look *look, const struct sk_buff *skb, __u32 pulled)
{
	__u64 at = look->at;
#ifndef PE_PLAIN
	struct bpf_dynptr dynptr;
#endif

	if (at + sizeof(look->message) <= look->head)
		return !bpf_probe_read_kernel(&look->message, sizeof(look->message),
					      (const void *)(look->source + at));
#ifndef PE_PLAIN
	if (pe_reads_pages && at >= pulled)
		return !bpf_dynptr_from_skb((struct __sk_buff *)skb, 0, &dynptr) &&
		       !bpf_dynptr_read(&look->message, sizeof(look->message), &dynptr, at - pulled,
					0);
#endif
	return false;
}

static __always_inline void look_at(const struct sk_buff *skb, union pe_slot_ref ref,
				    enum pe_direction direction, __u32 pulled)
{
	struct look *look = look_of_cpu(LOOK_KEY);

	if (!look)
		return;
	look->source = (__u64)skb->data - pulled;
	look->total = skb->len + pulled;
	look->head = look->total - skb->data_len;
	look->token = PE_TOKEN(ref.slot, PE_SLOT_GENERATION(ref.flags));
	look->direction = direction;
	look->ethernet = has_ethernet(ref);
	if (dns_find(LOOK_KEY) && read_message(look, skb, pulled))
		dns_count(LOOK_KEY);
}

#endif
