/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counters for tests of the registry: tokens that know whether they are held, so that a read after
 * the release, a second release and a token that stays behind are found.
 */
#ifndef PE_TESTS_REGISTRY_SOURCE_H
#define PE_TESTS_REGISTRY_SOURCE_H

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pe/arena.h"
#include "pe/clock.h"
#include "pe/registry.h"

#define TOKENS	     4096
#define SOURCE_PLACE (PE_DROP_REASONS - 1)

static inline uint64_t source_drops(const struct pe_series_body *body)
{
	return body->drops ? body->drops->count[PE_EGRESS][SOURCE_PLACE] : 0;
}

static inline uint64_t source_queries(const struct pe_series_body *body)
{
	return body->dns ? body->dns->of[PE_EGRESS].queries : 0;
}

enum token_state {
	UNUSED,
	HELD,
	RELEASED,
};

static struct source {
	struct token {
		enum token_state rows, flows;
		uint64_t packets; /* ingress; egress has one more for each call of count() */
		uint64_t counts;
		uint64_t flow_count; /* active as well */
		struct pe_top_flow top;
	} token[TOKENS];
} source;

/* The handles of a test's interfaces, by ifindex; NULL where there is none. */
static struct pe_member *held[TOKENS];

static inline void source_reset(void)
{
	memset(&source, 0, sizeof(source));
	memset(held, 0, sizeof(held));
}

/* Gives the handle back. */
static inline int remove_iface(struct pe_registry *registry, int ifindex, uint64_t now_ns)
{
	struct pe_member *member = held[ifindex];

	held[ifindex] = NULL;
	return pe_registry_remove(registry, member, now_ns);
}

/* What had this ifindex before may have departed by itself; its handle is still to be given back.
 */
static inline int add_iface(struct pe_registry *registry, const struct pe_iface_info *info,
			    uint32_t token, uint64_t now_ns)
{
	assert_int_equal(remove_iface(registry, info->ifindex, now_ns), -ENOENT);
	return pe_registry_add(registry, info, token, now_ns, &held[info->ifindex]);
}

static inline int identify_iface(struct pe_registry *registry, int ifindex,
				 struct pe_identity *identity, uint64_t now_ns)
{
	return held[ifindex] ? pe_registry_identify(registry, held[ifindex], identity, now_ns)
			     : pe_registry_identify_departed(registry, ifindex, identity, now_ns);
}

static inline struct token *source_take(uint32_t token)
{
	assert_true(token < TOKENS);
	assert_int_equal(source.token[token].rows, UNUSED);
	source.token[token].rows = HELD;
	source.token[token].flows = HELD;
	return &source.token[token];
}

static inline void source_count(uint32_t token, uint64_t packets)
{
	source.token[token].packets += packets;
	source.token[token].counts++;
}

static inline void source_flows(uint32_t token, uint64_t flows)
{
	source.token[token].flow_count += flows;
	source.token[token].top.count.packets += flows;
	source.token[token].top.key.ip_proto = IPPROTO_TCP;
}

static inline int read_rows(uint32_t token, struct pe_arena *arena, struct pe_series_body *body,
			    void *userdata)
{
	static const struct pe_row zero[PE_DIRECTIONS];
	struct token *t = &source.token[token];
	struct pe_row *ret_row = body->row;

	assert_ptr_equal(userdata, &source);
	assert_int_equal(t->rows, HELD);
	assert_memory_equal(ret_row, zero, sizeof(zero));
	ret_row[PE_INGRESS].class[PE_CLASS_IPV4 + PE_PROTO_TCP].packets =
		__atomic_load_n(&t->packets, __ATOMIC_RELAXED);
	ret_row[PE_INGRESS].class[PE_CLASS_ARP].bytes = t->packets * 100;
	ret_row[PE_EGRESS].class[PE_CLASS_OTHER].packets = t->packets + t->counts;
	ret_row[PE_EGRESS].truncated = t->counts;
	if (t->packets == 0)
		return 0;
	/* One drop and one query for each packet. */
	assert_null(body->drops);
	assert_null(body->dns);
	body->drops = pe_arena_alloc(arena, 1, sizeof(*body->drops));
	body->dns = pe_arena_alloc(arena, 1, sizeof(*body->dns));
	if (!body->drops || !body->dns)
		return -ENOMEM;
	body->drops->count[PE_EGRESS][SOURCE_PLACE] =
		ret_row[PE_INGRESS].class[PE_CLASS_IPV4 + PE_PROTO_TCP].packets;
	body->dns->of[PE_EGRESS].queries = body->drops->count[PE_EGRESS][SOURCE_PLACE];
	return 0;
}

static inline int read_flows(uint32_t token, struct pe_arena *arena, struct pe_series_body *body,
			     void *userdata)
{
	static const struct pe_flow_sample zero;
	struct pe_flow_sample *ret_flows = &body->flows;
	struct token *t = &source.token[token];
	struct pe_flow_stats *stats;

	assert_int_equal(t->flows, HELD);
	assert_memory_equal(ret_flows, &zero, sizeof(zero));
	if (t->flow_count == 0)
		return 0;
	stats = pe_arena_alloc(arena, 1, sizeof(*stats));
	ret_flows->top = pe_arena_alloc(arena, 1, sizeof(*ret_flows->top));
	if (!stats || !ret_flows->top)
		return -ENOMEM;
	stats->flows[PE_INGRESS] = t->flow_count;
	ret_flows->active = t->flow_count;
	ret_flows->proto[PE_PROTO_TCP] = stats;
	ret_flows->top[0] = t->top;
	ret_flows->top_count = 1;
	return 0;
}

static inline void release_rows(uint32_t token, void *userdata)
{
	assert_int_equal(source.token[token].rows, HELD);
	source.token[token].rows = RELEASED;
}

static inline void release_flows(uint32_t token, void *userdata)
{
	assert_int_equal(source.token[token].flows, HELD);
	source.token[token].flows = RELEASED;
}

static const struct pe_counter_source counter_sources[] = {
	{ .read = read_flows, .release = release_flows, .late = true },
	{ .read = read_rows, .release = release_rows },
};

/* Sources are added to the options. */
static inline struct pe_registry *new_registry_with(const struct pe_registry_options *with)
{
	struct pe_registry_options options = *with;
	struct pe_registry *registry;

	options.sources = counter_sources;
	options.source_count = 2;
	options.userdata = &source;
	source_reset();
	assert_int_equal(pe_registry_new(&options, &registry), 0);
	return registry;
}

static inline struct pe_registry *new_registry(uint64_t retention_s, size_t max_departed)
{
	const struct pe_registry_options options = {
		.retention_ns = retention_s * PE_NS_PER_S,
		.max_departed = max_departed,
	};

	return new_registry_with(&options);
}

static inline void assert_all_released(void)
{
	size_t i;

	for (i = 0; i < TOKENS; i++) {
		assert_int_not_equal(source.token[i].rows, HELD);
		assert_int_not_equal(source.token[i].flows, HELD);
	}
}

static inline struct pe_snapshot *collect(struct pe_registry *registry)
{
	struct pe_snapshot *snapshot;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_registry_collect(registry, snapshot), 0);
	return snapshot;
}

/* A new token; 0 stands for none. */
static inline uint32_t take_token(unsigned int token)
{
	if (token == 0)
		return PE_TOKEN_NONE;
	source_take(token);
	return token;
}

static inline void give_token_up(unsigned int token)
{
	if (token > 0) {
		source.token[token].rows = UNUSED;
		source.token[token].flows = UNUSED;
	}
}

#endif
