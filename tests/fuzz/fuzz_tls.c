/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's side of a TLS handshake: whatever a client sends, and wherever it stops, the session
 * either waits for more to read, and goes on waiting without getting anywhere, or ends with an
 * error. It never waits to write, and never succeeds: a client that has not read what the server
 * drew at random cannot finish.
 *
 * The input is a byte of what is configured (1: client certificates with a name; 2: a list of
 * suites), a byte of how many bytes come at a time (0: all), and what the client sends. The seeds
 * stop at each stage at which test_waiting.py does.
 */
#include "fuzz.h"

#include <errno.h>
#include <gnutls/gnutls.h>

#include "pe/cleanup.h"
#include "server_pair.h"
#include "../../src/web/tls.h"
#include "../../src/web/web_config.h"

#define VARIANTS    4
#define IDLE_MAX    64
#define CLIENT_AUTH 1
#define SUITES	    2

struct wire {
	const uint8_t *at;
	size_t left;
	size_t piece; /* at most so many at a time, then none once */
	bool pause;
	bool ended; /* the client has closed */
};

static struct pe_tls *variants[VARIANTS];

static void make_variant(unsigned int variant)
{
	struct pe_strbuf text = PE_STRBUF_INIT;
	struct pe_tls_material material = { PE_STRBUF_INIT, PE_STRBUF_INIT, PE_STRBUF_INIT };
	struct pe_web_config *config;
	struct pe_yaml_error error;
	char why[256] = "";
	int r;

	pe_strbuf_adds(&text, "tls_server_config:\n" SERVER_CERT SERVER_KEY);
	if (variant & CLIENT_AUTH)
		pe_strbuf_adds(&text, SERVER_CA "  client_auth_type: RequireAndVerifyClientCert\n"
						"  client_allowed_sans: [a]\n");
	if (variant & SUITES)
		pe_strbuf_adds(&text,
			       "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n");
	r = pe_web_config_parse(text.data, text.len, "/", &config, &error);
	fuzz_check(r == 0, "line %zu: %s", error.line, error.text);
	pe_strbuf_adds(&material.cert, config->cert);
	pe_strbuf_adds(&material.key, config->key);
	if (config->client_ca)
		pe_strbuf_adds(&material.client_ca, config->client_ca);
	r = pe_tls_new(config, &material, &variants[variant], why, sizeof(why));
	fuzz_check(r == 0, "%s", why);
	pe_strbuf_fini(&material.cert);
	pe_strbuf_fini(&material.key);
	pe_strbuf_fini(&material.client_ca);
	pe_strbuf_fini(&text);
}

static ssize_t on_pull(gnutls_transport_ptr_t userdata, void *data, size_t size)
{
	struct wire *wire = userdata;
	size_t n = size < wire->left ? size : wire->left;

	if (wire->left == 0 && wire->ended)
		return 0;
	if (wire->pause || wire->left == 0) {
		wire->pause = false;
		errno = EAGAIN;
		return -1;
	}
	if (wire->piece && n > wire->piece)
		n = wire->piece;
	wire->pause = wire->piece;
	memcpy(data, wire->at, n);
	wire->at += n;
	wire->left -= n;
	return (ssize_t)n;
}

static int on_pull_timeout(gnutls_transport_ptr_t userdata, unsigned int ms)
{
	const struct wire *wire = userdata;

	(void)ms;
	return wire->left > 0 || wire->ended;
}

static ssize_t on_push(gnutls_transport_ptr_t userdata, const void *data, size_t size)
{
	(void)userdata;
	(void)data;
	return (ssize_t)size;
}

/*
 * As far as it comes, as libmicrohttpd calls it: again and again. Having written, as it does to ask
 * for another hello, it may say once that it waits to write; it is at rest when it waits to read.
 */
static int shake(gnutls_session_t session, const struct wire *wire)
{
	unsigned int idle = 0;

	for (;;) {
		const size_t left = wire->left;
		const int r = gnutls_handshake(session);

		fuzz_check(r != GNUTLS_E_SUCCESS, "a stranger has finished");
		if (r != GNUTLS_E_AGAIN && r != GNUTLS_E_INTERRUPTED)
			return r;
		if (gnutls_record_get_direction(session) == 0 && left == 0)
			return r;
		idle = left == wire->left ? idle + 1 : 0;
		fuzz_check(idle < IDLE_MAX, "it comes to no rest, with %zu bytes left", left);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	const unsigned int variant = fuzz_u8(&input) % VARIANTS;
	struct wire wire = { .piece = fuzz_u8(&input) };
	gnutls_session_t session;
	int r;

	if (!variants[variant])
		make_variant(variant);
	wire.at = input.at;
	wire.left = input.left;
	r = gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	fuzz_check(r == 0, "out of memory");
	r = pe_tls_prepare(variants[variant], session);
	fuzz_check(r == 0, "returned %d", r);
	gnutls_transport_set_ptr(session, &wire);
	gnutls_transport_set_pull_function(session, on_pull);
	gnutls_transport_set_pull_timeout_function(session, on_pull_timeout);
	gnutls_transport_set_push_function(session, on_push);
	r = shake(session, &wire);
	if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED) {
		/* Who closes is not waited for. */
		wire.ended = true;
		r = shake(session, &wire);
		fuzz_check(r != GNUTLS_E_AGAIN, "it waits for who has gone");
	}
	gnutls_deinit(session);
	return 0;
}
