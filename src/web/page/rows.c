/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See rows.h. */
#include "rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pe/clock.h"

/* ---- what a row is ---- */

const char *pe_page_row_kind(const struct pe_page_row *row)
{
	return row->iface ? row->iface->info.kind : row->group->label[PE_GROUP_KIND];
}

const char *pe_page_row_master(const struct pe_page_row *row)
{
	return row->iface ? row->iface->info.master : row->group->label[PE_GROUP_MASTER];
}

const char *pe_page_row_workload(const struct pe_page_row *row)
{
	if (row->group)
		return row->group->label[PE_GROUP_WORKLOAD];
	return row->iface->identity ? row->iface->identity->workload : "";
}

const char *pe_page_row_namespace(const struct pe_page_row *row)
{
	if (row->group)
		return row->group->label[PE_GROUP_NAMESPACE];
	return row->iface->identity ? row->iface->identity->namespace : "";
}

static const char *pod_of(const struct pe_page_row *row)
{
	if (row->group)
		return row->group->label[PE_GROUP_POD];
	return row->iface->identity ? row->iface->identity->pod : "";
}

static const char *name_of_iface(const struct pe_iface_sample *iface)
{
	const struct pe_identity *identity = iface->identity;

	if (!identity)
		return iface->info.name;
	return *identity->container  ? identity->container
	       : *identity->pod	     ? identity->pod
	       : *identity->workload ? identity->workload
				     : iface->info.name;
}

/* What distinguishes it, the most telling first. */
static const char *name_of_group(const struct pe_group_sample *group)
{
	static const enum pe_group_label order[PE_GROUP_LABELS] = {
		PE_GROUP_CONTAINER, PE_GROUP_POD,    PE_GROUP_WORKLOAD, PE_GROUP_IMAGE,
		PE_GROUP_NAMESPACE, PE_GROUP_MASTER, PE_GROUP_KIND,	PE_GROUP_RUNTIME,
	};

	for (size_t i = 0; i < PE_GROUP_LABELS; i++) {
		if (*group->label[order[i]])
			return group->label[order[i]];
	}
	return "";
}

const char *pe_page_row_name(const struct pe_page_row *row)
{
	return row->iface ? name_of_iface(row->iface) : name_of_group(row->group);
}

static void set_numbers(const struct pe_live_view *view, struct pe_page_row *row)
{
	uint64_t end_ns = row->iface && row->iface->departed ? row->iface->departed_ns
							     : view->snapshot->taken_ns;

	row->rate = pe_live_rate(row->track);
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		row->total[d] = pe_row_total(&row->body->row[d]);
		for (size_t reason = 0; reason < PE_UNOBSERVED_REASONS; reason++)
			row->unobserved += row->body->unobserved[d][reason].packets;
		row->overcounted += row->body->overcounted[d].packets;
		row->dropped += row->iface ? row->iface->dropped[d] : 0;
	}
	if (end_ns > row->body->created_ns)
		row->lived_s = (double)(end_ns - row->body->created_ns) / PE_NS_PER_S;
}

static void set_iface(const struct pe_live_view *view, size_t i, struct pe_page_row *ret_row)
{
	const struct pe_iface_sample *iface = &view->snapshot->ifaces[i];

	*ret_row = (struct pe_page_row){
		.index = i,
		.iface = iface,
		.body = &iface->body,
		.track = view->ifaces[i],
	};
	set_numbers(view, ret_row);
}

static void set_group(const struct pe_live_view *view, size_t i, struct pe_page_row *ret_row)
{
	const struct pe_group_sample *group = &view->snapshot->groups[i];

	*ret_row = (struct pe_page_row){
		.index = i,
		.group = group,
		.body = &group->body,
		.track = view->groups[i],
	};
	set_numbers(view, ret_row);
}

/* ---- which ones ---- */

static bool contains(const char *text, const char *part)
{
	return strcasestr(text, part);
}

static bool matches_search(const struct pe_page_row *row, const char *search)
{
	const struct pe_iface_info *info = row->iface ? &row->iface->info : NULL;
	const struct pe_identity *identity = row->iface ? row->iface->identity : NULL;

	return contains(pe_page_row_name(row), search) || contains(pod_of(row), search) ||
	       contains(pe_page_row_workload(row), search) ||
	       contains(pe_page_row_namespace(row), search) ||
	       contains(pe_page_row_master(row), search) ||
	       (info && (contains(info->name, search) || contains(info->alias, search) ||
			 contains(info->altnames, search))) ||
	       (identity &&
		(contains(identity->image, search) || contains(identity->container_id, search)));
}

static bool matches(const struct pe_page_row *row, const struct pe_page_query *query)
{
	const char *kind = pe_page_row_kind(row);

	if (*query->kind && strcmp(query->kind, *kind ? kind : "none") != 0)
		return false;
	if (*query->workload && !contains(pe_page_row_workload(row), query->workload) &&
	    !contains(pe_page_row_namespace(row), query->workload) &&
	    !contains(pod_of(row), query->workload))
		return false;
	return !*query->search || matches_search(row, query->search);
}

