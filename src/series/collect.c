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

#include "inside.h"

static int compare_names(const void *a, const void *b)
{
	const struct pe_iface_series *const *x = a, *const *y = b;

	return strcmp((*x)->info.name, (*y)->info.name);
}

static int collect_iface(const struct pe_registry *registry, struct pe_iface_series *series,
			 struct pe_arena *arena, struct pe_iface_sample *iface)
{
	const struct pe_contributor *contributor = pe_iface_contributor(series);
	struct pe_series_body left;
	int r = 0;

	iface->info = series->info;
	iface->departed = series->departed;
	iface->body.created_ns = series->total.created_ns;
	series->total.sample = &iface->body;
	if (contributor)
		r = pe_contributor_collect(&registry->sources, contributor, arena);
	if (r < 0)
		return r;
	pe_accumulator_left(&series->total, &left);
	return pe_series_body_add(&iface->body, &left, arena);
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

static int collect_fold(const struct pe_registry *registry, struct pe_snapshot *snapshot)
{
	const struct pe_fold *fold = &registry->fold;

	snapshot->departed =
		pe_arena_alloc(snapshot->arena, fold->count, sizeof(*snapshot->departed));
	if (!snapshot->departed)
		return -ENOMEM;
	memcpy(snapshot->departed, fold->group, fold->count * sizeof(*fold->group));
	snapshot->departed_count = fold->count;
	snapshot->self.departed_early = registry->folded_early;
	return 0;
}

int pe_registry_collect(struct pe_registry *registry, struct pe_snapshot *snapshot)
{
	int r;

	/* Both under one lock: an interface must be in exactly one of the two. */
	pthread_mutex_lock(&registry->mutex);
	r = collect_ifaces(registry, snapshot);
	if (r == 0)
		r = collect_fold(registry, snapshot);
	pthread_mutex_unlock(&registry->mutex);
	return r;
}
