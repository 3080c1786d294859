/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of kinds of interfaces: how to attach to them, how they count, what errors mean.
 * All that follows for one interface is its plan, made once for each change. Pure; any thread.
 */
#ifndef PE_POLICY_H
#define PE_POLICY_H

#include <stdbool.h>

#include "pe/link.h"
#include "pe/options.h"
#include "pe/sample.h"

struct pe_policy_kind;

/* How the ingress of an interface is best counted, and why not by XDP. */
struct pe_way {
	enum pe_mode mode; /* none, native, generic or tracepoint */
	enum pe_mode_reason reason;
};

/* The same for all interfaces. */
struct pe_policy {
	enum pe_xdp_mode xdp_mode; /* --xdp.mode */
	bool egress;		   /* egress is counted at all */
};

/* What is wanted of one interface, as long as its link message, and whether its driver refuses
 * native XDP, stay the same. */
struct pe_plan {
	const struct pe_policy_kind *kind;
	enum pe_xdp_mode xdp_mode; /* what --xdp.mode comes to: where native cannot be, auto */
	bool overruled;		   /* that is not --xdp.mode */
	struct pe_way way;	   /* without any receive offload in force */
	bool needs_features;	   /* and they decide: pe_plan_way() */
	bool traced;		   /* the receive tracepoint can count what it receives */
	bool tcx;		   /* TCX sees what it receives, where the tracepoint does not */
	bool egress;		   /* egress is counted */
	bool auditable;		   /* the kernel's counters mean the same as ours */
	bool has_ports; /* others may have it as their master: known of no kind that it cannot */
	int below;	/* gets no XDP program once this one has its own; 0 if none is here */
	/* Its frames and where its packets come from, PE_SLOT_FRAMING of pe/abi.h: usually, and
	 * with XDP in its driver. */
	unsigned int framing, native_framing;
};

/* `native_refused`: its driver has refused XDP. */
void pe_policy_plan(const struct pe_policy *policy, const struct pe_link *link, bool native_refused,
		    struct pe_plan *ret_plan);

/*
 * The way, if these receive offloads are in force on the interface (PE_FEATURE_*), and those in
 * `below` on the interfaces that it is stacked on: attaching generic XDP would switch them off, so
 * auto does not.
 */
struct pe_way pe_plan_way(const struct pe_plan *plan, unsigned int features, unsigned int below);

static inline bool pe_way_is_xdp(const struct pe_way *way)
{
	return way->mode == PE_MODE_NATIVE || way->mode == PE_MODE_GENERIC;
}

/* The label of an error of attaching (-errno). */
enum pe_attach_error pe_policy_error(int error);

/* The same as the reason of a mode. */
enum pe_mode_reason pe_policy_reason(int error);

#endif
