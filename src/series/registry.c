/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry of interfaces.
 *
 * Invariants, under the mutex: every entry is in the table of names; live ones are in the table of
 * ifindexes, departed ones in the queue, oldest first; a departed one has a rows token only where
 * memory was refused. What an entry shows is what its tokens count now plus what it carries from
 * earlier ones; a token's counts are carried before it is released, so nothing is lost or counted
 * twice between the two. Any thread.
 */
#include "pe/registry.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pe/arena.h"
#include "pe/cleanup.h"

#include "carry.h"
#include "fold.h"
#include "table.h"

struct pe_registry {
	pthread_mutex_t mutex;
	struct pe_registry_options options;
	struct pe_carry_source source;
	struct pe_table by_ifindex;
	struct pe_table by_name;
	struct pe_entry *oldest, *newest; /* departed */
	size_t departed_count;
	uint64_t folded_early;
	struct pe_fold fold;
};

/* ---- states ---- */

static void add_count(struct pe_count *sum, const struct pe_count *count)
{
	sum->packets += count->packets;
	sum->bytes += count->bytes;
}

static void free_entry(struct pe_entry *entry)
{
	pe_arena_free(entry->arena);
	free(entry->row);
	free(entry);
}

static struct pe_entry *new_entry(const struct pe_iface_info *info, uint64_t now_ns)
{
	struct pe_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->info = *info;
	entry->created_ns = now_ns;
	pe_set_token(entry, PE_TOKEN_NONE);
	return entry;
}

static void enqueue(struct pe_registry *registry, struct pe_entry *entry, uint64_t now_ns)
{
	entry->departed = true;
	entry->departed_ns = now_ns;
	entry->older = registry->newest;
	entry->newer = NULL;
	*(registry->newest ? &registry->newest->newer : &registry->oldest) = entry;
	registry->newest = entry;
	registry->departed_count++;
}

static void dequeue(struct pe_registry *registry, struct pe_entry *entry)
{
	*(entry->older ? &entry->older->newer : &registry->oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &registry->newest) = entry->older;
	entry->departed = false;
	registry->departed_count--;
}

static void depart(struct pe_registry *registry, struct pe_entry *entry, uint64_t now_ns)
{
	pe_carry_rows(&registry->source, entry);
	pe_table_remove(&registry->by_ifindex, PE_BY_IFINDEX, entry);
	enqueue(registry, entry, now_ns);
}

/* Takes the entry over, which is in no table any more. */
static void fold(struct pe_registry *registry, struct pe_entry *entry, uint64_t now_ns)
{
	struct pe_row rows[PE_DIRECTIONS];

	pe_carry_read_rows(&registry->source, entry, rows);
	pe_fold_add(&registry->fold, entry, rows, now_ns);
	pe_release_rows(&registry->source, entry);
	pe_release_flows(&registry->source, entry);
	free_entry(entry);
}

static void fold_oldest(struct pe_registry *registry, uint64_t now_ns)
{
	struct pe_entry *entry = registry->oldest;

	dequeue(registry, entry);
	pe_table_remove(&registry->by_name, PE_BY_NAME, entry);
	fold(registry, entry, now_ns);
}

static void rename_entry(struct pe_registry *registry, struct pe_entry *entry, const char *name)
{
	pe_table_remove(&registry->by_name, PE_BY_NAME, entry);
	memcpy(entry->info.name, name, sizeof(entry->info.name));
	pe_table_insert(&registry->by_name, PE_BY_NAME, entry);
}

/* A live entry takes over what a departed one left, and the departed one ends. 0 or -ENOMEM. */
static int join(struct pe_registry *registry, struct pe_entry *entry, struct pe_entry *departed)
{
	size_t d, i;
	int r;

	r = pe_carry_reserve_rows(departed);
	if (r == 0)
		r = pe_carry_flows(&registry->source, departed, entry);
	if (r < 0)
		return r;
	pe_carry_rows(&registry->source, departed);
	for (d = 0; entry->row && departed->row && d < PE_DIRECTIONS; d++)
		pe_row_add(&entry->row[d], &departed->row[d]);
	if (!entry->row)
		entry->row = PE_TAKE_PTR(departed->row);
	for (d = 0; d < PE_DIRECTIONS; d++) {
		for (i = 0; i < PE_UNOBSERVED_REASONS; i++)
			add_count(&entry->unobserved[d][i], &departed->unobserved[d][i]);
		add_count(&entry->overcounted[d], &departed->overcounted[d]);
	}
	entry->created_ns = departed->created_ns;
	dequeue(registry, departed);
	pe_table_remove(&registry->by_name, PE_BY_NAME, departed);
	free_entry(departed);
	return 0;
}

