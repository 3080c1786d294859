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

/* Whether to try native XDP first. */
bool pe_policy_native(enum pe_xdp_mode mode, const struct pe_link *link);

/* Whether an XDP program may be attached at all. */
bool pe_policy_xdp(const struct pe_link *link);

/* Whether the receive tracepoint tells of what it receives. */
bool pe_policy_traced(const struct pe_link *link);

/* The interface below it, which gets no XDP program once this one has its own; 0 if none is here.
 */
int pe_policy_below(const struct pe_link *link);

/* Whether TCX sees what it receives, where the tracepoint does not. */
bool pe_policy_tcx(const struct pe_link *link);

/* How its frames are: PE_SLOT_NO_ETHERNET, PE_SLOT_BARE_INGRESS or 0. */
unsigned int pe_policy_shape(const struct pe_link *link);

/* Whether the kernel's counters mean the same as ours. */
bool pe_policy_auditable(const struct pe_link *link);

/* The label of an error of attaching (-errno). */
enum pe_attach_error pe_policy_error(int error);

/* The same as the reason of a mode. */
enum pe_mode_reason pe_policy_reason(int error);

#endif
