/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families of an interface: the exact counters, and what identifies it.
 *
 * Zero series are left out. What every live interface always has is packet_size_bytes in both
 * directions and interface_info, so that a dashboard sees an interface without traffic. One thread
 * at a time.
 */
#include "families.h"

#include <stdio.h>

#define PROTO(proto, name) [PE_PROTO_##proto] = PE_LABELS("protocol", name),
const struct pe_labels pe_proto_labels[PE_PROTO_COUNT] = { PE_PROTOS(PROTO) };

const struct pe_labels pe_direction_labels[PE_DIRECTIONS] = {
	[PE_INGRESS] = PE_LABELS("direction", "ingress"),
	[PE_EGRESS] = PE_LABELS("direction", "egress"),
};

const struct pe_labels pe_unobserved_labels[PE_UNOBSERVED_REASONS] = {
	[PE_UNOBSERVED_BEFORE_ATTACH] = PE_LABELS("reason", "before_attach"),
	[PE_UNOBSERVED_LOST] = PE_LABELS("reason", "lost"),
};

#define CLASS(family, proto) PE_TWO_LABELS("family", family, "protocol", proto)
#define IPV4(proto, name)    [PE_CLASS_IPV4 + PE_PROTO_##proto] = CLASS("ipv4", name),
#define IPV6(proto, name)    [PE_CLASS_IPV6 + PE_PROTO_##proto] = CLASS("ipv6", name),
static const struct pe_labels class_labels[PE_CLASS_COUNT] = { [PE_CLASS_ARP] = CLASS("arp", ""),
							       [PE_CLASS_OTHER] =
								       CLASS("other", ""),
							       PE_PROTOS(IPV4) PE_PROTOS(IPV6) };

/* offset: in struct pe_count */
static void emit_classes(struct pe_emit *emit)
{
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_row *row = &emit->iface->body.row[d];

		for (i = 0; i < PE_CLASS_COUNT; i++)
			pe_emit_direction(emit, d, &class_labels[i],
					  pe_number_at(&row->class[i], emit -> family -> offset));
	}
}

static const struct pe_labels packet_size_le[] = { PE_SIZE_BOUNDS(PE_LE) PE_LE_INF };

/* Counters of the link itself come without sizes: those packets are in +Inf alone. */
static void emit_packet_size(struct pe_emit *emit)
{
	size_t d;

	for (d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_row *row = &emit->iface->body.row[d];
		struct pe_count total = pe_row_total(row);
		struct pe_histogram histogram = {
			.le = packet_size_le,
			.buckets = row->size,
			.count = PE_SIZE_BUCKETS,
			.observations = total.packets,
			.sum = { .number = total.bytes },
		};

		if (emit->iface->departed && total.packets == 0)
			continue;
		pe_emit_begin_direction(emit, (unsigned int)d);
		pe_emit_histogram(emit, NULL, &histogram);
	}
}

static const struct pe_labels flags[PE_TCP_KINDS] = {
	[PE_TCP_SYN] = PE_LABELS("flag", "syn"),
	[PE_TCP_SYNACK] = PE_LABELS("flag", "synack"),
	[PE_TCP_FIN] = PE_LABELS("flag", "fin"),
	[PE_TCP_RST] = PE_LABELS("flag", "rst"),
};

static void emit_tcp_segments(struct pe_emit *emit)
{
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++)
		for (i = 0; i < PE_TCP_KINDS; i++)
			pe_emit_direction(emit, d, &flags[i], emit->iface->body.row[d].tcp[i]);
}

/* offset: in struct pe_row */
static void emit_row(struct pe_emit *emit)
{
	size_t d;

	for (d = 0; d < PE_DIRECTIONS; d++)
		pe_emit_direction(emit, d, NULL,
				  pe_number_at(&emit->iface->body.row[d], emit->family->offset));
}

/* offset: in struct pe_count */
static void emit_unobserved(struct pe_emit *emit)
{
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++)
		for (i = 0; i < PE_UNOBSERVED_REASONS; i++)
			pe_emit_direction(emit, d, &pe_unobserved_labels[i],
					  pe_number_at(&emit->iface->body.unobserved[d][i],
						       emit->family->offset));
}

/* offset: in struct pe_count */
static void emit_overcounted(struct pe_emit *emit)
{
	size_t d;

	for (d = 0; d < PE_DIRECTIONS; d++)
		pe_emit_direction(
			emit, d, NULL,
			pe_number_at(&emit->iface->body.overcounted[d], emit->family->offset));
}

static void emit_info(struct pe_emit *emit)
{
	const struct pe_iface_info *info = &emit->iface->info;
	struct pe_label_set *labels = &emit->labels;
	char ifindex[16];

	if (emit->iface->departed)
		return;
	snprintf(ifindex, sizeof(ifindex), "%d", info->ifindex);
	pe_emit_begin_iface(emit);
	pe_label_set_add(labels, "ifindex", ifindex);
	pe_label_set_add(labels, "kind", info->kind);
	pe_label_set_add(labels, "master", info->master);
	pe_label_set_add(labels, "mode", pe_mode_name(info->mode));
	pe_label_set_add(labels, "mode_reason", pe_mode_reason_name(info->mode_reason));
	pe_label_set_add(labels, "alias", info->alias);
	pe_label_set_add(labels, "altnames", info->altnames);
	pe_emit_number(emit, NULL, 1);
}