/* ---- the contract ---- */

static int add(struct pe_registry *registry, const struct pe_iface_info *info, uint32_t token,
	       uint64_t now_ns)
{
	struct pe_entry *entry;

	if (pe_table_find_ifindex(&registry->by_ifindex, info->ifindex))
		return -EEXIST;
	entry = pe_table_find_name(&registry->by_name, info->name);
	if (entry) {
		/* First what may fail: then the old one still is what it was. */
		int r = pe_carry_reserve_rows(entry);

		if (r == 0)
			r = pe_carry_flows(&registry->source, entry, entry);
		if (r < 0)
			return r;
		if (!entry->departed)
			depart(registry, entry, now_ns);
		pe_carry_rows(&registry->source, entry);
		dequeue(registry, entry);
		entry->info = *info;
	} else {
		entry = new_entry(info, now_ns);
		if (!entry)
			return -ENOMEM;
		pe_table_insert(&registry->by_name, PE_BY_NAME, entry);
	}
	pe_set_token(entry, token);
	pe_table_insert(&registry->by_ifindex, PE_BY_IFINDEX, entry);
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
	struct pe_entry *entry = pe_table_find_ifindex(&registry->by_ifindex, info->ifindex);
	struct pe_entry *other;
	char before[IFNAMSIZ];

	if (!entry)
		return -ENOENT;
	memcpy(before, entry->info.name, sizeof(before));
	if (strcmp(before, info->name) != 0) {
		other = pe_table_find_name(&registry->by_name, info->name);
		if (other && other->departed) {
			int r = join(registry, entry, other);

			if (r < 0)
				return r;
			other = NULL;
		}
		rename_entry(registry, entry, info->name);
		/* Both are live: news of the other one's new name or end are still under way. Until
		 * then it has the name that became free, so that no name is there twice. */
		if (other)
			rename_entry(registry, other, before);
	}
	entry->info = *info;
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
	struct pe_entry *entry;
	int r = -ENOENT;

	pthread_mutex_lock(&registry->mutex);
	entry = pe_table_find_ifindex(&registry->by_ifindex, ifindex);
	if (entry) {
		r = pe_carry_reserve_rows(entry);
		if (r == 0)
			r = pe_carry_flows(&registry->source, entry, entry);
		if (r == 0) {
			pe_carry_rows(&registry->source, entry);
			pe_set_token(entry, token);
		}
	}
	pthread_mutex_unlock(&registry->mutex);
	return r;
}

int pe_registry_add_unobserved(struct pe_registry *registry, int ifindex,
			       enum pe_direction direction, enum pe_unobserved reason,
			       const struct pe_count *count)
{
	struct pe_entry *entry;

	pthread_mutex_lock(&registry->mutex);
	entry = pe_table_find_ifindex(&registry->by_ifindex, ifindex);
	if (entry)
		add_count(&entry->unobserved[direction][reason], count);
	pthread_mutex_unlock(&registry->mutex);
	return entry ? 0 : -ENOENT;
}

int pe_registry_add_overcounted(struct pe_registry *registry, int ifindex,
				enum pe_direction direction, const struct pe_count *count)
{
	struct pe_entry *entry;

	pthread_mutex_lock(&registry->mutex);
	entry = pe_table_find_ifindex(&registry->by_ifindex, ifindex);
	if (entry)
		add_count(&entry->overcounted[direction], count);
	pthread_mutex_unlock(&registry->mutex);
	return entry ? 0 : -ENOENT;
}

int pe_registry_remove(struct pe_registry *registry, int ifindex, uint64_t now_ns)
{
	const struct pe_registry_options *options = &registry->options;
	struct pe_entry *entry;

	pthread_mutex_lock(&registry->mutex);
	entry = pe_table_find_ifindex(&registry->by_ifindex, ifindex);
	if (entry) {
		depart(registry, entry, now_ns);
		if (options->retention_ns == 0) {
			fold_oldest(registry, now_ns);
		} else if (options->max_departed > 0 &&
			   registry->departed_count > options->max_departed) {
			fold_oldest(registry, now_ns);
			registry->folded_early++;
		}
	}
	pthread_mutex_unlock(&registry->mutex);
	return entry ? 0 : -ENOENT;
}

