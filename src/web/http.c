/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The HTTP server: from a socket to an answer.
 *
 * libmicrohttpd parses, with one thread a listening socket; routes.c answers. Bounds:
 * connections in all (max_connections, split evenly over the sockets, at least one each;
 * connection_limit.c says who has to go when more come), memory a connection (a request line and
 * headers that do not fit get 414 or 431), idle time. Request bodies are never kept.
 *
 * Threads: pe_http_new() and pe_http_free() on the owner's; on_*() on those of
 * libmicrohttpd. What they share is constant, atomic, or behind the locks of the scraper, the web
 * configuration and the bcrypt worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/http.h"
#include "pe/listen.h"
#include "pe/log.h"
#include "pe/memory.h"
#include "pe/thread.h"

#include "bcrypt_worker.h"
#include "connection.h"
#include "login.h"
#include "routes.h"
#include "web_state.h"

/* Request line, headers and the output of one connection. Prometheus sends about 500 bytes. */
#define CONNECTION_BYTES ((size_t)32 * 1024)

/* Connections that were cut off and are not closed yet, or whose password is being checked. More
 * than these wait in the kernel. */
#define EVICTED	  8
#define SUSPENDED (PE_BCRYPT_WAITING + 1)

/* Of a listening socket: itself, its copy, and what its thread waits with. */
#define SOCKET_FILES 4

/* Until a listening socket is looked at again for which there is no descriptor. */
#define SHORTAGE_PAUSE_NS (100 * (long)PE_NS_PER_MS)

/* Memory is given back when one in so many of at least so many connections is left. */
#define TRIM_MIN   32
#define TRIM_SHARE 8

struct pe_http;

/* One listening socket. */
struct server {
	struct pe_http *http;
	struct MHD_Daemon *daemon; /* NULL if it does not run */
	int fd;			   /* libmicrohttpd's */
	unsigned int count, most;  /* connections, and how many since memory was given back */
	struct pe_connection_limit limit;
};

struct pe_http {
	struct pe_routes *routes;
	struct pe_web *web;
	struct pe_bcrypt_worker *bcrypt;
	const struct pe_listeners *listeners;
	struct server *servers; /* one a listener */
};

void pe_http_get_stats(const struct pe_http *http, struct pe_http_sample *ret_sample)
{
	memset(ret_sample, 0, sizeof(*ret_sample));
	pe_routes_get_stats(http->routes, ret_sample);
	pe_web_get_stats(http->web, &ret_sample->reload_successful, &ret_sample->reload_success_ns);
	for (size_t i = 0; i < pe_listeners_count(http->listeners); i++)
		ret_sample->connections_evicted +=
			pe_connection_limit_evicted(&http->servers[i].limit);
}

/* ---- requests ---- */

/* Where a request is: libmicrohttpd keeps a pointer to one of them for us, or to a login that
 * waits, or NULL before its headers have come. */
static char request_malformed, request_allowed, request_denied, request_busy, request_answered;

static void cleanup_web_state(struct pe_web_state **state)
{
	pe_web_put(*state);
}

static bool is_login(const void *state)
{
	return state && state != &request_malformed && state != &request_allowed &&
	       state != &request_denied && state != &request_busy && state != &request_answered;
}

static void *state_of(enum pe_login_verdict verdict, struct pe_login *login)
{
	switch (verdict) {
	case PE_LOGIN_ALLOWED:
		return &request_allowed;
	case PE_LOGIN_DENIED:
		return &request_denied;
	case PE_LOGIN_BUSY:
		return &request_busy;
	default:
		return login;
	}
}

static enum pe_login_verdict verdict_of(const void *state)
{
	if (state == &request_allowed)
		return PE_LOGIN_ALLOWED;
	return state == &request_denied ? PE_LOGIN_DENIED : PE_LOGIN_BUSY;
}

/* RFC 9112, 3.2. libmicrohttpd would check that, too, but also refuse some first lines without an
 * answer, and forget the answer it has for too many cookies. */
static bool lacks_host(struct MHD_Connection *connection, const char *version)
{
	return strcmp(version, MHD_HTTP_VERSION_1_0) != 0 &&
	       !MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
}

/* Called once for the headers (and again if it was suspended then), for each piece of a body, and
 * once at the end. */
