/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See early.h. */
#include "early.h"

#include <errno.h>

#include "pe/log.h"

#include "contribution.h"
#include "engine.h"

static void discard(const struct pe_engine *engine, uint32_t token)
{
	const struct pe_interfaces_options *options = engine->options;
	const struct pe_kernel *kernel = engine->kernel;

	kernel->ops->give_back(kernel->xdp, token);
	options->forget(token, options->userdata);
}

/* 0, or why there is no more to do. */
static int provision_one(const struct pe_engine *engine)
{
	const struct pe_interfaces_options *options = engine->options;
	const struct pe_kernel *kernel = engine->kernel;
	uint32_t token;
	int r = kernel->ops->provision(kernel->xdp, &token);

	if (r < 0)
		return r;
	r = options->announce(token, options->userdata);
	if (r < 0) {
		kernel->ops->give_back(kernel->xdp, token);
		/* A name that a departed interface's flows still have: the next one. */
		return r == -EEXIST ? 0 : r;
	}
	r = kernel->ops->offer(kernel->xdp, token);
	if (r < 0)
		discard(engine, token);
	return r;
}

void pe_early_provision(const struct pe_engine *engine)
{
	int r = 0;

	for (int i = 0; i < PE_EARLY_MAX && !r; i++)
		r = provision_one(engine);
}

void pe_early_refuse(const struct pe_engine *engine, int ifindex)
{
	const struct pe_kernel *kernel = engine->kernel;
	uint32_t token;

	/* In this order: afterwards no packet gives it a provisional slot again. */
	kernel->ops->ignore(kernel->xdp, ifindex, true);
	token = kernel->ops->early(kernel->xdp, ifindex);
	if (token == PE_TOKEN_NONE)
		return;
	kernel->ops->withdraw(kernel->xdp, ifindex, token);
	discard(engine, token);
}

/* It was not reported, and will not be: it has gone. True if that is certain. */
static bool has_gone(const struct pe_engine *engine, int ifindex)
{
	struct pe_link_stats stats;

	/* In this order: the event of its end is sent before it cannot be found any more. */
	return pe_monitor_read_stats(engine->monitor, ifindex, &stats) == -ENODEV &&
	       !pe_monitor_has_events(engine->monitor);
}

static void fold(const struct pe_engine *engine, int ifindex, uint32_t token)
{
	engine->kernel->ops->withdraw(engine->kernel->xdp, ifindex, token);
	engine->kernel->ops->stop(engine->kernel->xdp, token);
	if (pe_contribution_fold(engine, ifindex, token) < 0) {
		pe_error("metrics", "an interface that came and went unreported is not counted: "
				    "out of memory");
		discard(engine, token);
		return;
	}
	pe_debug("net", "(%d): came and went unreported", ifindex);
	engine->options->departed(engine->options->userdata);
}

void pe_early_look_after(const struct pe_engine *engine)
{
	const struct pe_kernel *kernel = engine->kernel;
	int ifindex[PE_EARLY_MAX];
	unsigned int count = kernel->ops->list_early(kernel->xdp, ifindex);

	for (unsigned int i = 0; i < count; i++) {
		uint32_t token = kernel->ops->early(kernel->xdp, ifindex[i]);

		if (token == PE_TOKEN_NONE)
			continue;
		if (pe_monitor_find(engine->monitor, ifindex[i]))
			pe_early_refuse(engine, ifindex[i]);
		else if (has_gone(engine, ifindex[i]))
			fold(engine, ifindex[i], token);
	}
	pe_early_provision(engine);
}
