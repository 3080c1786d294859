/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets as the network stack has them: read through the kernel's own structure.
 */
#ifndef PE_BPF_SKB_H
#define PE_BPF_SKB_H

#include "extent.h"
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

/* A packet to be counted. */
struct counted {
	union pe_slot_ref ref;
	__u64 source; /* where its frame begins */
	__u32 pulled; /* how much of that the stack has taken off: it is not in skb->len */
	__u32 cpu_id;
};

static __always_inline bool is_sealed(union pe_slot_ref ref)
{
	return (ref.flags & PE_SLOT_SEALED) == PE_SLOT_SEALED;
}

/* Where the pending packet's frame is read: at its source, or its head in the window. */
static __always_inline void find_pending(struct pe_cpu *cpu, struct frame *frame)
{
	__u64 size = cpu->pending.head;

	frame->length = size;
	frame->window = cpu->window;
	if (frame->gathered)
		return;
	frame->source = (const void *)cpu->pending.source;
	if (HAS_CASTS && pe_reads_bytes)
		return;
	hide(size);
	if (size > PE_WINDOW)
		size = PE_WINDOW;
	if (bpf_probe_read_kernel(cpu->window, size, frame->source))
		frame->length = 0;
}

static __always_inline int count_as_pending(__u32 cpu_id, __u32 hook, bool gathered)
{
	struct pe_cpu *cpu = bpf_map_lookup_elem(&cpus, &cpu_id);
	struct frame frame = { .is_skb = true, .gathered = gathered };
	struct packet *packet;
	struct extent extent;
	union pe_slot_ref ref;

	if (!cpu)
		return 0;
	packet = packet_of(cpu);
	ref.word = cpu->pending.ref;
	extent = (struct extent){ cpu->pending.length, cpu->pending.more, cpu->pending.each };
	find_pending(cpu, &frame);
	if (is_can(ref))
		packet->class = PE_CLASS_OTHER;
	else
		parse(&frame, has_ethernet(ref), packet);
	/* There is more of it than can be seen. */
	if (cpu->pending.total > frame.length)
		packet->truncated = false;
	if (cpu->pending.tagged)
		packet->vlan = packet->odd = true;
	account(cpu, cpu_id, ref, hook, packet, &extent);
	return 0;
}

/*
 * Counts the packet that the CPU's state holds as pending. Global functions: the verifier looks at
 * each once, and not once for each of the many ways in which a program comes here.
 */
__noinline int count_pending(__u32 cpu_id, __u32 hook)
{
	return count_as_pending(cpu_id, hook, false);
}

/* The same of one whose head is in the window, and the rest in pages. */
__noinline int count_gathered(__u32 cpu_id, __u32 hook)
{
	return count_as_pending(cpu_id, hook, true);
}

/* A packet that is not simply as long as it is, or whose head is in the window already. */
static __always_inline void count_special(const struct sk_buff *skb, enum hook hook,
					  const struct counted *counted,
					  const struct extent *extent, __u32 gathered)
{
	__u32 cpu_id = counted->cpu_id;
	struct pe_cpu *cpu = bpf_map_lookup_elem(&cpus, &cpu_id);
	__u32 total = skb->len + counted->pulled;

	if (!cpu)
		return;
	cpu->pending = (struct pe_pending){
		.ref = counted->ref.word,
		.source = gathered ? 0 : counted->source,
		.head = gathered ? gathered : total - skb->data_len,
		.total = total,
		.length = extent->length,
		.more = extent->more,
		.each = extent->each,
		.tagged = has_tag(skb),
	};
	if (gathered)
		count_gathered(cpu_id, hook);
	else
		count_pending(cpu_id, hook);
}

/*
 * Copies the head of a packet whose headers are not all in its linear part (PACKET_TX_RING, some
 * drivers) to the CPU's window. What the stack has pulled is in the linear part. How much it
 * copied; where it cannot, what is in the linear part. `whole` is the packet as its program may
 * hand it to the kernel.
 */
static __always_inline __u32 gather(struct __sk_buff *whole, bool can, const struct sk_buff *skb,
				    const struct counted *counted)
{
#ifndef PE_PLAIN
	__u32 cpu_id = counted->cpu_id;
	struct pe_cpu *cpu = bpf_map_lookup_elem(&cpus, &cpu_id);
	__u64 pulled = counted->pulled, rest = skb->len;
	struct bpf_dynptr dynptr;

	hide(pulled);
	hide(rest);
	if (rest > PE_WINDOW - ETH_HLEN)
		rest = PE_WINDOW - ETH_HLEN;
	if (can && cpu && pulled <= ETH_HLEN &&
	    !bpf_probe_read_kernel(cpu->window, pulled, (const void *)counted->source) &&
	    !bpf_dynptr_from_skb(whole, 0, &dynptr) &&
	    !bpf_dynptr_read(cpu->window + pulled, rest, &dynptr, 0, 0))
		return pulled + rest;
#endif
	return 0;
}

