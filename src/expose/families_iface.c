/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families of an interface: the exact counters, and what identifies it.
 *
 * Zero series are left out. What every live interface always has is packet_size_bytes in both
 * directions and interface_info, so that a dashboard sees an interface without traffic. One thread
 * at a time.
 */
#include "families.h"

#define PROTO(name) PE_SPAN("protocol=\"" name "\"")
const struct pe_span pe_proto_label[PE_PROTO_COUNT] = {
	[PE_PROTO_OTHER] = PROTO("other"),   [PE_PROTO_TCP] = PROTO("tcp"),
	[PE_PROTO_UDP] = PROTO("udp"),	     [PE_PROTO_ICMP] = PROTO("icmp"),
	[PE_PROTO_ICMPV6] = PROTO("icmpv6"), [PE_PROTO_SCTP] = PROTO("sctp"),
	[PE_PROTO_IGMP] = PROTO("igmp"),     [PE_PROTO_GRE] = PROTO("gre"),
	[PE_PROTO_ESP] = PROTO("esp"),	     [PE_PROTO_AH] = PROTO("ah"),
	[PE_PROTO_IPIP] = PROTO("ipip"),     [PE_PROTO_IPV6] = PROTO("ipv6"),
};

const struct pe_span pe_direction_label[PE_DIRECTIONS] = {
	[PE_INGRESS] = PE_SPAN("direction=\"ingress\""),
	[PE_EGRESS] = PE_SPAN("direction=\"egress\""),
};

const struct pe_span pe_unobserved_label[PE_UNOBSERVED_REASONS] = {
	[PE_UNOBSERVED_BEFORE_ATTACH] = PE_SPAN("reason=\"before_attach\""),
	[PE_UNOBSERVED_LOST] = PE_SPAN("reason=\"lost\""),
};

#define CLASS(family, proto) PE_SPAN("family=\"" family "\",protocol=\"" proto "\"")
#define IP_CLASSES(base, family)                                        \
	[(base) + PE_PROTO_OTHER] = CLASS(family, "other"),             \
		  [(base) + PE_PROTO_TCP] = CLASS(family, "tcp"),       \
		  [(base) + PE_PROTO_UDP] = CLASS(family, "udp"),       \
		  [(base) + PE_PROTO_ICMP] = CLASS(family, "icmp"),     \
		  [(base) + PE_PROTO_ICMPV6] = CLASS(family, "icmpv6"), \
		  [(base) + PE_PROTO_SCTP] = CLASS(family, "sctp"),     \
		  [(base) + PE_PROTO_IGMP] = CLASS(family, "igmp"),     \
		  [(base) + PE_PROTO_GRE] = CLASS(family, "gre"),       \
		  [(base) + PE_PROTO_ESP] = CLASS(family, "esp"),       \
		  [(base) + PE_PROTO_AH] = CLASS(family, "ah"),         \
		  [(base) + PE_PROTO_IPIP] = CLASS(family, "ipip"),     \
		  [(base) + PE_PROTO_IPV6] = CLASS(family, "ipv6")
static const struct pe_span class_label[PE_CLASS_COUNT] = {
	IP_CLASSES(PE_CLASS_IPV4, "ipv4"),
	IP_CLASSES(PE_CLASS_IPV6, "ipv6"),
	[PE_CLASS_ARP] = CLASS("arp", ""),
	[PE_CLASS_OTHER] = CLASS("other", ""),
};

/* offset: in struct pe_count */
static void emit_classes(struct pe_emit *emit)
{
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_row *row = &emit->iface->row[d];

		for (i = 0; i < PE_CLASS_COUNT; i++)
			pe_emit_direction(emit, d, class_label[i],
					  pe_number_at(&row->class[i], emit -> family -> offset));
	}
}

