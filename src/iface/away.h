/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interfaces that moved to another network namespace and may come back.
 *
 * The kernel's counters of an interface go with it, and come back with it: what has been accounted
 * for in its earlier stay must not be taken for unobserved in the next. An interface is known again
 * by its link-layer address and its kind, because name and ifindex may have changed, and only if
 * its counters have not gone back. Bounded: the oldest is forgotten first. Supervisor's thread.
 */
#ifndef PE_AWAY_H
#define PE_AWAY_H

#include <stdbool.h>

#include "pe/link.h"
#include "pe/sample.h"

#define PE_AWAY_MAX 1024

struct pe_away;

/* 0 or -ENOMEM. The caller owns *ret_away. */
int pe_away_new(struct pe_away **ret_away);
/* NULL is fine. Returns NULL. */
struct pe_away *pe_away_free(struct pe_away *away);

/* It has left; of its counters, `known` is observed or unobserved already. */
void pe_away_put(struct pe_away *away, const struct pe_link *link,
		 const struct pe_count known[PE_DIRECTIONS]);

/* Whether one like this new one has left. */
bool pe_away_has(struct pe_away *away, const struct pe_link *link);

/*
 * It is new here. Fills and forgets what is known of it; zero if nothing is. `now` are its counters
 * of this moment, NULL if it has gone again: those of the message that told of it can be older than
 * the end of its earlier stay, which counted until the message of that was read.
 */
void pe_away_take(struct pe_away *away, const struct pe_link *link, const struct pe_link_stats *now,
		  struct pe_count ret_known[PE_DIRECTIONS]);

#endif
