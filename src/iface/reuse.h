/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reuse of an ifindex: an interface that got that of another one before the event of that one's end
 * was read.
 *
 * The kernel side knows interfaces by their ifindex: what the later one sends, and what the receive
 * tracepoint sees of it, has been counted for the earlier one. It must not be taken for unobserved
 * when the later one is reported. Supervisor's thread.
 */
#ifndef PE_REUSE_H
#define PE_REUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "pe/abi.h"
#include "pe/link.h"

/* An ifindex comes again only by somebody's wish: few at a time. */
#define PE_REUSE_MAX 64

struct pe_reuse {
	struct {
		int ifindex; /* 0: free */
		struct pe_count known[PE_DIRECTIONS];
		bool is_exact[PE_DIRECTIONS];
	} place[PE_REUSE_MAX];
};

/* Nobody knows how much. */
#define PE_REUSE_UNKNOWN UINT64_MAX

/*
 * An interface has gone and is not counted any more. If another one has its ifindex already (or the
 * same one has it again), what was counted of that one is remembered: `most` at the most, and all
 * that the kernel has counted on it if that is unknown. Takes a lock of the kernel only then.
 */
void pe_reuse_look(struct pe_reuse *reuse, struct pe_monitor *monitor, int ifindex,
		   const struct pe_count most[PE_DIRECTIONS]);

/*
 * One with this ifindex is reported: adds what is remembered of it to `known` (not if that is
 * NULL), and forgets it. `returns`: `known` is of an earlier stay of it, and only what is exact is
 * not in that already.
 */
void pe_reuse_take(struct pe_reuse *reuse, int ifindex, bool returns,
		   struct pe_count known[PE_DIRECTIONS]);

#endif
