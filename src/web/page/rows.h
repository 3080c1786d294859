/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of an answer: what a query selects of a view, in its order. Their samples are unpacked
 * one after the other, where they are written.
 */
#ifndef PE_WEB_PAGE_ROWS_H
#define PE_WEB_PAGE_ROWS_H

#include "live.h"
#include "query.h"

struct pe_page_row {
	const struct pe_iface_sample *iface; /* NULL of a group */
	const struct pe_group_sample *group; /* NULL of an interface */
	const struct pe_series_body *body;
	const struct pe_live_item *item;
	struct pe_live_rate rate;
	struct pe_count total[PE_DIRECTIONS];
	uint64_t unobserved, overcounted, dropped; /* packets, both directions */
	const struct pe_tcp_summary *tcp;	   /* NULL: no namespace is known */
	double lived_s;				   /* since it appeared, or until it departed */
};

/* The memory of a sample. */
union pe_page_sample {
	struct pe_iface_sample iface;
	struct pe_group_sample group;
};

struct pe_page_rows {
	const struct pe_live_view *view;
	bool is_groups;
	struct pe_page_candidate *all; /* that the filter let pass, in order */
	size_t first;		       /* of this page */
	size_t count;
	size_t matched; /* all that the filter let pass */
	size_t total;	/* all that there are */
	union pe_page_sample sample;
};

/* At most `limit` rows. 0 or -ENOMEM. To be ended with pe_page_rows_fini(), before the view. */
int pe_page_rows_select(const struct pe_live_view *view, const struct pe_page_query *query,
			size_t limit, struct pe_page_rows *ret_rows);
/* Likewise the one live interface of this index; otherwise -ENOENT. */
int pe_page_rows_find(const struct pe_live_view *view, int ifindex, struct pe_page_rows *ret_rows);
/* Zeroed ones are fine. */
void pe_page_rows_fini(struct pe_page_rows *rows);

/* Whether the one row of `other` is on this page. */
bool pe_page_rows_have(const struct pe_page_rows *rows, const struct pe_page_rows *other);

/* The i-th row of this page, without its flows. It is valid until another one is read. */
void pe_page_rows_read(struct pe_page_rows *rows, size_t i, struct pe_page_row *ret_row);
/* A snapshot with all that there is of `count` rows from the i-th on, and nothing else. 0 or
 * -ENOMEM. The caller owns *ret_snapshot, and ends it before the view. */
int pe_page_rows_unpack(const struct pe_page_rows *rows, size_t i, size_t count,
			struct pe_snapshot **ret_snapshot);

/* Whether it has rates and a history; a departed interface has not. */
bool pe_page_row_is_live(const struct pe_page_row *row);

/* What people call it: the container, the pod or the workload, else the interface's name; of a
 * group any of its labels. "" for the group of what has none. */
const char *pe_page_row_name(const struct pe_page_row *row);
/* A member of its identity or a label of its group; "" if unknown. */
const char *pe_page_row_workload(const struct pe_page_row *row);
const char *pe_page_row_namespace(const struct pe_page_row *row);
const char *pe_page_row_kind(const struct pe_page_row *row);
const char *pe_page_row_master(const struct pe_page_row *row);

#endif
