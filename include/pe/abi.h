/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel side (bpf/) and the user side (src/) share, byte for byte.
 *
 * This, abi_drops.h and abi_dns.h are the only headers both include. Every field has a fixed width,
 * every hole is named, and the static asserts at the end are checked by both compilers.
 */
#ifndef PE_ABI_H
#define PE_ABI_H

#include <linux/types.h>

/* As the interface sees it: ingress is what it received, egress what it sent. */
enum pe_direction {
	PE_INGRESS,
	PE_EGRESS,
	PE_DIRECTIONS,
};

/* The values of the `protocol` label. PE_PROTO_OTHER is an IP protocol without a name of its own.
 */
enum pe_proto {
	PE_PROTO_OTHER,
	PE_PROTO_TCP,
	PE_PROTO_UDP,
	PE_PROTO_ICMP,
	PE_PROTO_ICMPV6,
	PE_PROTO_SCTP,
	PE_PROTO_IGMP,
	PE_PROTO_GRE,
	PE_PROTO_ESP,
	PE_PROTO_AH,
	PE_PROTO_IPIP,
	PE_PROTO_IPV6,
	PE_PROTO_COUNT,
};

/*
 * A packet is counted in exactly one class: its family, and for IP its protocol.
 * class = PE_CLASS_IPV4 + proto, or PE_CLASS_IPV6 + proto, or one of the last two.
 */
enum pe_class {
	PE_CLASS_IPV4 = 0,
	PE_CLASS_IPV6 = PE_CLASS_IPV4 + PE_PROTO_COUNT,
	PE_CLASS_ARP = PE_CLASS_IPV6 + PE_PROTO_COUNT,
	PE_CLASS_OTHER,
	PE_CLASS_COUNT,
};

/* Upper bounds 64, 128, … 65536 bytes, then +Inf: PE_SIZE_BOUNDS of pe/sample.h. */
#define PE_SIZE_BUCKETS 12

enum pe_tcp_kind {
	PE_TCP_SYN,
	PE_TCP_SYNACK,
	PE_TCP_FIN,
	PE_TCP_RST,
	PE_TCP_KINDS,
};

struct pe_count {
	__u64 packets;
	__u64 bytes;
};

/*
 * The exact counters of an interface, in one direction, are in two places: a lane for each CPU,
 * which only that CPU writes, with plain stores, and what all CPUs have in common, atomically. What
 * nearly every packet adds to is in the lane, and there in one cache line, if it can be. Neither is
 * ever cleared: user space keeps a baseline for each use of a slot, so that no packet can fall
 * between a read and a reset.
 *
 * Their memory comes with the interfaces, for PE_CHUNK_SLOTS slots at a time, and lanes only for
 * CPUs that exist. A CPU without one, because it has just come, counts in `common`.
 */
#define PE_CHUNK_SHIFT 7
#define PE_CHUNK_SLOTS (1u << PE_CHUNK_SHIFT)
/* In a chunk, and in the chunk of one CPU's lanes. */
#define PE_CHUNK_INDEX(slot, direction) (((slot) % PE_CHUNK_SLOTS) * PE_DIRECTIONS + (direction))
#define PE_CHUNK_ENTRIES		(PE_CHUNK_SLOTS * PE_DIRECTIONS)

/* The words of a lane: X(first word, what). Other classes are rare, and in `common`. */
/* clang-format off */
#define PE_LANE_CLASSES(X)                                                       \
	X(0, PE_CLASS_IPV4 + PE_PROTO_TCP) X(2, PE_CLASS_IPV4 + PE_PROTO_UDP)    \
	X(8, PE_CLASS_IPV6 + PE_PROTO_TCP) X(10, PE_CLASS_IPV6 + PE_PROTO_UDP)   \
	X(24, PE_CLASS_IPV4 + PE_PROTO_ICMP) X(26, PE_CLASS_IPV6 + PE_PROTO_ICMPV6) \
	X(28, PE_CLASS_OTHER)