static const struct pe_family families[] = {
	{ .section = "Interfaces",
	  .name = "packet_exporter_packets",
	  .type = PE_COUNTER,
	  .help = "Packets by direction as the interface sees it, family and protocol.",
	  .label_names = "interface, direction, family, protocol",
	  .details = "Family: `ipv4`, `ipv6`, `arp`, `other`. Protocol of IP: `tcp`, `udp`, "
		     "`icmp`, `icmpv6`, `sctp`, `igmp`, `gre`, `esp`, `ah`, `ipip`, `ipv6`, "
		     "`other`; empty for what is not IP.",
	  .per_iface = true,
	  .emit = emit_classes,
	  .offset = offsetof(struct pe_count, packets) },
	{ .name = "packet_exporter_bytes",
	  .type = PE_COUNTER,
	  .unit = "bytes",
	  .help = "Bytes, link header included, by direction, family and protocol.",
	  .label_names = "interface, direction, family, protocol",
	  .details = "As the interface's own counters have them.",
	  .per_iface = true,
	  .emit = emit_classes,
	  .offset = offsetof(struct pe_count, bytes) },
	{ .name = "packet_exporter_packet_size_bytes",
	  .type = PE_HISTOGRAM,
	  .unit = "bytes",
	  .help = "Sizes of packets, link header included.",
	  .label_names = "interface, direction",
	  .details = "Buckets from 64 to 65536 bytes in powers of two.",
	  .per_iface = true,
	  .emit = emit_packet_size },
	{ .name = "packet_exporter_tcp_segments",
	  .type = PE_COUNTER,
	  .help = "TCP segments that open, close or reset a connection.",
	  .label_names = "interface, direction, flag",
	  .details = "Flag: `syn`, `synack`, `fin`, `rst`.",
	  .per_iface = true,
	  .emit = emit_tcp_segments },
	{ .name = "packet_exporter_fragments",
	  .type = PE_COUNTER,
	  .help = "IP fragments.",
	  .label_names = "interface, direction",
	  .per_iface = true,
	  .emit = emit_row,
	  .offset = offsetof(struct pe_row, fragments) },
	{ .name = "packet_exporter_vlan_packets",
	  .type = PE_COUNTER,
	  .help = "Packets with a VLAN tag.",
	  .label_names = "interface, direction",
	  .per_iface = true,
	  .emit = emit_row,
	  .offset = offsetof(struct pe_row, vlan) },
	{ .name = "packet_exporter_truncated_packets",
	  .type = PE_COUNTER,
	  .help = "Packets that ended inside a header.",
	  .label_names = "interface, direction",
	  .details = "They are counted by what was parsed until then.",
	  .per_iface = true,
	  .emit = emit_row,
	  .offset = offsetof(struct pe_row, truncated) },
	{ .name = "packet_exporter_unobserved_packets",
	  .type = PE_COUNTER,
	  .help = "Packets that passed the interface without being observed.",
	  .label_names = "interface, direction, reason",
	  .details = "The kernel counted them, this exporter did not see them. Reason: "
		     "`before_attach`, or `lost` later.",
	  .per_iface = true,
	  .emit = emit_unobserved,
	  .offset = offsetof(struct pe_count, packets) },
	{ .name = "packet_exporter_unobserved_bytes",
	  .type = PE_COUNTER,
	  .unit = "bytes",
	  .help = "Bytes that passed the interface without being observed.",
	  .label_names = "interface, direction, reason",
	  .per_iface = true,
	  .emit = emit_unobserved,
	  .offset = offsetof(struct pe_count, bytes) },
	{ .name = "packet_exporter_overcounted_packets",
	  .type = PE_COUNTER,
	  .help = "Packets counted in excess of the interface's own counters.",
	  .label_names = "interface, direction",
	  .details = "The kernel did not count them: they were handed to the interface in a "
		     "way that leaves no mark, or its driver refused them. Observed and "
		     "unobserved less overcounted are the kernel's own counters.",
	  .per_iface = true,
	  .emit = emit_overcounted,
	  .offset = offsetof(struct pe_count, packets) },
	{ .name = "packet_exporter_overcounted_bytes",
	  .type = PE_COUNTER,
	  .unit = "bytes",
	  .help = "Bytes counted in excess of the interface's own counters.",
	  .label_names = "interface, direction",
	  .per_iface = true,
	  .emit = emit_overcounted,
	  .offset = offsetof(struct pe_count, bytes) },
	{ .name = "packet_exporter_interface",
	  .type = PE_INFO,
	  .help = "What a live interface is and how its ingress is counted.",
	  .label_names = "interface, ifindex, kind, master, mode, mode_reason, alias, altnames",
	  .details = "Kind: `veth`, `bridge`, ...; empty for hardware. Master: the bridge, "
		     "bond or the like that it belongs to. Mode, how its ingress is counted: "
		     "`native`, `generic`, `tracepoint`, `tcx`, `none`. Mode reason, why not "
		     "as `--xdp.mode` asks; empty if it is: `hardware` (a program would "
		     "restart many cards), `gro` and `offload` (generic XDP would switch GRO "
		     "or a receive offload off), `load` (XDP would slow the interface down), "
		     "`bridge`, `kind` (a program would not see its packets as its own "
		     "counters do), `upper` (this exporter's program is on an interface above "
		     "it), `busy` (another XDP program is on it, on its bridge or on an "
		     "interface above it, or this one was detached by somebody else), `new` (XDP "
		     "follows), "
		     "`native_refused`, `refused`, `no_slot`, `no_memory`. Alias: what `ip "
		     "link set ... alias` gave it. Altnames: its alternative names (`ip link "
		     "property add ... altname`), separated by commas, as many as fit in 255 "
		     "bytes. While an interface is down the kernel reports no change of "
		     "either; they are read again every ten seconds.",
	  .per_iface = true,
	  .emit = emit_info },
};

const struct pe_family_table pe_families_iface = {
	families,
	sizeof(families) / sizeof(families[0]),
};
