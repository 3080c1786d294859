/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receivers of remote write and OTLP. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/log.h"
#include "pe/push.h"
#include "pe/registry.h"
#include "pe/remote_write.h"
#include "pe/workers.h"
#include "pe/xdp.h"

#include "modules.h"

/* Of the five seconds that a stop may take; a last push has three. */
#define LAST_WRITE_NS (PE_NS_PER_S)

/* Begins one, and says so under the name of its protocol. */
static int start_one(struct supervisor *s, const struct pe_remote_write_options *options)
{
	const char *subsystem = options->otlp ? "otlp" : "remote_write";
	const int r = pe_remote_write_new(options, &s->remote[s->remote_count]);
	char *shown = pe_push_redact_url(options->url);

	if (r == -EBUSY)
		pe_error(subsystem,
			 "cannot write to %s: another exporter keeps what waits for it in %s",
			 shown ? shown : "", options->spool_path);
	else if (r < 0)
		pe_error(subsystem, "cannot write to %s: %s", shown ? shown : "", strerror(-r));
	else
		pe_info(subsystem, "writing to %s", shown ? shown : "");
	s->remote_count += r == 0;
	free(shown);
	return r;
}

static int start_targets(struct supervisor *s, const struct pe_remote_targets *targets,
			 void (*fill)(const struct pe_options *options, size_t i,
				      struct pe_remote_label *labels,
				      struct pe_remote_write_options *ret_remote))
{
	struct pe_remote_label *labels = calloc(targets->labels.count + 1, sizeof(*labels));
	int r = labels ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < targets->urls.count; i++) {
		struct pe_remote_write_options options;

		fill(s->options, i, labels, &options);
		options.snapshot = pe_module_snapshot;
		options.userdata = s;
		r = start_one(s, &options);
	}
	free(labels);
	return r;
}

/* Nothing is lost silently: it stays until somebody writes there again, or removes it. */
static void warn_of_rest(const struct pe_options *options)
{
	uint64_t bytes;
	char target[256];

	if (!options->spool_path ||
	    pe_remote_write_left(options->spool_path, &bytes, target, sizeof(target)) < 0 ||
	    bytes == 0)
		return;
	pe_warn("main",
		"the spool %s has %llu bytes for receivers that are not configured: they stay "
		"until "
		"they are, or until somebody removes them; the first is %s",
		options->spool_path, (unsigned long long)bytes, target);
}

static int start_remote_write(struct supervisor *s)
{
	int r = start_targets(s, &s->options->remote, pe_options_remote_write);

	if (r == 0)
		r = start_targets(s, &s->options->otlp, pe_options_otlp);
	if (r == 0)
		pe_snapshot_sources_set_sinks(&s->sources, s->remote, s->remote_count);
	if (r == 0 && s->remote_count > 0)
		warn_of_rest(s->options);
	return r;
}

/* The last numbers are read and delivered while everything still counts. */
static void stop_remote_write(struct supervisor *s)
{
	if (s->remote_count == 0)
		return;
	pe_xdp_sweep(s->xdp, 0);
	pe_workers_drain(s->workers);
	/* Those that have gone and wait for their identity are in no group's ledger yet. */
	pe_registry_expire(s->registry, pe_clock_monotonic_ns() + PE_REGISTRY_WAIT_NS, NULL);
	pe_sinks_stop(s->remote, s->remote_count, LAST_WRITE_NS);
}

static void reload_remote_write(struct supervisor *s)
{
	for (size_t i = 0; i < s->remote_count; i++)
		pe_sink_reload(s->remote[i]);
}

const struct pe_module pe_module_remote_write = {
	.name = "remote write",
	.delivers = true,
	.start = start_remote_write,
	.stop = stop_remote_write,
	.reload = reload_remote_write,
};
