/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pushes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/log.h"
#include "pe/push.h"
#include "pe/workers.h"
#include "pe/xdp.h"

#include "modules.h"

/* Of the five seconds that a stop may take, what the last push may have. */
#define LAST_PUSH_NS (3 * PE_NS_PER_S)

static int start_push(struct supervisor *s)
{
	const struct pe_options *o = s->options;
	struct pe_push_options options = { 0 };
	struct pe_push_label *labels;
	char *shown;
	int r;

	if (!o->push_url)
		return 0;
	labels = calloc(o->push_grouping.count + 1, sizeof(*labels));
	if (!labels)
		return -ENOMEM;
	pe_options_push(o, labels, &options);
	options.snapshot = pe_module_snapshot;
	options.userdata = s;
	r = pe_push_new(&options, &s->push);
	free(labels);
	shown = pe_push_redact_url(o->push_url);
	if (r < 0)
		pe_error("push", "cannot push to %s: %s", shown ? shown : "", strerror(-r));
	else
		pe_info("push", "pushing to %s", shown ? shown : "");
	free(shown);
	if (!r)
		pe_snapshot_sources_set_push(&s->sources, s->push);
	return r;
}

/* The last numbers are read and delivered while everything still counts. */
static void stop_push(struct supervisor *s)
{
	if (!s->push)
		return;
	pe_xdp_sweep(s->xdp, 0);
	pe_workers_drain(s->workers);
	pe_sinks_stop(&s->push, 1, LAST_PUSH_NS);
}

static void reload_push(struct supervisor *s)
{
	pe_sink_reload(s->push);
}

const struct pe_module pe_module_push = {
	.name = "push",
	.delivers = true,
	.start = start_push,
	.stop = stop_push,
	.reload = reload_push,
};
