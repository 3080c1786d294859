/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interfaces that are counted before they are known: see pe_xdp_spare(). This keeps spare slots
 * ready, and looks after newcomers that nobody takes: those that are known and have no slot, and
 * those whose news were lost and that have gone meanwhile. The supervisor's thread.
 */
#ifndef PE_NEWCOMERS_H
#define PE_NEWCOMERS_H

struct pe_engine;

/* Makes spare slots ready, as many as are missing. */
void pe_newcomers_prepare(const struct pe_engine *engine);

/* An interface that is known and shall have no slot, or could get none: what it passes is not news.
 */
void pe_newcomers_refuse(const struct pe_engine *engine, int ifindex);

/* To be called each second, when events have been read. */
void pe_newcomers_look_after(const struct pe_engine *engine);

#endif