/* `ctx` is for TCX alone. */
static __always_inline void count_skb(struct __sk_buff *ctx, const struct sk_buff *skb,
				      enum hook hook, const struct counted *counted, __u32 length)
{
	__u32 cpu_id = counted->cpu_id;
	struct frame frame = {
		.is_skb = true,
		.source = (const void *)counted->source,
		.length = skb->len + counted->pulled - skb->data_len,
	};
	const struct extent extent = { .length = length };
	const void *head = frame_head(&frame, cpu_id);

	if (!head)
		return;
	if (likely(has_ethernet(counted->ref) && frame.length >= USUAL_LENGTH)) {
		struct packet usual = {};

		if (likely(parse_usual(head, &usual))) {
			if (unlikely(has_tag(skb)))
				usual.vlan = usual.odd = true;
			account(cpu_find(cpu_id), cpu_id, counted->ref, hook, &usual, &extent);
			return;
		}
	}
#ifdef PE_PLAIN
	/* Verifiers of old kernels are slow. */
	count_special(skb, hook, counted, &extent, 0);
#else
	struct packet packet = {};

	parse(&frame, has_ethernet(counted->ref), &packet);
	if (unlikely(packet.truncated && skb->data_len)) {
		struct __sk_buff *whole = hook == HOOK_TCX ? ctx : (struct __sk_buff *)skb;
		bool can = hook == HOOK_TCX || pe_reads_pages;

		count_special(skb, hook, counted, &extent, gather(whole, can, skb, counted));
		return;
	}
	if (unlikely(has_tag(skb)))
		packet.vlan = packet.odd = true;
	account(cpu_find(cpu_id), cpu_id, counted->ref, hook, &packet, &extent);
#endif
}

/* Where a received frame begins. */
static __always_inline struct counted locate(const struct sk_buff *skb, union pe_slot_ref ref)
{
	__u32 pulled = pulled_of(skb, ref);

	return (struct counted){ ref, (__u64)skb->data - pulled, pulled,
				 bpf_get_smp_processor_id() };
}

/* A packet on its way up, at the receive tracepoint or, `merges`, as it enters a tunnel's GRO. */
static __always_inline void count_received(const struct sk_buff *skb, const struct net_device *dev,
					   union pe_slot_ref ref, bool by_napi, bool merges)
{
	struct counted counted = locate(skb, ref);
	__u32 length = skb->len + counted.pulled;
	struct extent extent = { .length = length };

	if (unlikely(is_sealed(ref))) {
		seal(dev, &extent);
	} else if (unlikely(is_can(ref))) {
		take_payload(counted.source, &extent);
	} else if (by_napi || ((ref.flags & PE_SLOT_ORIGIN) == PE_ORIGIN_CARD && is_merged(skb))) {
		if (!by_napi || !is_sent_as_one(skb))
			split(skb, counted.source - (__u64)skb->head, false, &extent);
		if (by_napi)
			take_off(counted.pulled, &extent);
	} else if ((ref.flags & PE_SLOT_ORIGIN) == PE_ORIGIN_CELLS && !merges && has_gro(dev) &&
		   unlikely(is_merged_late(skb))) {
		split(skb, counted.source - (__u64)skb->head, false, &extent);
		if (ref.flags & PE_SLOT_RX_NO_LINK_HEADER)
			take_off(counted.pulled, &extent);
	} else {
		if (ref.flags & PE_SLOT_RX_NO_LINK_HEADER)
			length -= counted.pulled;
		if (!merges) {
			count_skb(NULL, skb, HOOK_RECEIVE, &counted, length);
			return;
		}
		extent.length = length;
	}
	count_special(skb, HOOK_RECEIVE, &counted, &extent, 0);
}

static __always_inline void count_tcx(struct __sk_buff *ctx, const struct sk_buff *skb,
				      union pe_slot_ref ref)
{
	struct counted counted = locate(skb, ref);
	__u32 length = skb->len + counted.pulled;

	if (ref.flags & PE_SLOT_RX_NO_LINK_HEADER)
		length -= ETH_HLEN;
	count_skb(ctx, skb, HOOK_TCX, &counted, length);
}

static __always_inline void count_sent(const struct sk_buff *skb, const struct net_device *dev,
				       union pe_slot_ref ref)
{
	struct counted counted = { ref, (__u64)skb->data, 0, bpf_get_smp_processor_id() };
	struct extent extent = { .length = skb->len };
	bool is_loop = (ref.flags & PE_SLOT_ORIGIN) == PE_ORIGIN_LOOP;

	if (likely(!(ref.flags & PE_SLOT_TX_NO_LINK_HEADER) && !is_loop)) {
		count_skb(NULL, skb, HOOK_EGRESS, &counted, extent.length);
		return;
	}
	if (is_sealed(ref)) {
		split(skb, counted.source - (__u64)skb->head, true, &extent);
		seal(dev, &extent);
	} else if (is_can(ref)) {
		take_payload(counted.source, &extent);
	} else if (!is_loop) {
		take_off(ETH_HLEN, &extent);
	}
	/* It has received all that it is to send, and drops what was not redirected to it. */
	if (!is_loop || (is_redirected(skb) && skb->skb_iif))
		count_special(skb, HOOK_EGRESS, &counted, &extent, 0);
	if (is_loop)
		count_special(skb, HOOK_RECEIVE, &counted, &extent, 0);
}

#endif
