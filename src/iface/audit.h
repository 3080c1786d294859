/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit of one interface: what the kernel counted and we did not, and the other way round.
 *
 * Observed and unobserved together, less what was overcounted, are the kernel's own counters. Under
 * traffic the two cannot be read at one moment, and a packet reaches one of them before the other.
 * So both are read twice, some 50 ms apart: every packet of the earlier reading of one is in the
 * later reading of the other, or never will be. That brackets the true difference, and what lies
 * outside the bracket twice in a row (an overloaded CPU can keep a packet that long) is accounted
 * for: as unobserved, or as overcounted. Supervisor's thread.
 */
#ifndef PE_AUDIT_H
#define PE_AUDIT_H

#include <stdbool.h>

#include "pe/link.h"
#include "pe/registry.h"

/* The kernel's count less ours is at least `low` and at most `high`. */
struct pe_audit_bracket {
	int64_t low, high;
};

struct pe_audit {
	/* Of the kernel's counters: accounted for as unobserved, or known from an earlier stay. */
	struct pe_count unobserved[PE_DIRECTIONS];
	struct pe_count overcounted[PE_DIRECTIONS];
	struct pe_count kernel[PE_DIRECTIONS]; /* of the last reading; never goes back */
	struct pe_count base[PE_DIRECTIONS];   /* what counters that went back had counted before */
	struct pe_count ours[PE_DIRECTIONS];   /* likewise of the last reading */
	struct pe_audit_bracket packets[PE_DIRECTIONS], bytes[PE_DIRECTIONS]; /* the last ones */
	struct pe_count seen; /* ours in both directions, of the last round */
	unsigned int quiet;   /* rounds since it moved */
	bool is_open;	      /* there is a reading to compare with */
	bool has_bracket;
	bool was_attached;	       /* at the last reading */
	bool egress;		       /* egress is counted at all */
	bool compared;		       /* while attached: what is missing from now on was lost */
	bool uncounted[PE_DIRECTIONS]; /* since the last pe_audit_uncounted() */
};

/*
 * Begins: what the kernel had counted when it reported the interface was before we came, but for
 * `known`, which an earlier stay has accounted for, and for `ours`, which are zero unless it was
 * counted before it was known. `egress` is false where egress is not wanted, so that it is not
 * missed either.
 */
void pe_audit_begin(struct pe_audit *audit, struct pe_registry *registry, struct pe_member *member,
		    const struct pe_link *link, bool egress,
		    const struct pe_count known[PE_DIRECTIONS], const struct pe_row *ours);

enum pe_audit_due {
	PE_AUDIT_NOT,	  /* nothing has moved for long: not this round */
	PE_AUDIT_NOW,	  /* nothing has moved since the last reading: pe_audit_close() */
	PE_AUDIT_BRACKET, /* under traffic: pe_audit_open(), and pe_audit_close() soon after */
};

/* What this round should do. To be called once a round. */
enum pe_audit_due pe_audit_due(struct pe_audit *audit, const struct pe_row *ours);

/* Takes a reading to compare with; both were read just now. */
void pe_audit_open(struct pe_audit *audit, const struct pe_row *ours,
		   const struct pe_link_stats *kernel);

/*
 * Compares a reading of now with the last one, if there is one, and takes it for the next
 * comparison. Until the interface is attached, what is missing was before.
 */
void pe_audit_close(struct pe_audit *audit, struct pe_registry *registry, struct pe_member *member,
		    const struct pe_row *ours, const struct pe_link_stats *kernel, bool attached);

/*
 * In place of readings and end, where the kernel's counters mean something else than ours and
 * cannot be compared: what they show while we count nothing is unobserved for certain. `uncounted`
 * says for which directions that is so from now on; to be called before and after it changes, and
 * from time to time. `kernel` are the counters now, not looked at where it is false.
 */
void pe_audit_uncounted(struct pe_audit *audit, struct pe_registry *registry,
			struct pe_member *member, const bool uncounted[PE_DIRECTIONS],
			const struct pe_link_stats *kernel);

/*
 * The end: no packet is under way. Accounts for what `link`, of the last message, has more than
 * ours. What a deleted veth received after the kernel last reported it, the kernel has forgotten.
 */
void pe_audit_end(struct pe_audit *audit, struct pe_registry *registry, struct pe_member *member,
		  const struct pe_link *link, const struct pe_row *ours);

/* After that: what ours have more than what the kernel had counted. */
void pe_audit_above(const struct pe_audit *audit, const struct pe_row *ours,
		    struct pe_count ret_above[PE_DIRECTIONS]);

/* Accounts for that as overcounted, in those directions in which the last message is `final`. */
void pe_audit_end_above(struct pe_audit *audit, struct pe_registry *registry,
			struct pe_member *member, const struct pe_row *ours,
			const bool final[PE_DIRECTIONS]);

/* Of the kernel's counters, what is observed or unobserved by now: more than these, while something
 * is overcounted and it has not been found. */
void pe_audit_known(const struct pe_audit *audit, const struct pe_row *ours,
		    struct pe_count ret_known[PE_DIRECTIONS]);

/* The kernel's counters as they were last read. */
void pe_audit_kernel(const struct pe_audit *audit, struct pe_count ret_kernel[PE_DIRECTIONS]);

#endif
