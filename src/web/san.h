/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names of a client's certificate (client_allowed_sans). Pure; any thread. */
#ifndef PE_WEB_SAN_H
#define PE_WEB_SAN_H

#include <gnutls/gnutls.h>
#include <stdbool.h>

#include "web_config.h"

/*
 * True if a subject alternative name of the certificate (DER) is one of these, byte for byte as Go
 * writes it: a DNS name, a mail address, a URI or an IP address.
 */
bool pe_san_is_allowed(const struct pe_texts *allowed, const gnutls_datum_t *certificate);

#endif
