/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of the page: see html.h. A column is a row of a table here. */
#include "html.h"

#include <stdio.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/text.h"

#include "rows.h"
#include "table.h"

#define ROWS_PAGE     100
#define ROWS_MAX      200
#define DEPARTED_ROWS 10 /* below the live ones */
#define CHART_HEIGHT  44
#define CHART_BAR     4	   /* wide */
#define CHART_BITS    8000 /* a second: the least that is the whole height */

#define IN(view) (1u << PE_VIEW_##view)
#define IN_LIVE	 (IN(INTERFACES) | IN(GROUPS))
#define IN_ALL	 (IN_LIVE | IN(DEPARTED))
#define NO_SORT	 PE_SORTS

/* ---- cells ---- */

void pe_html_add_number(struct pe_strbuf *out, double value, const char *unit)
{
	char number[PE_SHORT_MAX];
	size_t len;

	if (value < 10 && value == (unsigned int)value)
		snprintf(number, sizeof(number), "%u", (unsigned int)value);
	else
		pe_page_short(value, number);
	len = strspn(number, "0123456789.");
	if (strcmp(number, "0") == 0)
		pe_strbuf_adds(out, "<span>0</span>");
	else
		pe_strbuf_add(out, number, len);
	pe_strbuf_addf(out, "<i>%s%s</i>", number + len, unit);
}

static void add_mode(const struct pe_html *html, const struct pe_page_row *row)
{
	const struct pe_iface_info *info = &row->iface->info;
	const char *reason = pe_mode_reason_name(info->mode_reason);

	if (info->mode == PE_MODE_NONE)
		pe_strbuf_adds(html->out, "<b>none</b>");
	else
		pe_strbuf_adds(html->out, pe_mode_name(info->mode));
	if (*reason)
		pe_strbuf_addf(html->out, " <small title=\"%s\">%s</small>",
			       pe_html_mode_reason(info->mode_reason), reason);
}

static void add_master(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_strbuf_adds(html->out, "<bdi>");
	pe_text_add_html(html->out, pe_page_row_master(row));
	pe_strbuf_adds(html->out, "</bdi>");
}

/* Where nobody is known to be behind it, that is its name already. */
static void add_interface(const struct pe_html *html, const struct pe_page_row *row)
{
	if (pe_page_row_name(row) == row->iface->info.name)
		return;
	pe_strbuf_adds(html->out, "<bdi>");
	pe_text_add_html(html->out, row->iface->info.name);
	pe_strbuf_adds(html->out, "</bdi>");
}

static void add_kind(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_text_add_html(html->out, pe_page_row_kind(row));
}

static void add_members(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_html_add_number(html->out, (double)row->group->interfaces, "");
}

static void add_arrived(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_html_add_number(html->out, (double)row->group->arrived, "");
}

static void add_in_bits(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_html_add_number(html->out, row->rate.bits[PE_INGRESS], "");
}

static void add_in_packets(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_html_add_number(html->out, row->rate.packets[PE_INGRESS], "");
}

static void add_out_bits(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_html_add_number(html->out, row->rate.bits[PE_EGRESS], "");
}

static void add_out_packets(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_html_add_number(html->out, row->rate.packets[PE_EGRESS], "");
}

static void add_unobserved(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_html_add_number(html->out, (double)row->unobserved, "");
}

static void add_drops(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_html_add_number(html->out, (double)row->dropped, "");
}

static void add_total_in(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_html_add_number(html->out, (double)row->total[PE_INGRESS].bytes, "B");
}

static void add_total_in_packets(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_html_add_number(html->out, (double)row->total[PE_INGRESS].packets, "");
}

static void add_total_out(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_html_add_number(html->out, (double)row->total[PE_EGRESS].bytes, "B");
}

static void add_total_out_packets(const struct pe_html *html, const struct pe_page_row *row)
{
	pe_html_add_number(html->out, (double)row->total[PE_EGRESS].packets, "");
}

static void add_lived(const struct pe_html *html, const struct pe_page_row *row)
{
	char lived[PE_SHORT_MAX];

	pe_page_duration(row->lived_s, lived);
	pe_strbuf_addf(html->out, "%s<i></i>", lived);
}

static void add_departed(const struct pe_html *html, const struct pe_page_row *row)
{
	const uint64_t now_ns = html->view->snapshot->taken_ns, at_ns = row->iface->departed_ns;
	char ago[PE_SHORT_MAX];

	pe_page_duration(now_ns > at_ns ? (double)(now_ns - at_ns) / PE_NS_PER_S : 0, ago);
	pe_strbuf_addf(html->out, "%s ago<i></i>", ago);
}

