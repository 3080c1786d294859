/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The web configuration file: what is read from a good one, and of a bad one the line and why. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/web/web_config.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HASH_TAIL    "X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
#define HASH(begin)  begin HASH_TAIL
#define PAIR	     "  cert_file: c.pem\n  key_file: k.pem\n"
#define TLS	     "tls_server_config:\n" PAIR

static int parse(const char *text, size_t len, struct pe_web_config **ret_config,
		 struct pe_yaml_error *error)
{
	/* Without a NUL behind it, so that a sanitizer sees who reads on. */
	char *copy = malloc(len ? len : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, len);
	*ret_config = NULL;
	r = pe_web_config_parse(copy, len, "/etc/pe", ret_config, error);
	free(copy);
	return r;
}

static struct pe_web_config *parse_good(const char *text)
{
	struct pe_yaml_error error = { 0 };
	struct pe_web_config *config;
	const int r = parse(text, strlen(text), &config, &error);

	if (r != 0)
		fail_msg("%d, line %zu: %s\n%s", r, error.line, error.text, text);
	return config;
}

/* ---- good ones ---- */

static void test_empty(void **state)
{
	static const char *const texts[] = {
		"",
		"# nothing\n",
		"---\n",
		"{}\n",
		"~\n",
		"tls_server_config:\n",
		"tls_server_config: {}\nhttp_server_config: {}\nbasic_auth_users: {}\n",
		"tls_server_config: null\nhttp_server_config: ~\nbasic_auth_users:\n",
		"http_server_config:\n  headers:\n",
		"http_server_config:\n  http2: false\n",
		"\xef\xbb\xbf{}\n", /* a byte order mark */
	};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct pe_web_config *config = parse_good(texts[i]);

		assert_false(config->tls);
		assert_false(config->http2_wanted);
		assert_int_equal(config->user_count, 0);
		assert_int_equal(config->header_count, 0);
		assert_null(pe_web_config_free(config));
	}
	assert_null(pe_web_config_free(NULL));
}

static void test_tls(void **state)
{
	struct pe_web_config *c = parse_good("tls_server_config:\n"
					     "  cert_file: tls/cert.pem\n"
					     "  key_file: /run/key.pem\n"
					     "  client_auth_type: RequireAndVerifyClientCert\n"
					     "  client_ca_file: 'ca.pem'\n"
					     "  client_allowed_sans:\n"
					     "    - scraper.example\n"
					     "    - 192.0.2.1\n"
					     "  min_version: TLS11\n"
					     "  max_version: TLS12\n"
					     "  cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA,\n"
					     "    TLS_AES_128_GCM_SHA256]\n"
					     "  prefer_server_cipher_suites: no\n"
					     "  curve_preferences: [X25519, CurveP521]\n");

	assert_true(c->tls);
	assert_string_equal(c->cert_file, "/etc/pe/tls/cert.pem");
	assert_string_equal(c->key_file, "/run/key.pem");
	assert_string_equal(c->client_ca_file, "/etc/pe/ca.pem");
	assert_null(c->cert);
	assert_int_equal(c->client_auth, PE_CLIENT_AUTH_REQUIRE_AND_VERIFY);
	assert_int_equal(c->allowed_sans.count, 2);
	assert_string_equal(c->allowed_sans.item[1], "192.0.2.1");
	assert_int_equal(c->min_version, 1);
	assert_int_equal(c->max_version, PE_TLS_1_2);
	assert_int_equal(c->suite_count, 2);
	assert_string_equal(c->suites[0]->name, "TLS_RSA_WITH_AES_128_CBC_SHA");
	assert_false(c->prefer_server_suites);
	assert_int_equal(c->curve_count, 2);
	assert_string_equal(c->curves[1]->name, "CurveP521");
	pe_web_config_free(c);
}

static void test_tls_defaults(void **state)
{
	struct pe_web_config *c = parse_good(TLS "  min_version:\n  cipher_suites:\n"
						 "  client_auth_type: ''\n  client_ca_file: ''\n");

	assert_true(c->tls);
	assert_int_equal(c->min_version, PE_TLS_1_2);
	assert_int_equal(c->max_version, PE_TLS_1_3);
	assert_int_equal(c->suite_count, 0);
	assert_int_equal(c->curve_count, 0);
	assert_true(c->prefer_server_suites);
	assert_int_equal(c->client_auth, PE_CLIENT_AUTH_NONE);
	assert_null(c->client_ca_file);
	pe_web_config_free(c);
}

