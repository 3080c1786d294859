/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of the page: see html.h. */
#include "html.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/text.h"

#include "rows.h"
#include "table.h"

/* So that a page has at most 60 kB, and one that is asked for fewer than 200 rows, those that
 * departed included. */
#define ROWS_PAGE     70
#define ROWS_MAX      180
#define DEPARTED_ROWS 10 /* below the live ones */

/* ---- rows ---- */

static bool is_in(const struct pe_html_column *column, enum pe_page_view view)
{
	return column->views >> view & 1;
}

static void add_titles(const struct pe_html *html, bool sortable)
{
	const struct pe_page_query *query = html->query;
	struct pe_strbuf *out = html->out;

	pe_strbuf_adds(out, "<thead><tr>");
	for (const struct pe_html_column *c = pe_html_columns; c->title; c++) {
		struct pe_page_query other = *query;
		const bool sorted = sortable && query->sort == c->sort &&
				    c->sort != PE_HTML_NO_SORT;

		if (!is_in(c, query->view))
			continue;
		pe_strbuf_addf(out, "<th scope=\"col\"%s%s title=\"%s\">", c->class,
			       !sorted		  ? ""
			       : query->ascending ? " aria-sort=\"ascending\""
						  : " aria-sort=\"descending\"",
			       c->hint);
		if (!sortable || c->sort == PE_HTML_NO_SORT) {
			pe_strbuf_addf(out, "%s</th>", c->title);
			continue;
		}
		other.sort = c->sort;
		other.has_sort = true;
		other.ascending = sorted ? !query->ascending : pe_page_sort_is_text(c->sort);
		other.offset = 0;
		pe_strbuf_adds(out, "<a");
		pe_html_add_link(html, &other);
		pe_strbuf_addf(out, ">%s</a></th>", c->title);
	}
	pe_strbuf_adds(out, "</tr></thead>\n");
}

/* FNV-1a: only so that the script finds a row again. */
static uint64_t hash_of(const struct pe_page_row *row)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < (row->group ? (size_t)PE_GROUP_LABELS : 1); i++) {
		const char *text = row->group ? row->group->label[i] : row->iface->info.name;

		do
			hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
		while (*text++);
	}
	return hash;
}

static void add_small(struct pe_strbuf *out, const char *before, const char *text)
{
	if (!*text)
		return;
	pe_strbuf_addf(out, " <small>%s<bdi>", before);
	pe_text_add_html(out, text);
	pe_strbuf_adds(out, "</bdi></small>");
}

static bool is_open(const struct pe_html *html, const struct pe_page_row *row)
{
	return row->iface && !row->iface->departed && html->query->open == row->iface->info.ifindex;
}

static void add_name(const struct pe_html *html, const struct pe_page_row *row)
{
	const char *name = pe_page_row_name(row), *workload = pe_page_row_workload(row);
	const char *namespace = pe_page_row_namespace(row);
	struct pe_page_query other = *html->query;
	struct pe_strbuf *out = html->out;

	pe_strbuf_adds(out, "<th scope=\"row\">");
	if (row->iface && !row->iface->departed) {
		other.open = is_open(html, row) ? 0 : row->iface->info.ifindex;
		pe_strbuf_addf(out, "<a aria-expanded=\"%s\"", other.open ? "false" : "true");
		pe_html_add_link(html, &other);
		pe_strbuf_addc(out, '>');
	}
	pe_strbuf_adds(out, "<bdi>");
	pe_text_add_html(out, *name ? name : "-");
	pe_strbuf_adds(out, "</bdi>");
	if (row->iface && !row->iface->departed)
		pe_strbuf_adds(out, "</a>");
	if (row->iface && name == row->iface->info.name)
		add_small(out, "", pe_page_row_kind(row));
	if (strcmp(workload, name) != 0)
		add_small(out, "", workload);
	if (strcmp(namespace, name) != 0)
		add_small(out, "in ", namespace);
	pe_strbuf_adds(out, "</th>");
}

