/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sources of options.
 *
 * Invariants: for each option one source decides, flag before environment before default, and only
 * that one is read; every error is one line that names its source. One thread, at start.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "source.h"

#include <errno.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/clock.h"

#include "manual.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define ONCE_DEFAULT_NS (5 * PE_NS_PER_S)
#define PORT_ENV	"PE_PORT"

/* ---- errors ---- */

/* On one line, whatever it holds; the end of a long one is left out. */
static void print_quoted(FILE *err, const char *text)
{
	size_t left = 200;

	fputc('"', err);
	for (; *text && left; text++, left--) {
		unsigned char c = (unsigned char)*text;

		if (c < ' ' || c == 0x7f)
			fprintf(err, "\\x%02x", c);
		else
			fputc(c, err);
	}
	fputs(*text ? "…\"" : "\"", err);
}

int pe_option_refuse(const struct pe_option_parser *parser, const char *source, const char *value,
		     const char *why)
{
	fprintf(parser->err, PE_OPTIONS_PROGRAM ": %s: ", source);
	/* A value that is too long says nothing, and may begin with a password. */
	if (strlen(value) > PE_OPTION_VALUE_MAX)
		fputs("the value", parser->err);
	else
		print_quoted(parser->err, value);
	fprintf(parser->err, " %s\n", why);
	return -EINVAL;
}

int pe_option_out_of_memory(const struct pe_option_parser *parser)
{
	fputs(PE_OPTIONS_PROGRAM ": out of memory\n", parser->err);
	return -ENOMEM;
}

/* ---- argv ---- */

const struct pe_option *pe_option_find(const char *name, size_t len)
{
	pe_option_for_each (option) {
		if (strlen(option->name) == len && memcmp(option->name, name, len) == 0)
			return option;
	}
	return NULL;
}

static int refuse_positional(const struct pe_option_parser *parser, const char *arg)
{
	/* A push URL whose option was forgotten has its password with it. */
	_cleanup_free_ char *shown = pe_push_redact_url(arg);

	if (!shown)
		return pe_option_out_of_memory(parser);
	fputs(PE_OPTIONS_PROGRAM ": unexpected argument ", parser->err);
	print_quoted(parser->err, shown);
	fputs(" (see --help)\n", parser->err);
	return -EINVAL;
}

static int refuse_unknown(const struct pe_option_parser *parser, const char *arg)
{
	const char *name = arg + strspn(arg, "-");
	const struct pe_option *near = pe_option_suggest(name, strcspn(name, "="));
	_cleanup_free_ char *shown = strndup(arg, strcspn(arg, "="));

	if (!shown)
		return pe_option_out_of_memory(parser);
	fputs(PE_OPTIONS_PROGRAM ": unknown option ", parser->err);
	print_quoted(parser->err, shown);
	if (near)
		fprintf(parser->err, ", did you mean --%s?\n", near->name);
	else
		fputs(" (see --help)\n", parser->err);
	return -EINVAL;
}

static int refuse_missing_value(const struct pe_option_parser *parser,
				const struct pe_option *option)
{
	fprintf(parser->err, PE_OPTIONS_PROGRAM ": --%s: the value is missing (allowed: --%s=%s)\n",
		option->name, option->name, option->arg);
	return -EINVAL;
}

/* "-h", NULL if there is none. */
static const struct pe_option *find_letter(const char *arg)
{
	pe_option_for_each (option) {
		if (option->letter && arg[1] == option->letter && !arg[2])
			return option;
	}
	return NULL;
}

/* --once, --once=10s */
static int set_once(const struct pe_option_parser *parser, const struct pe_option *option,
		    const char *value)
{
	uint64_t *once_ns = &parser->options->once_ns;
	int r = 0;

	*once_ns = ONCE_DEFAULT_NS;
	if (value)
		r = pe_parse_duration(value, once_ns);
	if (r < 0 || *once_ns < option->min || *once_ns > option->max)
		return pe_option_refuse(parser, "--once", value,
					"is not allowed (allowed: 1s to 1h)");
	return 0;
}

