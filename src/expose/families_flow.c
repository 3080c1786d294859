/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families of an interface's flows, but for the largest ones. One thread at a time.
 */
#include "families.h"

static void emit_flows(struct pe_emit *emit)
{
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++) {
		for (i = 0; i < PE_PROTO_COUNT; i++) {
			const struct pe_flow_stats *stats = emit->iface->flows.proto[i];

			if (stats)
				pe_emit_direction(emit, d, pe_proto_label[i], stats->flows[d]);
		}
	}
}

static void emit_flows_active(struct pe_emit *emit)
{
	if (emit->iface->departed)
		return;
	pe_emit_label_iface(emit);
	pe_writer_value(&emit->writer, PE_NO_LABEL, emit->iface->flows.active);
}

static void emit_flow_histogram(struct pe_emit *emit, size_t proto,
				const struct pe_histogram *histogram)
{
	if (pe_histogram_total(histogram) == 0)
		return;
	pe_emit_label_iface(emit);
	pe_writer_label_text(&emit->writer, pe_proto_label[proto].data, pe_proto_label[proto].len);
	pe_writer_histogram(&emit->writer, histogram);
}

static void emit_flow_duration(struct pe_emit *emit)
{
	static const struct pe_span le[PE_DURATION_BUCKETS] = {
		PE_SPAN("le=\"0.01\""),	 PE_SPAN("le=\"0.05\""),   PE_SPAN("le=\"0.1\""),
		PE_SPAN("le=\"0.5\""),	 PE_SPAN("le=\"1.0\""),	   PE_SPAN("le=\"5.0\""),
		PE_SPAN("le=\"10.0\""),	 PE_SPAN("le=\"30.0\""),   PE_SPAN("le=\"60.0\""),
		PE_SPAN("le=\"300.0\""), PE_SPAN("le=\"1800.0\""), PE_SPAN("le=\"+Inf\""),
	};
	size_t i;

	for (i = 0; i < PE_PROTO_COUNT; i++) {
		const struct pe_flow_stats *stats = emit->iface->flows.proto[i];

		if (stats)
			emit_flow_histogram(emit, i,
					    &(struct pe_histogram){
						    .le = le,
						    .buckets = stats->duration,
						    .count = PE_DURATION_BUCKETS,
						    .sum = stats->duration_sum_ns,
						    .sum_is_ns = true,
					    });
	}
}

/* The bounds are written as Prometheus itself writes such numbers: an exponent from a million up.
 */
static void emit_flow_size(struct pe_emit *emit)
{
	static const struct pe_span le[PE_FLOW_SIZE_BUCKETS] = {
		PE_SPAN("le=\"256.0\""),	  PE_SPAN("le=\"1024.0\""),
		PE_SPAN("le=\"4096.0\""),	  PE_SPAN("le=\"16384.0\""),
		PE_SPAN("le=\"65536.0\""),	  PE_SPAN("le=\"262144.0\""),
		PE_SPAN("le=\"1.048576e+06\""),	  PE_SPAN("le=\"4.194304e+06\""),
		PE_SPAN("le=\"1.6777216e+07\""),  PE_SPAN("le=\"6.7108864e+07\""),
		PE_SPAN("le=\"2.68435456e+08\""), PE_SPAN("le=\"1.073741824e+09\""),
		PE_SPAN("le=\"+Inf\""),
	};
	size_t i;

	for (i = 0; i < PE_PROTO_COUNT; i++) {
		const struct pe_flow_stats *stats = emit->iface->flows.proto[i];

		if (stats)
			emit_flow_histogram(emit, i,
					    &(struct pe_histogram){
						    .le = le,
						    .buckets = stats->size,
						    .count = PE_FLOW_SIZE_BUCKETS,
						    .sum = stats->size_sum_bytes,
					    });
	}
}

/* offset: in struct pe_count */
static void emit_flow_lost(struct pe_emit *emit)
{
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++)
		for (i = 0; i < PE_PROTO_COUNT; i++)
			pe_emit_direction(
				emit, d, pe_proto_label[i],
				pe_number_at(&emit->iface->row[d].lost[i], emit->family->offset));
}

static const struct pe_family families[] = {
	{ .section = "Flows",
	  .name = "packet_exporter_flows",
	  .type = PE_COUNTER,
	  .help = "Flows seen for the first time.",
	  .label_names = "interface, direction, protocol",
	  .details = "A flow is one direction of a connection: addresses, ports, protocol. It "
		     "ends after `--flows.idle-timeout` without a packet.",
	  .per_iface = true,
	  .emit = emit_flows },
	{ .name = "packet_exporter_flows_active",
	  .type = PE_GAUGE,
	  .help = "Flows that have not ended.",
	  .label_names = "interface",
	  .per_iface = true,
	  .emit = emit_flows_active },
	{ .name = "packet_exporter_flow_duration_seconds",
	  .type = PE_HISTOGRAM,
	  .unit = "seconds",
	  .help = "From the first to the last packet of flows that ended.",
	  .label_names = "interface, protocol",
	  .per_iface = true,
	  .emit = emit_flow_duration },
	{ .name = "packet_exporter_flow_size_bytes",
	  .type = PE_HISTOGRAM,
	  .unit = "bytes",
	  .help = "Bytes of flows that ended.",
	  .label_names = "interface, protocol",
	  .per_iface = true,
	  .emit = emit_flow_size },
	{ .name = "packet_exporter_flow_lost_packets",
	  .type = PE_COUNTER,
	  .help = "Packets whose flow detail was lost; they are in packets all the same.",
	  .details = "That happens under load alone.",
	  .label_names = "interface, direction, protocol",
	  .per_iface = true,
	  .emit = emit_flow_lost,
	  .offset = offsetof(struct pe_count, packets) },
	{ .name = "packet_exporter_flow_lost_bytes",
	  .type = PE_COUNTER,
	  .unit = "bytes",
	  .help = "Bytes whose flow detail was lost; they are in bytes all the same.",
	  .label_names = "interface, direction, protocol",
	  .per_iface = true,
	  .emit = emit_flow_lost,
	  .offset = offsetof(struct pe_count, bytes) },
};

const struct pe_family_table pe_families_flow = {
	families,
	sizeof(families) / sizeof(families[0]),
};
