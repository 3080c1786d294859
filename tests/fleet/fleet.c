/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fleet that writes to one receiver by remote write: the states of many exporters in one process,
 * without a kernel under them.
 *
 *     fleet URL HOSTS INTERFACES WORKLOADS LIFETIME_S INTERVAL_S STATES group|interface
 *
 * Each host has a registry of its own with so many containers' interfaces, of so many workloads;
 * each lives for LIFETIME_S and is then replaced by one of another name, as containers are. Hosts
 * are spread over the interval as exporters are. `group` leaves out what is of one interface.
 * Prints what was sent and what it cost as one JSON object; fails if anything was refused. Series
 * of departed interfaces stay for the five minutes of --departed.retention.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pe/arena.h"
#include "pe/catalogue.h"
#include "pe/clock.h"
#include "pe/memory.h"
#include "pe/registry.h"
#include "pe/remote.h"
#include "pe/table.h"

#include "../../src/deliver/libcurl.h"
#include "../../src/deliver/schedule.h"
#include "../../src/deliver/transfer.h"

#define RETENTION_NS (300 * PE_NS_PER_S)
#define TIMEOUT_NS   (30 * PE_NS_PER_S)
#define MAX_SAMPLES  2000

/* A container's interface. */
struct container {
	struct pe_member *member;
	uint64_t born_ns;
};

struct host {
	char name[32];
	struct pe_registry *registry;
	struct pe_births *births;
	struct container *containers;
	unsigned int next; /* number of the next container */
	uint64_t phase_ns, time_ns, created_ns;
	uint64_t packets; /* received, in the last state that was written */
};

static struct {
	const char *url;
	size_t hosts, interfaces, workloads, states;
	uint64_t lifetime_ns, interval_ns;
	struct pe_family_set left_out;
} fleet;

static struct {
	uint64_t states, requests, samples, bytes, collect_ns, encode_ns, behind_ns;
} sum;

static void die(const char *what)
{
	fprintf(stderr, "fleet: %s\n", what);
	exit(1);
}

/* ---- what interfaces count ---- */

static uint64_t now_ns; /* of the host at hand */

/* Packets, as many a second as its place says, since it was born. */
static uint64_t packets_of(uint32_t token, const struct host *host)
{
	const size_t slot = PE_TOKEN_SLOT(token) - 1;

	return 1 + (now_ns - host->containers[slot].born_ns) / PE_NS_PER_MS * (1 + slot % 50) / 10;
}

static int read_rows(uint32_t token, struct pe_arena *arena, struct pe_series_body *body,
		     void *userdata)
{
	static const unsigned int classes[] = {
		PE_CLASS_IPV4 + PE_PROTO_TCP,
		PE_CLASS_IPV4 + PE_PROTO_UDP,
		PE_CLASS_IPV6 + PE_PROTO_ICMPV6,
		PE_CLASS_ARP,
	};
	const uint64_t packets = packets_of(token, userdata);

	(void)arena;
	for (unsigned int d = 0; d < PE_DIRECTIONS; d++) {
		struct pe_row *row = &body->row[d];

		/* Every third one is as good as idle. */
		for (size_t i = token % 3 ? 0 : 2; i < sizeof(classes) / sizeof(*classes); i++)
			row->class[classes[i]] =
				(struct pe_count){ packets >> i, packets * 700 >> i };
		row->size[3] = packets / 2;
		row->size[5] = packets - packets / 2;
		row->tcp[0] = packets / 10;
	}
	return 0;
}

static int read_flows(uint32_t token, struct pe_arena *arena, struct pe_series_body *body,
		      void *userdata)
{
	static const enum pe_proto protos[] = { PE_PROTO_TCP, PE_PROTO_UDP };
	const uint64_t flows = packets_of(token, userdata) / 100;

	for (size_t i = 0; i < sizeof(protos) / sizeof(*protos); i++) {
		struct pe_flow_stats *stats = pe_arena_alloc(arena, 1, sizeof(*stats));

		if (!stats)
			return -ENOMEM;
		stats->flows[PE_INGRESS] = flows;
		stats->duration[i] = flows;
		stats->size[i] = flows;
		body->flows.proto[protos[i]] = stats;
	}
	return 0;
}

