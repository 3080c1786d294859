/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The snapshots that are served and pushed. */
#include "pe/clock.h"
#include "pe/sink.h"

#include "modules.h"

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
		.identities = s->identities,
		.top_flows = s->options->flows_top > 0,
		.start_ns = pe_clock_monotonic_ns(),
		.mutex = PTHREAD_MUTEX_INITIALIZER,
	};
	return 0;
}

/* Here, because scrapes read its statistics until the server has stopped. */
static void stop_snapshots(struct supervisor *s)
{
	pe_sink_free(s->push);
}

const struct pe_module pe_module_snapshots = {
	.name = "snapshots",
	.start = start_snapshots,
	.stop = stop_snapshots,
};