/* Buckets of packets' sizes: acknowledgements, whole frames, and what is not yet segmented stand
 * beside the classes of IPv4. */
#define PE_LANE_SIZES(X)                                                         \
	X(4, 0) X(5, 1) X(6, 5) X(7, 10)                                         \
	X(12, 2) X(13, 3) X(14, 4) X(15, 6) X(16, 7) X(17, 8) X(18, 9) X(19, 11)
/* clang-format on */
#define PE_LANE_TCP   20 /* PE_TCP_KINDS words */
#define PE_LANE_VLAN  30
#define PE_LANE_WORDS 32

struct pe_lane {
	__u64 word[PE_LANE_WORDS];
} __attribute__((aligned(64)));

struct pe_common {
	struct pe_lane lane; /* of CPUs that have none */
	struct pe_count class[PE_CLASS_COUNT];
	__u64 fragments;
	/* Frames that ended inside a header; counted in the class of what was recognised until
	 * then. */
	__u64 truncated;
	/* Packets whose flow record did not reach a worker, by protocol. They are counted all the
	 * same. */
	struct pe_count lost[PE_PROTO_COUNT];
} __attribute__((aligned(64)));

/*
 * The hand-off mark: what one hook says to the next one on the same CPU and packet, of which
 * interface. The lowest two bits of struct pe_cpu's mark; the rest is the token of the slot's use.
 */
enum pe_counted {
	PE_COUNTED_NOT,
	PE_COUNTED_BY_RECEIVE, /* by the receive tracepoint, or it was not received at all */
	PE_COUNTED_BY_XDP,     /* for TCX */
};
#define PE_MARK(token, counted) ((__u32)(token) << 2 | (counted))

/*
 * How packets come to be received on an interface, which decides what the receive tracepoint makes
 * of a packet that it sees there. The kernel hands many packets to an interface that the interface
 * has not received: redirected ones, ones that ifb hands back, the host's own multicast.
 */
enum pe_origin {
	PE_ORIGIN_NONE,	   /* the interface is not counted */
	PE_ORIGIN_LINK,	   /* from the other end of a link: veth, netkit */
	PE_ORIGIN_CARD,	   /* from a driver, which counts before GRO merges; also tun */
	PE_ORIGIN_BRIDGE,  /* from a port of the bridge */
	PE_ORIGIN_STACKED, /* from the interface below, past the tracepoint: VLAN, macvlan, bond */
	PE_ORIGIN_CELLS,   /* out of a tunnel, through GRO of its own: counted before that */
	PE_ORIGIN_OTHER,   /* out of a tunnel without GRO, and kinds that are not known */
	PE_ORIGIN_LOOP,	   /* received when it sends: ifb */
};

/* What a slot's interface is like, and who counts it: pe_slot_ref.flags. */
#define PE_SLOT_ORIGIN		  0x007 /* enum pe_origin */
#define PE_SLOT_NO_ETHERNET	  0x008 /* frames start at the IP header (tun, wireguard) */
#define PE_SLOT_RX_NO_LINK_HEADER 0x010 /* its rx_bytes lack the Ethernet header: so do ours */
#define PE_SLOT_TX_NO_LINK_HEADER 0x020 /* likewise its tx_bytes */
#define PE_SLOT_RECEIVE		  0x040 /* the receive tracepoint counts its ingress; otherwise XDP */
#define PE_SLOT_NATIVE		  0x080 /* native XDP does, before the tracepoint */
#define PE_SLOT_EGRESS		  0x100 /* the egress tracepoint counts its egress */
#define PE_SLOT_TCX		  0x200 /* a TCX program counts what XDP has not */
#define PE_SLOT_FLAGS		  0x3ff
/* Together they make no other sense: its counters have packets as they are encrypted (wireguard).
 */
#define PE_SLOT_SEALED (PE_SLOT_NO_ETHERNET | PE_SLOT_RX_NO_LINK_HEADER | PE_SLOT_TX_NO_LINK_HEADER)
/* Likewise: CAN frames, of which its counters have the payload. */
#define PE_SLOT_CAN	(PE_SLOT_NO_ETHERNET | PE_SLOT_TX_NO_LINK_HEADER)
#define PE_SLOT_FRAMING (PE_SLOT_ORIGIN | PE_SLOT_SEALED)

