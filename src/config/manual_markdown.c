/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * REFERENCE.md, and what its paragraphs share with the man page. Reads only tables. One thread, at
 * start.
 */
#include "manual.h"

#include "table.h"

#include "pe/catalogue.h"

const char *const pe_manual_about_options[] = {
	"Every option is also an environment variable; the command line wins. In a variable, the "
	"values of a repeatable option are separated by commas. An empty variable counts as not "
	"set. A DURATION is written as `500ms`, `15s`, `1m30s` or `1d`; a SIZE in bytes, or as "
	"`64KiB` or `16MiB`. A wrong value is refused with one line that says what is allowed; "
	"`--check-config` does only that check.",
	"`PE_PORT` and `PE_WORKERS` are the two variables that the older exporter had: "
	"`PE_PORT=9900` is short for `--web.listen-address=:9900` (and gives way to it and to "
	"`PE_WEB_LISTEN_ADDRESS`), `PE_WORKERS=4` is `--workers=4`. What Kubernetes sets in every "
	"pod beside a service named `pe` or `pe-...` (`PE_PORT=tcp://...`, `PE_SERVICE_HOST` and "
	"so on) is ignored, with one line of log.",
	NULL,
};

const char *const pe_manual_about_metrics[] = {
	"Names are those of the text format. What is counted is exported at three levels: the host "
	"as a whole; groups of interfaces that have the labels of `--group.by` in common; and each "
	"interface. What the host and groups have counted never goes back when an interface goes, "
	"so their rates and increases are right however short its life was. What a family means "
	"is said once, at the first level. Every series of an interface can have further labels: "
	"`--interface.labels`.",
	"A series that would be zero is left out, except for the exporter's own ones, for the "
	"usual "
	"protocols (TCP, UDP and ICMP, of IPv4 and IPv6) of the host and of groups, and for the "
	"packet sizes of live interfaces.",
	NULL,
};

static void print_paragraphs(FILE *out, const char *const *paragraphs)
{
	for (; *paragraphs; paragraphs++)
		fprintf(out, "\n%s\n", *paragraphs);
}

/* In a table cell, '|' would begin the next one. */
static void print_cell(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void print_option(FILE *out, const struct pe_option *option)
{
	char env[PE_OPTION_ENV_MAX], range[PE_OPTION_RANGE_MAX];
	char value[PE_OPTION_VALUE_TEXT_MAX];

	pe_option_value_text(option, value);
	fputs("| `", out);
	if (option->letter)
		fprintf(out, "-%c`, `", option->letter);
	fprintf(out, "--%s", option->name);
	print_cell(out, value);
	fputs("` | ", out);
	if (option->initial_text)
		fputs(option->initial_text, out);
	else if (option->initial && *option->initial)
		fprintf(out, "`%s`", option->initial);
	fputs(" | ", out);
	if (pe_option_has_env(option)) {
		pe_option_env_name(option, env);
		fprintf(out, "`%s`", env);
	}
	fputs(" | ", out);
	print_cell(out, option->help);
	pe_option_range(option, range);
	if (*range)
		fprintf(out, " (%s)", range);
	fputs(" |\n", out);
}

static void print_metric(FILE *out, const struct pe_catalogue_entry *entry)
{
	const char *const sentences[] = { entry->help, entry->details, entry->condition };
	size_t i;

	if (entry->section)
		fprintf(out, "\n### %s\n\n| name | type | labels | meaning |\n|---|---|---|---|\n",
			entry->section);
	fprintf(out, "| `%s` | %s | %s |", entry->name, entry->type, entry->labels);
	for (i = 0; i < sizeof(sentences) / sizeof(*sentences); i++) {
		if (*sentences[i])
			fputc(' ', out);
		print_cell(out, sentences[i]);
	}
	fputs(" |\n", out);
}

void pe_manual_print_markdown(FILE *out)
{
	struct pe_catalogue_entry entry;
	size_t i;

	fputs("# Reference\n"
	      "\n"
	      "All options and metrics. This page is the output of `packet-exporter "
	      "--help=markdown`; a test fails if it is not. The man page has the same.\n"
	      "\n"
	      "## Options\n",
	      out);
	print_paragraphs(out, pe_manual_about_options);
	fputs("\n| option | default | environment | meaning |\n|---|---|---|---|\n", out);
	pe_option_for_each (option)
		print_option(out, option);
	fputs("\n## Metrics\n", out);
	print_paragraphs(out, pe_manual_about_metrics);
	for (i = 0; pe_catalogue_get(i, &entry); i++)
		print_metric(out, &entry);
}
