/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports to the service manager: ready, reloading, alive, stopping. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/interfaces.h"
#include "pe/log.h"

#include "modules.h"

#define TICK_NS	   PE_NS_PER_S
#define REPEAT_NS  (60 * PE_NS_PER_S)
#define LINE_BYTES 128

/* Not fatal: a service manager that waits for the report ends the start itself. */
static int open_notify(struct supervisor *s)
{
	int r = pe_notify_open(&s->notify);

	if (r < 0)
		pe_warn("main", "cannot report to the service manager (NOTIFY_SOCKET): %s",
			strerror(-r));
	if (s->notify.watchdog_ns && s->notify.watchdog_ns < 2 * TICK_NS)
		pe_warn("main",
			"WatchdogSec= is below 2 s, and the exporter reports once a second: "
			"the service manager may kill it");
	return 0;
}

static void close_notify(struct supervisor *s)
{
	pe_notify_close(&s->notify);
}

static void send_reloading(struct supervisor *s)
{
	char text[LINE_BYTES];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		 pe_clock_monotonic_ns() / PE_NS_PER_US);
	pe_notify_send(&s->notify, text);
}

/* First in the table: a reload is reported before it begins. */
const struct pe_module pe_module_notify = {
	.name = "notify",
	.start = open_notify,
	.stop = close_notify,
	.reload = send_reloading,
};

/* True if it has been sent, or nobody listens. */
static bool report(struct supervisor *s, const char *what)
{
	const uint64_t now_ns = pe_clock_monotonic_ns();
	char text[LINE_BYTES];
	int r;

	snprintf(text, sizeof(text), "%s=1\nSTATUS=Watched interfaces: %u", what,
		 pe_interfaces_count(s->interfaces));
	r = pe_notify_send(&s->notify, text);
	if (r < 0 && pe_log_once(&s->notify_log, REPEAT_NS))
		pe_warn("main", "cannot report to the service manager: %s; retrying every second",
			strerror(-r));
	if (!r)
		s->notify.last_alive_ns = now_ns;
	return !r;
}

/* Counts as a sign of life, too. */
static void report_ready(struct supervisor *s)
{
	s->reported_ready = __atomic_load_n(&s->ready, __ATOMIC_ACQUIRE) && report(s, "READY");
}

static int report_start(struct supervisor *s)
{
	report_ready(s);
	return 0;
}

/* The last part of a tick, so that whatever blocks the loop also stops the reports. */
static void report_alive(struct supervisor *s)
{
	if (!s->reported_ready)
		report_ready(s);
	else if (pe_notify_alive_due(&s->notify, pe_clock_monotonic_ns(), TICK_NS))
		report(s, "WATCHDOG");
}

static void report_stop(struct supervisor *s)
{
	pe_notify_send(&s->notify, "STOPPING=1\nSTATUS=Stopping");
}

/* Last in the table: ready once everything has started, stopping before anything stops. */
const struct pe_module pe_module_report = {
	.name = "report",
	.start = report_start,
	.stop = report_stop,
	.tick = report_alive,
	.reload = report_ready,
};
