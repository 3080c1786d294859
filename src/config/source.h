/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sources of options: argv, then the environment, then the defaults of the table. Private to
 * this folder; one thread, at start.
 */
#ifndef PE_DAEMON_OPTIONS_SOURCE_H
#define PE_DAEMON_OPTIONS_SOURCE_H

#include "table.h"

#define PE_OPTIONS_PROGRAM "packet-exporter"

/* A flag as it stands in argv. */
struct pe_option_given {
	const struct pe_option *option;
	const char *value;
};

struct pe_option_parser {
	struct pe_options *options;
	const char *const *environ;
	FILE *err;
	bool quiet;		       /* no warnings */
	struct pe_option_given *given; /* room for argc */
	size_t given_count;
};

/*
 * Collects the flags. Prints what --help and --version ask for, and then ends with PE_OPTIONS_EXIT.
 * 0, or -errno after a line on `err`, as all below.
 */
int pe_option_parse_argv(struct pe_option_parser *parser, int argc, char *const *argv, FILE *out,
			 enum pe_options_action *ret_action);

/* Warns of PE_* variables that are no option; sets each option from the source that decides. */
int pe_option_set_all(const struct pe_option_parser *parser);

/* The flag or variable that the option's value comes from, to be named in an error. */
const char *pe_option_source(const struct pe_option_parser *parser, const struct pe_option *option,
			     char buf[PE_OPTION_ENV_MAX]);

/* The same, and whether it is there at all: false if the default decides. */
bool pe_option_is_explicit(const struct pe_option_parser *parser, const struct pe_option *option,
			   char buf[PE_OPTION_ENV_MAX]);

/* receivers.c: whether receivers of remote write and OTLP can be written to, and told apart. */
int pe_option_check_receivers(const struct pe_option_parser *parser);

/* Exactly this name, NULL if there is none. */
const struct pe_option *pe_option_find(const char *name, size_t len);

/* Print the line and return -EINVAL or -ENOMEM. */
int pe_option_refuse(const struct pe_option_parser *parser, const char *source, const char *value,
		     const char *why);
int pe_option_out_of_memory(const struct pe_option_parser *parser);

#endif