static void release(uint32_t token, void *userdata)
{
	(void)token;
	(void)userdata;
}

/* ---- hosts ---- */

static void start_container(struct host *host, size_t i, uint64_t born_ns)
{
	struct pe_iface_info info = { .ifindex = (int)host->next + 2,
				      .kind = "veth",
				      .master = "docker0" };
	struct container *container = &host->containers[i];
	struct pe_identity names = { .runtime = "docker", .image = "registry.example/shop:1" };
	char workload[48], name[64];
	struct pe_identity *identity;

	snprintf(info.name, sizeof(info.name), "veth%07x", host->next * 40503u);
	snprintf(workload, sizeof(workload), "shop/service-%zu", i % fleet.workloads);
	snprintf(name, sizeof(name), "shop-service-%zu-%u", i % fleet.workloads, host->next++);
	names.workload = workload;
	names.container = name;
	container->born_ns = born_ns;
	if (pe_registry_add(host->registry, &info, PE_TOKEN(i + 1, 1), born_ns,
			    &container->member) < 0 ||
	    pe_identity_new(&names, &identity) < 0 ||
	    pe_registry_identify(host->registry, container->member, identity, born_ns) < 0)
		die("no memory");
	pe_identity_unref(identity);
}

static void start_host(struct host *host, size_t number)
{
	static const struct pe_counter_source sources[] = {
		{ .read = read_flows, .release = release },
		{ .read = read_rows, .release = release },
	};
	const struct pe_registry_options options = {
		.retention_ns = RETENTION_NS,
		.sources = sources,
		.source_count = 2,
		.userdata = host,
		.group_by = PE_GROUP_BY_DEFAULT,
		.max_groups = 1024,
		.identities = true,
	};
	uint32_t hash;

	snprintf(host->name, sizeof(host->name), "host-%04zu", number);
	hash = pe_hash_string(PE_HASH_START, host->name);
	host->phase_ns = pe_schedule_phase_ns(hash, fleet.interval_ns);
	host->containers = calloc(fleet.interfaces, sizeof(*host->containers));
	if (!host->containers || pe_registry_new(&options, &host->registry) < 0 ||
	    pe_births_new(&host->births) < 0)
		die("no memory");
	now_ns = pe_clock_monotonic_ns();
	host->created_ns = now_ns + (uint64_t)pe_clock_wall_offset_ns();
	/* Of all ages. */
	for (size_t i = 0; i < fleet.interfaces; i++)
		start_container(host, i,
				now_ns - fleet.lifetime_ns / fleet.interfaces *
						 (fleet.interfaces - 1 - i));
}

static void stop_host(struct host *host)
{
	pe_registry_free(host->registry);
	pe_births_free(host->births);
	free(host->containers);
}

static void replace_containers(struct host *host)
{
	for (size_t i = 0; i < fleet.interfaces; i++) {
		struct container *container = &host->containers[i];

		if (now_ns - container->born_ns < fleet.lifetime_ns)
			continue;
		pe_registry_remove(host->registry, container->member, now_ns);
		start_container(host, i, now_ns);
	}
	pe_registry_expire(host->registry, now_ns, NULL);
}

static struct pe_snapshot *collect(struct host *host)
{
	struct pe_snapshot *snapshot;

	if (pe_snapshot_new(&snapshot) < 0 || pe_registry_collect(host->registry, snapshot) < 0)
		die("no memory");
	pe_snapshot_to_wall(snapshot, pe_clock_wall_offset_ns());
	snapshot->group_by = PE_GROUP_BY_DEFAULT;
	snapshot->self.created_ns = host->created_ns;
	snapshot->self.identity_enabled = true;
	return snapshot;
}

/* ---- writing ---- */

/* The bodies of a state. */
struct bodies {
	struct pe_strbuf body[256];
	size_t count, samples;
};

