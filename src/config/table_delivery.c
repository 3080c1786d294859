/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of delivery, privileges and log, and those that do something; see table.c. */
#include "table.h"

#include "pe/clock.h"

#define MINUTE_NS (60 * PE_NS_PER_S)
#define DAY_NS	  (86400 * PE_NS_PER_S)

#define FIELD(member) .offset = offsetof(struct pe_options, member)

static const struct pe_option options[] = {
	{
		.section = "Web",
		.name = "web.listen-address",
		.arg = "[HOST]:PORT",
		.type = PE_OPTION_LIST,
		.max = 64,
		.initial = ":9817",
		FIELD(listen),
		.check = pe_option_check_listen,
		.help = "Serve on this address; without HOST on every one. May be repeated. "
			"PE_PORT=PORT is short for :PORT.",
	},
	{
		.name = "web.systemd-socket",
		.type = PE_OPTION_FLAG,
		.initial = "false",
		FIELD(web_systemd_socket),
		.help = "Serve on the sockets that systemd passes, instead of on any address; "
			"excludes --web.listen-address.",
	},
	{
		.name = "web.config.file",
		.arg = "FILE",
		.type = PE_OPTION_FILE,
		.initial_text = "no TLS, no users",
		FIELD(web_config_file),
		.help = "TLS, users and headers, in the format of Prometheus' exporter toolkit.",
	},
	{
		.name = "web.telemetry-path",
		.arg = "PATH",
		.type = PE_OPTION_STRING,
		.initial = "/metrics",
		FIELD(telemetry_path),
		.check = pe_option_check_path,
		.help = "Where the metrics are.",
	},
	{
		.name = "web.max-connections",
		.arg = "N",
		.type = PE_OPTION_COUNT,
		.min = 1,
		.max = 65536,
		.initial = "512",
		FIELD(web_max_connections),
		.help = "Connections that are served at the same time; for a new one beyond, the "
			"one "
			"that has waited longest is cut off.",
	},
	{
		.section = "Push",
		.name = "push.url",
		.arg = "URL",
		.type = PE_OPTION_STRING,
		.optional = true,
		.initial_text = "no push",
		FIELD(push_url),
		.help = "Push to the Pushgateway at this address.",
	},
	{
		.name = "push.job",
		.arg = "NAME",
		.type = PE_OPTION_STRING,
		.initial = "packet_exporter_push",
		FIELD(push_job),
		.help = "The job label of the group.",
	},
	{
		.name = "push.instance",
		.arg = "NAME",
		.type = PE_OPTION_STRING,
		.initial_text = "host name",
		FIELD(push_instance),
		.help = "The instance label of the group.",
	},
	{
		.name = "push.grouping",
		.arg = "NAME=VALUE",
		.type = PE_OPTION_LIST,
		.max = 64,
		FIELD(push_grouping),
		.check = pe_option_check_label,
		.help = "A further label of the group. May be repeated.",
	},
	{
		.name = "push.interval",
		.arg = "DURATION",
		.type = PE_OPTION_DURATION,
		.min = PE_NS_PER_S,
		.max = DAY_NS,
		.initial = "15s",
		FIELD(push_interval_ns),
		.help = "Time from one push to the next.",
	},
	{
		.name = "push.timeout",
		.arg = "DURATION",
		.type = PE_OPTION_DURATION,
		.min = 100 * PE_NS_PER_MS,
		.max = 10 * MINUTE_NS,
		.initial = "10s",
		FIELD(push_timeout_ns),
		.help = "Give up a push after this long.",
	},
	{
		.name = "push.departure-delay",
		.arg = "DURATION",
		.type = PE_OPTION_DURATION,
		.min = 0,
		.max = DAY_NS,
		.initial = "1s",
		FIELD(push_departure_delay_ns),
		.help = "Push within this time when an interface has gone.",
	},
	{
		.name = "push.on-exit",
		.arg = "push|delete|none",
		.type = PE_OPTION_CHOICE,
		.initial = "push",
		FIELD(push_on_exit),
		.help = "Last act at the gateway: push once more, delete the group, or nothing.",
	},
	{
		.name = "push.compression",
		.arg = "gzip|none",
		.type = PE_OPTION_SWITCH,
		.initial = "gzip",
		FIELD(push_gzip),
		.help = "Compression of what is pushed.",
	},
	{
		.name = "push.username",
		.arg = "NAME",
		.type = PE_OPTION_STRING,
		.optional = true,
		FIELD(push_username),
		.help = "User name for basic authentication.",
	},
	{
		.name = "push.password-file",
		.arg = "FILE",
		.type = PE_OPTION_FILE,
		FIELD(push_password_file),
		.help = "File with its password, read before each push.",
	},
	{
		.name = "push.bearer-token-file",
		.arg = "FILE",
		.type = PE_OPTION_FILE,
		FIELD(push_bearer_token_file),
		.help = "File with a bearer token, read before each push.",
	},
	{
		.name = "push.tls-ca-file",
		.arg = "FILE",
		.type = PE_OPTION_FILE,
		.initial_text = "the system's",
		FIELD(push_tls_ca_file),
		.help = "Certificates that the gateway's certificate is checked against.",
	},
	{
		.name = "push.tls-cert-file",
		.arg = "FILE",
		.type = PE_OPTION_FILE,
		FIELD(push_tls_cert_file),
		.help = "Client certificate.",
	},
	{
		.name = "push.tls-key-file",
		.arg = "FILE",
		.type = PE_OPTION_FILE,
		FIELD(push_tls_key_file),
		.help = "Key of the client certificate.",
	},
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

const struct pe_option_table pe_options_delivery = {
	options,
	sizeof(options) / sizeof(*options),
};
