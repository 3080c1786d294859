/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A deterministic snapshot in which nothing is zero: hostile names, numbers above 2^53, flows, top
 * flows whose labels coincide, groups, identities. For tests and benchmarks of the encoder.
 */
#ifndef PE_TESTS_SNAPSHOT_FIXTURE_H
#define PE_TESTS_SNAPSHOT_FIXTURE_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/arena.h"
#include "pe/clock.h"
#include "pe/sample.h"

#define FIXTURE_START_NS (UINT64_C(1700000000) * PE_NS_PER_S + 123456789)
#define FIXTURE_TOP	 8

struct fixture {
	uint64_t state;
	struct pe_snapshot *snapshot;
	bool hostile; /* names, and departed interfaces in between */
};

/* splitmix64; sums of some thousands of these do not overflow */
static inline uint64_t fixture_number(struct fixture *fixture)
{
	uint64_t z = fixture->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return 1 + (z >> (z & 1 ? 10 : 36));
}

static inline void fixture_numbers(struct fixture *fixture, void *array, size_t bytes)
{
	char *at = array, *end = at + bytes;

	for (; at < end; at += sizeof(uint64_t)) {
		uint64_t number = fixture_number(fixture);

		memcpy(at, &number, sizeof(number));
	}
}

static inline void *fixture_alloc(struct fixture *fixture, size_t count, size_t size)
{
	void *memory = pe_arena_alloc(fixture->snapshot->arena, count, size);

	if (!memory)
		abort();
	return memory;
}

static inline void fixture_name(const struct fixture *fixture, size_t i, char *ret_name)
{
	static const char *const hostile[10] = {
		"veth0",       "q\"%zx",   "b\\%zx",
		"x\xff%zx",    "x\xfe%zx", "x\xef\xbf\xbd%zx",
		"\xc3\xa9%zx", "{%zx}",	   "\xed\xa0\x80%zx",
		"veth9",
	};
	size_t kind = i % 10;

	if (!fixture->hostile || kind == 0 || kind == 9) {
		snprintf(ret_name, IFNAMSIZ, "veth%08zx", i & 0xffffffff);
	} else {
		char number[8];
		const char *percent = strchr(hostile[kind], '%');

		snprintf(number, sizeof(number), "%zx", i / 10 & 0xffffff);
		snprintf(ret_name, IFNAMSIZ, "%.*s%s%s", (int)(percent - hostile[kind]),
			 hostile[kind], number, percent + 3);
	}
}

static inline void fixture_info(const struct fixture *fixture, size_t i, struct pe_iface_info *info)
{
	info->ifindex = (int)i + 2;
	info->mode = (enum pe_mode)(i % PE_MODE_COUNT);
	fixture_name(fixture, i, info->name);
	strcpy(info->kind, "veth");
	strcpy(info->master, "docker0");
	if (fixture->hostile && i % 2) {
		info->alias = "line\nbreak \"quoted\" back\\slash \xf4\x90\x80\x80 end\\";
		info->altnames = "enp1s0,\xff\\,quote\"d";
		strcpy(info->master, "m\xff\"\\");
		snprintf(info->kind, sizeof(info->kind), "%s", i % 4 == 1 ? "" : "k\xc3");
	}
}

static inline void fixture_top_flow(struct fixture *fixture, size_t i, struct pe_top_flow *top)
{
	static const uint8_t ip_protos[FIXTURE_TOP] = {
		IPPROTO_TCP,	IPPROTO_UDP,  IPPROTO_ICMP, IPPROTO_ICMP,
		IPPROTO_ICMPV6, IPPROTO_SCTP, 88,	    89,
	};
	/* Those next to each other differ only in what no label shows. */
	const uint8_t host = (uint8_t)(ip_protos[i] == IPPROTO_ICMP || i >= 6 ? 77 : i);
	const bool ipv6 = i == 1 || i == 4;

	top->key.ip_proto = ip_protos[i];
	top->key.tag = PE_FLOW_TAG(3, ipv6, host == 77 ? PE_INGRESS : i % 2);
	if (ipv6) {
		inet_pton(AF_INET6, "2001:db8::1:0:0", top->key.saddr);
		inet_pton(AF_INET6, "::ffff:192.0.2.9", top->key.daddr);
	} else {
		memcpy(top->key.saddr, (uint8_t[]){ 192, 0, 2, host }, 4);
		memcpy(top->key.daddr, (uint8_t[]){ 198, 51, 100, 7 }, 4);
	}
	top->key.sport = htons((uint16_t)(1000 + i));
	top->key.dport = htons((uint16_t)(60000 + i));
	top->count.packets = fixture_number(fixture);
	top->count.bytes = fixture_number(fixture);
	top->since_ns = FIXTURE_START_NS + i * PE_NS_PER_S;
}