/* One use of a slot: its generation is in the bits above PE_SLOT_FLAGS. */
#define PE_SLOT_GENERATION_SHIFT       10
#define PE_SLOT_USE(flags, generation) ((__u16)((flags) | (generation) << PE_SLOT_GENERATION_SHIFT))
#define PE_SLOT_GENERATION(flags)      ((flags) >> PE_SLOT_GENERATION_SHIFT)
/* PE_FLOW_TAG() of its flows, but for what depends on the packet. */
#define PE_SLOT_TAG(flags) ((flags) >> (PE_SLOT_GENERATION_SHIFT - 2) & 0xfc)

/*
 * One entry of the interface table: a set-associative map from ifindex to slot, written by user
 * space as a single 64-bit store. ifindex 0 is a free entry.
 */
union pe_slot_ref {
	struct {
		__u32 ifindex;
		__u16 slot;
		__u16 flags; /* PE_SLOT_*, and the generation */
	};
	__u64 word;
};

#define PE_SLOT_WAYS 4
/* Distinguish one use of a slot from the next. */
#define PE_SLOT_GENERATIONS 64

/* So many early interfaces, which user space does not know yet, can be counted at the same time. */
#define PE_EARLY_MAX 128

/*
 * One flow as the cache holds it and as a ring carries it: its head, then its addresses, as they
 * are in the packet. Times are in jiffies.
 */
struct pe_flow_head {
	__u32 bytes;
	__u32 packets;	/* 0 marks an empty way */
	__u32 first;	/* when, the low 32 bits */
	__u16 span;	/* from the first packet to the last */
	__u8 tcp_flags; /* every flag seen, as in the TCP header */
	__u8 reason;	/* enum pe_evict */
	union {
		struct {
			__be16 sport; /* ICMP's type and code */
			__be16 dport;
			__u16 slot;
			__u8 ip_proto;
			__u8 tag; /* PE_FLOW_TAG() */
		};
		__u64 rest; /* of the key, with the addresses */
	};
};

struct pe_flow4 {
	struct pe_flow_head head;
	__u64 address; /* source, destination */
};

struct pe_flow6 {
	struct pe_flow_head head;
	__u64 address[4];
	__u64 unused; /* not sent */
};

/* A flow is reported before its bytes or its span are more than these. */
#define PE_FLOW_BYTES_MAX 0x7fffffffu
#define PE_FLOW_SPAN_MAX  0xffff

/*
 * A cache line of the flow cache has two flows of IPv4, or one of IPv6, as its first tag says. A
 * flow has two places: of IPv4 those of one line, of IPv6 the lines of a pair.
 */
#define PE_FLOW_WAYS 2
union pe_flow_line {
	struct pe_flow4 way[PE_FLOW_WAYS];
	struct pe_flow6 whole;
};

struct pe_flow_pair {
	union pe_flow_line line[PE_FLOW_WAYS];
};
#define PE_PAIR_FLOWS (PE_FLOW_WAYS * PE_FLOW_WAYS) /* of IPv4 */

#define PE_FLOW_TAG(generation, ipv6, direction) \
	((__u8)((generation) << 2 | (ipv6) << 1 | (direction)))
#define PE_FLOW_DIRECTION(tag)	((tag)&1)
#define PE_FLOW_IS_IPV6(tag)	((tag) >> 1 & 1)
#define PE_FLOW_GENERATION(tag) ((tag) >> 2)

/* One use of a slot by one interface, as user space names it. */
#define PE_TOKEN(slot, generation) ((__u32)(slot) << 8 | (generation))
#define PE_TOKEN_SLOT(token)	   ((token) >> 8)
#define PE_TOKEN_GENERATION(token) ((token)&0xff)
#define PE_TOKEN_NONE		   0xffffffffu

