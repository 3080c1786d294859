/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start, run, stop. This thread runs the loop (netlink, signals, timers); it alone attaches and
 * detaches.
 *
 * The modules never see each other: their callbacks are wired in module_*.c. Each is one line of
 * the table below: they start in its order, and stop in the reverse order, from the one that failed
 * on.
 */
#include "pe/supervisor.h"

#include <signal.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/http.h"
#include "pe/log.h"
#include "pe/loop.h"
#include "pe/memory.h"
#include "pe/registry.h"
#include "pe/workers.h"
#include "pe/xdp.h"

#include "modules.h"
#include "sandbox.h"

#define TICK_NS PE_NS_PER_S

static int share_files(struct supervisor *s)
{
	pe_files_share(s->options, s->listeners ? pe_http_extra_files(s->listeners, s->web) : 0,
		       &s->shares);
	return 0;
}

static const struct pe_module files = {
	.name = "files",
	.start = share_files,
};

static void on_signal(int signo, void *userdata);

static int start_loop(struct supervisor *s)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	int r = pe_loop_new(&s->loop);

	if (r < 0)
		return r;
	signal(SIGPIPE, SIG_IGN);
	return pe_loop_add_signals(s->loop, signals, sizeof(signals) / sizeof(*signals), on_signal,
				   s);
}

static void stop_loop(struct supervisor *s)
{
	pe_loop_free(s->loop);
}

static const struct pe_module loop = {
	.name = "loop",
	.start = start_loop,
	.stop = stop_loop,
};

static int enter_sandbox(struct supervisor *s)
{
	return pe_sandbox_enter(s->options, s->web);
}

static void report_sandbox(struct supervisor *s)
{
	pe_sandbox_report();
}

static const struct pe_module sandbox = {
	.name = "sandbox",
	.start = enter_sandbox,
	.tick = report_sandbox,
};

static void check_limits(struct supervisor *s)
{
	struct pe_workers_stats workers;
	struct pe_xdp_stats xdp;

	pe_workers_get_stats(s->workers, &workers);
	pe_xdp_get_stats(s->xdp, &xdp);
	pe_limits_check(&s->limits,
			(const uint64_t[PE_LIMITS]){
				[PE_LIMIT_RING] = xdp.lost,
				[PE_LIMIT_FLOWS] = workers.table_full,
				[PE_LIMIT_DEPARTED] = pe_registry_folded_early(s->registry),
				[PE_LIMIT_EARLY] = xdp.missed,
			});
}

static const struct pe_module limits = {
	.name = "limits",
	.tick = check_limits,
};

static void on_tick(void *userdata);

static int start_timer(struct supervisor *s)
{
	int r = pe_loop_add_timer(s->loop, on_tick, s, &s->timer);

	return r < 0 ? r : pe_source_arm(s->timer, pe_clock_monotonic_ns() + TICK_NS, TICK_NS);
}

static const struct pe_module timer = {
	.name = "timer",
	.start = start_timer,
};

/* clang-format off */
static const struct pe_module *const modules[] = {
	&pe_module_notify,
	/* A key may be readable to nobody later. */
	&pe_module_web_config,
	/* A port that is taken is reported before anything is attached, and one below 1024 needs
	 * privileges that the threads have no use for. */
	&pe_module_listeners,
	&files,
	&loop,
	/* Whoever asks early waits for the answer instead of finding nobody. */
	&pe_module_healthcheck_socket,
	&pe_module_kernel,
	&pe_module_drops,
	&pe_module_dns,
	&pe_module_identity,
	&pe_module_tcp,
	/* Ends what only the start may do. */
	&sandbox,
	&pe_module_workers,
	&pe_module_registry,
	&pe_module_interfaces,
	&pe_module_snapshots,
	&pe_module_http,
	/* Before the first push, which has what there is. */
	&pe_module_first_list,
	&pe_module_push,
	&pe_module_remote_write,
	&pe_module_link_events,
	&limits,
	&timer,
	/* When all have begun to count. */
	&pe_module_once,
	/* Stops first: the hash of a password can take as long as the last push. */
	&pe_module_logins,
	/* While it stops, a health check is refused at once. */
	&pe_module_healthcheck,
	&pe_module_report,
};
/* clang-format on */
#define MODULES (sizeof(modules) / sizeof(*modules))

static bool is_left_out(const struct supervisor *s, const struct pe_module *module)
{
	return s->options->once_ns && module->delivers;
}

/* Each second. The timers of modules are armed only while there is something to wait for. */
static void on_tick(void *userdata)
{
	for (size_t i = 0; i < MODULES; i++) {
		if (modules[i]->tick && !is_left_out(userdata, modules[i]))
			modules[i]->tick(userdata);
	}
}

static void reload(struct supervisor *s)
{
	pe_info("main", "SIGHUP: reading the interfaces, the web configuration and the host's name "
			"again; options are read at the start only, and the files of --push.* "
			"before each push");
	for (size_t i = 0; i < MODULES; i++) {
		if (modules[i]->reload && !is_left_out(s, modules[i]))
			modules[i]->reload(s);
	}
}

static void on_signal(int signo, void *userdata)
{
	struct supervisor *s = userdata;

	if (signo == SIGHUP) {
		reload(s);
		return;
	}
	pe_info("main", "%s: stopping", strsignal(signo));
	pe_loop_stop(s->loop);
}

/* *ret_count is how many are to be stopped, whatever is returned. */
static int start(struct supervisor *s, size_t *ret_count)
{
	size_t i;
	int r = 0;

	for (i = 0; i < MODULES && !r; i++) {
		if (modules[i]->start && !is_left_out(s, modules[i]))
			r = modules[i]->start(s);
		if (r < 0)
			pe_debug("main", "%s: %s", modules[i]->name, strerror(-r));
	}
	*ret_count = i;
	return r;
}

static void stop(struct supervisor *s, size_t count)
{
	while (count-- > 0) {
		if (modules[count]->stop && !is_left_out(s, modules[count]))
			modules[count]->stop(s);
	}
}

int pe_supervisor_run(const struct pe_options *options)
{
	struct supervisor s = { .options = options, .notify = PE_NOTIFY_INIT };
	size_t count;
	int r;

	pe_memory_init();
	r = start(&s, &count);
	if (!r) {
		pe_memory_release_start();
		pe_sandbox_seal();
		pe_info("main", "ready");
		r = pe_loop_run(s.loop);
		if (!r)
			r = s.once_result;
	}
	stop(&s, count);
	if (!r)
		pe_info("main", "stopped, nothing is left attached");
	return r;
}
