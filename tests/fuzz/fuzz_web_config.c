/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The web configuration file: any bytes give one line of error that names a line of the file, or a
 * configuration that keeps what its header promises. Written out again, in the plainest YAML, and
 * read again it is the same.
 *
 * The input is the file.
 */
#include "fuzz.h"

#include <errno.h>

#include "pe/strbuf.h"
#include "pe/utf8.h"
#include "../../src/web/web_config.h"

#define DIRECTORY "/etc/pe"

/* ---- what it promises ---- */

/* May a line end here? YAML ends lines at U+2028 and U+2029, too, and reads UTF-8 and UTF-16. */
static bool is_break(const uint8_t *at, size_t left)
{
	if (*at == '\n' || *at == '\r' || *at == 0x85 || *at == 0xa8 || *at == 0xa9)
		return true;
	return left > 1 &&
	       ((*at == 0x20 && (at[1] | 1) == 0x29) || ((*at | 1) == 0x29 && at[1] == 0x20));
}

static void check_error(const struct pe_yaml_error *error, const uint8_t *data, size_t size)
{
	size_t lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += is_break(data + i, size - i);
	fuzz_check(error->line <= lines + 1, "line %zu of %zu", error->line, lines);
	fuzz_check(error->text[0], "no reason");
	fuzz_check(pe_utf8_valid(error->text), "not UTF-8: %s", error->text);
	for (const char *p = error->text; *p; p++)
		fuzz_check((unsigned char)*p >= ' ' && *p != 0x7f, "byte %d in: %s", *p,
			   error->text);
}

static void check_text(const char *text, const char *what)
{
	fuzz_check(!text || (*text && pe_utf8_valid(text)), "%s is empty or not UTF-8", what);
}

static void check_path(const char *path, const char *inline_text, const char *what)
{
	check_text(path, what);
	fuzz_check(!path || *path == '/', "%s is %s", what, path);
	fuzz_check(!path || !inline_text, "%s and its file", what);
}

static void check_tls(const struct pe_web_config *c)
{
	check_path(c->cert_file, c->cert, "cert");
	check_path(c->key_file, c->key, "key");
	check_path(c->client_ca_file, c->client_ca, "client_ca");
	fuzz_check(!c->tls || ((c->cert || c->cert_file) && (c->key || c->key_file)),
		   "TLS without a certificate");
	fuzz_check(c->tls || !(c->cert || c->cert_file || c->key || c->key_file || c->client_ca ||
			       c->client_ca_file || c->client_auth || c->allowed_sans.count ||
			       c->suite_count || c->curve_count),
		   "no TLS, but parts of it");
	fuzz_check(c->client_auth <= PE_CLIENT_AUTH_REQUIRE_AND_VERIFY, "client_auth %d",
		   (int)c->client_auth);
	fuzz_check(c->min_version <= c->max_version && c->max_version < PE_TLS_VERSIONS,
		   "versions %u to %u", c->min_version, c->max_version);
	for (size_t i = 0; i < c->allowed_sans.count; i++)
		check_text(c->allowed_sans.item[i], "client_allowed_sans");
	for (size_t i = 0; i < c->suite_count; i++)
		fuzz_check(c->suites[i] >= pe_tls_suites &&
				   c->suites[i] < pe_tls_suites + pe_tls_suite_count,
			   "suite %zu", i);
	fuzz_check(c->curve_count <= PE_TLS_CURVES, "%zu curves", c->curve_count);
	for (size_t i = 0; i < c->curve_count; i++)
		for (size_t j = 0; j < i; j++)
			fuzz_check(c->curves[i] != c->curves[j], "a curve twice");
}

static void check_users(const struct pe_web_config *c)
{
	for (size_t i = 0; i < c->user_count; i++) {
		const struct pe_web_user *user = &c->users[i];
		char begin[16];

		snprintf(begin, sizeof(begin), "$2b$%02u$", user->cost);
		fuzz_check(strlen(user->hash) == PE_BCRYPT_LEN &&
				   strncmp(user->hash, begin, strlen(begin)) == 0,
			   "hash %s", user->hash);
		fuzz_check(user->cost >= PE_BCRYPT_COST_MIN && user->cost <= PE_BCRYPT_COST_MAX,
			   "cost %u", user->cost);
		fuzz_check(pe_utf8_valid(user->name) && !strchr(user->name, ':'), "user %s",
			   user->name);
		for (size_t j = 0; j < i; j++)
			fuzz_check(strcmp(user->name, c->users[j].name) != 0, "user %s twice",
				   user->name);
	}
}

