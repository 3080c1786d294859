/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Completions for shells, from the option table: bash(1), "Programmable Completion"; zshcompsys(1),
 * _arguments. One thread, at start.
 */
#include "manual.h"

#include <string.h>

#include "table.h"

/* What a value can be, separated by '|'; NULL if it is not one of a few words. */
static const char *choices(const struct pe_option *option)
{
	switch (option->type) {
	case PE_OPTION_HELP:
		return PE_MANUAL_FORMATS;
	case PE_OPTION_SWITCH:
	case PE_OPTION_CHOICE:
		return option->arg;
	case PE_OPTION_SET:
		return option->set;
	default:
		return NULL;
	}
}

static void print_choices(FILE *out, const char *words)
{
	for (; *words; words++)
		fputc(*words == '|' ? ' ' : *words, out);
}

/* ---- bash ---- */

/* "=" is a word of its own there, unless COMP_WORDBREAKS lacks it. */
static const char bash_begin[] =
	"# Completion for bash, printed by packet-exporter --help=bash-completion.\n"
	"_packet_exporter()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tlocal before='' equals='' action=-W words=''\n"
	"\tcase $cur in\n"
	"\t=) equals=1 cur='' ;;\n"
	"\t--*=*) equals=1 option=${cur%%=*} before=${cur%%=*}= cur=${cur#*=} ;;\n"
	"\t*) [[ $option != = ]] || equals=1 option=${COMP_WORDS[COMP_CWORD - 2]} ;;\n"
	"\tesac\n"
	"\tcase $option in\n";

static const char bash_end[] =
	"\tesac\n"
	"\tif [[ $action == -f ]]; then\n"
	"\t\tcompopt -o filenames\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -P \"$before\" -f -- \"$cur\")\n"
	"\telse\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -P \"$before\" -W \"$words\" -- \"$cur\")\n"
	"\tfi\n"
	"\t[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace\n"
	"} &&\n"
	"\tcomplete -F _packet_exporter packet-exporter\n";

/* An option's own case, if it is known what its value can be. */
static void print_bash_case(FILE *out, const struct pe_option *option)
{
	const char *words = choices(option);

	if (!words && option->type != PE_OPTION_FILE)
		return;
	fprintf(out, "\t--%s) ", option->name);
	if (option->type == PE_OPTION_SET)
		fputs("[[ $cur != *,* ]] || before+=${cur%,*}, cur=${cur##*,}; ", out);
	/* The value can be left out: only what follows a "=" is one. */
	if (option->type == PE_OPTION_HELP)
		fputs("[[ ! $equals ]] || ", out);
	if (words) {
		fputs("words='", out);
		print_choices(out, words);
		fputs("' ;;\n", out);
	} else {
		fputs("action=-f ;;\n", out);
	}
}

void pe_manual_print_bash(FILE *out)
{
	fputs(bash_begin, out);
	pe_option_for_each (option)
		print_bash_case(out, option);
	/* Any other value is free. */
	fputs("\t*)\n\t\tcase $equals$option in\n", out);
	pe_option_for_each (option) {
		if (option->arg)
			fprintf(out, "\t\t--%s) return ;;\n", option->name);
	}
	fputs("\t\t1*) return ;;\n\t\tesac\n\t\twords='", out);
	pe_option_for_each (option)
		fprintf(out, "--%s%s ", option->name,
			option->arg && !pe_option_may_lack_value(option) ? "=" : "");
	fputs("'\n\t\t;;\n", out);
	fputs(bash_end, out);
}

/* ---- zsh ---- */

/* The first sentence, between quotes, where _arguments ends a description at ']' and a message at
 * ':'. */
static void print_zsh_text(FILE *out, const char *text)
{
	for (; *text && !(*text == '.' && (text[1] == ' ' || !text[1])); text++) {
		if (*text == '\'')
			fputs("'\\'", out);
		else if (strchr("[]:\\", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

/* What its value can be. */
static void print_zsh_action(FILE *out, const struct pe_option *option)
{
	const char *words = choices(option);

	if (option->type == PE_OPTION_SET)
		fprintf(out, "_values -s , %s ", option->name);
	else
		fputs(words ? "(" : option->type == PE_OPTION_FILE ? "_files" : " ", out);
	if (words)
		print_choices(out, words);
	if (words && option->type != PE_OPTION_SET)
		fputc(')', out);
}

static void print_zsh_option(FILE *out, const struct pe_option *option)
{
	const bool may_lack = pe_option_may_lack_value(option);

	fprintf(out, " \\\n\t'%s--%s%s[", option->type == PE_OPTION_LIST ? "*" : "", option->name,
		may_lack      ? "=-"
		: option->arg ? "="
			      : "");
	print_zsh_text(out, option->help);
	fputc(']', out);
	if (may_lack || option->arg) {
		/* Behind two colons it can be left out. */
		fprintf(out, "%s%s:", may_lack ? "::" : ":", option->arg ? option->name : "format");
		print_zsh_action(out, option);
	}
	fputc('\'', out);
}

void pe_manual_print_zsh(FILE *out)
{
	fputs("#compdef packet-exporter\n"
	      "# Completion for zsh, printed by packet-exporter --help=zsh-completion.\n"
	      "_arguments",
	      out);
	pe_option_for_each (option)
		print_zsh_option(out, option);
	fputc('\n', out);
}
