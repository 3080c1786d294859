/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One watched interface, and what holds all of them: shared by interfaces.c (what happens) and
 * rounds.c (what is done meanwhile). The supervisor's thread.
 */
#ifndef PE_WATCH_H
#define PE_WATCH_H

#include "attacher.h"
#include "audit.h"
#include "away.h"
#include "heirs.h"
#include "pe/interfaces.h"
#include "load.h"
#include "newcomers.h"

#include "pe/clock.h"

#define PE_WATCH_BUCKETS 1024
/* So many are compared with the kernel at the same time. */
#define PE_WATCH_BRACKETS	128
#define PE_WATCH_RETRY_FIRST_NS PE_NS_PER_S
#define PE_WATCH_RETRY_MAX_NS	(60 * PE_NS_PER_S)

struct pe_watch {
	struct pe_watch *next;
	int ifindex;
	struct pe_attachment attachment;
	uint64_t retry_at_ns; /* 0: nothing to try */
	uint64_t retry_after_ns;
	bool touched; /* its features may have changed */
	struct pe_audit audit;
	struct pe_load load;
};

struct pe_interfaces {
	struct pe_interfaces_options options;
	struct pe_attacher attacher;
	struct pe_monitor *monitor;
	struct pe_away *away;
	struct pe_newcomers newcomers;
	struct pe_heirs heirs;
	struct pe_watch *bucket[PE_WATCH_BUCKETS];
	unsigned int waiting; /* watches with a retry */
	unsigned int fresh;   /* watches that XDP has yet to follow to */
	uint64_t fresh_at_ns; /* since when there are some, or some have been served */
	bool was_synced;
	bool ending;	      /* what comes now is not watched */
	bool slot_freed;      /* since the last round of retries */
	bool touched;	      /* a watch may be so */
	bool unfinished;      /* a watch may be so: see pe_attacher_is_unfinished() */
	unsigned int audited; /* the bucket where the last round of the audit ended */
	uint64_t batch_ns;    /* when the events being handled were announced */
	/* Those whose audit has a bracket open, by ifindex, and when it is to be closed. */
	int bracket[PE_WATCH_BRACKETS];
	unsigned int brackets;
	uint64_t brackets_at_ns;
};

/* Where the pointer to the watch of an ifindex is, or would be. */
struct pe_watch **pe_watch_find(struct pe_interfaces *interfaces, int ifindex);

void pe_watch_info(const struct pe_interfaces *interfaces, const struct pe_link *link,
		   const struct pe_watch *watch, struct pe_iface_info *ret_info);

/* 0, -ENOENT if its series were given to another interface of that name, or -ENOMEM. */
int pe_watch_update(struct pe_interfaces *interfaces, const struct pe_link *link,
		    const struct pe_watch *watch);

/* Whether, and when, pe_watch_try_again() is to be called; each time later. */
void pe_watch_retry(struct pe_interfaces *interfaces, struct pe_watch *watch, bool wanted);

/* XDP has yet to follow. */
static inline bool pe_watch_is_fresh(const struct pe_watch *watch)
{
	return watch->attachment.reason == PE_REASON_NEW;
}

static inline void pe_watch_forget_fresh(struct pe_interfaces *interfaces,
					 const struct pe_watch *watch)
{
	interfaces->fresh -= pe_watch_is_fresh(watch);
}

/*
 * As pe_attacher_begin() and pe_attacher_advance(); sets what is left for later. An interface below
 * a new one gets its XDP first.
 */
void pe_watch_begin(struct pe_interfaces *interfaces, const struct pe_link *link,
		    struct pe_watch *watch);
int pe_watch_advance(struct pe_interfaces *interfaces, const struct pe_link *link,
		     struct pe_watch *watch);

/* Advances one that is not as it should be, and tells what came of it. */
void pe_watch_try_again(struct pe_interfaces *interfaces, const struct pe_link *link,
			struct pe_watch *watch);

/* How an attacher finds its way among them: `userdata` of pe_attacher_relations. */
bool pe_watch_is_below_ours(const struct pe_link *link, void *userdata);
size_t pe_watch_list_below(const struct pe_link *link, int *ret_ifindex, void *userdata);
bool pe_watch_is_used(int ifindex, void *userdata);
bool pe_watch_is_current(void *userdata);

/* Whether one with an XDP program of ours is above: then the kernel lets none be attached. */
bool pe_watch_has_above(const struct pe_interfaces *interfaces, int ifindex);

/* Overwrites ret_ours[PE_DIRECTIONS]; zero without a slot: all that it sees is unobserved. */
void pe_watch_read(struct pe_interfaces *interfaces, const struct pe_watch *watch,
		   struct pe_row *ret_ours);

/* The audit of one that is not auditable: see pe_audit_blind(). */
void pe_watch_audit_blind(struct pe_interfaces *interfaces, const struct pe_link *link,
			  struct pe_watch *watch);

/* Lets XDP follow to at most so many, or until there are events if `yielding`. */
void pe_watches_settle(struct pe_interfaces *interfaces, unsigned int most, bool yielding);

#endif
