/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Series: the registry, which reads the workers' flows and the kernel side's rows. */
#include <errno.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/dns.h"
#include "pe/drops.h"
#include "pe/registry.h"
#include "pe/workers.h"
#include "pe/xdp.h"

#include "modules.h"

static int read_flows(uint32_t token, struct pe_arena *arena, struct pe_series_body *body,
		      void *userdata)
{
	struct supervisor *s = userdata;
	int r = pe_workers_read(s->workers, token, arena, &body->flows);

	return r == -ENOENT ? 0 : r;
}

static void release_flows(uint32_t token, void *userdata)
{
	struct supervisor *s = userdata;

	pe_workers_forget(s->workers, token);
}

static int read_rows(uint32_t token, struct pe_arena *arena, struct pe_series_body *body,
		     void *userdata)
{
	struct supervisor *s = userdata;

	pe_xdp_read(s->xdp, token, body->row);
	return 0;
}

static void release_rows(uint32_t token, void *userdata)
{
	struct supervisor *s = userdata;

	pe_xdp_give_back(s->xdp, token);
}

static int read_drops(uint32_t token, struct pe_arena *arena, struct pe_series_body *body,
		      void *userdata)
{
	static const struct pe_drop_row none;
	struct supervisor *s = userdata;
	struct pe_drop_row row = { 0 };

	if (!s->drops)
		return 0;
	pe_drops_read(s->drops, token, &row);
	if (memcmp(&row, &none, sizeof(row)) == 0)
		return 0;
	return pe_drop_row_add(&body->drops, &row, arena);
}

static int read_dns(uint32_t token, struct pe_arena *arena, struct pe_series_body *body,
		    void *userdata)
{
	static const struct pe_dns_row none;
	struct supervisor *s = userdata;
	struct pe_dns_row row = { 0 };

	if (!s->dns)
		return 0;
	pe_dns_read(s->dns, token, &row);
	if (memcmp(&row, &none, sizeof(row)) == 0)
		return 0;
	return pe_dns_row_add(&body->dns, &row, arena);
}

static void release_with_rows(uint32_t token, void *userdata)
{
	/* With the slot: see read_rows(). */
	(void)token;
	(void)userdata;
}

/* Flows first, so that their detail never exceeds the exact totals. Their records are still on the
 * way when an interface has gone. */
static const struct pe_counter_source counter_sources[] = {
	{ .read = read_flows, .release = release_flows, .late = true },
	{ .read = read_drops, .release = release_with_rows },
	{ .read = read_dns, .release = release_with_rows },
	{ .read = read_rows, .release = release_rows },
};

static int start_registry(struct supervisor *s)
{
	const struct pe_registry_options options = {
		.retention_ns = s->options->departed_retention_ns,
		.max_departed = s->options->departed_max,
		.sources = counter_sources,
		.source_count = sizeof(counter_sources) / sizeof(counter_sources[0]),
		.userdata = s,
		.group_by = s->options->group_by,
		.max_groups = s->options->group_max,
		.identities = s->identities,
	};

	return pe_registry_new(&options, &s->registry);
}

static void stop_registry(struct supervisor *s)
{
	pe_registry_free(s->registry);
}

static void expire_series(struct supervisor *s)
{
	pe_registry_expire(s->registry, pe_clock_monotonic_ns(), NULL);
}

const struct pe_module pe_module_registry = {
	.name = "registry",
	.start = start_registry,
	.stop = stop_registry,
	.tick = expire_series,
};
