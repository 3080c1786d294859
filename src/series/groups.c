/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See groups.h. */
#include "groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/identity.h"

/* ---- without live members ---- */

static void enqueue(struct pe_groups *groups, struct pe_group *group)
{
	if (group == groups->other)
		return;
	group->older = groups->newest;
	group->newer = NULL;
	*(groups->newest ? &groups->newest->newer : &groups->oldest) = group;
	groups->newest = group;
}

static void dequeue(struct pe_groups *groups, struct pe_group *group)
{
	if (group == groups->other)
		return;
	*(group->older ? &group->older->newer : &groups->oldest) = group->newer;
	*(group->newer ? &group->newer->older : &groups->newest) = group->older;
}

void pe_group_arrive(struct pe_groups *groups, struct pe_group *group)
{
	if (group->live++ == 0)
		dequeue(groups, group);
	group->arrived++;
}

void pe_group_depart(struct pe_groups *groups, struct pe_group *group)
{
	group->departed++;
	if (--group->live == 0)
		enqueue(groups, group);
}

void pe_group_end(struct pe_group *group, const struct pe_count moved[PE_DIRECTIONS],
		  uint64_t at_ns)
{
	for (size_t d = 0; d < PE_DIRECTIONS; d++)
		pe_count_add(&group->ended[d], &moved[d]);
	if (at_ns > group->ended_ns)
		group->ended_ns = at_ns;
}

/* ---- by labels ---- */

/* Those of the labels that distinguish groups. */
static void choose(const struct pe_groups *groups, const char *const label[PE_GROUP_LABELS],
		   const char *ret_label[PE_GROUP_LABELS])
{
	for (unsigned int i = 0; i < PE_GROUP_LABELS; i++)
		ret_label[i] = groups->by & PE_GROUP_BIT(i) ? label[i] : "";
}

static uint32_t hash_labels(const char *const label[PE_GROUP_LABELS])
{
	uint32_t hash = PE_HASH_START;

	for (unsigned int i = 0; i < PE_GROUP_LABELS; i++)
		hash = pe_hash_string(hash, label[i]) * 31;
	return hash;
}

static bool has_labels(const struct pe_group *group, const char *const label[PE_GROUP_LABELS])
{
	for (unsigned int i = 0; i < PE_GROUP_LABELS; i++) {
		if (strcmp(group->label[i], label[i]) != 0)
			return false;
	}
	return true;
}

static struct pe_group *find(const struct pe_groups *groups,
			     const char *const label[PE_GROUP_LABELS])
{
	struct pe_node *node = pe_table_first(&groups->by_labels, hash_labels(label));

	while (node && !has_labels(pe_group_of_node(node), label))
		node = pe_table_next(node);
	return node ? pe_group_of_node(node) : NULL;
}

void pe_groups_name(const char *kind, const char *master, const struct pe_identity *identity,
		    const char *ret_label[PE_GROUP_LABELS])
{
	for (unsigned int i = 0; i < PE_GROUP_LABELS; i++)
		ret_label[i] = "";
	ret_label[PE_GROUP_KIND] = kind;
	ret_label[PE_GROUP_MASTER] = master;
	if (!identity)
		return;
	ret_label[PE_GROUP_RUNTIME] = identity->runtime;
	ret_label[PE_GROUP_NAMESPACE] = identity->namespace;
	ret_label[PE_GROUP_POD] = identity->pod;
	ret_label[PE_GROUP_CONTAINER] = identity->container;
	ret_label[PE_GROUP_WORKLOAD] = identity->workload;
	ret_label[PE_GROUP_IMAGE] = identity->image;
}

static struct pe_group *new_group(struct pe_groups *groups,
				  const char *const label[PE_GROUP_LABELS], uint64_t now_ns)
{
	size_t size = sizeof(struct pe_group);
	struct pe_group *group;
	char *text;

	for (unsigned int i = 0; i < PE_GROUP_LABELS; i++)
		size += strlen(label[i]) + 1;
	group = calloc(1, size);
	if (!group)
		return NULL;
	text = group->text;
	for (unsigned int i = 0; i < PE_GROUP_LABELS; i++) {
		group->label[i] = text;
		text = stpcpy(text, label[i]) + 1;
	}
	group->total.created_ns = now_ns;
	group->id = groups->next_id++;
	pe_table_insert(&groups->by_labels, &group->by_labels, hash_labels(label));
	return group;
}