int pe_registry_fold(struct pe_registry *registry, const struct pe_iface_info *info, uint32_t token,
		     uint64_t now_ns)
{
	struct pe_entry *entry = new_entry(info, now_ns);

	if (!entry)
		return -ENOMEM;
	pe_set_token(entry, token);
	pthread_mutex_lock(&registry->mutex);
	fold(registry, entry, now_ns);
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
	const struct pe_entry *entry;
	int ifindex;

	pthread_mutex_lock(&registry->mutex);
	entry = pe_table_find_name(&registry->by_name, name);
	ifindex = entry && !entry->departed ? entry->info.ifindex : 0;
	pthread_mutex_unlock(&registry->mutex);
	return ifindex;
}

uint32_t pe_registry_token(struct pe_registry *registry, int ifindex)
{
	struct pe_entry *entry;
	uint32_t token;

	pthread_mutex_lock(&registry->mutex);
	entry = pe_table_find_ifindex(&registry->by_ifindex, ifindex);
	token = entry ? entry->rows_token : PE_TOKEN_NONE;
	pthread_mutex_unlock(&registry->mutex);
	return token;
}

/* ---- snapshot ---- */

static int compare_names(const void *a, const void *b)
{
	const struct pe_entry *const *x = a, *const *y = b;

	return strcmp((*x)->info.name, (*y)->info.name);
}

static int collect_entry(const struct pe_carry_source *source, const struct pe_entry *entry,
			 struct pe_arena *arena, struct pe_iface_sample *iface)
{
	int r;

	iface->info = entry->info;
	iface->departed = entry->departed;
	iface->body.created_ns = entry->created_ns;
	memcpy(iface->body.unobserved, entry->unobserved, sizeof(iface->body.unobserved));
	memcpy(iface->body.overcounted, entry->overcounted, sizeof(iface->body.overcounted));
	pe_carry_read_rows(source, entry, iface->body.row);
	if (entry->flows_token != PE_TOKEN_NONE) {
		r = source->ops->read_flows(entry->flows_token, arena, &iface->body.flows,
					    source->userdata);
		if (r < 0)
			return r;
	}
	if (entry->departed)
		iface->body.flows.active = 0;
	return entry->flows ? pe_flow_sample_add(&iface->body.flows, entry->flows, arena) : 0;
}

static int collect_entries(struct pe_registry *registry, struct pe_snapshot *snapshot)
{
	const struct pe_table *table = &registry->by_name;
	_cleanup_free_ struct pe_entry **sorted = calloc(table->count + 1, sizeof(*sorted));
	struct pe_entry *entry;
	size_t i, n = 0;
	int r;

	if (!sorted)
		return -ENOMEM;
	for (i = 0; i <= table->mask; i++)
		for (entry = table->buckets[i]; entry; entry = entry->chain[PE_BY_NAME])
			sorted[n++] = entry;
	qsort(sorted, n, sizeof(*sorted), compare_names);
	r = pe_snapshot_alloc_ifaces(snapshot, n);
	for (i = 0; r == 0 && i < n; i++) {
		r = collect_entry(&registry->source, sorted[i], snapshot->arena,
				  &snapshot->ifaces[i]);
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
	r = collect_entries(registry, snapshot);
	if (r == 0)
		r = collect_fold(registry, snapshot);
	pthread_mutex_unlock(&registry->mutex);
	return r;
}

/* ---- life ---- */

int pe_registry_new(const struct pe_registry_options *options, const struct pe_registry_ops *ops,
		    void *userdata, struct pe_registry **ret_registry)
{
	struct pe_registry *registry = calloc(1, sizeof(*registry));

	if (!registry)
		return -ENOMEM;
	pthread_mutex_init(&registry->mutex, NULL);
	registry->options = *options;
	registry->source = (struct pe_carry_source){ ops, userdata };
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
		struct pe_entry *entry = registry->by_name.buckets[i], *next;

		for (; entry; entry = next) {
			next = entry->chain[PE_BY_NAME];
			pe_release_rows(&registry->source, entry);
			pe_release_flows(&registry->source, entry);
			free_entry(entry);
		}
	}
	pe_table_fini(&registry->by_ifindex);
	pe_table_fini(&registry->by_name);
	pthread_mutex_destroy(&registry->mutex);
	free(registry);
	return NULL;
}