static void check_headers(const struct pe_web_config *c)
{
	fuzz_check(c->header_count <= PE_WEB_HEADERS, "%zu headers", c->header_count);
	for (size_t i = 0; i < c->header_count; i++) {
		check_text(c->headers[i].value, c->headers[i].name);
		for (const char *p = c->headers[i].value; *p; p++)
			fuzz_check((unsigned char)*p >= ' ' && *p != 0x7f, "byte %d in %s", *p,
				   c->headers[i].name);
		for (size_t j = 0; j < i; j++)
			fuzz_check(strcmp(c->headers[i].name, c->headers[j].name) != 0, "%s twice",
				   c->headers[i].name);
	}
}

/* ---- writing it out ---- */

/* In double quotes, all but plain ASCII as a number. */
static void add_quoted(struct pe_strbuf *buf, const char *text)
{
	pe_strbuf_addc(buf, '"');
	while (*text) {
		const unsigned char *s = (const unsigned char *)text;
		size_t len = pe_utf8_length(text);
		uint32_t code = len == 1 ? s[0] : s[0] & (0x7f >> len);

		for (size_t i = 1; i < len; i++)
			code = code << 6 | (s[i] & 0x3f);
		if (code < ' ' || code >= 0x7f || code == '"' || code == '\\')
			pe_strbuf_addf(buf, "\\U%08X", code);
		else
			pe_strbuf_addc(buf, *text);
		text += len;
	}
	pe_strbuf_addc(buf, '"');
}

static void add_pair(struct pe_strbuf *buf, const char *key, const char *value)
{
	if (!value)
		return;
	pe_strbuf_addf(buf, "  %s: ", key);
	add_quoted(buf, value);
	pe_strbuf_addc(buf, '\n');
}

static void write_tls(struct pe_strbuf *buf, const struct pe_web_config *c)
{
	static const char *const auths[] = { "NoClientCert", "RequestClientCert",
					     "RequireAnyClientCert", "VerifyClientCertIfGiven",
					     "RequireAndVerifyClientCert" };

	pe_strbuf_adds(buf, "tls_server_config:\n");
	add_pair(buf, "cert", c->cert);
	add_pair(buf, "cert_file", c->cert_file);
	add_pair(buf, "key", c->key);
	add_pair(buf, "key_file", c->key_file);
	add_pair(buf, "client_ca", c->client_ca);
	add_pair(buf, "client_ca_file", c->client_ca_file);
	add_pair(buf, "client_auth_type", auths[c->client_auth]);
	add_pair(buf, "min_version", pe_tls_versions[c->min_version].name);
	add_pair(buf, "max_version", pe_tls_versions[c->max_version].name);
	pe_strbuf_addf(buf, "  prefer_server_cipher_suites: %s\n",
		       c->prefer_server_suites ? "true" : "false");
	pe_strbuf_adds(buf, "  client_allowed_sans: [");
	for (size_t i = 0; i < c->allowed_sans.count; i++) {
		add_quoted(buf, c->allowed_sans.item[i]);
		pe_strbuf_addc(buf, ',');
	}
	pe_strbuf_adds(buf, "]\n  cipher_suites: [");
	for (size_t i = 0; i < c->suite_count; i++)
		pe_strbuf_addf(buf, "%s,", c->suites[i]->name);
	pe_strbuf_adds(buf, "]\n  curve_preferences: [");
	for (size_t i = 0; i < c->curve_count; i++)
		pe_strbuf_addf(buf, "%s,", c->curves[i]->name);
	pe_strbuf_adds(buf, "]\n");
}

static void write_config(struct pe_strbuf *buf, const struct pe_web_config *c)
{
	if (c->tls)
		write_tls(buf, c);
	pe_strbuf_addf(buf, "http_server_config:\n  http2: %s\n  headers:\n",
		       c->http2_wanted ? "true" : "false");
	for (size_t i = 0; i < c->header_count; i++) {
		pe_strbuf_adds(buf, "  ");
		add_pair(buf, c->headers[i].name, c->headers[i].value);
	}
	pe_strbuf_adds(buf, "basic_auth_users:\n");
	for (size_t i = 0; i < c->user_count; i++) {
		/* A long key is none unless it says so. */
		pe_strbuf_adds(buf, "  ? ");
		add_quoted(buf, c->users[i].name);
		pe_strbuf_addf(buf, "\n  : \"%s\"\n", c->users[i].hash);
	}
}

/* ---- reading it again ---- */

static void same_text(const char *a, const char *b, const char *what)
{
	fuzz_check((!a && !b) || (a && b && strcmp(a, b) == 0), "%s was %s and is %s", what,
		   a ? a : "(none)", b ? b : "(none)");
}