/* A row of its own, with all that there is of the i-th. */
static int add_open(const struct pe_html *html, const struct pe_page_rows *rows, size_t i,
		    size_t width)
{
	struct pe_snapshot *snapshot;
	int r = pe_page_rows_unpack(rows, i, 1, &snapshot);

	if (r < 0)
		return r;
	pe_strbuf_addf(html->out, "<tr id=\"open\" class=\"open\"><td colspan=\"%zu\">", width);
	pe_html_add_details(html, &snapshot->ifaces[0]);
	pe_strbuf_adds(html->out, "</td></tr>\n");
	pe_snapshot_unref(snapshot);
	return 0;
}

static int add_row(const struct pe_html *html, struct pe_page_rows *rows, size_t i)
{
	const enum pe_page_view view = html->query->view;
	struct pe_page_row read;
	const struct pe_page_row *row = &read;
	struct pe_strbuf *out = html->out;
	size_t width = 0;

	pe_page_rows_read(rows, i, &read);

	pe_strbuf_addf(out, "<tr id=\"%c%llx\">", pe_page_view_word(view)[0],
		       (unsigned long long)hash_of(row));
	for (const struct pe_html_column *c = pe_html_columns; c->title; c++) {
		if (!is_in(c, view))
			continue;
		width++;
		if (!c->add) {
			add_name(html, row);
			continue;
		}
		pe_strbuf_addf(out, "<td%s>", c->class);
		c->add(html, row);
		pe_strbuf_adds(out, "</td>");
	}
	pe_strbuf_adds(out, "</tr>\n");
	return is_open(html, row) ? add_open(html, rows, i, width) : 0;
}

static void add_caption(const struct pe_html *html, const char *caption,
			const struct pe_page_rows *rows)
{
	struct pe_strbuf *out = html->out;

	pe_strbuf_addf(out, "<caption>%s <small>%zu", caption, rows->matched);
	if (rows->matched < rows->total)
		pe_strbuf_addf(out, " of %zu", rows->total);
	if (html->query->sort == PE_SORT_TRAFFIC && !html->query->ascending)
		pe_strbuf_adds(out, ", busiest first");
	if (html->query->view == PE_VIEW_DEPARTED)
		pe_strbuf_adds(out, "; what each moved while it was there");
	else if (html->view->seconds > 0)
		pe_strbuf_addf(out, "; averages of the last %.1f s", (double)html->view->seconds);
	else
		pe_strbuf_adds(out, "; averages since each began, those of now follow");
	pe_strbuf_adds(out, "</small></caption>\n");
}

static void add_nothing(const struct pe_html *html, const struct pe_page_rows *rows)
{
	static const char *const none[PE_VIEWS] = {
		"There is no interface.",
		"There is no group yet.",
		"Nothing has departed in the last minutes.",
	};
	struct pe_page_query all = { .view = html->query->view };
	struct pe_strbuf *out = html->out;

	pe_strbuf_adds(out, "<p id=\"none\" class=\"hint\">");
	if (rows->total == 0) {
		pe_strbuf_addf(out, "%s</p>\n", none[html->query->view]);
		return;
	}
	pe_strbuf_addf(out, "%s. <a", rows->matched ? "There are no more" : "Nothing matches");
	pe_html_add_link(html, &all);
	pe_strbuf_adds(out, ">Show all</a></p>\n");
}

/* The opened row, if it is on another page: whoever opened it goes on looking at it. On top, where
 * it is found. */
static int add_kept(const struct pe_html *html, const struct pe_page_rows *rows)
{
	const struct pe_page_query *query = html->query;
	_cleanup_(pe_page_rows_fini) struct pe_page_rows open = { 0 };
	int r;

	if (query->view != PE_VIEW_INTERFACES || !query->open)
		return 0;
	r = pe_page_rows_find(html->view, query->open, &open);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return pe_page_rows_have(rows, &open) ? 0 : add_row(html, &open, 0);
}