/* --help, or one of PE_MANUAL_FORMATS; false for another value. */
static bool print_help(const char *format, FILE *out)
{
	if (!format)
		pe_option_print_help(out);
	else if (strcmp(format, "man") == 0)
		pe_manual_print_man(out);
	else if (strcmp(format, "markdown") == 0)
		pe_manual_print_markdown(out);
	else if (strcmp(format, "bash-completion") == 0)
		pe_manual_print_bash(out);
	else if (strcmp(format, "zsh-completion") == 0)
		pe_manual_print_zsh(out);
	else
		return false;
	return true;
}

static int do_action(const struct pe_option_parser *parser, const struct pe_option *option,
		     const char *value, FILE *out, enum pe_options_action *ret_action)
{
	char source[PE_OPTION_ENV_MAX];

	if (option->type == PE_OPTION_ONCE)
		return set_once(parser, option, value);
	*ret_action = PE_OPTIONS_EXIT;
	if (option->type == PE_OPTION_HELP && print_help(value, out))
		return 0;
	if (value) {
		snprintf(source, sizeof(source), "--%s", option->name);
		return pe_option_refuse(parser, source, value,
					option->type == PE_OPTION_HELP
						? "is not allowed (allowed: man, markdown, "
						  "bash-completion, zsh-completion)"
						: "is not allowed: it takes no value");
	}
	if (option->type == PE_OPTION_VERSION)
		fputs(PE_OPTIONS_PROGRAM " " PACKAGE_VERSION "\n", out);
	else if (option->type == PE_OPTION_HEALTHCHECK)
		*ret_action = PE_OPTIONS_HEALTHCHECK;
	else
		*ret_action = PE_OPTIONS_CHECK_CONFIG;
	return 0;
}

/* "--name", "--name=value", "-n". NULL if there is none; *ret_value is NULL without '='. */
static const struct pe_option *find_option(const char *arg, const char **ret_value)
{
	const char *name = arg + 2;
	const size_t len = arg[1] == '-' ? strcspn(name, "=") : 0;

	*ret_value = NULL;
	if (arg[1] != '-')
		return find_letter(arg);
	if (name[len])
		*ret_value = name + len + 1;
	return pe_option_find(name, len);
}

int pe_option_parse_argv(struct pe_option_parser *parser, int argc, char *const *argv, FILE *out,
			 enum pe_options_action *ret_action)
{
	int i, err;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const struct pe_option *option;
		const char *value;

		if (argv[i][0] != '-')
			return refuse_positional(parser, argv[i]);
		option = find_option(argv[i], &value);
		if (!option)
			return refuse_unknown(parser, argv[i]);
		if (!pe_option_has_env(option)) {
			err = do_action(parser, option, value, out, ret_action);
			if (err < 0 || *ret_action == PE_OPTIONS_EXIT)
				return err;
			continue;
		}
		if (!value && option->type == PE_OPTION_FLAG)
			value = "true";
		/* "--a --b" is a forgotten value rather than the value "--b"; "--a=--b" is not. */
		if (!value && i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0)
			value = argv[++i];
		if (!value)
			return refuse_missing_value(parser, option);
		parser->given[parser->given_count++] = (struct pe_option_given){ option, value };
	}
	return i + 1 < argc ? refuse_positional(parser, argv[i + 1]) : 0;
}

/* ---- the environment ---- */

/* NULL if it is not set or empty. */
static const char *get_env(const struct pe_option_parser *parser, const char *name)
{
	size_t len = strlen(name);
	const char *const *entry;

	for (entry = parser->environ; *entry; entry++)
		if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
			return (*entry)[len + 1] ? *entry + len + 1 : NULL;
	return NULL;
}

/*
 * Kubernetes sets variables for each service of the pod's namespace, for one named "pe" or "pe-…"
 * with our prefix: PE_SERVICE_HOST=10.0.0.1, PE_SERVICE_PORT[_NAME]=9817,
 * PE_PORT=tcp://10.0.0.1:9817 and PE_PORT_9817_TCP[_PROTO, _PORT, _ADDR],
 * https://kubernetes.io/docs/concepts/services-networking/service/
 */
