/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS of the server: a configuration made ready, and sessions set up by it.
 *
 * Immutable once made; shared by all connections that were accepted while it was in force.
 */
#ifndef PE_WEB_TLS_H
#define PE_WEB_TLS_H

#include <gnutls/gnutls.h>

#include "pe/strbuf.h"

#include "web_config.h"

struct pe_tls;

/* What the paths of the configuration, or the texts in their place, hold (PEM). */
struct pe_tls_material {
	struct pe_strbuf cert, key, client_ca;
};

/*
 * Loads the certificates. Borrows the configuration for as long as the result lives; the material
 * only for the call. The caller owns *ret_tls. 0; -EINVAL with one line in `why`; -ENOMEM.
 */
int pe_tls_new(const struct pe_web_config *config, const struct pe_tls_material *material,
	       struct pe_tls **ret_tls, char *why, size_t why_size);

/* NULL is fine. Returns NULL. */
struct pe_tls *pe_tls_free(struct pe_tls *tls);

/*
 * Makes a session of a server that has not begun its handshake follow the configuration, which must
 * outlive it. 0 or -EIO; the connection must then be closed.
 */
int pe_tls_prepare(const struct pe_tls *tls, gnutls_session_t session);

#endif
