/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See tls.h. libmicrohttpd makes the sessions; what it would set for all of them at its start is
 * set for each here, so that a new certificate needs no new server.
 *
 * GnuTLS takes sets of key exchanges, ciphers and MACs where Go takes suites. Three things make a
 * list of suites mean the same: suites for another kind of key than the certificate's are left out;
 * TLS 1.3, whose suites Go does not let one choose, gets a priority of its own once the version is
 * known; and a list whose products would be more than the list is refused.
 */
#include "tls.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/log.h"

#include "san.h"
#include "tls_memory.h"

struct pe_tls {
	const struct pe_web_config *config;
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priority;
	/* With a list of suites: for TLS 1.3, and for what is older. NULL if that is not allowed.
	 */
	gnutls_priority_t tls13, older;
};

/* ---- suites ---- */

static bool is_listed(const struct pe_web_config *config, const struct pe_tls_suite *suite)
{
	for (size_t i = 0; i < config->suite_count; i++) {
		if (config->suites[i] == suite)
			return true;
	}
	return false;
}

/* The first of the table that a product of listed ones of this kind of key makes. */
static const struct pe_tls_suite *find_unlisted_product(const struct pe_web_config *config,
							enum pe_tls_auth auth)
{
	for (size_t i = 0; i < pe_tls_suite_count; i++) {
		const struct pe_tls_suite *suite = &pe_tls_suites[i];
		bool kx = false, cipher = false;

		if (suite->auth != auth || is_listed(config, suite))
			continue;
		for (size_t j = 0; j < config->suite_count; j++) {
			const struct pe_tls_suite *listed = config->suites[j];

			if (listed->auth != auth)
				continue;
			kx |= strcmp(listed->kx, suite->kx) == 0;
			cipher |= strcmp(listed->cipher, suite->cipher) == 0;
		}
		if (kx && cipher)
			return suite;
	}
	return NULL;
}

static size_t count_suites(const struct pe_web_config *config, enum pe_tls_auth auth)
{
	size_t n = 0;

	for (size_t i = 0; i < config->suite_count; i++)
		n += config->suites[i]->auth == auth;
	return n;
}

/* ---- priorities (gnutls.org/manual, "Priority strings") ---- */

static void add_versions(struct pe_strbuf *text, unsigned int min, unsigned int max)
{
	pe_strbuf_adds(text, ":-VERS-ALL");
	for (unsigned int i = max + 1; i-- > min;)
		pe_strbuf_addf(text, ":+%s", pe_tls_versions[i].gnutls);
}

static void add_curves(struct pe_strbuf *text, const struct pe_web_config *config)
{
	if (config->curve_count > 0)
		pe_strbuf_adds(text, ":-GROUP-ALL");
	for (size_t i = 0; i < config->curve_count; i++)
		pe_strbuf_addf(text, ":+%s", config->curves[i]->gnutls);
}

static void add_suites(struct pe_strbuf *text, const struct pe_web_config *config,
		       enum pe_tls_auth auth)
{
	pe_strbuf_adds(text, ":-KX-ALL:-CIPHER-ALL:-MAC-ALL");
	/* What is there already is not added again. */
	for (size_t i = 0; i < config->suite_count; i++) {
		const struct pe_tls_suite *suite = config->suites[i];

		if (suite->auth == auth)
			pe_strbuf_addf(text, ":+%s:+%s:+%s", suite->kx, suite->cipher, suite->mac);
	}
}

static int finish_priority(struct pe_strbuf *text, const struct pe_web_config *config,
			   gnutls_priority_t *ret_priority, char *why, size_t why_size)
{
	const char *bad = NULL;
	int r;

	/* Go has no finite-field Diffie-Hellman. */
	pe_strbuf_adds(text, ":-DHE-RSA");
	if (config->prefer_server_suites)
		pe_strbuf_adds(text, ":%SERVER_PRECEDENCE");
	pe_strbuf_addc(text, '\0');
	if (text->error)
		return -ENOMEM;
	r = gnutls_priority_init(ret_priority, text->data, &bad);
	if (r == GNUTLS_E_SUCCESS)
		return 0;
	*ret_priority = NULL;
	snprintf(why, why_size, "GnuTLS does not offer these TLS settings: %s", gnutls_strerror(r));
	return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
}

static void cleanup_strbuf(struct pe_strbuf *buf)
{
	pe_strbuf_fini(buf);
}

static int make_priority(const struct pe_web_config *config, unsigned int min, unsigned int max,
			 enum pe_tls_auth auth, gnutls_priority_t *ret_priority, char *why,
			 size_t why_size)
{
	_cleanup_(cleanup_strbuf) struct pe_strbuf text = PE_STRBUF_INIT;

	pe_strbuf_adds(&text, "NORMAL");
	add_versions(&text, min, max);
	if (auth != PE_TLS_AUTH_ANY)
		add_suites(&text, config, auth);
	add_curves(&text, config);
	return finish_priority(&text, config, ret_priority, why, why_size);
}