static bool is_service_address(const char *value)
{
	static const char *const schemes[] = { "tcp://", "udp://", "sctp://" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (strncmp(value, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return false;
}

/* "9817_TCP" and so on, behind "PE_PORT_". */
static bool is_port_suffix(const char *suffix)
{
	static const char *const ends[] = { "", "_PROTO", "_PORT", "_ADDR" };
	static const char *const protocols[] = { "_TCP", "_UDP", "_SCTP" };
	const size_t digits = strspn(suffix, "0123456789");

	for (size_t i = 0; digits > 0 && i < sizeof(protocols) / sizeof(*protocols); i++) {
		const size_t len = strlen(protocols[i]);

		if (strncmp(suffix + digits, protocols[i], len) != 0)
			continue;
		for (size_t e = 0; e < sizeof(ends) / sizeof(*ends); e++)
			if (strcmp(suffix + digits + len, ends[e]) == 0)
				return true;
	}
	return false;
}

static bool is_service_link(const char *name, const char *value)
{
	const char *at;

	for (at = strstr(name, "_SERVICE_"); at; at = strstr(at + 1, "_SERVICE_"))
		if (strcmp(at, "_SERVICE_HOST") == 0 || strcmp(at, "_SERVICE_PORT") == 0 ||
		    strncmp(at, "_SERVICE_PORT_", 14) == 0)
			return true;
	for (at = strstr(name, "_PORT"); at; at = strstr(at + 1, "_PORT"))
		if ((at[5] == '\0' && is_service_address(value)) ||
		    (at[5] == '_' && is_port_suffix(at + 6)))
			return true;
	return false;
}

/* NULL if Kubernetes has made it for a service, too. */
static const char *get_port(const struct pe_option_parser *parser)
{
	const char *port = get_env(parser, PORT_ENV);

	return port && !is_service_address(port) ? port : NULL;
}

static bool is_env_name(const char *name, size_t len)
{
	char env[PE_OPTION_ENV_MAX];

	if (len == strlen(PORT_ENV) && memcmp(name, PORT_ENV, len) == 0)
		return true;
	pe_option_for_each (option) {
		if (!pe_option_has_env(option))
			continue;
		pe_option_env_name(option, env);
		if (strlen(env) == len && memcmp(env, name, len) == 0)
			return true;
	}
	return false;
}

static void warn_of_env(const struct pe_option_parser *parser, const char *name)
{
	fputs(PE_OPTIONS_PROGRAM ": warning: environment variable ", parser->err);
	/* The names that shells allow need no quotes. */
	if (name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789")])
		print_quoted(parser->err, name);
	else
		fputs(name, parser->err);
	fputs(" is not an option\n", parser->err);
}

/* Of those that Kubernetes makes with one line, however many they are. */
static int warn_of_unknown_env(const struct pe_option_parser *parser)
{
	const char *const *entry;
	unsigned int links = 0;

	for (entry = parser->environ; *entry; entry++) {
		size_t len = strcspn(*entry, "=");
		_cleanup_free_ char *name = NULL;

		if (strncmp(*entry, "PE_", 3) != 0 || !(*entry)[len] || !(*entry)[len + 1])
			continue;
		name = strndup(*entry, len);
		if (!name)
			return pe_option_out_of_memory(parser);
		/* PE_PORT is a name of ours as well. */
		if (strcmp(name, PORT_ENV) == 0
			    ? is_service_address(*entry + len + 1)
			    : !is_env_name(name, len) && is_service_link(name, *entry + len + 1))
			links++;
		else if (!is_env_name(name, len))
			warn_of_env(parser, name);
	}
	if (links > 0)
		fprintf(parser->err,
			PE_OPTIONS_PROGRAM
			": warning: ignoring %u environment variable%s PE_* that "
			"Kubernetes made for a service (enableServiceLinks: "
			"false in the pod keeps them away)\n",
			links, links > 1 ? "s" : "");
	return 0;
}

/* ---- one option ---- */

static bool is_given(const struct pe_option_parser *parser, const struct pe_option *option)
{
	size_t i;

	for (i = 0; i < parser->given_count; i++)
		if (parser->given[i].option == option)
			return true;
	return false;
}

static bool is_listen(const struct pe_option *option)
{
	return option->offset == offsetof(struct pe_options, listen);
}

bool pe_option_is_explicit(const struct pe_option_parser *parser, const struct pe_option *option,
			   char buf[PE_OPTION_ENV_MAX])
{
	const char *port = is_listen(option) ? get_port(parser) : NULL;
	const bool given = is_given(parser, option);

	pe_option_env_name(option, buf);
	if (!given && get_env(parser, buf))
		return true;
	if (!given && port)
		snprintf(buf, PE_OPTION_ENV_MAX, PORT_ENV);
	else
		snprintf(buf, PE_OPTION_ENV_MAX, "--%s", option->name);
	return given || port;
}

const char *pe_option_source(const struct pe_option_parser *parser, const struct pe_option *option,
			     char buf[PE_OPTION_ENV_MAX])
{
	pe_option_is_explicit(parser, option, buf);
	return buf;
}

static int set(const struct pe_option_parser *parser, const struct pe_option *option,
	       const char *value)
{
	char source[PE_OPTION_ENV_MAX], why[PE_OPTION_WHY_MAX] = "";
	int err = pe_option_set(option, parser->options, value, why, sizeof(why));

	if (err == -EINVAL)
		return pe_option_refuse(parser, pe_option_source(parser, option, source), value,
					why);
	return err < 0 ? pe_option_out_of_memory(parser) : 0;
}

static int set_from_flags(const struct pe_option_parser *parser, const struct pe_option *option)
{
	const char *last = NULL;
	size_t i;
	int err;

	for (i = 0; i < parser->given_count; i++) {
		if (parser->given[i].option != option)
			continue;
		last = parser->given[i].value;
		if (option->type != PE_OPTION_LIST)
			continue;
		err = set(parser, option, last);
		if (err < 0)
			return err;
	}
	return option->type == PE_OPTION_LIST ? 0 : set(parser, option, last);
}

static int set_from_env(const struct pe_option_parser *parser, const struct pe_option *option,
			const char *value)
{
	if (option->type != PE_OPTION_LIST)
		return set(parser, option, value);
	for (;;) {
		size_t len = strcspn(value, ",");
		_cleanup_free_ char *item = strndup(value, len);
		int err = item ? set(parser, option, item) : pe_option_out_of_memory(parser);

		if (err < 0 || !value[len])
			return err;
		value += len + 1;
	}
}

static int set_from_port(const struct pe_option_parser *parser, const struct pe_option *listen,
			 const char *port)
{
	size_t len = strspn(port, "0123456789");
	char address[8];

	if (len == 0 || len > 5 || port[len] || atoi(port) < 1 || atoi(port) > UINT16_MAX)
		return pe_option_refuse(parser, PORT_ENV, port,
					"is not a port (allowed: 1 to 65535)");
	snprintf(address, sizeof(address), ":%s", port);
	return set(parser, listen, address);
}

static int set_option(const struct pe_option_parser *parser, const struct pe_option *option)
{
	char env[PE_OPTION_ENV_MAX];
	const char *value;

	if (!pe_option_has_env(option))
		return 0;
	if (is_given(parser, option))
		return set_from_flags(parser, option);
	pe_option_env_name(option, env);
	value = get_env(parser, env);
	if (value)
		return set_from_env(parser, option, value);
	value = get_port(parser);
	if (value && is_listen(option))
		return set_from_port(parser, option, value);
	return option->initial ? set(parser, option, option->initial) : 0;
}

int pe_option_set_all(const struct pe_option_parser *parser)
{
	int err = parser->quiet ? 0 : warn_of_unknown_env(parser);

	pe_option_for_each (option) {
		if (err == 0)
			err = set_option(parser, option);
	}
	return err;
}