static int take(void *userdata, const struct pe_remote_batch *batch)
{
	struct bodies *bodies = userdata;

	if (bodies->count == sizeof(bodies->body) / sizeof(*bodies->body))
		return -EOVERFLOW;
	bodies->samples += batch->samples;
	pe_strbuf_add(&bodies->body[bodies->count], batch->data, batch->len);
	return bodies->body[bodies->count++].error;
}

static void encode(struct host *host, struct pe_snapshot *snapshot, struct pe_births *births,
		   struct bodies *ret_bodies)
{
	const struct pe_remote_label labels[] = { { "job", "fleet" }, { "instance", host->name } };
	const struct pe_remote_options options = {
		.format = PE_REMOTE_WRITE_1,
		.show.left_out = fleet.left_out,
		.labels = labels,
		.label_count = 2,
		.time_ns = now_ns + (uint64_t)pe_clock_wall_offset_ns(),
		.max_samples = MAX_SAMPLES,
		.births = births,
		.zero_ns = host->time_ns ? host->time_ns + PE_NS_PER_MS : host->created_ns,
	};

	*ret_bodies = (struct bodies){ 0 };
	if (births) {
		pe_births_begin(births, false);
		host->time_ns = options.time_ns;
	}
	if (pe_remote_encode(snapshot, &options, take, ret_bodies) < 0)
		die("cannot encode");
}

static void send_bodies(struct pe_transfer *transfer, struct bodies *bodies)
{
	static struct pe_outcome outcome;

	for (size_t i = 0; i < bodies->count; i++) {
		struct pe_strbuf *body = &bodies->body[i];

		if (transfer) {
			pe_transfer_request(transfer, "POST", fleet.url, body,
					    pe_clock_monotonic_ns() + TIMEOUT_NS, &outcome);
			if (outcome.result != PE_SINK_OK)
				die(outcome.reason);
			sum.bytes += body->len;
			sum.requests++;
		}
		pe_strbuf_fini(body);
	}
}

static void write_state(struct host *host, struct pe_transfer *transfer)
{
	static struct bodies bodies;
	const uint64_t begin_ns = pe_clock_cpu_ns();
	struct pe_snapshot *snapshot;
	uint64_t collected_ns;

	now_ns = pe_clock_monotonic_ns();
	replace_containers(host);
	snapshot = collect(host);
	collected_ns = pe_clock_cpu_ns();
	encode(host, snapshot, host->births, &bodies);
	host->packets = pe_row_total(&snapshot->host->body.row[PE_INGRESS]).packets;
	sum.collect_ns += collected_ns - begin_ns;
	sum.encode_ns += pe_clock_cpu_ns() - collected_ns;
	sum.samples += bodies.samples;
	sum.states++;
	pe_snapshot_unref(snapshot);
	send_bodies(transfer, &bodies);
}

static int by_phase(const void *a, const void *b)
{
	const struct host *const *x = a, *const *y = b;

	return ((*x)->phase_ns > (*y)->phase_ns) - ((*x)->phase_ns < (*y)->phase_ns);
}

static void run(struct host *const *hosts, struct pe_transfer *transfer)
{
	const uint64_t start_ns = pe_clock_monotonic_ns();

	for (size_t state = 0; state < fleet.states; state++)
		for (size_t i = 0; i < fleet.hosts; i++) {
			const uint64_t due_ns =
				start_ns + state * fleet.interval_ns + hosts[i]->phase_ns;
			const struct timespec due = { (time_t)(due_ns / PE_NS_PER_S),
						      (long)(due_ns % PE_NS_PER_S) };
			uint64_t late_ns;

			while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
				;
			late_ns = pe_clock_monotonic_ns() - due_ns;
			if (late_ns > sum.behind_ns)
				sum.behind_ns = late_ns;
			write_state(hosts[i], transfer);
		}
}

