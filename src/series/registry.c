/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry of interfaces.
 *
 * Invariants, under the mutex: every series of an interface is in the table of names; those of live
 * interfaces have a contributor, which is in the table of ifindexes; those of departed ones are in
 * the queue, oldest first, and have a contributor while a source is still read. What a contributor
 * counts is carried over before it is released, so nothing is lost or counted twice between the
 * two. Any thread.
 */
#include "pe/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/arena.h"
#include "pe/cleanup.h"

#include "inside.h"

/* ---- tables ---- */

static uint32_t hash_ifindex(int ifindex)
{
	/* The kernel hands them out one after the other: they spread by themselves. */
	return (uint32_t)ifindex;
}

static struct pe_contributor *find_ifindex(const struct pe_registry *registry, int ifindex)
{
	/* A hash is one ifindex. */
	struct pe_node *node = pe_table_first(&registry->by_ifindex, hash_ifindex(ifindex));

	if (!node)
		return NULL;
	return (struct pe_contributor *)((char *)node -
					 offsetof(struct pe_contributor, by_ifindex));
}

static struct pe_iface_series *find_name(const struct pe_registry *registry, const char *name)
{
	struct pe_node *node =
		pe_table_first(&registry->by_name, pe_hash_string(PE_HASH_START, name));

	while (node && strcmp(pe_iface_of_node(node)->info.name, name) != 0)
		node = pe_table_next(node);
	return node ? pe_iface_of_node(node) : NULL;
}

static void insert_name(struct pe_registry *registry, struct pe_iface_series *series)
{
	pe_table_insert(&registry->by_name, &series->by_name,
			pe_hash_string(PE_HASH_START, series->info.name));
}

static struct pe_iface_series *series_of(const struct pe_contributor *contributor)
{
	/* The accumulator is its first member. */
	return (struct pe_iface_series *)contributor->feed[PE_LEVEL_INTERFACE].to;
}

/* ---- states ---- */

static struct pe_contributor *new_contributor(const struct pe_registry *registry, int ifindex,
					      uint32_t token)
{
	struct pe_contributor *contributor = calloc(1, sizeof(*contributor));

	if (!contributor)
		return NULL;
	contributor->ifindex = ifindex;
	pe_contributor_set_token(&registry->sources, contributor, token);
	return contributor;
}

/* Releases what was not carried over. */
static void free_contributor(struct pe_registry *registry, struct pe_contributor *contributor)
{
	if (!contributor)
		return;
	pe_contributor_release(&registry->sources, contributor, registry->sources.all);
	for (enum pe_level level = 0; level < PE_LEVELS; level++)
		pe_feed_disconnect(contributor, level);
	free(contributor);
}

static struct pe_iface_series *new_series(const struct pe_iface_info *info, uint64_t now_ns)
{
	struct pe_iface_series *series = calloc(1, sizeof(*series));

	if (!series)
		return NULL;
	series->info = *info;
	series->total.created_ns = now_ns;
	return series;
}

static void free_series(struct pe_registry *registry, struct pe_iface_series *series)
{
	free_contributor(registry, pe_iface_contributor(series));
	pe_accumulator_fini(&series->total);
	free(series);
}

static void enqueue(struct pe_registry *registry, struct pe_iface_series *series, uint64_t now_ns)
{
	series->departed = true;
	series->departed_ns = now_ns;
	series->older = registry->newest;
	series->newer = NULL;
	*(registry->newest ? &registry->newest->newer : &registry->oldest) = series;
	registry->newest = series;
	registry->departed_count++;
}

static void dequeue(struct pe_registry *registry, struct pe_iface_series *series)
{
	*(series->older ? &series->older->newer : &registry->oldest) = series->newer;
	*(series->newer ? &series->newer->older : &registry->newest) = series->older;
	series->departed = false;
	registry->departed_count--;
}

