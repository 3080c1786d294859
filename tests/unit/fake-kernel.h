/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel side for tests of the attacher and the watches, without a privilege: hooks and
 * features by its table of functions (struct pe_kernel_ops); link messages, clock and log by the
 * linker's --wrap, in place of pe_monitor_*, pe/clock.h and pe/log.h (fake_kernel_wraps in
 * tests/local.mk).
 *
 * It fails the test by itself where a step must not be: when the ingress of an interface that was
 * counted is counted by nothing for a moment, when TCX comes to an interface that XDP is on, when a
 * link is closed twice, and when `auto` puts XDP on an interface that merges packets.
 */
#ifndef PE_TESTS_FAKE_KERNEL_H
#define PE_TESTS_FAKE_KERNEL_H

#include "pe/link.h"
#include "pe/options.h"

#include "../../src/iface/kernel.h"
#include "../../src/iface/offloads.h"

#define FAKE_INTERFACES 512 /* at most */

struct fake_interface {
	struct pe_link link; /* ifindex 0: there is none */
	bool deleted;
	struct pe_link_stats stats;
	struct pe_row row[PE_DIRECTIONS];
	struct pe_feature_state features;
	uint32_t token;
	unsigned int generation; /* of its token */
	enum pe_xdp_by by;
	unsigned int framing;
	bool xdp, native, tcx; /* a link of ours is on it */
	int xdp_fd, tcx_fd;    /* links that are open, 0 if not */
	bool foreign;	       /* somebody else's XDP program is on it */
	bool counted;	       /* something of ours counts its ingress */
	unsigned int attempts; /* of attaching XDP */
	unsigned int reads;    /* of its counters (pe_monitor_read_stats()) */
	bool is_early;	       /* it has a provisional slot, and nobody has taken it over */
	bool ignored;	       /* it gets no provisional slot */
	bool unreported;       /* the monitor does not know it yet */
};

extern struct fake_kernel {
	struct fake_interface interface[FAKE_INTERFACES];
	int used;	       /* of them */
	enum pe_xdp_mode mode; /* what the options of the test say */
	unsigned int slots;    /* that are free */
	unsigned int takes;    /* attempts */
	unsigned int stops;    /* of slots */
	unsigned int links;    /* that are open */
	uint64_t now_ns;
	bool no_native, no_tcx;
	bool early; /* each interface is */
	/* Provisional slots: so many there can be, were ever made, are offered now, and were
	 * given back. */
	unsigned int provisional_max, provisioned, offers, returned;
	uint32_t offered[FAKE_INTERFACES];
	int offer_error;
	int tracepoint_error, tcx_error, xdp_error, features_error; /* -errno of each attempt */
	unsigned int feature_reads, feature_wants;
	unsigned int stats_reads; /* attempts at counters of any interface */
	bool may_lapse;		  /* for now, an interface need not be counted */
	/* Called after each attempt at XDP: what happens meanwhile. */
	void (*meanwhile)(int ifindex);
	bool has_events;
	bool no_series;		   /* there is no memory for any */
	void (*at_dispatch)(void); /* in the next dispatch */
	const struct pe_monitor_ops *monitor_ops;
	void *monitor_userdata;
	unsigned int warnings;
	char warning[512], info[512]; /* the last ones */
} fake;

/* Its hooks, slots and features. */
extern const struct pe_kernel fake_kernel;

/* An empty kernel. */
void fake_reset(enum pe_xdp_mode mode);

/* NULL if there is none. */
struct fake_interface *fake_find(int ifindex);

/* A new interface of this kind, named after it and its ifindex, without any features. */
struct pe_link *fake_add(int ifindex, const char *kind);

/* It is deleted: its links stay open, on nothing. */
void fake_delete(int ifindex);

/* Somebody takes our programs off. */
void fake_take_off(int ifindex, bool xdp, bool tcx);

/* As a pe_monitor does: adds and reports; deletes and reports. */
struct pe_link *fake_report_added(int ifindex, const char *kind);
void fake_report_gone(int ifindex, enum pe_link_gone why);
void fake_report_deleted(int ifindex); /* deleted */

/* Received, and seen by what counts it: to the kernel and to us. */
void fake_receive(int ifindex, uint64_t kernel, uint64_t ours);

/* The same before it was reported: what it passes is counted if there is a provisional slot. */
void fake_receive_early(int ifindex, uint64_t packets);

/* Of provisional slots (fake-early.c), as in struct pe_kernel_ops. */
int fake_provision(struct pe_xdp *xdp, uint32_t *ret_token);
int fake_offer(struct pe_xdp *xdp, uint32_t token);
uint32_t fake_early(struct pe_xdp *xdp, int ifindex);
unsigned int fake_list_early(struct pe_xdp *xdp, int ret_ifindex[PE_EARLY_MAX]);
void fake_withdraw(struct pe_xdp *xdp, int ifindex, uint32_t token);
void fake_ignore(struct pe_xdp *xdp, int ifindex, bool ignored);

/* Whether the slot was a provisional one; then it is taken, or given back. */
bool fake_take_early(struct fake_interface *interface, unsigned int framing, uint32_t *ret_token);
bool fake_give_back_early(uint32_t token);

#endif