static int make_suite_priorities(struct pe_tls *tls, enum pe_tls_auth auth, char *why,
				 size_t why_size)
{
	const struct pe_web_config *config = tls->config;
	const struct pe_tls_suite *unlisted = find_unlisted_product(config, auth);
	const unsigned int max = config->max_version < PE_TLS_1_2 ? config->max_version
								  : PE_TLS_1_2;
	int r = 0;

	if (unlisted) {
		snprintf(why, why_size,
			 "cipher_suites: GnuTLS cannot allow these without %s; list it too, or "
			 "leave out the suites that share its parts",
			 unlisted->name);
		return -EINVAL;
	}
	if (config->max_version >= PE_TLS_1_3)
		r = make_priority(config, PE_TLS_1_3, PE_TLS_1_3, PE_TLS_AUTH_ANY, &tls->tls13, why,
				  why_size);
	if (r == 0 && config->min_version <= PE_TLS_1_2 && count_suites(config, auth) > 0)
		r = make_priority(config, config->min_version, max, auth, &tls->older, why,
				  why_size);
	if (r == 0 && !tls->tls13 && !tls->older) {
		snprintf(why, why_size,
			 "cipher_suites: none is for the key of the certificate, or for "
			 "max_version");
		r = -EINVAL;
	}
	return r;
}

static int make_priorities(struct pe_tls *tls, enum pe_tls_auth auth, char *why, size_t why_size)
{
	const struct pe_web_config *config = tls->config;
	unsigned int min = config->min_version, max = config->max_version;

	if (config->suite_count > 0) {
		const int r = make_suite_priorities(tls, auth, why, why_size);

		if (r < 0)
			return r;
		if (!tls->older)
			min = PE_TLS_1_3;
	}
	/* What the version is found by; with a list of suites it is then replaced. */
	return make_priority(config, min, max, PE_TLS_AUTH_ANY, &tls->priority, why, why_size);
}

/* ---- certificates ---- */

static gnutls_datum_t datum(const struct pe_strbuf *buf)
{
	return (gnutls_datum_t){ (unsigned char *)buf->data, (unsigned int)buf->len };
}

static int load_pair(struct pe_tls *tls, const struct pe_tls_material *material, char *why,
		     size_t why_size)
{
	const gnutls_datum_t cert = datum(&material->cert), key = datum(&material->key);
	const int r = gnutls_certificate_set_x509_key_mem2(tls->credentials, &cert, &key,
							   GNUTLS_X509_FMT_PEM, NULL, 0);

	if (r >= 0)
		return 0;
	snprintf(why, why_size, "cannot use the certificate with the key: %s", gnutls_strerror(r));
	return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
}

static int load_trust(struct pe_tls *tls, const struct pe_tls_material *material, char *why,
		      size_t why_size)
{
	const struct pe_web_config *c = tls->config;
	const gnutls_datum_t ca = datum(&material->client_ca);
	int n;

	if (c->client_ca || c->client_ca_file) {
		n = gnutls_certificate_set_x509_trust_mem(tls->credentials, &ca,
							  GNUTLS_X509_FMT_PEM);
		if (n > 0)
			return 0;
		snprintf(why, why_size, "no certificate in %s%s%s",
			 c->client_ca_file ? "client_ca_file" : "client_ca", n < 0 ? ": " : "",
			 n < 0 ? gnutls_strerror(n) : "");
		return n == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
	}
	if (c->client_auth != PE_CLIENT_AUTH_VERIFY_IF_GIVEN &&
	    c->client_auth != PE_CLIENT_AUTH_REQUIRE_AND_VERIFY)
		return 0;
	/* Without one of its own, the toolkit trusts whom the system trusts. */
	n = gnutls_certificate_set_x509_system_trust(tls->credentials);
	if (n > 0)
		return 0;
	snprintf(why, why_size, "client_ca_file is missing, and the system trusts nobody");
	return -EINVAL;
}

static int find_auth(const struct pe_tls *tls, enum pe_tls_auth *ret_auth)
{
	gnutls_x509_privkey_t key;
	int algorithm;

	if (gnutls_certificate_get_x509_key(tls->credentials, 0, &key) < 0)
		return -EINVAL;
	algorithm = gnutls_x509_privkey_get_pk_algorithm(key);
	gnutls_x509_privkey_deinit(key);
	*ret_auth = algorithm == GNUTLS_PK_RSA || algorithm == GNUTLS_PK_RSA_PSS
			    ? PE_TLS_AUTH_RSA
			    : PE_TLS_AUTH_ECDSA;
	return 0;
}

static void cleanup_tls(struct pe_tls **tls)
{
	pe_tls_free(*tls);
}

int pe_tls_new(const struct pe_web_config *config, const struct pe_tls_material *material,
	       struct pe_tls **ret_tls, char *why, size_t why_size)
{
	_cleanup_(cleanup_tls) struct pe_tls *tls = calloc(1, sizeof(*tls));
	enum pe_tls_auth auth = PE_TLS_AUTH_RSA;
	int r;