static int add_table(const struct pe_html *html, const char *id, const char *caption,
		     struct pe_page_rows *rows, bool sortable)
{
	struct pe_strbuf *out = html->out;
	int r;

	pe_strbuf_addf(out,
		       "<div id=\"around-%s\" class=\"scroll\" tabindex=\"0\" role=\"region\" "
		       "aria-label=\"%s\"><table id=\"%s\">",
		       id, caption, id);
	add_caption(html, caption, rows);
	add_titles(html, sortable);
	pe_strbuf_adds(out, "<tbody>\n");
	r = add_kept(html, rows);
	for (size_t i = 0; r == 0 && i < rows->count; i++)
		r = add_row(html, rows, i);
	pe_strbuf_adds(out, "</tbody></table></div>\n");
	if (rows->count == 0)
		add_nothing(html, rows);
	return r;
}

static void add_page_link(const struct pe_html *html, size_t offset, const char *rel,
			  const char *text)
{
	struct pe_page_query other = *html->query;

	other.offset = (unsigned int)offset;
	pe_strbuf_addf(html->out, "<li><a rel=\"%s\"", rel);
	pe_html_add_link(html, &other);
	pe_strbuf_addf(html->out, ">%s</a></li>", text);
}

static void add_pages(const struct pe_html *html, const struct pe_page_rows *rows, size_t limit)
{
	const size_t offset = html->query->offset;

	if (offset == 0 && rows->count == rows->matched)
		return;
	pe_strbuf_adds(html->out, "<nav id=\"pages\" aria-label=\"Pages\"><ul><li>");
	if (rows->count)
		pe_strbuf_addf(html->out, "%zu to %zu", offset + 1, offset + rows->count);
	else
		pe_strbuf_adds(html->out, "none");
	pe_strbuf_addf(html->out, " of %zu</li>", rows->matched);
	if (offset > 0)
		add_page_link(html, offset > limit ? offset - limit : 0, "prev", "Previous");
	if (offset + rows->count < rows->matched)
		add_page_link(html, offset + limit, "next", "Next");
	pe_strbuf_adds(html->out, "</ul></nav>\n");
}

/* The last ones to go, below those that live. */
static int add_last_departed(const struct pe_html *html)
{
	struct pe_page_query query = *html->query;
	struct pe_html departed = *html;
	_cleanup_(pe_page_rows_fini) struct pe_page_rows rows = { 0 };
	int r;

	query.view = PE_VIEW_DEPARTED;
	query.sort = PE_SORT_DEPARTED;
	query.ascending = false;
	query.offset = 0;
	departed.query = &query;
	r = pe_page_rows_select(html->view, &query, DEPARTED_ROWS, &rows);
	if (r == 0 && rows.count > 0)
		r = add_table(&departed, "departed", "Departed in the last minutes", &rows, false);
	return r;
}

int pe_html_add_rows(const struct pe_html *html)
{
	static const char *const captions[PE_VIEWS] = {
		"Interfaces",
		"Groups",
		"Departed in the last minutes",
	};
	static const char *const ids[PE_VIEWS] = { "rows", "rows", "departed" };
	const struct pe_page_query *query = html->query;
	const size_t wanted = query->limit ? query->limit : ROWS_PAGE;
	/* There is place for an opened one of another page. */
	const size_t most = query->open ? ROWS_MAX - 1 : ROWS_MAX;
	const size_t limit = wanted < most ? wanted : most;
	_cleanup_(pe_page_rows_fini) struct pe_page_rows rows = { 0 };
	int r = pe_page_rows_select(html->view, query, limit, &rows);

	if (r < 0)
		return r;
	r = add_table(html, ids[query->view], captions[query->view], &rows, true);
	if (r < 0)
		return r;
	add_pages(html, &rows, limit);
	return query->view == PE_VIEW_INTERFACES ? add_last_departed(html) : 0;
}
