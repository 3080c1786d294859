/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What interfaces count for the host and for groups.
 *
 * Every member feeds the host. It also feeds a group, or while it waits for its identity an
 * accumulator of its own, which has not been exposed and so may become part of any group. Once in a
 * group, what it has counted stays there: it goes on elsewhere from what it has at that moment. So
 * host = the sum over the groups and what waits, at every moment and in every counter.
 *
 * Where memory is refused for a change of group, the member stays where it is and it is tried again
 * in pe_members_expire(). Under the registry's mutex.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/identity.h"

#include "inside.h"

static struct pe_member *member_of_node(struct pe_node *node)
{
	return (struct pe_member *)((char *)node - offsetof(struct pe_member, by_ifindex));
}

/* The kernel hands ifindexes out one after the other: they spread by themselves. */
struct pe_member *pe_member_find_departed(const struct pe_registry *registry, int ifindex)
{
	struct pe_node *node = pe_table_first(&registry->by_ifindex, (uint32_t)ifindex);

	return node ? member_of_node(node) : NULL;
}

/* ---- groups ---- */

/* Until it is identified, or has departed. */
static void start_waiting(struct pe_registry *registry, struct pe_member *member)
{
	member->waiting = true;
	member->deadline_ns = UINT64_MAX;
	member->next = registry->waiting;
	member->link = &registry->waiting;
	if (member->next)
		member->next->link = &member->next;
	registry->waiting = member;
}

static void stop_waiting(struct pe_registry *registry, struct pe_member *member)
{
	if (!member->waiting)
		return;
	member->waiting = false;
	pe_table_remove(&registry->by_ifindex, &member->by_ifindex);
	*member->link = member->next;
	if (member->next)
		member->next->link = member->link;
}

/*
 * What a departed one moved, as far as its counters could be read, is in its group's `ended`. That
 * is what it moved in all groups: who looks for a container finds it in one place.
 */
static void settle(struct pe_member *member)
{
	struct pe_count moved[PE_DIRECTIONS];

	if (!member->counters.departed || member->waiting)
		return;
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_count *all = &member->counters.moved[d];

		moved[d].packets = all->packets - member->settled[d].packets;
		moved[d].bytes = all->bytes - member->settled[d].bytes;
		member->settled[d] = *all;
	}
	pe_group_end((struct pe_group *)member->counters.feed[PE_LEVEL_GROUP].to, moved,
		     member->departed_ns);
}

/* 0 or -ENOMEM: it stays where it is. */
static int go_to(struct pe_registry *registry, struct pe_member *member, struct pe_group *to)
{
	struct pe_group *from = NULL;
	int r;

	if (member->waiting) {
		r = pe_accumulator_merge(&to->total, &member->wait);
	} else {
		from = (struct pe_group *)member->counters.feed[PE_LEVEL_GROUP].to;
		if (from == to)
			return 0;
		r = pe_contributor_move(&registry->sources, &member->counters, PE_LEVEL_GROUP,
					&to->total);
	}
	if (r < 0)
		return r;
	stop_waiting(registry, member);
	/* This one first: a group that a member comes to does not end. */
	pe_group_arrive(&registry->groups, to);
	if (from)
		pe_group_depart(&registry->groups, from);
	if (member->counters.departed)
		pe_group_depart(&registry->groups, to);
	settle(member);
	return 0;
}

/* Takes it to the group that it belongs to. */
static void place(struct pe_registry *registry, struct pe_member *member, uint64_t now_ns)
{
	const char *label[PE_GROUP_LABELS];
	struct pe_group *to;

	pe_groups_name(member->kind, member->master, member->identity, label);
	to = pe_groups_open(&registry->groups, label, now_ns);
	if (!to || go_to(registry, member, to) < 0) {
		registry->refused = true;
		member->deadline_ns = 0; /* it waits for memory alone */
	}
}

/* So that the first packet of its kind is an increase, and not the first value. */
static void prepare_kind(struct pe_registry *registry, const struct pe_member *member,
			 uint64_t now_ns)
{
	const char *label[PE_GROUP_LABELS];

	for (unsigned int i = 0; i < PE_GROUP_LABELS; i++)
		label[i] = i == PE_GROUP_KIND ? member->kind : "";
	pe_groups_prepare(&registry->groups, label, now_ns);
}

/* ---- life ---- */

struct pe_member *pe_member_new(const struct pe_registry *registry,
				const struct pe_iface_info *info, uint32_t token)
{
	struct pe_member *member = calloc(1, sizeof(*member));

	if (!member)
		return NULL;
	member->ifindex = info->ifindex;
	memcpy(member->kind, info->kind, sizeof(member->kind));
	memcpy(member->master, info->master, sizeof(member->master));
	pe_contributor_set_token(&registry->sources, &member->counters, token);
	return member;
}

void pe_member_free(struct pe_registry *registry, struct pe_member *member)
{
	if (!member)
		return;
	pe_contributor_release(&registry->sources, &member->counters, registry->sources.all);
	for (enum pe_level level = 0; level < PE_LEVELS; level++)
		pe_feed_disconnect(&member->counters, level);
	stop_waiting(registry, member);
	pe_accumulator_fini(&member->wait);
	pe_identity_unref(member->identity);
	free(member);
}

