/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's counters of one interface. The monitor's thread only. */
#ifndef PE_NET_STATS_H
#define PE_NET_STATS_H

#include "pe/link.h"

struct nl_sock;

/*
 * As pe_monitor_read_stats(). *sock is opened where it is NULL, and closed, to be opened anew,
 * after an error: a late answer must not meet the next question.
 */
int pe_stats_ask(struct nl_sock **sock, int ifindex, struct pe_link_stats *ret_stats);

#endif