/* Counters of the link itself come without sizes: those packets are in +Inf alone. */
static void emit_packet_size(struct pe_emit *emit)
{
	static const struct pe_span le[PE_SIZE_BUCKETS] = {
		PE_SPAN("le=\"64.0\""),	   PE_SPAN("le=\"128.0\""),   PE_SPAN("le=\"256.0\""),
		PE_SPAN("le=\"512.0\""),   PE_SPAN("le=\"1024.0\""),  PE_SPAN("le=\"2048.0\""),
		PE_SPAN("le=\"4096.0\""),  PE_SPAN("le=\"8192.0\""),  PE_SPAN("le=\"16384.0\""),
		PE_SPAN("le=\"32768.0\""), PE_SPAN("le=\"65536.0\""), PE_SPAN("le=\"+Inf\""),
	};
	size_t d;

	for (d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_row *row = &emit->iface->row[d];
		struct pe_count total = pe_row_total(row);
		struct pe_histogram histogram = {
			.le = le,
			.buckets = row->size,
			.count = PE_SIZE_BUCKETS,
			.observations = total.packets,
			.sum = total.bytes,
		};

		if (emit->iface->departed && total.packets == 0)
			continue;
		pe_emit_label_direction(emit, (unsigned int)d);
		pe_writer_histogram(&emit->writer, &histogram);
	}
}

static void emit_tcp_segments(struct pe_emit *emit)
{
	static const struct pe_span flags[PE_TCP_KINDS] = {
		[PE_TCP_SYN] = PE_SPAN("flag=\"syn\""),
		[PE_TCP_SYNACK] = PE_SPAN("flag=\"synack\""),
		[PE_TCP_FIN] = PE_SPAN("flag=\"fin\""),
		[PE_TCP_RST] = PE_SPAN("flag=\"rst\""),
	};
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++)
		for (i = 0; i < PE_TCP_KINDS; i++)
			pe_emit_direction(emit, d, flags[i], emit->iface->row[d].tcp[i]);
}

/* offset: in struct pe_row */
static void emit_row(struct pe_emit *emit)
{
	size_t d;

	for (d = 0; d < PE_DIRECTIONS; d++)
		pe_emit_direction(emit, d, PE_NO_LABEL,
				  pe_number_at(&emit->iface->row[d], emit->family->offset));
}

/* offset: in struct pe_count */
static void emit_unobserved(struct pe_emit *emit)
{
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++)
		for (i = 0; i < PE_UNOBSERVED_REASONS; i++)
			pe_emit_direction(
				emit, d, pe_unobserved_label[i],
				pe_number_at(&emit->iface->unobserved[d][i], emit->family->offset));
}

/* offset: in struct pe_count */
static void emit_overcounted(struct pe_emit *emit)
{
	size_t d;

	for (d = 0; d < PE_DIRECTIONS; d++)
		pe_emit_direction(emit, d, PE_NO_LABEL,
				  pe_number_at(&emit->iface->overcounted[d], emit->family->offset));
}

static void emit_info(struct pe_emit *emit)
{
	const struct pe_iface_info *info = &emit->iface->info;
	struct pe_writer *writer = &emit->writer;

	if (emit->iface->departed)
		return;
	pe_emit_label_iface(emit);
	pe_strbuf_adds(&writer->labels, ",ifindex=\"");
	pe_strbuf_add_u64(&writer->labels, (uint64_t)info->ifindex);
	pe_strbuf_addc(&writer->labels, '"');
	pe_writer_label(writer, "kind", info->kind);
	pe_writer_label(writer, "master", info->master);
	pe_writer_label(writer, "mode", pe_mode_name(info->mode));
	pe_writer_label(writer, "mode_reason", pe_mode_reason_name(info->mode_reason));
	pe_writer_label(writer, "alias", info->alias);
	pe_writer_label(writer, "altnames", info->altnames);
	pe_writer_value(writer, PE_NO_LABEL, 1);
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
	  .details = "They count as what was recognised until then.",
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
	  .help = "Packets counted above the interface's own counters.",
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
	  .help = "Bytes counted above the interface's own counters.",
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
		     "interface above it, or somebody detached this one), `new` (XDP follows), "
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