static inline void fixture_flows(struct fixture *fixture, struct pe_flow_sample *flows)
{
	size_t i;

	flows->active = fixture_number(fixture);
	for (i = 0; i < PE_PROTO_COUNT; i++) {
		flows->proto[i] = fixture_alloc(fixture, 1, sizeof(*flows->proto[i]));
		fixture_numbers(fixture, flows->proto[i], sizeof(*flows->proto[i]));
	}
	flows->rest = fixture_alloc(fixture, 1, sizeof(*flows->rest));
	fixture_numbers(fixture, flows->rest, sizeof(*flows->rest));
	if (!fixture->snapshot->top_flows)
		return;
	flows->top_count = FIXTURE_TOP;
	flows->top = fixture_alloc(fixture, FIXTURE_TOP, sizeof(*flows->top));
	for (i = 0; i < FIXTURE_TOP; i++)
		fixture_top_flow(fixture, i, &flows->top[i]);
}

static inline int fixture_compare(const void *a, const void *b)
{
	const struct pe_iface_sample *x = a, *y = b;

	return strcmp(x->info.name, y->info.name);
}

static inline void fixture_body(struct fixture *fixture, struct pe_series_body *body)
{
	fixture_numbers(fixture, body->row, sizeof(body->row));
	fixture_numbers(fixture, body->unobserved, sizeof(body->unobserved));
	fixture_numbers(fixture, body->overcounted, sizeof(body->overcounted));
	fixture_flows(fixture, &body->flows);
	body->drops = fixture_alloc(fixture, 1, sizeof(*body->drops));
	for (size_t i = 0; i < PE_DROP_REASONS; i++) {
		body->drops->count[PE_INGRESS][i] = 1 + i;
		body->drops->count[PE_EGRESS][i] = 100 + i;
	}
	body->dns = fixture_alloc(fixture, 1, sizeof(*body->dns));
	fixture_numbers(fixture, body->dns, sizeof(*body->dns));
}

/* Some places have no reason yet, and one has that of another. */
static inline void fixture_reasons(struct pe_snapshot *snapshot)
{
	struct pe_drop_reasons *reasons = &snapshot->drop_reasons;

	reasons->counted = true;
	for (size_t i = 0; i < PE_DROP_REASONS; i++)
		reasons->place[i] = (uint8_t)i;
	reasons->name[0] = "other";
	reasons->name[1] = "no_socket";
	reasons->name[2] = "netfilter_drop";
	reasons->place[3] = 1;
}

static inline void fixture_group(struct fixture *fixture, struct pe_group_sample *group)
{
	group->interfaces = fixture_number(fixture);
	group->arrived = fixture_number(fixture);
	group->departed = fixture_number(fixture);
	fixture_body(fixture, &group->body);
	group->body.flows.top_count = 0;
	group->body.tcp = fixture_alloc(fixture, 1, sizeof(*group->body.tcp));
	fixture_numbers(fixture, group->body.tcp, sizeof(*group->body.tcp));
}

#define FIXTURE_GROUPS 5

/* Some have no label but their kind. */
static inline void fixture_groups(struct fixture *fixture)
{
	static const char *const labels[FIXTURE_GROUPS][4] = {
		{ "", "", "", "" },
		{ "veth", "", "", "" },
		{ "veth", "docker0", "", "shop/web" },
		{ "veth", "m\xff\"\\", "line\nbreak", "\xed\xa0\x80\"" },
		{ "\xff", "cni0", "prod", "api" },
	};
	struct pe_snapshot *snapshot = fixture->snapshot;
	size_t i;

	if (pe_snapshot_alloc_groups(snapshot, FIXTURE_GROUPS) < 0)
		abort();
	snapshot->group_by = PE_GROUP_BY_DEFAULT;
	for (i = 0; i < FIXTURE_GROUPS; i++) {
		struct pe_group_sample *group = &snapshot->groups[i];

		fixture_group(fixture, group);
		group->id = i + 1;
		group->body.created_ns = FIXTURE_START_NS + i;
		group->label[PE_GROUP_KIND] = labels[i][0];
		group->label[PE_GROUP_MASTER] = labels[i][1];
		group->label[PE_GROUP_NAMESPACE] = labels[i][2];
		group->label[PE_GROUP_WORKLOAD] = labels[i][3];
	}
	fixture_group(fixture, snapshot->host);
	snapshot->host->body.created_ns = FIXTURE_START_NS;
}

