/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables: the suites that Go holds secure, its curves and versions. */
#include "tls_names.h"

#define RSA(kx, cipher, mac)   PE_TLS_AUTH_RSA, kx, cipher, mac
#define ECDSA(kx, cipher, mac) PE_TLS_AUTH_ECDSA, kx, cipher, mac
#define TLS_1_3(cipher)	       PE_TLS_AUTH_ANY, NULL, cipher, "AEAD"

const struct pe_tls_suite pe_tls_suites[] = {
	{ "TLS_AES_128_GCM_SHA256", TLS_1_3("AES-128-GCM") },
	{ "TLS_AES_256_GCM_SHA384", TLS_1_3("AES-256-GCM") },
	{ "TLS_CHACHA20_POLY1305_SHA256", TLS_1_3("CHACHA20-POLY1305") },
	{ "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", ECDSA("ECDHE-ECDSA", "AES-128-CBC", "SHA1") },
	{ "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", ECDSA("ECDHE-ECDSA", "AES-256-CBC", "SHA1") },
	{ "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", RSA("ECDHE-RSA", "AES-128-CBC", "SHA1") },
	{ "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", RSA("ECDHE-RSA", "AES-256-CBC", "SHA1") },
	{ "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", ECDSA("ECDHE-ECDSA", "AES-128-GCM", "AEAD") },
	{ "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", ECDSA("ECDHE-ECDSA", "AES-256-GCM", "AEAD") },
	{ "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", RSA("ECDHE-RSA", "AES-128-GCM", "AEAD") },
	{ "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", RSA("ECDHE-RSA", "AES-256-GCM", "AEAD") },
	{ "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	  RSA("ECDHE-RSA", "CHACHA20-POLY1305", "AEAD") },
	{ "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
	  ECDSA("ECDHE-ECDSA", "CHACHA20-POLY1305", "AEAD") },
	/* Without forward secrecy; newer Go has moved them to the insecure ones. */
	{ "TLS_RSA_WITH_AES_128_CBC_SHA", RSA("RSA", "AES-128-CBC", "SHA1") },
	{ "TLS_RSA_WITH_AES_256_CBC_SHA", RSA("RSA", "AES-256-CBC", "SHA1") },
	{ "TLS_RSA_WITH_AES_128_GCM_SHA256", RSA("RSA", "AES-128-GCM", "AEAD") },
	{ "TLS_RSA_WITH_AES_256_GCM_SHA384", RSA("RSA", "AES-256-GCM", "AEAD") },
};
const size_t pe_tls_suite_count = sizeof(pe_tls_suites) / sizeof(pe_tls_suites[0]);

const struct pe_tls_name pe_tls_curves[PE_TLS_CURVES] = {
	{ "CurveP256", "GROUP-SECP256R1" },
	{ "CurveP384", "GROUP-SECP384R1" },
	{ "CurveP521", "GROUP-SECP521R1" },
	{ "X25519", "GROUP-X25519" },
};

const struct pe_tls_name pe_tls_versions[PE_TLS_VERSIONS] = {
	{ "TLS10", "VERS-TLS1.0" },
	{ "TLS11", "VERS-TLS1.1" },
	[PE_TLS_1_2] = { "TLS12", "VERS-TLS1.2" },
	[PE_TLS_1_3] = { "TLS13", "VERS-TLS1.3" },
};
