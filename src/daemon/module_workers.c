/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows: a worker for each ring. */
#include <errno.h>
#include <stdlib.h>

#include "pe/clock.h"
#include "pe/workers.h"
#include "pe/xdp.h"

#include "modules.h"

static uint32_t jiffies_now(void *userdata)
{
	struct supervisor *s = userdata;

	return pe_xdp_now(s->xdp);
}

static int start_workers(struct supervisor *s)
{
	const struct pe_options *o = s->options;
	struct pe_workers_options options = {
		.count = o->workers,
		.max_flows = o->flow_table,
		.flow_idle_ns = o->flow_idle_ns,
		.top = o->flows_top,
		.tick_ns = pe_clock_tick_ns(),
		.now = jiffies_now,
		.userdata = s,
	};
	int r;

	if (o->workers == 0)
		return pe_workers_new(&options, &s->workers);
	s->rings = calloc(o->workers, sizeof(*s->rings));
	if (!s->rings)
		return -ENOMEM;
	for (unsigned int i = 0; i < o->workers; i++) {
		r = pe_xdp_ring(s->xdp, i, &s->rings[i]);
		if (r < 0)
			return r;
	}
	options.rings = s->rings;
	return pe_workers_new(&options, &s->workers);
}

static void stop_workers(struct supervisor *s)
{
	pe_workers_free(s->workers);
	for (unsigned int i = 0; s->rings && i < s->options->workers; i++)
		pe_ring_free(s->rings[i]);
	free(s->rings);
}

static bool rings_pending(const struct supervisor *s)
{
	for (unsigned int i = 0; i < s->options->workers; i++) {
		if (pe_ring_pending(s->rings[i]))
			return true;
	}
	return false;
}

static void wake_workers(struct supervisor *s)
{
	struct pe_workers_stats stats;

	pe_workers_get_stats(s->workers, &stats);
	if (stats.active || rings_pending(s))
		pe_workers_kick(s->workers);
}

const struct pe_module pe_module_workers = {
	.name = "workers",
	.start = start_workers,
	.stop = stop_workers,
	.tick = wake_workers,
};
