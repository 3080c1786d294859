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

/* The head of a frame as parse_usual() and parse_usual6() read it. */
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

/* Fills the CPU's own packet. `gathered` is known when it is compiled. */
static __always_inline void parse_as_pending(struct pe_cpu *cpu, bool gathered)
{
	struct frame frame = { .is_skb = true, .gathered = gathered };
	struct packet *packet = packet_of(cpu);
	union pe_slot_ref ref;

	ref.word = cpu->pending.ref;
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
}

/*
 * Recognises the packet that the CPU's state holds as pending, whose head is in the window, and the
 * rest in pages. Global functions: the verifier looks at each once, and not once for each of the
 * many ways in which a program comes here.
 */
__noinline int parse_gathered(__u32 cpu_id)
{
	struct pe_cpu *cpu = bpf_map_lookup_elem(&cpus, &cpu_id);

	if (cpu)
		parse_as_pending(cpu, true);
	return 0;
}

/* Counts the pending packet. One without a source was recognised already, by parse_gathered(). */
__noinline int count_pending(__u32 cpu_id, __u32 hook)
{
	struct pe_cpu *cpu = bpf_map_lookup_elem(&cpus, &cpu_id);
	struct extent extent;
	union pe_slot_ref ref;

	if (!cpu)
		return 0;
	if (likely(cpu->pending.source))
		parse_as_pending(cpu, false);
	ref.word = cpu->pending.ref;
	extent = (struct extent){ cpu->pending.length, cpu->pending.more, cpu->pending.each };
	account(cpu, cpu_id, ref, hook, (const struct packet *)cpu->packet, &extent);
	return 0;
}

/* A packet that is not a usual one: its headers have to be walked, it is not simply as long as it
 * is, or its head is in the window already. */
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
		parse_gathered(cpu_id);
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

/* One of the usual ones, after what parse_usual() or parse_usual6() says. */
static __always_inline void count_usual(const struct sk_buff *skb, enum hook hook,
					const struct counted *counted, struct packet *usual,
					const struct extent *extent)
{
	if (unlikely(has_tag(skb)))
		usual->vlan = usual->odd = true;
	account(cpu_find(counted->cpu_id), counted->cpu_id, counted->ref, hook, usual, extent);
}

/* The headers are looked for beyond the linear part if that has less than gather() can copy. `ctx`
 * is for TCX alone. */
static __always_inline __u32 gather_head(struct __sk_buff *ctx, const struct sk_buff *skb,
					 enum hook hook, const struct counted *counted,
					 __u32 linear)
{
	struct __sk_buff *whole = hook == HOOK_TCX ? ctx : (struct __sk_buff *)skb;

	if (likely(!skb->data_len || linear >= counted->pulled + PE_WINDOW - ETH_HLEN))
		return 0;
	return gather(whole, hook == HOOK_TCX || pe_reads_pages, skb, counted);
}

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
		struct packet usual = {}, usual6 = {};

		if (likely(parse_usual(head, &usual))) {
			count_usual(skb, hook, counted, &usual, &extent);
			return;
		}
		if (frame.length >= USUAL6_LENGTH && parse_usual6(head, &usual6)) {
			count_usual(skb, hook, counted, &usual6, &extent);
			return;
		}
	}
	count_special(skb, hook, counted, &extent,
		      gather_head(ctx, skb, hook, counted, frame.length));
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
