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
#include <stdio.h>
#include <string.h>

#include "pe/cleanup.h"

#include "web_reader.h"

/* ---- HTTP ---- */

static int read_header(struct pe_web_reader *reader, const struct pe_yaml *value, size_t offset)
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
		return pe_web_wrong_type(reader, value, "a text");
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

static int read_headers(struct pe_web_reader *reader, const struct pe_yaml *value, size_t offset)
{
	static const struct pe_web_key keys[] = {
		{ "Strict-Transport-Security", read_header, 0 },
		{ "X-Content-Type-Options", read_header, 1 },
		{ "X-Frame-Options", read_header, 2 },
		{ "X-XSS-Protection", read_header, 3 },
		{ "Content-Security-Policy", read_header, 4 },
	};

	return pe_web_read_keys(reader, value, keys, PE_WEB_COUNT(keys));
}

/* ---- users ---- */

static int refuse_hash(struct pe_web_reader *reader, const struct pe_yaml *value, const char *why)
{
	return pe_yaml_refuse(reader->error, value->line, "basic_auth_users: %s", why);
}

static int read_user(struct pe_web_reader *reader, const struct pe_yaml *value,
		     struct pe_web_user *user)
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

static int read_users(struct pe_web_reader *reader, const struct pe_yaml *mapping, size_t offset)
{
	struct pe_web_config *config = reader->config;
	size_t count = 0;

	if (mapping->kind == PE_YAML_NULL)
		return 0;
	if (mapping->kind != PE_YAML_MAPPING)
		return pe_web_wrong_type(reader, mapping, "a mapping");
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

static int read_http(struct pe_web_reader *reader, const struct pe_yaml *section, size_t offset)
{
	static const struct pe_web_key keys[] = {
		{ "http2", pe_web_read_bool, PE_WEB_FIELD(http2_wanted) },
		{ "headers", read_headers, 0 },
	};

	return pe_web_read_keys(reader, section, keys, PE_WEB_COUNT(keys));
}

static int refuse_rate_limit(struct pe_web_reader *reader, const struct pe_yaml *value,
			     size_t offset)
{
	return pe_yaml_refuse(reader->error, value->key_line,
			      "rate_limit is not supported; connections are bounded by "
			      "--web.max-connections");
}

int pe_web_config_parse(const char *data, size_t len, const char *directory,
			struct pe_web_config **ret_config, struct pe_yaml_error *ret_error)
{
	static const struct pe_web_key keys[] = {
		{ "tls_server_config", pe_web_read_tls, 0 },
		{ "http_server_config", read_http, 0 },
		{ "basic_auth_users", read_users, 0 },
		{ "rate_limit", refuse_rate_limit, 0 },
	};
	struct pe_web_config *config = calloc(1, sizeof(*config));
	struct pe_web_reader reader = { config, directory, ret_error };
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
		r = pe_web_read_keys(&reader, root, keys, PE_WEB_COUNT(keys));
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
