/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What --healthcheck is answered. Whatever becomes of its socket, the exporter goes on counting. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pe/log.h"
#include "pe/sample.h"

#include "healthcheck_socket.h"
#include "modules.h"

static void complain(int r)
{
	pe_warn("health", "--healthcheck will fail: %s", strerror(-r));
}

static int open_socket(struct supervisor *s)
{
	int r = pe_healthcheck_new(s->options, &s->healthcheck);

	if (r < 0)
		complain(r);
	return 0;
}

static void close_socket(struct supervisor *s)
{
	s->healthcheck = pe_healthcheck_free(s->healthcheck);
}

const struct pe_module pe_module_healthcheck_socket = {
	.name = "health socket",
	.start = open_socket,
	.stop = close_socket,
	.delivers = true,
};

/* The loop runs, or this would not be asked for; so what else is there to serve? */
static void describe(char *line, size_t size, void *userdata)
{
	struct supervisor *s = userdata;
	struct pe_snapshot *snapshot = NULL;
	int r;

	if (!__atomic_load_n(&s->ready, __ATOMIC_ACQUIRE)) {
		snprintf(line, size, "not ready: the interfaces are still being read");
		return;
	}
	r = pe_module_snapshot(&snapshot, s);
	if (r < 0)
		snprintf(line, size, "no snapshot can be taken: %s", strerror(-r));
	else
		snprintf(line, size, PE_HEALTHCHECK_GOOD ", serving on %s",
			 pe_listeners_name(s->listeners, 0));
	pe_snapshot_unref(snapshot);
}

static int start_answering(struct supervisor *s)
{
	int r = s->healthcheck ? pe_healthcheck_start(s->healthcheck, s->loop, describe, s) : 0;

	if (r < 0) {
		complain(r);
		close_socket(s);
	}
	return 0;
}

const struct pe_module pe_module_healthcheck = {
	.name = "health",
	.start = start_answering,
	.stop = close_socket,
	.delivers = true,
};
