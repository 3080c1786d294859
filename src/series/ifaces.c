/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The series of interfaces, by name. Every one is in the table of names; those of departed
 * interfaces are in the queue, oldest first. Under the registry's mutex.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/identity.h"

#include "inside.h"

/* ---- by name ---- */

struct pe_iface_series *pe_iface_find(const struct pe_registry *registry, const char *name)
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

static void rename_series(struct pe_registry *registry, struct pe_iface_series *series,
			  const char *name)
{
	pe_table_remove(&registry->by_name, &series->by_name);
	memcpy(series->info.name, name, sizeof(series->info.name));
	insert_name(registry, series);
}

static bool is_empty(const char *text)
{
	return !text || !*text;
}

/* With copies of alias and altnames, which most have not. Without memory for them they are not
 * shown.
 */
static void take_info(struct pe_iface_series *series, const struct pe_iface_info *info)
{
	const char *alias = is_empty(info->alias) ? "" : info->alias;
	const char *altnames = is_empty(info->altnames) ? "" : info->altnames;
	const size_t size = strlen(alias) + 1;
	char *texts = NULL;

	if (*alias || *altnames)
		texts = malloc(size + strlen(altnames) + 1);
	free(series->texts);
	series->texts = texts;
	series->info = *info;
	series->info.alias = texts ? strcpy(texts, alias) : "";
	series->info.altnames = texts ? strcpy(texts + size, altnames) : "";
}

/* ---- departed ones ---- */

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

/* ---- life ---- */

static struct pe_iface_series *new_series(const struct pe_iface_info *info, uint64_t now_ns)
{
	struct pe_iface_series *series = calloc(1, sizeof(*series));

	if (!series)
		return NULL;
	take_info(series, info);
	series->total.created_ns = now_ns;
	return series;
}

void pe_iface_free(struct pe_registry *registry, struct pe_iface_series *series)
{
	pe_member_free(registry, pe_iface_member(series));
	pe_accumulator_fini(&series->total);
	pe_identity_unref(series->identity);
	free(series->texts);
	free(series);
}

static void set_fault(uint64_t *last, uint64_t *before, uint64_t now)
{
	/* As a database takes it. */
	if (now < *last)
		*before += *last;
	*last = now;
}

void pe_iface_set_faults(struct pe_iface_series *series, const struct pe_faults *faults)
{
	struct pe_faults *last = &series->faults, *before = &series->before;

	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		set_fault(&last->dropped[d], &before->dropped[d], faults->dropped[d]);
		set_fault(&last->errors[d], &before->errors[d], faults->errors[d]);
	}
}

static void add_faults(struct pe_faults *a, const struct pe_faults *b)
{
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		a->dropped[d] += b->dropped[d];
		a->errors[d] += b->errors[d];
	}
}

/* Another interface begins with its own. */
static void end_faults(struct pe_iface_series *series)
{
	add_faults(&series->before, &series->faults);
	series->faults = (struct pe_faults){ 0 };
}

void pe_iface_depart(struct pe_registry *registry, struct pe_iface_series *series, uint64_t now_ns)
{
	enqueue(registry, series, now_ns);
}

/* Ends what contributes to a series, live or departed. 0 or -ENOMEM (nothing changed). */
static int end_member(struct pe_registry *registry, struct pe_iface_series *series, uint64_t now_ns)
{
	const struct pe_counter_sources *sources = &registry->sources;
	struct pe_member *member = pe_iface_member(series);
	int r;

	if (!member)
		return 0;
	r = pe_contributor_carry_over(sources, &member->counters, sources->all);
	if (r < 0)
		return r;
	if (member->counters.departed) {
		pe_member_end(registry, member);
	} else {
		pe_feed_disconnect(&member->counters, PE_LEVEL_INTERFACE);
		pe_member_depart(registry, member, now_ns);
	}
	return 0;
}

struct pe_iface_series *pe_iface_open(struct pe_registry *registry,
				      const struct pe_iface_info *info, uint64_t now_ns)
{
	struct pe_iface_series *series = pe_iface_find(registry, info->name);

	if (!series) {
		series = new_series(info, now_ns);
		if (series)
			insert_name(registry, series);
		return series;
	}
	/* First what may fail: then the old one still is what it was. */
	if (end_member(registry, series, now_ns) < 0)
		return NULL;
	if (series->departed)
		dequeue(registry, series);
	end_faults(series);
	take_info(series, info);
	series->identity = pe_identity_unref(series->identity);
	return series;
}

void pe_iface_fold_oldest(struct pe_registry *registry)
{
	struct pe_iface_series *series = registry->oldest;
	struct pe_member *member = pe_iface_member(series);

	dequeue(registry, series);
	pe_table_remove(&registry->by_name, &series->by_name);
	if (member)
		pe_member_end(registry, member);
	pe_iface_free(registry, series);
}

/* ---- changes ---- */

/* Carries over to `series` what still contributes to a departed one. 0 or -ENOMEM. */
static int take_member(struct pe_registry *registry, struct pe_iface_series *series,
		       struct pe_iface_series *departed)
{
	const struct pe_counter_sources *sources = &registry->sources;
	struct pe_member *member = pe_iface_member(departed);
	int r;

	if (!member)
		return 0;
	pe_feed_disconnect(&member->counters, PE_LEVEL_INTERFACE);
	pe_feed_connect(&member->counters, PE_LEVEL_INTERFACE, &series->total);
	r = pe_contributor_carry_over(sources, &member->counters, sources->all);
	if (r == 0) {
		pe_member_end(registry, member);
	} else {
		pe_feed_disconnect(&member->counters, PE_LEVEL_INTERFACE);
		pe_feed_connect(&member->counters, PE_LEVEL_INTERFACE, &departed->total);
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
		r = take_member(registry, series, departed);
	if (r < 0)
		return r;
	pe_accumulator_leave(&series->total, &left);
	add_faults(&series->before, &departed->before);
	add_faults(&series->before, &departed->faults);
	series->total.created_ns = departed->total.created_ns;
	dequeue(registry, departed);
	pe_table_remove(&registry->by_name, &departed->by_name);
	pe_iface_free(registry, departed);
	return 0;
}

int pe_iface_update(struct pe_registry *registry, struct pe_iface_series *series,
		    const struct pe_iface_info *info)
{
	struct pe_iface_series *other;
	char before[IFNAMSIZ];

	memcpy(before, series->info.name, sizeof(before));
	if (strcmp(before, info->name) != 0) {
		other = pe_iface_find(registry, info->name);
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
	take_info(series, info);
	return 0;
}
