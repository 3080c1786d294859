/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See api.h. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "api.h"

#include <errno.h>
#include <inttypes.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/text.h"

#include "health.h"
#include "rows.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define ROWS_DEFAULT  200
#define ROWS_WITH_ALL 100 /* of all metrics, which are some kilobytes a row */

static const char *const directions[PE_DIRECTIONS] = { "ingress", "egress" };

static void cleanup_encoder(struct pe_encoder **encoder)
{
	pe_encoder_free(*encoder);
}

/* ---- members, each with the comma before it ---- */

static void add_text(struct pe_strbuf *out, const char *name, const char *value)
{
	pe_strbuf_addf(out, ",\"%s\":\"", name);
	pe_text_add_json(out, value);
	pe_strbuf_addc(out, '"');
}

static void add_number(struct pe_strbuf *out, const char *name, uint64_t value)
{
	pe_strbuf_addf(out, ",\"%s\":%" PRIu64, name, value);
}

/* Seconds since the epoch. */
static void add_time(struct pe_strbuf *out, const char *name, uint64_t ns)
{
	pe_strbuf_addf(out, ",\"%s\":%" PRIu64 ".%03u", name, (uint64_t)(ns / PE_NS_PER_S),
		       (unsigned int)(ns % PE_NS_PER_S / PE_NS_PER_MS));
}

/* The members that every answer begins with. */
static void begin(const struct pe_api *api)
{
	pe_strbuf_addf(api->out, "{\"version\":\"" PACKAGE_VERSION "\"");
	add_time(api->out, "taken", api->view->about->taken_ns);
	if (api->view->seconds > 0)
		pe_strbuf_addf(api->out, ",\"seconds\":%.3f", (double)api->view->seconds);
	else
		pe_strbuf_adds(api->out, ",\"seconds\":null");
}

static void add_identity(struct pe_strbuf *out, const struct pe_identity *identity)
{
	static const struct pe_identity nobody = { 0, "", "", "", "", "", "", "", "" };
	const struct pe_identity *who = identity ? identity : &nobody;

	add_text(out, "container", who->container);
	add_text(out, "pod", who->pod);
	add_text(out, "namespace", who->namespace);
	add_text(out, "workload", who->workload);
	add_text(out, "image", who->image);
	add_text(out, "runtime", who->runtime);
	add_text(out, "container_id", who->container_id);
	add_text(out, "pod_uid", who->pod_uid);
}

static void add_iface(struct pe_strbuf *out, const struct pe_iface_sample *iface)
{
	const struct pe_iface_info *info = &iface->info;

	add_number(out, "ifindex", (uint64_t)info->ifindex);
	add_text(out, "interface", info->name);
	add_text(out, "kind", info->kind);
	add_text(out, "master", info->master);
	add_text(out, "alias", info->alias);
	add_text(out, "altnames", info->altnames);
	if (iface->departed) {
		add_time(out, "departed", iface->departed_ns);
	} else {
		add_text(out, "mode", pe_mode_name(info->mode));
		add_text(out, "reason", pe_mode_reason_name(info->mode_reason));
	}
	add_identity(out, iface->identity);
}

static void add_group(const struct pe_api *api, const struct pe_group_sample *group)
{
	for (unsigned int label = 0; label < PE_GROUP_LABELS; label++) {
		if (api->view->about->group_by & PE_GROUP_BIT(label))
			add_text(api->out, pe_group_label_name((enum pe_group_label)label),
				 group->label[label]);
	}
	add_number(api->out, "interfaces", group->interfaces);
	add_number(api->out, "interfaces_arrived", group->arrived);
	add_number(api->out, "interfaces_departed", group->departed);
}

static void add_direction(struct pe_strbuf *out, const struct pe_page_row *row, size_t d)
{
	pe_strbuf_addf(out, ",\"%s\":{\"bits_per_second\":%.1f,\"packets_per_second\":%.1f",
		       directions[d], (double)row->rate.bits[d], (double)row->rate.packets[d]);
	add_number(out, "packets", row->total[d].packets);
	add_number(out, "bytes", row->total[d].bytes);
	if (row->iface)
		add_number(out, "dropped_packets", row->iface->dropped[d]);
	pe_strbuf_addc(out, '}');
}

/* `null`: it is not known which namespace is behind it, or there is none. */
static void add_tcp(struct pe_strbuf *out, const struct pe_tcp_summary *tcp)
{
	if (!tcp) {
		pe_strbuf_adds(out, ",\"tcp\":null");
		return;
	}
	pe_strbuf_addf(out, ",\"tcp\":{\"retransmitted_segments\":%" PRIu64, tcp->retransmitted);
	add_number(out, "failed_connections", tcp->failed);
	add_number(out, "reset_connections", tcp->reset);
	pe_strbuf_addc(out, '}');
}

/* Bits a second, the oldest first; null before anybody looked. */
static void add_history(const struct pe_api *api, const struct pe_live_item *item)
{
	pe_strbuf_addf(api->out, ",\"history\":{\"seconds\":%d", PE_LIVE_POINT_S);
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		pe_strbuf_addf(api->out, ",\"%s\":[", directions[d]);
		for (size_t i = 0; i < PE_LIVE_POINTS; i++) {
			const float point = pe_live_point(api->live, item, i, d);

			if (i > 0)
				pe_strbuf_addc(api->out, ',');
			if (point < 0)
				pe_strbuf_adds(api->out, "null");
			else
				pe_strbuf_addf(api->out, "%.0f", (double)point);
		}
		pe_strbuf_addc(api->out, ']');
	}
	pe_strbuf_addc(api->out, '}');
}