/* What was sent, and what the receiver must have of the last states. */
static void print(struct host *hosts, double seconds)
{
	static struct bodies bodies;
	size_t series = 0, interfaces = 0, groups = 0;
	uint64_t packets = 0;

	for (size_t i = 0; i < fleet.hosts; i++) {
		struct pe_snapshot *snapshot = collect(&hosts[i]);

		encode(&hosts[i], snapshot, NULL, &bodies);
		series += bodies.samples;
		interfaces += snapshot->iface_count;
		groups += snapshot->group_count;
		packets += hosts[i].packets;
		send_bodies(NULL, &bodies);
		pe_snapshot_unref(snapshot);
	}
	printf("{\"seconds\": %.1f, \"states\": %llu, \"requests\": %llu, \"samples\": %llu, "
	       "\"bytes\": %llu, \"series\": %zu, \"interfaces\": %zu, \"groups\": %zu, "
	       "\"packets\": %llu, \"collect_us\": %.1f, \"encode_us\": %.1f, \"behind_ms\": "
	       "%.0f}\n",
	       seconds, (unsigned long long)sum.states, (unsigned long long)sum.requests,
	       (unsigned long long)sum.samples, (unsigned long long)sum.bytes, series, interfaces,
	       groups, (unsigned long long)packets,
	       (double)sum.collect_ns / (double)sum.states / 1e3,
	       (double)sum.encode_ns / (double)sum.states / 1e3, (double)sum.behind_ns / 1e6);
}

/* ---- all of it ---- */

static void leave_out_interfaces(void)
{
	struct pe_catalogue_entry entry;

	for (size_t i = 0; pe_catalogue_get(i, &entry); i++)
		if (strncmp(entry.labels, "interface", strlen("interface")) == 0)
			fleet.left_out.bit[i / 64] |= UINT64_C(1) << i % 64;
}

static struct pe_transfer *new_transfer(void)
{
	const struct pe_remote_headers *its = pe_remote_headers(PE_REMOTE_WRITE_1);
	static char version[64];
	const char *const headers[] = { version, NULL };
	const struct pe_transfer_options options = {
		.content_type = its->content_type,
		.content_encoding = its->content_encoding,
		.headers = headers,
		.any_2xx = true,
	};
	struct pe_transfer *transfer;
	const char *why = NULL;

	snprintf(version, sizeof(version), "X-Prometheus-Remote-Write-Version: %s", its->version);
	if (pe_libcurl_load(&why) < 0 || pe_remote_load(&why) < 0)
		die(why);
	if (pe_transfer_new(&options, &transfer) < 0)
		die("no memory");
	return transfer;
}

int main(int argc, char **argv)
{
	struct pe_transfer *transfer;
	struct host *hosts, **order;
	uint64_t begin_ns;

	if (argc != 9)
		die("usage: fleet URL HOSTS INTERFACES WORKLOADS LIFETIME_S INTERVAL_S STATES "
		    "group|interface");
	fleet.url = argv[1];
	fleet.hosts = strtoul(argv[2], NULL, 10);
	fleet.interfaces = strtoul(argv[3], NULL, 10);
	fleet.workloads = strtoul(argv[4], NULL, 10);
	fleet.lifetime_ns = strtoul(argv[5], NULL, 10) * PE_NS_PER_S;
	fleet.interval_ns = strtoul(argv[6], NULL, 10) * PE_NS_PER_S;
	fleet.states = strtoul(argv[7], NULL, 10);
	if (!fleet.hosts || !fleet.interfaces || !fleet.workloads || !fleet.interval_ns ||
	    !fleet.states)
		die("a number is missing");
	if (strcmp(argv[8], "group") == 0)
		leave_out_interfaces();
	pe_memory_init();
	transfer = new_transfer();
	hosts = calloc(fleet.hosts, sizeof(*hosts));
	order = calloc(fleet.hosts, sizeof(struct host *));
	if (!hosts || !order)
		die("no memory");
	for (size_t i = 0; i < fleet.hosts; i++) {
		start_host(&hosts[i], i);
		order[i] = &hosts[i];
	}
	qsort(order, fleet.hosts, sizeof(*order), by_phase);
	begin_ns = pe_clock_monotonic_ns();
	run(order, transfer);
	print(hosts, (double)(pe_clock_monotonic_ns() - begin_ns) / 1e9);
	for (size_t i = 0; i < fleet.hosts; i++)
		stop_host(&hosts[i]);
	free(order);
	free(hosts);
	pe_transfer_free(transfer);
	return 0;
}
