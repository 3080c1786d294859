/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a snapshot's parts can do: be shared, be added up, be named.
 *
 * A snapshot is built by one thread and read by many; only its reference count is touched after
 * that, and that is atomic. The rest is plain arithmetic on the caller's data. Any thread.
 */
#include "pe/sample.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <stdlib.h>

#include "pe/arena.h"
#include "pe/clock.h"
#include "pe/identity.h"

int pe_snapshot_new(struct pe_snapshot **ret_snapshot)
{
	struct pe_snapshot *snapshot = calloc(1, sizeof(*snapshot));
	int r;

	if (!snapshot)
		return -ENOMEM;
	snapshot->references = 1;
	r = pe_arena_new(&snapshot->arena);
	if (r < 0) {
		pe_snapshot_unref(snapshot);
		return r;
	}
	*ret_snapshot = snapshot;
	return 0;
}

struct pe_snapshot *pe_snapshot_ref(struct pe_snapshot *snapshot)
{
	__atomic_fetch_add(&snapshot->references, 1, __ATOMIC_RELAXED);
	return snapshot;
}

struct pe_snapshot *pe_snapshot_unref(struct pe_snapshot *snapshot)
{
	if (!snapshot || __atomic_sub_fetch(&snapshot->references, 1, __ATOMIC_ACQ_REL) > 0)
		return NULL;
	for (size_t i = 0; i < snapshot->iface_count; i++)
		pe_identity_unref(snapshot->ifaces[i].identity);
	pe_arena_free(snapshot->arena);
	free(snapshot);
	return NULL;
}

static void to_wall(uint64_t *time_ns, int64_t offset_ns)
{
	if (*time_ns)
		*time_ns = pe_clock_to_wall_ns(*time_ns, offset_ns);
}

void pe_snapshot_to_wall(struct pe_snapshot *snapshot, int64_t offset_ns)
{
	struct pe_self_sample *self = &snapshot->self;

	for (size_t i = 0; i < snapshot->iface_count; i++) {
		struct pe_iface_sample *iface = &snapshot->ifaces[i];

		to_wall(&iface->body.created_ns, offset_ns);
		to_wall(&iface->departed_ns, offset_ns);
		for (size_t n = 0; n < iface->body.flows.top_count; n++)
			to_wall(&iface->body.flows.top[n].since_ns, offset_ns);
	}
	/* The host and what waits are behind the groups. */
	for (size_t i = 0; snapshot->host && i < snapshot->group_count + 2; i++) {
		to_wall(&snapshot->groups[i].body.created_ns, offset_ns);
		to_wall(&snapshot->groups[i].ended_ns, offset_ns);
	}
	to_wall(&snapshot->taken_ns, offset_ns);
	to_wall(&self->created_ns, offset_ns);
	to_wall(&self->process.start_ns, offset_ns);
	to_wall(&self->http.reload_success_ns, offset_ns);
	to_wall(&self->push.last_success_ns, offset_ns);
	for (size_t i = 0; i < self->sink_count; i++)
		to_wall(&self->sinks[i].last_success_ns, offset_ns);
}

/* The arena aligns for fundamental types; one element more leaves room to go on to a line. */
static void *alloc_lines(struct pe_arena *arena, size_t count, size_t size)
{
	const uintptr_t align = alignof(struct pe_series_body);
	uintptr_t raw = (uintptr_t)pe_arena_alloc(arena, count + 1, size);

	return raw ? (void *)((raw + align - 1) & ~(align - 1)) : NULL;
}

int pe_snapshot_alloc_ifaces(struct pe_snapshot *snapshot, size_t count)
{
	snapshot->ifaces = alloc_lines(snapshot->arena, count, sizeof(*snapshot->ifaces));
	if (!snapshot->ifaces)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		snapshot->ifaces[i].info.alias = "";
		snapshot->ifaces[i].info.altnames = "";
	}
	snapshot->iface_count = count;
	return 0;
}

int pe_snapshot_alloc_groups(struct pe_snapshot *snapshot, size_t count)
{
	struct pe_group_sample *groups =
		alloc_lines(snapshot->arena, count + 2, sizeof(*snapshot->groups));

	if (!groups)
		return -ENOMEM;
	for (size_t i = 0; i < count + 2; i++) {
		for (size_t label = 0; label < PE_GROUP_LABELS; label++)
			groups[i].label[label] = "";
	}
	snapshot->groups = groups;
	snapshot->group_count = count;
	snapshot->host = &groups[count];
	snapshot->waiting = &groups[count + 1];
	return 0;
}

void pe_latency_observe(struct pe_latency *latency, uint64_t ns)
{
	static const uint64_t bounds_us[] = { PE_LATENCY_BOUNDS_US(PE_BOUND_NUMBER) };
	size_t i = 0;

	while (i < PE_LATENCY_BUCKETS - 1 && ns > bounds_us[i] * 1000)
		i++;
	latency->bucket[i]++;
	latency->sum_ns += ns;
}

