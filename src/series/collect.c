/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry's part of a snapshot. Each contributor is read once; what ended ones left is added
 * to that. Under the registry's mutex.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/arena.h"
#include "pe/cleanup.h"
#include "pe/identity.h"

#include "inside.h"

/* ---- the host and groups ---- */

static void begin(struct pe_accumulator *accumulator, struct pe_series_body *sample)
{
	sample->created_ns = accumulator->created_ns;
	accumulator->sample = sample;
}

static int compare_labels(const void *a, const void *b)
{
	const struct pe_group *const *x = a, *const *y = b;
	int order = 0;

	for (unsigned int i = 0; order == 0 && i < PE_GROUP_LABELS; i++)
		order = strcmp((*x)->label[i], (*y)->label[i]);
	return order;
}

static int begin_group(struct pe_group *group, struct pe_arena *arena,
		       struct pe_group_sample *sample)
{
	for (unsigned int i = 0; i < PE_GROUP_LABELS; i++) {
		if (*group->label[i])
			sample->label[i] = pe_arena_strdup(arena, group->label[i], SIZE_MAX - 1);
		if (!sample->label[i])
			return -ENOMEM;
	}
	sample->interfaces = group->live;
	sample->arrived = group->arrived;
	sample->departed = group->departed;
	memcpy(sample->ended, group->ended, sizeof(sample->ended));
	sample->ended_ns = group->ended_ns;
	sample->id = group->id;
	begin(&group->total, &sample->body);
	return 0;
}

static int begin_groups(struct pe_registry *registry, struct pe_snapshot *snapshot)
{
	const struct pe_table *table = &registry->groups.by_labels;
	_cleanup_free_ struct pe_node **nodes = calloc(table->count, sizeof(*nodes));
	_cleanup_free_ struct pe_group **sorted = calloc(table->count, sizeof(*sorted));
	size_t count = 0;
	int r;

	if (!nodes || !sorted)
		return -ENOMEM;
	pe_table_list(table, nodes);
	for (size_t i = 0; i < table->count; i++) {
		if (pe_group_of_node(nodes[i])->used)
			sorted[count++] = pe_group_of_node(nodes[i]);
	}
	qsort(sorted, count, sizeof(*sorted), compare_labels);
	r = pe_snapshot_alloc_groups(snapshot, count);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = begin_group(sorted[i], snapshot->arena, &snapshot->groups[i]);
	snapshot->group_by = registry->groups.by;
	return r;
}

/* What earlier members left, in no sample yet. */
static int finish_groups(struct pe_registry *registry, struct pe_snapshot *snapshot)
{
	const struct pe_table *table = &registry->groups.by_labels;
	int r = pe_accumulator_collect(&registry->host, snapshot->arena);

	for (struct pe_member *member = registry->waiting; r == 0 && member; member = member->next)
		r = pe_accumulator_collect(&member->wait, snapshot->arena);
	for (size_t i = 0; i <= table->mask; i++) {
		struct pe_node *node;

		for (node = table->buckets[i]; r == 0 && node; node = node->next) {
			struct pe_group *group = pe_group_of_node(node);

			if (group->used)
				r = pe_accumulator_collect(&group->total, snapshot->arena);
		}
	}
	return r;
}

static void begin_host(struct pe_registry *registry, struct pe_snapshot *snapshot)
{
	struct pe_group_sample *waiting = snapshot->waiting;

	begin(&registry->host, &snapshot->host->body);
	snapshot->host->arrived = registry->arrived;
	snapshot->host->departed = registry->departed;
	snapshot->host->interfaces = registry->arrived - registry->departed;
	for (struct pe_member *member = registry->waiting; member; member = member->next) {
		member->wait.sample = &waiting->body;
		waiting->arrived++;
		waiting->departed += member->counters.departed;
		waiting->interfaces += !member->counters.departed;
		for (size_t d = 0; member->counters.departed && d < PE_DIRECTIONS; d++)
			pe_count_add(&waiting->ended[d], &member->counters.moved[d]);
	}
}

/* ---- interfaces ---- */

static int compare_names(const void *a, const void *b)
{
	const struct pe_iface_series *const *x = a, *const *y = b;

	return strcmp((*x)->info.name, (*y)->info.name);
}

