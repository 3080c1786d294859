/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The columns of the page's tables, each a row of a table here: see html.h. */
#include "html.h"

#include <stdio.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/text.h"

#include "rows.h"
#include "table.h"

#define IN(view)     (1u << PE_VIEW_##view)
#define IN_LIVE	     (IN(INTERFACES) | IN(GROUPS))
#define IN_ALL	     (IN_LIVE | IN(DEPARTED))
#define CHART_HEIGHT 44
#define CHART_BAR    4	  /* wide */
#define CHART_BITS   8000 /* a second: the least that is the whole height */
#define NO_SORT	     PE_HTML_NO_SORT

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

/* Most rows have none: then nothing is shown, so that those that have some are seen. */
static void add_some(const struct pe_html *html, uint64_t count)
{
	if (count)
		pe_html_add_number(html->out, (double)count, "");
}

static void add_retransmits(const struct pe_html *html, const struct pe_page_row *row)
{
	add_some(html, row->tcp ? row->tcp->retransmitted : 0);
}

static void add_failed(const struct pe_html *html, const struct pe_page_row *row)
{
	add_some(html, row->tcp ? row->tcp->failed : 0);
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
	const uint64_t now_ns = html->view->about->taken_ns, at_ns = row->iface->departed_ns;
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
		value[i] = pe_live_point(html->live, row->item, i, PE_INGRESS);
		if (value[i] >= 0)
			value[i] += pe_live_point(html->live, row->item, i, PE_EGRESS);
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

/* How a column is shown: numbers are right-aligned; wide ones only where there is room. */
#define PLAIN	    ""
#define NUMBER	    " class=\"n\""
#define WIDE	    " class=\"w\""
#define WIDE_NUMBER " class=\"n w\""

const struct pe_html_column pe_html_columns[] = {
	{ "Name", "container, pod or workload, else the interface", PE_SORT_NAME, IN_ALL, NULL,
	  PLAIN },
	{ "Interface", "the host's end", NO_SORT, IN(INTERFACES) | IN(DEPARTED), add_interface,
	  WIDE },
	{ "Kind", "kind of interface", NO_SORT, IN(GROUPS), add_kind, WIDE },
	{ "Bridge", "bridge or other master", PE_SORT_MASTER, IN_ALL, add_master, WIDE },
	{ "Mode", "how ingress is counted, and why so", PE_SORT_MODE, IN(INTERFACES), add_mode,
	  WIDE },
	{ "Interfaces", "members now", PE_SORT_INTERFACES, IN(GROUPS), add_members, NUMBER },
	{ "Ever", "members that there ever were", NO_SORT, IN(GROUPS), add_arrived, WIDE_NUMBER },
	{ "In b/s", "bits a second that the host received: a container sent", PE_SORT_IN_BITS,
	  IN_LIVE, add_in_bits, NUMBER },
	{ "pkt/s", "packets a second in", PE_SORT_IN_PACKETS, IN_LIVE, add_in_packets,
	  WIDE_NUMBER },
	{ "Out b/s", "bits a second that the host sent: a container received", PE_SORT_OUT_BITS,
	  IN_LIVE, add_out_bits, NUMBER },
	{ "pkt/s", "packets a second out", PE_SORT_OUT_PACKETS, IN_LIVE, add_out_packets,
	  WIDE_NUMBER },
	{ "In", "bytes that the host received: a container sent", PE_SORT_IN_BITS, IN(DEPARTED),
	  add_total_in, NUMBER },
	{ "packets", "packets in", PE_SORT_IN_PACKETS, IN(DEPARTED), add_total_in_packets,
	  WIDE_NUMBER },
	{ "Out", "bytes that the host sent: a container received", PE_SORT_OUT_BITS, IN(DEPARTED),
	  add_total_out, NUMBER },
	{ "packets", "packets out", PE_SORT_OUT_PACKETS, IN(DEPARTED), add_total_out_packets,
	  WIDE_NUMBER },
	{ "Lived", "how long it was there", PE_SORT_LIVED, IN(DEPARTED), add_lived, NUMBER },
	{ "Departed", "when it went", PE_SORT_DEPARTED, IN(DEPARTED), add_departed, WIDE_NUMBER },
	{ "Unobserved", "packets that the kernel counted and the exporter did not",
	  PE_SORT_UNOBSERVED, IN_ALL, add_unobserved, WIDE_NUMBER },
	{ "Drops", "packets that the interface itself dropped", PE_SORT_DROPS, IN(INTERFACES),
	  add_drops, WIDE_NUMBER },
	{ "Resent", "TCP segments that the container, or those of the group, sent again",
	  PE_SORT_RETRANSMITS, IN_ALL, add_retransmits, WIDE_NUMBER },
	{ "Failed", "their TCP connections that never came about", PE_SORT_FAILED, IN_ALL,
	  add_failed, WIDE_NUMBER },
	{ "Last 5 minutes", "in and out together, while somebody looks", NO_SORT, IN_LIVE,
	  add_chart, PLAIN },
	{ 0 },
};
