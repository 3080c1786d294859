/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel side, as user space sees it: one loaded BPF object, slots for interfaces, attaching,
 * exact counters, the sweep of the flow cache, and the rings.
 *
 * Everything is held by file descriptors of this process and nothing is pinned: when the process
 * ends, in whatever way, the kernel detaches all of it. The supervisor's thread makes the calls
 * that change something; reading counters and statistics is safe from any thread. See
 * Documentation/bpf/libbpf/ and Documentation/networking/af_xdp.rst for the modes.
 */
#ifndef PE_XDP_H
#define PE_XDP_H

#include <stdbool.h>
#include <stdint.h>

#include "pe/row.h"

struct pe_xdp;
struct pe_ring;

struct pe_xdp_options {
	unsigned int max_interfaces; /* 1..16384 with a slot at the same time */
	unsigned int rings;	     /* one a worker, 1..256 */
	bool flows;		     /* are gathered; without, there are neither cache nor rings */
	unsigned int flow_cache;     /* flows of IPv4 for each CPU, or half as many of IPv6: a
					power of two, 64..1048576, or 0 for what suits most */
	unsigned int ring_size;	     /* bytes of each ring, a power of two and of pages */
	uint64_t active_ns;   /* a flow that never pauses is reported so often; at most 60 s */
	uint64_t gro_feature; /* pe_features_find() of GRO; 0 if no interface can have it */
	bool native;	      /* pe_xdp_attach() may be asked for the driver's hook */
	bool egress;
	bool copy_heads; /* what passes tracepoints and TCX is copied before it is read */
	bool plain;	 /* the programs for kernels before 6.2, which copy too and have no TCX */
};

/*
 * Loads the object and attaches the egress tracepoint if asked. 0 or -errno: -EPERM without
 * CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, -EOPNOTSUPP on a kernel without BTF, -ENOMEM where the
 * maps' memory is refused, -EINVAL for an active_ns that is too long, or what the kernel says. The
 * verifier's log goes to the debug log. If only the egress tracepoint is refused, it goes on
 * without (pe_xdp_egress()). Blocks for some 100 ms. The caller owns *ret_xdp.
 */
int pe_xdp_open(const struct pe_xdp_options *options, struct pe_xdp **ret_xdp);

/* Detaches and frees everything; links handed out must be closed before. NULL is fine. Returns
 * NULL. */
struct pe_xdp *pe_xdp_close(struct pe_xdp *xdp);

/* Whether egress is counted: the tracepoint could be attached. */
bool pe_xdp_egress(const struct pe_xdp *xdp);

/* Whether a program that link messages name (IFLA_XDP_PROG_ID) is one of ours. */
bool pe_xdp_is_ours(const struct pe_xdp *xdp, uint32_t id);

/* Memory of the kernel's maps in bytes, all CPUs. */
uint64_t pe_xdp_map_bytes(const struct pe_xdp *xdp);

/*
 * Gives an interface a slot: from now on its packets are counted, egress at once, ingress when
 * pe_xdp_attach() or pe_xdp_count_by() has succeeded. `framing` is how its frames are and where its
 * packets come from: PE_SLOT_FRAMING of include/pe/abi.h.
 * 0, or 1 if it was early (pe_xdp_provision()): then *ret_token is that of its provisional slot,
 * which has its packets so far, and the receive tracepoint counts its ingress. -ENOSPC if all slots
 * are in use, -EAGAIN if the free ones rest, -ENOENT if its set of the interface table is full, or
 * -errno if the kernel refuses memory or a tracepoint.
 * *ret_token names this use of the slot; its counters begin at zero.
 */
int pe_xdp_take(struct pe_xdp *xdp, int ifindex, unsigned int framing, uint32_t *ret_token);

/*
 * A provisional slot for an early interface: a veth that has no slot and is not ignored. Once it is
 * offered, the first packet on such an interface takes it, and it is counted from then on, both
 * directions, by the tracepoints; pe_xdp_take() goes on with it. *ret_token is that slot's.
 * 0; -ENOSPC if there are PE_EARLY_MAX already, or no slots, or pe_xdp_rest() has detached; -EAGAIN
 * if the free ones rest; another -errno if the kernel refuses the receive tracepoint, which is
 * attached the first time.
 */
int pe_xdp_provision(struct pe_xdp *xdp, uint32_t *ret_token);

/* Offers a provisional slot. 0, or -errno of one system call; then the caller gives the token back.
 */
int pe_xdp_offer(struct pe_xdp *xdp, uint32_t token);

/* The token of an early interface, or PE_TOKEN_NONE. One system call. */
uint32_t pe_xdp_early(struct pe_xdp *xdp, int ifindex);

/*
 * The ifindexes of early interfaces, no order; how many. Some may be missing if more come
 * meanwhile. Also tidies up after those that were taken. Some system calls, and two for each.
 */
unsigned int pe_xdp_list_early(struct pe_xdp *xdp, int ret_ifindex[PE_EARLY_MAX]);

/* Withdraws the provisional slot of an early interface. The caller gives its token back. */
void pe_xdp_withdraw(struct pe_xdp *xdp, int ifindex, uint32_t token);

/* An interface without a slot gets no provisional one, or may get one again. Nothing if it has a
 * slot. */
void pe_xdp_ignore(struct pe_xdp *xdp, int ifindex, bool ignored);

