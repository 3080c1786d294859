/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting one packet: first its row, exactly; then its flow, as detail.
 */
#ifndef PE_BPF_ACCOUNT_H
#define PE_BPF_ACCOUNT_H

#include "flow.h"

#define LANE_CLASS(first, class) [class] = (first) + 1,
/* The word of a class + 1; 0 of those that are in common. In one line of the CPU's cache with the
 * next table, which is all that packets of usual lengths need. */
#define CLASS_MASK 31
const __u8 class_words[CLASS_MASK + 1]
	__attribute__((aligned(64))) = { PE_LANE_CLASSES(LANE_CLASS) };

#define LANE_SIZE(first, bucket) LANE_SIZE_##bucket = (first),
enum { PE_LANE_SIZES(LANE_SIZE) };

/*
 * Where a lane counts a length: two small tables, because BPF has no instruction that counts
 * leading zeros.
 */
#define TWICE(n) n, n
#define FOUR(n)	 TWICE(n), TWICE(n)
#define EIGHT(n) FOUR(n), FOUR(n)
const __u8 size_word_of_64[32] = {
	LANE_SIZE_0,	    LANE_SIZE_1,	TWICE(LANE_SIZE_2), FOUR(LANE_SIZE_3),
	EIGHT(LANE_SIZE_4), EIGHT(LANE_SIZE_5), EIGHT(LANE_SIZE_5),
};
const __u8 size_word_of_2048[32] = {
	LANE_SIZE_5,	    LANE_SIZE_6,	 TWICE(LANE_SIZE_7),  FOUR(LANE_SIZE_8),
	EIGHT(LANE_SIZE_9), EIGHT(LANE_SIZE_10), EIGHT(LANE_SIZE_10),
};

static __always_inline __u32 size_word(__u32 length)
{
	__u64 last = length - 1;

	hide(last);
	if (last < 2048)
		return size_word_of_64[last >> 6];
	if (last < 65536)
		return size_word_of_2048[last >> 11];
	return length ? LANE_SIZE_11 : LANE_SIZE_0;
}

/* Masked behind the compiler's back, which would find other ways than those that verifiers follow.
 */
static __always_inline __u64 class_of(const struct packet *packet)
{
	__u64 class = packet->class;

	hide(class);
	return class & CLASS_MASK;
}

/* To a word of a lane, which is this CPU's own; or of all, `shared`, which is known when it is
 * compiled. The mask is for the verifier, which does not know what tables hold. */
static __always_inline void lane_add(struct pe_lane *lane, __u32 word, __u64 n, bool shared)
{
	word &= PE_LANE_WORDS - 1;
	if (shared)
		__sync_fetch_and_add(&lane->word[word], n);
	else
		lane->word[word] += n;
}

static __always_inline void account_tcp(struct pe_lane *lane, __u8 flags, bool shared)
{
	if (likely(!(flags & (TCP_SYN | TCP_FIN | TCP_RST))))
		return;
	if (flags & TCP_SYN)
		lane_add(lane, PE_LANE_TCP + (flags & TCP_ACK ? PE_TCP_SYNACK : PE_TCP_SYN), 1,
			 shared);
	if (flags & TCP_FIN)
		lane_add(lane, PE_LANE_TCP + PE_TCP_FIN, 1, shared);
	if (flags & TCP_RST)
		lane_add(lane, PE_LANE_TCP + PE_TCP_RST, 1, shared);
}

/* Where a packet is counted. */
enum hook {
	HOOK_XDP,
	HOOK_NATIVE,
	HOOK_RECEIVE,
	HOOK_TCX,
	HOOK_EGRESS,
};

/*
 * How long a packet is, as the interface's own counters have it. Where they were counted before GRO
 * merged them (or after a driver split them), one packet here is several: `more` of `each` bytes,
 * and one of `length` bytes.
 */
struct extent {
	__u32 length;
	__u32 more;
	__u32 each;
};

static __always_inline void account_in(struct pe_lane *lane, struct pe_common *common,
				       const struct packet *packet, const struct extent *extent,
				       bool shared)
{
	__u64 bytes = extent->length + (__u64)extent->more * extent->each;
	__u64 packets = 1 + (__u64)extent->more;
	__u64 class = class_of(packet);
	__u32 words = class_words[class];

	hide(class);
	if (class >= PE_CLASS_COUNT)
		return;
	if (words) {
		lane_add(lane, words - 1, packets, shared);
		lane_add(lane, words, bytes, shared);
	} else {
		__sync_fetch_and_add(&common->class[class].packets, packets);
		__sync_fetch_and_add(&common->class[class].bytes, bytes);
	}
	lane_add(lane, size_word(extent->length), 1, shared);
	if (extent->more)
		lane_add(lane, size_word(extent->each), extent->more, shared);
	if (packet->vlan)
		lane_add(lane, PE_LANE_VLAN, packets, shared);
	if (packet->fragment)
		__sync_fetch_and_add(&common->fragments, 1);
	if (packet->truncated)
		__sync_fetch_and_add(&common->truncated, 1);
	account_tcp(lane, packet->tcp_flags, shared);
}

