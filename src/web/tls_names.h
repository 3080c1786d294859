/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Go calls the parts of TLS, as web configuration files do, and what GnuTLS does. Constant;
 * any thread.
 */
#ifndef PE_WEB_TLS_NAMES_H
#define PE_WEB_TLS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum pe_tls_auth {
	PE_TLS_AUTH_ANY, /* TLS 1.3: apart from the suite */
	PE_TLS_AUTH_RSA,
	PE_TLS_AUTH_ECDSA,
};

struct pe_tls_suite {
	const char *name; /* Go's, which is IANA's */
	enum pe_tls_auth auth;
	const char *kx, *cipher, *mac; /* GnuTLS'; NULL where TLS 1.3 has its own */
};

struct pe_tls_name {
	const char *name; /* Go's */
	const char *gnutls;
};

extern const struct pe_tls_suite pe_tls_suites[];
extern const size_t pe_tls_suite_count;

#define PE_TLS_CURVES	4
#define PE_TLS_VERSIONS 4
#define PE_TLS_1_2	2
#define PE_TLS_1_3	3
extern const struct pe_tls_name pe_tls_curves[PE_TLS_CURVES];
extern const struct pe_tls_name pe_tls_versions[PE_TLS_VERSIONS]; /* oldest first */

#endif