	if (!tls)
		return -ENOMEM;
	tls->config = config;
	r = pe_tls_memory_init();
	if (r < 0)
		return r;
	if (gnutls_certificate_allocate_credentials(&tls->credentials) < 0)
		return -ENOMEM;
	r = load_pair(tls, material, why, why_size);
	if (r == 0)
		r = load_trust(tls, material, why, why_size);
	if (r == 0)
		r = find_auth(tls, &auth);
	if (r == 0)
		r = make_priorities(tls, auth, why, why_size);
	if (r < 0)
		return r;
	*ret_tls = PE_TAKE_PTR(tls);
	return 0;
}

struct pe_tls *pe_tls_free(struct pe_tls *tls)
{
	if (!tls)
		return NULL;
	if (tls->priority)
		gnutls_priority_deinit(tls->priority);
	if (tls->tls13)
		gnutls_priority_deinit(tls->tls13);
	if (tls->older)
		gnutls_priority_deinit(tls->older);
	if (tls->credentials)
		gnutls_certificate_free_credentials(tls->credentials);
	free(tls);
	return NULL;
}

/* ---- sessions ---- */

/* Called within the handshake when the client has sent its certificate, or none. */
static int on_verify(gnutls_session_t session)
{
	const struct pe_tls *tls = gnutls_db_get_ptr(session);
	const struct pe_web_config *config = tls->config;
	gnutls_typed_vdata_st purpose = { GNUTLS_DT_KEY_PURPOSE_OID,
					  (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT, 0 };
	unsigned int count = 0, status = 0;
	const gnutls_datum_t *peers = gnutls_certificate_get_peers(session, &count);

	if (!peers || count == 0)
		return config->client_auth == PE_CLIENT_AUTH_REQUEST ||
				       config->client_auth == PE_CLIENT_AUTH_VERIFY_IF_GIVEN
			       ? 0
			       : GNUTLS_E_CERTIFICATE_ERROR;
	if (config->client_auth == PE_CLIENT_AUTH_VERIFY_IF_GIVEN ||
	    config->client_auth == PE_CLIENT_AUTH_REQUIRE_AND_VERIFY) {
		if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0 ||
		    status != 0) {
			pe_debug("http", "a client's certificate was refused (status 0x%x)",
				 status);
			return GNUTLS_E_CERTIFICATE_ERROR;
		}
	}
	if (config->allowed_sans.count > 0 &&
	    !pe_san_is_allowed(&config->allowed_sans, &peers[0])) {
		pe_debug("http", "a client's certificate was refused: no allowed name");
		return GNUTLS_E_CERTIFICATE_ERROR;
	}
	return 0;
}

/* The version is known, the suite is not chosen yet. */
static int on_client_hello(gnutls_session_t session)
{
	const struct pe_tls *tls = gnutls_db_get_ptr(session);
	const bool is_tls13 = gnutls_protocol_get_version(session) >= GNUTLS_TLS1_3;
	gnutls_priority_t priority = is_tls13 ? tls->tls13 : tls->older;

	return priority ? gnutls_priority_set(session, priority)
			: GNUTLS_E_UNSUPPORTED_VERSION_PACKET;
}

int pe_tls_prepare(const struct pe_tls *tls, gnutls_session_t session)
{
	static const gnutls_certificate_request_t requests[] = {
		[PE_CLIENT_AUTH_NONE] = GNUTLS_CERT_IGNORE,
		[PE_CLIENT_AUTH_REQUEST] = GNUTLS_CERT_REQUEST,
		[PE_CLIENT_AUTH_REQUIRE_ANY] = GNUTLS_CERT_REQUIRE,
		[PE_CLIENT_AUTH_VERIFY_IF_GIVEN] = GNUTLS_CERT_REQUEST,
		[PE_CLIENT_AUTH_REQUIRE_AND_VERIFY] = GNUTLS_CERT_REQUIRE,
	};
	static const gnutls_datum_t http = { (unsigned char *)"http/1.1", 8 };

	/* The pointer of the session cache, which a server without one has no use for; the
	 * session's own pointer is libmicrohttpd's. */
	gnutls_db_set_ptr(session, (void *)tls);
	gnutls_certificate_server_set_request(session, requests[tls->config->client_auth]);
	if (tls->config->client_auth != PE_CLIENT_AUTH_NONE)
		gnutls_session_set_verify_function(session, on_verify);
	if (tls->config->suite_count > 0)
		gnutls_handshake_set_post_client_hello_function(session, on_client_hello);
	/* The certificate last: a session that lacks anything else cannot do without it. */
	if (gnutls_priority_set(session, tls->priority) < 0 ||
	    gnutls_alpn_set_protocols(session, &http, 1, 0) < 0 ||
	    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials) < 0)
		return -EIO;
	return 0;
}