static void depart(struct pe_registry *registry, struct pe_contributor *contributor,
		   uint64_t now_ns)
{
	struct pe_iface_series *series = series_of(contributor);

	(void)pe_contributor_carry_over(&registry->sources, contributor, ~registry->sources.late);
	pe_table_remove(&registry->by_ifindex, &contributor->by_ifindex);
	contributor->departed = true;
	if (!contributor->held)
		free_contributor(registry, contributor);
	enqueue(registry, series, now_ns);
}

/* Ends what contributes to a series, live or departed. 0 or -ENOMEM (nothing changed). */
static int end_contributor(struct pe_registry *registry, struct pe_iface_series *series)
{
	struct pe_contributor *contributor = pe_iface_contributor(series);
	int r;

	if (!contributor)
		return 0;
	r = pe_contributor_carry_over(&registry->sources, contributor, registry->sources.all);
	if (r < 0)
		return r;
	if (!contributor->departed)
		pe_table_remove(&registry->by_ifindex, &contributor->by_ifindex);
	free_contributor(registry, contributor);
	return 0;
}

/* Ends a series, which is in no table any more. */
static void fold(struct pe_registry *registry, struct pe_iface_series *series, uint64_t now_ns)
{
	const struct pe_contributor *contributor = pe_iface_contributor(series);
	struct pe_series_body body = { 0 }, left;

	/* No late source has what is folded, and others need no memory. */
	if (contributor)
		(void)pe_contributor_read(&registry->sources, contributor, ~registry->sources.late,
					  NULL, &body);
	pe_accumulator_left(&series->total, &left);
	left.flows = (struct pe_flow_sample){ 0 };
	(void)pe_series_body_add(&body, &left, NULL);
	pe_fold_add(&registry->fold, &series->info, &body, now_ns);
	free_series(registry, series);
}

static void fold_oldest(struct pe_registry *registry, uint64_t now_ns)
{
	struct pe_iface_series *series = registry->oldest;

	dequeue(registry, series);
	pe_table_remove(&registry->by_name, &series->by_name);
	fold(registry, series, now_ns);
}

static void rename_series(struct pe_registry *registry, struct pe_iface_series *series,
			  const char *name)
{
	pe_table_remove(&registry->by_name, &series->by_name);
	memcpy(series->info.name, name, sizeof(series->info.name));
	insert_name(registry, series);
}

/* Carries over to `series` what still contributes to a departed one. 0 or -ENOMEM. */
static int take_contributor(struct pe_registry *registry, struct pe_iface_series *series,
			    struct pe_iface_series *departed)
{
	const struct pe_counter_sources *sources = &registry->sources;
	struct pe_contributor *contributor = pe_iface_contributor(departed);
	int r;

	if (!contributor)
		return 0;
	pe_feed_disconnect(contributor, PE_LEVEL_INTERFACE);
	pe_feed_connect(contributor, PE_LEVEL_INTERFACE, &series->total);
	r = pe_contributor_carry_over(sources, contributor, sources->all);
	if (r == 0) {
		free_contributor(registry, contributor);
	} else {
		pe_feed_disconnect(contributor, PE_LEVEL_INTERFACE);
		pe_feed_connect(contributor, PE_LEVEL_INTERFACE, &departed->total);
	}
	return r;
}

/* A live series takes over what a departed one left, which ends. 0 or -ENOMEM. */
static int join(struct pe_registry *registry, struct pe_iface_series *series,
		struct pe_iface_series *departed)
{
	struct pe_series_body left;
	int r;

	pe_accumulator_left(&departed->total, &left);
	r = pe_accumulator_reserve(&series->total, &left);
	if (r == 0)
		r = take_contributor(registry, series, departed);
	if (r < 0)
		return r;
	pe_accumulator_leave(&series->total, &left);
	series->total.created_ns = departed->total.created_ns;
	dequeue(registry, departed);
	pe_table_remove(&registry->by_name, &departed->by_name);
	free_series(registry, departed);
	return 0;
}

/* ---- the contract ---- */

