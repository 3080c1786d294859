/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Families of the exporter itself. They exist at zero: an alert needs the series before the fault.
 * One thread at a time.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "families.h"

#include <stdio.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const attach_error_values[PE_ATTACH_ERRORS] = {
	[PE_ATTACH_BUSY] = "busy",	     [PE_ATTACH_REFUSED] = "refused",
	[PE_ATTACH_NO_SLOT] = "no_slot",     [PE_ATTACH_VANISHED] = "vanished",
	[PE_ATTACH_NO_MEMORY] = "no_memory",
};
static const struct pe_label_values attach_errors = { "reason", attach_error_values,
						      PE_ATTACH_ERRORS };

static const char *const eviction_values[PE_EVICT_REASONS] = {
	[PE_EVICT_CAPACITY] = "capacity",
	[PE_EVICT_ACTIVE] = "active",
	[PE_EVICT_IDLE] = "idle",
};
static const struct pe_label_values evictions = { "reason", eviction_values, PE_EVICT_REASONS };

static const char *const sandbox_values[PE_SANDBOX_PARTS] = {
	[PE_SANDBOX_CALLS] = "seccomp",
	[PE_SANDBOX_FILES] = "landlock",
};
static const struct pe_label_values sandbox_parts = { "kind", sandbox_values, PE_SANDBOX_PARTS };

static const char *const identity_values[PE_IDENTITY_RESULTS] = {
	[PE_IDENTITY_RESOLVED] = "resolved",	 [PE_IDENTITY_LATE] = "late",
	[PE_IDENTITY_NO_PEER] = "no_peer",	 [PE_IDENTITY_NO_TASK] = "no_task",
	[PE_IDENTITY_LOST_EVENT] = "lost_event",
};
static const struct pe_label_values identity_results = { "result", identity_values,
							 PE_IDENTITY_RESULTS };

static const struct pe_self_sample *begin(struct pe_emit *emit)
{
	pe_emit_begin(emit, emit->snapshot->self.created_ns);
	return &emit->snapshot->self;
}

/* offset: of a uint64_t in struct pe_self_sample, here and below */
static void emit_number(struct pe_emit *emit)
{
	const struct pe_self_sample *self = begin(emit);

	pe_emit_number(emit, NULL, pe_number_at(self, emit->family->offset));
}

/* offset: of an array, one number for each label value */
static void emit_numbers(struct pe_emit *emit)
{
	const struct pe_label_values *values = emit->family->values;
	size_t i;

	for (i = 0; i < values->count; i++) {
		const struct pe_self_sample *self = begin(emit);

		pe_label_set_add(&emit->labels, values->name, values->values[i]);
		pe_emit_number(emit, NULL,
			       pe_number_at(self, emit->family->offset + i * sizeof(uint64_t)));
	}
}

static void emit_modes(struct pe_emit *emit)
{
	unsigned int i;

	for (i = 0; i < PE_MODE_COUNT; i++) {
		uint64_t count = begin(emit)->interfaces_attached[i];

		pe_label_set_add(&emit->labels, "mode", pe_mode_name((enum pe_mode)i));
		pe_emit_number(emit, NULL, count);
	}
}

/* offset: of nanoseconds since the epoch */
static void emit_timestamp(struct pe_emit *emit)
{
	const struct pe_self_sample *self = begin(emit);

	pe_emit_value(
		emit, NULL,
		(struct pe_value){ pe_number_at(self, emit->family->offset), TIMESTAMP_DECIMALS });
}

static const struct pe_labels latency_le[] = { PE_LATENCY_BOUNDS_US(PE_LE) PE_LE_INF };

/* offset: of a struct pe_latency */
static void emit_latency(struct pe_emit *emit)
{
	const char *self = (const char *)begin(emit);
	const struct pe_latency *latency = (const void *)(self + emit->family->offset);

	pe_emit_histogram(emit, NULL,
			  &(struct pe_histogram){
				  .le = latency_le,
				  .buckets = latency->bucket,
				  .count = PE_LATENCY_BUCKETS,
				  .sum = { latency->sum_ns, DURATION_DECIMALS },
			  });
}

