/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See snapshot.h. */
#include "snapshot.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pe/arena.h"
#include "pe/cleanup.h"
#include "pe/clock.h"

#include "sandbox.h"

#define URL_MAX 1024 /* of what is shown of it */

static uint64_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t count = 0;

	if (!dir)
		return 0;
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (entry->d_name[0] != '.')
			count++;
	}
	closedir(dir);
	return count - 1; /* the one that reads */
}

/* Fields of /proc/self/stat behind the command, which may hold anything: proc_pid_stat(5). */
static void read_stat(struct pe_process_sample *process)
{
	char line[1024], *rest;
	unsigned long threads = 0, size = 0, pages = 0;
	FILE *file = fopen("/proc/self/stat", "re");

	if (!file)
		return;
	if (fgets(line, sizeof(line), file) && (rest = strrchr(line, ')')) &&
	    sscanf(rest,
		   ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %lu %*d "
		   "%*u %lu %lu",
		   &threads, &size, &pages) == 3) {
		process->threads = threads;
		process->virtual_bytes = size;
		process->resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	}
	fclose(file);
}

static void sample_process(struct pe_process_sample *process, uint64_t start_ns)
{
	struct rlimit files;

	read_stat(process);
	process->cpu_ns = pe_clock_cpu_ns();
	process->open_fds = count_fds();
	process->start_ns = start_ns;
	if (!getrlimit(RLIMIT_NOFILE, &files))
		process->max_fds = files.rlim_cur;
}

static void sample_flows(const struct pe_snapshot_sources *sources, struct pe_self_sample *self)
{
	struct pe_workers_stats workers;
	struct pe_xdp_stats xdp;

	pe_workers_get_stats(sources->workers, &workers);
	pe_xdp_get_stats(sources->xdp, &xdp);
	self->flow_records = workers.records;
	self->flow_records_orphaned = workers.orphaned;
	self->flow_table_full = workers.table_full;
	self->top_flow_records_dropped = workers.top_dropped;
	self->early_packets_missed = xdp.missed;
	self->flow_records_lost = xdp.lost;
	self->flow_bypassed_packets = xdp.bypassed;
	memcpy(self->flow_evictions, xdp.evicted, sizeof(self->flow_evictions));
}

/* Two places may have one reason: the first of them has the name. */
static void name_reason(const struct pe_drops *drops, struct pe_drop_reasons *reasons, size_t place)
{
	const char *name = pe_drops_reason(drops, (unsigned int)place);

	reasons->place[place] = (uint8_t)place;
	for (size_t i = 0; name && i < place; i++) {
		if (reasons->name[i] && strcmp(reasons->name[i], name) == 0) {
			reasons->place[place] = (uint8_t)i;
			return;
		}
	}
	reasons->name[place] = name;
}

/* After the registry's: a reason that has packets has a place by then. */
static int sample_drops(const struct pe_drops *drops, struct pe_snapshot *snapshot)
{
	struct pe_drop_row rest = { 0 };

	if (!drops)
		return 0;
	pe_drops_read_rest(drops, &rest);
	for (size_t place = 0; place < PE_DROP_REASONS; place++)
		name_reason(drops, &snapshot->drop_reasons, place);
	snapshot->drop_reasons.counted = true;
	snapshot->self.drops_missed = pe_drops_missed(drops);
	return pe_drop_row_add(&snapshot->host->body.drops, &rest, snapshot->arena);
}

static void sample_interfaces(const struct pe_snapshot_sources *sources,
			      struct pe_self_sample *self)
{
	struct pe_interfaces_stats interfaces;
	struct pe_monitor_stats netlink;

	pe_interfaces_get_stats(sources->interfaces, &interfaces);
	pe_monitor_get_stats(pe_interfaces_monitor(sources->interfaces), &netlink);
	self->attach = interfaces.latency;
	memcpy(self->attach_errors, interfaces.errors, sizeof(self->attach_errors));
	self->netlink_messages = netlink.messages;
	self->netlink_invalid = netlink.invalid;
	self->netlink_overruns = netlink.overruns;
	self->netlink_resyncs = netlink.resyncs;
}

void pe_snapshot_sources_set_http(struct pe_snapshot_sources *sources, const struct pe_http *http)
{
	pthread_mutex_lock(&sources->mutex);
	sources->http = http;
	pthread_mutex_unlock(&sources->mutex);
}

void pe_snapshot_sources_set_push(struct pe_snapshot_sources *sources, const struct pe_sink *push)
{
	pthread_mutex_lock(&sources->mutex);
	sources->push = push;
	pthread_mutex_unlock(&sources->mutex);
}

