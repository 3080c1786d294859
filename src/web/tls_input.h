/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libmicrohttpd does not report of a TLS connection: when its peer begins to send a request,
 * and when the session is about to say goodbye. Looks at the records on their way to GnuTLS, and at
 * the alerts that GnuTLS is about to send.
 *
 * Used by libmicrohttpd's thread of the connection.
 */
#ifndef PE_WEB_TLS_INPUT_H
#define PE_WEB_TLS_INPUT_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>

#include "refusal.h"

struct pe_tls_input {
	gnutls_session_t session;
	int fd;
	bool finished;		 /* the peer has ended its part of the handshake */
	unsigned char header[5]; /* of the record that is being read */
	size_t header_len;
	size_t left; /* bytes of it after its header */
	struct pe_refusal *refusal;
	void (*goodbye)(void *userdata);
	void *userdata;
};

/* Reads for the session from now on; all must live as long as the session does. `refusal` begins
 * when the first data comes. `goodbye` is called once, when the session ends in good order and data
 * can be sent for the last time. */
void pe_tls_input_attach(struct pe_tls_input *input, gnutls_session_t session, int fd,
			 struct pe_refusal *refusal, void (*goodbye)(void *userdata),
			 void *userdata);

#endif