/* What is not a packet like nearly all, or on a CPU without lanes: a function of its own, so that
 * those do not pay for what it needs. */
static __noinline int account_rarely(struct pe_lane *lane, __u64 slot, __u64 direction,
				     const struct packet *packet, const struct extent *extent)
{
	struct pe_common *common = common_find(slot, direction);

	if (!common || !packet || !extent)
		return 0;
	if (lane)
		account_in(lane, common, packet, extent, false);
	else
		account_in(&common->lane, common, packet, extent, true);
	return 0;
}

static __always_inline __u32 mark_of(union pe_slot_ref ref, enum pe_counted counted)
{
	return PE_MARK(PE_TOKEN(ref.slot, PE_SLOT_GENERATION(ref.flags)), counted);
}

/* Whether the hook before this one on the same CPU has counted this packet, or knows that it must
 * not be counted: its hand-off mark. */
static __always_inline bool is_handed_off(struct pe_cpu *cpu, union pe_slot_ref ref, enum hook hook)
{
	__u32 mark = cpu->mark;

	if (likely(!mark) || hook == HOOK_RECEIVE || hook == HOOK_NATIVE)
		return false;
	if (hook == HOOK_XDP) {
		if (mark != mark_of(ref, PE_COUNTED_BY_RECEIVE))
			return false;
		/* The mark is for one packet; where TCX follows, it takes it off. */
		if (!(ref.flags & PE_SLOT_TCX))
			cpu->mark = 0;
		return true;
	}
	/* Another interface's, whose packet has not come to its hook. */
	if ((mark ^ mark_of(ref, PE_COUNTED_NOT)) > PE_COUNTED_BY_XDP)
		return false;
	cpu->mark = 0;
	return true;
}

/*
 * Ingress passes from one hook to the next without a packet counted twice or never. A packet
 * passes the tracepoint, then generic XDP, then TCX on one CPU with bottom halves off, so that no
 * other packet comes between: the tracepoint leaves a hand-off mark with the CPU, and XDP goes by
 * that, not by what user space wants meanwhile. (Native XDP comes before the
 * tracepoint; the change to it can miss or double one packet for each CPU.)
 *
 * Generic XDP and TCX likewise: where both are, XDP comes first, counts and marks, and TCX counts
 * only what is not marked. So one may be attached and the other detached at any time between, in
 * any order. XDP marks only while there may be a TCX program, or it would cost all others.
 */
static __always_inline void account(struct pe_cpu *cpu, __u32 cpu_id, union pe_slot_ref ref,
				    enum hook hook, const struct packet *packet,
				    const struct extent *extent)
{
	enum pe_direction direction = hook == HOOK_EGRESS ? PE_EGRESS : PE_INGRESS;
	__u32 words = class_words[class_of(packet)];
	struct pe_lane *lane;

	if (!cpu)
		return;
	if (hook != HOOK_EGRESS && is_handed_off(cpu, ref, hook))
		return;
	if (hook == HOOK_XDP && unlikely(ref.flags & PE_SLOT_TCX))
		cpu->mark = mark_of(ref, PE_COUNTED_BY_XDP);
	if (hook == HOOK_RECEIVE)
		cpu->mark = mark_of(ref, PE_COUNTED_BY_RECEIVE);
	lane = lane_find(ref.slot, direction, cpu_id);
	if (likely(lane && words && !packet->odd && !extent->more)) {
		lane_add(lane, words - 1, 1, false);
		lane_add(lane, words, extent->length, false);
		lane_add(lane, size_word(extent->length), 1, false);
		account_tcp(lane, packet->tcp_flags, false);
	} else {
		/* Copies, so that the originals stay in registers. */
		const struct packet packet_there = *packet;
		const struct extent extent_there = *extent;

		if (!lane)
			cpu->lacks = 1;
		account_rarely(lane, ref.slot, direction, &packet_there, &extent_there);
	}
	if (pe_has_flows && likely(packet->has_flow)) {
		const struct pe_count sum = {
			.packets = 1 + extent->more,
			.bytes = extent->length + (__u64)extent->more * extent->each,
		};
		__u64 rest =
			FLOW_REST(packet->ports, ref.slot, packet->ip_proto,
				  PE_SLOT_TAG(ref.flags) | PE_FLOW_TAG(0, packet->ipv6, direction));

		if (packet->ipv6)
			flow_add(cpu, cpu_id, ref.slot, direction, rest, true, packet, &sum);
		else
			flow_add(cpu, cpu_id, ref.slot, direction, rest, false, packet, &sum);
	}
}

#endif