static void free_group(struct pe_groups *groups, struct pe_group *group)
{
	pe_table_remove(&groups->by_labels, &group->by_labels);
	pe_accumulator_fini(&group->total);
	free(group);
}

/* ---- at most so many ---- */

static struct pe_group *use_other(struct pe_groups *groups, uint64_t now_ns)
{
	if (!groups->other->used)
		groups->other->total.created_ns = now_ns;
	groups->other->used = true;
	return groups->other;
}

/* 0; -EBUSY if every group has a live member, -ENOMEM. */
static int fold_oldest(struct pe_groups *groups, uint64_t now_ns)
{
	struct pe_group *group = groups->oldest, *other = groups->other;
	int r;

	if (!group)
		return -EBUSY;
	r = pe_accumulator_merge(&other->total, &group->total);
	if (r < 0)
		return r;
	(void)use_other(groups, now_ns);
	other->arrived += group->arrived;
	other->departed += group->departed;
	pe_group_end(other, group->ended, group->ended_ns);
	dequeue(groups, group);
	free_group(groups, group);
	return 0;
}

static bool is_full(const struct pe_groups *groups)
{
	/* The others' is in the table. */
	return groups->max > 0 && groups->by_labels.count > groups->max;
}

static struct pe_group *add(struct pe_groups *groups, const char *const label[PE_GROUP_LABELS],
			    uint64_t now_ns)
{
	struct pe_group *group = new_group(groups, label, now_ns);

	if (!group)
		return NULL;
	group->used = true;
	enqueue(groups, group);
	return group;
}

struct pe_group *pe_groups_open(struct pe_groups *groups, const char *const label[PE_GROUP_LABELS],
				uint64_t now_ns)
{
	const char *chosen[PE_GROUP_LABELS];
	struct pe_group *group;

	choose(groups, label, chosen);
	group = find(groups, chosen);
	if (group == groups->other || (!group && is_full(groups) && fold_oldest(groups, now_ns)))
		return use_other(groups, now_ns);
	return group ? group : add(groups, chosen, now_ns);
}

void pe_groups_prepare(struct pe_groups *groups, const char *const label[PE_GROUP_LABELS],
		       uint64_t now_ns)
{
	const char *chosen[PE_GROUP_LABELS];
	struct pe_group *group;

	choose(groups, label, chosen);
	group = find(groups, chosen);
	if (group == groups->other)
		(void)use_other(groups, now_ns);
	else if (!group && !is_full(groups))
		(void)add(groups, chosen, now_ns);
}

/* ---- life ---- */

int pe_groups_init(struct pe_groups *groups, unsigned int by, size_t max)
{
	const char *label[PE_GROUP_LABELS];
	unsigned int last = PE_GROUP_LABELS;

	*groups = (struct pe_groups){ .by = by, .max = max };
	if (pe_table_init(&groups->by_labels) < 0)
		return -ENOMEM;
	for (unsigned int i = 0; i < PE_GROUP_LABELS; i++) {
		label[i] = "";
		if (by & PE_GROUP_BIT(i))
			last = i;
	}
	if (by & PE_GROUP_BIT(PE_GROUP_WORKLOAD))
		last = PE_GROUP_WORKLOAD;
	if (last < PE_GROUP_LABELS)
		label[last] = PE_GROUP_OTHER;
	groups->next_id = PE_GROUP_OTHER_ID;
	groups->other = new_group(groups, label, 0);
	return groups->other ? 0 : -ENOMEM;
}

void pe_groups_fini(struct pe_groups *groups)
{
	for (size_t i = 0; groups->by_labels.buckets && i <= groups->by_labels.mask; i++) {
		while (groups->by_labels.buckets[i])
			free_group(groups, pe_group_of_node(groups->by_labels.buckets[i]));
	}
	pe_table_fini(&groups->by_labels);
	groups->other = NULL;
}