static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *version,
				  const char *body, size_t *body_len, void **state)
{
	struct pe_http *http = userdata;
	const bool is_head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
	const bool readable = is_head || strcmp(method, MHD_HTTP_METHOD_GET) == 0;
	_cleanup_(cleanup_web_state) struct pe_web_state *web = NULL;
	const bool is_old = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
	struct pe_connection *c = pe_connection_of(connection);
	struct pe_connection_slot *slot = c ? pe_connection_slot(c) : NULL;
	struct pe_request request = {
		.routes = http->routes,
		.connection = connection,
		.path = path,
		.query = c ? pe_connection_query(c) : "",
		.readable = readable,
		.is_head = is_head,
		.is_old = is_old,
	};
	enum pe_login_verdict verdict;

	if (slot && (!*state || is_login(*state)))
		pe_connection_slot_answer(slot);
	if (*body_len > 0) {
		*body_len = 0;
		return MHD_YES;
	}
	web = pe_web_get(http->web);
	request.config = web->config;
	if (*state == &request_malformed || lacks_host(connection, version)) {
		*state = &request_answered;
		return pe_routes_refuse(&request);
	}
	if (!*state || is_login(*state)) {
		struct pe_login *login = *state;

		/* Supervisors know no passwords. */
		verdict = strcmp(path, PE_PATH_HEALTHY) == 0
				  ? PE_LOGIN_ALLOWED
				  : pe_login_ask(web, http->bcrypt, connection, &login);
		*state = state_of(verdict, login);
		if (slot && verdict == PE_LOGIN_WAIT)
			pe_connection_slot_suspend(slot);
		/* An answer before the end of the request ends the connection too. That is right
		 * for methods that bring a body, and would cost the others their keep-alive. */
		if (verdict == PE_LOGIN_WAIT || readable)
			return MHD_YES;
	}
	verdict = verdict_of(*state);
	*state = &request_answered;
	return pe_routes_answer(&request, verdict);
}

/*
 * Called with the rest of the first line before it is parsed. The query is kept for the page, and
 * nothing of it is left to parse: libmicrohttpd 0.9.75 never answers more arguments than it has
 * memory for. The text is in its own buffer, which it changes next, too.
 *
 * A path that a NUL cuts off is another one than what a proxy before us has checked. Behind the
 * text and its end comes the version, unless that NUL is not the end. A space in it is for us to
 * refuse, because libmicrohttpd would close without an answer.
 *
 * Without this callback on_completed() is not called for requests that never reach on_request().
 */
static void *on_request_line(void *userdata, const char *uri, struct MHD_Connection *connection)
{
	struct pe_connection *c = pe_connection_of(connection);
	const bool whole = strncmp(uri + strlen(uri) + 1, "HTTP/", 5) == 0 && !strchr(uri, ' ');
	char *query = strchr(uri, '?');
	bool kept = true;

	if (c)
		kept = pe_connection_begin(c, query ? query + 1 : "");
	if (query)
		query[1] = '\0';
	return whole && kept && !strstr(uri, "%00") ? NULL : &request_malformed;
}

/* Of a request that is not answered; `info` is there if it was, and no memory for its header. */
static unsigned int status_of(enum MHD_RequestTerminationCode reason,
			      const union MHD_ConnectionInfo *info)
{
	if (reason == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED)
		return MHD_HTTP_REQUEST_TIMEOUT;
	if (reason == MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN)
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	return info ? MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE : MHD_HTTP_BAD_REQUEST;
}

/* Answers and counts what libmicrohttpd closes without an answer. Its own answers on_log() counts,
 * also those to what never became a request. */
static void on_completed(void *userdata, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode reason)
{
	struct pe_http *http = userdata;
	struct pe_connection *c = pe_connection_of(connection);
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS);
	const unsigned int status = status_of(reason, info);

	if (c)
		pe_connection_slot_wait(pe_connection_slot(c));
	if (is_login(*state))
		pe_login_free(*state);
	if (reason == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		return;
	/* Counted before anybody sees it. */
	if (!info && *state != &request_answered)
		pe_routes_count(http->routes, status);
	if (c)
		pe_connection_refuse(c, connection, status);
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/*
 * There is no descriptor or no memory for a connection. libmicrohttpd waits until one of its own
 * ends, so the oldest does; without any it would ask again and again. It may also ask for
 * one more than there are, for which none must go.
 */
static void make_room(struct server *server)
{
	static const struct timespec pause = { .tv_nsec = SHORTAGE_PAUSE_NS };
	static struct pe_log_once logged;
	struct pollfd asks = { .fd = server->fd, .events = POLLIN };

	if (poll(&asks, 1, 0) <= 0)
		return;
	if (pe_log_once(&logged, 60 * PE_NS_PER_S))
		pe_warn("http", "no descriptor or memory for another connection: the oldest are "
				"cut off for new ones");
	if (!pe_connection_limit_evict(&server->limit))
		nanosleep(&pause, NULL);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *userdata, const char *fmt,
							 va_list args)
{
	/* Of each answer that is its own it says the status first. */
	static const char answered[] = "Error processing request (HTTP response code is %u ";
	static const char refused[] = "Error accepting connection";
	struct server *server = userdata;
	const int error = errno;
	char line[512];

	if (strncmp(fmt, answered, sizeof(answered) - 1) == 0) {
		va_list copy;

		va_copy(copy, args);
		pe_routes_count(server->http->routes, va_arg(copy, unsigned int));
		va_end(copy);
	} else if (strncmp(fmt, refused, sizeof(refused) - 1) == 0 && is_shortage(error)) {
		make_room(server);
	}
	if (!pe_log_enabled(PE_LOG_DEBUG))
		return;
	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	pe_debug("http", "libmicrohttpd: %s", line);
}

/* ---- connections ---- */

/* Many connections leave memory of which the few that stay need little. */
static void count_out(struct server *server)
{
	const unsigned int left = --server->count;

	if (server->most < TRIM_MIN || left > server->most / TRIM_SHARE)
		return;
	pe_memory_trim();
	server->most = left;
}

static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct server *server = userdata;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	unsigned int status;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		status = pe_connection_end(*context);
		if (status)
			pe_routes_count(server->http->routes, status);
		*context = NULL;
		count_out(server);
		return;
	}
	server->count++;
	if (server->most < server->count)
		server->most = server->count;
	*context =
		pe_connection_new(&server->limit, server->http->web, connection, info->connect_fd);
}

