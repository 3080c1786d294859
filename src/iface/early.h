/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Early interfaces, which are counted before they are known: see pe_xdp_provision(). This keeps
 * provisional slots ready, and looks after early interfaces that nobody takes: those that are known
 * and have no slot, and those whose events were lost and that have gone meanwhile. The supervisor's
 * thread.
 */
#ifndef PE_EARLY_H
#define PE_EARLY_H

struct pe_engine;

/* Makes provisional slots ready, as many as are missing. */
void pe_early_provision(const struct pe_engine *engine);

/* An interface that is known and shall have no slot, or could get none: no early one. */
void pe_early_refuse(const struct pe_engine *engine, int ifindex);

/* To be called each second, when events have been read. */
void pe_early_look_after(const struct pe_engine *engine);

#endif