/*
 * A bar for each point, of both directions together; nothing before anybody looked. Small ones are
 * small beside CHART_BITS, so that a few ARP packets do not look like a load.
 */
static void add_chart(const struct pe_html *html, const struct pe_page_row *row)
{
	struct pe_strbuf *out = html->out;
	float value[PE_LIVE_POINTS], most = 0, scale;
	char peak[PE_SHORT_MAX];

	for (size_t i = 0; i < PE_LIVE_POINTS; i++) {
		value[i] = pe_live_point(html->live, row->track, i, PE_INGRESS);
		if (value[i] >= 0)
			value[i] += pe_live_point(html->live, row->track, i, PE_EGRESS);
		most = value[i] > most ? value[i] : most;
	}
	scale = most > CHART_BITS ? most : CHART_BITS;
	pe_page_short(most, peak);
	pe_strbuf_addf(out,
		       "<svg viewBox=\"0 0 %d %d\" role=\"img\" "
		       "aria-label=\"up to %sb/s\"><path d=\"M0 %d",
		       PE_LIVE_POINTS * CHART_BAR, CHART_HEIGHT, peak, CHART_HEIGHT);
	for (size_t i = 0; i < PE_LIVE_POINTS; i++) {
		const int height = value[i] > 0 ? (int)(value[i] / scale * CHART_HEIGHT) : 0;
		const size_t from = i;

		while (i + 1 < PE_LIVE_POINTS && value[i + 1] <= 0 && value[i] <= 0)
			i++;
		if (value[i] > 0)
			pe_strbuf_addf(out, "V%dh%d", CHART_HEIGHT - (height ? height : 1),
				       CHART_BAR);
		else
			pe_strbuf_addf(out, "V%dh%zu", CHART_HEIGHT, (i + 1 - from) * CHART_BAR);
	}
	pe_strbuf_addf(out, "V%dz\"/></svg>", CHART_HEIGHT);
}

/* How a column is shown: as numbers, which are right-aligned; only where there is room. */
#define NUMBER 1u
#define WIDE   2u

static const char *const classes[] = { "", " class=\"n\"", " class=\"w\"", " class=\"n w\"" };