/* The series of a new contributor: a new one, or one that has this name. NULL: out of memory. */
static struct pe_iface_series *open_series(struct pe_registry *registry,
					   const struct pe_iface_info *info, uint64_t now_ns)
{
	struct pe_iface_series *series = find_name(registry, info->name);

	if (!series) {
		series = new_series(info, now_ns);
		if (series)
			insert_name(registry, series);
		return series;
	}
	/* First what may fail: then the old one still is what it was. */
	if (end_contributor(registry, series) < 0)
		return NULL;
	if (series->departed)
		dequeue(registry, series);
	series->info = *info;
	return series;
}

static int add(struct pe_registry *registry, const struct pe_iface_info *info, uint32_t token,
	       uint64_t now_ns)
{
	struct pe_contributor *contributor;
	struct pe_iface_series *series;

	if (find_ifindex(registry, info->ifindex))
		return -EEXIST;
	contributor = new_contributor(registry, info->ifindex, token);
	if (!contributor)
		return -ENOMEM;
	series = open_series(registry, info, now_ns);
	if (!series) {
		/* The token stays the caller's. */
		free(contributor);
		return -ENOMEM;
	}
	pe_feed_connect(contributor, PE_LEVEL_INTERFACE, &series->total);
	pe_table_insert(&registry->by_ifindex, &contributor->by_ifindex,
			hash_ifindex(info->ifindex));
	return 0;
}

int pe_registry_add(struct pe_registry *registry, const struct pe_iface_info *info, uint32_t token,
		    uint64_t now_ns)
{
	int r;

	pthread_mutex_lock(&registry->mutex);
	r = add(registry, info, token, now_ns);
	pthread_mutex_unlock(&registry->mutex);
	return r;
}

static int update(struct pe_registry *registry, const struct pe_iface_info *info)
{
	struct pe_contributor *contributor = find_ifindex(registry, info->ifindex);
	struct pe_iface_series *series, *other;
	char before[IFNAMSIZ];

	if (!contributor)
		return -ENOENT;
	series = series_of(contributor);
	memcpy(before, series->info.name, sizeof(before));
	if (strcmp(before, info->name) != 0) {
		other = find_name(registry, info->name);
		if (other && other->departed) {
			int r = join(registry, series, other);

			if (r < 0)
				return r;
			other = NULL;
		}
		rename_series(registry, series, info->name);
		/* Both are live: the event of the other one's new name or end is still under way.
		 * Until then it has the name that became free, so that no name is there twice. */
		if (other)
			rename_series(registry, other, before);
	}
	series->info = *info;
	return 0;
}

int pe_registry_update(struct pe_registry *registry, const struct pe_iface_info *info,
		       uint64_t now_ns)
{
	int r;

	pthread_mutex_lock(&registry->mutex);
	r = update(registry, info);
	pthread_mutex_unlock(&registry->mutex);
	return r;
}

int pe_registry_set_token(struct pe_registry *registry, int ifindex, uint32_t token)
{
	const struct pe_counter_sources *sources = &registry->sources;
	struct pe_contributor *contributor;
	int r = -ENOENT;

	pthread_mutex_lock(&registry->mutex);
	contributor = find_ifindex(registry, ifindex);
	if (contributor)
		r = pe_contributor_carry_over(sources, contributor, sources->all);
	if (r == 0)
		pe_contributor_set_token(sources, contributor, token);
	pthread_mutex_unlock(&registry->mutex);
	return r;
}

static void add_count(struct pe_count *sum, const struct pe_count *count)
{
	sum->packets += count->packets;
	sum->bytes += count->bytes;
}

/* Leaves counts that no source has in all that an interface feeds. 0 or -ENOENT. */
static int leave_count(struct pe_registry *registry, int ifindex, size_t offset,
		       const struct pe_count *count)
{
	struct pe_contributor *contributor;

	pthread_mutex_lock(&registry->mutex);
	contributor = find_ifindex(registry, ifindex);
	for (enum pe_level level = 0; contributor && level < PE_LEVELS; level++) {
		struct pe_accumulator *to = contributor->feed[level].to;

		if (to)
			add_count((struct pe_count *)((char *)to + offset), count);
	}
	pthread_mutex_unlock(&registry->mutex);
	return contributor ? 0 : -ENOENT;
}

