/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The option tables and what is derived from them, private to this folder. One thread, at start.
 */
#ifndef PE_CONFIG_TABLE_H
#define PE_CONFIG_TABLE_H

#include "pe/options.h"

enum pe_option_type {
	PE_OPTION_HELP, /* these do something; they have no variable */
	PE_OPTION_VERSION,
	PE_OPTION_ONCE,
	PE_OPTION_HEALTHCHECK,
	PE_OPTION_CHECK,
	PE_OPTION_FLAG,	    /* bool; "--x" is "--x=true" */
	PE_OPTION_SWITCH,   /* bool; the first choice is true, the second false */
	PE_OPTION_CHOICE,   /* enum in the order of the choices */
	PE_OPTION_SET,	    /* unsigned int, a bit for each choice, which `set` has */
	PE_OPTION_COUNT,    /* unsigned int */
	PE_OPTION_SIZE,	    /* unsigned int, bytes */
	PE_OPTION_DURATION, /* uint64_t, ns */
	PE_OPTION_STRING,   /* char * */
	PE_OPTION_FILE,	    /* char *, NULL if empty; readable when --check-config looks */
	PE_OPTION_LIST,	    /* struct pe_strings; may be repeated */
};

#define PE_OPTION_ENV_MAX     64
#define PE_OPTION_VALUE_MAX   4096 /* bytes of one value */
#define PE_OPTION_WHY_MAX     512
#define PE_OPTION_RANGE_MAX   96
#define PE_OPTION_ALLOWED_MAX 96

struct pe_option {
	char letter;	     /* "-h"; 0: none */
	const char *section; /* the heading above it, if it is the first of a section */
	const char *name;    /* without the dashes */
	const char *arg;     /* what --help shows behind '='; choices are separated by '|' */
	enum pe_option_type type;
	const char *set;	  /* as the choices of `arg` */
	bool optional;		  /* a string that is NULL if it is empty */
	bool power_of_two;	  /* a count or size */
	uint64_t min, max;	  /* of numbers; max is also the length of a list,
				   * min how many a set has at least */
	const char *initial;	  /* the default, read like any value; NULL leaves the field zero */
	const char *initial_text; /* what --help says instead of `initial` */
	size_t offset;		  /* in struct pe_options */
	/* Checks one string further: 0, or -EINVAL with the rest of a sentence that begins with the
	 * value. */
	int (*check)(const char *text, char *why, size_t why_size);
	const char *help;
};

struct pe_option_table {
	const struct pe_option *options;
	size_t count;
};
extern const struct pe_option_table pe_option_table_delivery;
extern const struct pe_option_table pe_option_table_otlp;
extern const struct pe_option_table pe_option_table_spool;
extern const struct pe_option_table pe_option_table_process;

/* All options in the order of --help: the first one behind NULL, NULL behind the last one. */
const struct pe_option *pe_option_next(const struct pe_option *option);
#define pe_option_for_each(option) \
	for (const struct pe_option *option = NULL; (option = pe_option_next(option));)

static inline bool pe_option_has_env(const struct pe_option *option)
{
	return option->type > PE_OPTION_CHECK;
}

/* "--help" and "--help=man" both mean something. */
static inline bool pe_option_may_lack_value(const struct pe_option *option)
{
	return option->type == PE_OPTION_HELP || option->type == PE_OPTION_ONCE;
}

static inline void *pe_option_field(const struct pe_option *option, struct pe_options *options)
{
	return (char *)options + option->offset;
}

/* How its value is written behind the name: "=URL", "[=DURATION]"; "" if it takes none. */
#define PE_OPTION_VALUE_TEXT_MAX 128
void pe_option_value_text(const struct pe_option *option, char ret_text[PE_OPTION_VALUE_TEXT_MAX]);

/* "push.url" gives "PE_PUSH_URL". */
void pe_option_env_name(const struct pe_option *option, char ret_name[PE_OPTION_ENV_MAX]);

/*
 * Sets the option's field (appends to a list) from a text. 0; -EINVAL with the rest of a sentence
 * that begins with the value in `why`; -ENOMEM.
 */
int pe_option_set(const struct pe_option *option, struct pe_options *options, const char *text,
		  char *why, size_t why_size);

/* Frees what the field holds and makes it zero. */
void pe_option_clear(const struct pe_option *option, struct pe_options *options);

/* What a value may be: "1s to 1d", "auto, generic, native"; "" where the table does not say. */
void pe_option_allowed(const struct pe_option *option, char *text, size_t size);

/* The checks of single strings that the table names. */
int pe_option_check_regex(const char *text, char *why, size_t why_size);
int pe_option_check_listen(const char *text, char *why, size_t why_size);
int pe_option_check_path(const char *text, char *why, size_t why_size);
int pe_option_check_label(const char *text, char *why, size_t why_size);
int pe_option_check_rule(const char *text, char *why, size_t why_size);
int pe_option_check_user(const char *text, char *why, size_t why_size);

/* "1s to 1d": the limits of a number, "" for what is none. */
void pe_option_range(const struct pe_option *option, char ret_range[PE_OPTION_RANGE_MAX]);

/* --help. */
void pe_option_print_help(FILE *out);

/* The option whose name is most like this wrong one, NULL if none is near. */
const struct pe_option *pe_option_suggest(const char *name, size_t len);

#endif
