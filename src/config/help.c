/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The option table as people read it: --help, and the nearest name to a wrong one. Reads only the
 * table. One thread, at start.
 */
#include "table.h"

#include <ctype.h>
#include <string.h>

#define COLUMN	       33 /* where the descriptions begin */
#define WIDTH	       80
#define NAME_MAX_BYTES 64

void pe_option_env_name(const struct pe_option *option, char ret_name[PE_OPTION_ENV_MAX])
{
	size_t i = (size_t)snprintf(ret_name, PE_OPTION_ENV_MAX, "PE_%s", option->name);

	while (i--)
		ret_name[i] = isalnum((unsigned char)ret_name[i])
				      ? (char)toupper((unsigned char)ret_name[i])
				      : '_';
}

static const char *default_text(const struct pe_option *option)
{
	if (option->initial_text)
		return option->initial_text;
	return option->initial ? option->initial : "";
}

/* Prints words from COLUMN to WIDTH; `at` is the column where the line stands. */
static void print_wrapped(FILE *out, const char *text, int at)
{
	while (*text) {
		int len = (int)strcspn(text, " ");

		if (at > COLUMN && at + 1 + len > WIDTH) {
			fputc('\n', out);
			at = 0;
		}
		if (at < COLUMN) {
			fprintf(out, "%*s", COLUMN - at, "");
			at = COLUMN;
		} else if (at > COLUMN) {
			fputc(' ', out);
			at++;
		}
		at += fprintf(out, "%.*s", len, text);
		text += len + (text[len] == ' ');
	}
	fputc('\n', out);
}

void pe_option_value_text(const struct pe_option *option, char ret_text[PE_OPTION_VALUE_TEXT_MAX])
{
	const bool may_lack = option->type == PE_OPTION_ONCE;

	*ret_text = '\0';
	if (option->arg)
		snprintf(ret_text, PE_OPTION_VALUE_TEXT_MAX, "%s=%s%s", may_lack ? "[" : "",
			 option->arg, may_lack ? "]" : "");
}

static void print_option(FILE *out, const struct pe_option *option)
{
	char env[PE_OPTION_ENV_MAX], origin[128], range[PE_OPTION_RANGE_MAX];
	const char *initial = default_text(option);
	char value[PE_OPTION_VALUE_TEXT_MAX];
	int at = fprintf(out, "  ");

	pe_option_value_text(option, value);
	if (option->letter)
		at += fprintf(out, "-%c, ", option->letter);
	at += fprintf(out, "--%s%s", option->name, value);
	if (at + 2 > COLUMN) {
		fputc('\n', out);
		at = 0;
	}
	print_wrapped(out, option->help, at);
	if (!pe_option_has_env(option))
		return;
	pe_option_env_name(option, env);
	/* Which they are is not in the name of its argument. */
	if (option->type == PE_OPTION_SET) {
		pe_option_range(option, range);
		snprintf(origin, sizeof(origin), "(%s)", range);
		print_wrapped(out, origin, 0);
	}
	snprintf(origin, sizeof(origin), "[%s%s%s%s]", *initial ? "default: " : "", initial,
		 *initial ? "; " : "", env);
	print_wrapped(out, origin, 0);
}

void pe_option_print_help(FILE *out)
{
	fputs("Usage: packet-exporter [OPTION]...\n"
	      "\n"
	      "Counts every packet on every network interface of this host, containers\n"
	      "included, and delivers the numbers to Prometheus: served on /metrics, pushed to\n"
	      "a Pushgateway if --push.url is given, and to the receivers of\n"
	      "--remote-write.url and --otlp.url.\n"
	      "\n"
	      "An option can also be set by the environment variable in brackets; the command\n"
	      "line wins. Several values in one variable are separated by commas. A DURATION is\n"
	      "written as 500ms, 15s, 1m30s or 1d; a SIZE in bytes, or as 64KiB or 16MiB.\n",
	      out);
	pe_option_for_each (option) {
		if (option->section)
			fprintf(out, "\n%s\n", option->section);
		print_option(out, option);
	}
}

void pe_option_range(const struct pe_option *option, char ret_range[PE_OPTION_RANGE_MAX])
{
	switch (option->type) {
	case PE_OPTION_SET:
	case PE_OPTION_COUNT:
	case PE_OPTION_SIZE:
	case PE_OPTION_DURATION:
		pe_option_allowed(option, ret_range, PE_OPTION_RANGE_MAX);
		break;
	default:
		*ret_range = '\0';
		break;
	}
}

/* Levenshtein's distance; both are at most NAME_MAX_BYTES long. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[NAME_MAX_BYTES + 1], i, j;

	for (j = 0; j <= b_len; j++)
		row[j] = j;
	for (i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (j = 1; j <= b_len; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (best > row[j] + 1)
				best = row[j] + 1;
			if (best > row[j - 1] + 1)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b_len];
}

const struct pe_option *pe_option_suggest(const char *name, size_t len)
{
	const struct pe_option *nearest = NULL;
	/* A third of the name may be wrong. */
	size_t best = len / 3 + 1;

	if (len > NAME_MAX_BYTES)
		return NULL;
	pe_option_for_each (option) {
		size_t d = distance(name, len, option->name, strlen(option->name));

		if (d < best) {
			best = d;
			nearest = option;
		}
	}
	return nearest;
}
