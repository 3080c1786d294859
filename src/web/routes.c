/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See routes.h. Answers that are constant are handed over as they are; metrics are made by the
 * scraper as they are read, pages and JSON as a whole.
 */
#include "routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/log.h"
#include "pe/page.h"

#include "body.h"
#include "negotiate.h"
#include "scrape.h"

#define CONTENT_TYPE_PLAIN "text/plain; charset=utf-8"

/* What we and libmicrohttpd answer; any other error counts as the first of its class. */
static const unsigned int status_codes[] = { 200, 400, 401, 404, 405, 414, 431, 500, 503 };
#define STATUS_CODES (sizeof(status_codes) / sizeof(status_codes[0]))
_Static_assert(STATUS_CODES <= PE_HTTP_CODES, "every code has its place in the sample");

struct pe_routes {
	char *telemetry_path;
	bool (*ready)(void *userdata);
	void *userdata;
	struct pe_page *page;
	struct pe_bodies bodies;
	struct pe_scraper *scraper;
	struct pe_log_once unavailable_logged;
	uint64_t requests[STATUS_CODES]; /* atomic */
};

struct header {
	const char *name;
	const char *value;
};

/* ---- statistics ---- */

void pe_routes_count(struct pe_routes *routes, unsigned int status)
{
	const unsigned int class_code = status < 500 ? 400 : 500;
	size_t place = 0;

	for (size_t i = 0; i < STATUS_CODES; i++) {
		if (status_codes[i] == class_code)
			place = i;
	}
	for (size_t i = 0; i < STATUS_CODES; i++) {
		if (status_codes[i] == status)
			place = i;
	}
	__atomic_fetch_add(&routes->requests[place], 1, __ATOMIC_RELAXED);
}

void pe_routes_get_stats(const struct pe_routes *routes, struct pe_http_sample *ret_sample)
{
	for (size_t i = 0; i < STATUS_CODES; i++) {
		ret_sample->requests[i].code = status_codes[i];
		ret_sample->requests[i].count =
			__atomic_load_n(&routes->requests[i], __ATOMIC_RELAXED);
	}
	ret_sample->connections_evicted = pe_scraper_evicted(routes->scraper);
	pe_scraper_get_duration(routes->scraper, &ret_sample->scrape_duration);
}

/* ---- answers ---- */

static void cleanup_response(struct MHD_Response **response)
{
	if (*response)
		MHD_destroy_response(*response);
}

static bool is_configured(const struct pe_web_config *config, const char *name)
{
	for (size_t i = 0; i < config->header_count; i++) {
		if (strcmp(config->headers[i].name, name) == 0)
			return true;
	}
	return false;
}