/*
 * The interface is counted no longer. Its counters stay readable until pe_xdp_give_back().
 * A token that was stopped already is fine.
 */
void pe_xdp_stop(struct pe_xdp *xdp, uint32_t token);

/*
 * The slot may be used again: after a rest, so that a packet still under way on another CPU is not
 * counted for the next interface. Stops first if that was not done. Any thread.
 */
void pe_xdp_give_back(struct pe_xdp *xdp, uint32_t token);

/*
 * Attaches the ingress program by a bpf_link. 0 and *ret_fd, which pe_xdp_detach() closes; or
 * -EBUSY (another XDP program is there), -ENODEV (gone), -EOPNOTSUPP (also for `native` where the
 * object was opened without it) or another -errno of the driver. Takes the rtnl lock for some µs
 * (generic) or as long as the driver needs (native).
 */
int pe_xdp_attach(struct pe_xdp *xdp, int ifindex, bool native, int *ret_fd);
void pe_xdp_detach(int fd);

/*
 * Attaches the TCX program, first of all that are there: for an interface that is refused XDP and
 * that the receive tracepoint does not see. 0 and *ret_fd, which pe_xdp_detach_tcx() closes; or
 * -EOPNOTSUPP before Linux 6.6, -ENODEV (gone) or another -errno. XDP of pe_xdp_attach() may
 * follow: while both are attached, each packet is counted once, by XDP; so one takes over from the
 * other at once and exactly, with generic XDP. Must not be called while XDP is attached. Both calls
 * hold the rtnl lock for a grace period of RCU, which is some 10 ms, unless the interface has gone.
 */
int pe_xdp_attach_tcx(struct pe_xdp *xdp, uint32_t token, int ifindex, int *ret_fd);
void pe_xdp_detach_tcx(struct pe_xdp *xdp, uint32_t token, int fd);

/* Whether this kernel has TCX. */
bool pe_xdp_has_tcx(const struct pe_xdp *xdp);

/*
 * Whether a link of pe_xdp_attach() or pe_xdp_attach_tcx() is on an interface still: not when that
 * has gone, nor when somebody with privileges has taken the link off (BPF_LINK_DETACH), which the
 * kernel does not report. One system call. In doubt true.
 */
bool pe_xdp_is_attached(int link_fd);

/* Who counts the ingress of an interface. */
enum pe_xdp_by {
	PE_BY_XDP,     /* generic XDP or TCX, as after pe_xdp_take() */
	PE_BY_NATIVE,  /* native XDP */
	PE_BY_RECEIVE, /* the receive tracepoint, whether XDP is attached or not */
};

/*
 * Who counts ingress from now on, and the framing as for pe_xdp_take(). It passes from one to the
 * other at once and exactly, while the program is attached; with native XDP it can miss or double
 * one packet for each CPU. The tracepoint is attached the first time, and costs every packet of the
 * host a look-up from then on; for a tunnel with GRO of its own, so is the one where packets enter
 * GRO. 0 or -errno: the kernel refuses it, and nothing has changed.
 */
int pe_xdp_count_by(struct pe_xdp *xdp, uint32_t token, enum pe_xdp_by by, unsigned int framing);

/* The exact counters since pe_xdp_take(), overwriting ret_row[PE_DIRECTIONS]. No system call. Any
 * thread. */
void pe_xdp_read(struct pe_xdp *xdp, uint32_t token, struct pe_row *ret_row);

/*
 * Sends flows that have been quiet for idle_ns to the rings (0: all flows, in the whole cache;
 * otherwise a quarter of the cache a call, in turn). Interrupts each CPU that has flows for some µs
 * at a time, from a thread of its own that ends with the call, so that the caller's CPU affinity
 * stays what it is; returns at once if there are no flows. The number of flows left in the cache.
 */
uint64_t pe_xdp_sweep(struct pe_xdp *xdp, uint64_t idle_ns);

/*
 * Detaches the tracepoints, which cost every packet of the host something, once no interface has
 * had a slot for three seconds; pe_xdp_take() attaches them again. Called now and then; some system
 * calls.
 */
void pe_xdp_rest(struct pe_xdp *xdp);

/*
 * Begins to make memory for CPUs that have come since and have had packets, in a thread of its own.
 * Until it is there they count in memory that all share, and without flow detail. Called now and
 * then; does not block.
 */
void pe_xdp_follow_cpus(struct pe_xdp *xdp);

/* The current jiffy, low 32 bits, as in records. Any thread; no system call but the clock's. */
uint32_t pe_xdp_now(const struct pe_xdp *xdp);

struct pe_xdp_stats {
	uint64_t flows;			    /* in the cache now */
	uint64_t evicted[PE_EVICT_REASONS]; /* records made */
	uint64_t lost;			    /* of these, not sent: the ring was full */
	uint64_t bypassed;		    /* packets that found the cache busy */
	uint64_t missed; /* packets of unknown interfaces, for want of a provisional slot */
};
/* Sums over CPUs. Any thread. */
void pe_xdp_get_stats(const struct pe_xdp *xdp, struct pe_xdp_stats *ret_stats);

/*
 * The reader of ring `index`. One a ring; the caller frees it before pe_xdp_close(). 0 or -errno.
 * See pe/ring.h.
 */
int pe_xdp_ring(struct pe_xdp *xdp, unsigned int index, struct pe_ring **ret_ring);

#endif
