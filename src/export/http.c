/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The HTTP server: routes, statistics.
 *
 * libmicrohttpd parses, with one epoll thread a listening socket; here is what it answers. Bounds:
 * connections in all (max_connections, split evenly over the sockets, at least one each; further
 * clients wait in the kernel's backlog), memory a connection (a request line and headers that do
 * not fit get 414 or 431), idle time. Request bodies are never kept.
 *
 * Threads: pe_http_new() and pe_http_free() on the owner's; on_*() and answer_*() on those of
 * libmicrohttpd. What they share is constant, atomic, or behind the scraper's locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/http.h"
#include "pe/listen.h"
#include "pe/log.h"
#include "pe/strbuf.h"

#include "page.h"
#include "scrape.h"

/* Request line, headers and the output of one connection. Prometheus sends about 500 bytes. */
#define CONNECTION_BYTES ((size_t)32 * 1024)

#define CONTENT_TYPE_PLAIN "text/plain; charset=utf-8"

/* What we and libmicrohttpd answer; any other error counts as the first of its class. */
static const unsigned int status_codes[] = { 200, 400, 404, 405, 414, 431, 500, 503 };
#define STATUS_CODES (sizeof(status_codes) / sizeof(status_codes[0]))
_Static_assert(STATUS_CODES <= PE_HTTP_CODES, "every code has its place in the sample");

struct pe_http {
	char *telemetry_path;
	bool (*ready)(void *userdata);
	void *userdata;
	struct pe_strbuf page;
	struct pe_scraper *scraper;

	const struct pe_listeners *listeners;
	struct MHD_Daemon **daemons; /* one a listener; NULL if it does not run */

	struct pe_log_once unavailable_logged;
	uint64_t requests[STATUS_CODES]; /* atomic */
};

struct header {
	const char *name;
	const char *value;
};

/* ---- statistics ---- */

static void count_request(struct pe_http *http, unsigned int status)
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
	__atomic_fetch_add(&http->requests[place], 1, __ATOMIC_RELAXED);
}

void pe_http_get_stats(const struct pe_http *http, struct pe_http_sample *ret_sample)
{
	memset(ret_sample, 0, sizeof(*ret_sample));
	for (size_t i = 0; i < STATUS_CODES; i++) {
		ret_sample->requests[i].code = status_codes[i];
		ret_sample->requests[i].count =
			__atomic_load_n(&http->requests[i], __ATOMIC_RELAXED);
	}
	pe_scraper_get_duration(http->scraper, &ret_sample->scrape_duration);
}

/* ---- answers ---- */

/* Where a request is; libmicrohttpd keeps a pointer to one of them for us. */
static char request_pending, request_answered;

struct request {
	struct pe_http *http;
	struct MHD_Connection *connection;
	bool is_head;
	void **state;
};

static void cleanup_response(struct MHD_Response **response)
{
	if (*response)
		MHD_destroy_response(*response);
}

static bool add_headers(struct MHD_Response *response, const struct header *headers)
{
	for (; headers->name; headers++) {
		if (MHD_add_response_header(response, headers->name, headers->value) != MHD_YES)
			return false;
	}
	return true;
}

/* Headers end with an empty one. MHD_NO closes the connection. */
static enum MHD_Result send_response(const struct request *request, unsigned int status,
				     struct MHD_Response *response, const struct header *headers)
{
	static const struct header common[] = {
		{ "Cache-Control", "no-store" },
		{ "X-Content-Type-Options", "nosniff" },
		{ 0 },
	};

	if (!add_headers(response, common) || !add_headers(response, headers))
		return MHD_NO;
	*request->state = &request_answered;
	count_request(request->http, status);
	return MHD_queue_response(request->connection, status, response);
}

static enum MHD_Result send_bytes(const struct request *request, unsigned int status,
				  const char *data, size_t len, const struct header *headers)
{
	_cleanup_(cleanup_response) struct MHD_Response *response =
		MHD_create_response_from_buffer(len, (void *)data, MHD_RESPMEM_PERSISTENT);

	return response ? send_response(request, status, response, headers) : MHD_NO;
}

/* `text` must be constant. */
static enum MHD_Result send_text(const struct request *request, unsigned int status,
				 const char *text)
{
	static const struct header headers[] = {
		{ "Content-Type", CONTENT_TYPE_PLAIN },
		{ 0 },
	};

	return send_bytes(request, status, text, strlen(text), headers);
}

static enum MHD_Result answer_page(const struct request *request)
{
	static const struct header headers[] = {
		{ "Content-Type", "text/html; charset=utf-8" },
		{ "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; "
					     "base-uri 'none'; frame-ancestors 'none'" },
		{ "Referrer-Policy", "no-referrer" },
		{ 0 },
	};
	const struct pe_strbuf *page = &request->http->page;

	return send_bytes(request, MHD_HTTP_OK, page->data, page->len, headers);
}

static enum MHD_Result answer_healthy(const struct request *request)
{
	return send_text(request, MHD_HTTP_OK, "OK\n");
}

static enum MHD_Result answer_ready(const struct request *request)
{
	if (request->http->ready(request->http->userdata))
		return send_text(request, MHD_HTTP_OK, "Ready\n");
	return send_text(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			 "Not ready: the interfaces are still being read\n");
}

static enum MHD_Result answer_not_found(const struct request *request)
{
	return send_text(request, MHD_HTTP_NOT_FOUND, "Not found\n");
}

static enum MHD_Result answer_bad_method(const struct request *request)
{
	static const struct header headers[] = {
		{ "Content-Type", CONTENT_TYPE_PLAIN },
		{ "Allow", "GET, HEAD" },
		{ 0 },
	};
	static const char text[] = "Method not allowed\n";

