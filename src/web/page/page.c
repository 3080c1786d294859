/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which answer a path has: see pe/page.h. */
#include "pe/page.h"

#include <errno.h>
#include <limits.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/http.h"

#include "api.h"
#include "html.h"
#include "live.h"
#include "query.h"
#include "table.h"

#define SHA256_BYTES  32
#define SHA256_BASE64 45 /* with its end */
#define PATH_IFACES   PE_PATH_API "interfaces"

struct pe_page {
	struct pe_page_options options;
	struct pe_live *live;
	char policy[512];
};

/* ---- answers ---- */

struct answer {
	const struct pe_page *page;
	const struct pe_live_view *view;
	struct pe_page_query query;
	int ifindex;
	struct pe_strbuf *out;
};

static struct pe_api api_of(const struct answer *answer)
{
	return (struct pe_api){ answer->page->live, answer->view, &answer->query,
				answer->page->options.show, answer->out };
}

static int answer_html(const struct answer *answer)
{
	const struct pe_html html = { answer->page->live, answer->view, &answer->query,
				      answer->page->options.telemetry_path, answer->out };

	return pe_html_add(&html);
}

static int answer_table(const struct answer *answer)
{
	return pe_page_add_table(answer->view, &answer->query, answer->out);
}

static int answer_interfaces(const struct answer *answer)
{
	const struct pe_api api = api_of(answer);

	return pe_api_add_interfaces(&api);
}

static int answer_interface(const struct answer *answer)
{
	const struct pe_api api = api_of(answer);

	return pe_api_add_interface(&api, answer->ifindex);
}

static int answer_groups(const struct answer *answer)
{
	const struct pe_api api = api_of(answer);

	return pe_api_add_groups(&api);
}

static int answer_health(const struct answer *answer)
{
	const struct pe_api api = api_of(answer);

	return pe_api_add_health(&api);
}

static const struct route {
	const char *path;
	enum pe_page_format format;
	int (*answer)(const struct answer *answer);
	bool is_groups;
} routes[] = {
	{ PE_PATH_INDEX, PE_PAGE_HTML, answer_html, false },
	{ PE_PATH_INDEX, PE_PAGE_TABLE, answer_table, false },
	{ PATH_IFACES, PE_PAGE_JSON, answer_interfaces, false },
	{ PE_PATH_API "groups", PE_PAGE_JSON, answer_groups, true },
	{ PE_PATH_API "health", PE_PAGE_JSON, answer_health, false },
};

/* Of "/api/v1/interfaces/7" the 7; 0 for another path. */
static int ifindex_of(const char *path)
{
	static const char prefix[] = PATH_IFACES "/";
	const char *digits = path + sizeof(prefix) - 1;
	unsigned long long ifindex;

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0 ||
	    strspn(digits, "0123456789") != strlen(digits) || *digits == '0')
		return 0;
	/* What is too large for it is too large for an ifindex. */
	ifindex = strtoull(digits, NULL, 10);
	return ifindex <= INT_MAX ? (int)ifindex : 0;
}

static const struct route *find_route(const char *path, enum pe_page_format format)
{
	static const struct route interface = { PATH_IFACES, PE_PAGE_JSON, answer_interface,
						false };

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (routes[i].format == format && strcmp(path, routes[i].path) == 0)
			return &routes[i];
	}
	return format == PE_PAGE_JSON && ifindex_of(path) ? &interface : NULL;
}

bool pe_page_has(const char *path, enum pe_page_format format)
{
	return find_route(path, format);
}

static int refuse(int status, const char *why, enum pe_page_format format, struct pe_strbuf *out)
{
	switch (format) {
	case PE_PAGE_HTML:
		pe_html_add_error(out, why);
		break;
	case PE_PAGE_TABLE:
		pe_strbuf_adds(out, why);
		pe_strbuf_addc(out, '\n');
		break;
	case PE_PAGE_JSON:
		pe_api_add_error(out, why);
		break;
	}
	return out->error ? out->error : status;
}

int pe_page_answer(struct pe_page *page, const char *path, const char *query,
		   enum pe_page_format format, struct pe_strbuf *out)
{
	const struct route *route = find_route(path, format);
	struct answer answer = { .page = page, .ifindex = ifindex_of(path), .out = out };
	const char *why;
	int r;

	if (!pe_page_query_parse(query, &answer.query, &why))
		return refuse(400, why, format, out);
	if (route->is_groups)
		answer.query.view = PE_VIEW_GROUPS;
	else if (route->answer == answer_interfaces && answer.query.view == PE_VIEW_GROUPS)
		return refuse(400, "groups are at " PE_PATH_API "groups", format, out);
	if (answer.query.view == PE_VIEW_DEPARTED && !answer.query.has_sort)
		answer.query.sort = PE_SORT_DEPARTED;
	r = pe_live_lock(page->live, &answer.view);
	if (r < 0)
		return r;
	r = route->answer(&answer);
	pe_live_unlock(page->live);
	if (r == -ENOENT)
		return refuse(404, "no live interface has this index", format, out);
	if (r < 0 || out->error)
		return -ENOMEM;
	return 200;
}

/* ---- making it ---- */

static int add_hash(const char *text, char out[SHA256_BASE64])
{
	unsigned char digest[SHA256_BYTES];
	gnutls_datum_t bytes = { digest, sizeof(digest) }, base64 = { 0 };

	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, text, strlen(text), digest) < 0 ||
	    gnutls_base64_encode2(&bytes, &base64) < 0)
		return -ENOMEM;
	snprintf(out, SHA256_BASE64, "%.*s", (int)base64.size, base64.data);
	gnutls_free(base64.data);
	return 0;
}

/* Scripts and styles are known by their hashes; nothing else runs, and nothing is loaded. */
static int set_policy(struct pe_page *page)
{
	char style[SHA256_BASE64], script[SHA256_BASE64];
	int r = add_hash(pe_html_style, style);

	if (r == 0)
		r = add_hash(pe_html_script, script);
	if (r < 0)
		return r;
	snprintf(page->policy, sizeof(page->policy),
		 "default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; "
		 "connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
		 "frame-ancestors 'none'",
		 script, style);
	return 0;
}

static void cleanup_page(struct pe_page **page)
{
	pe_page_free(*page);
}

int pe_page_new(const struct pe_page_options *options, struct pe_page **ret_page)
{
	_cleanup_(cleanup_page) struct pe_page *page = calloc(1, sizeof(*page));
	int r;

	if (!page)
		return -ENOMEM;
	page->options = *options;
	r = set_policy(page);
	if (r == 0)
		r = pe_live_new(options, &page->live);
	if (r < 0)
		return r;
	*ret_page = PE_TAKE_PTR(page);
	return 0;
}

struct pe_page *pe_page_free(struct pe_page *page)
{
	if (!page)
		return NULL;
	pe_live_free(page->live);
	free(page);
	return NULL;
}

const char *pe_page_policy(const struct pe_page *page)
{
	return page->policy;
}

void pe_page_tick(struct pe_page *page)
{
	pe_live_tick(page->live);
}