static void test_inline(void **state)
{
	struct pe_web_config *c = parse_good("tls_server_config:\n"
					     "  cert: |\n    -----BEGIN\n    x\n"
					     "  key: \"a\\nb\"\n"
					     "  client_ca: ca\n"
					     "  client_auth_type: RequestClientCert\n");

	assert_string_equal(c->cert, "-----BEGIN\nx\n");
	assert_string_equal(c->key, "a\nb");
	assert_string_equal(c->client_ca, "ca");
	assert_null(c->cert_file);
	pe_web_config_free(c);
}

static void test_client_auth_types(void **state)
{
	static const struct {
		const char *name;
		enum pe_client_auth auth;
	} types[] = {
		{ "NoClientCert", PE_CLIENT_AUTH_NONE },
		{ "RequestClientCert", PE_CLIENT_AUTH_REQUEST },
		{ "RequireAnyClientCert", PE_CLIENT_AUTH_REQUIRE_ANY },
		{ "RequireClientCert", PE_CLIENT_AUTH_REQUIRE_ANY },
		{ "VerifyClientCertIfGiven", PE_CLIENT_AUTH_VERIFY_IF_GIVEN },
		{ "RequireAndVerifyClientCert", PE_CLIENT_AUTH_REQUIRE_AND_VERIFY },
	};
	char text[256];

	for (size_t i = 0; i < COUNT(types); i++) {
		struct pe_web_config *c;

		snprintf(text, sizeof(text), TLS "  client_auth_type: %s\n", types[i].name);
		c = parse_good(text);
		assert_int_equal(c->client_auth, types[i].auth);
		pe_web_config_free(c);
	}
}

static void test_http_and_users(void **state)
{
	struct pe_web_config *c = parse_good(
		"http_server_config:\n"
		"  http2: true\n"
		"  headers:\n"
		"    X-Frame-Options: deny\n"
		"    X-XSS-Protection: ''\n"
		"    Strict-Transport-Security: max-age=31536000; includeSubDomains\n"
		"basic_auth_users:\n"
		"  alice: " HASH("$2y$10$") "\n"
					    "  'bob x': '" HASH(
						    "$2a$04$") "'\n"
							       "  1234: \"" HASH("$2b$16$") "\"\n");

	assert_true(c->http2_wanted);
	assert_int_equal(c->header_count, 2);
	assert_string_equal(c->headers[0].name, "X-Frame-Options");
	assert_string_equal(c->headers[1].value, "max-age=31536000; includeSubDomains");
	assert_int_equal(c->user_count, 3);
	assert_string_equal(c->users[0].name, "alice");
	assert_string_equal(c->users[0].hash, HASH("$2b$10$"));
	assert_string_equal(c->users[1].name, "bob x");
	assert_string_equal(c->users[1].hash, HASH("$2b$04$"));
	assert_int_equal(c->users[1].cost, 4);
	assert_string_equal(c->users[2].name, "1234");
	assert_int_equal(c->users[2].cost, 16);
	assert_false(c->tls);
	pe_web_config_free(c);
}

/* ---- bad ones ---- */