static bool add_header(struct MHD_Response *response, const char *name, const char *value)
{
	return MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool add_headers(struct MHD_Response *response, const struct header *headers,
			const struct pe_web_config *config)
{
	for (; headers->name; headers++) {
		if (!is_configured(config, headers->name) &&
		    !add_header(response, headers->name, headers->value))
			return false;
	}
	return true;
}

/* Headers end with an empty one. MHD_NO closes the connection. */
static enum MHD_Result send_response(const struct pe_request *request, unsigned int status,
				     struct MHD_Response *response, const struct header *headers)
{
	static const struct header common[] = {
		{ "Cache-Control", "no-store" },
		{ "X-Content-Type-Options", "nosniff" },
		{ 0 },
	};

	const struct pe_web_config *config = request->config;

	if (!add_headers(response, common, config) || !add_headers(response, headers, config))
		return MHD_NO;
	for (size_t i = 0; i < config->header_count; i++) {
		if (!add_header(response, config->headers[i].name, config->headers[i].value))
			return MHD_NO;
	}
	pe_routes_count(request->routes, status);
	return MHD_queue_response(request->connection, status, response);
}

static enum MHD_Result send_bytes(const struct pe_request *request, unsigned int status,
				  const char *data, size_t len, const struct header *headers)
{
	_cleanup_(cleanup_response) struct MHD_Response *response =
		MHD_create_response_from_buffer(len, (void *)data, MHD_RESPMEM_PERSISTENT);

	return response ? send_response(request, status, response, headers) : MHD_NO;
}

/* `text` must be constant. */
static enum MHD_Result send_text(const struct pe_request *request, unsigned int status,
				 const char *text)
{
	static const struct header headers[] = {
		{ "Content-Type", CONTENT_TYPE_PLAIN },
		{ 0 },
	};

	return send_bytes(request, status, text, strlen(text), headers);
}

static enum MHD_Result answer_healthy(const struct pe_request *request)
{
	return send_text(request, MHD_HTTP_OK, "OK\n");
}

static enum MHD_Result answer_ready(const struct pe_request *request)
{
	if (request->routes->ready(request->routes->userdata))
		return send_text(request, MHD_HTTP_OK, "Ready\n");
	return send_text(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			 "Not ready: the interfaces are still being read\n");
}

static enum MHD_Result answer_not_found(const struct pe_request *request)
{
	return send_text(request, MHD_HTTP_NOT_FOUND, "Not found\n");
}

static enum MHD_Result answer_bad_method(const struct pe_request *request)
{
	static const struct header headers[] = {
		{ "Content-Type", CONTENT_TYPE_PLAIN },
		{ "Allow", "GET, HEAD" },
		{ 0 },
	};
	static const char text[] = "Method not allowed\n";

	return send_bytes(request, MHD_HTTP_METHOD_NOT_ALLOWED, text, sizeof(text) - 1, headers);
}

static enum MHD_Result answer_denied(const struct pe_request *request)
{
	static const struct header headers[] = {
		{ "Content-Type", CONTENT_TYPE_PLAIN },
		{ "WWW-Authenticate", "Basic realm=\"packet-exporter\", charset=\"UTF-8\"" },
		{ 0 },
	};
	static const char text[] = "Unauthorized\n";

	return send_bytes(request, MHD_HTTP_UNAUTHORIZED, text, sizeof(text) - 1, headers);
}

static enum MHD_Result answer_busy(const struct pe_request *request)
{
	return send_text(request, MHD_HTTP_SERVICE_UNAVAILABLE, "Too many logins\n");
}

struct field {
	const char *name;
	struct pe_strbuf value;
};

static enum MHD_Result on_header(void *userdata, enum MHD_ValueKind kind, const char *name,
				 const char *value)
{
	struct field *field = userdata;

	if (value && strcasecmp(name, field->name) == 0) {
		if (field->value.len > 0)
			pe_strbuf_addc(&field->value, ',');
		pe_strbuf_adds(&field->value, value);
	}
	return MHD_YES;
}

/* All lines of a list header as one (RFC 9110, 5.3); NULL if there is none. */
static const char *join_header(const struct pe_request *request, struct field *field)
{
	MHD_get_connection_values(request->connection, MHD_HEADER_KIND, on_header, field);
	if (field->value.len == 0)
		return NULL;
	pe_strbuf_addc(&field->value, '\0');
	return field->value.error ? NULL : field->value.data;
}

static void cleanup_field(struct field *field)
{
	pe_strbuf_fini(&field->value);
}

static enum MHD_Result answer_unavailable(const struct pe_request *request, int error)
{
	if (pe_log_once(&request->routes->unavailable_logged, 60 * PE_NS_PER_S))
		pe_warn("http", "a request was answered with 503: %s",
			error == -EBUSY ? "slow readers hold all that there may be"
					: strerror(-error));
	return send_text(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			 error == -EBUSY ? "Too many slow readers\n" : "No snapshot\n");
}

static enum MHD_Result answer_metrics(const struct pe_request *request)
{
	_cleanup_(cleanup_field) struct field accept = { .name = "Accept" };
	_cleanup_(cleanup_field) struct field encoding = { .name = "Accept-Encoding" };
	_cleanup_(cleanup_response) struct MHD_Response *response = NULL;
	const enum pe_format format = pe_negotiate_format(join_header(request, &accept));
	const bool gzip = pe_negotiate_gzip(join_header(request, &encoding));
	const struct header headers[] = {
		{ "Content-Type", pe_format_content_type(format) },
		{ "Vary", "Accept, Accept-Encoding" },
		{ gzip ? "Content-Encoding" : NULL, "gzip" },
		{ 0 },
	};
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	int r;

	if (!info)
		return MHD_NO;
	r = pe_scraper_respond(request->routes->scraper, info->connect_fd, format, gzip,
			       request->is_old && !request->is_head, &response);
	/* After HEAD, libmicrohttpd 0.9.75 sends the last chunk of the body that there is not,
	 * which the next answer would be taken for. Without chunks it sends nothing, and closes. */
	if (r == 0 && request->is_head)
		MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
	if (r == 0)
		return send_response(request, MHD_HTTP_OK, response, headers);
	return answer_unavailable(request, r);
}

/* ---- pages ---- */

static const char *content_type(enum pe_page_format format)
{
	switch (format) {
	case PE_PAGE_HTML:
		return "text/html; charset=utf-8";
	case PE_PAGE_JSON:
		return "application/json";
	case PE_PAGE_TABLE:
		break;
	}
	return CONTENT_TYPE_PLAIN;
}

static enum MHD_Result answer_page(const struct pe_request *request, enum pe_page_format format)
{
	_cleanup_(cleanup_field) struct field encoding = { .name = "Accept-Encoding" };
	_cleanup_(cleanup_response) struct MHD_Response *response = NULL;
	struct pe_routes *routes = request->routes;
	const bool gzip = pe_negotiate_gzip(join_header(request, &encoding));
	const struct header headers[] = {
		{ "Content-Type", content_type(format) },
		{ "Vary", "Accept, Accept-Encoding" },
		{ "Content-Security-Policy",
		  format == PE_PAGE_HTML ? pe_page_policy(routes->page) : "default-src 'none'" },
		{ "Referrer-Policy", "no-referrer" },
		{ gzip ? "Content-Encoding" : NULL, "gzip" },
		{ 0 },
	};
	struct pe_strbuf text = PE_STRBUF_INIT;
	int r = pe_page_answer(routes->page, request->path, request->query, format, &text);
	const unsigned int status = r > 0 ? (unsigned int)r : MHD_HTTP_OK;

	if (r > 0)
		r = pe_body_respond(&routes->bodies, &text, gzip, &response);
	pe_strbuf_fini(&text);
	return r < 0 ? answer_unavailable(request, r)
		     : send_response(request, status, response, headers);
}

static enum MHD_Result answer_index(const struct pe_request *request)
{
	_cleanup_(cleanup_field) struct field accept = { .name = "Accept" };

	return answer_page(request, pe_negotiate_html(join_header(request, &accept))
					    ? PE_PAGE_HTML
					    : PE_PAGE_TABLE);
}

static enum MHD_Result answer_api(const struct pe_request *request)
{
	return answer_page(request, PE_PAGE_JSON);
}

/* ---- paths ---- */

static const struct {
	const char *path;
	enum MHD_Result (*answer)(const struct pe_request *request);
} paths[] = {
	{ PE_PATH_INDEX, answer_index },
	{ PE_PATH_HEALTHY, answer_healthy },
	{ PE_PATH_READY, answer_ready },
};

bool pe_http_is_reserved(const char *path)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (strcmp(path, paths[i].path) == 0)
			return true;
	}
	return strncmp(path, PE_PATH_API, sizeof(PE_PATH_API) - 1) == 0;
}