/* Every session gets its own credentials before; libmicrohttpd wants some all the same. */
static int on_certificate(gnutls_session_t session, const gnutls_datum_t *ca_names,
			  int ca_name_count, const gnutls_pk_algorithm_t *algorithms,
			  int algorithm_count, gnutls_pcert_st **ret_certs,
			  unsigned int *ret_cert_count, gnutls_privkey_t *ret_key)
{
	return -1;
}

/* ---- start and stop ---- */

/* Of one listening socket, beyond the limit. */
static unsigned int extra_connections(const struct pe_web *web)
{
	return EVICTED + (pe_web_may_have_users(web) ? SUSPENDED : 0);
}

unsigned int pe_http_extra_files(const struct pe_listeners *listeners, const struct pe_web *web)
{
	return (unsigned int)pe_listeners_count(listeners) *
	       (SOCKET_FILES + extra_connections(web));
}

static int start_daemon(struct pe_http *http, size_t index, bool tls, unsigned int connections,
			unsigned int timeout_s)
{
	/* With epoll, libmicrohttpd 0.9.75 takes a TLS connection that waits for its peer for one
	 * that can be read, and never sleeps; and it does not see the end of a peer whose last
	 * bytes came with it. poll(2) has no limit of descriptors either. The inter-thread channel:
	 * else a daemon at its limit, which does not watch its socket, would not notice the stop.
	 * Turbo: sockets are not shut before we have seen the end; of TLS that would leave out the
	 * goodbye.
	 */
	const unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC |
				   MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_POLL |
				   (tls ? MHD_USE_TLS : MHD_USE_TURBO);
	struct server *server = &http->servers[index];
	/* A copy: libmicrohttpd closes what it was given, also in most of its failures. */
	const int fd = fcntl(pe_listeners_fd(http->listeners, index), F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	server->http = http;
	server->fd = fd;
	pe_connection_limit_init(&server->limit, connections);
	errno = 0;
	server->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, server,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		connections + extra_connections(http->web), MHD_OPTION_CONNECTION_TIMEOUT,
		timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
		MHD_OPTION_URI_LOG_CALLBACK, on_request_line, NULL, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
		tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, on_certificate,
		MHD_OPTION_END);
	if (server->daemon)
		return 0;
	return errno ? -errno : -ENOMEM;
}

static int start_all(struct pe_http *http, const struct pe_http_options *options)
{
	const size_t n = pe_listeners_count(http->listeners);
	struct pe_web_state *web = pe_web_get(http->web);
	const bool tls = web->tls;
	sigset_t before;
	int r = 0;

	if (web->config->http2_wanted)
		pe_info("http", "http2: only HTTP/1.1 is offered");
	pe_web_put(web);
	if (tls && !MHD_is_feature_supported(MHD_FEATURE_TLS))
		return -EOPNOTSUPP;

	/* Signals are the owner's: a thread inherits the mask of the one that makes it. */
	pe_thread_block_signals(&before);
	for (size_t i = 0; i < n && r == 0; i++) {
		size_t connections =
			options->max_connections / n + (i < options->max_connections % n);

		r = start_daemon(http, i, tls, (unsigned int)(connections ? connections : 1),
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
	http->listeners = options->listeners;
	http->web = options->web;
	http->servers = calloc(pe_listeners_count(http->listeners), sizeof(*http->servers));
	if (!http->servers)
		return -ENOMEM;
	r = pe_routes_new(options, &http->routes);
	if (r == 0)
		r = pe_bcrypt_worker_new(&http->bcrypt);
	if (r == 0)
		r = start_all(http, options);
	if (r < 0)
		return r;
	*ret_http = PE_TAKE_PTR(http);
	return 0;
}

void pe_http_refuse_logins(struct pe_http *http)
{
	if (http)
		pe_bcrypt_worker_refuse(http->bcrypt);
}

struct pe_http *pe_http_free(struct pe_http *http)
{
	if (!http)
		return NULL;
	/* libmicrohttpd cannot be stopped while a connection waits for its hash. */
	if (http->bcrypt)
		pe_bcrypt_worker_stop(http->bcrypt);
	for (size_t i = 0; http->servers && i < pe_listeners_count(http->listeners); i++) {
		if (http->servers[i].daemon)
			MHD_stop_daemon(http->servers[i].daemon);
	}
	http->bcrypt = pe_bcrypt_worker_free(http->bcrypt);
	http->routes = pe_routes_free(http->routes);
	free(http->servers);
	free(http);
	return NULL;
}

void pe_http_tick(struct pe_http *http)
{
	if (http)
		pe_routes_tick(http->routes);
}

int pe_http_reload(struct pe_http *http)
{
	return pe_web_reload(http->web);
}