void pe_snapshot_sources_set_sinks(struct pe_snapshot_sources *sources,
				   struct pe_sink *const *sinks, size_t count)
{
	pthread_mutex_lock(&sources->mutex);
	sources->sinks = sinks;
	sources->sink_count = count;
	pthread_mutex_unlock(&sources->mutex);
}

/* Without memory for the name of one, it and those behind it are not shown. */
static void sample_sinks(const struct pe_snapshot_sources *sources, struct pe_snapshot *snapshot)
{
	struct pe_self_sample *self = &snapshot->self;

	for (size_t i = 0; i < sources->sink_count; i++) {
		struct pe_sink_sample *sink = &self->sinks[i];

		pe_sink_get_stats(sources->sinks[i], sink);
		sink->url = pe_arena_strdup(snapshot->arena, sink->url, URL_MAX);
		if (!sink->url)
			return;
		self->sink_count++;
	}
}

static void sample_delivery(struct pe_snapshot_sources *sources, struct pe_snapshot *snapshot)
{
	struct pe_self_sample *self = &snapshot->self;

	pthread_mutex_lock(&sources->mutex);
	if (sources->http)
		pe_http_get_stats(sources->http, &self->http);
	if (sources->push)
		pe_sink_get_stats(sources->push, &self->push);
	sample_sinks(sources, snapshot);
	pthread_mutex_unlock(&sources->mutex);
}

void pe_snapshot_add_tcp(uint64_t netns, const struct pe_tcp_counts *more, void *userdata)
{
	pe_registry_add_tcp(userdata, netns, more, pe_clock_monotonic_ns());
}

static void sample_tcp(const struct pe_snapshot_sources *sources, struct pe_snapshot *snapshot)
{
	snapshot->tcp = sources->tcp;
	if (!sources->tcp)
		return;
	snapshot->overflows = pe_tcp_has_overflows(sources->tcp);
	snapshot->self.tcp_unplaced = pe_tcp_unplaced(sources->tcp);
	snapshot->self.kernel_map_bytes += pe_tcp_map_bytes(sources->tcp);
}

static void sample_dns(const struct pe_dns *dns, struct pe_snapshot *snapshot)
{
	snapshot->dns = dns;
	if (!dns)
		return;
	snapshot->self.dns_missed = pe_dns_missed(dns);
	snapshot->self.kernel_map_bytes += pe_dns_map_bytes(dns);
}

static void sample_identity(const struct pe_identities *identities, struct pe_self_sample *self)
{
	self->identity_enabled = identities;
	if (!identities)
		return;
	pe_identities_get_stats(identities, &self->identity);
	self->kernel_map_bytes += pe_identities_map_bytes(identities);
}

int pe_snapshot_sources_take(struct pe_snapshot_sources *sources, struct pe_snapshot **ret_snapshot)
{
	struct pe_snapshot *snapshot;
	struct pe_self_sample *self;
	int r = pe_snapshot_new(&snapshot);

	if (r < 0)
		return r;
	snapshot->top_flows = sources->top_flows;
	snapshot->no_flows = sources->no_flows;
	pe_snapshot_faults_read(sources->faults, sources->registry);
	if (sources->tcp)
		pe_tcp_read(sources->tcp, pe_snapshot_add_tcp, sources->registry);
	r = pe_registry_collect(sources->registry, snapshot);
	if (r == 0)
		r = sample_drops(sources->drops, snapshot);
	if (r < 0) {
		pe_snapshot_unref(snapshot);
		return r;
	}
	self = &snapshot->self;
	self->created_ns = sources->start_ns;
	self->egress_available = pe_xdp_egress(sources->xdp);
	self->kernel_map_bytes = pe_xdp_map_bytes(sources->xdp) +
				 (sources->drops ? pe_drops_map_bytes(sources->drops) : 0);
	sample_tcp(sources, snapshot);
	sample_dns(sources->dns, snapshot);
	sample_identity(sources->identities, self);
	sample_interfaces(sources, self);
	sample_flows(sources, self);
	sample_delivery(sources, snapshot);
	pe_sandbox_sample(self);
	sample_process(&self->process, sources->start_ns);
	/* Last of all: then nothing has begun later. */
	snapshot->taken_ns = pe_clock_monotonic_ns();
	pe_snapshot_to_wall(snapshot, pe_clock_wall_offset_ns());
	*ret_snapshot = snapshot;
	return 0;
}
