/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the server has to say: routes, answers, and how many there were. Called by the threads of
 * libmicrohttpd; what they share is constant, atomic, or behind the scraper's locks.
 */
#ifndef PE_WEB_ROUTES_H
#define PE_WEB_ROUTES_H

#include <microhttpd.h>
#include <stdbool.h>

#include "pe/http.h"

#include "login.h"
#include "web_config.h"

struct pe_routes;

struct pe_request {
	struct pe_routes *routes;
	const struct pe_web_config *config; /* whose headers the answer has */
	struct MHD_Connection *connection;
	const char *path;
	const char *query; /* pe_connection_query() */
	bool readable;	   /* GET or HEAD */
	bool is_head;
	bool is_old; /* HTTP/1.0 */
};

/* 0 or -ENOMEM. Options are copied. The caller owns *ret_routes. */
int pe_routes_new(const struct pe_http_options *options, struct pe_routes **ret_routes);

/* All answers must have been sent. NULL is fine. Returns NULL. */
struct pe_routes *pe_routes_free(struct pe_routes *routes);

/* Queues the answer and counts it. MHD_NO closes the connection. */
enum MHD_Result pe_routes_answer(const struct pe_request *request, enum pe_login_verdict verdict);

/* Queues the answer to a request that is none, and counts it. */
enum MHD_Result pe_routes_refuse(const struct pe_request *request);

/* Gives back what nobody asked for for some time. Any thread. */
void pe_routes_tick(struct pe_routes *routes);

/* Counts an answer that libmicrohttpd made itself. */
void pe_routes_count(struct pe_routes *routes, unsigned int status);

/* Fills requests, connections_evicted and scrape_duration. Any thread. */
void pe_routes_get_stats(const struct pe_routes *routes, struct pe_http_sample *ret_sample);

#endif
