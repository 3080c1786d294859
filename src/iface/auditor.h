/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audits of all interfaces: from the first reading to the last one, when the kernel's counters
 * are read, and what is known of them from earlier stays. How two readings are compared is in
 * audit.h. The supervisor's thread.
 */
#ifndef PE_AUDITOR_H
#define PE_AUDITOR_H

#include "record.h"

struct pe_auditor;
struct pe_engine;

/* 0 or -ENOMEM. `engine` is borrowed; the caller owns *ret_auditor. */
int pe_auditor_new(const struct pe_engine *engine, struct pe_auditor **ret_auditor);

/* NULL is fine. Returns NULL. */
struct pe_auditor *pe_auditor_free(struct pe_auditor *auditor);

/* So many are compared in a round at most, and so many comparisons can be open. */
#define PE_AUDITOR_BATCH 64

/* An interface is watched: what was counted before it was known. */
void pe_auditor_begin(struct pe_auditor *auditor, struct pe_iface *iface);

/* The last word on what the kernel counted; one that may come back is remembered. */
void pe_auditor_end(struct pe_auditor *auditor, struct pe_iface *iface, enum pe_ending ending);

/* What it has missed until now was before it was attached: to be called just before it is. With the
 * next round's reading, what comes at once would make that uncertain. */
void pe_auditor_attaching(struct pe_auditor *auditor, struct pe_iface *iface);

/* One that is not auditable, before and after its mode changes, and from time to time: what it
 * receives while nothing counts it is unobserved (pe_audit_uncounted()). */
void pe_auditor_note_mode(struct pe_auditor *auditor, struct pe_iface *iface);

/* Overwrites ret_ours[PE_DIRECTIONS]; zero without a slot: all that it sees is unobserved. */
void pe_auditor_read(const struct pe_auditor *auditor, const struct pe_iface *iface,
		     struct pe_row *ret_ours);

/* Compares it with the kernel, or begins to under traffic. `ours` were read just now. */
void pe_auditor_compare(struct pe_auditor *auditor, struct pe_iface *iface,
			const struct pe_row *ours);

/* As pe_interfaces_brackets_at() and pe_interfaces_close_brackets(). */
uint64_t pe_auditor_brackets_at(const struct pe_auditor *auditor);
void pe_auditor_close_brackets(struct pe_auditor *auditor);

/* An interface that was counted in these directions has gone: another one may have its ifindex
 * already (pe_reuse_look()). */
void pe_auditor_gone(struct pe_auditor *auditor, int ifindex, bool ingress, bool egress);

/* One with this ifindex was reported: what was remembered of it, and not used, is forgotten. */
void pe_auditor_added(struct pe_auditor *auditor, int ifindex);

#endif