/* Why a flow left the cache. */
enum pe_evict {
	PE_EVICT_CAPACITY, /* another flow needed its place */
	PE_EVICT_ACTIVE,   /* reported because it had gathered for long enough, or enough bytes */
	PE_EVICT_IDLE,	   /* swept because it was quiet, or its interface has gone */
	PE_EVICT_REASONS,
};

/* The head of an egress packet, copied once so that parsing it needs no further helper call. */
#define PE_WINDOW 96

/* A packet that one program hands to a function that is verified by itself (bpf/skb.h). */
struct pe_pending {
	__u64 ref;    /* of the slot, a word */
	__u64 source; /* address of its frame, 0 if its head is in the window */
	__u32 head;   /* bytes of it there */
	__u32 total;  /* bytes of it in all */
	__u32 length; /* what it counts as: see struct extent */
	__u32 more;
	__u32 each;
	__u32 tagged; /* a VLAN tag is beside it */
};

/* State of one CPU; index in the map is the CPU. */
struct pe_cpu {
	__u32 mark;  /* the hand-off mark: PE_MARK(), 0 if there is none */
	__u32 busy;  /* set while this CPU changes its part of the flow cache */
	__u32 sent;  /* records since the last look at the ring's fill */
	__u32 lacks; /* memory: it has counted in common, or without flow detail */
	__s64 flows; /* occupied ways */
	__u64 evicted[PE_EVICT_REASONS];
	__u64 lost[PE_EVICT_REASONS]; /* evicted, but the ring was full */
	__u64 bypassed;		      /* packets that found the cache busy; counted in row.lost */
	__u64 missed; /* packets of unknown interfaces, for want of a provisional slot */
	struct pe_pending pending;
	__u64 packet[8]; /* what was recognised of one: struct packet in bpf/parse.h */
	__u64 unused[12];
	__u8 window[PE_WINDOW];
} __attribute__((aligned(128)));

/* Arguments and result of the sweep, run on one CPU by BPF_PROG_TEST_RUN. */
struct pe_sweep {
	__u64 from;	/* first pair of the CPU's */
	__u64 pairs;	/* how many to look at */
	__u64 idle_for; /* jiffies without a packet */
	__u64 unused[5];
};
/* The sweep looks at no more pairs in one call: it runs with interrupts off. */
#define PE_SWEEP_PAIRS 64
#define PE_SWEEP_BUSY  0xffffffffu /* result: the CPU was in the middle of a packet; try again */

/* ---- who runs where (bpf/identity.bpf.c) ---- */

enum pe_task_record_kind {
	PE_TASK_RECORD = 1,   /* struct pe_task_record */
	PE_TASK_NAMES_CNI,    /* struct pe_task_names: CNI_CONTAINERID and CNI_ARGS */
	PE_TASK_NAMES_CONMON, /* struct pe_task_names: what follows -c, and -n */
};

/* It came from the same control group in another network namespace, as nsenter does. */
#define PE_TASK_VISITOR 1u
/* Its UTS name is its own: not ours, nor the host's. */
#define PE_TASK_OWN_UTS 2u

#define PE_TASK_CGROUPS	   6
#define PE_TASK_CGROUP_MAX 128 /* bytes of a name with its terminator; a longer one is cut */
#define PE_TASK_PEERS	   8
#define PE_TASK_UTS_MAX	   65
#define PE_TASK_ID_MAX	   72
#define PE_TASK_ARGS_MAX   512

/* A task in another network namespace. Texts are terminated. */
struct pe_task_record {
	__u32 kind;
	__u32 flags;
	__u64 netns;		       /* the namespace's cookie */
	__u64 levels;		       /* of its control groups, those that we are not in */
	__u64 start_ns;		       /* of the task, since the boot */
	__s32 peer[PE_TASK_PEERS];     /* of its interfaces: our ends of veths, or 0 */
	__u8 uts[PE_TASK_UTS_MAX + 7]; /* host name */
	/* Its control group, from outside inward: the innermost that we are in as well, then those
	 * that we are not in. "" where there is none. */
	__u8 cgroup[PE_TASK_CGROUPS][PE_TASK_CGROUP_MAX];
};

