/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interfaces that are counted before they are known: see pe_xdp_spare(). This keeps spare slots
 * ready, and looks after newcomers that nobody takes: those that are known and have no slot, and
 * those whose news were lost and that have gone meanwhile. The supervisor's thread.
 */
#ifndef PE_DAEMON_NEWCOMERS_H
#define PE_DAEMON_NEWCOMERS_H

#include "pe/link.h"
#include "pe/registry.h"
#include "pe/xdp.h"

#include "pe/interfaces.h"

struct pe_newcomers {
	const struct pe_interfaces_options *options;
	struct pe_monitor *monitor;
};

/* Makes spare slots ready, as many as are missing. */
void pe_newcomers_prepare(struct pe_newcomers *newcomers);

/* An interface that is known and shall have no slot, or could get none: what it passes is not news.
 */
void pe_newcomers_refuse(struct pe_newcomers *newcomers, int ifindex);

/* To be called each second, when events have been read. */
void pe_newcomers_look_after(struct pe_newcomers *newcomers);

#endif
