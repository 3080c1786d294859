/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families of TCP connections, of the host and of groups. The usual outcomes exist at zero: an
 * alert needs the series before the fault. One thread at a time.
 */
#include "families.h"

static const struct pe_tcp_counts nothing;

static const struct pe_tcp_counts *counts_of(const struct pe_emit *emit)
{
	return emit->body->tcp ? emit->body->tcp : &nothing;
}

#define OUTCOME(outcome, name) [PE_TCP_##outcome] = PE_LABELS("outcome", name),
static const struct pe_labels outcome_labels[PE_TCP_OUTCOMES] = { PE_TCP_OUTCOMES_X(OUTCOME) };

/* As the socket sees it: of a container that is not the direction of its interface on the host. */
static const struct pe_labels direction_labels[PE_DIRECTIONS] = {
	[PE_INGRESS] = PE_LABELS("direction", "received"),
	[PE_EGRESS] = PE_LABELS("direction", "sent"),
};

static bool is_usual(size_t outcome)
{
	switch (outcome) {
	case PE_TCP_OPENED:
	case PE_TCP_ACCEPTED:
	case PE_TCP_REFUSED:
	case PE_TCP_TIMED_OUT:
	case PE_TCP_RESET:
		return true;
	default:
		return false;
	}
}

static void emit_connections(struct pe_emit *emit)
{
	const struct pe_tcp_counts *counts = counts_of(emit);

	for (size_t i = 0; i < PE_TCP_OUTCOMES; i++) {
		if (!counts->connections[i] && !pe_emit_is_host(emit) && !is_usual(i))
			continue;
		pe_emit_begin_item(emit);
		pe_emit_number(emit, &outcome_labels[i], counts->connections[i]);
	}
}

/* offset: in struct pe_count */
static void emit_retransmitted(struct pe_emit *emit)
{
	pe_emit_begin_item(emit);
	pe_emit_number(emit, NULL,
		       pe_number_at(&counts_of(emit)->retransmitted, emit->family->offset));
}

static void emit_resets(struct pe_emit *emit)
{
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		if (!counts_of(emit)->resets[d] && !pe_emit_is_host(emit))
			continue;
		pe_emit_begin_item(emit);
		pe_emit_number(emit, &direction_labels[d], counts_of(emit)->resets[d]);
	}
}

/* Empty ones are many lines: only the host has them. */
static void emit_histogram(struct pe_emit *emit, const struct pe_labels *more,
			   struct pe_histogram histogram)
{
	if (pe_histogram_total(&histogram) == 0 && !pe_emit_is_host(emit))
		return;
	pe_emit_begin_item(emit);
	pe_emit_histogram(emit, more, &histogram);
}

static void emit_overflows(struct pe_emit *emit)
{
	pe_emit_begin_item(emit);
	pe_emit_number(emit, NULL, counts_of(emit)->overflows);
}

static const struct pe_labels rtt_le[] = { PE_TCP_RTT_BOUNDS_US(PE_LE) PE_LE_INF };

static void emit_rtt(struct pe_emit *emit)
{
	const struct pe_tcp_counts *counts = counts_of(emit);

	emit_histogram(emit, NULL,
		       (struct pe_histogram){
			       .le = rtt_le,
			       .buckets = counts->rtt,
			       .count = PE_TCP_RTT_BUCKETS,
			       .sum = { counts->rtt_sum_us, 6 },
		       });
}

static const struct pe_labels duration_le[] = { PE_TCP_DURATION_BOUNDS_MS(PE_LE) PE_LE_INF };

static void emit_duration(struct pe_emit *emit)
{
	const struct pe_tcp_counts *counts = counts_of(emit);

	emit_histogram(emit, NULL,
		       (struct pe_histogram){
			       .le = duration_le,
			       .buckets = counts->duration,
			       .count = PE_TCP_DURATION_BUCKETS,
			       .sum = { counts->duration_sum_ns, DURATION_DECIMALS },
		       });
}

static const struct pe_labels bytes_le[] = { PE_TCP_BYTES_BOUNDS(PE_LE) PE_LE_INF };

static void emit_bytes(struct pe_emit *emit)
{
	const struct pe_tcp_counts *counts = counts_of(emit);

	for (size_t d = 0; d < PE_DIRECTIONS; d++)
		emit_histogram(emit, &direction_labels[d],
			       (struct pe_histogram){
				       .le = bytes_le,
				       .buckets = counts->bytes[d],
				       .count = PE_TCP_BYTES_BUCKETS,
				       .sum = { .number = counts->bytes_sum[d] },
			       });
}