/* `encoder` is of these rows, and NULL unless the metrics are wanted. */
static int add_row(const struct pe_api *api, struct pe_page_rows *rows, size_t i,
		   struct pe_encoder *encoder, bool history)
{
	struct pe_strbuf *out = api->out;
	struct pe_page_row read;
	const struct pe_page_row *row = &read;

	pe_page_rows_read(rows, i, &read);
	pe_strbuf_adds(out, "{\"name\":\"");
	pe_text_add_json(out, pe_page_row_name(row));
	pe_strbuf_addc(out, '"');
	if (row->iface)
		add_iface(out, row->iface);
	else
		add_group(api, row->group);
	add_time(out, "created", row->body->created_ns);
	pe_strbuf_addf(out, ",\"lived_seconds\":%.3f", row->lived_s);
	for (size_t d = 0; d < PE_DIRECTIONS; d++)
		add_direction(out, row, d);
	add_number(out, "unobserved_packets", row->unobserved);
	add_number(out, "overcounted_packets", row->overcounted);
	add_tcp(out, row->tcp);
	if (history && pe_page_row_is_live(row))
		add_history(api, row->item);
	if (encoder) {
		pe_strbuf_adds(out, ",\"metrics\":");
		if (pe_encoder_add_json(encoder, row->iface ? PE_PART_IFACE : PE_PART_GROUP, i,
					out) < 0)
			return -ENOMEM;
	}
	pe_strbuf_addc(out, '}');
	return out->error;
}

static int new_encoder(const struct pe_api *api, struct pe_snapshot *snapshot,
		       struct pe_encoder **ret_encoder)
{
	const struct pe_encode_options options = { .show = api->show };

	return pe_encoder_new(snapshot, &options, ret_encoder);
}

static int new_rows_encoder(const struct pe_api *api, const struct pe_page_rows *rows,
			    struct pe_encoder **ret_encoder)
{
	struct pe_snapshot *snapshot;
	int r = pe_page_rows_unpack(rows, 0, rows->count, &snapshot);

	if (r < 0)
		return r;
	r = new_encoder(api, snapshot, ret_encoder);
	pe_snapshot_unref(snapshot);
	return r;
}

static int add_rows(const struct pe_api *api, const char *name)
{
	const struct pe_page_query *query = api->query;
	const size_t most = query->metrics ? ROWS_WITH_ALL : PE_PAGE_LIMIT_MAX;
	_cleanup_(cleanup_encoder) struct pe_encoder *encoder = NULL;
	_cleanup_(pe_page_rows_fini) struct pe_page_rows rows = { 0 };
	size_t limit = query->limit ? query->limit : ROWS_DEFAULT;
	int r = pe_page_rows_select(api->view, query, limit < most ? limit : most, &rows);

	if (r == 0 && query->metrics)
		r = new_rows_encoder(api, &rows, &encoder);
	begin(api);
	add_number(api->out, "total", rows.total);
	add_number(api->out, "matched", rows.matched);
	add_number(api->out, "offset", query->offset);
	pe_strbuf_addf(api->out, ",\"%s\":[", name);
	for (size_t i = 0; r == 0 && i < rows.count && api->out->len < PE_PAGE_BYTES_MAX; i++) {
		if (i > 0)
			pe_strbuf_addc(api->out, ',');
		r = add_row(api, &rows, i, encoder, query->history);
	}
	pe_strbuf_adds(api->out, "]}\n");
	return r;
}

int pe_api_add_interfaces(const struct pe_api *api)
{
	return add_rows(api, "interfaces");
}

int pe_api_add_groups(const struct pe_api *api)
{
	return add_rows(api, "groups");
}

int pe_api_add_interface(const struct pe_api *api, int ifindex)
{
	_cleanup_(cleanup_encoder) struct pe_encoder *encoder = NULL;
	_cleanup_(pe_page_rows_fini) struct pe_page_rows rows = { 0 };
	int r = pe_page_rows_find(api->view, ifindex, &rows);

	if (r == 0)
		r = new_rows_encoder(api, &rows, &encoder);
	if (r < 0)
		return r;
	begin(api);
	pe_strbuf_adds(api->out, ",\"interface\":");
	r = add_row(api, &rows, 0, encoder, true);
	pe_strbuf_adds(api->out, "}\n");
	return r;
}

int pe_api_add_health(const struct pe_api *api)
{
	_cleanup_(cleanup_encoder) struct pe_encoder *encoder = NULL;
	const struct pe_health_check *checks = api->view->checks;
	int r = new_encoder(api, api->view->about, &encoder);

	if (r < 0)
		return r;
	begin(api);
	add_text(api->out, "status", pe_health_level_name(api->view->level));
	add_time(api->out, "started", api->view->about->self.created_ns);
	pe_strbuf_adds(api->out, ",\"checks\":[");
	for (size_t i = 0; i < PE_HEALTH_CHECKS; i++) {
		pe_strbuf_addf(api->out, "%s{\"name\":\"%s\"", i ? "," : "", checks[i].name);
		add_text(api->out, "status", pe_health_level_name(checks[i].level));
		add_text(api->out, "text", checks[i].text);
		pe_strbuf_addc(api->out, '}');
	}
	pe_strbuf_adds(api->out, "],\"metrics\":");
	r = pe_encoder_add_json(encoder, PE_PART_SELF, 0, api->out);
	pe_strbuf_adds(api->out, "}\n");
	return r;
}

void pe_api_add_error(struct pe_strbuf *out, const char *why)
{
	pe_strbuf_adds(out, "{\"error\":\"");
	pe_text_add_json(out, why);
	pe_strbuf_adds(out, "\"}\n");
}
