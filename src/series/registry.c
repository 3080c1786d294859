/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry of interfaces: its contract, over members (what counts) and series (what is shown).
 *
 * Invariants, under the mutex: a live interface has a member, which feeds the series of its name; a
 * departed one has a member while a source is still read, its group is not known, or its handle is
 * in use. What a member
 * counts is carried over before it is released, so nothing is lost or counted twice between the
 * two. Any thread.
 */
#include "pe/registry.h"

#include <errno.h>
#include <stdlib.h>

#include "pe/clock.h"

#include "inside.h"

/* ---- the contract ---- */

static int add(struct pe_registry *registry, const struct pe_iface_info *info, uint32_t token,
	       uint64_t now_ns, struct pe_member **ret_member)
{
	struct pe_member *member = pe_member_new(registry, info, token);
	struct pe_iface_series *series;

	if (!member)
		return -ENOMEM;
	series = pe_iface_open(registry, info, now_ns);
	if (!series) {
		/* The token stays the caller's. */
		free(member);
		return -ENOMEM;
	}
	pe_feed_connect(&member->counters, PE_LEVEL_INTERFACE, &series->total);
	pe_member_enter(registry, member, now_ns);
	member->is_held = true;
	*ret_member = member;
	return 0;
}

int pe_registry_add(struct pe_registry *registry, const struct pe_iface_info *info, uint32_t token,
		    uint64_t now_ns, struct pe_member **ret_member)
{
	int r;

	pthread_mutex_lock(&registry->mutex);
	r = add(registry, info, token, now_ns, ret_member);
	pthread_mutex_unlock(&registry->mutex);
	return r;
}

int pe_registry_update(struct pe_registry *registry, struct pe_member *member,
		       const struct pe_iface_info *info, uint64_t now_ns)
{
	int r = -ENOENT;

	pthread_mutex_lock(&registry->mutex);
	if (pe_member_is_live(member))
		r = pe_iface_update(registry, pe_iface_of_member(member), info);
	if (r == 0)
		pe_member_update(registry, member, info, now_ns);
	pthread_mutex_unlock(&registry->mutex);
	return r;
}

int pe_registry_identify(struct pe_registry *registry, struct pe_member *member,
			 struct pe_identity *identity, uint64_t now_ns)
{
	int r;

	pthread_mutex_lock(&registry->mutex);
	r = pe_member_identify(registry, member, identity, now_ns);
	pthread_mutex_unlock(&registry->mutex);
	return r;
}

int pe_registry_identify_departed(struct pe_registry *registry, int ifindex,
				  struct pe_identity *identity, uint64_t now_ns)
{
	int r;

	pthread_mutex_lock(&registry->mutex);
	r = pe_member_identify(registry, pe_member_find_departed(registry, ifindex), identity,
			       now_ns);
	pthread_mutex_unlock(&registry->mutex);
	return r;
}

int pe_registry_set_token(struct pe_registry *registry, struct pe_member *member, uint32_t token)
{
	const struct pe_counter_sources *sources = &registry->sources;
	int r = -ENOENT;

	pthread_mutex_lock(&registry->mutex);
	if (pe_member_is_live(member))
		r = pe_contributor_carry_over(sources, &member->counters, sources->all);
	if (r == 0)
		pe_contributor_set_token(sources, &member->counters, token);
	pthread_mutex_unlock(&registry->mutex);
	return r;
}

/* Leaves counts that no source has in all that an interface feeds. 0 or -ENOENT. */
static int leave_count(struct pe_registry *registry, struct pe_member *member, size_t offset,
		       const struct pe_count *count)
{
	bool is_live;

	pthread_mutex_lock(&registry->mutex);
	is_live = pe_member_is_live(member);
	for (enum pe_level level = 0; is_live && level < PE_LEVELS; level++) {
		struct pe_accumulator *to = member->counters.feed[level].to;

		if (to)
			pe_count_add((struct pe_count *)((char *)to + offset), count);
	}
	pthread_mutex_unlock(&registry->mutex);
	return is_live ? 0 : -ENOENT;
}

