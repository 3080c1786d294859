/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See newcomers.h. */
#include "newcomers.h"

#include <errno.h>

#include "pe/clock.h"
#include "pe/log.h"

static void discard(struct pe_newcomers *newcomers, uint32_t token)
{
	const struct pe_interfaces_options *options = newcomers->options;

	pe_xdp_give_back(options->xdp, token);
	options->forget(token, options->userdata);
}

/* 0, or why there is no more to do. */
static int prepare_one(struct pe_newcomers *newcomers)
{
	const struct pe_interfaces_options *options = newcomers->options;
	uint32_t token;
	int r = pe_xdp_spare(options->xdp, &token);

	if (r < 0)
		return r;
	r = options->announce(token, options->userdata);
	if (r < 0) {
		pe_xdp_give_back(options->xdp, token);
		/* A name that a departed interface's flows still have: the next one. */
		return r == -EEXIST ? 0 : r;
	}
	r = pe_xdp_offer(options->xdp, token);
	if (r < 0)
		discard(newcomers, token);
	return r;
}

void pe_newcomers_prepare(struct pe_newcomers *newcomers)
{
	int r = 0;

	for (int i = 0; i < PE_NEWCOMERS && !r; i++)
		r = prepare_one(newcomers);
}

void pe_newcomers_refuse(struct pe_newcomers *newcomers, int ifindex)
{
	uint32_t token;

	/* In this order: afterwards no packet makes it a newcomer again. */
	pe_xdp_ignore(newcomers->options->xdp, ifindex, true);
	token = pe_xdp_newcomer(newcomers->options->xdp, ifindex);
	if (token == PE_TOKEN_NONE)
		return;
	pe_xdp_dismiss(newcomers->options->xdp, ifindex, token);
	discard(newcomers, token);
}

/* Nothing was heard of it, and nothing will be: it has gone. True if that is certain. */
static bool has_gone(struct pe_newcomers *newcomers, int ifindex)
{
	struct pe_link_stats stats;

	/* In this order: the news of its end are sent before it cannot be found any more. */
	return pe_monitor_read_stats(newcomers->monitor, ifindex, &stats) == -ENODEV &&
	       !pe_monitor_has_events(newcomers->monitor);
}

static void fold(struct pe_newcomers *newcomers, int ifindex, uint32_t token)
{
	const struct pe_interfaces_options *options = newcomers->options;
	const struct pe_iface_info info = { .ifindex = ifindex, .kind = "veth" };

	pe_xdp_dismiss(options->xdp, ifindex, token);
	if (pe_registry_fold(options->registry, &info, token, pe_clock_monotonic_ns()) < 0) {
		pe_error("metrics", "an interface that has come and gone unheard is not counted: "
				    "out of memory");
		discard(newcomers, token);
		return;
	}
	pe_debug("net", "(%d): had come and gone unheard", ifindex);
	options->departed(options->userdata);
}

void pe_newcomers_look_after(struct pe_newcomers *newcomers)
{
	int ifindex[PE_NEWCOMERS];
	unsigned int count = pe_xdp_newcomers(newcomers->options->xdp, ifindex);

	for (unsigned int i = 0; i < count; i++) {
		uint32_t token = pe_xdp_newcomer(newcomers->options->xdp, ifindex[i]);

		if (token == PE_TOKEN_NONE)
			continue;
		if (pe_monitor_find(newcomers->monitor, ifindex[i]))
			pe_newcomers_refuse(newcomers, ifindex[i]);
		else if (has_gone(newcomers, ifindex[i]))
			fold(newcomers, ifindex[i], token);
	}
	pe_newcomers_prepare(newcomers);
}
