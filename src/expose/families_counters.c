/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families of what is counted exactly, at every level. A zero series is left out, except for those
 * of which an alert or an increase() needs the beginning. One thread at a time.
 */
#include "families.h"

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

static bool is_usual_class(size_t class)
{
	switch (class) {
	case PE_CLASS_IPV4 + PE_PROTO_TCP:
	case PE_CLASS_IPV4 + PE_PROTO_UDP:
	case PE_CLASS_IPV4 + PE_PROTO_ICMP:
	case PE_CLASS_IPV6 + PE_PROTO_TCP:
	case PE_CLASS_IPV6 + PE_PROTO_UDP:
	case PE_CLASS_IPV6 + PE_PROTO_ICMPV6:
		return true;
	default:
		return false;
	}
}

/* offset: in struct pe_count */
static void emit_classes(struct pe_emit *emit)
{
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_row *row = &emit->body->row[d];

		for (i = 0; i < PE_CLASS_COUNT; i++)
			pe_emit_direction(emit, d, &class_labels[i],
					  pe_number_at(&row->class[i], emit -> family -> offset),
					  emit->zeros && is_usual_class(i));
	}
}

static const struct pe_labels packet_size_le[] = { PE_SIZE_BOUNDS(PE_LE) PE_LE_INF };

/* Counters of the link itself come without sizes: those packets are in +Inf alone. */
static void emit_packet_size(struct pe_emit *emit)
{
	const bool empty = pe_emit_is_host(emit) || (emit->iface && !emit->iface->departed);
	size_t d;

	for (d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_row *row = &emit->body->row[d];
		struct pe_count total = pe_row_total(row);
		struct pe_histogram histogram = {
			.le = packet_size_le,
			.buckets = row->size,
			.count = PE_SIZE_BUCKETS,
			.observations = total.packets,
			.sum = { .number = total.bytes },
		};

		if (total.packets == 0 && !empty)
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
			pe_emit_direction(emit, d, &flags[i], emit->body->row[d].tcp[i],
					  pe_emit_is_host(emit));
}

/* offset: in struct pe_row */
static void emit_row(struct pe_emit *emit)
{
	size_t d;

	for (d = 0; d < PE_DIRECTIONS; d++)
		pe_emit_direction(emit, d, NULL,
				  pe_number_at(&emit->body->row[d], emit->family->offset),
				  pe_emit_is_host(emit));
}

/* offset: in struct pe_count */
static void emit_unobserved(struct pe_emit *emit)
{
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++)
		for (i = 0; i < PE_UNOBSERVED_REASONS; i++)
			pe_emit_direction(
				emit, d, &pe_unobserved_labels[i],
				pe_number_at(&emit->body->unobserved[d][i], emit->family->offset),
				pe_emit_is_host(emit));
}

/* offset: in struct pe_count */
static void emit_overcounted(struct pe_emit *emit)
{
	size_t d;

	for (d = 0; d < PE_DIRECTIONS; d++)
		pe_emit_direction(emit, d, NULL,
				  pe_number_at(&emit->body->overcounted[d], emit->family->offset),
				  pe_emit_is_host(emit));
}

/* Those that are usual have a place from the beginning: theirs begin at zero. */
static void emit_drops(struct pe_emit *emit)
{
	const struct pe_drop_reasons *reasons = &emit->snapshot->drop_reasons;

	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		for (size_t i = 0; i < PE_DROP_REASONS; i++) {
			const uint64_t packets = pe_drop_row_sum(emit->body->drops, reasons, d, i);

			if (!reasons->name[i] || (packets == 0 && !pe_emit_is_host(emit)))
				continue;
			pe_emit_begin_direction(emit, (unsigned int)d);
			pe_label_set_add(&emit->labels, "reason", reasons->name[i]);
			emit->labelled = -1;
			pe_emit_number(emit, NULL, packets);
		}
	}
}