static const struct column {
	const char *title;
	const char *hint; /* what it shows */
	enum pe_page_sort sort;
	unsigned int views;
	void (*add)(const struct pe_html *html, const struct pe_page_row *row);
	unsigned int show;
} columns[] = {
	{ "Name", "container, pod or workload, else the interface", PE_SORT_NAME, IN_ALL, NULL, 0 },
	{ "Interface", "the host's end", NO_SORT, IN(INTERFACES) | IN(DEPARTED), add_interface,
	  WIDE },
	{ "Kind", "kind of interface", NO_SORT, IN(GROUPS), add_kind, WIDE },
	{ "Bridge", "bridge or other master", PE_SORT_MASTER, IN_ALL, add_master, WIDE },
	{ "Mode", "how ingress is counted, and why so", PE_SORT_MODE, IN(INTERFACES), add_mode,
	  WIDE },
	{ "Interfaces", "members now", PE_SORT_INTERFACES, IN(GROUPS), add_members, NUMBER },
	{ "Ever", "members that there ever were", NO_SORT, IN(GROUPS), add_arrived, NUMBER | WIDE },
	{ "In b/s", "bits a second that the host received: a container sent", PE_SORT_IN_BITS,
	  IN_LIVE, add_in_bits, NUMBER },
	{ "pkt/s", "packets a second in", PE_SORT_IN_PACKETS, IN_LIVE, add_in_packets,
	  NUMBER | WIDE },
	{ "Out b/s", "bits a second that the host sent: a container received", PE_SORT_OUT_BITS,
	  IN_LIVE, add_out_bits, NUMBER },
	{ "pkt/s", "packets a second out", PE_SORT_OUT_PACKETS, IN_LIVE, add_out_packets,
	  NUMBER | WIDE },
	{ "In", "bytes that the host received: a container sent", PE_SORT_IN_BITS, IN(DEPARTED),
	  add_total_in, NUMBER },
	{ "packets", "packets in", PE_SORT_IN_PACKETS, IN(DEPARTED), add_total_in_packets,
	  NUMBER | WIDE },
	{ "Out", "bytes that the host sent: a container received", PE_SORT_OUT_BITS, IN(DEPARTED),
	  add_total_out, NUMBER },
	{ "packets", "packets out", PE_SORT_OUT_PACKETS, IN(DEPARTED), add_total_out_packets,
	  NUMBER | WIDE },
	{ "Lived", "how long it was there", PE_SORT_LIVED, IN(DEPARTED), add_lived, NUMBER },
	{ "Departed", "when it went", PE_SORT_DEPARTED, IN(DEPARTED), add_departed, NUMBER | WIDE },
	{ "Unobserved", "packets that the kernel counted and the exporter did not",
	  PE_SORT_UNOBSERVED, IN_ALL, add_unobserved, NUMBER | WIDE },
	{ "Drops", "packets that the interface itself dropped", PE_SORT_DROPS, IN(INTERFACES),
	  add_drops, NUMBER | WIDE },
	{ "Last 5 minutes", "in and out together, while somebody looks", NO_SORT, IN_LIVE,
	  add_chart, 0 },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* ---- rows ---- */

static bool is_in(const struct column *column, enum pe_page_view view)
{
	return column->views >> view & 1;
}

static void add_titles(const struct pe_html *html, bool sortable)
{
	const struct pe_page_query *query = html->query;
	struct pe_strbuf *out = html->out;

	pe_strbuf_adds(out, "<thead><tr>");
	for (const struct column *c = columns; c < columns + COLUMNS; c++) {
		struct pe_page_query other = *query;
		const bool sorted = sortable && query->sort == c->sort && c->sort != NO_SORT;

		if (!is_in(c, query->view))
			continue;
		pe_strbuf_addf(out, "<th scope=\"col\"%s%s title=\"%s\">", classes[c->show],
			       !sorted		  ? ""
			       : query->ascending ? " aria-sort=\"ascending\""
						  : " aria-sort=\"descending\"",
			       c->hint);
		if (!sortable || c->sort == NO_SORT) {
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

static void add_name(const struct pe_html *html, const struct pe_page_row *row)
{
	const char *name = pe_page_row_name(row), *workload = pe_page_row_workload(row);
	const char *namespace = pe_page_row_namespace(row);
	struct pe_page_query other = *html->query;
	struct pe_strbuf *out = html->out;
	bool is_open;

	pe_strbuf_adds(out, "<th scope=\"row\">");
	if (row->iface && !row->iface->departed) {
		is_open = html->query->open == row->iface->info.ifindex;
		other.open = is_open ? 0 : row->iface->info.ifindex;
		pe_strbuf_addf(out, "<a aria-expanded=\"%s\"", is_open ? "true" : "false");
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

static void add_row(const struct pe_html *html, const struct pe_page_row *row)
{
	const enum pe_page_view view = html->query->view;
	struct pe_strbuf *out = html->out;
	size_t width = 0;

	pe_strbuf_addf(out, "<tr id=\"%c%llx\">", pe_page_view_word(view)[0],
		       (unsigned long long)hash_of(row));
	for (const struct column *c = columns; c < columns + COLUMNS; c++) {
		if (!is_in(c, view))
			continue;
		width++;
		if (!c->add) {
			add_name(html, row);
			continue;
		}
		pe_strbuf_addf(out, "<td%s>", classes[c->show]);
		c->add(html, row);
		pe_strbuf_adds(out, "</td>");
	}
	pe_strbuf_adds(out, "</tr>\n");
	if (row->iface && !row->iface->departed && html->query->open == row->iface->info.ifindex) {
		pe_strbuf_addf(out, "<tr id=\"open\" class=\"open\"><td colspan=\"%zu\">", width);
		pe_html_add_details(html, row);
		pe_strbuf_adds(out, "</td></tr>\n");
	}
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

static void add_table(const struct pe_html *html, const char *id, const char *caption,
		      const struct pe_page_rows *rows, bool sortable)
{
	struct pe_strbuf *out = html->out;

	pe_strbuf_addf(out,
		       "<div id=\"around-%s\" class=\"scroll\" tabindex=\"0\" role=\"region\" "
		       "aria-label=\"%s\"><table id=\"%s\">",
		       id, caption, id);
	add_caption(html, caption, rows);
	add_titles(html, sortable);
	pe_strbuf_adds(out, "<tbody>\n");
	for (size_t i = 0; i < rows->count; i++)
		add_row(html, &rows->row[i]);
	pe_strbuf_adds(out, "</tbody></table></div>\n");
	if (rows->count == 0)
		add_nothing(html, rows);
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
		add_table(&departed, "departed", "Departed in the last minutes", &rows, false);
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
	const size_t limit = wanted < ROWS_MAX ? wanted : ROWS_MAX;
	_cleanup_(pe_page_rows_fini) struct pe_page_rows rows = { 0 };
	int r = pe_page_rows_select(html->view, query, limit, &rows);

	if (r < 0)
		return r;
	add_table(html, ids[query->view], captions[query->view], &rows, true);
	add_pages(html, &rows, limit);
	return query->view == PE_VIEW_INTERFACES ? add_last_departed(html) : 0;
}