int pe_registry_add_unobserved(struct pe_registry *registry, struct pe_member *member,
			       enum pe_direction direction, enum pe_unobserved reason,
			       const struct pe_count *count)
{
	return leave_count(registry, member,
			   offsetof(struct pe_accumulator, unobserved[direction][reason]), count);
}

int pe_registry_add_overcounted(struct pe_registry *registry, struct pe_member *member,
				enum pe_direction direction, const struct pe_count *count)
{
	return leave_count(registry, member,
			   offsetof(struct pe_accumulator, overcounted[direction]), count);
}

static int compare_faults(const void *a, const void *b)
{
	const struct pe_faults *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

void pe_registry_set_faults(struct pe_registry *registry, const struct pe_faults *faults,
			    size_t count)
{
	struct pe_feed *feed;

	pthread_mutex_lock(&registry->mutex);
	for (feed = registry->host.feeds; feed; feed = feed->next) {
		const struct pe_member *member = (const struct pe_member *)feed->from;
		const struct pe_faults key = { .ifindex = member->ifindex }, *found;

		if (!pe_member_is_live(member))
			continue;
		found = bsearch(&key, faults, count, sizeof(key), compare_faults);
		if (found)
			pe_iface_set_faults(pe_iface_of_member(member), found);
	}
	pthread_mutex_unlock(&registry->mutex);
}

static void remove_member(struct pe_registry *registry, struct pe_member *member, uint64_t now_ns)
{
	const struct pe_registry_options *options = &registry->options;
	struct pe_iface_series *series = pe_iface_of_member(member);

	pe_member_depart(registry, member, now_ns);
	pe_iface_depart(registry, series, now_ns);
	if (options->retention_ns == 0) {
		pe_iface_fold_oldest(registry);
	} else if (options->max_departed > 0 && registry->departed_count > options->max_departed) {
		pe_iface_fold_oldest(registry);
		registry->folded_early++;
	}
}

int pe_registry_remove(struct pe_registry *registry, struct pe_member *member, uint64_t now_ns)
{
	bool is_live;

	if (!member)
		return -ENOENT;
	pthread_mutex_lock(&registry->mutex);
	is_live = pe_member_is_live(member);
	if (is_live)
		remove_member(registry, member, now_ns);
	pe_member_drop(registry, member);
	pthread_mutex_unlock(&registry->mutex);
	return is_live ? 0 : -ENOENT;
}

int pe_registry_fold(struct pe_registry *registry, const struct pe_iface_info *info, uint32_t token,
		     uint64_t now_ns)
{
	struct pe_member *member = pe_member_new(registry, info, token);

	if (!member)
		return -ENOMEM;
	pthread_mutex_lock(&registry->mutex);
	pe_member_pass(registry, member, now_ns);
	pthread_mutex_unlock(&registry->mutex);
	return 0;
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
	return !a_ns || (b_ns && b_ns < a_ns) ? b_ns : a_ns;
}

size_t pe_registry_expire(struct pe_registry *registry, uint64_t now_ns, uint64_t *ret_next_ns)
{
	const uint64_t retention_ns = registry->options.retention_ns;
	uint64_t next_ns = 0;
	size_t folded = 0;

	pthread_mutex_lock(&registry->mutex);
	while (registry->oldest && now_ns - registry->oldest->departed_ns >= retention_ns) {
		pe_iface_fold_oldest(registry);
		folded++;
	}
	if (registry->oldest &&
	    __builtin_add_overflow(registry->oldest->departed_ns, retention_ns, &next_ns))
		next_ns = UINT64_MAX;
	next_ns = earlier(next_ns, pe_members_expire(registry, now_ns));
	pthread_mutex_unlock(&registry->mutex);
	if (ret_next_ns)
		*ret_next_ns = next_ns;
	return folded;
}

uint64_t pe_registry_folded_early(struct pe_registry *registry)
{
	uint64_t count;

	pthread_mutex_lock(&registry->mutex);
	count = registry->folded_early;
	pthread_mutex_unlock(&registry->mutex);
	return count;
}

int pe_registry_find(struct pe_registry *registry, const char *name)
{
	const struct pe_iface_series *series;
	int ifindex;

	pthread_mutex_lock(&registry->mutex);
	series = pe_iface_find(registry, name);
	ifindex = series && !series->departed ? series->info.ifindex : 0;
	pthread_mutex_unlock(&registry->mutex);
	return ifindex;
}

uint32_t pe_registry_token(struct pe_registry *registry, const struct pe_member *member)
{
	uint32_t token;

	pthread_mutex_lock(&registry->mutex);
	token = pe_member_is_live(member) ? member->counters.token : PE_TOKEN_NONE;
	pthread_mutex_unlock(&registry->mutex);
	return token;
}

/* ---- life ---- */

void pe_registry_add_tcp(struct pe_registry *registry, uint64_t netns,
			 const struct pe_tcp_counts *more, uint64_t now_ns)
{
	pthread_mutex_lock(&registry->mutex);
	pe_spaces_add(registry, netns, more, now_ns);
	pthread_mutex_unlock(&registry->mutex);
}

void pe_registry_name_netns(struct pe_registry *registry, uint64_t netns,
			    const struct pe_member *member, int ifindex,
			    struct pe_identity *identity, uint64_t now_ns)
{
	pthread_mutex_lock(&registry->mutex);
	if (!member && ifindex)
		member = pe_member_find_departed(registry, ifindex);
	pe_spaces_name(registry, netns, member, identity, now_ns);
	pthread_mutex_unlock(&registry->mutex);
}

static struct pe_counter_sources make_sources(const struct pe_registry_options *options)
{
	struct pe_counter_sources sources = {
		.source = options->sources,
		.count = options->source_count,
		.userdata = options->userdata,
	};

	for (unsigned int i = 0; i < sources.count; i++) {
		sources.all |= 1u << i;
		if (sources.source[i].late)
			sources.late |= 1u << i;
	}
	return sources;
}

int pe_registry_new(const struct pe_registry_options *options, struct pe_registry **ret_registry)
{
	struct pe_registry *registry = calloc(1, sizeof(*registry));

	if (!registry)
		return -ENOMEM;
	pthread_mutex_init(&registry->mutex, NULL);
	registry->options = *options;
	registry->sources = make_sources(options);
	registry->host.created_ns = pe_clock_monotonic_ns();
	if (pe_table_init(&registry->by_ifindex) < 0 || pe_table_init(&registry->by_name) < 0 ||
	    pe_spaces_init(&registry->spaces) < 0 ||
	    pe_accumulator_reserve_tcp(&registry->host) < 0 ||
	    pe_groups_init(&registry->groups, options->group_by, options->max_groups) < 0) {
		pe_registry_free(registry);
		return -ENOMEM;
	}
	*ret_registry = registry;
	return 0;
}

struct pe_registry *pe_registry_free(struct pe_registry *registry)
{
	size_t i;

	if (!registry)
		return NULL;
	for (i = 0; registry->by_name.buckets && i <= registry->by_name.mask; i++) {
		struct pe_node *node;

		while ((node = registry->by_name.buckets[i])) {
			pe_table_remove(&registry->by_name, node);
			pe_iface_free(registry, pe_iface_of_node(node));
		}
	}
	while (registry->host.feeds)
		pe_member_free(registry, (struct pe_member *)registry->host.feeds->from);
	pe_groups_fini(&registry->groups);
	pe_spaces_fini(&registry->spaces);
	pe_accumulator_fini(&registry->host);
	pe_table_fini(&registry->by_ifindex);
	pe_table_fini(&registry->by_name);
	pthread_mutex_destroy(&registry->mutex);
	free(registry);
	return NULL;
}
