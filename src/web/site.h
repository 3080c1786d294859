/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the server has to say: routes, answers, and how many there were. Called by the threads of
 * libmicrohttpd; what they share is constant, atomic, or behind the scraper's locks.
 */
#ifndef PE_EXPORT_SITE_H
#define PE_EXPORT_SITE_H

#include <microhttpd.h>
#include <stdbool.h>

#include "pe/http.h"

#include "login.h"
#include "web_config.h"

struct pe_site;

struct pe_request {
	struct pe_site *site;
	const struct pe_web_config *config; /* whose headers the answer has */
	struct MHD_Connection *connection;
	const char *path;
	bool readable; /* GET or HEAD */
	bool is_head;
	bool is_old; /* HTTP/1.0 */
};

/* 0 or -ENOMEM. Options are copied. The caller owns *ret_site. */
int pe_site_new(const struct pe_http_options *options, struct pe_site **ret_site);

/* All answers must have been sent. NULL is fine. Returns NULL. */
struct pe_site *pe_site_free(struct pe_site *site);

/* Queues the answer and counts it. MHD_NO closes the connection. */
enum MHD_Result pe_site_answer(const struct pe_request *request, enum pe_login_verdict verdict);

/* Queues the answer to a request that is none, and counts it. */
enum MHD_Result pe_site_refuse(const struct pe_request *request);

/* Counts an answer that libmicrohttpd made itself. */
void pe_site_count(struct pe_site *site, unsigned int status);

/* Fills requests, connections_cut and scrape_duration. Any thread. */
void pe_site_get_stats(const struct pe_site *site, struct pe_http_sample *ret_sample);

#endif