	return send_bytes(request, MHD_HTTP_METHOD_NOT_ALLOWED, text, sizeof(text) - 1, headers);
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
static const char *join_header(const struct request *request, struct field *field)
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

static enum MHD_Result answer_metrics(const struct request *request)
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
	r = pe_scraper_respond(request->http->scraper, info->connect_fd, format, gzip, &response);
	/* After HEAD, libmicrohttpd 0.9.75 sends the last chunk of the body that there is not,
	 * which the next answer would be taken for. Without chunks it sends nothing, and closes. */
	if (r == 0 && request->is_head)
		MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
	if (r == 0)
		return send_response(request, MHD_HTTP_OK, response, headers);
	if (pe_log_once(&request->http->unavailable_logged, 60 * PE_NS_PER_S))
		pe_warn("http", "a scrape was answered with 503: %s",
			r == -EBUSY ? "slow readers held every snapshot; the oldest are cut off"
				    : strerror(-r));
	return send_text(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			 r == -EBUSY ? "Too many slow readers\n" : "No snapshot\n");
}

/* ---- requests ---- */

static enum MHD_Result route(const struct request *request, const char *path, bool readable)
{
	static const struct {
		const char *path;
		enum MHD_Result (*answer)(const struct request *request);
	} routes[] = {
		{ "/", answer_page },
		{ "/-/healthy", answer_healthy },
		{ "/-/ready", answer_ready },
	};
	enum MHD_Result (*answer)(const struct request *request) = answer_not_found;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(path, routes[i].path) == 0)
			answer = routes[i].answer;
	}
	if (strcmp(path, request->http->telemetry_path) == 0)
		answer = answer_metrics;
	if (answer != answer_not_found && !readable)
		answer = answer_bad_method;
	return answer(request);
}

/* Called once for the headers, for each piece of a body, and once at the end. */
static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *version,
				  const char *body, size_t *body_len, void **state)
{
	const bool is_head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
	const bool readable = is_head || strcmp(method, MHD_HTTP_METHOD_GET) == 0;
	const struct request request = { userdata, connection, is_head, state };

	if (*body_len > 0) {
		*body_len = 0;
		return MHD_YES;
	}
	/* An answer before the end of the request ends the connection too. That is right for
	 * methods that bring a body, and would cost the others their keep-alive. */
	if (!*state && readable) {
		*state = &request_pending;
		return MHD_YES;
	}
	return route(&request, path, readable);
}

/* Without this callback on_completed() is not told of requests that never reach on_request(). */
static void *on_request_line(void *userdata, const char *uri, struct MHD_Connection *connection)
{
	return NULL;
}

/* Counts what libmicrohttpd answered itself. */
static void on_completed(void *userdata, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode reason)
{
	const union MHD_ConnectionInfo *info;

	if (*state == &request_answered)
		return;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS);
	if (info)
		count_request(userdata, info->http_status);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *userdata, const char *fmt,
							 va_list args)
{
	char line[512];

	if (!pe_log_enabled(PE_LOG_DEBUG))
		return;
	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	pe_debug("http", "libmicrohttpd: %s", line);
}

/* ---- start and stop ---- */

static int start_daemon(struct pe_http *http, size_t index, unsigned int connections,
			unsigned int timeout_s)
{
	/* The inter-thread channel: else a daemon at its limit, which does not watch its socket,
	 * would not be told to stop. */
	const unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG;
	/* A copy: libmicrohttpd closes what it was given, also in most of its failures. */
	const int fd = fcntl(pe_listeners_fd(http->listeners, index), F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	errno = 0;
	http->daemons[index] = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, connections,
		MHD_OPTION_CONNECTION_TIMEOUT, timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		CONNECTION_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK,
		on_request_line, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
		MHD_OPTION_END);
	if (http->daemons[index])
		return 0;
	return errno ? -errno : -ENOMEM;
}

static int start_all(struct pe_http *http, const struct pe_http_options *options)
{
	const size_t n = pe_listeners_count(http->listeners);
	sigset_t all, before;
	int r = 0;

	/* Signals are the owner's: a thread inherits the mask of the one that makes it. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (size_t i = 0; i < n && r == 0; i++) {
		size_t connections =
			options->max_connections / n + (i < options->max_connections % n);

		r = start_daemon(http, i, (unsigned int)(connections ? connections : 1),
				 options->timeout_s);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static void cleanup_http(struct pe_http **http)
{
	pe_http_free(*http);
}

int pe_http_new(const struct pe_http_options *options, struct pe_http **ret_http)
{
	_cleanup_(cleanup_http) struct pe_http *http = calloc(1, sizeof(*http));
	int r;

	if (!http)
		return -ENOMEM;
	http->telemetry_path = strdup(options->telemetry_path);
	http->ready = options->ready;
	http->userdata = options->userdata;
	http->listeners = options->listeners;
	http->daemons = calloc(pe_listeners_count(http->listeners), sizeof(*http->daemons));
	if (!http->telemetry_path || !http->daemons)
		return -ENOMEM;
	r = pe_page_build(&http->page, http->telemetry_path);
	if (r < 0)
		return r;
	r = pe_scraper_new(options, &http->scraper);
	if (r < 0)
		return r;
	r = start_all(http, options);
	if (r < 0)
		return r;
	*ret_http = PE_TAKE_PTR(http);
	return 0;
}

struct pe_http *pe_http_free(struct pe_http *http)
{
	if (!http)
		return NULL;
	for (size_t i = 0; http->daemons && i < pe_listeners_count(http->listeners); i++) {
		if (http->daemons[i])
			MHD_stop_daemon(http->daemons[i]);
	}
	http->scraper = pe_scraper_free(http->scraper);
	pe_strbuf_fini(&http->page);
	free(http->daemons);
	free(http->telemetry_path);
	free(http);
	return NULL;
}
