/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every option, once. Flags, environment, defaults, limits, --help and error messages all come from
 * this table; an option is added here and as a field of struct pe_options, nowhere else.
 */
#include "table.h"

#include "pe/clock.h"

#define MINUTE_NS (60 * PE_NS_PER_S)
#define DAY_NS	  (86400 * PE_NS_PER_S)
#define KIB	  UINT64_C(1024)
#define MIB	  (1024 * KIB)
#define GIB	  (1024 * MIB)

#define SET(member, name) "|" name

#define FIELD(member) .offset = offsetof(struct pe_options, member)

/* Flags, choices and numbers are written through one type each. */
_Static_assert(sizeof(enum pe_xdp_mode) == sizeof(unsigned int), "enums are unsigned int");
_Static_assert(sizeof(enum pe_iface_detail) == sizeof(unsigned int), "enums are unsigned int");
_Static_assert(sizeof(enum pe_push_exit) == sizeof(unsigned int), "enums are unsigned int");
_Static_assert(sizeof(enum pe_log_level) == sizeof(unsigned int), "enums are unsigned int");
_Static_assert(sizeof(enum pe_log_format) == sizeof(unsigned int), "enums are unsigned int");

const struct pe_option pe_option_table[] = {
	{
		.section = "Interfaces",
		.name = "interface.include",
		.arg = "REGEX",
		.type = PE_OPTION_STRING,
		.initial = "",
		.initial_text = "all",
		FIELD(interface_include),
		.check = pe_option_check_regex,
		.help = "Watch only interfaces of which the name or an alternative name matches "
			"this extended regular expression.",
	},
	{
		.name = "interface.exclude",
		.arg = "REGEX",
		.type = PE_OPTION_STRING,
		.initial = "^lo$",
		FIELD(interface_exclude),
		.check = pe_option_check_regex,
		.help = "Do not watch interfaces of which the name or an alternative name "
			"matches; empty excludes none.",
	},
	{
		.name = "xdp.mode",
		.arg = "auto|generic|native",
		.type = PE_OPTION_CHOICE,
		.initial = "auto",
		FIELD(xdp_mode),
		.help = "How to attach. auto is generic where that changes nothing for the host, "
			"and never on hardware; native is in the driver, or else as auto.",
	},
	{
		.name = "egress",
		.arg = "on|off",
		.type = PE_OPTION_SWITCH,
		.initial = "on",
		FIELD(egress),
		.help = "Count the packets that interfaces send, too.",
	},
	{
		.name = "max-interfaces",
		.arg = "N",
		.type = PE_OPTION_COUNT,
		.min = 1,
		.max = 16384,
		.initial = "1024",
		FIELD(max_interfaces),
		.help = "Interfaces that are watched at the same time.",
	},
	{
		.name = "netlink.rcvbuf",
		.arg = "SIZE",
		.type = PE_OPTION_SIZE,
		.min = 64 * KIB,
		.max = 512 * MIB,
		.initial = "16MiB",
		FIELD(netlink_rcvbuf),
		.help = "Receive buffer for the kernel's messages about interfaces.",
	},
	{
		.section = "Flows",
		.name = "workers",
		.arg = "N",
		.type = PE_OPTION_COUNT,
		.min = 1,
		.max = 256,
		.initial_text = "number of CPUs, at most 8",
		FIELD(workers),
		.help = "Threads that gather flow records.",
	},
	{
		.name = "flows.top",
		.arg = "K",
		.type = PE_OPTION_COUNT,
		.min = 0,
		.max = 1000,
		.initial = "0",
		FIELD(flows_top),
		.help = "Export the K largest flows of each interface; 0 is off.",
	},
	{
		.name = "flows.cache-size",
		.arg = "N",
		.type = PE_OPTION_COUNT,
		.power_of_two = true,
		.min = 64,
		.max = 1048576,
		.initial_text = "65536; less with more than 16 possible CPUs",
		FIELD(flow_cache),
		.help = "Flows of IPv4 that the kernel side keeps for each CPU, and half as many "
			"of IPv6; a power of two.",
	},
	{
		.name = "flows.table-size",
		.arg = "N",
		.type = PE_OPTION_COUNT,
		.min = 64,
		.max = 16777216,
		.initial = "131072",
		FIELD(flow_table),
		.help = "Flows that all workers together remember.",
	},
	{
		.name = "flows.ring-size",
		.arg = "SIZE",
		.type = PE_OPTION_SIZE,
		.power_of_two = true,
		.min = 4 * KIB,
		.max = GIB,
		.initial = "1MiB",
		FIELD(ring_size),
		.help = "Ring buffer from the kernel to each worker; a power of two.",
	},
	{
		.name = "flows.idle-timeout",
		.arg = "DURATION",
		.type = PE_OPTION_DURATION,
		.min = PE_NS_PER_S,
		.max = DAY_NS,
		.initial = "30s",
		FIELD(flow_idle_ns),
		.help = "A flow ends after this long without a packet.",
	},
	{
		.section = "Metrics",
		.name = "group.by",
		.arg = "LABELS",
		.type = PE_OPTION_SET,
		.set = PE_GROUP_LABELS_X(SET) + 1,
		.min = 1,
		.initial = "kind,master,namespace,workload",
		FIELD(group_by),
		.help = "Labels by which groups of interfaces are told apart, separated by commas.",
	},
	{
		.name = "group.max",
		.arg = "N",
		.type = PE_OPTION_COUNT,
		.min = 1,
		.max = 65536,
		.initial = "1024",
		FIELD(group_max),
		.help = "Groups at the same time. Beyond it the least recently used ones without a "
			"live interface are folded into workload=\"other\".",
	},
	{
		.name = "interface.detail",
		.arg = "basic|full",
		.type = PE_OPTION_CHOICE,
		.initial = "basic",
		FIELD(show.detail),
		.help = "Which families each interface has: basic is packets, bytes, and what was "
			"not observed or overcounted; full is all that groups have.",
	},
	{
		.name = "interface.labels",
		.arg = "LABELS",
		.type = PE_OPTION_SET,
		.set = "container|pod|namespace|workload",
		.initial = "",
		.initial_text = "none",
		FIELD(show.iface_labels),
		.help = "Labels of packet_exporter_interface_info that every series of an "
			"interface has, too, separated by commas.",
	},
	{
		.name = "metrics.created",
		.type = PE_OPTION_FLAG,
		.initial = "false",
		FIELD(show.created),
		.help = "In OpenMetrics, add a line to each series that says since when it counts.",
	},
	{
		.name = "departed.retention",
		.arg = "DURATION",
		.type = PE_OPTION_DURATION,
		.min = PE_NS_PER_S,
		.max = 7 * DAY_NS,
		.initial = "5m",
		FIELD(departed_retention_ns),
		.help = "Keep the series of an interface that has gone for this long.",
	},
	{
		.name = "departed.max",
		.arg = "N",
		.type = PE_OPTION_COUNT,
		.min = 1,
		.max = 65536,
		.initial = "4096",
		FIELD(departed_max),
		.help = "Keep at most so many of them; the series of the oldest end first.",
	},
	{
		.name = "metrics.legacy",
		.type = PE_OPTION_FLAG,
		.initial = "false",
		FIELD(show.legacy),
		.help = "Also export total_packets and total_throughput.",
	},
	{
		.section = "Identity",
		.name = "identity",
		.arg = "on|off",
		.type = PE_OPTION_SWITCH,
		.initial = "on",
		FIELD(identity),
		.help = "Find out which container or pod is behind a veth.",
	},
	{
		.name = "identity.cni",
		.arg = "on|off",
		.type = PE_OPTION_SWITCH,
		.initial = "on",
		FIELD(identity_cni),
		.help = "Names and namespaces of pods from CNI_ARGS, which the container runtime "
			"gives its network plugins.",
	},
	{
		.name = "identity.files",
		.arg = "auto|off",
		.type = PE_OPTION_SWITCH,
		.initial = "auto",
		FIELD(identity_files),
		.help = "Names, images and compose labels from Docker's files, where they may be "
			"read.",
	},
	{
		.name = "identity.wait",
		.arg = "DURATION",
		.type = PE_OPTION_DURATION,
		.min = 0,
		.max = MINUTE_NS,
		.initial = "2s",
		FIELD(identity_wait_ns),
		.help = "Wait so long for who is behind a new veth.",
	},
	{
		.name = "workload.rule",
		.arg = "REGEX=REPLACEMENT",
		.type = PE_OPTION_LIST,
		.max = 64,
		FIELD(workload_rules),
		.check = pe_option_check_rule,
		.help = "In the workload that a container would have, replace what matches this "
			"extended regular expression; \\1 to \\9 are its groups. Of several rules "
			"the "
			"first that matches is applied. May be repeated.",
	},
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
		.name = "check-config",
		.type = PE_OPTION_CHECK,
		.help = "Check all options and the files they name, then exit.",
	},
	{
		.name = "version",
		.type = PE_OPTION_VERSION,
		.help = "Print the version, then exit.",
	},
	{
		.name = "help",
		.type = PE_OPTION_HELP,
		.help = "Print this help, then exit. --help=man prints the man page, "
			"--help=markdown the same as REFERENCE.md.",
	},
};

const size_t pe_option_count = sizeof(pe_option_table) / sizeof(*pe_option_table);
