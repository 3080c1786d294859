/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scrapes: from a snapshot to the body of an HTTP response, a piece at a time.
 *
 * A scraper is shared by all threads of the server; a response belongs to one of them.
 */
#ifndef PE_WEB_SCRAPE_H
#define PE_WEB_SCRAPE_H

#include <stdbool.h>

#include "pe/http.h"

struct MHD_Response;
struct pe_scraper;

/* Uses show, share_ms, snapshot and userdata of the options. 0 or -ENOMEM. The caller owns
 * *ret_scraper. */
int pe_scraper_new(const struct pe_http_options *options, struct pe_scraper **ret_scraper);

/* All responses must have been destroyed. NULL is fine. Returns NULL. */
struct pe_scraper *pe_scraper_free(struct pe_scraper *scraper);

/*
 * A response with the metrics as its body, without headers; `measured` for a client that knows no
 * chunks: its size is known, for twice the work. `fd` is the connection's socket; it
 * must outlive the response. 0 or -errno: what snapshot() returned, -ENOMEM, or -EBUSY if slow
 * readers hold all snapshots there may be and do not end although they were cut off. The caller
 * owns *ret_response.
 */
int pe_scraper_respond(struct pe_scraper *scraper, int fd, enum pe_format format, bool gzip,
		       bool measured, struct MHD_Response **ret_response);

/* Scrapes cut off because they were slow and held what others needed. Any thread. */
uint64_t pe_scraper_evicted(const struct pe_scraper *scraper);

/* Any thread, also from within snapshot(). */
void pe_scraper_get_duration(struct pe_scraper *scraper, struct pe_latency *ret_duration);

#endif
