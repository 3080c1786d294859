/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers to what libmicrohttpd closes without one: a first line that is none of HTTP, a request
 * for whose answer a connection has no memory left, and one that has run into a time-out.
 *
 * Called by libmicrohttpd's thread of the connection. TCP tells what was received and sent; on
 * other sockets nothing is answered.
 */
#ifndef PE_WEB_REFUSAL_H
#define PE_WEB_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

struct gnutls_session_int;

/* What had been sent when a request began; zero before one has. */
struct pe_refusal {
	bool known;
	uint64_t sent_bytes;
};

/* A request begins on this socket. */
void pe_refusal_begin(struct pe_refusal *refusal, int fd);

/*
 * The request ends with an error, and the connection with it. Answers with this status if nothing
 * has been sent since the request began; `tls` is NULL for a connection without. Never blocks.
 */
void pe_refusal_answer(const struct pe_refusal *refusal, int fd, struct gnutls_session_int *tls,
		       unsigned int status);

/* True if something has come, nothing but a goodbye of TLS was sent since, and the peer is there.
 */
bool pe_refusal_is_due(const struct pe_refusal *refusal, int fd);

/* The status for a first line that never became a request: 408 if its peer was silent for so long,
 * else 400. */
unsigned int pe_refusal_status(int fd, unsigned int timeout_s);

/* Answers with this status, whatever was sent before. Without TLS. Never blocks. */
void pe_refusal_send(int fd, unsigned int status);

#endif