/* Frees a departed one of which nothing is expected any more. */
static void free_if_done(struct pe_registry *registry, struct pe_member *member)
{
	if (!pe_member_is_live(member) && !member->counters.held && !member->waiting &&
	    !member->is_held)
		pe_member_free(registry, member);
}

void pe_member_drop(struct pe_registry *registry, struct pe_member *member)
{
	member->is_held = false;
	free_if_done(registry, member);
}

static void enter(struct pe_registry *registry, struct pe_member *member, bool waits,
		  uint64_t now_ns)
{
	struct pe_member *before = pe_member_find_departed(registry, member->ifindex);

	/* It has gone for certain, and this one is not it. */
	if (before) {
		pe_table_remove(&registry->by_ifindex, &before->by_ifindex);
		place(registry, before, now_ns);
		free_if_done(registry, before);
	}
	registry->arrived++;
	pe_feed_connect(&member->counters, PE_LEVEL_HOST, &registry->host);
	pe_feed_connect(&member->counters, PE_LEVEL_GROUP, &member->wait);
	prepare_kind(registry, member, now_ns);
	start_waiting(registry, member);
	if (!waits)
		place(registry, member, now_ns);
}

void pe_member_enter(struct pe_registry *registry, struct pe_member *member, uint64_t now_ns)
{
	enter(registry, member,
	      registry->options.identities && pe_identity_is_possible(member->kind), now_ns);
}

void pe_member_update(struct pe_registry *registry, struct pe_member *member,
		      const struct pe_iface_info *info, uint64_t now_ns)
{
	if (strcmp(member->kind, info->kind) == 0 && strcmp(member->master, info->master) == 0)
		return;
	memcpy(member->kind, info->kind, sizeof(member->kind));
	memcpy(member->master, info->master, sizeof(member->master));
	if (!member->waiting)
		place(registry, member, now_ns);
}

static void set_identity(struct pe_identity **to, struct pe_identity *identity)
{
	struct pe_identity *before = *to;

	*to = identity ? pe_identity_ref(identity) : NULL;
	pe_identity_unref(before);
}

int pe_member_identify(struct pe_registry *registry, struct pe_member *member,
		       struct pe_identity *identity, uint64_t now_ns)
{
	struct pe_iface_series *series;

	if (!member || !pe_identity_is_possible(member->kind) ||
	    (member->counters.departed && !member->waiting))
		return -ENOENT;
	series = pe_iface_of_member(member);
	set_identity(&member->identity, identity);
	if (series)
		set_identity(&series->identity, identity);
	place(registry, member, now_ns);
	free_if_done(registry, member);
	return 0;
}

void pe_member_depart(struct pe_registry *registry, struct pe_member *member, uint64_t now_ns)
{
	const struct pe_counter_sources *sources = &registry->sources;

	(void)pe_contributor_carry_over(sources, &member->counters, ~sources->late);
	member->counters.departed = true;
	member->departed_ns = now_ns;
	registry->departed++;
	if (member->waiting) {
		member->deadline_ns = now_ns + PE_REGISTRY_WAIT_NS;
		pe_table_insert(&registry->by_ifindex, &member->by_ifindex,
				(uint32_t)member->ifindex);
	} else {
		pe_group_depart(&registry->groups,
				(struct pe_group *)member->counters.feed[PE_LEVEL_GROUP].to);
		settle(member);
	}
	free_if_done(registry, member);
}

void pe_member_pass(struct pe_registry *registry, struct pe_member *member, uint64_t now_ns)
{
	const struct pe_counter_sources *sources = &registry->sources;

	enter(registry, member, false, now_ns);
	if (pe_contributor_carry_over(sources, &member->counters, sources->all) < 0)
		registry->refused = true;
	pe_member_depart(registry, member, now_ns);
}

void pe_member_end(struct pe_registry *registry, struct pe_member *member)
{
	const struct pe_counter_sources *sources = &registry->sources;

	pe_feed_disconnect(&member->counters, PE_LEVEL_INTERFACE);
	if (pe_contributor_carry_over(sources, &member->counters, sources->all) < 0)
		registry->refused = true;
	settle(member);
	free_if_done(registry, member);
}

/* ---- later ---- */

static void try_again(struct pe_registry *registry, uint64_t now_ns)
{
	struct pe_feed *feed, *next;

	if (!registry->refused)
		return;
	registry->refused = false;
	for (feed = registry->host.feeds; feed; feed = next) {
		struct pe_member *member = (struct pe_member *)feed->from;

		next = feed->next;
		if (!member->waiting && !member->counters.departed)
			place(registry, member, now_ns);
		else if (member->counters.departed && !pe_iface_of_member(member))
			pe_member_end(registry, member);
	}
}

uint64_t pe_members_expire(struct pe_registry *registry, uint64_t now_ns)
{
	struct pe_member *member, *next;
	uint64_t next_ns = 0;

	try_again(registry, now_ns);
	for (member = registry->waiting; member; member = next) {
		next = member->next;
		if (member->deadline_ns <= now_ns) {
			place(registry, member, now_ns);
			free_if_done(registry, member);
		} else if (member->counters.departed &&
			   (next_ns == 0 || member->deadline_ns < next_ns)) {
			next_ns = member->deadline_ns;
		}
	}
	return registry->refused ? now_ns : next_ns;
}