static size_t select_rows(const struct pe_live_view *view, const struct pe_page_query *query,
			  struct pe_page_rows *rows)
{
	const struct pe_snapshot *snapshot = view->snapshot;
	const bool groups = query->view == PE_VIEW_GROUPS;
	const size_t count = groups ? snapshot->group_count : snapshot->iface_count;
	struct pe_page_row *row = rows->all;

	for (size_t i = 0; i < count; i++) {
		if (!groups && snapshot->ifaces[i].departed != (query->view == PE_VIEW_DEPARTED))
			continue;
		rows->total++;
		if (groups)
			set_group(view, i, row);
		else
			set_iface(view, i, row);
		if (matches(row, query))
			row++;
	}
	return (size_t)(row - rows->all);
}

/* ---- their order ---- */

/* A second; of what has departed all that it moved, as its columns show. */
static double moved(const struct pe_page_row *row, size_t direction, bool packets)
{
	if (row->track)
		return packets ? row->rate.packets[direction] : row->rate.bits[direction];
	return packets ? (double)row->total[direction].packets
		       : 8 * (double)row->total[direction].bytes;
}

static double number_of(const struct pe_page_row *row, enum pe_page_sort sort)
{
	switch (sort) {
	case PE_SORT_IN_BITS:
		return moved(row, PE_INGRESS, false);
	case PE_SORT_OUT_BITS:
		return moved(row, PE_EGRESS, false);
	case PE_SORT_IN_PACKETS:
		return moved(row, PE_INGRESS, true);
	case PE_SORT_OUT_PACKETS:
		return moved(row, PE_EGRESS, true);
	case PE_SORT_UNOBSERVED:
		return (double)row->unobserved;
	case PE_SORT_DROPS:
		return (double)row->dropped;
	case PE_SORT_BYTES:
		return (double)row->total[PE_INGRESS].bytes + (double)row->total[PE_EGRESS].bytes;
	case PE_SORT_LIVED:
		return row->lived_s;
	case PE_SORT_INTERFACES:
		return row->group ? (double)row->group->interfaces : 0;
	case PE_SORT_DEPARTED:
		return row->iface ? (double)row->iface->departed_ns : 0;
	default:
		return moved(row, PE_INGRESS, false) + moved(row, PE_EGRESS, false);
	}
}

static int compare_texts(const struct pe_page_row *a, const struct pe_page_row *b,
			 enum pe_page_sort sort)
{
	switch (sort) {
	case PE_SORT_WORKLOAD:
		return strcmp(pe_page_row_workload(a), pe_page_row_workload(b));
	case PE_SORT_MASTER:
		return strcmp(pe_page_row_master(a), pe_page_row_master(b));
	case PE_SORT_MODE:
		return a->iface && b->iface ? strcmp(pe_mode_name(a->iface->info.mode),
						     pe_mode_name(b->iface->info.mode))
					    : 0;
	case PE_SORT_NAME:
		return strcmp(pe_page_row_name(a), pe_page_row_name(b));
	default:
		return 0;
	}
}

/* Of equal texts the busier one comes first, whatever the order; what is equal in all stays as it
 * is in the snapshot, so that it does not jump about. */
static int compare(const void *a, const void *b, void *userdata)
{
	const struct pe_page_row *x = a, *y = b;
	const struct pe_page_query *query = userdata;
	const double m = number_of(x, query->sort), n = number_of(y, query->sort);
	const int texts = compare_texts(x, y, query->sort), numbers = (m > n) - (m < n);
	const bool ascending = query->ascending && !pe_page_sort_is_text(query->sort);

	if (texts)
		return query->ascending ? texts : -texts;
	if (numbers)
		return ascending ? numbers : -numbers;
	return (x->index > y->index) - (x->index < y->index);
}

int pe_page_rows_select(const struct pe_live_view *view, const struct pe_page_query *query,
			size_t limit, struct pe_page_rows *ret_rows)
{
	const struct pe_snapshot *snapshot = view->snapshot;
	const size_t most = snapshot->iface_count + snapshot->group_count + 1;
	struct pe_page_rows rows = { .all = calloc(most, sizeof(*rows.all)) };

	if (!rows.all)
		return -ENOMEM;
	rows.matched = select_rows(view, query, &rows);
	qsort_r(rows.all, rows.matched, sizeof(*rows.all), compare, (void *)query);
	rows.row = rows.all;
	if (query->offset < rows.matched) {
		rows.row += query->offset;
		rows.count = rows.matched - query->offset;
	}
	if (rows.count > limit)
		rows.count = limit;
	*ret_rows = rows;
	return 0;
}

int pe_page_rows_find(const struct pe_live_view *view, int ifindex, struct pe_page_row *ret_row)
{
	for (size_t i = 0; i < view->snapshot->iface_count; i++) {
		const struct pe_iface_sample *iface = &view->snapshot->ifaces[i];

		if (!iface->departed && iface->info.ifindex == ifindex) {
			set_iface(view, i, ret_row);
			return 0;
		}
	}
	return -ENOENT;
}

void pe_page_rows_fini(struct pe_page_rows *rows)
{
	free(rows->all);
	*rows = (struct pe_page_rows){ 0 };
}