int pe_registry_add_unobserved(struct pe_registry *registry, int ifindex,
			       enum pe_direction direction, enum pe_unobserved reason,
			       const struct pe_count *count)
{
	return leave_count(registry, ifindex,
			   offsetof(struct pe_accumulator, unobserved[direction][reason]), count);
}

int pe_registry_add_overcounted(struct pe_registry *registry, int ifindex,
				enum pe_direction direction, const struct pe_count *count)
{
	return leave_count(registry, ifindex,
			   offsetof(struct pe_accumulator, overcounted[direction]), count);
}

int pe_registry_remove(struct pe_registry *registry, int ifindex, uint64_t now_ns)
{
	const struct pe_registry_options *options = &registry->options;
	struct pe_contributor *contributor;
	int r = -ENOENT;

	pthread_mutex_lock(&registry->mutex);
	contributor = find_ifindex(registry, ifindex);
	if (contributor) {
		r = 0;
		depart(registry, contributor, now_ns);
		if (options->retention_ns == 0) {
			fold_oldest(registry, now_ns);
		} else if (options->max_departed > 0 &&
			   registry->departed_count > options->max_departed) {
			fold_oldest(registry, now_ns);
			registry->folded_early++;
		}
	}
	pthread_mutex_unlock(&registry->mutex);
	return r;
}

int pe_registry_fold(struct pe_registry *registry, const struct pe_iface_info *info, uint32_t token,
		     uint64_t now_ns)
{
	struct pe_contributor *contributor = new_contributor(registry, info->ifindex, token);
	struct pe_iface_series *series = new_series(info, now_ns);

	if (!contributor || !series) {
		free(contributor);
		free(series);
		return -ENOMEM;
	}
	pthread_mutex_lock(&registry->mutex);
	pe_feed_connect(contributor, PE_LEVEL_INTERFACE, &series->total);
	fold(registry, series, now_ns);
	pthread_mutex_unlock(&registry->mutex);
	return 0;
}

size_t pe_registry_expire(struct pe_registry *registry, uint64_t now_ns, uint64_t *ret_next_ns)
{
	const uint64_t retention_ns = registry->options.retention_ns;
	uint64_t next_ns = 0;
	size_t folded = 0;

	pthread_mutex_lock(&registry->mutex);
	while (registry->oldest && now_ns - registry->oldest->departed_ns >= retention_ns) {
		fold_oldest(registry, now_ns);
		folded++;
	}
	if (registry->oldest &&
	    __builtin_add_overflow(registry->oldest->departed_ns, retention_ns, &next_ns))
		next_ns = UINT64_MAX;
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
	series = find_name(registry, name);
	ifindex = series && !series->departed ? series->info.ifindex : 0;
	pthread_mutex_unlock(&registry->mutex);
	return ifindex;
}

uint32_t pe_registry_token(struct pe_registry *registry, int ifindex)
{
	const struct pe_contributor *contributor;
	uint32_t token;

	pthread_mutex_lock(&registry->mutex);
	contributor = find_ifindex(registry, ifindex);
	token = contributor ? contributor->token : PE_TOKEN_NONE;
	pthread_mutex_unlock(&registry->mutex);
	return token;
}

/* ---- life ---- */

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
	if (pe_table_init(&registry->by_ifindex) < 0 || pe_table_init(&registry->by_name) < 0) {
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
			free_series(registry, pe_iface_of_node(node));
		}
	}
	pe_table_fini(&registry->by_ifindex);
	pe_table_fini(&registry->by_name);
	pthread_mutex_destroy(&registry->mutex);
	free(registry);
	return NULL;
}
