/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An answer for requests that libmicrohttpd closes without one: it does so when there is no memory
 * left in a connection to write a header, after a time-out, and for lines that are none of HTTP.
 *
 * Called by libmicrohttpd's thread of the connection. Whether something was sent is asked of TCP;
 * other sockets get no answer.
 */
#ifndef PE_WEB_REFUSAL_H
#define PE_WEB_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

struct gnutls_session_int;

struct pe_refusal {
	bool known;
	uint64_t sent_bytes; /* when the request began */
};

/* A request begins on this socket. */
void pe_refusal_begin(struct pe_refusal *word, int fd);

/*
 * The request ends with an error, and the connection with it. Sends an answer with this status if
 * nothing has been sent since the request began; `tls` is NULL for a connection without. Never
 * blocks.
 */
void pe_refusal_answer(const struct pe_refusal *word, int fd, struct gnutls_session_int *tls,
		       unsigned int status);

/* True if the peer sent something and has never got anything. */
bool pe_refusal_is_due(int fd);

#endif
