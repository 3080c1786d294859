/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every option, once; those of delivery and of the process are in table_*.c. Flags, environment,
 * defaults, limits, --help and error messages all come from these tables; an option is added in one
 * of them and as a field of struct pe_options, nowhere else.
 */
#include "table.h"

#include "pe/clock.h"

#define MINUTE_NS (60 * PE_NS_PER_S)
#define DAY_NS	  (86400 * PE_NS_PER_S)
#define KIB	  UINT64_C(1024)
#define MIB	  (1024 * KIB)
#define GIB	  (1024 * MIB)

#define GROUP_LABEL(label, name, by_default)   "|" name
#define GROUP_DEFAULT(label, name, by_default) PE_GROUP_WORD_##by_default("," name)
#define IFACE_LABEL(label, name)	       "|" #name

#define FIELD(member) .offset = offsetof(struct pe_options, member)

static const struct pe_option options[] = {
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
			"and never on hardware; native is in the driver, or else as auto: "
			"of veths the kernel then takes the other end's segmentation away, "
			"and most of TCP's throughput. After SIGKILL, generic leaves receive "
			"offloads of cards switched off.",
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
		.name = "drops",
		.arg = "on|off",
		.type = PE_OPTION_SWITCH,
		.initial = "on",
		FIELD(drops),
		.help = "Count the packets that the kernel drops, by its reasons.",
	},
	{
		.name = "dns",
		.arg = "on|off",
		.type = PE_OPTION_SWITCH,
		.initial = "off",
		FIELD(dns),
		.help = "Count DNS queries, what they are answered, and when.",
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
		.name = "tcp",
		.arg = "on|off",
		.type = PE_OPTION_SWITCH,
		.initial = "on",
		FIELD(tcp),
		.help = "Count how TCP connections of the host and of containers begin and end.",
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
		.name = "flows",
		.arg = "on|off",
		.type = PE_OPTION_SWITCH,
		.initial = "on",
		FIELD(flows),
		.help = "Gather flows. Without, packets cost less, and counters, sizes and TCP "
			"segments remain.",
	},
	{
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
		.initial_text = "65536; less with more than 16 CPUs",
		FIELD(flow_cache),
		.help = "Flows of IPv4 that the kernel side keeps for each CPU, or half as many "
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
		.set = PE_GROUP_LABELS_X(GROUP_LABEL) + 1,
		.min = 1,
		.initial = PE_GROUP_LABELS_X(GROUP_DEFAULT) + 1,
		FIELD(group_by),
		.help = "Labels that distinguish groups of interfaces, separated by commas.",
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
		.set = PE_IFACE_LABELS_X(IFACE_LABEL) + 1,
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
		.name = "metrics.include",
		.arg = "REGEX",
		.type = PE_OPTION_STRING,
		.initial = "",
		.initial_text = "all",
		FIELD(metrics.include),
		.check = pe_option_check_regex,
		.help = "Expose only metrics of which this extended regular expression matches "
			"the whole name, served, pushed and written alike; those of histograms "
			"are named without _bucket, _sum and _count.",
	},
	{
		.name = "metrics.exclude",
		.arg = "REGEX",
		.type = PE_OPTION_STRING,
		.initial = "",
		.initial_text = "none",
		FIELD(metrics.exclude),
		.check = pe_option_check_regex,
		.help = "Do not expose metrics of which it matches the whole name.",
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
		.help = "Names, images and compose labels from files of Docker, Podman and the "
			"kubelet, where they may be read.",
	},
	{
		.name = "identity.wait",
		.arg = "DURATION",
		.type = PE_OPTION_DURATION,
		.min = 0,
		.max = MINUTE_NS,
		.initial = "2s",
		FIELD(identity_wait_ns),
		.help = "Wait so long for who is behind a new veth, from its first carrier on; up "
			"to 20 s while nothing runs behind it.",
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
};

static const struct pe_option_table here = { options, sizeof(options) / sizeof(*options) };

const struct pe_option *pe_option_next(const struct pe_option *option)
{
	static const struct pe_option_table *const tables[] = {
		&here,
		&pe_option_table_delivery,
		&pe_option_table_otlp,
		&pe_option_table_spool,
		&pe_option_table_process,
	};
	const size_t count = sizeof(tables) / sizeof(*tables);

	if (!option)
		return options;
	for (size_t i = 0; i < count; i++)
		if (option == &tables[i]->options[tables[i]->count - 1])
			return i + 1 < count ? tables[i + 1]->options : NULL;
	return option + 1;
}
