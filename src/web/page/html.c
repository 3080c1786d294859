/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page around its tables: see html.h. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "html.h"

#include <stdio.h>

#include "pe/cleanup.h"
#include "pe/http.h"
#include "pe/text.h"

#include "packed.h"
#include "page_css.h"
#include "page_js.h"
#include "table.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define KINDS_MAX 32 /* in the list to choose from */

const char pe_html_style[] = PE_PAGE_CSS;
const char pe_html_script[] = PE_PAGE_JS;

/* ---- links ---- */

static void add_parameter(struct pe_strbuf *out, const char *name, const char *value,
			  char *separator)
{
	if (!*value)
		return;
	pe_strbuf_addf(out, "%s%s=", *separator == '?' ? "?" : "&amp;", name);
	*separator = '&';
	pe_page_query_add(out, value);
}

static void add_count(struct pe_strbuf *out, const char *name, unsigned int value, char *separator)
{
	char number[16];

	if (value == 0)
		return;
	snprintf(number, sizeof(number), "%u", value);
	add_parameter(out, name, number, separator);
}

void pe_html_add_link(const struct pe_html *html, const struct pe_page_query *query)
{
	struct pe_strbuf *out = html->out;
	char separator = '?';

	pe_strbuf_adds(out, " href=\"" PE_PATH_INDEX);
	if (query->view != PE_VIEW_INTERFACES)
		add_parameter(out, "view", pe_page_view_word(query->view), &separator);
	add_parameter(out, "search", query->search, &separator);
	add_parameter(out, "kind", query->kind, &separator);
	add_parameter(out, "workload", query->workload, &separator);
	if (query->has_sort)
		add_parameter(out, "sort", pe_page_sort_word(query->sort), &separator);
	if (query->ascending != pe_page_sort_is_text(query->sort))
		add_parameter(out, "order", query->ascending ? "asc" : "desc", &separator);
	add_count(out, "offset", query->offset, &separator);
	add_count(out, "limit", query->limit, &separator);
	add_count(out, "open", (unsigned int)query->open, &separator);
	pe_strbuf_addc(out, '"');
}

/* ---- parts ---- */

static void add_head(const struct pe_html *html)
{
	struct pe_strbuf *out = html->out;

	pe_strbuf_adds(out,
		       "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		       "<title>Packet Exporter</title>\n<link rel=\"icon\" href=\"data:,\">\n"
		       "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>\n"
		       "<style>");
	pe_strbuf_adds(out, pe_html_style);
	pe_strbuf_adds(out, "</style>\n</head>\n<body>\n");
}

static void count_rows(const struct pe_live_view *view, size_t ret_counts[PE_VIEWS])
{
	size_t live = 0;

	for (size_t i = 0; i < view->ifaces.count; i++)
		live += pe_live_is_live(view->ifaces.item[i]);
	ret_counts[PE_VIEW_INTERFACES] = live;
	ret_counts[PE_VIEW_GROUPS] = view->groups.count;
	ret_counts[PE_VIEW_DEPARTED] = view->ifaces.count - live;
}

static void add_views(const struct pe_html *html)
{
	static const char *const titles[PE_VIEWS] = { "Interfaces", "Groups", "Departed" };
	struct pe_strbuf *out = html->out;
	size_t counts[PE_VIEWS];

	count_rows(html->view, counts);
	pe_strbuf_adds(out, "<nav aria-label=\"Views\"><ul>");
	for (unsigned int view = 0; view < PE_VIEWS; view++) {
		struct pe_page_query other = *html->query;

		other.view = (enum pe_page_view)view;
		other.sort = PE_SORT_TRAFFIC;
		other.has_sort = false;
		other.ascending = false;
		other.offset = 0;
		other.open = 0;
		pe_strbuf_adds(out, "<li><a");
		pe_html_add_link(html, &other);
		pe_strbuf_addf(out, "%s>%s <small>%zu</small></a></li>",
			       html->query->view == other.view ? " aria-current=\"page\"" : "",
			       titles[view], counts[view]);
	}
	pe_strbuf_adds(out, "</ul></nav>\n");
}

static void add_health(const struct pe_html *html)
{
	static const char *const words[] = { "Healthy", "Healthy, with notes", "Not healthy" };
	static const char *const marks[] = { "", "note: ", "not healthy: " };
	const struct pe_health_check *checks = html->view->checks;
	const enum pe_health_level level = html->view->level;
	struct pe_strbuf *out = html->out;

	pe_strbuf_addf(
		out,
		"<ul id=\"health\" class=\"%s\" aria-label=\"Health\"><li><strong>%s</strong></li>",
		pe_health_level_name(level), words[level]);
	for (size_t i = 0; i < PE_HEALTH_CHECKS; i++) {
		pe_strbuf_addf(out,
			       "<li class=\"%s\">%s%s: ", pe_health_level_name(checks[i].level),
			       marks[checks[i].level], checks[i].name);
		pe_text_add_html(out, checks[i].text);
		pe_strbuf_adds(out, "</li>");
	}
	pe_strbuf_adds(out, "</ul>\n");
}

static void add_field(struct pe_strbuf *out, const char *name, const char *label, const char *type,
		      const char *value)
{
	pe_strbuf_addf(out, "<label>%s <input type=\"%s\" name=\"%s\" value=\"", label, type, name);
	pe_text_add_html(out, value);
	pe_strbuf_adds(out, "\"></label>\n");
}

static void add_hidden(struct pe_strbuf *out, const char *name, const char *value)
{
	pe_strbuf_addf(out, "<input type=\"hidden\" name=\"%s\" value=\"%s\">", name, value);
}