/* Of structures that are nothing but sums of words. */
static void add_words(void *a, const void *b, size_t words)
{
	__u64 *to = a;
	const __u64 *from = b;

	for (size_t i = 0; i < words; i++)
		to[i] += from[i];
}

void pe_row_add(struct pe_row *a, const struct pe_row *b)
{
	add_words(a, b, PE_ROW_WORDS);
}

void pe_tcp_add(struct pe_tcp_counts *a, const struct pe_tcp_counts *b)
{
	add_words(a, b, PE_TCP_WORDS);
}

void pe_tcp_summarize(struct pe_tcp_summary *summary, const struct pe_tcp_counts *more)
{
	const __u64 *connections = more->connections;

	summary->retransmitted += more->retransmitted.packets;
	summary->failed += connections[PE_TCP_UNSENT] + connections[PE_TCP_REFUSED] +
			   connections[PE_TCP_TIMED_OUT] + connections[PE_TCP_FAILED];
	summary->reset += connections[PE_TCP_RESET] + connections[PE_TCP_STALLED];
}

bool pe_tcp_is_zero(const struct pe_tcp_counts *counts)
{
	const __u64 *word = (const __u64 *)counts;
	__u64 any = 0;

	for (size_t i = 0; i < PE_TCP_WORDS; i++)
		any |= word[i];
	return !any;
}

struct pe_count pe_row_total(const struct pe_row *row)
{
	struct pe_count total = { 0 };
	size_t i;

	for (i = 0; i < PE_CLASS_COUNT; i++)
		pe_count_add(&total, &row->class[i]);
	return total;
}

static void flow_stats_add(struct pe_flow_stats *a, const struct pe_flow_stats *b)
{
	size_t i;

	for (i = 0; i < PE_DIRECTIONS; i++)
		a->flows[i] += b->flows[i];
	for (i = 0; i < PE_DURATION_BUCKETS; i++)
		a->duration[i] += b->duration[i];
	a->duration_sum_ns += b->duration_sum_ns;
	for (i = 0; i < PE_FLOW_SIZE_BUCKETS; i++)
		a->size[i] += b->size[i];
	a->size_sum_bytes += b->size_sum_bytes;
}

struct pe_flow_rest *pe_flow_rest_make(struct pe_flow_sample *flows, struct pe_arena *arena)
{
	if (!flows->rest)
		flows->rest = pe_arena_alloc(arena, 1, sizeof(*flows->rest));
	return flows->rest;
}

static void rest_add(struct pe_flow_rest *a, const struct pe_flow_rest *b)
{
	for (size_t d = 0; d < PE_DIRECTIONS; d++)
		for (size_t i = 0; i < PE_PROTO_COUNT; i++)
			pe_count_add(&a->count[d][i], &b->count[d][i]);
}

int pe_flow_sample_add(struct pe_flow_sample *a, const struct pe_flow_sample *b,
		       struct pe_arena *arena)
{
	size_t i;

	/* All memory first, so that a refusal leaves the sums as they were. */
	if ((b->rest || b->top_count > 0) && !pe_flow_rest_make(a, arena))
		return -ENOMEM;
	for (i = 0; i < PE_PROTO_COUNT; i++) {
		if (!b->proto[i] || a->proto[i])
			continue;
		a->proto[i] = pe_arena_alloc(arena, 1, sizeof(*a->proto[i]));
		if (!a->proto[i])
			return -ENOMEM;
	}
	a->active += b->active;
	for (i = 0; i < PE_PROTO_COUNT; i++) {
		if (b->proto[i])
			flow_stats_add(a->proto[i], b->proto[i]);
	}
	if (b->rest)
		rest_add(a->rest, b->rest);
	for (i = 0; i < b->top_count; i++) {
		const struct pe_top_flow *top = &b->top[i];
		enum pe_proto proto = pe_proto_from_ip(top->key.ip_proto);

		pe_count_add(&a->rest->count[PE_FLOW_DIRECTION(top->key.tag)][proto], &top->count);
	}
	return 0;
}

int pe_drop_row_add(struct pe_drop_row **a, const struct pe_drop_row *b, struct pe_arena *arena)
{
	if (!*a)
		*a = pe_arena_alloc(arena, 1, sizeof(**a));
	if (!*a)
		return -ENOMEM;
	add_words((*a)->count, b->count, PE_DIRECTIONS * PE_DROP_REASONS);
	return 0;
}

int pe_dns_row_add(struct pe_dns_row **a, const struct pe_dns_row *b, struct pe_arena *arena)
{
	if (!*a)
		*a = pe_arena_alloc(arena, 1, sizeof(**a));
	if (!*a)
		return -ENOMEM;
	add_words(*a, b, PE_DNS_WORDS);
	return 0;
}

