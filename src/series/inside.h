/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry's inside, for the files that share it. Protected by its mutex.
 */
#ifndef PE_SERIES_INSIDE_H
#define PE_SERIES_INSIDE_H

#include <pthread.h>

#include "accumulator.h"
#include "groups.h"
#include "spaces.h"

/*
 * An interface as it counts for the host and a group, from its appearance on. A departed one stays
 * while a source of it is read or it waits for its identity.
 */
struct pe_member {
	struct pe_contributor counters; /* first: a feed leads to it */
	bool is_held;			/* its handle is still in use: it is not freed */
	struct pe_node by_ifindex;	/* while it has departed and waits for its identity */
	int ifindex;
	char kind[PE_KIND_MAX];
	char master[IFNAMSIZ];
	struct pe_identity *identity; /* NULL if unknown */
	/* In the list of those that wait: in no group, but with `wait` in place of one. */
	bool waiting;
	uint64_t deadline_ns; /* of a departed one; 0 if it was refused memory */
	uint64_t departed_ns;
	struct pe_count settled[PE_DIRECTIONS]; /* what its group has in `ended` */
	struct pe_member *next, **link;
	struct pe_accumulator wait;
};

/* The series of an interface's name. */
struct pe_iface_series {
	struct pe_accumulator total; /* first; fed by at most one member */
	struct pe_node by_name;
	struct pe_iface_info info;
	char *texts; /* of the info; NULL if there are none */
	struct pe_identity *identity;
	struct pe_faults faults; /* of its interface, as last read */
	struct pe_faults before; /* of those that had the name, or began anew */
	uint64_t netns;		 /* cookie of the namespace that it leads to, 0 if unknown */
	struct pe_tcp_summary tcp, tcp_before; /* likewise */
	bool departed;
	uint64_t departed_ns;
	struct pe_iface_series *newer, *older; /* of the departed */
};

struct pe_registry {
	pthread_mutex_t mutex;
	struct pe_registry_options options;
	struct pe_counter_sources sources;
	struct pe_accumulator host; /* fed by all members */
	uint64_t arrived, departed;
	struct pe_groups groups;
	struct pe_spaces spaces;
	struct pe_member *waiting;
	bool refused;		    /* a member is where it was, because memory was refused */
	struct pe_table by_ifindex; /* members that have departed and wait */
	struct pe_table by_name;
	struct pe_iface_series *oldest, *newest; /* departed */
	size_t departed_count;
	uint64_t folded_early;
};

/* ---- members (member.c) ---- */

/* The handle of an interface that is live. */
static inline bool pe_member_is_live(const struct pe_member *member)
{
	return member && !member->counters.departed;
}

/* NULL: out of memory. */
struct pe_member *pe_member_new(const struct pe_registry *registry,
				const struct pe_iface_info *info, uint32_t token);
/* Releases what was not carried over. NULL is fine. */
void pe_member_free(struct pe_registry *registry, struct pe_member *member);

/* Counts for the host from now on, and for its group as soon as that is known. */
void pe_member_enter(struct pe_registry *registry, struct pe_member *member, uint64_t now_ns);

/*
 * Nothing was known of it before it went: counts for the host and for its group at once, since
 * nobody is asked whose it was. It must not be live. May free it.
 */
void pe_member_pass(struct pe_registry *registry, struct pe_member *member, uint64_t now_ns);

/* It may belong to another group now, by kind and master. */
void pe_member_update(struct pe_registry *registry, struct pe_member *member,
		      const struct pe_iface_info *info, uint64_t now_ns);

/* Likewise by its identity, which is taken. -ENOENT if it is neither live nor waits. May free it.
 */
int pe_member_identify(struct pe_registry *registry, struct pe_member *member,
		       struct pe_identity *identity, uint64_t now_ns);

/* The one of this ifindex that has departed and waits, NULL if there is none. */
struct pe_member *pe_member_find_departed(const struct pe_registry *registry, int ifindex);

/* Its handle is used no longer. May free it. */
void pe_member_drop(struct pe_registry *registry, struct pe_member *member);

/* A live one has gone. May free it. */
void pe_member_depart(struct pe_registry *registry, struct pe_member *member, uint64_t now_ns);

/*
 * Ends what a departed member counts for its interface, and what it counts at all but for what
 * memory was refused for. May free it.
 */
void pe_member_end(struct pe_registry *registry, struct pe_member *member);

/* Ends waits that are over and tries again what was refused. When to call again, 0: never. */
uint64_t pe_members_expire(struct pe_registry *registry, uint64_t now_ns);

/* ---- network namespaces (spaces.c) ---- */

/* What their sockets have counted since the last call. */
void pe_spaces_add(struct pe_registry *registry, uint64_t cookie, const struct pe_tcp_counts *more,
		   uint64_t now_ns);

/* Whose it is, NULL: nobody is known; `member` is the veth that leads to it, NULL: as before. */
void pe_spaces_name(struct pe_registry *registry, uint64_t cookie, const struct pe_member *member,
		    struct pe_identity *identity, uint64_t now_ns);

/* What they have counted for a series since its namespace was known; kept if that is forgotten. */
void pe_spaces_summarize(const struct pe_registry *registry, struct pe_iface_series *series);

/* ---- series of interfaces (ifaces.c) ---- */

/* NULL if there is none. */
struct pe_iface_series *pe_iface_find(const struct pe_registry *registry, const char *name);

/* The series of a new member: a new one, or the one of this name. NULL: out of memory. */
struct pe_iface_series *pe_iface_open(struct pe_registry *registry,
				      const struct pe_iface_info *info, uint64_t now_ns);

/* What is shown of a live one changes, its name included. 0 or -ENOMEM (nothing changed). */
int pe_iface_update(struct pe_registry *registry, struct pe_iface_series *series,
		    const struct pe_iface_info *info);

/* Its member departs. */
void pe_iface_depart(struct pe_registry *registry, struct pe_iface_series *series, uint64_t now_ns);

/* What its interface, a live one, has counted itself. */
void pe_iface_set_faults(struct pe_iface_series *series, const struct pe_faults *faults);

/* What it has counted is in the sums of the host and of its group. */
void pe_iface_fold_oldest(struct pe_registry *registry);
void pe_iface_free(struct pe_registry *registry, struct pe_iface_series *series);

/* NULL if nothing feeds it. */
static inline struct pe_member *pe_iface_member(const struct pe_iface_series *series)
{
	return series->total.feeds ? (struct pe_member *)series->total.feeds->from : NULL;
}

static inline struct pe_iface_series *pe_iface_of_node(struct pe_node *node)
{
	return (struct pe_iface_series *)((char *)node - offsetof(struct pe_iface_series, by_name));
}

static inline struct pe_iface_series *pe_iface_of_member(const struct pe_member *member)
{
	return (struct pe_iface_series *)member->counters.feed[PE_LEVEL_INTERFACE].to;
}

#endif
