/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See table.h. */
#include "table.h"

#include <inttypes.h>
#include <stdio.h>

#include "pe/cleanup.h"
#include "pe/text.h"

#include "health.h"
#include "rows.h"

#define ROWS_DEFAULT  40
#define DEPARTED_ROWS 10
#define TEXT_WIDTH    28 /* of a column of names: longer ones move the rest of their line */

/* Worth a digit behind the point: counts have none. */
static bool is_fraction(double value)
{
	return value >= 0.05 && value < 9.95 && value - (double)(int)value > 0;
}

void pe_page_short(double value, char out[PE_SHORT_MAX])
{
	static const char prefixes[] = " kMGTPE";
	size_t i = 0;

	while (value >= 999.5 && i < sizeof(prefixes) - 2) {
		value /= 1000;
		i++;
	}
	if (i == 0)
		snprintf(out, PE_SHORT_MAX, is_fraction(value) ? "%.1f" : "%.0f", value);
	else
		snprintf(out, PE_SHORT_MAX,
			 value < 9.995	 ? "%.2f%c"
			 : value < 99.95 ? "%.1f%c"
					 : "%.0f%c",
			 value, prefixes[i]);
}

void pe_page_duration(double seconds, char out[PE_SHORT_MAX])
{
	const unsigned long s = seconds > 0 ? (unsigned long)(seconds + 0.05) : 0;

	if (s < 60)
		snprintf(out, PE_SHORT_MAX, "%.1fs", seconds > 0 ? seconds : 0);
	else if (s < 3600)
		snprintf(out, PE_SHORT_MAX, "%lum%lus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, PE_SHORT_MAX, "%luh%lum", s / 3600, s / 60 % 60);
	else
		snprintf(out, PE_SHORT_MAX, "%lud%luh", s / 86400, s / 3600 % 24);
}

static void pad(struct pe_strbuf *out, size_t used, size_t width)
{
	for (; used < width; used++)
		pe_strbuf_addc(out, ' ');
}

static void add_left(struct pe_strbuf *out, const char *text, size_t width)
{
	pad(out, pe_text_add_plain(out, *text ? text : "-"), width);
	pe_strbuf_addc(out, ' ');
}

static void add_number(struct pe_strbuf *out, double value, const char *unit)
{
	char number[PE_SHORT_MAX];

	pe_page_short(value, number);
	pe_strbuf_addf(out, " %8s%s", number, unit);
}

static void add_row(struct pe_strbuf *out, const struct pe_page_row *row)
{
	char lived[PE_SHORT_MAX];

	add_left(out, pe_page_row_name(row), TEXT_WIDTH);
	add_left(out, row->iface ? row->iface->info.name : pe_page_row_kind(row), 15);
	add_left(out, pe_page_row_master(row), 15);
	if (row->iface && !row->iface->departed) {
		add_left(out, pe_mode_name(row->iface->info.mode), 10);
	} else {
		pe_page_duration(row->lived_s, lived);
		add_left(out, row->iface ? lived : "", 10);
	}
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		if (row->track) {
			add_number(out, row->rate.bits[d], "");
			add_number(out, row->rate.packets[d], "");
		} else {
			add_number(out, (double)row->total[d].bytes, "");
			add_number(out, (double)row->total[d].packets, "");
		}
	}
	add_number(out, (double)row->unobserved, "");
	add_number(out, (double)row->dropped, "");
	pe_strbuf_addc(out, '\n');
}

static void add_head(struct pe_strbuf *out, const struct pe_page_query *query)
{
	const bool departed = query->view == PE_VIEW_DEPARTED;

	add_left(out, "NAME", TEXT_WIDTH);
	add_left(out, query->view == PE_VIEW_GROUPS ? "KIND" : "INTERFACE", 15);
	add_left(out, "MASTER", 15);
	add_left(out, departed ? "LIVED" : query->view == PE_VIEW_GROUPS ? "" : "MODE", 10);
	pe_strbuf_addf(out, " %8s %8s %8s %8s %8s %8s\n", departed ? "in B" : "in b/s",
		       departed ? "in pkt" : "in pkt/s", departed ? "out B" : "out b/s",
		       departed ? "out pkt" : "outpkt/s", "unobserv", "drops");
}

/* The last ones to go, below those that live. */
static int add_last_departed(const struct pe_live_view *view, struct pe_strbuf *out)
{
	const struct pe_page_query query = { .view = PE_VIEW_DEPARTED, .sort = PE_SORT_DEPARTED };
	_cleanup_(pe_page_rows_fini) struct pe_page_rows rows = { 0 };
	int r = pe_page_rows_select(view, &query, DEPARTED_ROWS, &rows);

	if (r < 0 || rows.count == 0)
		return r;
	pe_strbuf_addf(out, "\n%zu departed, the last ones:\n", rows.total);
	add_head(out, &query);
	for (size_t i = 0; i < rows.count; i++)
		add_row(out, &rows.row[i]);
	pe_strbuf_addc(out, '\n');
	return 0;
}

static void add_health(struct pe_strbuf *out, const struct pe_snapshot *snapshot)
{
	struct pe_health_check checks[PE_HEALTH_CHECKS];

	if (pe_health(snapshot, checks) == PE_HEALTH_OK)
		return;
	for (size_t i = 0; i < PE_HEALTH_CHECKS; i++) {
		if (checks[i].level != PE_HEALTH_OK)
			pe_strbuf_addf(out, "%s %s: %s\n",
				       checks[i].level == PE_HEALTH_BAD ? "!!" : "note",
				       checks[i].name, checks[i].text);
	}
}

int pe_page_add_table(const struct pe_live_view *view, const struct pe_page_query *query,
		      struct pe_strbuf *out)
{
	_cleanup_(pe_page_rows_fini) struct pe_page_rows rows = { 0 };
	int r = pe_page_rows_select(view, query, query->limit ? query->limit : ROWS_DEFAULT, &rows);

	if (r < 0)
		return r;
	add_head(out, query);
	for (size_t i = 0; i < rows.count; i++)
		add_row(out, &rows.row[i]);
	if (rows.count == 0)
		pe_strbuf_adds(out, rows.total ? "nothing matches\n" : "nothing yet\n");
	if (rows.count < rows.matched)
		pe_strbuf_addf(out, "%zu of %zu; ?limit= (at most %d) and ?offset= show others\n",
			       rows.count, rows.matched, PE_PAGE_LIMIT_MAX);
	if (query->view == PE_VIEW_INTERFACES)
		r = add_last_departed(view, out);
	if (!pe_snapshot_has_packets(view->snapshot))
		pe_strbuf_adds(out,
			       "nothing has moved yet; to see something move: " PE_PAGE_HINT "\n");
	if (query->view != PE_VIEW_DEPARTED) {
		if (view->seconds > 0)
			pe_strbuf_addf(out, "averages of the last %.1f s", (double)view->seconds);
		else
			pe_strbuf_adds(out,
				       "averages since each began; ask again for those of now");
		pe_strbuf_adds(out, "; in: what the host received on it (a container's: what it "
				    "sent)\n");
	}
	add_health(out, view->snapshot);
	return r < 0 ? r : out->error;
}