static int collect_info(const struct pe_iface_series *series, struct pe_arena *arena,
			struct pe_iface_info *ret_info)
{
	*ret_info = series->info;
	if (!series->texts)
		return 0;
	ret_info->alias = pe_arena_strdup(arena, series->info.alias, SIZE_MAX - 1);
	ret_info->altnames = pe_arena_strdup(arena, series->info.altnames, SIZE_MAX - 1);
	return ret_info->alias && ret_info->altnames ? 0 : -ENOMEM;
}

static void collect_tcp(const struct pe_registry *registry, struct pe_iface_series *series,
			struct pe_iface_sample *iface)
{
	pe_spaces_summarize(registry, series);
	iface->has_tcp = series->netns;
	iface->tcp.retransmitted = series->tcp_before.retransmitted + series->tcp.retransmitted;
	iface->tcp.failed = series->tcp_before.failed + series->tcp.failed;
	iface->tcp.reset = series->tcp_before.reset + series->tcp.reset;
}

static int collect_iface(const struct pe_registry *registry, struct pe_iface_series *series,
			 struct pe_arena *arena, struct pe_iface_sample *iface)
{
	const struct pe_member *member = pe_iface_member(series);
	int r = collect_info(series, arena, &iface->info);

	if (r < 0)
		return r;
	iface->identity = series->identity ? pe_identity_ref(series->identity) : NULL;
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		iface->dropped[d] = series->before.dropped[d] + series->faults.dropped[d];
		iface->errors[d] = series->before.errors[d] + series->faults.errors[d];
	}
	collect_tcp(registry, series, iface);
	iface->departed = series->departed;
	iface->departed_ns = series->departed ? series->departed_ns : 0;
	begin(&series->total, &iface->body);
	if (member)
		r = pe_contributor_collect(&registry->sources, &member->counters, arena);
	return r < 0 ? r : pe_accumulator_collect(&series->total, arena);
}

static int collect_ifaces(struct pe_registry *registry, struct pe_snapshot *snapshot)
{
	const size_t count = registry->by_name.count;
	_cleanup_free_ struct pe_node **nodes = calloc(count + 1, sizeof(*nodes));
	_cleanup_free_ struct pe_iface_series **sorted = calloc(count + 1, sizeof(*sorted));
	int r;

	if (!nodes || !sorted)
		return -ENOMEM;
	pe_table_list(&registry->by_name, nodes);
	for (size_t i = 0; i < count; i++)
		sorted[i] = pe_iface_of_node(nodes[i]);
	qsort(sorted, count, sizeof(*sorted), compare_names);
	r = pe_snapshot_alloc_ifaces(snapshot, count);
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = collect_iface(registry, sorted[i], snapshot->arena, &snapshot->ifaces[i]);
		if (!sorted[i]->departed)
			snapshot->self.interfaces_attached[sorted[i]->info.mode]++;
	}
	return r;
}

/* Members whose series have ended, or that never had any. */
static int collect_nameless(struct pe_registry *registry, struct pe_arena *arena)
{
	struct pe_feed *feed;
	int r = 0;

	for (feed = registry->host.feeds; r == 0 && feed; feed = feed->next) {
		if (!feed->from->feed[PE_LEVEL_INTERFACE].to)
			r = pe_contributor_collect(&registry->sources, feed->from, arena);
	}
	return r;
}

static int collect(struct pe_registry *registry, struct pe_snapshot *snapshot)
{
	int r = begin_groups(registry, snapshot);

	if (r < 0)
		return r;
	begin_host(registry, snapshot);
	r = collect_ifaces(registry, snapshot);
	if (r == 0)
		r = collect_nameless(registry, snapshot->arena);
	if (r == 0)
		r = finish_groups(registry, snapshot);
	snapshot->self.departed_early = registry->folded_early;
	return r;
}

int pe_registry_collect(struct pe_registry *registry, struct pe_snapshot *snapshot)
{
	int r;

	/* All under one lock: what is at one level is at the others. */
	pthread_mutex_lock(&registry->mutex);
	r = collect(registry, snapshot);
	pthread_mutex_unlock(&registry->mutex);
	return r;
}
