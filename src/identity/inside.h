/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module's inside, for the files that share it. One thread. */
#ifndef PE_IDENTITY_INSIDE_H
#define PE_IDENTITY_INSIDE_H

#include "pe/clock.h"
#include "pe/tasks.h"

#include "sources.h"
#include "tables.h"

/* Between two walks over all tasks. */
#define PE_IDENTITY_WALK_MIN_NS PE_NS_PER_S

struct pe_identities {
	struct pe_identities_options options;
	struct pe_tasks *tasks;
	struct pe_names *names;
	struct pe_sources_of_names sources;
	struct pe_tables tables;
	int epoll;
	/* Walks over all tasks. */
	bool is_walking, wants_walk;
	uint64_t walked_at_ns;
	uint64_t lost; /* records, when all tasks were looked at last */
	/* Waits (waits.c). */
	bool asks; /* one that waits has no namespace yet */
	uint64_t ask_at_ns, ask_step_ns;
	uint64_t half_at_ns;		  /* when one has waited for half of its time, 0: none */
	struct pe_identities_stats stats; /* atomic */
};

static inline void pe_identities_count(uint64_t *counter, uint64_t by)
{
	__atomic_add_fetch(counter, by, __ATOMIC_RELAXED);
}

/* ---- identities.c ---- */

/* All that has been recorded until now; then who has become known. */
void pe_identities_read(struct pe_identities *ids);

/* Looks at all tasks, unless that was done within a second. */
void pe_identities_walk(struct pe_identities *ids, uint64_t now_ns);

/* Calls back for whose it is; `ifindex` is a veth that leads to it, or 0. */
static inline void pe_netns_report(struct pe_identities *ids, const struct pe_netns *netns,
				   int ifindex)
{
	if (netns && ids->options.named)
		ids->options.named(netns->cookie, ifindex, netns->identity, ids->options.userdata);
}

/* ---- waits.c ---- */

/* Its peer is in that namespace. */
void pe_veth_bind(struct pe_identities *ids, struct pe_veth *veth, uint64_t cookie);

/* Calls back if who is behind it is another than before. */
void pe_veth_report(struct pe_identities *ids, struct pe_veth *veth);

#endif
