/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See health.h. Each check is a function that looks at one thing. */
#include "health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pe/clock.h"

/* A success is late after so many intervals, and what a slow peer may take. */
#define LATE_INTERVALS 3
#define LATE_NS	       (60 * PE_NS_PER_S)

__attribute__((format(printf, 3, 4))) static void say(struct pe_health_check *check,
						      enum pe_health_level level, const char *fmt,
						      ...)
{
	va_list args;

	check->level = level;
	va_start(args, fmt);
	vsnprintf(check->text, sizeof(check->text), fmt, args);
	va_end(args);
}

static uint64_t failed_requests(const struct pe_sink_sample *sink)
{
	uint64_t failed = 0;

	for (size_t i = 0; i < PE_SINK_RESULTS; i++)
		failed += i == PE_SINK_OK ? 0 : sink->requests[i];
	return failed;
}

/* Since its last success. */
static uint64_t age_of(const struct pe_snapshot *snapshot, const struct pe_sink_sample *sink)
{
	return snapshot->taken_ns > sink->last_success_ns
		       ? snapshot->taken_ns - sink->last_success_ns
		       : 0;
}

static bool is_late(const struct pe_snapshot *snapshot, const struct pe_sink_sample *sink)
{
	return age_of(snapshot, sink) / LATE_INTERVALS >
	       sink->interval_ns + LATE_NS / LATE_INTERVALS;
}

static void check_push(const struct pe_snapshot *snapshot, struct pe_health_check *check)
{
	const struct pe_sink_sample *push = &snapshot->self.push;
	const uint64_t failed = failed_requests(push), age_ns = age_of(snapshot, push);

	if (!push->enabled) {
		say(check, PE_HEALTH_OK, "off");
		return;
	}
	if (!push->last_success_ns) {
		say(check, failed ? PE_HEALTH_BAD : PE_HEALTH_OK,
		    "never succeeded, %" PRIu64 " failed", failed);
		return;
	}
	say(check,
	    is_late(snapshot, push) ? PE_HEALTH_BAD
	    : push->reduced	    ? PE_HEALTH_NOTE
				    : PE_HEALTH_OK,
	    "last succeeded %" PRIu64 " s ago, %" PRIu64 " failed%s", age_ns / PE_NS_PER_S, failed,
	    push->reduced ? ", without the legacy metrics" : "");
}

/* Receivers of time series, all together: their addresses are in the metrics. */
static void check_sinks(const struct pe_snapshot *snapshot, struct pe_health_check *check)
{
	uint64_t late = 0, failed = 0, waiting = 0, lost = 0;

	for (size_t i = 0; i < snapshot->self.sink_count; i++) {
		const struct pe_sink_sample *sink = &snapshot->self.sinks[i];
		const uint64_t its = failed_requests(sink);

		late += sink->last_success_ns ? is_late(snapshot, sink) : its > 0;
		failed += its;
		waiting += sink->pending_samples;
		lost += sink->samples[PE_SINK_SAMPLE_REJECTED] +
			sink->samples[PE_SINK_SAMPLE_EXPIRED] +
			sink->samples[PE_SINK_SAMPLE_CORRUPT];
	}
	if (snapshot->self.sink_count == 0)
		say(check, PE_HEALTH_OK, "none");
	else
		say(check,
		    late   ? PE_HEALTH_BAD
		    : lost ? PE_HEALTH_NOTE
			   : PE_HEALTH_OK,
		    "%" PRIu64 " of %zu late, %" PRIu64 " requests failed, %" PRIu64
		    " samples wait, %" PRIu64 " lost",
		    late, snapshot->self.sink_count, failed, waiting, lost);
}

static void check_netlink(const struct pe_snapshot *snapshot, struct pe_health_check *check)
{
	const struct pe_self_sample *self = &snapshot->self;

	if (self->netlink_overruns + self->netlink_invalid == 0)
		say(check, PE_HEALTH_OK, "%" PRIu64 " messages", self->netlink_messages);
	else
		say(check, PE_HEALTH_NOTE,
		    "%" PRIu64 " overruns and %" PRIu64 " invalid of %" PRIu64
		    " messages; read again %" PRIu64 " times",
		    self->netlink_overruns, self->netlink_invalid, self->netlink_messages,
		    self->netlink_resyncs);
}

static void check_flows(const struct pe_snapshot *snapshot, struct pe_health_check *check)
{
	const struct pe_self_sample *self = &snapshot->self;
	const uint64_t lost = self->flow_records_lost;

	if (lost + self->flow_table_full + self->flow_bypassed_packets == 0)
		say(check, PE_HEALTH_OK, "nothing lost of %" PRIu64 " records", self->flow_records);
	else
		say(check, PE_HEALTH_NOTE,
		    "%" PRIu64 " of %" PRIu64 " records lost, %" PRIu64
		    " flows ended early, %" PRIu64 " packets bypassed",
		    lost, lost + self->flow_records, self->flow_table_full,
		    self->flow_bypassed_packets);
}

/* Interfaces whose ingress nothing counts and nothing is about to; *ret_hidden has those of a kind
 * of which nothing can be seen. */