static void emit_unmeasured(struct pe_emit *emit)
{
	const uint64_t unmeasured = counts_of(emit)->unmeasured;

	if (!unmeasured && !pe_emit_is_host(emit))
		return;
	pe_emit_begin_item(emit);
	pe_emit_number(emit, NULL, unmeasured);
}

static const struct pe_family families[] = {
	{ .name = "tcp_connections",
	  .type = PE_COUNTER,
	  .help = "TCP connections by how they began or ended.",
	  .label_names = "outcome",
	  .details =
		  "Of the sockets of network namespaces, whatever their interfaces: at the host "
		  "all, "
		  "of a group those of its containers. A connection begins as `opened` or "
		  "`accepted`, and ends, while it opens, as `unsent` (no port or route was free), "
		  "`refused` (reset, or port unreachable), `timed_out` (no answer), `failed` (any "
		  "other error) or `abandoned` (closed by who opened it); later as `reset` (by "
		  "either "
		  "end), `stalled` (no answer until the kernel gave up) or `closed`. In "
		  "/proc/net/snmp ActiveOpens is opened less unsent, PassiveOpens accepted, "
		  "EstabResets reset and stalled, and AttemptFails refused, timed_out and failed, "
		  "besides requests that a listener dropped.",
	  .wants = PE_WANTS_TCP,
	  .emit = emit_connections },
	{ .name = "tcp_retransmitted_segments",
	  .type = PE_COUNTER,
	  .help = "TCP segments that were sent again.",
	  .details = "RetransSegs of /proc/net/snmp, but for those that could not be sent "
		     "(TCPRetransFail).",
	  .wants = PE_WANTS_TCP,
	  .emit = emit_retransmitted,
	  .offset = offsetof(struct pe_count, packets) },
	{ .name = "tcp_retransmitted_bytes",
	  .type = PE_COUNTER,
	  .unit = "bytes",
	  .help = "Payload of TCP segments that were sent again.",
	  .wants = PE_WANTS_TCP,
	  .emit = emit_retransmitted,
	  .offset = offsetof(struct pe_count, bytes) },
	{ .name = "tcp_resets",
	  .type = PE_COUNTER,
	  .help = "TCP resets that sockets received for a connection, and that were sent.",
	  .label_names = "direction",
	  .details = "Direction: `received`, `sent`, by the socket. Those sent are OutRsts of "
		     "/proc/net/snmp; before Linux 6.10 without those that answer what is for no "
		     "socket.",
	  .wants = PE_WANTS_TCP,
	  .emit = emit_resets },
	{ .name = "tcp_listen_overflows",
	  .type = PE_COUNTER,
	  .help = "TCP connections that were not accepted because a listening socket's queue was "
		  "full.",
	  .details = "ListenOverflows of /proc/net/netstat: each SYN, and each end of a handshake, "
		     "for which `listen()`'s backlog had no room. Read every second, with many "
		     "CPUs and namespaces in turn. What a namespace had before its first event "
		     "that the exporter saw is not in it. Absent where the kernel's BTF has no "
		     "name of that counter, and with more than 512 possible CPUs.",
	  .wants = PE_WANTS_TCP | PE_WANTS_OVERFLOWS,
	  .emit = emit_overflows },
	{ .name = "tcp_rtt_seconds",
	  .type = PE_HISTOGRAM,
	  .unit = "seconds",
	  .help = "Smoothed round-trip time of established TCP connections when they ended.",
	  .details = "Buckets from 0.1 to 250 ms. Of connections that measured one.",
	  .wants = PE_WANTS_TCP,
	  .emit = emit_rtt },
	{ .name = "tcp_connection_duration_seconds",
	  .type = PE_HISTOGRAM,
	  .unit = "seconds",
	  .help = "Duration of established TCP connections when they ended.",
	  .details =
		  "From the SYN, or of accepted ones from the end of the handshake. Buckets from "
		  "10 ms to 30 minutes.",
	  .wants = PE_WANTS_TCP,
	  .emit = emit_duration },
	{ .name = "tcp_connection_size_bytes",
	  .type = PE_HISTOGRAM,
	  .unit = "bytes",
	  .help = "Payload of established TCP connections when they ended, each byte once.",
	  .label_names = "direction",
	  .details = "Buckets from 1 KiB to 64 MiB.",
	  .wants = PE_WANTS_TCP,
	  .emit = emit_bytes },
	{ .name = "tcp_unmeasured_connections",
	  .type = PE_COUNTER,
	  .help = "TCP connections that ended without a duration.",
	  .details = "They began before the exporter did, or so long ago that newer ones needed "
		     "their place: 65,536 are remembered.",
	  .wants = PE_WANTS_TCP,
	  .emit = emit_unmeasured },
};

const struct pe_family_table pe_families_tcp = {
	families,
	sizeof(families) / sizeof(families[0]),
};
