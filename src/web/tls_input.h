/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the peer of a TLS connection begins to send a request, which libmicrohttpd does not report
 * a first line that is none of HTTP. Looks at the records on their way to GnuTLS.
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
};

/* Reads for the session from now on; all must live as long as the session does. `refusal` begins
 * when the first data comes. */
void pe_tls_input_attach(struct pe_tls_input *input, gnutls_session_t session, int fd,
			 struct pe_refusal *refusal);

#endif