static uint64_t count_uncounted(const struct pe_snapshot *snapshot, uint64_t *ret_hidden)
{
	uint64_t uncounted = 0, hidden = 0;

	for (size_t i = 0; i < snapshot->iface_count; i++) {
		const struct pe_iface_sample *iface = &snapshot->ifaces[i];
		const enum pe_mode_reason reason = iface->info.mode_reason;

		if (iface->departed || iface->info.mode != PE_MODE_NONE)
			continue;
		hidden += reason == PE_REASON_KIND;
		uncounted += reason != PE_REASON_KIND && reason != PE_REASON_NEW;
	}
	*ret_hidden = hidden;
	return uncounted;
}

static void check_counting(const struct pe_snapshot *snapshot, struct pe_health_check *check)
{
	uint64_t hidden, lost = 0, over = 0, before = 0;
	const uint64_t uncounted = count_uncounted(snapshot, &hidden);
	const uint64_t missed = snapshot->self.early_packets_missed;

	for (size_t d = 0; snapshot->host && d < PE_DIRECTIONS; d++) {
		lost += snapshot->host->body.unobserved[d][PE_UNOBSERVED_LOST].packets;
		before += snapshot->host->body.unobserved[d][PE_UNOBSERVED_BEFORE_ATTACH].packets;
		over += snapshot->host->body.overcounted[d].packets;
	}
	if (uncounted + hidden + lost + over + missed == 0)
		say(check, PE_HEALTH_OK,
		    before ? "all interfaces, every packet; %" PRIu64
			     " came before they were counted"
			   : "all interfaces, every packet",
		    before);
	else
		say(check, uncounted ? PE_HEALTH_BAD : PE_HEALTH_NOTE,
		    "%" PRIu64 " interfaces not counted, %" PRIu64
		    " of a kind that cannot be; %" PRIu64 " packets unobserved, %" PRIu64
		    " overcounted, %" PRIu64 " early ones missed",
		    uncounted, hidden, lost, over, missed);
}

static void check_egress(const struct pe_snapshot *snapshot, struct pe_health_check *check)
{
	if (snapshot->self.egress_available)
		say(check, PE_HEALTH_OK, "counted");
	else
		say(check, PE_HEALTH_NOTE, "not counted");
}

/* Whether this is where groups beyond --group.max go. */
static bool is_other(const struct pe_group_sample *group, unsigned int group_by)
{
	unsigned int named = PE_GROUP_WORKLOAD;

	if (!(group_by & PE_GROUP_BIT(PE_GROUP_WORKLOAD))) {
		for (unsigned int label = 0; label < PE_GROUP_LABELS; label++) {
			if (group_by & PE_GROUP_BIT(label))
				named = label;
		}
	}
	for (unsigned int label = 0; label < PE_GROUP_LABELS; label++) {
		if (strcmp(group->label[label], label == named ? PE_GROUP_OTHER : "") != 0)
			return false;
	}
	return true;
}

static bool has_other_group(const struct pe_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->group_count; i++) {
		if (is_other(&snapshot->groups[i], snapshot->group_by))
			return true;
	}
	return false;
}

static void check_limits(const struct pe_snapshot *snapshot, struct pe_health_check *check)
{
	const struct pe_self_sample *self = &snapshot->self;
	const uint64_t no_slot = self->attach_errors[PE_ATTACH_NO_SLOT];
	const bool other = has_other_group(snapshot);

	if (no_slot + self->departed_early + self->http.connections_evicted == 0 && !other)
		say(check, PE_HEALTH_OK, "none reached");
	else
		say(check, PE_HEALTH_NOTE,
		    "%" PRIu64 " interfaces beyond --max-interfaces, %" PRIu64
		    " series ended early, %" PRIu64 " connections cut off%s",
		    no_slot, self->departed_early, self->http.connections_evicted,
		    other ? ", groups beyond --group.max" : "");
}

static void check_process(const struct pe_snapshot *snapshot, struct pe_health_check *check)
{
	const struct pe_self_sample *self = &snapshot->self;

	/* Of --once there is none. */
	if (!self->http.reload_successful && self->http.reload_success_ns)
		say(check, PE_HEALTH_BAD, "the web configuration could not be read again");
	else if (self->denied_system_calls)
		say(check, PE_HEALTH_NOTE, "the sandbox refused %" PRIu64 " system calls",
		    self->denied_system_calls);
	else
		say(check, PE_HEALTH_OK, "%.1f MB, %" PRIu64 " threads",
		    (double)self->process.resident_bytes / 1e6, self->process.threads);
}

static const struct {
	const char *name;
	void (*check)(const struct pe_snapshot *snapshot, struct pe_health_check *check);
} checks[PE_HEALTH_CHECKS] = {
	{ "counting", check_counting }, { "egress", check_egress },   { "flows", check_flows },
	{ "netlink", check_netlink },	{ "push", check_push },	      { "sinks", check_sinks },
	{ "limits", check_limits },	{ "process", check_process },
};

enum pe_health_level pe_health(const struct pe_snapshot *snapshot,
			       struct pe_health_check ret_checks[PE_HEALTH_CHECKS])
{
	enum pe_health_level worst = PE_HEALTH_OK;

	for (size_t i = 0; i < PE_HEALTH_CHECKS; i++) {
		ret_checks[i].name = checks[i].name;
		checks[i].check(snapshot, &ret_checks[i]);
		if (ret_checks[i].level > worst)
			worst = ret_checks[i].level;
	}
	return worst;
}

const char *pe_health_level_name(enum pe_health_level level)
{
	static const char *const names[] = { "ok", "note", "bad" };

	return names[level];
}
