/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a snapshot of 1,000 interfaces takes whose containers are known and are in 200 groups,
 * beside one of as many interfaces in one group, without containers.
 *
 * Both registries read the same counters, which are those of a container's interface. Their
 * snapshots alternate, and medians of the CPU time are printed, one JSON object a line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/arena.h"
#include "pe/clock.h"
#include "pe/memory.h"
#include "pe/registry.h"

#include "bench.h"

#define INTERFACES 1000
#define GROUPS	   200
#define ROUNDS	   201

/* ---- counters ---- */

static int read_flows(uint32_t token, struct pe_arena *arena, struct pe_series_body *body,
		      void *userdata)
{
	static const enum pe_proto protos[] = { PE_PROTO_TCP, PE_PROTO_UDP, PE_PROTO_ICMP };

	(void)userdata;
	for (size_t i = 0; i < sizeof(protos) / sizeof(*protos); i++) {
		struct pe_flow_stats *stats = pe_arena_alloc(arena, 1, sizeof(*stats));

		if (!stats)
			return -ENOMEM;
		stats->flows[PE_INGRESS] = token;
		stats->duration[i] = token;
		stats->size[i] = token;
		body->flows.proto[protos[i]] = stats;
	}
	body->flows.active = token;
	return 0;
}

static int read_rows(uint32_t token, struct pe_arena *arena, struct pe_series_body *body,
		     void *userdata)
{
	(void)arena;
	(void)userdata;
	for (unsigned int i = 0; i < PE_DIRECTIONS; i++) {
		struct pe_row *row = &body->row[i];

		row->class[PE_CLASS_IPV4 + PE_PROTO_TCP] = (struct pe_count){ token, token };
		row->class[PE_CLASS_IPV4 + PE_PROTO_UDP] = (struct pe_count){ token, token };
		row->class[PE_CLASS_ARP] = (struct pe_count){ token, token };
	}
	return 0;
}

static void release(uint32_t token, void *userdata)
{
	(void)token;
	(void)userdata;
}

/* ---- registries ---- */

static void add(struct pe_registry *registry, unsigned int number, bool known)
{
	struct pe_iface_info info = { .ifindex = (int)number + 1, .kind = "veth", .master = "br0" };
	const struct pe_identity names = { .container = info.name, .runtime = "docker" };
	char workload[64];
	struct pe_identity who = names, *identity;
	struct pe_member *member;

	snprintf(info.name, sizeof(info.name), "veth%07x", number * 40503u);
	if (pe_registry_add(registry, &info, PE_TOKEN(number + 1, 1), 1, &member) < 0)
		abort();
	if (!known)
		return;
	snprintf(workload, sizeof(workload), "shop/service-%u", number % GROUPS);
	who.workload = workload;
	who.image = "registry.example/shop/service:1.2.3";
	if (pe_identity_new(&who, &identity) < 0 ||
	    pe_registry_identify(registry, member, identity, 2) < 0)
		abort();
	pe_identity_unref(identity);
}

static struct pe_registry *make_registry(bool known)
{
	static const struct pe_counter_source sources[] = {
		{ .read = read_flows, .release = release, .late = true },
		{ .read = read_rows, .release = release },
	};
	const struct pe_registry_options options = {
		.retention_ns = 60 * PE_NS_PER_S,
		.sources = sources,
		.source_count = 2,
		.group_by = PE_GROUP_BY_DEFAULT,
		.max_groups = 1024,
		.identities = known,
	};
	struct pe_registry *registry;

	if (pe_registry_new(&options, &registry) < 0)
		abort();
	for (unsigned int i = 0; i < INTERFACES; i++)
		add(registry, i, known);
	return registry;
}

static size_t non_empty_groups(const struct pe_snapshot *snapshot)
{
	size_t count = 0;

	for (size_t i = 0; i < snapshot->group_count; i++)
		count += snapshot->groups[i].interfaces > 0;
	return count;
}

/* As pe_sources_snapshot() makes one, without what is the same in any case. */
static double take(struct pe_registry *registry, size_t groups)
{
	uint64_t begin_ns = pe_clock_cpu_ns(), end_ns;
	struct pe_snapshot *snapshot;

	if (pe_snapshot_new(&snapshot) < 0 || pe_registry_collect(registry, snapshot) < 0)
		abort();
	pe_snapshot_to_wall(snapshot, pe_clock_wall_offset_ns());
	end_ns = pe_clock_cpu_ns();
	if (snapshot->iface_count != INTERFACES || non_empty_groups(snapshot) != groups ||
	    pe_row_total(&snapshot->host->body.row[PE_INGRESS]).packets == 0)
		abort();
	begin_ns += pe_clock_cpu_ns() - end_ns;
	pe_snapshot_unref(snapshot);
	return (double)(pe_clock_cpu_ns() - begin_ns);
}

int main(void)
{
	static double groups_ns[ROUNDS], one_ns[ROUNDS];
	const size_t rounds = bench_quick() ? ROUNDS / 10 : ROUNDS;
	struct pe_registry *groups, *one;

	/* As the daemon: what a snapshot needed goes back to the kernel. */
	pe_memory_init();
	groups = make_registry(true);
	one = make_registry(false);
	for (size_t i = 0; i < rounds; i++) {
		groups_ns[i] = take(groups, GROUPS);
		one_ns[i] = take(one, 1);
	}
	bench_print((struct bench_figure){ "a snapshot of 1,000 interfaces in 200 groups",
					   bench_median(groups_ns, rounds) / PE_NS_PER_MS, "ms",
					   bench_median(one_ns, rounds) / PE_NS_PER_MS,
					   "in one group, without containers", "no longer" });
	pe_registry_free(groups);
	pe_registry_free(one);
	return 0;
}