static void compare(const struct pe_web_config *a, const struct pe_web_config *b)
{
	same_text(a->cert, b->cert, "cert");
	same_text(a->cert_file, b->cert_file, "cert_file");
	same_text(a->key, b->key, "key");
	same_text(a->key_file, b->key_file, "key_file");
	same_text(a->client_ca, b->client_ca, "client_ca");
	same_text(a->client_ca_file, b->client_ca_file, "client_ca_file");
	fuzz_check(a->tls == b->tls && a->client_auth == b->client_auth &&
			   a->min_version == b->min_version && a->max_version == b->max_version &&
			   a->prefer_server_suites == b->prefer_server_suites &&
			   a->http2_wanted == b->http2_wanted,
		   "a value differs");
	fuzz_check(a->allowed_sans.count == b->allowed_sans.count &&
			   a->suite_count == b->suite_count && a->curve_count == b->curve_count &&
			   a->header_count == b->header_count && a->user_count == b->user_count,
		   "a count differs");
	for (size_t i = 0; i < a->allowed_sans.count; i++)
		same_text(a->allowed_sans.item[i], b->allowed_sans.item[i], "a name");
	for (size_t i = 0; i < a->suite_count; i++)
		fuzz_check(a->suites[i] == b->suites[i], "suite %zu", i);
	for (size_t i = 0; i < a->curve_count; i++)
		fuzz_check(a->curves[i] == b->curves[i], "curve %zu", i);
	for (size_t i = 0; i < a->header_count; i++) {
		same_text(a->headers[i].name, b->headers[i].name, "a header");
		same_text(a->headers[i].value, b->headers[i].value, a->headers[i].name);
	}
	for (size_t i = 0; i < a->user_count; i++) {
		same_text(a->users[i].name, b->users[i].name, "a user");
		same_text(a->users[i].hash, b->users[i].hash, "a hash");
	}
}

static void check_again(const struct pe_web_config *config)
{
	struct pe_strbuf buf = PE_STRBUF_INIT;
	struct pe_yaml_error error = { 0 };
	struct pe_web_config *again = NULL;
	int r;

	write_config(&buf, config);
	fuzz_check(buf.error == 0, "out of memory");
	/* Escapes make it longer, and a file is bounded. */
	if (buf.len <= PE_YAML_MAX_BYTES) {
		r = pe_web_config_parse(buf.data, buf.len, DIRECTORY, &again, &error);
		fuzz_check(r == 0, "%s in line %zu of\n%.*s", error.text, error.line, (int)buf.len,
			   buf.data);
		compare(config, again);
		pe_web_config_free(again);
	}
	pe_strbuf_fini(&buf);
}

static bool demands(const struct pe_web_config *config)
{
	return config->client_auth == PE_CLIENT_AUTH_REQUIRE_ANY ||
	       config->client_auth == PE_CLIENT_AUTH_REQUIRE_AND_VERIFY;
}

/* A file that is cut off anywhere replaces the whole one only where it lets in nobody else. */
static void check_halves(const struct pe_web_config *config, const uint8_t *data, size_t size)
{
	fuzz_check(!pe_web_config_refusal(config, config), "it must not replace itself");
	for (size_t len = size / 2, rounds = 0; rounds < 16; rounds++, len += size / 33 + 1) {
		struct pe_web_config *half = NULL;
		struct pe_yaml_error error = { 0 };

		if (len >= size)
			break;
		if (pe_web_config_parse((const char *)data, len, DIRECTORY, &half, &error) < 0)
			continue;
		if (!pe_web_config_refusal(config, half)) {
			fuzz_check(!config->user_count || half->user_count, "no users are left");
			fuzz_check(!demands(config) || half->client_auth_given,
				   "no certificate is asked for");
			fuzz_check(config->empty || !half->empty, "nothing is left");
		}
		pe_web_config_free(half);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pe_web_config *const untouched = (struct pe_web_config *)data;
	struct pe_web_config *config = untouched;
	struct pe_yaml_error error = { 0 };
	int r = pe_web_config_parse((const char *)data, size, DIRECTORY, &config, &error);

	fuzz_check(r == 0 || r == -EINVAL, "returned %d", r);
	if (r < 0) {
		fuzz_check(config == untouched, "an error, yet a configuration");
		check_error(&error, data, size);
		return 0;
	}
	check_tls(config);
	check_headers(config);
	check_users(config);
	check_again(config);
	check_halves(config, data, size);
	pe_web_config_free(config);
	return 0;
}