/* The snapshot gives the reference back. */
static inline struct pe_identity *fixture_identity(const struct fixture *fixture, size_t i)
{
	static const struct pe_identity plain = {
		.container = "shop-web-1",
		.pod = "web-5d4f8c7b9-x2x7q",
		.namespace = "prod",
		.workload = "shop/web",
		.image = "registry.example/shop/web:1.2",
		.runtime = "docker",
		.container_id = "0123456789ab",
		.pod_uid = "11111111-2222-3333-4444-555555555555",
	}, hostile = {
		.container = "a \"name\"\nwith\\all",
		.pod = "\xff\xfe",
		.namespace = "\xef\xbf\xbd",
		.workload = "\xed\xa0\x80",
		.image = "}{,=\"",
		.runtime = "podman",
		.container_id = "",
		.pod_uid = "",
	};

	struct pe_identity *identity;

	if (i % 3 == 2)
		return NULL;
	if (pe_identity_new(fixture->hostile && i % 3 == 1 ? &hostile : &plain, &identity) < 0)
		abort();
	return identity;
}

static inline void fixture_self(struct fixture *fixture)
{
	static const unsigned int codes[PE_HTTP_CODES] = { 200, 404, 405, 503 };
	struct pe_self_sample *self = &fixture->snapshot->self;
	size_t i;

	fixture_numbers(fixture, self->interfaces_attached, sizeof(self->interfaces_attached));
	fixture_numbers(fixture, &self->attach, sizeof(self->attach));
	fixture_numbers(fixture, self->attach_errors, sizeof(self->attach_errors));
	self->egress_available = true;
	fixture_numbers(fixture, &self->netlink_messages,
			offsetof(struct pe_self_sample, http) -
				offsetof(struct pe_self_sample, netlink_messages));
	for (i = 0; codes[i]; i++) {
		self->http.requests[i].code = codes[i];
		self->http.requests[i].count = fixture_number(fixture);
	}
	fixture_numbers(fixture, &self->http.scrape_duration, sizeof(self->http.scrape_duration));
	self->push.enabled = true;
	self->identity_enabled = true;
	fixture_numbers(fixture, self->push.requests, sizeof(self->push.requests));
	fixture_numbers(fixture, &self->push.duration, sizeof(self->push.duration));
	self->push.last_success_ns = FIXTURE_START_NS + 5 * PE_NS_PER_MS;
	self->sink_count = 2;
	for (i = 0; i < self->sink_count; i++) {
		struct pe_sink_sample *sink = &self->sinks[i];

		sink->url = i ? "https://…@mimir/api/v1/push"
			      : "http://localhost:9090/api/v1/write";
		fixture_numbers(fixture, sink->requests, sizeof(sink->requests));
		fixture_numbers(fixture, &sink->duration, sizeof(sink->duration));
		fixture_numbers(fixture, sink->samples, sizeof(sink->samples));
		sink->pending_samples = 2000;
		sink->pending_bytes = 40000;
		sink->oldest_ns = sink->last_success_ns = FIXTURE_START_NS;
	}
	fixture_numbers(fixture, &self->process, sizeof(self->process));
}

/*
 * `count` interfaces with every counter set; without any, the exporter's own numbers are zero too.
 * `top` adds top flows, `hostile` names that need escaping and departed interfaces. Aborts when
 * memory is refused. The caller owns the snapshot.
 */
static inline struct pe_snapshot *fixture_snapshot(size_t count, bool top, bool hostile)
{
	struct fixture fixture = { .state = 42, .hostile = hostile };
	struct pe_snapshot *snapshot;
	size_t i;

	if (pe_snapshot_new(&snapshot) < 0 || pe_snapshot_alloc_ifaces(snapshot, count) < 0)
		abort();
	fixture.snapshot = snapshot;
	snapshot->taken_ns = FIXTURE_START_NS + 60 * PE_NS_PER_S;
	snapshot->top_flows = top;
	snapshot->tcp = true;
	snapshot->overflows = true;
	snapshot->dns = true;
	snapshot->self.created_ns = FIXTURE_START_NS;
	snapshot->self.process.start_ns = FIXTURE_START_NS;
	for (i = 0; i < count; i++) {
		struct pe_iface_sample *iface = &snapshot->ifaces[i];

		fixture_info(&fixture, i, &iface->info);
		iface->departed = hostile && i % 7 == 6;
		for (size_t d = 0; d < PE_DIRECTIONS; d++) {
			iface->dropped[d] = 1 + i + d;
			iface->errors[d] = 3 + i + d;
		}
		iface->has_tcp = true;
		iface->tcp = (struct pe_tcp_summary){ 5 + i, 6 + i, 7 + i };
		iface->body.created_ns = FIXTURE_START_NS + i * PE_NS_PER_MS;
		fixture_body(&fixture, &iface->body);
		iface->identity = fixture_identity(&fixture, i);
	}
	qsort(snapshot->ifaces, count, sizeof(*snapshot->ifaces), fixture_compare);
	if (count > 0) {
		fixture_reasons(snapshot);
		fixture_groups(&fixture);
		fixture_self(&fixture);
		snapshot->self.process.start_ns = FIXTURE_START_NS;
	}
	return snapshot;
}

#endif