/* What a program was started with: nothing but these two. Texts are terminated, and cut. */
struct pe_task_names {
	__u32 kind;
	__u32 unused;
	__u8 id[PE_TASK_ID_MAX];
	__u8 names[PE_TASK_ARGS_MAX];
};

/* The answer for one veth, of the last run of pe_peer(). */
struct pe_task_peer {
	__u64 netns; /* cookie of the namespace of its peer */
};

/* What pe_peer() and pe_walk() return. */
#define PE_PEER_FOUND  0u
#define PE_PEER_NO_DEV 1u /* no such interface */
#define PE_PEER_NONE   2u /* it is no veth, or has no peer */
#define PE_PEER_HERE   3u /* its peer is in our namespace, too */
#define PE_WALK_DONE   0u
#define PE_WALK_FULL   1u /* the ring: to be emptied, then again */

/* ---- outcomes of TCP connections (bpf/tcp.bpf.c) ---- */

/*
 * A connection begins by one of the first two, and ends by one of the others. What the kernel's own
 * counters of the network namespace (/proc/net/snmp) call it:
 *
 *   ActiveOpens   opened - unsent
 *   PassiveOpens  accepted
 *   AttemptFails  refused + timed_out + failed, and what requests of listeners add, which are no
 *                 connections yet
 *   EstabResets   reset + stalled
 */
#define PE_TCP_OUTCOMES_X(X)                                                                \
	X(OPENED, "opened")	  /* to SYN_SENT */                                         \
	X(ACCEPTED, "accepted")	  /* of a listener: the handshake is done */                \
	X(UNSENT, "unsent")	  /* no port or route: no SYN left */                       \
	X(REFUSED, "refused")	  /* SYN_SENT: ECONNREFUSED, by a reset or ICMP */          \
	X(TIMED_OUT, "timed_out") /* SYN_SENT: ETIMEDOUT */                                 \
	X(FAILED, "failed")	  /* SYN_SENT: any other error */                           \
	X(ABANDONED, "abandoned") /* SYN_SENT: closed by who opened it */                   \
	X(RESET, "reset")	  /* ESTABLISHED or CLOSE_WAIT: by a reset of either end */ \
	X(STALLED, "stalled")	  /* likewise: no answer until the kernel gave up */        \
	X(CLOSED, "closed")	  /* any later state: somebody had closed it */

#define PE_TCP_OUTCOME_ENUM(outcome, name) PE_TCP_##outcome,
enum pe_tcp_outcome {
	PE_TCP_OUTCOMES_X(PE_TCP_OUTCOME_ENUM) PE_TCP_OUTCOMES,
};

/*
 * Upper bounds of the histograms of ended connections, as X(number, text), where the text is what
 * is exposed; see PE_DURATION_BOUNDS_MS of pe/sample.h. Few, because every group has them.
 */
/* clang-format off */
#define PE_TCP_RTT_BOUNDS_US(X)                                                            \
	X(100, "0.0001") X(500, "0.0005") X(2500, "0.0025") X(10000, "0.01")             \
	X(50000, "0.05") X(250000, "0.25")
#define PE_TCP_DURATION_BOUNDS_MS(X)                                                       \
	X(10, "0.01") X(100, "0.1") X(1500, "1.5") X(15000, "15") X(120000, "120")        \
	X(1800000, "1800")
#define PE_TCP_BYTES_BOUNDS(X)                                                             \
	X(0x400, "1024") X(0x4000, "16384") X(0x40000, "262144")                          \
	X(0x400000, "4.194304e+06") X(0x4000000, "6.7108864e+07")
/* clang-format on */
#define PE_TCP_BOUND_ONE(number, text) +1
#define PE_TCP_RTT_BUCKETS	       (1 PE_TCP_RTT_BOUNDS_US(PE_TCP_BOUND_ONE))
#define PE_TCP_DURATION_BUCKETS	       (1 PE_TCP_DURATION_BOUNDS_MS(PE_TCP_BOUND_ONE))
#define PE_TCP_BYTES_BUCKETS	       (1 PE_TCP_BYTES_BOUNDS(PE_TCP_BOUND_ONE))