static const struct pe_labels identity_le[] = { PE_IDENTITY_BOUNDS_MS(PE_LE) PE_LE_INF };

static void emit_identity_latency(struct pe_emit *emit)
{
	const struct pe_identities_stats *identity = &begin(emit)->identity;

	pe_emit_histogram(emit, NULL,
			  &(struct pe_histogram){
				  .le = identity_le,
				  .buckets = identity->latency,
				  .count = PE_IDENTITY_BUCKETS,
				  .sum = { identity->latency_sum_ns, DURATION_DECIMALS },
			  });
}

/* offset: in struct pe_count */
static void emit_ungrouped(struct pe_emit *emit)
{
	const struct pe_group_sample *waiting = emit->snapshot->waiting;

	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		struct pe_count count = { 0 };

		begin(emit);
		if (waiting)
			count = pe_row_total(&waiting->body.row[d]);
		pe_label_set_add_all(&emit->labels, &pe_direction_labels[d]);
		pe_emit_number(emit, NULL, pe_number_at(&count, emit->family->offset));
	}
}

static void emit_egress(struct pe_emit *emit)
{
	pe_emit_number(emit, NULL, begin(emit)->egress_available);
}

static void emit_reload(struct pe_emit *emit)
{
	pe_emit_number(emit, NULL, begin(emit)->http.reload_successful);
}

static void emit_legacy_refused(struct pe_emit *emit)
{
	pe_emit_number(emit, NULL, begin(emit)->push.reduced);
}

static void emit_code(struct pe_emit *emit, unsigned int code, uint64_t count)
{
	char text[16];

	begin(emit);
	snprintf(text, sizeof(text), "%u", code);
	pe_label_set_add(&emit->labels, "code", text);
	pe_emit_number(emit, NULL, count);
}

static void emit_http_requests(struct pe_emit *emit)
{
	const struct pe_http_sample *http = &emit->snapshot->self.http;
	bool has_ok = false;
	size_t i;

	for (i = 0; i < PE_HTTP_CODES && http->requests[i].code; i++) {
		has_ok |= http->requests[i].code == 200;
		emit_code(emit, http->requests[i].code, http->requests[i].count);
	}
	if (!has_ok)
		emit_code(emit, 200, 0);
}

static void emit_build(struct pe_emit *emit)
{
	begin(emit);
	pe_label_set_add(&emit->labels, "version", PACKAGE_VERSION);
	pe_emit_number(emit, NULL, 1);
}

static void emit_process_cpu(struct pe_emit *emit)
{
	const struct pe_process_sample *process = &emit->snapshot->self.process;

	pe_emit_begin(emit, process->start_ns);
	pe_emit_value(emit, NULL, (struct pe_value){ process->cpu_ns, DURATION_DECIMALS });
}

#define AT(field) offsetof(struct pe_self_sample, field)

