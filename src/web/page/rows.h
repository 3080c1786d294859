/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of an answer: what a query selects of a view, in its order. A row points into the view.
 */
#ifndef PE_WEB_PAGE_ROWS_H
#define PE_WEB_PAGE_ROWS_H

#include "live.h"
#include "query.h"

struct pe_page_row {
	size_t index;			     /* in the snapshot */
	const struct pe_iface_sample *iface; /* NULL of a group */
	const struct pe_group_sample *group; /* NULL of an interface */
	const struct pe_series_body *body;
	const struct pe_live_track *track; /* NULL of a departed interface */
	struct pe_live_rate rate;
	struct pe_count total[PE_DIRECTIONS];
	uint64_t unobserved, overcounted, dropped; /* packets, both directions */
	double lived_s;				   /* since it appeared, or until it departed */
};

struct pe_page_rows {
	struct pe_page_row *row; /* of this page */
	size_t count;
	size_t matched; /* all that the filter let pass */
	size_t total;	/* all that there are */
	struct pe_page_row *all;
};

/* At most `limit` rows. 0 or -ENOMEM. To be ended with pe_page_rows_fini(), before the view. */
int pe_page_rows_select(const struct pe_live_view *view, const struct pe_page_query *query,
			size_t limit, struct pe_page_rows *ret_rows);
/* The one live interface of this index. -ENOENT, and then nothing is to be ended. */
int pe_page_rows_find(const struct pe_live_view *view, int ifindex, struct pe_page_row *ret_row);
void pe_page_rows_fini(struct pe_page_rows *rows);

/* What people call it: the container, the pod or the workload, else the interface's name; of a
 * group any of its labels. "" for the group of what has none. */
const char *pe_page_row_name(const struct pe_page_row *row);
/* A member of its identity or a label of its group; "" if unknown. */
const char *pe_page_row_workload(const struct pe_page_row *row);
const char *pe_page_row_namespace(const struct pe_page_row *row);
const char *pe_page_row_kind(const struct pe_page_row *row);
const char *pe_page_row_master(const struct pe_page_row *row);

#endif
