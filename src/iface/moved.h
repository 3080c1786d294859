/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interfaces that moved to another network namespace and may come back.
 *
 * The kernel's counters of an interface go with it, and come back with it: what has been accounted
 * for in its earlier stay must not be taken for unobserved in the next. An interface is known again
 * by its link-layer address and its kind, because name and ifindex may have changed, and only if
 * its counters have not gone back. Bounded: the oldest is forgotten first. Supervisor's thread.
 */
#ifndef PE_MOVED_H
#define PE_MOVED_H

#include <stdbool.h>

#include "pe/link.h"
#include "pe/sample.h"

#define PE_MOVED_MAX 1024

struct pe_moved;

/* 0 or -ENOMEM. The caller owns *ret_moved. */
int pe_moved_new(struct pe_moved **ret_moved);
/* NULL is fine. Returns NULL. */
struct pe_moved *pe_moved_free(struct pe_moved *moved);

/* How an interface has left. */
struct pe_moved_stay {
	struct pe_count known[PE_DIRECTIONS];  /* observed or unobserved */
	struct pe_count kernel[PE_DIRECTIONS]; /* its counters, as they were last read */
};

/* It has left. */
void pe_moved_put(struct pe_moved *moved, const struct pe_link *link,
		  const struct pe_moved_stay *stay);

/* Whether one like this new one has left. */
bool pe_moved_has(struct pe_moved *moved, const struct pe_link *link);

/*
 * It is new here. Fills and forgets what is known of its counters; zero if nothing is. `now` are
 * those of this moment, NULL if it has gone again: those of the message that reported it can be
 * older than the end of its earlier stay, which counted until the message of that was read.
 */
void pe_moved_take(struct pe_moved *moved, const struct pe_link *link,
		   const struct pe_link_stats *now, struct pe_count ret_known[PE_DIRECTIONS]);

#endif
