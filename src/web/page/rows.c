/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See rows.h. */
#include "rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pe/clock.h"

#include "packed.h"

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

bool pe_page_row_is_live(const struct pe_page_row *row)
{
	return pe_live_is_live(row->item);
}

static void set_numbers(const struct pe_live_view *view, struct pe_page_row *row)
{
	uint64_t end_ns = row->iface && row->iface->departed ? row->iface->departed_ns
							     : view->about->taken_ns;

	row->rate = pe_live_rate(row->item);
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		row->total[d] = pe_row_total(&row->body->row[d]);
		for (size_t reason = 0; reason < PE_UNOBSERVED_REASONS; reason++)
			row->unobserved += row->body->unobserved[d][reason].packets;
		row->overcounted += row->body->overcounted[d].packets;
		row->dropped += row->iface ? row->iface->dropped[d] : 0;
	}
	if (row->group)
		row->tcp = view->about->tcp ? &row->group->tcp : NULL;
	else
		row->tcp = view->about->tcp && row->iface->has_tcp ? &row->iface->tcp : NULL;
	if (end_ns > row->body->created_ns)
		row->lived_s = (double)(end_ns - row->body->created_ns) / PE_NS_PER_S;
}

/* Without its flows. */
static void read_row(const struct pe_live_view *view, const struct pe_live_item *item,
		     bool is_group, union pe_page_sample *sample, struct pe_page_row *ret_row)
{
	const char *packed = pe_live_packed(item);

	*ret_row = (struct pe_page_row){ .item = item };
	if (is_group) {
		pe_packed_read_group(packed, NULL, &sample->group);
		ret_row->group = &sample->group;
		ret_row->body = &sample->group.body;
	} else {
		pe_packed_read_iface(packed, NULL, &sample->iface);
		sample->iface.identity = pe_live_identity(item);
		ret_row->iface = &sample->iface;
		ret_row->body = &sample->iface.body;
	}
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

/* What it takes to sort an item. */
struct pe_page_candidate {
	const struct pe_live_item *item;
	size_t index; /* in the view */
	double number;
	const char *text; /* the item's or a constant */
};

/* ---- their order ---- */

/* A second; of what has departed all that it moved, as its columns show. */
static double moved(const struct pe_page_row *row, size_t direction, bool packets)
{
	if (pe_page_row_is_live(row))
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
	case PE_SORT_RETRANSMITS:
		return row->tcp ? (double)row->tcp->retransmitted : 0;
	case PE_SORT_FAILED:
		return row->tcp ? (double)row->tcp->failed : 0;
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

/* NULL unless texts are compared. It must outlive the row. */
static const char *text_of(const struct pe_page_row *row, enum pe_page_sort sort)
{
	const char *packed = pe_live_packed(row->item), *name;

	switch (sort) {
	case PE_SORT_WORKLOAD:
		return pe_page_row_workload(row);
	case PE_SORT_MASTER:
		return row->iface ? pe_packed_text(packed, PE_PACKED_MASTER)
				  : pe_page_row_master(row);
	case PE_SORT_MODE:
		return row->iface ? pe_mode_name(row->iface->info.mode) : "";
	case PE_SORT_NAME:
		name = pe_page_row_name(row);
		return row->iface && name == row->iface->info.name
			       ? pe_packed_text(packed, PE_PACKED_NAME)
			       : name;
	default:
		return NULL;
	}
}

/* Of equal texts the busier one comes first, whatever the order; what is equal in all stays as it
 * is in the view, so that it does not jump about. */
static int compare(const void *a, const void *b, void *userdata)
{
	const struct pe_page_candidate *x = a, *y = b;
	const struct pe_page_query *query = userdata;
	const int texts = x->text ? strcmp(x->text, y->text) : 0;
	const int numbers = (x->number > y->number) - (x->number < y->number);

	if (texts)
		return query->ascending ? texts : -texts;
	if (numbers)
		return query->ascending && !x->text ? numbers : -numbers;
	return (x->index > y->index) - (x->index < y->index);
}

/* ---- selecting ---- */

static bool is_shown(const struct pe_live_item *item, const struct pe_page_query *query)
{
	return pe_live_is_live(item) != (query->view == PE_VIEW_DEPARTED);
}

int pe_page_rows_select(const struct pe_live_view *view, const struct pe_page_query *query,
			size_t limit, struct pe_page_rows *ret_rows)
{
	const bool is_groups = query->view == PE_VIEW_GROUPS;
	const struct pe_live_items *items = is_groups ? &view->groups : &view->ifaces;
	struct pe_page_rows *rows = ret_rows;

	*rows = (struct pe_page_rows){ .view = view, .is_groups = is_groups };
	rows->all = calloc(items->count + 1, sizeof(*rows->all));
	if (!rows->all)
		return -ENOMEM;
	for (size_t i = 0; i < items->count; i++) {
		struct pe_page_row row;

		if (!is_shown(items->item[i], query))
			continue;
		rows->total++;
		read_row(view, items->item[i], is_groups, &rows->sample, &row);
		if (matches(&row, query))
			rows->all[rows->matched++] =
				(struct pe_page_candidate){ items->item[i], i,
							    number_of(&row, query->sort),
							    text_of(&row, query->sort) };
	}
	qsort_r(rows->all, rows->matched, sizeof(*rows->all), compare, (void *)query);
	rows->first = query->offset < rows->matched ? query->offset : rows->matched;
	rows->count = rows->matched - rows->first < limit ? rows->matched - rows->first : limit;
	return 0;
}

int pe_page_rows_find(const struct pe_live_view *view, int ifindex, struct pe_page_rows *ret_rows)
{
	struct pe_page_rows *rows = ret_rows;
	struct pe_page_row row;

	*rows = (struct pe_page_rows){ .view = view };
	for (size_t i = 0; i < view->ifaces.count; i++) {
		const struct pe_live_item *item = view->ifaces.item[i];

		read_row(view, item, false, &rows->sample, &row);
		if (!pe_live_is_live(item) || row.iface->info.ifindex != ifindex)
			continue;
		rows->all = calloc(1, sizeof(*rows->all));
		if (!rows->all)
			return -ENOMEM;
		rows->all->item = item;
		rows->count = rows->matched = rows->total = 1;
		return 0;
	}
	return -ENOENT;
}

void pe_page_rows_fini(struct pe_page_rows *rows)
{
	free(rows->all);
	*rows = (struct pe_page_rows){ 0 };
}

bool pe_page_rows_have(const struct pe_page_rows *rows, const struct pe_page_rows *other)
{
	for (size_t i = 0; i < rows->count; i++) {
		if (rows->all[rows->first + i].item == other->all->item)
			return true;
	}
	return false;
}

/* ---- reading ---- */

void pe_page_rows_read(struct pe_page_rows *rows, size_t i, struct pe_page_row *ret_row)
{
	read_row(rows->view, rows->all[rows->first + i].item, rows->is_groups, &rows->sample,
		 ret_row);
}

static int unpack_row(const struct pe_page_rows *rows, size_t i, struct pe_snapshot *snapshot,
		      size_t to)
{
	const struct pe_live_item *item = rows->all[rows->first + i].item;
	const char *packed = pe_live_packed(item);
	struct pe_identity *identity = pe_live_identity(item);
	int r;

	if (rows->is_groups)
		return pe_packed_read_group(packed, snapshot->arena, &snapshot->groups[to]);
	r = pe_packed_read_iface(packed, snapshot->arena, &snapshot->ifaces[to]);
	/* The snapshot gives it back. */
	snapshot->ifaces[to].identity = identity ? pe_identity_ref(identity) : NULL;
	return r;
}

int pe_page_rows_unpack(const struct pe_page_rows *rows, size_t i, size_t count,
			struct pe_snapshot **ret_snapshot)
{
	const struct pe_snapshot *about = rows->view->about;
	struct pe_snapshot *snapshot;
	int r = pe_snapshot_new(&snapshot);

	if (r < 0)
		return r;
	snapshot->taken_ns = about->taken_ns;
	snapshot->group_by = about->group_by;
	snapshot->top_flows = about->top_flows;
	snapshot->drop_reasons = about->drop_reasons;
	snapshot->tcp = about->tcp;
	snapshot->overflows = about->overflows;
	snapshot->dns = about->dns;
	r = rows->is_groups ? pe_snapshot_alloc_groups(snapshot, count)
			    : pe_snapshot_alloc_ifaces(snapshot, count);
	for (size_t to = 0; r == 0 && to < count; to++)
		r = unpack_row(rows, i + to, snapshot, to);
	if (r < 0)
		pe_snapshot_unref(snapshot);
	else
		*ret_snapshot = snapshot;
	return r;
}
