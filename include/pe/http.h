/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local HTTP server (libmicrohttpd, one thread a listening socket).
 *
 *   telemetry path  the metrics, in the best format both sides have, gzip when asked
 *   /               the page, or the same as a plain table for clients that do not ask for HTML
 *   /api/v1/        the same as JSON
 *   /-/healthy      200 while the process runs
 *   /-/ready        200 after the first reconcile, 503 before
 * GET and HEAD; 405 with Allow for other methods, 404 for other paths, 406 never: a scraper that
 * accepts nothing we have gets text 0.0.4 (RFC 9110, 12.4.1). A scrape builds or shares a snapshot
 * and streams it. If there are users, every path but /-/healthy wants one of them (401).
 */
#ifndef PE_HTTP_H
#define PE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "pe/encode.h"
#include "pe/sample.h"

/* What the server answers beside the telemetry path. */
#define PE_PATH_INDEX	"/"
#define PE_PATH_HEALTHY "/-/healthy"
#define PE_PATH_READY	"/-/ready"

struct pe_http;
struct pe_listeners;
struct pe_web;

struct pe_http_options {
	const struct pe_listeners *listeners; /* not empty; must outlive the server */
	struct pe_web *web;		      /* TLS and users; must outlive the server */
	const char *telemetry_path;	      /* begins with '/' */
	struct pe_expose_options show;
	/* > 0; split evenly over the sockets, at least one each. One more, and the one that has
	 * waited longest is cut off. */
	unsigned int max_connections;
	unsigned int timeout_s; /* > 0; of an idle connection */
	/* How old a snapshot may be that a scrape shares when slow readers hold as many as there
	 * may be; older, and the slowest are cut off. */
	unsigned int share_ms;
	/* A snapshot of now, with a reference for the caller. 0 or -errno (answered as 503). Called
	 * by the server's threads, two at a time, perhaps before pe_http_new() has returned; must
	 * not wait for who calls pe_http_free(). */
	int (*snapshot)(struct pe_snapshot **ret_snapshot, void *userdata);
	/* Likewise for the page and the JSON API; one at a time. */
	int (*look)(struct pe_snapshot **ret_snapshot, void *userdata);
	/* Called by the server's threads, several at a time. */
	bool (*ready)(void *userdata);
	void *userdata;
};

/*
 * How many descriptors the server may have open beside max_connections: of the sockets themselves,
 * of connections that are being closed, and of those that wait for the hash of a password. Pure.
 */
unsigned int pe_http_extra_files(const struct pe_listeners *listeners, const struct pe_web *web);

/*
 * Starts to serve on all listeners, with threads of its own. 0 or -errno. Options are copied but
 * for the listeners and the web configuration. The caller owns *ret_http. Blocks for the start of
 * the threads. One thread.
 */
int pe_http_new(const struct pe_http_options *options, struct pe_http **ret_http);

/*
 * The beginning of the end: passwords that are not known already are refused (503, and 401 to those
 * that wait), so that pe_http_free() need not wait for their hashes. Serves on. Never blocks. NULL
 * is fine.
 */
void pe_http_refuse_logins(struct pe_http *http);

/* Stops accepting, ends the connections, joins the threads; the listeners stay open. Blocks
 * shortly, or for the hash that is being made. NULL is fine. Returns NULL. */
struct pe_http *pe_http_free(struct pe_http *http);

/*
 * Reads the web configuration and its certificates again, changed or not, and logs the result. 0 or
 * -errno (see pe_web_new()); what was in force stays then. Any thread.
 */
int pe_http_reload(struct pe_http *http);

/* Any thread. */
void pe_http_get_stats(const struct pe_http *http, struct pe_http_sample *ret_sample);

/* Gives memory back of what nobody has looked at for some seconds. To be called about once a
 * second; any thread, does not block. NULL is fine. */
void pe_http_tick(struct pe_http *http);

/* Whether a path is one of PE_PATH_* or below PE_PATH_API, which the telemetry path cannot be.
 * Pure. */
bool pe_http_is_reserved(const char *path);

#endif
