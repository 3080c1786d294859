/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of the web, of pushes and of remote write; see table.c. */
#include "table.h"

#include "pe/clock.h"

#include "table_targets.h"

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
		.name = "push.metrics-include",
		.arg = "REGEX",
		.type = PE_OPTION_STRING,
		.initial = "",
		.initial_text = "all",
		FIELD(push_metrics.include),
		.check = pe_option_check_regex,
		.help = "Of what --metrics.include and --metrics.exclude leave, push only metrics "
			"of which it matches the whole name.",
	},
	{
		.name = "push.metrics-exclude",
		.arg = "REGEX",
		.type = PE_OPTION_STRING,
		.initial = "",
		.initial_text = "none",
		FIELD(push_metrics.exclude),
		.check = pe_option_check_regex,
		.help = "Of these, do not push metrics of which it matches the whole name.",
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
		.section = "Remote write",
		.name = "remote-write.url",
		.arg = "URL",
		.type = PE_OPTION_LIST,
		.max = PE_SINKS_OF_PROTOCOL_MAX,
		.initial_text = "no remote write",
		FIELD(remote.urls),
		.help = "Write to the receiver at this address, which ends in /api/v1/write or the "
			"like. May be repeated: each has a queue of its own.",
	},
	{
		.name = "remote-write.protocol",
		.arg = "1|2|auto",
		.type = PE_OPTION_CHOICE,
		.initial = "1",
		FIELD(remote_protocol),
		.help = "Version of remote write. auto is version 2, and version 1 for a receiver "
			"that does not know it.",
	},
	TARGETS_PACE("remote-write", remote),
	{
		.name = "remote-write.label",
		.arg = "NAME=VALUE",
		.type = PE_OPTION_LIST,
		.max = PE_REMOTE_LABELS_MAX - 2,
		.initial_text = "job=packet_exporter, instance=host name",
		FIELD(remote.labels),
		.check = pe_option_check_label,
		.help = "A label of every series. May be repeated; one of the name job or instance "
			"replaces the default.",
	},
	TARGETS_REST("remote-write", remote),
};

const struct pe_option_table pe_option_table_delivery = {
	options,
	sizeof(options) / sizeof(*options),
};
