/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of kinds of interfaces: how to attach to them, how they count, what errors mean.
 * Pure; any thread.
 */
#ifndef PE_POLICY_H
#define PE_POLICY_H

#include <stdbool.h>

#include "pe/link.h"
#include "pe/options.h"
#include "pe/sample.h"

/* How the ingress of an interface is best counted, and why not by XDP. */
struct pe_way {
	enum pe_mode mode; /* none, native, generic or tracepoint */
	enum pe_mode_reason reason;
};

/*
 * `features` are those in force on the interface (PE_FEATURE_*), `below` those on the interfaces
 * that it is stacked on: attaching generic XDP would switch them off, so auto does not.
 */
struct pe_way pe_policy_way(enum pe_xdp_mode mode, const struct pe_link *link,
			    unsigned int features, unsigned int below);

/* Whether XDP in its driver is worth a try. */
bool pe_policy_may_native(const struct pe_link *link);

/* Whether generic XDP may be the way, whatever the features are. */
bool pe_policy_may_xdp(enum pe_xdp_mode mode, const struct pe_link *link);

/* Whether the receive tracepoint tells of what it receives. */
bool pe_policy_traced(const struct pe_link *link);

/* The interface below it, which gets no XDP program once this one has its own; 0 if none is here.
 */
int pe_policy_below(const struct pe_link *link);

/* Whether others may have it as their master: what is known of no kind can be that. */
bool pe_policy_may_have_ports(const struct pe_link *link);

/* Whether TCX sees what it receives, where the tracepoint does not. */
bool pe_policy_tcx(const struct pe_link *link);

/* Its frames and where its packets come from: PE_SLOT_SHAPE of pe/abi.h. `native`: XDP runs in its
 * driver. */
unsigned int pe_policy_shape(const struct pe_link *link, bool native);

/* Whether the kernel's counters mean the same as ours. */
bool pe_policy_auditable(const struct pe_link *link);

/* The label of an error of attaching (-errno). */
enum pe_attach_error pe_policy_error(int error);

/* The same as the reason of a mode. */
enum pe_mode_reason pe_policy_reason(int error);

#endif
