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
#include <stddef.h>
#include <stdint.h>

#include "pe/strbuf.h"

#include "outcome.h"

struct pe_transfer;

#define PE_TRANSFER_NEVER UINT64_MAX

struct pe_transfer_options {
	const char *content_type;     /* of each body */
	const char *content_encoding; /* likewise; NULL: none */
	/* Further headers of requests with a body, "Name: value" each; NULL ends them. NULL: none.
	 */
	const char *const *headers;
	bool any_2xx; /* is a success; otherwise 200 and 202 are */
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
/* Likewise, with the credentials of a URL where the options have none; -EINVAL if it is no URL. */
int pe_transfer_new_to(const char *url, const struct pe_transfer_options *options,
		       struct pe_transfer **ret_transfer);
/* NULL is fine. Returns NULL. */
struct pe_transfer *pe_transfer_free(struct pe_transfer *transfer);

/* Called while a request waits for its peer, at once and at the time that it returns, which is
 * PE_TRANSFER_NEVER for not at all. */
typedef uint64_t (*pe_transfer_tick)(void *userdata);
void pe_transfer_set_tick(struct pe_transfer *transfer, pe_transfer_tick tick, void *userdata);

/* Further headers of requests with a body, instead of those of the last call; `headers` as in the
 * options. Copied. 0 or -ENOMEM, and nothing has changed. */
int pe_transfer_set_headers(struct pe_transfer *transfer, const char *const *headers);

/*
 * Sends `body`, or nothing if that is NULL, and fills *ret_outcome. Blocks until there is an
 * answer, `deadline_ns` (CLOCK_MONOTONIC) or a cancellation. The URL has no credentials.
 */
void pe_transfer_request(struct pe_transfer *transfer, const char *method, const char *url,
			 const struct pe_strbuf *body, uint64_t deadline_ns,
			 struct pe_outcome *ret_outcome);

/* The body of the last answer, or its first 4 KiB; returns its length. Valid until the next
 * request. */
size_t pe_transfer_answer(const struct pe_transfer *transfer, const char **ret_answer);

/*
 * Makes any request end by `at_ns` (CLOCK_MONOTONIC), also the one under way; PE_TRANSFER_NEVER
 * takes that back. Any thread; never blocks.
 */
void pe_transfer_cancel(struct pe_transfer *transfer, uint64_t at_ns);

#endif