static const struct pe_family families[] = {
	{ .name = "packets",
	  .type = PE_COUNTER,
	  .help = "Packets by direction as an interface sees it, family and protocol.",
	  .label_names = "direction, family, protocol",
	  .details = "Family: `ipv4`, `ipv6`, `arp`, `other`. Protocol of IP: `tcp`, `udp`, "
		     "`icmp`, `icmpv6`, `sctp`, `igmp`, `gre`, `esp`, `ah`, `ipip`, `ipv6`, "
		     "`other`; empty for what is not IP.",
	  .emit = emit_classes,
	  .offset = offsetof(struct pe_count, packets) },
	{ .name = "bytes",
	  .type = PE_COUNTER,
	  .unit = "bytes",
	  .help = "Bytes, link header included, by direction, family and protocol.",
	  .label_names = "direction, family, protocol",
	  .details = "As the interfaces' own counters have them.",
	  .emit = emit_classes,
	  .offset = offsetof(struct pe_count, bytes) },
	{ .name = "packet_size_bytes",
	  .type = PE_HISTOGRAM,
	  .unit = "bytes",
	  .help = "Sizes of packets, link header included.",
	  .label_names = "direction",
	  .details = "Buckets from 64 to 65536 bytes in powers of two.",
	  .iface_wants = PE_WANTS_DETAIL,
	  .emit = emit_packet_size },
	{ .name = "tcp_segments",
	  .type = PE_COUNTER,
	  .help = "TCP segments that open, close or reset a connection.",
	  .label_names = "direction, flag",
	  .details = "Flag: `syn`, `synack`, `fin`, `rst`.",
	  .iface_wants = PE_WANTS_DETAIL,
	  .emit = emit_tcp_segments },
	{ .name = "fragments",
	  .type = PE_COUNTER,
	  .help = "IP fragments.",
	  .label_names = "direction",
	  .iface_wants = PE_WANTS_DETAIL,
	  .emit = emit_row,
	  .offset = offsetof(struct pe_row, fragments) },
	{ .name = "vlan_packets",
	  .type = PE_COUNTER,
	  .help = "Packets with a VLAN tag.",
	  .label_names = "direction",
	  .iface_wants = PE_WANTS_DETAIL,
	  .emit = emit_row,
	  .offset = offsetof(struct pe_row, vlan) },
	{ .name = "truncated_packets",
	  .type = PE_COUNTER,
	  .help = "Packets that ended inside a header.",
	  .label_names = "direction",
	  .details = "They are counted by what was parsed until then.",
	  .iface_wants = PE_WANTS_DETAIL,
	  .emit = emit_row,
	  .offset = offsetof(struct pe_row, truncated) },
	{ .name = "unobserved_packets",
	  .type = PE_COUNTER,
	  .help = "Packets that passed interfaces without being observed.",
	  .label_names = "direction, reason",
	  .details = "The kernel counted them, this exporter did not see them. Reason: "
		     "`before_attach`, or `lost` later.",
	  .emit = emit_unobserved,
	  .offset = offsetof(struct pe_count, packets) },
	{ .name = "unobserved_bytes",
	  .type = PE_COUNTER,
	  .unit = "bytes",
	  .help = "Bytes that passed interfaces without being observed.",
	  .label_names = "direction, reason",
	  .emit = emit_unobserved,
	  .offset = offsetof(struct pe_count, bytes) },
	{ .name = "drops",
	  .type = PE_COUNTER,
	  .help = "Packets that the kernel dropped, by direction and its reason.",
	  .label_names = "direction, reason",
	  .details = "Ingress: the interface had received it, and not yet sent it on; otherwise "
		     "egress. Reason: as the kernel's `enum skb_drop_reason`, in small letters "
		     "(`netfilter_drop`, `no_socket`), or one of its subsystems (`openvswitch`); "
		     "`not_specified` where the kernel's code names none. The first 24 that the "
		     "host meets, with those that are usual, and 8 that come later, from their "
		     "thousandth packet on; else `other`. Before Linux 5.17 the "
		     "protocol: `ipv4`, `ipv6`, `arp`, `other`. The host also has packets of "
		     "interfaces that are not counted, and those without an interface.",
	  .wants = PE_WANTS_DROPS,
	  .emit = emit_drops },
	{ .name = "overcounted_packets",
	  .type = PE_COUNTER,
	  .help = "Packets counted in excess of the interfaces' own counters.",
	  .label_names = "direction",
	  .details = "The kernel did not count them: they were handed to an interface in a "
		     "way that leaves no mark, or its driver refused them. Observed and "
		     "unobserved less overcounted are the kernel's own counters.",
	  .emit = emit_overcounted,
	  .offset = offsetof(struct pe_count, packets) },
	{ .name = "overcounted_bytes",
	  .type = PE_COUNTER,
	  .unit = "bytes",
	  .help = "Bytes counted in excess of the interfaces' own counters.",
	  .label_names = "direction",
	  .emit = emit_overcounted,
	  .offset = offsetof(struct pe_count, bytes) },
};

const struct pe_family_table pe_families_counters = {
	families,
	sizeof(families) / sizeof(families[0]),
};
