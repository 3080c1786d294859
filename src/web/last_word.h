/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An answer for requests that libmicrohttpd closes without one: it does so when there is no memory
 * left in a connection to write a header, after a time-out, and for lines that are none of HTTP.
 *
 * Called by libmicrohttpd's thread of the connection. Whether something was sent is asked of TCP;
 * other sockets get no answer.
 */
#ifndef PE_EXPORT_LAST_WORD_H
#define PE_EXPORT_LAST_WORD_H

#include <stdbool.h>
#include <stdint.h>

struct gnutls_session_int;

struct pe_last_word {
	bool known;
	uint64_t sent_bytes; /* when the request began */
};

/* A request begins on this socket. */
void pe_last_word_begin(struct pe_last_word *word, int fd);

/*
 * The request ends with an error, and the connection with it. Sends an answer with this status if
 * nothing has been sent since the request began; `tls` is NULL for a connection without. Never
 * blocks.
 */
void pe_last_word_say(const struct pe_last_word *word, int fd, struct gnutls_session_int *tls,
		      unsigned int status);

/* True if the peer sent something and has never got anything. */
bool pe_last_word_is_owed(int fd);

#endif
