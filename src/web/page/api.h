/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JSON API (RFC 8259), documented in docker/README.md. What is below "metrics" comes from the
 * walk of all formats. Called with the view locked.
 */
#ifndef PE_WEB_PAGE_API_H
#define PE_WEB_PAGE_API_H

#include "live.h"
#include "query.h"

struct pe_api {
	const struct pe_live *live;
	const struct pe_live_view *view;
	const struct pe_page_query *query;
	struct pe_expose_options show;
	struct pe_strbuf *out;
};

/* Each appends an object. 0 or -ENOMEM. */
int pe_api_add_interfaces(const struct pe_api *api);
int pe_api_add_groups(const struct pe_api *api);
int pe_api_add_health(const struct pe_api *api);
/* Likewise; -ENOENT if no live interface has the index. */
int pe_api_add_interface(const struct pe_api *api, int ifindex);

/* {"error":"…"} */
void pe_api_add_error(struct pe_strbuf *out, const char *why);

#endif
