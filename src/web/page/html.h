/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page: made whole by the server, so that it works without JavaScript. Its script only fetches
 * the part that changes and puts it in place. Called with the view locked.
 */
#ifndef PE_WEB_PAGE_HTML_H
#define PE_WEB_PAGE_HTML_H

#include "live.h"
#include "query.h"
#include "rows.h"

struct pe_html {
	const struct pe_live *live;
	const struct pe_live_view *view;
	const struct pe_page_query *query;
	const char *telemetry_path;
	struct pe_strbuf *out;
};

/* Appends the page, or with query->part the part that changes. 0 or -ENOMEM. */
int pe_html_add(const struct pe_html *html);

/* What is wrong with the query, as a page. */
void pe_html_add_error(struct pe_strbuf *out, const char *why);

/* The texts inside <style> and <script>, for the Content-Security-Policy. */
extern const char pe_html_style[], pe_html_script[];

/* ---- what html.c and its parts share ---- */

/* " href=…" of the page with the query, but with another view, sort, offset or open row. */
void pe_html_add_link(const struct pe_html *html, const struct pe_page_query *query);

struct pe_html_column {
	const char *title; /* NULL behind the last one */
	const char *hint;  /* what it shows */
	enum pe_page_sort sort;
	unsigned int views; /* a bit for each that has it */
	void (*add)(const struct pe_html *html, const struct pe_page_row *row); /* NULL: the name */
	const char *class;							/* " class=…" */
};

#define PE_HTML_NO_SORT PE_SORTS

extern const struct pe_html_column pe_html_columns[];

/* The rows of the view as a table, and what follows it. */
int pe_html_add_rows(const struct pe_html *html);

/* What is known of an interface: names, totals, flows. */
void pe_html_add_details(const struct pe_html *html, const struct pe_iface_sample *iface);

/* A number, short, with its prefix and unit in a column of their own. */
void pe_html_add_number(struct pe_strbuf *out, double value, const char *unit);

/* What a reason means, without the period. */
const char *pe_html_mode_reason(enum pe_mode_reason reason);

#endif
