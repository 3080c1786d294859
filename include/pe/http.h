/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local HTTP server (libmicrohttpd, one thread a listening socket).
 *
 *   telemetry path  the metrics, in the best format both sides have, gzip when asked
 *   /               a plain page with links
 *   /-/healthy      200 while the process runs
 *   /-/ready        200 after the first reconcile, 503 before
 * GET and HEAD; 405 with Allow for other methods, 404 for other paths, 406 never: a scraper that
 * accepts nothing we have gets text 0.0.4 (RFC 9110, 12.4.1). A scrape builds or shares a snapshot
 * and streams it.
 */
#ifndef PE_HTTP_H
#define PE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "pe/encode.h"
#include "pe/sample.h"

struct pe_http;

struct pe_http_options {
	const char *const *listen;  /* "[HOST]:PORT", IPv6 in brackets, no host is every address */
	size_t listen_count;	    /* > 0 */
	const char *telemetry_path; /* begins with '/' */
	bool legacy;
	unsigned int max_connections; /* > 0; split evenly over the sockets, at least one each */
	unsigned int timeout_s; /* > 0; of an idle connection, and the age of shared snapshots */
	/* A snapshot of now, with a reference for the caller. 0 or -errno (answered as 503). Called
	 * by the server's threads, one at a time, perhaps before pe_http_new() has returned; must
	 * not wait for who calls pe_http_free(). */
	int (*snapshot)(struct pe_snapshot **ret_snapshot, void *userdata);
	/* Called by the server's threads, several at a time. */
	bool (*ready)(void *userdata);
	void *userdata;
};

/*
 * Binds every address and starts to serve. 0 or -errno: -EADDRINUSE, -EADDRNOTAVAIL (not of this
 * host, or a name that does not resolve), -EACCES, -EINVAL; *ret_bad (may be NULL) is then the
 * index of the address, or listen_count if none is to blame. Options are copied. The caller owns
 * *ret_http. Blocks while a name is resolved.
 */
int pe_http_new(const struct pe_http_options *options, struct pe_http **ret_http, size_t *ret_bad);

/* Stops accepting, ends the connections, joins the threads. Blocks shortly. NULL is fine. Returns
 * NULL. */
struct pe_http *pe_http_free(struct pe_http *http);

/* The port that address `index` is bound to (useful with port 0); 0 if there is none. */
unsigned int pe_http_port(const struct pe_http *http, size_t index);

/* Any thread. */
void pe_http_get_stats(const struct pe_http *http, struct pe_http_sample *ret_sample);

/* Content negotiation, pure. `accept` and `accept_encoding` may be NULL. */
enum pe_format pe_negotiate_format(const char *accept);
bool pe_negotiate_gzip(const char *accept_encoding);

#endif
