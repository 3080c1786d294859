/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a row of the page shows when it is opened: see html.h. */
#include "html.h"

#include <arpa/inet.h>

#include "pe/clock.h"
#include "pe/endpoint.h"
#include "pe/text.h"

#include "table.h"

static void add_term(struct pe_strbuf *out, const char *term, const char *text)
{
	if (!*text)
		return;
	pe_strbuf_addf(out, "<div><dt>%s</dt><dd><bdi>", term);
	pe_text_add_html(out, text);
	pe_strbuf_adds(out, "</bdi></dd></div>");
}

static void add_identity(struct pe_strbuf *out, const struct pe_identity *identity)
{
	if (!identity)
		return;
	add_term(out, "Container", identity->container);
	add_term(out, "Container ID", identity->container_id);
	add_term(out, "Pod", identity->pod);
	add_term(out, "Namespace", identity->namespace);
	add_term(out, "Workload", identity->workload);
	add_term(out, "Image", identity->image);
	add_term(out, "Runtime", identity->runtime);
}

static void add_total(struct pe_strbuf *out, const char *term, struct pe_count count)
{
	pe_strbuf_addf(out, "<div><dt>%s</dt><dd>%llu packets, %llu bytes</dd></div>", term,
		       (unsigned long long)count.packets, (unsigned long long)count.bytes);
}

const char *pe_html_mode_reason(enum pe_mode_reason reason)
{
	static const char *const texts[PE_REASON_COUNT] = {
		[PE_REASON_NONE] = "",
		[PE_REASON_BUSY] = "somebody else's XDP program is on it or on its bridge",
		[PE_REASON_UPPER] = "XDP counts on an interface above it",
		[PE_REASON_HARDWARE] = "many drivers restart the card when XDP is attached",
		[PE_REASON_GRO] = "generic XDP would switch GRO off",
		[PE_REASON_OFFLOAD] =
			"generic XDP would switch off what the card below it offloads",
		[PE_REASON_KIND] = "XDP does not see its packets as its own counters do",
		[PE_REASON_BRIDGE] = "with XDP on it, its ports could have none",
		[PE_REASON_NEW] = "XDP follows when fewer interfaces are being made",
		[PE_REASON_LOAD] = "generic XDP would slow down what it receives",
		[PE_REASON_NATIVE_REFUSED] = "the driver refused native XDP",
		[PE_REASON_REFUSED] = "the kernel or the driver refused XDP",
		[PE_REASON_NO_SLOT] = "there are more interfaces than --max-interfaces",
		[PE_REASON_NO_MEMORY] = "there was no memory",
	};

	return texts[reason];
}

/* What a narrow page has no columns for, too. */
static void add_place(struct pe_strbuf *out, const struct pe_iface_info *info)
{
	add_term(out, "Interface", info->name);
	add_term(out, "Kind", *info->kind ? info->kind : "hardware");
	add_term(out, "Bridge", info->master);
	add_term(out, "Alias", info->alias);
	add_term(out, "Other names", info->altnames);
	pe_strbuf_addf(out, "<div><dt>Mode</dt><dd>%s%s%s</dd></div>", pe_mode_name(info->mode),
		       info->mode_reason == PE_REASON_NONE ? "" : ": ",
		       pe_html_mode_reason(info->mode_reason));
}

static void add_numbers(const struct pe_html *html, const struct pe_iface_sample *iface)
{
	static const char *const in[PE_UNOBSERVED_REASONS] = { "In before it was attached",
							       "In, lost" };
	static const char *const out_[PE_UNOBSERVED_REASONS] = { "Out before it was attached",
								 "Out, lost" };
	const struct pe_series_body *body = &iface->body;
	const uint64_t now_ns = html->view->about->taken_ns;
	struct pe_strbuf *out = html->out;
	char age[PE_SHORT_MAX];

	pe_page_duration(
		now_ns > body->created_ns ? (double)(now_ns - body->created_ns) / PE_NS_PER_S : 0,
		age);
	add_term(out, "Counted for", age);
	add_total(out, "In", pe_row_total(&body->row[PE_INGRESS]));
	add_total(out, "Out", pe_row_total(&body->row[PE_EGRESS]));
	for (size_t reason = 0; reason < PE_UNOBSERVED_REASONS; reason++) {
		if (body->unobserved[PE_INGRESS][reason].packets)
			add_total(out, in[reason], body->unobserved[PE_INGRESS][reason]);
		if (body->unobserved[PE_EGRESS][reason].packets)
			add_total(out, out_[reason], body->unobserved[PE_EGRESS][reason]);
	}
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		if (iface->dropped[d])
			pe_strbuf_addf(out, "<div><dt>%s, dropped</dt><dd>%llu packets</dd></div>",
				       d == PE_INGRESS ? "In" : "Out",
				       (unsigned long long)iface->dropped[d]);
	}
}

/* Of the container, whatever its interfaces. */
static void add_tcp(struct pe_strbuf *out, const struct pe_tcp_summary *tcp)
{
	pe_strbuf_addf(out,
		       "<div><dt>TCP, sent again</dt><dd>%llu segments</dd></div>"
		       "<div><dt>TCP, failed</dt><dd>%llu connections</dd></div>"
		       "<div><dt>TCP, reset</dt><dd>%llu connections</dd></div>",
		       (unsigned long long)tcp->retransmitted, (unsigned long long)tcp->failed,
		       (unsigned long long)tcp->reset);
}

