/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The web configuration file in the format of Prometheus' exporter toolkit
 * (https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md):
 * from text to values. Reads no file; pure but for memory; any thread.
 */
#ifndef PE_WEB_WEB_CONFIG_H
#define PE_WEB_WEB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "tls_names.h"
#include "yaml.h"

enum pe_client_auth {
	PE_CLIENT_AUTH_NONE,
	PE_CLIENT_AUTH_REQUEST,
	PE_CLIENT_AUTH_REQUIRE_ANY,
	PE_CLIENT_AUTH_VERIFY_IF_GIVEN,
	PE_CLIENT_AUTH_REQUIRE_AND_VERIFY,
};

struct pe_texts {
	const char **item;
	size_t count;
};

#define PE_WEB_HEADERS 5

/* Beyond this, a hash takes seconds: neither a scrape nor a stop can wait for it. */
#define PE_BCRYPT_COST_MIN 4
#define PE_BCRYPT_COST_MAX 16
#define PE_BCRYPT_LEN	   60

struct pe_web_user {
	const char *name;
	const char *hash; /* "$2b$COST$…", whatever letter the file has */
	unsigned int cost;
};

struct pe_web_config {
	struct pe_arena *arena; /* owns all below */

	bool empty;	 /* says nothing */
	bool unfinished; /* ends within a line */

	bool tls;
	/* Of each pair at most one is given; PEM, or a path that is absolute or relative to the
	 * daemon's folder. */
	const char *cert, *cert_file;
	const char *key, *key_file;
	const char *client_ca, *client_ca_file;
	enum pe_client_auth client_auth;
	bool client_auth_given, allowed_sans_given; /* written out, whatever they say */
	struct pe_texts allowed_sans;
	unsigned int min_version, max_version; /* in pe_tls_versions */
	const struct pe_tls_suite **suites;
	size_t suite_count; /* 0: GnuTLS' own choice */
	const struct pe_tls_name *curves[PE_TLS_CURVES];
	size_t curve_count;
	bool prefer_server_suites;

	bool http2_wanted; /* http2: true is written out */
	struct {
		const char *name, *value;
	} headers[PE_WEB_HEADERS];
	size_t header_count;

	struct pe_web_user *users;
	size_t user_count;
};

/*
 * Reads the text of a file that lies in `directory`. The caller owns *ret_config. 0; -EINVAL with
 * the error; -ENOMEM.
 */
int pe_web_config_parse(const char *data, size_t len, const char *directory,
			struct pe_web_config **ret_config, struct pe_yaml_error *ret_error);

/*
 * Why `after` must not replace `before` while the daemon runs, or NULL: it would let in who had to
 * stay out, or was perhaps not written to its end. What is written out is meant; what has
 * disappeared may be what a writer has not come to yet. The result is constant.
 */
const char *pe_web_config_refusal(const struct pe_web_config *before,
				  const struct pe_web_config *after);

/* NULL is fine. Returns NULL. */
struct pe_web_config *pe_web_config_free(struct pe_web_config *config);

#endif