/* What the sockets of a network namespace have counted. Nothing but sums, of 64 bits each. */
struct pe_tcp_counts {
	__u64 connections[PE_TCP_OUTCOMES];
	struct pe_count retransmitted; /* segments, and their payload */
	__u64 resets[PE_DIRECTIONS];
	__u64 overflows; /* connections for which the queue of a listening socket was full */
	/* Of connections that were established, at their end. Buckets are not cumulative. */
	__u64 rtt[PE_TCP_RTT_BUCKETS]; /* smoothed; of those that have any */
	__u64 rtt_sum_us;
	__u64 duration[PE_TCP_DURATION_BUCKETS];
	__u64 duration_sum_ns;
	__u64 unmeasured; /* whose beginning is not known: they have no duration */
	__u64 bytes[PE_DIRECTIONS][PE_TCP_BYTES_BUCKETS]; /* payload, each byte once */
	__u64 bytes_sum[PE_DIRECTIONS];
};
#define PE_TCP_WORDS (sizeof(struct pe_tcp_counts) / sizeof(__u64))

/* One network namespace. Never cleared: user space keeps what it has read. */
struct pe_tcp_space {
	__u64 cookie; /* of the namespace; 0: of none, or of the first ones */
	__u64 net;    /* its address */
	/* Of the kernel's own count of its overflows, what is not in counts.overflows. */
	__u64 overflows_before;
	struct pe_tcp_counts counts;
} __attribute__((aligned(64)));

/*
 * Connections whose beginning is remembered: a word for each, in sets of one cache line. Its upper
 * bits are of the socket's address, the lower ones when that was: in units of 4 microseconds, which
 * goes for two years. 0: free.
 */
#define PE_TCP_BIRTHS	       65536u
#define PE_TCP_BIRTH_WAYS      8u
#define PE_TCP_BIRTH_SETS      (PE_TCP_BIRTHS / PE_TCP_BIRTH_WAYS)
#define PE_TCP_BIRTH_TIME_BITS 44
#define PE_TCP_BIRTH_UNIT_BITS 12 /* of nanoseconds */
struct pe_tcp_births {
	__u64 at[PE_TCP_BIRTH_WAYS];
};

/* The kernel's counter of overflows is one for each possible CPU; with more of them it is left. */
#define PE_TCP_CPUS_MAX 512u
/* Places that one run of pe_tcp_look() looks at. */
#define PE_TCP_LOOK 128u

#define PE_TCP_SPACE_HOST  0u /* the namespace that the exporter runs in */
#define PE_TCP_SPACE_REST  1u /* those that found no place, and what is of none */
#define PE_TCP_SPACE_FIRST 2u

_Static_assert(_Alignof(struct pe_count) == 8, "a __u64 is aligned as in BPF programs");
_Static_assert(sizeof(struct pe_lane) == 256, "pe_lane is 4 cache lines");
_Static_assert(sizeof(struct pe_common) == 896, "pe_common is 14 cache lines");
_Static_assert(sizeof(union pe_slot_ref) == 8, "pe_slot_ref is written by one store");
_Static_assert(sizeof(struct pe_flow_head) == 24, "pe_flow_head has no hole");
_Static_assert(sizeof(struct pe_flow_pair) == 128,
	       "in two lines each: two flows of IPv4, or one of IPv6");
_Static_assert(sizeof(struct pe_cpu) == 384, "pe_cpu shares no line with its neighbour");
_Static_assert(sizeof(struct pe_sweep) == 64, "pe_sweep is a raw tracepoint context");
_Static_assert(sizeof(struct pe_task_record) == 904, "pe_task_record has no hole");
_Static_assert(sizeof(struct pe_task_names) == 592, "pe_task_names has no hole");

#endif