static const struct {
	const char *text;
	size_t line;
	const char *why;
} bad[] = {
	/* YAML */
	{ "a: [1\n", 2, "not YAML: while parsing a flow sequence" },
	{ "tls_server_config:\n\tcert_file: x\n", 2,
	  "not YAML: while scanning for the next token" },
	{ "{}\n\xff\n", 0, "not YAML: invalid leading UTF-8 octet" },
	{ "{}\n---\n{}\n", 2, "a second document" },
	{ "basic_auth_users: &x {}\n", 1, "anchors and aliases are not supported" },
	{ "basic_auth_users: *x\n", 1, "anchors and aliases are not supported" },
	{ "tls_server_config: !!map {}\n", 1, "tags are not supported" },
	{ "http_server_config:\n  http2: !!bool true\n", 2, "tags are not supported" },
	{ "[a]: b\n", 1, "a key that is not a text" },
	{ "basic_auth_users:\n  \"a\\0b\": x\n", 2, "a text with a NUL character" },
	{ "http_server_config: {}\n\nhttp_server_config: {}\n", 3,
	  "a key that is there twice (first in line 1)" },
	{ "tls_server_config:\n  key_file: a\n  key_file: b\n", 3,
	  "a key that is there twice (first in line 2)" },
	{ "[[[[[[[[[[[[]]]]]]]]]]]]\n", 1, "nested deeper than 8" },
	/* keys and types */
	{ "- a\n", 1, "a mapping is expected" },
	{ "text\n", 1, "a mapping is expected" },
	{ "\n\ntls_config: {}\n", 3, "unknown key" },
	{ "TLS_server_config: {}\n", 1, "unknown key" },
	{ "<<: {}\n", 1, "unknown key" },
	{ "\"a\\x1b[0m\": {}\n", 1, "unknown key" },
	{ "tls_server_config: yes\n", 1, "tls_server_config: a mapping is expected" },
	{ TLS "  ca_file: x\n", 4, "unknown key" },
	{ TLS "  min_version: [TLS12]\n", 4, "min_version: a text is expected" },
	{ TLS "  cipher_suites: TLS_AES_128_GCM_SHA256\n", 4, "cipher_suites: a list is expected" },
	{ "tls_server_config:\n  cert_file: [a]\n", 2, "cert_file: a text is expected" },
	{ TLS "  prefer_server_cipher_suites: 1\n", 4,
	  "prefer_server_cipher_suites: true or false is expected" },
	{ "http_server_config:\n  http2: 'true'\n", 2, "http2: true or false is expected" },
	{ "http_server_config:\n  http3: true\n", 2, "unknown key" },
	{ "rate_limit:\n  interval: 1s\n  burst: 20\n", 1, "rate_limit is not supported" },
	/* TLS */
	{ "tls_server_config:\n  cert_file: x\n", 2, "tls_server_config: key_file is missing" },
	{ "tls_server_config:\n  key_file: x\n", 2, "tls_server_config: cert_file is missing" },
	{ "tls_server_config:\n  min_version: TLS13\n", 2,
	  "tls_server_config: cert_file is missing" },
	{ TLS "  cert: x\n", 4, "cert and cert_file cannot both be given" },
	{ TLS "  key: x\n", 4, "key and key_file cannot both be given" },
	{ TLS "  min_version: TLS14\n", 4, "not a known TLS version" },
	{ TLS "  max_version: ''\n", 4, "not a known TLS version" },
	{ TLS "  min_version: TLS13\n  max_version: TLS12\n", 4,
	  "min_version is above max_version" },
	{ TLS "  cipher_suites:\n    - TLS_AES_128_GCM_SHA256\n    - TLS_RC4\n", 6,
	  "not a known cipher suite" },
	{ TLS "  cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA256]\n", 4,
	  "not a known cipher suite" },
	{ TLS "  curve_preferences: [P256]\n", 4, "not a known curve" },
	{ TLS "  curve_preferences: [X25519, X25519]\n", 4, "X25519 is there twice" },
	{ TLS "  client_auth_type: Require\n", 4, "not a known client_auth_type" },
	{ TLS "  client_ca_file: ca.pem\n", 4, "client_ca_file without a client_auth_type" },
	{ TLS "  client_auth_type: RequestClientCert\n  client_allowed_sans: [a]\n", 5,
	  "client_allowed_sans needs client_auth_type" },
	{ TLS "  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: ['']\n", 5,
	  "a text is expected" },
	/* headers */
	{ "http_server_config:\n  headers:\n    Server: x\n", 3, "unknown key" },
	{ "http_server_config:\n  headers:\n    x-frame-options: deny\n", 3, "unknown key" },
	{ "http_server_config:\n  headers:\n    X-Frame-Options: allow\n", 3,
	  "X-Frame-Options: allowed are deny and sameorigin" },
	{ "http_server_config:\n  headers:\n    X-Content-Type-Options: ''\n", 3,
	  "X-Content-Type-Options: allowed are nosniff" },
	{ "http_server_config:\n  headers:\n    X-XSS-Protection: \"a\\nb\"\n", 3,
	  "X-XSS-Protection: a control character" },
	{ "http_server_config:\n  headers: [a]\n", 2, "headers: a mapping is expected" },
	{ "http_server_config:\n  headers:\n    X-XSS-Protection: [a]\n", 3,
	  "X-XSS-Protection: a text is expected" },
	/* users */
	{ "basic_auth_users: [a]\n", 1, "basic_auth_users: a mapping is expected" },
	{ "basic_auth_users:\n  a: secret\n", 2,
	  "basic_auth_users: the password is not a bcrypt hash" },
	{ "basic_auth_users:\n  a:\n", 2, "basic_auth_users: the password is not a bcrypt hash" },
	{ "basic_auth_users:\n  a: [b]\n", 2,
	  "basic_auth_users: the password is not a bcrypt hash" },
	{ "basic_auth_users:\n  a: " HASH("$1y$10$") "\n", 2, "is not a bcrypt hash" },
	{ "basic_auth_users:\n  a: " HASH("$2x$10$") "\n", 2, "is not a bcrypt hash" },
	{ "basic_auth_users:\n  a: " HASH("$2y$1x$") "\n", 2, "is not a bcrypt hash" },
	{ "basic_auth_users:\n  a: " HASH("$2y$10$") "x\n", 2, "is not a bcrypt hash" },
	{ "basic_auth_users:\n  a: " HASH("$2y$03$") "\n", 2, "cost is out of range" },
	{ "basic_auth_users:\n  a: " HASH("$2y$17$") "\n", 2, "cost is out of range" },
	{ "basic_auth_users:\n  'a:b': " HASH("$2y$10$") "\n", 2, "the name has a colon" },
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct pe_yaml_error error = { 0 };
		struct pe_web_config *config;
		const int r = parse(bad[i].text, strlen(bad[i].text), &config, &error);

		if (r != -EINVAL || error.line != bad[i].line || !strstr(error.text, bad[i].why))
			fail_msg("%d, line %zu: %s\n%s", r, error.line, error.text, bad[i].text);
		assert_null(config);
		/* A hash is nobody's business. */
		assert_null(strstr(error.text, HASH_TAIL));
	}
}

