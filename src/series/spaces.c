/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sockets of network namespaces count, for the host and for groups.
 *
 * All of it counts for the host. A namespace belongs to a group as soon as it is known whose it is,
 * or which of our veths leads to it: that of the veth, with the identity. What came before waits
 * with the namespace and then counts for the group; exposed counts stay in the group that had them.
 * Namespaces that nobody names count for the host alone. Under the registry's mutex.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/identity.h"

#include "inside.h"

/* More are forgotten, the one that was used longest ago first. As many as the identities know. */
#define SPACES_MAX 4096u

struct space {
	struct pe_node by_cookie;
	uint64_t cookie;
	bool is_known;
	char kind[PE_KIND_MAX];
	char master[IFNAMSIZ];
	struct pe_identity *identity;  /* NULL if unknown */
	struct pe_tcp_counts *waiting; /* in no group yet; NULL: nothing */
	struct pe_tcp_summary all;     /* that was ever counted */
	struct space *older, *newer;   /* by use */
};

static struct space *space_of_node(struct pe_node *node)
{
	return (struct space *)((char *)node - offsetof(struct space, by_cookie));
}

/* Cookies count up on each CPU. */
static uint32_t hash(uint64_t cookie)
{
	return (uint32_t)(cookie * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static void unlink_use(struct pe_spaces *spaces, struct space *space)
{
	*(space->older ? &space->older->newer : &spaces->oldest) = space->newer;
	*(space->newer ? &space->newer->older : &spaces->newest) = space->older;
}

static void link_use(struct pe_spaces *spaces, struct space *space)
{
	space->newer = NULL;
	space->older = spaces->newest;
	*(space->older ? &space->older->newer : &spaces->oldest) = space;
	spaces->newest = space;
}

static void free_space(struct pe_spaces *spaces, struct space *space)
{
	pe_table_remove(&spaces->by_cookie, &space->by_cookie);
	unlink_use(spaces, space);
	pe_identity_unref(space->identity);
	free(space->waiting);
	free(space);
}

static struct space *find(const struct pe_spaces *spaces, uint64_t cookie)
{
	struct pe_node *node = pe_table_first(&spaces->by_cookie, hash(cookie));

	while (node && space_of_node(node)->cookie != cookie)
		node = pe_table_next(node);
	return node ? space_of_node(node) : NULL;
}

/* Made if it is not there; NULL if memory is refused. */
static struct space *use(struct pe_spaces *spaces, uint64_t cookie)
{
	struct space *space = find(spaces, cookie);

	if (space) {
		unlink_use(spaces, space);
		link_use(spaces, space);
		return space;
	}
	if (spaces->by_cookie.count >= SPACES_MAX)
		free_space(spaces, spaces->oldest);
	space = calloc(1, sizeof(*space));
	if (!space)
		return NULL;
	space->cookie = cookie;
	pe_table_insert(&spaces->by_cookie, &space->by_cookie, hash(cookie));
	link_use(spaces, space);
	return space;
}

/* To its group; false if that is not known, or memory is refused. */
static bool place(struct pe_registry *registry, const struct space *space,
		  const struct pe_tcp_counts *counts, uint64_t now_ns)
{
	const char *label[PE_GROUP_LABELS];
	struct pe_group *group;

	if (!space->is_known)
		return false;
	pe_groups_name(space->kind, space->master, space->identity, label);
	group = pe_groups_open(&registry->groups, label, now_ns);
	if (!group || pe_accumulator_reserve_tcp(&group->total) < 0)
		return false;
	pe_tcp_add(group->total.tcp, counts);
	return true;
}

static void place_waiting(struct pe_registry *registry, struct space *space, uint64_t now_ns)
{
	if (!space->waiting || !place(registry, space, space->waiting, now_ns))
		return;
	free(space->waiting);
	space->waiting = NULL;
}

void pe_spaces_add(struct pe_registry *registry, uint64_t cookie, const struct pe_tcp_counts *more,
		   uint64_t now_ns)
{
	struct space *space = NULL;

	pe_tcp_add(registry->host.tcp, more);
	if (cookie && registry->options.identities)
		space = use(&registry->spaces, cookie);
	if (!space)
		return;
	pe_tcp_summarize(&space->all, more);
	place_waiting(registry, space, now_ns);
	if (pe_tcp_is_zero(more) || (!space->waiting && place(registry, space, more, now_ns)))
		return;
	if (!space->waiting)
		space->waiting = calloc(1, sizeof(*space->waiting));
	if (space->waiting)
		pe_tcp_add(space->waiting, more);
}

void pe_spaces_summarize(const struct pe_registry *registry, struct pe_iface_series *series)
{
	const struct space *space = series->netns ? find(&registry->spaces, series->netns) : NULL;

	if (space)
		series->tcp = space->all;
}

/* Of another interface of its name, what that one had goes on. */
static void lead_to(const struct pe_registry *registry, struct pe_iface_series *series,
		    uint64_t cookie)
{
	struct pe_tcp_summary *before = &series->tcp_before;

	if (series->netns == cookie)
		return;
	pe_spaces_summarize(registry, series);
	before->retransmitted += series->tcp.retransmitted;
	before->failed += series->tcp.failed;
	before->reset += series->tcp.reset;
	series->tcp = (struct pe_tcp_summary){ 0 };
	series->netns = cookie;
}

void pe_spaces_name(struct pe_registry *registry, uint64_t cookie, const struct pe_member *member,
		    struct pe_identity *identity, uint64_t now_ns)
{
	struct space *space = use(&registry->spaces, cookie);
	struct pe_identity *before;

	if (!space)
		return;
	if (member) {
		memcpy(space->kind, member->kind, sizeof(space->kind));
		memcpy(space->master, member->master, sizeof(space->master));
		if (pe_iface_of_member(member))
			lead_to(registry, pe_iface_of_member(member), cookie);
	}
	before = space->identity;
	space->identity = identity ? pe_identity_ref(identity) : NULL;
	pe_identity_unref(before);
	space->is_known = true;
	place_waiting(registry, space, now_ns);
}

int pe_spaces_init(struct pe_spaces *spaces)
{
	return pe_table_init(&spaces->by_cookie);
}

void pe_spaces_fini(struct pe_spaces *spaces)
{
	while (spaces->oldest)
		free_space(spaces, spaces->oldest);
	pe_table_fini(&spaces->by_cookie);
}