static enum MHD_Result route(const struct pe_request *request)
{
	enum MHD_Result (*answer)(const struct pe_request *request) = answer_not_found;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (strcmp(request->path, paths[i].path) == 0)
			answer = paths[i].answer;
	}
	if (strcmp(request->path, request->routes->telemetry_path) == 0)
		answer = answer_metrics;
	else if (pe_page_has(request->path, PE_PAGE_JSON))
		answer = answer_api;
	if (answer != answer_not_found && !request->readable)
		answer = answer_bad_method;
	return answer(request);
}

enum MHD_Result pe_routes_answer(const struct pe_request *request, enum pe_login_verdict verdict)
{
	switch (verdict) {
	case PE_LOGIN_ALLOWED:
		return route(request);
	case PE_LOGIN_DENIED:
		return answer_denied(request);
	default:
		return answer_busy(request);
	}
}

enum MHD_Result pe_routes_refuse(const struct pe_request *request)
{
	return send_text(request, MHD_HTTP_BAD_REQUEST, "Bad request\n");
}

void pe_routes_tick(struct pe_routes *routes)
{
	pe_page_tick(routes->page);
}

/* ---- making it ---- */

static void cleanup_routes(struct pe_routes **routes)
{
	pe_routes_free(*routes);
}

int pe_routes_new(const struct pe_http_options *options, struct pe_routes **ret_routes)
{
	_cleanup_(cleanup_routes) struct pe_routes *routes = calloc(1, sizeof(*routes));
	int r;

	if (!routes)
		return -ENOMEM;
	routes->telemetry_path = strdup(options->telemetry_path);
	routes->ready = options->ready;
	routes->userdata = options->userdata;
	if (!routes->telemetry_path)
		return -ENOMEM;
	r = pe_page_new(&(struct pe_page_options){ routes->telemetry_path, options->show,
						   options->look, options->userdata },
			&routes->page);
	if (r == 0)
		r = pe_scraper_new(options, &routes->scraper);
	if (r < 0)
		return r;
	*ret_routes = PE_TAKE_PTR(routes);
	return 0;
}

struct pe_routes *pe_routes_free(struct pe_routes *routes)
{
	if (!routes)
		return NULL;
	pe_scraper_free(routes->scraper);
	pe_page_free(routes->page);
	free(routes->telemetry_path);
	free(routes);
	return NULL;
}
