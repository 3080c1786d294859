/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The section tls_server_config of a web configuration. Stricter than the toolkit where it would
 * leave out what was meant to protect.
 */
#include "web_reader.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>

static int read_version(struct pe_web_reader *reader, const struct pe_yaml *value, size_t offset)
{
	size_t i = PE_TLS_VERSIONS;

	if (value->kind == PE_YAML_NULL)
		return 0;
	if (value->kind == PE_YAML_SCALAR)
		i = pe_web_find_name(value->text, pe_tls_versions, PE_TLS_VERSIONS,
				     sizeof(pe_tls_versions[0]));
	if (i == PE_TLS_VERSIONS)
		return pe_web_unknown_name(reader, value,
					   "TLS version (allowed: TLS10, TLS11, TLS12, TLS13)");
	*(unsigned int *)((char *)reader->config + offset) = (unsigned int)i;
	return 0;
}

static int read_client_auth(struct pe_web_reader *reader, const struct pe_yaml *value,
			    size_t offset)
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
	size_t i = PE_WEB_COUNT(types);

	if (value->kind == PE_YAML_NULL)
		return 0;
	if (value->kind == PE_YAML_SCALAR)
		i = pe_web_find_name(value->text, types, PE_WEB_COUNT(types), sizeof(types[0]));
	if (i == PE_WEB_COUNT(types))
		return pe_web_unknown_name(
			reader, value,
			"client_auth_type (allowed: NoClientCert, RequestClientCert, "
			"RequireAnyClientCert, VerifyClientCertIfGiven, "
			"RequireAndVerifyClientCert)");
	reader->config->client_auth = types[i].auth;
	reader->config->client_auth_given = *value->text;
	return 0;
}

/* ---- lists ---- */

/* How many elements; < 0 if it is no list. */
static ssize_t count_elements(struct pe_web_reader *reader, const struct pe_yaml *list)
{
	ssize_t count = 0;

	if (list->kind == PE_YAML_NULL)
		return 0;
	if (list->kind != PE_YAML_SEQUENCE)
		return pe_web_wrong_type(reader, list, "a list");
	for (const struct pe_yaml *element = list->first; element; element = element->next)
		count++;
	return count;
}

static int read_sans(struct pe_web_reader *reader, const struct pe_yaml *list, size_t offset)
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
			return pe_web_wrong_type(reader, element, "a text");
		sans->item[sans->count++] = element->text;
	}
	return 0;
}

static int read_suites(struct pe_web_reader *reader, const struct pe_yaml *list, size_t offset)
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
			i = pe_web_find_name(element->text, pe_tls_suites, pe_tls_suite_count,
					     sizeof(pe_tls_suites[0]));
		if (i == pe_tls_suite_count)
			return pe_web_unknown_name(
				reader, element,
				"cipher suite (allowed: what Go's tls.CipherSuites() "
				"lists)");
		config->suites[config->suite_count++] = &pe_tls_suites[i];
	}
	return 0;
}

static int read_curves(struct pe_web_reader *reader, const struct pe_yaml *list, size_t offset)
{
	struct pe_web_config *config = reader->config;
	const ssize_t count = count_elements(reader, list);

	if (count <= 0)
		return (int)count;
	for (const struct pe_yaml *element = list->first; element; element = element->next) {
		size_t i = PE_TLS_CURVES;

		if (element->kind == PE_YAML_SCALAR)
			i = pe_web_find_name(element->text, pe_tls_curves, PE_TLS_CURVES,
					     sizeof(pe_tls_curves[0]));
		if (i == PE_TLS_CURVES)
			return pe_web_unknown_name(
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

/* ---- the section ---- */

static size_t line_of(const struct pe_yaml *mapping, const char *key)
{
	for (const struct pe_yaml *value = mapping->first; value; value = value->next) {
		if (strcmp(value->key, key) == 0)
			return value->line;
	}
	return mapping->line;
}

static int check_pair(struct pe_web_reader *reader, const struct pe_yaml *section, const char *text,
		      const char *file, const char *name)
{
	if (text && file)
		return pe_yaml_refuse(reader->error, line_of(section, name),
				      "%s and %s_file cannot both be given", name, name);
	return 0;
}

static int check_tls(struct pe_web_reader *reader, const struct pe_yaml *section)
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

int pe_web_read_tls(struct pe_web_reader *reader, const struct pe_yaml *section, size_t offset)
{
	static const struct pe_web_key keys[] = {
		{ "cert", pe_web_read_text, PE_WEB_FIELD(cert) },
		{ "key", pe_web_read_text, PE_WEB_FIELD(key) },
		{ "client_ca", pe_web_read_text, PE_WEB_FIELD(client_ca) },
		{ "cert_file", pe_web_read_path, PE_WEB_FIELD(cert_file) },
		{ "key_file", pe_web_read_path, PE_WEB_FIELD(key_file) },
		{ "client_ca_file", pe_web_read_path, PE_WEB_FIELD(client_ca_file) },
		{ "client_auth_type", read_client_auth, 0 },
		{ "client_allowed_sans", read_sans, 0 },
		{ "min_version", read_version, PE_WEB_FIELD(min_version) },
		{ "max_version", read_version, PE_WEB_FIELD(max_version) },
		{ "cipher_suites", read_suites, 0 },
		{ "prefer_server_cipher_suites", pe_web_read_bool,
		  PE_WEB_FIELD(prefer_server_suites) },
		{ "curve_preferences", read_curves, 0 },
	};
	const int r = pe_web_read_keys(reader, section, keys, PE_WEB_COUNT(keys));

	if (r < 0 || section->kind == PE_YAML_NULL || !section->first)
		return r;
	reader->config->tls = true;
	return check_tls(reader, section);
}
