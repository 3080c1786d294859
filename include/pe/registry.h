/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry: what interfaces count, and in which series, from their appearance on.
 *
 *   live ──remove──▶ departed (series stay) ──retention──▶ folded: they end
 *     ▲                  │
 *     └── same name ─────┘ the series go on, counters included
 *
 * An interface also counts for the host, and for its group: a new veth from when it is known whose
 * it is, or is not in time, others at once. Both keep what it has counted for ever: the fold takes
 * only its own series. Invariant: the sums of the host and of groups never decrease and count
 * nothing twice.
 *
 * It does not know where numbers come from: the supervisor wires its sources. One mutex inside;
 * every call is safe from any thread, holds the mutex for at most one pass over the interfaces, and
 * calls the sources with it held.
 */
#ifndef PE_REGISTRY_H
#define PE_REGISTRY_H

#include "pe/clock.h"
#include "pe/sample.h"

struct pe_registry;

/* How long an interface that has gone waits for its identity: that may be on its way. */
#define PE_REGISTRY_WAIT_NS PE_NS_PER_S

/* An interface in the registry: the handle of whoever added it, until pe_registry_remove() or the
 * end of the registry. Where one is taken, NULL is none: -ENOENT. */
struct pe_member;

/* A source of counters. Tokens are PE_TOKEN(); PE_TOKEN_NONE is never passed. */
struct pe_counter_source {
	/* Counts may still arrive when the interface has gone: it is read until the fold.
	 * Otherwise it is read for the last time when the interface goes. */
	bool late;
	/*
	 * All that was counted since the token was handed out, into the source's own part of the
	 * body, which is zero; memory from the arena. 0 or -ENOMEM.
	 */
	int (*read)(uint32_t token, struct pe_arena *arena, struct pe_series_body *body,
		    void *userdata);
	/* The token will not be read again: it may be used anew, and what still arrives under it is
	 * counted for nobody. */
	void (*release)(uint32_t token, void *userdata);
};

#define PE_COUNTER_SOURCES_MAX 8

struct pe_registry_options {
	uint64_t retention_ns; /* how long a departed interface keeps its series; 0 folds at once */
	size_t max_departed;   /* more than this fold early, oldest first; 0 is no limit */
	/* Read in this order, so that what must not exceed another comes before it. Borrowed. */
	const struct pe_counter_source *sources;
	unsigned int source_count; /* at most PE_COUNTER_SOURCES_MAX */
	void *userdata;		   /* of the sources */
	unsigned int group_by;	   /* set of PE_GROUP_BIT() */
	/* Groups with labels of their own; beyond, those without live members, the least recently
	 * used first, are folded into PE_GROUP_OTHER. 0 is no limit. */
	size_t max_groups;
	bool identities; /* a live veth is in no group until pe_registry_identify() */
};

/* 0 or -ENOMEM. The caller owns *ret_registry. */
int pe_registry_new(const struct pe_registry_options *options, struct pe_registry **ret_registry);

/* Frees it; releases every token. NULL is fine. Returns NULL. */
struct pe_registry *pe_registry_free(struct pe_registry *registry);

/*
 * An interface appeared. `token` may be PE_TOKEN_NONE (nothing is counted yet). If a departed
 * interface has this name, the series go on. If a live one has it (the event of the old one is
 * still to be read), that one is treated as departed first; its handle stays valid, and calls with
 * it fail with -ENOENT. Times are monotonic, here and below. 0 or -ENOMEM; *ret_member is then left
 * alone.
 */
int pe_registry_add(struct pe_registry *registry, const struct pe_iface_info *info, uint32_t token,
		    uint64_t now_ns, struct pe_member **ret_member);

/*
 * A live interface changed: new name, alias, master or mode. A rename takes the counters along to
 * the new name (joining what a departed interface of that name left). If another live one still has
 * the new name, that one gets the old name until its own event is read. 0, -ENOENT or -ENOMEM
 * (nothing changed).
 */
int pe_registry_update(struct pe_registry *registry, struct pe_member *member,
		       const struct pe_iface_info *info, uint64_t now_ns);

/*
 * A live interface is counted under another token from now on (or PE_TOKEN_NONE); what the old one
 * counted is kept and the old one released. 0, -ENOENT, or -ENOMEM (nothing changed); that only if
 * there was an old one.
 */
