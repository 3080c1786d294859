/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See table.h. */
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/text.h"

#include "health.h"
#include "rows.h"

#define ROWS_DEFAULT  40
#define DEPARTED_ROWS 10
/* Of a line, but for what went wrong with TCP, where there is any; names that are too long for it
 * move the rest of theirs. */
#define WIDTH	      100
#define NUMBERS_WIDTH 43 /* of it */

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

/* ---- columns of texts: as wide as what is in them, and none for nothing ---- */

enum column {
	NAME,
	PLACE, /* the interface, or a group's kind */
	MASTER,
	STATE, /* the mode, or how long it lived */
	COLUMNS,
};

struct columns {
	size_t width[COLUMNS]; /* 0: it is left out */
	bool tcp;
};

static void pad(struct pe_strbuf *out, size_t used, size_t width)
{
	for (; used < width; used++)
		pe_strbuf_addc(out, ' ');
}

static const char *title_of(enum column column, enum pe_page_view view)
{
	switch (column) {
	case NAME:
		return "NAME";
	case PLACE:
		return view == PE_VIEW_GROUPS ? "KIND" : "INTERFACE";
	case MASTER:
		return "MASTER";
	default:
		return view == PE_VIEW_DEPARTED ? "LIVED" : "MODE";
	}
}

/* `lived` is memory for a text. */
static const char *text_of(const struct pe_page_row *row, enum column column,
			   char lived[PE_SHORT_MAX])
{
	switch (column) {
	case NAME:
		return pe_page_row_name(row);
	case PLACE:
		return row->iface ? row->iface->info.name : pe_page_row_kind(row);
	case MASTER:
		return pe_page_row_master(row);
	default:
		if (row->iface && !row->iface->departed)
			return pe_mode_name(row->iface->info.mode);
		pe_page_duration(row->lived_s, lived);
		return row->iface ? lived : "";
	}
}

/* Whether a column tells something that the ones before it do not. */
static bool is_worth(const struct pe_page_row *row, enum column column, const char *text)
{
	return *text && (column != PLACE || !row->iface || pe_page_row_name(row) != text);
}

/* 0 or -ENOMEM. */
static int set_widths(struct pe_page_rows *rows, enum pe_page_view view, struct columns *columns)
{
	struct pe_strbuf text = PE_STRBUF_INIT;
	bool worth[COLUMNS] = { [NAME] = true };
	int r;
	size_t left = WIDTH - NUMBERS_WIDTH;

	columns->tcp = false;
	for (enum column c = NAME; c < COLUMNS; c++)
		columns->width[c] = strlen(title_of(c, view));
	for (size_t i = 0; i < rows->count; i++) {
		struct pe_page_row row;

		pe_page_rows_read(rows, i, &row);
		columns->tcp |= row.tcp && (row.tcp->retransmitted || row.tcp->failed);
		for (enum column c = NAME; c < COLUMNS; c++) {
			char lived[PE_SHORT_MAX];
			const char *one = text_of(&row, c, lived);
			size_t width;

			text.len = 0;
			width = pe_text_add_plain(&text, one);
			worth[c] |= is_worth(&row, c, one);
			if (width > columns->width[c])
				columns->width[c] = width;
		}
	}
	r = text.error;
	pe_strbuf_fini(&text);
	/* Names are what may be long. */
	for (enum column c = COLUMNS - 1; c > NAME; c--) {
		columns->width[c] = worth[c] ? columns->width[c] : 0;
		left -= worth[c] ? columns->width[c] + 1 : 0;
	}
	if (columns->width[NAME] > left)
		columns->width[NAME] = left;
	return r;
}

static void add_text(struct pe_strbuf *out, const struct columns *columns, enum column column,
		     const char *text)
{
	if (!columns->width[column])
		return;
	if (column > NAME)
		pe_strbuf_addc(out, ' ');
	pad(out, pe_text_add_plain(out, *text ? text : "-"), columns->width[column]);
}

/* ---- rows ---- */

static void add_number(struct pe_strbuf *out, double value, int width)
{
	char number[PE_SHORT_MAX];

	pe_page_short(value, number);
	pe_strbuf_addf(out, " %*s", width, number);
}

static void add_row(struct pe_strbuf *out, const struct columns *columns,
		    const struct pe_page_row *row)
{
	const bool is_live = pe_page_row_is_live(row);
	char lived[PE_SHORT_MAX];

	for (enum column c = NAME; c < COLUMNS; c++)
		add_text(out, columns, c, text_of(row, c, lived));
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		const double bytes = (double)row->total[d].bytes;
		const double packets = (double)row->total[d].packets;

		add_number(out, is_live ? row->rate.bits[d] : bytes, d == PE_INGRESS ? 6 : 7);
		add_number(out, is_live ? row->rate.packets[d] : packets, 6);
	}
	add_number(out, (double)row->unobserved, 6);
	add_number(out, (double)row->dropped, 6);
	if (columns->tcp && row->tcp) {
		add_number(out, (double)row->tcp->retransmitted, 6);
		add_number(out, (double)row->tcp->failed, 6);
	}
	pe_strbuf_addc(out, '\n');
}

static void add_head(struct pe_strbuf *out, const struct columns *columns, enum pe_page_view view)
{
	const bool departed = view == PE_VIEW_DEPARTED;

	for (enum column c = NAME; c < COLUMNS; c++)
		add_text(out, columns, c, title_of(c, view));
	pe_strbuf_adds(out, departed ? "   in B    pkt   out B    pkt"
				     : " in b/s  pkt/s out b/s  pkt/s");
	pe_strbuf_addf(out, " unobs.  drops%s\n", columns->tcp ? " resent failed" : "");
}

static int add_rows(struct pe_strbuf *out, struct pe_page_rows *rows, enum pe_page_view view)
{
	struct columns columns;
	int r = set_widths(rows, view, &columns);

	if (r < 0)
		return r;
	add_head(out, &columns, view);
	for (size_t i = 0; i < rows->count; i++) {
		struct pe_page_row row;

		pe_page_rows_read(rows, i, &row);
		add_row(out, &columns, &row);
	}
	return 0;
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
	r = add_rows(out, &rows, query.view);
	pe_strbuf_addc(out, '\n');
	return r;
}

static void add_health(struct pe_strbuf *out, const struct pe_health_check *checks)
{
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

	if (!r)
		r = add_rows(out, &rows, query->view);
	if (r < 0)
		return r;
	if (rows.count == 0)
		pe_strbuf_adds(out, rows.total ? "nothing matches\n" : "nothing yet\n");
	if (rows.count < rows.matched)
		pe_strbuf_addf(out, "%zu of %zu; ?limit= (at most %d) and ?offset= show others\n",
			       rows.count, rows.matched, PE_PAGE_LIMIT_MAX);
	if (query->view == PE_VIEW_INTERFACES)
		r = add_last_departed(view, out);
	if (!view->has_packets)
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
	add_health(out, view->checks);
	return r < 0 ? r : out->error;
}