static void test_bounds(void **state)
{
	const size_t size = PE_YAML_MAX_BYTES + 1;
	struct pe_yaml_error error;
	struct pe_web_config *config;
	char *text = malloc(size);
	size_t len = 0;

	assert_non_null(text);
	memset(text, '#', size);
	assert_int_equal(parse(text, size - 1, &config, &error), 0);
	pe_web_config_free(config);
	assert_int_equal(parse(text, size, &config, &error), -EINVAL);
	assert_string_equal(error.text, "larger than 1048576 bytes");

	len += (size_t)sprintf(text, "basic_auth_users:\n");
	for (unsigned int i = 0; i < PE_YAML_MAX_NODES / 2 + 1; i++)
		len += (size_t)sprintf(text + len, "  user%u: " HASH("$2y$10$") "\n", i);
	assert_int_equal(parse(text, len, &config, &error), -EINVAL);
	assert_string_equal(error.text, "more than 8192 values");

	/* Deep, and read no further than the bound. */
	memset(text, '[', size - 1);
	assert_int_equal(parse(text, size - 1, &config, &error), -EINVAL);
	assert_string_equal(error.text, "nested deeper than 8");
	free(text);
}

/* Whatever the beginning of a file, it is read or refused, and nothing is read behind its end. */
static void test_prefixes(void **state)
{
	static const char text[] = TLS "  client_auth_type: VerifyClientCertIfGiven\n"
				       "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n"
				       "http_server_config: {headers: {X-Frame-Options: deny}}\n"
				       "basic_auth_users:\n  \"a\\u00e4\": '" HASH("$2y$10$") "'\n";

	for (size_t len = 0; len < sizeof(text); len++) {
		struct pe_yaml_error error = { 0 };
		struct pe_web_config *config;
		const int r = parse(text, len, &config, &error);

		assert_true(r == 0 || r == -EINVAL);
		assert_int_equal(r == 0, config != NULL);
		if (r < 0)
			assert_string_not_equal(error.text, "");
		pe_web_config_free(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_tls_defaults),
		cmocka_unit_test(test_inline),
		cmocka_unit_test(test_client_auth_types),
		cmocka_unit_test(test_http_and_users),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
