/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options: whatever argv and the environment hold, pe_options_parse() gives either options that
 * keep what the table promises, or one line of error and nothing else.
 *
 * The input is lines: arguments up to a line "env:", then NAME=VALUE. A byte 1 stands for a line
 * break, a byte 2 in the push URL for credentials, which no output may show.
 */
#include "fuzz.h"

#include <errno.h>

#include "pe/options.h"
#include "../../src/config/table.h"
#include "../../src/web/address.h"

#define TEXTS_MAX  40
#define TEXT_MAX   6000
#define SECRET	   "S3CRET"
#define CREDENTIAL "user:" SECRET "@"

struct texts {
	size_t count;
	char *text[TEXTS_MAX + 2]; /* the program's name before them, NULL behind */
};

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static char *decode(const char *line, bool is_url)
{
	char *text = calloc(1, strlen(line) * strlen(CREDENTIAL) + 1), *to = text;

	fuzz_check(text, "out of memory");
	/* It may only be a credential, or it would be in names that may be shown. */
	if (strstr(line, SECRET))
		line = "";
	for (; *line; line++) {
		if (*line == '\2' && is_url)
			to = stpcpy(to, CREDENTIAL);
		else
			*to++ = *line == '\1' ? '\n' : *line;
	}
	return text;
}

static void take_texts(struct fuzz_input *input, struct texts *argv, struct texts *env)
{
	struct texts *texts = argv;

	argv->text[argv->count++] = strdup("packet-exporter");
	while (input->left > 0 && texts->count < TEXTS_MAX) {
		char *line = fuzz_text(input, '\n', TEXT_MAX);
		bool is_url;

		if (texts == argv && strcmp(line, "env:") == 0) {
			texts = env;
		} else {
			is_url = texts == env ? begins(line, "PE_PUSH_URL=")
					      : begins(line, "--push.url=") ||
							strcmp(argv->text[argv->count - 1],
							       "--push.url") == 0;
			texts->text[texts->count++] = decode(line, is_url);
		}
		free(line);
	}
}

static void free_texts(struct texts *texts)
{
	while (texts->count)
		free(texts->text[--texts->count]);
}

/* ---- the output ---- */

/* Each line is a warning but the one that says why it was refused. */
static void check_lines(const char *err, bool refused)
{
	unsigned int errors = 0;

	while (*err) {
		const char *end = strchr(err, '\n');

		fuzz_check(end, "the last line has no end: %s", err);
		fuzz_check(begins(err, "packet-exporter: "), "not our line: %s", err);
		if (!begins(err, "packet-exporter: warning: ")) {
			errors++;
			fuzz_check(!end[1], "the error is not the last line: %s", err);
		}
		for (const char *p = err; p < end; p++)
			fuzz_check((unsigned char)*p >= ' ' && *p != 0x7f, "byte %d in: %s", *p,
				   err);
		err = end + 1;
	}
	fuzz_check(errors == refused, "%u lines of error", errors);
}

/* ---- options that were accepted ---- */

static void check_range(const struct pe_option *option, uint64_t value)
{
	/* The default is found where it is used. */
	if (value == 0 && strcmp(option->name, "flows.cache-size") == 0)
		return;
	fuzz_check(value >= option->min && value <= option->max, "--%s=%llu", option->name,
		   (unsigned long long)value);
	fuzz_check(!option->power_of_two || (value & (value - 1)) == 0, "--%s=%llu", option->name,
		   (unsigned long long)value);
}

static void check_fields(struct pe_options *options)
{
	pe_option_for_each (option) {
		void *field;

		if (!pe_option_has_env(option))
			continue;
		field = pe_option_field(option, options);
		if (option->type == PE_OPTION_COUNT || option->type == PE_OPTION_SIZE)
			check_range(option, *(unsigned int *)field);
		else if (option->type == PE_OPTION_SET)
			fuzz_check(option->min == 0 || *(unsigned int *)field, "--%s is empty",
				   option->name);
		else if (option->type == PE_OPTION_DURATION)
			check_range(option, *(uint64_t *)field);
		else if (option->type == PE_OPTION_LIST)
			fuzz_check(((struct pe_strings *)field)->count <= option->max,
				   "too many --%s", option->name);
		else if (option->type == PE_OPTION_STRING && !option->optional)
			fuzz_check(*(char **)field, "--%s is NULL", option->name);
	}
	fuzz_check(options->xdp_mode <= PE_XDP_NATIVE, "mode %d", (int)options->xdp_mode);
	fuzz_check(options->push_on_exit <= PE_PUSH_EXIT_NONE, "%d", (int)options->push_on_exit);
	fuzz_check(options->log_level <= PE_LOG_ERROR, "level %d", (int)options->log_level);
}

/* What the options let pass, the modules that get it must take. */
static void check_use(struct pe_options *options)
{
	struct pe_push_label labels[TEXTS_MAX * 16];
	struct pe_push_options push;
	char error[512];

	for (size_t i = 0; i < options->listen.count; i++) {
		struct pe_address address;

		fuzz_check(pe_address_parse(options->listen.item[i], &address) == 0,
			   "the server refuses the address %s", options->listen.item[i]);
	}
	fuzz_check(options->listen.count > 0, "no address");
	fuzz_check(!options->web_systemd_socket || (options->listen.count == 1 &&
						    strcmp(options->listen.item[0], ":9817") == 0),
		   "an address that is not served");
	fuzz_check(options->telemetry_path[0] == '/', "path %s", options->telemetry_path);
	(void)pe_options_match(options, "eth0", "enp1s0,uplink");
	(void)pe_options_match(options, "", "");
	fuzz_check(options->push_grouping.count <= sizeof(labels) / sizeof(labels[0]), "too many");
	pe_options_push(options, labels, &push);
	if (options->push_url)
		fuzz_check(pe_push_check(&push, error, sizeof(error)) == 0,
			   "the push sink refuses: %s", error);
}

static void check_refused(const struct pe_options *options)
{
	const struct pe_options none = { 0 };

	fuzz_check(memcmp(options, &none, sizeof(none)) == 0, "refused options left something");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	enum pe_options_action action = PE_OPTIONS_RUN;
	struct texts argv = { 0 }, env = { 0 };
	struct pe_options options;
	char *out_text = NULL, *err_text = NULL;
	size_t out_len, err_len;
	FILE *out = open_memstream(&out_text, &out_len), *err = open_memstream(&err_text, &err_len);
	int r;

	fuzz_check(out && err, "out of memory");
	take_texts(&input, &argv, &env);
	r = pe_options_parse(&options, (int)argv.count, argv.text, (const char *const *)env.text,
			     out, err, &action);
	fclose(out);
	fclose(err);
	fuzz_check(r == 0 || r == -EINVAL, "returned %d", r);
	check_lines(err_text, r < 0);
	fuzz_check(!strstr(err_text, SECRET) && !strstr(out_text, SECRET), "the password: %s",
		   err_text);
	fuzz_check((out_len > 0) == (r == 0 && action == PE_OPTIONS_EXIT), "printed: %s", out_text);
	if (r < 0)
		check_refused(&options);
	else if (action != PE_OPTIONS_EXIT) {
		check_fields(&options);
		check_use(&options);
	}
	pe_options_fini(&options);
	check_refused(&options);
	free_texts(&argv);
	free_texts(&env);
	free(out_text);
	free(err_text);
	return 0;
}
