/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sums of departed interfaces, in a sorted array. Protected by the registry's mutex.
 */
#include "fold.h"

#include <string.h>

#define OTHER_KIND   "other"
#define OTHER_MASTER ""

/* The first group that is not before (kind, master); *ret_equal says whether it is that one. */
static size_t lower_bound(const struct pe_fold *fold, const char *kind, const char *master,
			  bool *ret_equal)
{
	size_t low = 0, high = fold->count;

	*ret_equal = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct pe_departed_sample *group = &fold->group[middle];
		int order = strcmp(group->kind, kind);

		if (order == 0)
			order = strcmp(group->master, master);
		if (order == 0)
			*ret_equal = true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct pe_departed_sample *get_group(struct pe_fold *fold, const char *kind,
					    const char *master, uint64_t now_ns)
{
	struct pe_departed_sample *group;
	bool equal, other;
	size_t at = lower_bound(fold, kind, master, &equal);

	group = &fold->group[at];
	if (equal)
		return group;
	other = strcmp(kind, OTHER_KIND) == 0 && strcmp(master, OTHER_MASTER) == 0;
	if (!other && fold->named == PE_FOLD_GROUPS)
		return get_group(fold, OTHER_KIND, OTHER_MASTER, now_ns);
	memmove(group + 1, group, (fold->count - at) * sizeof(*group));
	*group = (struct pe_departed_sample){ .created_ns = now_ns };
	memccpy(group->kind, kind, 0, sizeof(group->kind) - 1);
	memccpy(group->master, master, 0, sizeof(group->master) - 1);
	fold->count++;
	if (!other)
		fold->named++;
	return group;
}

static void add_count(struct pe_count *sum, const struct pe_count *count)
{
	sum->packets += count->packets;
	sum->bytes += count->bytes;
}

void pe_fold_add(struct pe_fold *fold, const struct pe_iface_info *info,
		 const struct pe_series_body *body, uint64_t now_ns)
{
	struct pe_departed_sample *group = get_group(fold, info->kind, info->master, now_ns);
	size_t d, i;

	group->interfaces++;
	for (d = 0; d < PE_DIRECTIONS; d++) {
		struct pe_count total = pe_row_total(&body->row[d]);

		add_count(&group->count[d], &total);
		for (i = 0; i < PE_UNOBSERVED_REASONS; i++)
			add_count(&group->unobserved[d][i], &body->unobserved[d][i]);
		add_count(&group->overcounted[d], &body->overcounted[d]);
	}
}
