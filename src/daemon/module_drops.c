/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel drops. What is counted otherwise does not depend on it: without, it goes on. */
#include <errno.h>
#include <string.h>

#include "pe/drops.h"
#include "pe/log.h"
#include "pe/options.h"

#include "modules.h"

static int start_drops(struct supervisor *s)
{
	int r = s->options->drops ? pe_drops_open(s->xdp, &s->drops) : 0;

	if (r < 0)
		pe_warn("drops",
			"it is not counted what the kernel drops: it refuses the program that "
			"does: %s (more with --log.level=debug)",
			strerror(-r));
	return 0;
}

static void stop_drops(struct supervisor *s)
{
	pe_drops_close(s->drops);
}

const struct pe_module pe_module_drops = {
	.name = "drops",
	.start = start_drops,
	.stop = stop_drops,
};
