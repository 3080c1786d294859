/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The snapshots that are served and pushed. */
#include "pe/clock.h"
#include "pe/log.h"
#include "pe/sink.h"

#include "modules.h"

#define FIRST_LOOK_NS (15 * PE_NS_PER_S)

int pe_module_snapshot(struct pe_snapshot **ret_snapshot, void *userdata)
{
	struct supervisor *s = userdata;

	return pe_snapshot_sources_take(&s->sources, ret_snapshot);
}

static int start_snapshots(struct supervisor *s)
{
	s->sources = (struct pe_snapshot_sources){
		.xdp = s->xdp,
		.registry = s->registry,
		.interfaces = s->interfaces,
		.workers = s->workers,
		.drops = s->drops,
		.dns = s->dns,
		.identities = s->identities,
		.tcp = s->tcp,
		.top_flows = s->options->flows_top > 0,
		.no_flows = !s->options->flows,
		.start_ns = pe_clock_monotonic_ns(),
		.mutex = PTHREAD_MUTEX_INITIALIZER,
	};
	return pe_snapshot_faults_new(&s->sources.faults);
}

/* Once, in the first minute: a new user may have nothing that talks. */
static void tick_snapshots(struct supervisor *s)
{
	struct pe_snapshot *snapshot;

	if (s->looked_for_packets || s->options->once_ns ||
	    pe_clock_monotonic_ns() - s->sources.start_ns < FIRST_LOOK_NS)
		return;
	s->looked_for_packets = true;
	if (pe_snapshot_sources_take(&s->sources, &snapshot) < 0)
		return;
	if (!pe_snapshot_has_packets(snapshot))
		pe_info("main", "nothing has moved on any interface yet; to see something "
				"move: " PE_PAGE_HINT);
	pe_snapshot_unref(snapshot);
}

/* Here, because scrapes read its statistics until the server has stopped. */
static void stop_snapshots(struct supervisor *s)
{
	pe_sink_free(s->push);
	for (size_t i = 0; i < s->remote_count; i++)
		pe_sink_free(s->remote[i]);
	pe_snapshot_faults_free(s->sources.faults);
}

const struct pe_module pe_module_snapshots = {
	.name = "snapshots",
	.start = start_snapshots,
	.stop = stop_snapshots,
	.tick = tick_snapshots,
};
