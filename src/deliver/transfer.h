/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP for a sink: one request at a time, over one connection that is kept.
 *
 * An object belongs to one thread, which alone calls everything but pe_transfer_cancel(). libcurl
 * must have been loaded (libcurl.h). Redirects are not followed: they name another place.
 */
#ifndef PE_DELIVER_TRANSFER_H
#define PE_DELIVER_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "pe/strbuf.h"

#include "outcome.h"

struct pe_transfer;

#define PE_TRANSFER_NEVER UINT64_MAX

struct pe_transfer_options {
	const char *content_type; /* of each body */
	bool gzip;		  /* each body is compressed */
	/* Each NULL if there is none. */
	const char *username;
	const char *password;
	const char *password_file;     /* instead of `password` */
	const char *bearer_token_file; /* instead of a user name */
	const char *tls_ca_file;       /* instead of the system's authorities */
	const char *tls_cert_file;
	const char *tls_key_file;
};

/* Options are copied. 0 or -ENOMEM. The caller owns *ret_transfer. */
int pe_transfer_new(const struct pe_transfer_options *options, struct pe_transfer **ret_transfer);
/* NULL is fine. Returns NULL. */
struct pe_transfer *pe_transfer_free(struct pe_transfer *transfer);

/*
 * Sends `body`, or nothing if that is NULL, and fills *ret_outcome. Blocks until there is an
 * answer, `deadline_ns` (CLOCK_MONOTONIC) or a cancellation. The URL has no credentials.
 */
void pe_transfer_request(struct pe_transfer *transfer, const char *method, const char *url,
			 const struct pe_strbuf *body, uint64_t deadline_ns,
			 struct pe_outcome *ret_outcome);

/*
 * Makes any request end by `at_ns` (CLOCK_MONOTONIC), also the one under way; PE_TRANSFER_NEVER
 * takes that back. Any thread; never blocks.
 */
void pe_transfer_cancel(struct pe_transfer *transfer, uint64_t at_ns);

#endif