static void add_kind(struct pe_strbuf *out, const char *kind, const char *chosen)
{
	pe_strbuf_adds(out, "<option value=\"");
	pe_text_add_html(out, kind);
	pe_strbuf_addf(out, "\"%s>", strcmp(kind, chosen) == 0 ? " selected" : "");
	pe_text_add_html(out, *kind ? kind : "all");
	pe_strbuf_adds(out, "</option>");
}

/* Those that there are, and the chosen one: it selects, whether there still is one or not. */
static void add_kinds(const struct pe_html *html)
{
	const struct pe_live_items *ifaces = &html->view->ifaces;
	const char *const chosen = html->query->kind;
	const char *kinds[KINDS_MAX] = { "none", chosen };
	struct pe_strbuf *out = html->out;
	size_t count = *chosen && strcmp(chosen, "none") != 0 ? 2 : 1, k;

	pe_strbuf_adds(out, "<label>Kind <select name=\"kind\">");
	add_kind(out, "", chosen);
	for (k = 0; k < count; k++)
		add_kind(out, kinds[k], chosen);
	for (size_t i = 0; i < ifaces->count; i++) {
		const char *kind = pe_packed_text(pe_live_packed(ifaces->item[i]), PE_PACKED_KIND);

		for (k = 0; k < count && strcmp(kinds[k], kind) != 0; k++)
			;
		if (*kind && k == count && count < KINDS_MAX) {
			kinds[count++] = kind;
			add_kind(out, kind, chosen);
		}
	}
	pe_strbuf_adds(out, "</select></label>\n");
}

static void add_form(const struct pe_html *html)
{
	const struct pe_page_query *query = html->query;
	struct pe_strbuf *out = html->out;
	char limit[16];

	pe_strbuf_adds(out,
		       "<form id=\"filter\" role=\"search\" method=\"get\" action=\"" PE_PATH_INDEX
		       "\">\n");
	if (query->view != PE_VIEW_INTERFACES)
		add_hidden(out, "view", pe_page_view_word(query->view));
	if (query->has_sort)
		add_hidden(out, "sort", pe_page_sort_word(query->sort));
	if (query->ascending != pe_page_sort_is_text(query->sort))
		add_hidden(out, "order", query->ascending ? "asc" : "desc");
	if (query->limit) {
		snprintf(limit, sizeof(limit), "%u", query->limit);
		add_hidden(out, "limit", limit);
	}
	add_field(out, "search", "Search", "search", query->search);
	add_field(out, "workload", "Workload or pod", "search", query->workload);
	add_kinds(html);
	pe_strbuf_adds(out, "<button>Filter</button>\n</form>\n");
}

/* Nobody should wonder why nothing is seen in the first minute. */
static void add_hint(const struct pe_html *html)
{
	if (!html->view->has_packets)
		pe_strbuf_adds(html->out, "<p id=\"hint\" class=\"hint\">Nothing has moved on any "
					  "interface yet. To see "
					  "something move: <code>" PE_PAGE_HINT "</code>.</p>\n");
}

static void add_foot(const struct pe_html *html)
{
	pe_strbuf_adds(html->out,
		       "<footer><p>In is what the host received on an interface: of a container, "
		       "what it sent. Out is what the host sent: what the container received.</p>"
		       "</footer>\n");
}

static int add_main(const struct pe_html *html)
{
	int r;

	pe_strbuf_adds(html->out, "<main id=\"live\">\n");
	pe_strbuf_adds(html->out, "<div id=\"bar\">");
	add_views(html);
	add_form(html);
	pe_strbuf_adds(html->out, "</div>\n");
	add_health(html);
	add_hint(html);
	r = pe_html_add_rows(html);
	add_foot(html);
	pe_strbuf_adds(html->out, "</main>\n");
	return r;
}

static void add_header(const struct pe_html *html)
{
	struct pe_strbuf *out = html->out;

	pe_strbuf_adds(out, "<header><h1>Packet Exporter <small>" PACKAGE_VERSION
			    "</small></h1>\n<ul><li><a href=\"");
	pe_text_add_html(out, html->telemetry_path);
	pe_strbuf_adds(out,
		       "\">Metrics</a></li><li><a href=\"" PE_PATH_API
		       "interfaces\">JSON</a></li><li><a href=\"" PE_PATH_HEALTHY
		       "\">Healthy</a></li><li><a href=\"" PE_PATH_READY "\">Ready</a></li></ul>\n"
		       "<p id=\"state\" role=\"status\"></p></header>\n");
}

int pe_html_add(const struct pe_html *html)
{
	int r;

	if (html->query->part)
		return add_main(html);
	add_head(html);
	add_header(html);
	r = add_main(html);
	pe_strbuf_adds(html->out, "<script>");
	pe_strbuf_adds(html->out, pe_html_script);
	pe_strbuf_adds(html->out, "</script>\n</body>\n</html>\n");
	return r < 0 ? r : html->out->error;
}

void pe_html_add_error(struct pe_strbuf *out, const char *why)
{
	pe_strbuf_adds(out,
		       "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		       "<title>Packet Exporter</title>\n<style>");
	pe_strbuf_adds(out, pe_html_style);
	pe_strbuf_adds(out, "</style>\n</head>\n<body>\n<main><h1>Packet Exporter</h1>\n<p>");
	pe_text_add_html(out, why);
	pe_strbuf_adds(out,
		       ".</p>\n<p><a href=\"" PE_PATH_INDEX "\">All interfaces</a></p></main>\n"
		       "</body>\n</html>\n");
}