static const struct pe_family families[] = {
	{ .name = "packet_exporter_interfaces_attached",
	  .type = PE_GAUGE,
	  .help = "Live interfaces by how their ingress is counted.",
	  .label_names = "mode",
	  .details = "As `mode` of `packet_exporter_interface_mode`.",
	  .emit = emit_modes },
	{ .name = "packet_exporter_attach_seconds",
	  .type = PE_HISTOGRAM,
	  .unit = "seconds",
	  .help = "From the link event to the first hook attached.",
	  .emit = emit_latency,
	  .offset = AT(attach) },
	{ .name = "packet_exporter_attach_errors",
	  .type = PE_COUNTER,
	  .help = "Failed attempts to attach to an interface.",
	  .details = "Reason: `busy` (another XDP program is there), `refused`, `no_slot` "
		     "(`--max-interfaces`), `vanished`, `no_memory`.",
	  .emit = emit_numbers,
	  .offset = AT(attach_errors),
	  .values = &attach_errors },
	{ .name = "packet_exporter_egress_attached",
	  .type = PE_GAUGE,
	  .help = "Whether the egress tracepoint is attached (1), or egress is not counted (0).",
	  .details = "It is 0 with `--egress=off`, or when the kernel refuses.",
	  .emit = emit_egress },
	{ .name = "packet_exporter_netlink_messages",
	  .type = PE_COUNTER,
	  .help = "Link messages received from the kernel.",
	  .emit = emit_number,
	  .offset = AT(netlink_messages) },
	{ .name = "packet_exporter_netlink_invalid_messages",
	  .type = PE_COUNTER,
	  .help = "Link messages that could not be parsed.",
	  .emit = emit_number,
	  .offset = AT(netlink_invalid) },
	{ .name = "packet_exporter_netlink_overruns",
	  .type = PE_COUNTER,
	  .help = "Times the kernel dropped messages because the receive buffer was full.",
	  .details = "See `--netlink.rcvbuf`.",
	  .emit = emit_number,
	  .offset = AT(netlink_overruns) },
	{ .name = "packet_exporter_netlink_resyncs",
	  .type = PE_COUNTER,
	  .help = "Times all links were listed again.",
	  .emit = emit_number,
	  .offset = AT(netlink_resyncs) },
	{ .name = "packet_exporter_early_packets_missed",
	  .type = PE_COUNTER,
	  .help = "Packets of interfaces that were too many to be counted before they were known.",
	  .details = "Up to 128 veths at a time are. The packets of interfaces that live on are in "
		     "`packet_exporter_unobserved_packets_total`, too.",
	  .emit = emit_number,
	  .offset = AT(early_packets_missed) },
	{ .name = "packet_exporter_flow_records",
	  .type = PE_COUNTER,
	  .help = "Flow records that reached a worker.",
	  .wants = PE_WANTS_FLOWS,
	  .emit = emit_number,
	  .offset = AT(flow_records) },
	{ .name = "packet_exporter_flow_records_orphaned",
	  .type = PE_COUNTER,
	  .help = "Flow records of interfaces that are no longer known.",
	  .wants = PE_WANTS_FLOWS,
	  .emit = emit_number,
	  .offset = AT(flow_records_orphaned) },
	{ .name = "packet_exporter_flow_records_lost",
	  .type = PE_COUNTER,
	  .help = "Flow records lost because a ring buffer was full.",
	  .details = "See `--flows.ring-size`.",
	  .wants = PE_WANTS_FLOWS,
	  .emit = emit_number,
	  .offset = AT(flow_records_lost) },
	{ .name = "packet_exporter_flow_bypassed_packets",
	  .type = PE_COUNTER,
	  .help = "Packets without flow detail because the flow cache was busy, or the CPU "
		  "had none yet.",
	  .wants = PE_WANTS_FLOWS,
	  .emit = emit_number,
	  .offset = AT(flow_bypassed_packets) },
	{ .name = "packet_exporter_flow_evictions",
	  .type = PE_COUNTER,
	  .help = "Flows that left the kernel's flow cache.",
	  .details = "Reason: `capacity` (`--flows.cache-size`), `active` (the flow never "
		     "pauses), `idle`.",
	  .wants = PE_WANTS_FLOWS,
	  .emit = emit_numbers,
	  .offset = AT(flow_evictions),
	  .values = &evictions },
	{ .name = "packet_exporter_flow_table_evictions",
	  .type = PE_COUNTER,
	  .help = "Flows ended early because a worker's table was full.",
	  .details = "See `--flows.table-size`.",
	  .wants = PE_WANTS_FLOWS,
	  .emit = emit_number,
	  .offset = AT(flow_table_full) },
	{ .name = "packet_exporter_top_flow_records_dropped",
	  .type = PE_COUNTER,
	  .help = "Records missing from the largest flows because memory allocation failed.",
	  .wants = PE_WANTS_FLOWS,
	  .emit = emit_number,
	  .offset = AT(top_flow_records_dropped) },
	{ .name = "packet_exporter_identity_unresolved",
	  .type = PE_GAUGE,
	  .help = "Veths of which it is not known whose they are.",
	  .wants = PE_WANTS_IDENTITY,
	  .emit = emit_number,
	  .offset = AT(identity.unresolved) },
	{ .name = "packet_exporter_ungrouped_packets",
	  .type = PE_GAUGE,
	  .help = "Packets that are in the host's counters and in no group's yet.",
	  .details = "Their veths wait for their identity. The host's packets are those of all "
		     "groups and these.",
	  .label_names = "direction",
	  .wants = PE_WANTS_IDENTITY,
	  .emit = emit_ungrouped,
	  .offset = offsetof(struct pe_count, packets) },
	{ .name = "packet_exporter_ungrouped_bytes",
	  .type = PE_GAUGE,
	  .unit = "bytes",
	  .help = "Bytes that are in the host's counters and in no group's yet.",
	  .label_names = "direction",
	  .wants = PE_WANTS_IDENTITY,
	  .emit = emit_ungrouped,
	  .offset = offsetof(struct pe_count, bytes) },
	{ .name = "packet_exporter_identity_results",
	  .type = PE_COUNTER,
	  .help = "Veths by how the search for whose they are ended.",
	  .details =
		  "Result: `resolved`, `no_peer` (none, or in this network namespace), `no_task` "
		  "(no process of a container runs behind it), `lost_event` (likewise, while "
		  "events of the kernel were lost); and once more `late` when it is known "
		  "after `--identity.wait`.",
	  .wants = PE_WANTS_IDENTITY,
	  .emit = emit_numbers,
	  .offset = AT(identity.results),
	  .values = &identity_results },
	{ .name = "packet_exporter_identity_seconds",
	  .type = PE_HISTOGRAM,
	  .unit = "seconds",
	  .help = "From the link event until it is known whose a veth is.",
	  .wants = PE_WANTS_IDENTITY,
	  .emit = emit_identity_latency },
	{ .name = "packet_exporter_departed_folded_early",
	  .type = PE_COUNTER,
	  .help = "Departed interfaces whose series ended early because there were too many.",
	  .details = "See `--departed.max`.",
	  .emit = emit_number,
	  .offset = AT(departed_early) },
	{ .name = "packet_exporter_tcp_unplaced_events",
	  .type = PE_COUNTER,
	  .help = "TCP events of network namespaces that were counted for the host alone.",
	  .details = "More namespaces than `--max-interfaces` were active within a second.",
	  .wants = PE_WANTS_TCP,
	  .emit = emit_number,
	  .offset = AT(tcp_unplaced) },
	{ .name = "packet_exporter_kernel_map_bytes",
	  .type = PE_GAUGE,
	  .unit = "bytes",
	  .help = "Kernel memory of the BPF maps.",
	  .emit = emit_number,
	  .offset = AT(kernel_map_bytes) },
	{ .name = "packet_exporter_sandbox_active",
	  .type = PE_GAUGE,
	  .help = "Whether a part of the sandbox is in force (1), or not (0).",
	  .details =
		  "Kind: `seccomp`, `landlock`. It is 0 with `--sandbox=off`, or when the kernel "
		  "lacks it.",
	  .emit = emit_numbers,
	  .offset = AT(sandbox),
	  .values = &sandbox_parts },
	{ .name = "packet_exporter_denied_system_calls",
	  .type = PE_COUNTER,
	  .help = "System calls that the sandbox refused.",
	  .details = "More than 0 is an error of the exporter, or an attack.",
	  .emit = emit_number,
	  .offset = AT(denied_system_calls) },
	{ .name = "packet_exporter_push_requests",
	  .type = PE_COUNTER,
	  .help = "Pushes by result.",
	  .details = "Result: `ok`, `network`, `rejected` (4xx or a redirect), `server` (5xx).",
	  .wants = PE_WANTS_PUSH,
	  .emit = emit_numbers,
	  .offset = AT(push.requests),
	  .values = &pe_sink_results },
	{ .name = "packet_exporter_push_duration_seconds",
	  .type = PE_HISTOGRAM,
	  .unit = "seconds",
	  .help = "Duration of pushes.",
	  .wants = PE_WANTS_PUSH,
	  .emit = emit_latency,
	  .offset = AT(push.duration) },
	{ .name = "packet_exporter_push_last_success_timestamp_seconds",
	  .type = PE_GAUGE,
	  .unit = "seconds",
	  .help = "When a push last succeeded, 0 if never.",
	  .wants = PE_WANTS_PUSH,
	  .emit = emit_timestamp,
	  .offset = AT(push.last_success_ns) },
	{ .name = "packet_exporter_push_legacy_refused",
	  .type = PE_GAUGE,
	  .help = "Whether the gateway refuses what --metrics.legacy adds, so that it is not "
		  "pushed.",
	  .wants = PE_WANTS_PUSH,
	  .emit = emit_legacy_refused },
	{ .name = "packet_exporter_http_requests",
	  .type = PE_COUNTER,
	  .help = "HTTP requests by status code.",
	  .label_names = "code",
	  .emit = emit_http_requests },
	{ .name = "packet_exporter_http_connections_evicted",
	  .type = PE_COUNTER,
	  .help = "HTTP connections closed to make room for new ones.",
	  .details = "The oldest without a request is closed, or the oldest of readers that are "
		     "too slow. See `--web.max-connections`.",
	  .emit = emit_number,
	  .offset = AT(http.connections_evicted) },
	{ .name = "packet_exporter_scrape_duration_seconds",
	  .type = PE_HISTOGRAM,
	  .unit = "seconds",
	  .help = "Time spent building and encoding scrape responses.",
	  .emit = emit_latency,
	  .offset = AT(http.scrape_duration) },
	{ .name = "packet_exporter_config_last_reload_successful",
	  .type = PE_GAUGE,
	  .help = "Whether the last reload of the web configuration succeeded.",
	  .details = "See `--web.config.file`.",
	  .emit = emit_reload },
	{ .name = "packet_exporter_config_last_reload_success_timestamp_seconds",
	  .type = PE_GAUGE,
	  .unit = "seconds",
	  .help = "When the web configuration was last reloaded successfully.",
	  .emit = emit_timestamp,
	  .offset = AT(http.reload_success_ns) },
	{ .name = "packet_exporter_build",
	  .type = PE_INFO,
	  .help = "The running version.",
	  .label_names = "version",
	  .emit = emit_build },
	{ .name = "process_cpu_seconds",
	  .type = PE_COUNTER,
	  .unit = "seconds",
	  .help = "Total user and system CPU time spent in seconds.",
	  .wants = PE_WANTS_PROCESS,
	  .emit = emit_process_cpu },
	{ .name = "process_resident_memory_bytes",
	  .type = PE_GAUGE,
	  .unit = "bytes",
	  .help = "Resident memory size in bytes.",
	  .wants = PE_WANTS_PROCESS,
	  .emit = emit_number,
	  .offset = AT(process.resident_bytes) },
	{ .name = "process_virtual_memory_bytes",
	  .type = PE_GAUGE,
	  .unit = "bytes",
	  .help = "Virtual memory size in bytes.",
	  .wants = PE_WANTS_PROCESS,
	  .emit = emit_number,
	  .offset = AT(process.virtual_bytes) },
	{ .name = "process_open_fds",
	  .type = PE_GAUGE,
	  .help = "Number of open file descriptors.",
	  .wants = PE_WANTS_PROCESS,
	  .emit = emit_number,
	  .offset = AT(process.open_fds) },
	{ .name = "process_max_fds",
	  .type = PE_GAUGE,
	  .help = "Maximum number of open file descriptors.",
	  .wants = PE_WANTS_PROCESS,
	  .emit = emit_number,
	  .offset = AT(process.max_fds) },
	{ .name = "process_threads",
	  .type = PE_GAUGE,
	  .help = "Number of threads.",
	  .wants = PE_WANTS_PROCESS,
	  .emit = emit_number,
	  .offset = AT(process.threads) },
	{ .name = "process_start_time_seconds",
	  .type = PE_GAUGE,
	  .unit = "seconds",
	  .help = "Start time of the process since unix epoch in seconds.",
	  .wants = PE_WANTS_PROCESS,
	  .emit = emit_timestamp,
	  .offset = AT(process.start_ns) },
};

const struct pe_family_table pe_families_self = { families, COUNT(families) };
