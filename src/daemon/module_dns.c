/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DNS, if it was asked for. What is counted otherwise does not depend on it: without, it goes on.
 */
#include <errno.h>
#include <string.h>

#include "pe/dns.h"
#include "pe/log.h"
#include "pe/options.h"

#include "modules.h"

static int start_dns(struct supervisor *s)
{
	int r = s->options->dns ? pe_dns_open(s->xdp, &s->dns) : 0;

	if (r < 0)
		pe_warn("dns",
			"DNS is not counted: the kernel refuses the programs for that: %s (more "
			"with --log.level=debug)",
			strerror(-r));
	return 0;
}

static void stop_dns(struct supervisor *s)
{
	pe_dns_close(s->dns);
}

static void sweep(struct supervisor *s)
{
	if (s->dns)
		pe_dns_sweep(s->dns);
}

const struct pe_module pe_module_dns = {
	.name = "dns",
	.start = start_dns,
	.stop = stop_dns,
	.tick = sweep,
};
