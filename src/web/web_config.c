/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See web_config.h. Every key that the toolkit knows is either read or refused by its name; any
 * other is refused as unknown. An empty value is as good as none, as it is to the toolkit.
 *
 * Stricter than the toolkit where it would start and then fail, or leave out what was meant to
 * protect: TLS settings without a certificate, min_version above max_version, a hash that takes
 * minutes.
 */
#include "web_config.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "pe/cleanup.h"

struct reader {
	struct pe_web_config *config;
	const char *directory;
	struct pe_yaml_error *error;
};

/* Reads a value to the config, at `offset` where that says which of several alike. */
typedef int (*read_fn)(struct reader *reader, const struct pe_yaml *value, size_t offset);

struct key {
	const char *name;
	read_fn read;
	size_t offset;
};

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define FIELD(member) offsetof(struct pe_web_config, member)

/* Whoever calls this has read the key, so it is one of those that we know. */
static int wrong_type(struct reader *reader, const struct pe_yaml *value, const char *expected)
{
	return pe_yaml_refuse(reader->error, value->line, "%s%s%s is expected",
			      value->key ? value->key : "", value->key ? ": " : "", expected);
}

static int read_keys(struct reader *reader, const struct pe_yaml *mapping, const struct key *keys,
		     size_t count)
{
	if (mapping->kind == PE_YAML_NULL)
		return 0;
	if (mapping->kind != PE_YAML_MAPPING)
		return wrong_type(reader, mapping, "a mapping");
	for (const struct pe_yaml *value = mapping->first; value; value = value->next) {
		size_t i = 0;
		int r;

		while (i < count && strcmp(keys[i].name, value->key) != 0)
			i++;
		if (i == count)
			return pe_yaml_refuse(reader->error, value->key_line, "unknown key");
		r = keys[i].read(reader, value, keys[i].offset);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- values ---- */

static int read_text(struct reader *reader, const struct pe_yaml *value, size_t offset)
{
	const char **field = (const char **)((char *)reader->config + offset);

	if (value->kind != PE_YAML_NULL && value->kind != PE_YAML_SCALAR)
		return wrong_type(reader, value, "a text");
	if (value->kind == PE_YAML_SCALAR && *value->text)
		*field = value->text;
	return 0;
}

static int read_path(struct reader *reader, const struct pe_yaml *value, size_t offset)
{
	const char **field = (const char **)((char *)reader->config + offset);
	size_t size;
	char *path;
	int r = read_text(reader, value, offset);

	if (r < 0 || !*field || **field == '/')
		return r;
	size = strlen(reader->directory) + 1 + strlen(*field) + 1;
	path = pe_arena_alloc(reader->config->arena, 1, size);
	if (!path)
		return -ENOMEM;
	snprintf(path, size, "%s/%s", reader->directory, *field);
	*field = path;
	return 0;
}

static int read_bool(struct reader *reader, const struct pe_yaml *value, size_t offset)
{
	/* YAML 1.1, as the toolkit's parser has it. */
	static const char *const words[][11] = {
		{ "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF" },
		{ "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON" },
	};

	if (value->kind == PE_YAML_NULL)
		return 0;
	for (size_t i = 0; value->kind == PE_YAML_SCALAR && value->plain && i < 2; i++) {
		for (size_t j = 0; j < COUNT(words[i]); j++) {
			if (strcmp(value->text, words[i][j]) == 0) {
				*(bool *)((char *)reader->config + offset) = i;
				return 0;
			}
		}
	}
	return wrong_type(reader, value, "true or false");
}

/* Which of the names in a table whose rows begin with them; `count` if none is. */
static size_t find_name(const char *text, const void *table, size_t count, size_t row_size)
{
	size_t i = 0;

	while (i < count &&
	       strcmp(*(const char *const *)((const char *)table + i * row_size), text) != 0)
		i++;
	return i;
}

static int unknown_name(struct reader *reader, const struct pe_yaml *value, const char *what)
{
	if (value->kind != PE_YAML_SCALAR)
		return wrong_type(reader, value, "a text");
	return pe_yaml_refuse(reader->error, value->line, "not a known %s", what);
}

static int read_version(struct reader *reader, const struct pe_yaml *value, size_t offset)
{
	size_t i = PE_TLS_VERSIONS;

	if (value->kind == PE_YAML_NULL)
		return 0;
	if (value->kind == PE_YAML_SCALAR)
		i = find_name(value->text, pe_tls_versions, PE_TLS_VERSIONS,
			      sizeof(pe_tls_versions[0]));
	if (i == PE_TLS_VERSIONS)
		return unknown_name(reader, value,
				    "TLS version (allowed: TLS10, TLS11, TLS12, TLS13)");
	*(unsigned int *)((char *)reader->config + offset) = (unsigned int)i;
	return 0;
}

static int read_client_auth(struct reader *reader, const struct pe_yaml *value, size_t offset)
{
	static const struct {
		const char *name;
		enum pe_client_auth auth;
	} types[] = {
		{ "", PE_CLIENT_AUTH_NONE },
		{ "NoClientCert", PE_CLIENT_AUTH_NONE },
		{ "RequestClientCert", PE_CLIENT_AUTH_REQUEST },
		{ "RequireAnyClientCert", PE_CLIENT_AUTH_REQUIRE_ANY },
		{ "RequireClientCert", PE_CLIENT_AUTH_REQUIRE_ANY }, /* its old name */
		{ "VerifyClientCertIfGiven", PE_CLIENT_AUTH_VERIFY_IF_GIVEN },
		{ "RequireAndVerifyClientCert", PE_CLIENT_AUTH_REQUIRE_AND_VERIFY },
	};
	size_t i = COUNT(types);

	if (value->kind == PE_YAML_NULL)
		return 0;
	if (value->kind == PE_YAML_SCALAR)
		i = find_name(value->text, types, COUNT(types), sizeof(types[0]));
	if (i == COUNT(types))
		return unknown_name(reader, value,
				    "client_auth_type (allowed: NoClientCert, RequestClientCert, "
				    "RequireAnyClientCert, VerifyClientCertIfGiven, "
				    "RequireAndVerifyClientCert)");
	reader->config->client_auth = types[i].auth;
	reader->config->client_auth_given = *value->text;
	return 0;
}

/* ---- lists ---- */

/* How many elements; < 0 if it is no list. */
static ssize_t count_elements(struct reader *reader, const struct pe_yaml *list)
{
	ssize_t count = 0;

	if (list->kind == PE_YAML_NULL)
		return 0;
	if (list->kind != PE_YAML_SEQUENCE)
		return wrong_type(reader, list, "a list");
	for (const struct pe_yaml *element = list->first; element; element = element->next)
		count++;
	return count;
}

static int read_sans(struct reader *reader, const struct pe_yaml *list, size_t offset)
{
	struct pe_texts *sans = &reader->config->allowed_sans;
	const ssize_t count = count_elements(reader, list);

	reader->config->allowed_sans_given = list->kind == PE_YAML_SEQUENCE;
	if (count <= 0)
		return (int)count;
	sans->item = pe_arena_alloc(reader->config->arena, (size_t)count, sizeof(*sans->item));
	if (!sans->item)
		return -ENOMEM;
	for (const struct pe_yaml *element = list->first; element; element = element->next) {
		if (element->kind != PE_YAML_SCALAR || !*element->text)
			return wrong_type(reader, element, "a text");
		sans->item[sans->count++] = element->text;
	}
	return 0;
}

static int read_suites(struct reader *reader, const struct pe_yaml *list, size_t offset)
{
	struct pe_web_config *config = reader->config;
	const ssize_t count = count_elements(reader, list);

	if (count <= 0)
		return (int)count;
	config->suites = pe_arena_alloc(config->arena, (size_t)count, sizeof(config->suites[0]));
	if (!config->suites)
		return -ENOMEM;
	for (const struct pe_yaml *element = list->first; element; element = element->next) {
		size_t i = pe_tls_suite_count;

		if (element->kind == PE_YAML_SCALAR)
			i = find_name(element->text, pe_tls_suites, pe_tls_suite_count,
				      sizeof(pe_tls_suites[0]));
		if (i == pe_tls_suite_count)
			return unknown_name(reader, element,
					    "cipher suite (allowed: what Go's tls.CipherSuites() "
					    "lists)");
		config->suites[config->suite_count++] = &pe_tls_suites[i];
	}
	return 0;
}

static int read_curves(struct reader *reader, const struct pe_yaml *list, size_t offset)
{
	struct pe_web_config *config = reader->config;
	const ssize_t count = count_elements(reader, list);

	if (count <= 0)
		return (int)count;
	for (const struct pe_yaml *element = list->first; element; element = element->next) {
		size_t i = PE_TLS_CURVES;

		if (element->kind == PE_YAML_SCALAR)
			i = find_name(element->text, pe_tls_curves, PE_TLS_CURVES,
				      sizeof(pe_tls_curves[0]));
		if (i == PE_TLS_CURVES)
			return unknown_name(
				reader, element,
				"curve (allowed: CurveP256, CurveP384, CurveP521, X25519)");
		for (size_t j = 0; j < config->curve_count; j++) {
			if (config->curves[j] == &pe_tls_curves[i])
				return pe_yaml_refuse(reader->error, element->line,
						      "%s is there twice", pe_tls_curves[i].name);
		}
		config->curves[config->curve_count++] = &pe_tls_curves[i];
	}
	return 0;
}

/* ---- HTTP ---- */

static int read_header(struct reader *reader, const struct pe_yaml *value, size_t offset)
{
	static const struct {
		const char *name;
		const char *allowed[3];
	} known[PE_WEB_HEADERS] = {
		{ "Strict-Transport-Security", { NULL } },
		{ "X-Content-Type-Options", { "nosniff" } },
		{ "X-Frame-Options", { "deny", "sameorigin" } },
		{ "X-XSS-Protection", { NULL } },
		{ "Content-Security-Policy", { NULL } },
	};
	struct pe_web_config *config = reader->config;
	const char *text = value->kind == PE_YAML_NULL ? "" : value->text;
	const char *const *allowed = known[offset].allowed;
	size_t i = 0;

	if (!text)
		return wrong_type(reader, value, "a text");
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return pe_yaml_refuse(reader->error, value->line, "%s: a control character",
					      value->key);
	}
	while (allowed[i] && strcmp(allowed[i], text) != 0)
		i++;
	if (allowed[0] && !allowed[i])
		return pe_yaml_refuse(reader->error, value->line, "%s: allowed are %s%s%s",
				      value->key, allowed[0], allowed[1] ? " and " : "",
				      allowed[1] ? allowed[1] : "");
	if (*text) {
		config->headers[config->header_count].name = known[offset].name;
		config->headers[config->header_count++].value = text;
	}
	return 0;
}

static int read_headers(struct reader *reader, const struct pe_yaml *value, size_t offset)
{
	static const struct key keys[] = {
		{ "Strict-Transport-Security", read_header, 0 },
		{ "X-Content-Type-Options", read_header, 1 },
		{ "X-Frame-Options", read_header, 2 },
		{ "X-XSS-Protection", read_header, 3 },
		{ "Content-Security-Policy", read_header, 4 },
	};

	return read_keys(reader, value, keys, COUNT(keys));
}

/* ---- users ---- */

static int refuse_hash(struct reader *reader, const struct pe_yaml *value, const char *why)
{
	return pe_yaml_refuse(reader->error, value->line, "basic_auth_users: %s", why);
}

static int read_user(struct reader *reader, const struct pe_yaml *value, struct pe_web_user *user)
{
	static const char base64[] = "./0123456789abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *text = value->kind == PE_YAML_SCALAR ? value->text : "";
	char *hash;

	if (strchr(value->key, ':'))
		return refuse_hash(reader, value, "the name has a colon, which ends a name");
	if (strlen(text) != PE_BCRYPT_LEN || strncmp(text, "$2", 2) != 0 ||
	    !strchr("aby", text[2]) || text[3] != '$' || strspn(text + 4, "0123456789") != 2 ||
	    text[6] != '$' || text[7 + strspn(text + 7, base64)])
		return refuse_hash(reader, value, "the password is not a bcrypt hash ($2y$10$…)");
	user->cost = (unsigned int)((text[4] - '0') * 10 + text[5] - '0');
	if (user->cost < PE_BCRYPT_COST_MIN || user->cost > PE_BCRYPT_COST_MAX)
		return refuse_hash(reader, value,
				   "the bcrypt cost is out of range (allowed: 4 to 16)");
	hash = pe_arena_strdup(reader->config->arena, text, PE_BCRYPT_LEN);
	if (!hash)
		return -ENOMEM;
	/* The letters name programs that made the hash; all mean the same to the toolkit, while
	 * crypt(3) reads some characters differently for 'a'. */
	hash[2] = 'b';
	user->name = value->key;
	user->hash = hash;
	return 0;
}

static int read_users(struct reader *reader, const struct pe_yaml *mapping, size_t offset)
{
	struct pe_web_config *config = reader->config;
	size_t count = 0;

	if (mapping->kind == PE_YAML_NULL)
		return 0;
	if (mapping->kind != PE_YAML_MAPPING)
		return wrong_type(reader, mapping, "a mapping");
	for (const struct pe_yaml *value = mapping->first; value; value = value->next)
		count++;
	config->users = pe_arena_alloc(config->arena, count ? count : 1, sizeof(*config->users));
	if (!config->users)
		return -ENOMEM;
	for (const struct pe_yaml *value = mapping->first; value; value = value->next) {
		const int r = read_user(reader, value, &config->users[config->user_count]);

		if (r < 0)
			return r;
		config->user_count++;
	}
	return 0;
}

/* ---- sections ---- */

static size_t line_of(const struct pe_yaml *mapping, const char *key)
{
	for (const struct pe_yaml *value = mapping->first; value; value = value->next) {
		if (strcmp(value->key, key) == 0)
			return value->line;
	}
	return mapping->line;
}

static int check_pair(struct reader *reader, const struct pe_yaml *section, const char *text,
		      const char *file, const char *name)
{
	if (text && file)
		return pe_yaml_refuse(reader->error, line_of(section, name),
				      "%s and %s_file cannot both be given", name, name);
	return 0;
}

static int check_tls(struct reader *reader, const struct pe_yaml *section)
{
	const struct pe_web_config *c = reader->config;
	int r = check_pair(reader, section, c->cert, c->cert_file, "cert");

	if (r == 0)
		r = check_pair(reader, section, c->key, c->key_file, "key");
	if (r == 0)
		r = check_pair(reader, section, c->client_ca, c->client_ca_file, "client_ca");
	if (r < 0)
		return r;
	if (!c->cert && !c->cert_file)
		return pe_yaml_refuse(reader->error, section->line,
				      "tls_server_config: cert_file is missing");
	if (!c->key && !c->key_file)
		return pe_yaml_refuse(reader->error, section->line,
				      "tls_server_config: key_file is missing");
	if (c->min_version > c->max_version)
		return pe_yaml_refuse(reader->error, line_of(section, "min_version"),
				      "min_version is above max_version");
	if ((c->client_ca || c->client_ca_file) && c->client_auth == PE_CLIENT_AUTH_NONE)
		return pe_yaml_refuse(
			reader->error,
			line_of(section, c->client_ca ? "client_ca" : "client_ca_file"),
			"client_ca_file without a client_auth_type that asks for certificates");
	if (c->allowed_sans.count > 0 && c->client_auth != PE_CLIENT_AUTH_REQUIRE_ANY &&
	    c->client_auth != PE_CLIENT_AUTH_REQUIRE_AND_VERIFY)
		return pe_yaml_refuse(reader->error, line_of(section, "client_allowed_sans"),
				      "client_allowed_sans needs client_auth_type "
				      "RequireAnyClientCert or RequireAndVerifyClientCert");
	return 0;
}

static int read_tls(struct reader *reader, const struct pe_yaml *section, size_t offset)
{
	static const struct key keys[] = {
		{ "cert", read_text, FIELD(cert) },
		{ "key", read_text, FIELD(key) },
		{ "client_ca", read_text, FIELD(client_ca) },
		{ "cert_file", read_path, FIELD(cert_file) },
		{ "key_file", read_path, FIELD(key_file) },
		{ "client_ca_file", read_path, FIELD(client_ca_file) },
		{ "client_auth_type", read_client_auth, 0 },
		{ "client_allowed_sans", read_sans, 0 },
		{ "min_version", read_version, FIELD(min_version) },
		{ "max_version", read_version, FIELD(max_version) },
		{ "cipher_suites", read_suites, 0 },
		{ "prefer_server_cipher_suites", read_bool, FIELD(prefer_server_suites) },
		{ "curve_preferences", read_curves, 0 },
	};
	const int r = read_keys(reader, section, keys, COUNT(keys));

	if (r < 0 || section->kind == PE_YAML_NULL || !section->first)
		return r;
	reader->config->tls = true;
	return check_tls(reader, section);
}

static int read_http(struct reader *reader, const struct pe_yaml *section, size_t offset)
{
	static const struct key keys[] = {
		{ "http2", read_bool, FIELD(http2_wanted) },
		{ "headers", read_headers, 0 },
	};

	return read_keys(reader, section, keys, COUNT(keys));
}

static int refuse_rate_limit(struct reader *reader, const struct pe_yaml *value, size_t offset)
{
	return pe_yaml_refuse(reader->error, value->key_line,
			      "rate_limit is not supported; connections are bounded by "
			      "--web.max-connections");
}

int pe_web_config_parse(const char *data, size_t len, const char *directory,
			struct pe_web_config **ret_config, struct pe_yaml_error *ret_error)
{
	static const struct key keys[] = {
		{ "tls_server_config", read_tls, 0 },
		{ "http_server_config", read_http, 0 },
		{ "basic_auth_users", read_users, 0 },
		{ "rate_limit", refuse_rate_limit, 0 },
	};
	struct pe_web_config *config = calloc(1, sizeof(*config));
	struct reader reader = { config, directory, ret_error };
	const struct pe_yaml *root;
	int r = config ? pe_arena_new(&config->arena) : -ENOMEM;

	if (r < 0) {
		free(config);
		return r;
	}
	config->min_version = PE_TLS_1_2;
	config->max_version = PE_TLS_1_3;
	config->prefer_server_suites = true;
	config->unfinished = len > 0 && data[len - 1] != '\n';
	r = pe_yaml_parse(data, len, config->arena, &root, ret_error);
	config->empty = r == 0 && !root->first;
	if (r == 0)
		r = read_keys(&reader, root, keys, COUNT(keys));
	if (r < 0) {
		pe_web_config_free(config);
		return r;
	}
	*ret_config = config;
	return 0;
}

static bool demands_certificate(const struct pe_web_config *config)
{
	return config->client_auth == PE_CLIENT_AUTH_REQUIRE_ANY ||
	       config->client_auth == PE_CLIENT_AUTH_REQUIRE_AND_VERIFY;
}

const char *pe_web_config_refusal(const struct pe_web_config *before,
				  const struct pe_web_config *after)
{
	if (after->empty && !before->empty)
		return "is empty";
	if (after->unfinished && !before->unfinished)
		return "ends within a line, as if it were not written to its end";
	if (before->user_count > 0 && after->user_count == 0)
		return "has no users any more";
	if (demands_certificate(before) && !after->client_auth_given)
		return "has no client_auth_type any more";
	if (before->allowed_sans.count > 0 && demands_certificate(after) &&
	    !after->allowed_sans_given)
		return "has no client_allowed_sans any more";
	return NULL;
}

struct pe_web_config *pe_web_config_free(struct pe_web_config *config)
{
	if (!config)
		return NULL;
	pe_arena_free(config->arena);
	free(config);
	return NULL;
}
