/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of privileges and log, and those that do something; see table.c. */
#include "table.h"

#include "pe/clock.h"

#define FIELD(member) .offset = offsetof(struct pe_options, member)

static const struct pe_option options[] = {
	{
		.section = "Privileges",
		.name = "user",
		.arg = "NAME",
		.type = PE_OPTION_STRING,
		.optional = true,
		.initial_text = "as started",
		FIELD(user),
		.check = pe_option_check_user,
		.help = "Become this user, by name or number, once root's rights are no longer "
			"needed.",
	},
	{
		.name = "sandbox",
		.arg = "on|off",
		.type = PE_OPTION_SWITCH,
		.initial = "on",
		FIELD(sandbox),
		.help = "After the start, do without system calls and files that are not needed "
			"(seccomp, Landlock).",
	},
	{
		.section = "Log",
		.name = "log.level",
		.arg = "debug|info|warn|error",
		.type = PE_OPTION_CHOICE,
		.initial = "info",
		FIELD(log_level),
		.help = "The least important lines that are written.",
	},
	{
		.name = "log.format",
		.arg = "logfmt|json",
		.type = PE_OPTION_CHOICE,
		.initial = "logfmt",
		FIELD(log_format),
		.help = "How a line is written.",
	},
	{
		.section = "Other",
		.name = "once",
		.arg = "DURATION",
		.type = PE_OPTION_ONCE,
		.min = PE_NS_PER_S,
		.max = 3600 * PE_NS_PER_S,
		.help = "Count for so long (5s if no value is given), print a table of who talked, "
			"then exit. Nothing is served or pushed.",
	},
	{
		.name = "check-config",
		.type = PE_OPTION_CHECK,
		.help = "Check all options and the files they name, then exit.",
	},
	{
		.name = "healthcheck",
		.type = PE_OPTION_HEALTHCHECK,
		.help = "Ask the exporter that runs with these options in the same container, or "
			"network and PID namespace, how it is; exit with 0 if it is healthy, else "
			"with 1. Needs no password or certificate.",
	},
	{
		.name = "version",
		.letter = 'V',
		.type = PE_OPTION_VERSION,
		.help = "Print the version, then exit.",
	},
	{
		.name = "help",
		.letter = 'h',
		.type = PE_OPTION_HELP,
		.help = "Print this help, then exit. --help=man prints the man page, "
			"--help=markdown the same as REFERENCE.md, --help=bash-completion and "
			"--help=zsh-completion what these shells complete by.",
	},
};

const struct pe_option_table pe_option_table_process = {
	options,
	sizeof(options) / sizeof(*options),
};