/* By the kernel, whoever in it; what the interface itself dropped may be among it. */
static void add_drops(const struct pe_html *html, const struct pe_series_body *body)
{
	const struct pe_drop_reasons *reasons = &html->view->about->drop_reasons;

	for (size_t d = 0; body->drops && d < PE_DIRECTIONS; d++) {
		for (size_t i = 0; i < PE_DROP_REASONS; i++) {
			const uint64_t packets = pe_drop_row_sum(body->drops, reasons, d, i);

			if (!reasons->name[i] || packets == 0)
				continue;
			pe_strbuf_addf(html->out,
				       "<div><dt>%s, drops: %s</dt><dd>%llu packets</dd></div>",
				       d == PE_INGRESS ? "In" : "Out", reasons->name[i],
				       (unsigned long long)packets);
		}
	}
}

/* In ones and out ones by how they ended; a mean says enough here. */
static void add_dns(const struct pe_html *html, const struct pe_series_body *body)
{
	for (size_t d = 0; body->dns && d < PE_DIRECTIONS; d++) {
		const struct pe_dns_counts *dns = &body->dns->of[d];
		uint64_t answers = 0;

		for (size_t i = 0; i < PE_DNS_RCODES; i++)
			answers += dns->answers[i];
		if (dns->queries == 0)
			continue;
		pe_strbuf_addf(html->out,
			       "<div><dt>%s, DNS</dt><dd>%llu queries, %llu answers in %.2f ms on "
			       "average, %llu unanswered</dd></div>",
			       d == PE_INGRESS ? "In" : "Out", (unsigned long long)dns->queries,
			       (unsigned long long)answers,
			       answers ? (double)dns->time_sum_ns / PE_NS_PER_MS / (double)answers
				       : 0.0,
			       (unsigned long long)dns->unanswered);
	}
}

static void add_endpoint(struct pe_strbuf *out, const struct pe_flow_key *key, bool is_source)
{
	const bool ports = pe_proto_has_ports(pe_proto_from_ip(key->ip_proto));
	const __be16 port = is_source ? key->sport : key->dport;

	pe_strbuf_adds(out, "<td>");
	pe_text_endpoint(out, is_source ? key->saddr : key->daddr, PE_FLOW_IS_IPV6(key->tag),
			 ports ? ntohs(port) : PE_NO_PORT);
	pe_strbuf_adds(out, "</td>");
}

static void add_flow(struct pe_strbuf *out, const struct pe_top_flow *flow)
{
	pe_strbuf_addf(out, "<tr><td>%s</td><td class=\"w\">%s</td>",
		       PE_FLOW_DIRECTION(flow->key.tag) == PE_INGRESS ? "in" : "out",
		       pe_proto_name(pe_proto_from_ip(flow->key.ip_proto)));
	add_endpoint(out, &flow->key, true);
	add_endpoint(out, &flow->key, false);
	pe_strbuf_adds(out, "<td class=\"n\">");
	pe_html_add_number(out, (double)flow->count.bytes, "B");
	pe_strbuf_adds(out, "</td><td class=\"n w\">");
	pe_html_add_number(out, (double)flow->count.packets, "");
	pe_strbuf_adds(out, "</td></tr>");
}

static void add_flows(const struct pe_html *html, const struct pe_flow_sample *flows)
{
	struct pe_strbuf *out = html->out;

	if (!html->view->about->top_flows) {
		pe_strbuf_adds(out,
			       "<p>Its largest flows are shown with <code>--flows.top=10</code>."
			       "</p>");
		return;
	}
	if (flows->top_count == 0) {
		pe_strbuf_adds(out,
			       "<p>No flow has been reported yet; that takes some seconds.</p>");
		return;
	}
	pe_strbuf_adds(out,
		       "<table id=\"flows\"><caption>Largest flows</caption><thead><tr>"
		       "<th scope=\"col\">Direction</th><th scope=\"col\" class=\"w\">Protocol</th>"
		       "<th scope=\"col\">Source</th><th scope=\"col\">Destination</th>"
		       "<th scope=\"col\" class=\"n\">Bytes</th>"
		       "<th scope=\"col\" class=\"n w\">Packets</th></tr></thead><tbody>");
	for (size_t i = 0; i < flows->top_count; i++)
		add_flow(out, &flows->top[i]);
	pe_strbuf_adds(out, "</tbody></table>");
}

void pe_html_add_details(const struct pe_html *html, const struct pe_iface_sample *iface)
{
	struct pe_strbuf *out = html->out;

	pe_strbuf_adds(out, "<dl>");
	add_identity(out, iface->identity);
	add_place(out, &iface->info);
	add_numbers(html, iface);
	add_drops(html, &iface->body);
	if (iface->has_tcp && html->view->about->tcp)
		add_tcp(out, &iface->tcp);
	add_dns(html, &iface->body);
	pe_strbuf_adds(out, "</dl>\n");
	add_flows(html, &iface->body.flows);
}