uint64_t pe_drop_row_sum(const struct pe_drop_row *row, const struct pe_drop_reasons *reasons,
			 size_t direction, size_t place)
{
	uint64_t sum = 0;

	for (size_t i = 0; row && i < PE_DROP_REASONS; i++)
		sum += reasons->place[i] == place ? row->count[direction][i] : 0;
	return sum;
}

int pe_series_body_add(struct pe_series_body *a, const struct pe_series_body *b,
		       struct pe_arena *arena)
{
	size_t d, i;
	int r;

	/* All memory first, here as well. */
	if (b->drops && !a->drops) {
		a->drops = pe_arena_alloc(arena, 1, sizeof(*a->drops));
		if (!a->drops)
			return -ENOMEM;
	}
	if (b->dns && !a->dns) {
		a->dns = pe_arena_alloc(arena, 1, sizeof(*a->dns));
		if (!a->dns)
			return -ENOMEM;
	}
	r = pe_flow_sample_add(&a->flows, &b->flows, arena);
	if (r < 0)
		return r;
	if (b->drops)
		(void)pe_drop_row_add(&a->drops, b->drops, arena);
	if (b->dns)
		(void)pe_dns_row_add(&a->dns, b->dns, arena);
	for (d = 0; d < PE_DIRECTIONS; d++) {
		pe_row_add(&a->row[d], &b->row[d]);
		for (i = 0; i < PE_UNOBSERVED_REASONS; i++)
			pe_count_add(&a->unobserved[d][i], &b->unobserved[d][i]);
		pe_count_add(&a->overcounted[d], &b->overcounted[d]);
	}
	return 0;
}

const char *pe_proto_name(enum pe_proto proto)
{
#define NAME(proto, name) [PE_PROTO_##proto] = name,
	static const char *const names[PE_PROTO_COUNT] = { PE_PROTOS(NAME) };
#undef NAME

	return names[proto];
}

enum pe_proto pe_proto_from_ip(uint8_t ip_proto)
{
	/* Asked for each flow record: one load. Numbers that are not named here are 0, other. */
	static const uint8_t by_number[UINT8_MAX + 1] = {
		[IPPROTO_TCP] = PE_PROTO_TCP,	[IPPROTO_UDP] = PE_PROTO_UDP,
		[IPPROTO_ICMP] = PE_PROTO_ICMP, [IPPROTO_ICMPV6] = PE_PROTO_ICMPV6,
		[IPPROTO_SCTP] = PE_PROTO_SCTP, [IPPROTO_IGMP] = PE_PROTO_IGMP,
		[IPPROTO_GRE] = PE_PROTO_GRE,	[IPPROTO_ESP] = PE_PROTO_ESP,
		[IPPROTO_AH] = PE_PROTO_AH,	[IPPROTO_IPIP] = PE_PROTO_IPIP,
		[IPPROTO_IPV6] = PE_PROTO_IPV6,
	};

	_Static_assert(PE_PROTO_OTHER == 0, "the default of by_number");
	return (enum pe_proto)by_number[ip_proto];
}

bool pe_proto_has_ports(enum pe_proto proto)
{
	return proto == PE_PROTO_TCP || proto == PE_PROTO_UDP || proto == PE_PROTO_SCTP;
}

const char *pe_mode_name(enum pe_mode mode)
{
	static const char *const names[PE_MODE_COUNT] = {
		[PE_MODE_NONE] = "none",       [PE_MODE_NATIVE] = "native",
		[PE_MODE_GENERIC] = "generic", [PE_MODE_TRACEPOINT] = "tracepoint",
		[PE_MODE_TCX] = "tcx",
	};

	return names[mode];
}

const char *pe_mode_reason_name(enum pe_mode_reason reason)
{
	static const char *const names[PE_REASON_COUNT] = {
		[PE_REASON_NONE] = "",
		[PE_REASON_BUSY] = "busy",
		[PE_REASON_UPPER] = "upper",
		[PE_REASON_HARDWARE] = "hardware",
		[PE_REASON_GRO] = "gro",
		[PE_REASON_OFFLOAD] = "offload",
		[PE_REASON_KIND] = "kind",
		[PE_REASON_BRIDGE] = "bridge",
		[PE_REASON_NEW] = "new",
		[PE_REASON_LOAD] = "load",
		[PE_REASON_NATIVE_REFUSED] = "native_refused",
		[PE_REASON_REFUSED] = "refused",
		[PE_REASON_NO_SLOT] = "no_slot",
		[PE_REASON_NO_MEMORY] = "no_memory",
	};

	return names[reason];
}

bool pe_snapshot_has_packets(const struct pe_snapshot *snapshot)
{
	uint64_t packets = 0;

	for (size_t d = 0; snapshot->host && d < PE_DIRECTIONS; d++)
		packets += pe_row_total(&snapshot->host->body.row[d]).packets;
	return packets > 0;
}
