/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One watched interface: each step of its life, with all that belongs to the step, so that slot,
 * hooks, audit, series and states always fit together. When a step is due is for others to say
 * (interfaces.c: events; maintenance.c: time). The supervisor's thread.
 */
#ifndef PE_WATCH_H
#define PE_WATCH_H

#include "record.h"

struct pe_engine;

/* It is new: counted at once, XDP perhaps later (PE_IFACE_PENDING). An interface below it gets its
 * XDP first. `announced_ns`: when it was reported. False for want of memory: it is not watched. */
bool pe_watch_begin(const struct pe_engine *engine, struct pe_iface *iface, uint64_t announced_ns);

/* It has gone, or is not wanted any more. */
void pe_watch_end(const struct pe_engine *engine, struct pe_iface *iface, enum pe_ending ending);

/* XDP follows to one that is new. */
void pe_watch_promote(const struct pe_engine *engine, struct pe_iface *iface);

/* Tries again where attaching has failed (PE_IFACE_RETRY). */
void pe_watch_try_again(const struct pe_engine *engine, struct pe_iface *iface);

/* GRO or an offload may have been switched on or off (PE_IFACE_FEATURES). */
void pe_watch_follow(const struct pe_engine *engine, struct pe_iface *iface);

/* TCX comes or goes (PE_IFACE_TCX), which takes some 10 ms. */
void pe_watch_finish(const struct pe_engine *engine, struct pe_iface *iface);

/* Looks whether its programs are still attached, and whether XDP is too much for its load, and
 * compares it with the kernel's counters. To be called now and then. */
void pe_watch_check(const struct pe_engine *engine, struct pe_iface *iface);

#endif
