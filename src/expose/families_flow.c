/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families of flows, at every level, but for the largest flows. One thread at a time.
 */
#include "families.h"

static const struct pe_flow_stats no_flows;

/* What is shown of a protocol, or NULL. */
static const struct pe_flow_stats *stats_of(const struct pe_emit *emit, size_t proto)
{
	const struct pe_flow_stats *stats = emit->body->flows.proto[proto];

	return stats || !emit->zeros || !pe_proto_is_usual(proto) ? stats : &no_flows;
}

static void emit_flows(struct pe_emit *emit)
{
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++) {
		for (i = 0; i < PE_PROTO_COUNT; i++) {
			const struct pe_flow_stats *stats = stats_of(emit, i);

			if (stats)
				pe_emit_direction(emit, d, &pe_proto_labels[i], stats->flows[d],
						  emit->zeros && pe_proto_is_usual(i));
		}
	}
}

static void emit_flows_active(struct pe_emit *emit)
{
	if (emit->iface && emit->iface->departed)
		return;
	pe_emit_begin_item(emit);
	pe_emit_number(emit, NULL, emit->body->flows.active);
}

/* One histogram of each protocol. Empty ones are many lines: only the host has them. */
static void emit_histograms(struct pe_emit *emit,
			    struct pe_histogram (*of)(const struct pe_flow_stats *stats))
{
	size_t i;

	for (i = 0; i < PE_PROTO_COUNT; i++) {
		const struct pe_flow_stats *stats = stats_of(emit, i);
		struct pe_histogram histogram;

		if (!stats)
			continue;
		histogram = of(stats);
		if (pe_histogram_total(&histogram) == 0 &&
		    !(pe_emit_is_host(emit) && pe_proto_is_usual(i)))
			continue;
		pe_emit_begin_item(emit);
		pe_emit_histogram(emit, &pe_proto_labels[i], &histogram);
	}
}

static const struct pe_labels duration_le[] = { PE_DURATION_BOUNDS_MS(PE_LE) PE_LE_INF };

static struct pe_histogram duration_of(const struct pe_flow_stats *stats)
{
	return (struct pe_histogram){
		.le = duration_le,
		.buckets = stats->duration,
		.count = PE_DURATION_BUCKETS,
		.sum = { stats->duration_sum_ns, 9 },
	};
}

static void emit_flow_duration(struct pe_emit *emit)
{
	emit_histograms(emit, duration_of);
}

static const struct pe_labels flow_size_le[] = { PE_FLOW_SIZE_BOUNDS(PE_LE) PE_LE_INF };

static struct pe_histogram size_of(const struct pe_flow_stats *stats)
{
	return (struct pe_histogram){
		.le = flow_size_le,
		.buckets = stats->size,
		.count = PE_FLOW_SIZE_BUCKETS,
		.sum = { .number = stats->size_sum_bytes },
	};
}

static void emit_flow_size(struct pe_emit *emit)
{
	emit_histograms(emit, size_of);
}

/* offset: in struct pe_count */
static void emit_flow_lost(struct pe_emit *emit)
{
	size_t d, i;

	for (d = 0; d < PE_DIRECTIONS; d++)
		for (i = 0; i < PE_PROTO_COUNT; i++)
			pe_emit_direction(
				emit, d, &pe_proto_labels[i],
				pe_number_at(&emit->body->row[d].lost[i], emit->family->offset),
				false);
}

static const struct pe_family families[] = {
	{ .name = "flows",
	  .type = PE_COUNTER,
	  .help = "New flows.",
	  .label_names = "direction, protocol",
	  .details = "A flow is one direction of a connection: addresses, ports, protocol. It "
		     "ends after `--flows.idle-timeout` without a packet.",
	  .wants = PE_WANTS_FLOWS,
	  .iface_wants = PE_WANTS_DETAIL,
	  .emit = emit_flows },
	{ .name = "flows_active",
	  .type = PE_GAUGE,
	  .help = "Active flows.",
	  .wants = PE_WANTS_FLOWS,
	  .iface_wants = PE_WANTS_DETAIL,
	  .emit = emit_flows_active },
	{ .name = "flow_duration_seconds",
	  .type = PE_HISTOGRAM,
	  .unit = "seconds",
	  .help = "Duration of ended flows, from the first to the last packet.",
	  .label_names = "protocol",
	  .wants = PE_WANTS_FLOWS,
	  .iface_wants = PE_WANTS_DETAIL,
	  .emit = emit_flow_duration },
	{ .name = "flow_size_bytes",
	  .type = PE_HISTOGRAM,
	  .unit = "bytes",
	  .help = "Size of ended flows.",
	  .label_names = "protocol",
	  .wants = PE_WANTS_FLOWS,
	  .iface_wants = PE_WANTS_DETAIL,
	  .emit = emit_flow_size },
	{ .name = "flow_lost_packets",
	  .type = PE_COUNTER,
	  .help = "Packets whose flow detail was lost; the packet counters include them.",
	  .details = "Only under load.",
	  .label_names = "direction, protocol",
	  .wants = PE_WANTS_FLOWS,
	  .iface_wants = PE_WANTS_DETAIL,
	  .emit = emit_flow_lost,
	  .offset = offsetof(struct pe_count, packets) },
	{ .name = "flow_lost_bytes",
	  .type = PE_COUNTER,
	  .unit = "bytes",
	  .help = "Bytes whose flow detail was lost; the byte counters include them.",
	  .label_names = "direction, protocol",
	  .wants = PE_WANTS_FLOWS,
	  .iface_wants = PE_WANTS_DETAIL,
	  .emit = emit_flow_lost,
	  .offset = offsetof(struct pe_count, bytes) },
};

const struct pe_family_table pe_families_flow = {
	families,
	sizeof(families) / sizeof(families[0]),
};