int pe_registry_set_token(struct pe_registry *registry, struct pe_member *member, uint32_t token);

/*
 * Who is behind a live interface; NULL: nobody is known, and it waits no longer. From now on it
 * counts for the group of this identity; what it has counted in another one stays there. Takes a
 * reference. 0 or -ENOENT; where memory is refused it changes its group with a later
 * pe_registry_expire().
 */
int pe_registry_identify(struct pe_registry *registry, struct pe_member *member,
			 struct pe_identity *identity, uint64_t now_ns);

/* Likewise of the last interface that had this ifindex, if it departed while it was waiting. */
int pe_registry_identify_departed(struct pe_registry *registry, int ifindex,
				  struct pe_identity *identity, uint64_t now_ns);

/* Adds to what could not be counted. 0 or -ENOENT. */
int pe_registry_add_unobserved(struct pe_registry *registry, struct pe_member *member,
			       enum pe_direction direction, enum pe_unobserved reason,
			       const struct pe_count *count);

/* Adds to what was counted above the kernel's own counters. 0 or -ENOENT. */
int pe_registry_add_overcounted(struct pe_registry *registry, struct pe_member *member,
				enum pe_direction direction, const struct pe_count *count);

/* What an interface itself has dropped and found faulty since it was made. */
struct pe_faults {
	int ifindex;
	uint64_t dropped[PE_DIRECTIONS];
	uint64_t errors[PE_DIRECTIONS];
};

/*
 * What live interfaces have counted by now, ascending by ifindex; others of the list are passed
 * over, and one that is missing keeps what it had. The caller reads and hands over lists one at a
 * time: numbers that are smaller than the last ones have begun anew, and the series go on.
 */
void pe_registry_set_faults(struct pe_registry *registry, const struct pe_faults *faults,
			    size_t count);

/*
 * A live interface has gone: its sources are read for the last time and released, but for late
 * ones, which are read until the fold. The handle is invalid afterwards, whatever is returned. 0,
 * or -ENOENT if it had departed already or is NULL.
 */
int pe_registry_remove(struct pe_registry *registry, struct pe_member *member, uint64_t now_ns);

/*
 * An interface of which nothing is known but its counts came and went: it counts for the host and,
 * without an identity, for its group at once, and never has series. The token is released. 0, or
 * -ENOMEM (nothing changed).
 */
int pe_registry_fold(struct pe_registry *registry, const struct pe_iface_info *info, uint32_t token,
		     uint64_t now_ns);

/*
 * What the sockets of a network namespace have counted since the last call. All of it counts for
 * the host; also for a group, from the first count on, as soon as the namespace is named. `netns`
 * as in struct pe_task_record, 0 for what is of the host alone. Where memory is refused, it is the
 * host's alone.
 */
void pe_registry_add_tcp(struct pe_registry *registry, uint64_t netns,
			 const struct pe_tcp_counts *more, uint64_t now_ns);

/*
 * Whose a namespace is, NULL: nobody is known. Its group is that of the interface that leads to it:
 * a live one, or NULL and the ifindex of one that departed while it was waiting. Without any, the
 * last one stays; if there was none, kind and master are empty. What it counted for another group
 * stays there.
 */
void pe_registry_name_netns(struct pe_registry *registry, uint64_t netns,
			    const struct pe_member *member, int ifindex,
			    struct pe_identity *identity, uint64_t now_ns);

/*
 * Folds what departed before now_ns - retention, and ends waits for an identity that are over.
 * Returns how many folded; *ret_next_ns (may be NULL) is when to call again, 0 if nothing waits.
 */
size_t pe_registry_expire(struct pe_registry *registry, uint64_t now_ns, uint64_t *ret_next_ns);

/* Departed interfaces that were folded before the retention, because there were too many. */
uint64_t pe_registry_folded_early(struct pe_registry *registry);

/* The ifindex of the live interface that has this name, 0 if none has. */
int pe_registry_find(struct pe_registry *registry, const char *name);

/* The token of a live interface, PE_TOKEN_NONE if it has none or is not live. For tests. */
uint32_t pe_registry_token(struct pe_registry *registry, const struct pe_member *member);

/*
 * Fills ifaces, groups, host, self.departed_early and self.interfaces_attached of a snapshot under
 * construction. 0 or -ENOMEM.
 */
int pe_registry_collect(struct pe_registry *registry, struct pe_snapshot *snapshot);

#endif
