/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit of one interface: what the kernel counted and we did not.
 *
 * Observed and unobserved together are the kernel's own counters, once traffic rests. Under traffic
 * the two cannot be read at one moment, and a received packet is in the kernel's counters before it
 * reaches our program. So ours is compared with a reading of the kernel's that is a round old: by
 * now every packet of it has either been counted or will never be. Supervisor's thread.
 */
#ifndef PE_AUDIT_H
#define PE_AUDIT_H

#include <stdbool.h>

#include "pe/link.h"
#include "pe/registry.h"

struct pe_audit {
	struct pe_count claimed[PE_DIRECTIONS]; /* or known from an earlier stay */
	struct pe_link_stats kernel;		/* of the last round */
	struct pe_count seen;			/* ours in both directions, of the last round */
	unsigned int quiet;			/* rounds since it moved */
	bool has_kernel;
	bool egress;  /* egress is counted at all */
	bool settled; /* compared while attached: what is missing from now on was lost */
	bool blind[PE_DIRECTIONS]; /* since the last pe_audit_blind() */
};

/*
 * Begins: what the kernel had counted when it told of the interface was before we came, but for
 * `known`, which an earlier stay has accounted for, and for `ours`, which are zero unless it was
 * counted before it was known. `egress` is false where egress is not wanted, so that it is not
 * missed either.
 */
void pe_audit_begin(struct pe_audit *audit, struct pe_registry *registry,
		    const struct pe_link *link, bool egress,
		    const struct pe_count known[PE_DIRECTIONS], const struct pe_row *ours);

/* Whether this round should read the kernel's counters: not each time while nothing moves. */
bool pe_audit_due(struct pe_audit *audit, const struct pe_row *ours);

/*
 * A round: `ours` was read after the last round's counters of the kernel, which `kernel` replaces.
 * Until the interface is attached, what is missing was before.
 */
void pe_audit_round(struct pe_audit *audit, struct pe_registry *registry, int ifindex,
		    const struct pe_row *ours, const struct pe_link_stats *kernel, bool attached);

/*
 * In place of rounds and end, where the kernel's counters mean something else than ours and cannot
 * be compared: what they show while we count nothing is unobserved for certain. `blind` tells for
 * which directions that is so from now on; to be called before and after it changes, and from time
 * to time. `kernel` are the counters now, not looked at where it is false.
 */
void pe_audit_blind(struct pe_audit *audit, struct pe_registry *registry, int ifindex,
		    const bool blind[PE_DIRECTIONS], const struct pe_link_stats *kernel);

/*
 * The end: `link` has the last egress counters, and no packet is under way. What was received after
 * the kernel last told of it, it has forgotten.
 */
void pe_audit_end(struct pe_audit *audit, struct pe_registry *registry, const struct pe_link *link,
		  const struct pe_row *ours);

/* Of the kernel's counters, what is observed or unobserved by now. */
void pe_audit_known(const struct pe_audit *audit, const struct pe_row *ours,
		    struct pe_count ret_known[PE_DIRECTIONS]);

#endif
