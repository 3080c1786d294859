/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of TCP connections. Packets are counted without it, too. */
#include <string.h>

#include "pe/clock.h"
#include "pe/identity.h"
#include "pe/log.h"
#include "pe/registry.h"
#include "pe/tcp.h"

#include "modules.h"

static int start_tcp(struct supervisor *s)
{
	int r = s->options->tcp ? pe_tcp_open(s->options->max_interfaces, &s->tcp) : 0;

	if (r < 0)
		pe_warn("tcp",
			"outcomes of TCP connections are not counted: the kernel refuses the "
			"programs for that: %s (more with --log.level=debug)",
			strerror(-r));
	return 0;
}

static void stop_tcp(struct supervisor *s)
{
	pe_tcp_close(s->tcp);
}

static void report_full(struct supervisor *s)
{
	if (s->is_tcp_full || !pe_tcp_unplaced(s->tcp))
		return;
	s->is_tcp_full = true;
	pe_warn("tcp",
		"more network namespaces have TCP connections at the same time than "
		"--max-interfaces=%u: what is beyond counts for the host alone "
		"(packet_exporter_tcp_unplaced_events_total)",
		s->options->max_interfaces);
}

static void tidy(struct supervisor *s)
{
	if (!s->tcp)
		return;
	/* Those that ran at the start were known before there was a registry. */
	if (s->identities && !s->named) {
		pe_identities_name_all(s->identities);
		s->named = true;
	}
	pe_tcp_tidy(s->tcp, pe_snapshot_add_tcp, s->registry);
	report_full(s);
}

const struct pe_module pe_module_tcp = {
	.name = "tcp",
	.start = start_tcp,
	.stop = stop_tcp,
	.tick = tidy,
};
