/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The snapshots that are served and pushed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

struct live {
	int ifindex;
	struct pe_iface_sample *iface;
};

/* Those of a snapshot, by ifindex. */
struct lives {
	struct live *live;
	size_t count;
};

static int compare(const void *a, const void *b)
{
	const struct live *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static int list_live(struct pe_snapshot *snapshot, struct lives *ret_lives)
{
	struct lives lives = { calloc(snapshot->iface_count + 1, sizeof(*lives.live)), 0 };

	if (!lives.live)
		return -ENOMEM;
	for (size_t i = 0; i < snapshot->iface_count; i++) {
		struct pe_iface_sample *iface = &snapshot->ifaces[i];

		if (!iface->departed)
			lives.live[lives.count++] = (struct live){ iface->info.ifindex, iface };
	}
	qsort(lives.live, lives.count, sizeof(*lives.live), compare);
	*ret_lives = lives;
	return 0;
}

static void on_drops(int ifindex, uint64_t rx_dropped, uint64_t tx_dropped, void *userdata)
{
	const struct lives *lives = userdata;
	const struct live key = { ifindex, NULL };
	struct live *live = bsearch(&key, lives->live, lives->count, sizeof(*lives->live), compare);

	if (!live)
		return;
	live->iface->dropped[PE_INGRESS] = rx_dropped;
	live->iface->dropped[PE_EGRESS] = tx_dropped;
}

int pe_module_look(struct pe_snapshot **ret_snapshot, void *userdata)
{
	static struct pe_log_once logged;
	struct supervisor *s = userdata;
	struct lives lives = { 0 };
	int r = pe_snapshot_sources_take(&s->sources, ret_snapshot);

	if (r < 0)
		return r;
	/* Without them there is still the rest. */
	r = list_live(*ret_snapshot, &lives);
	if (r == 0)
		r = pe_drops_read(s->drops, on_drops, &lives);
	if (r < 0 && pe_log_once(&logged, 60 * PE_NS_PER_S))
		pe_warn("http", "the page lacks what interfaces dropped: %s", strerror(-r));
	free(lives.live);
	return 0;
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
	return pe_drops_new(&s->drops);
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
	pe_drops_free(s->drops);
}

const struct pe_module pe_module_snapshots = {
	.name = "snapshots",
	.start = start_snapshots,
	.stop = stop_snapshots,
	.tick = tick_snapshots,
};
