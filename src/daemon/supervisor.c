/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start, run, stop. This thread runs the loop (netlink, signals, one timer a second); it alone
 * attaches and detaches. The modules never see each other: their callbacks are wired here.
 */
#include "pe/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "pe/clock.h"
#include "pe/listen.h"
#include "pe/loop.h"
#include "pe/memory.h"
#include "pe/web.h"

#include "pe/interfaces.h"
#include "limits.h"
#include "privileges.h"
#include "sandbox.h"
#include "snapshot.h"

#define TICK_NS PE_NS_PER_S
/* Ticks from one look at what the kernel does not report to the next. */
#define REFRESH_TICKS 10
/* A flow that is quiet for this long leaves the kernel's cache; one that never pauses is reported.
 */
#define CACHE_IDLE_NS	PE_NS_PER_S
#define CACHE_ACTIVE_NS (5 * PE_NS_PER_S)
#define OWN_FILES	64
#define WORKER_FILES	3
#define WEB_TIMEOUT_S	30
#define WEB_SHARE_MS	1000
/* Of the five seconds that a stop may take, what the last push may have. */
#define LAST_PUSH_NS (3 * PE_NS_PER_S)

struct supervisor {
	const struct pe_options *options;
	struct pe_loop *loop;
	struct pe_source *tick;
	struct pe_source *settle;
	struct pe_source *brackets;
	struct pe_source *netlink; /* NULL until the interfaces have been listed */
	unsigned int max_links, max_connections;
	struct pe_xdp *xdp;
	struct pe_ring **rings;
	struct pe_workers *workers;
	struct pe_registry *registry;
	struct pe_interfaces *interfaces;
	struct pe_listeners *listeners;
	struct pe_web *web;
	struct pe_http *http;
	struct pe_sink *push;
	struct pe_sources sources;
	bool ready;  /* atomic */
	bool listed; /* the first dump has been made */
	unsigned int ticks;
	bool netlink_failed; /* the monitor wants to be called again */
	struct pe_log_once netlink_log;
	struct pe_limits limits;
};

/* ---- what the modules ask ---- */

static void read_rows(uint32_t token, struct pe_row *ret_row, void *userdata)
{
	struct supervisor *s = userdata;

	pe_xdp_read(s->xdp, token, ret_row);
}

static int read_flows(uint32_t token, struct pe_arena *arena, struct pe_flow_sample *ret_flows,
		      void *userdata)
{
	struct supervisor *s = userdata;
	int r = pe_workers_read(s->workers, token, arena, ret_flows);

	return r == -ENOENT ? 0 : r;
}

static void release_rows(uint32_t token, void *userdata)
{
	struct supervisor *s = userdata;

	pe_xdp_give_back(s->xdp, token);
}

static void release_flows(uint32_t token, void *userdata)
{
	struct supervisor *s = userdata;

	pe_workers_forget(s->workers, token);
}

static const struct pe_registry_ops registry_ops = {
	.read_rows = read_rows,
	.read_flows = read_flows,
	.release_rows = release_rows,
	.release_flows = release_flows,
};

static uint32_t jiffies_now(void *userdata)
{
	struct supervisor *s = userdata;

	return pe_xdp_now(s->xdp);
}

static int announce(uint32_t token, void *userdata)
{
	struct supervisor *s = userdata;

	return pe_workers_announce(s->workers, token);
}

static void departed(void *userdata)
{
	struct supervisor *s = userdata;

	if (s->push)
		pe_sink_request(s->push, s->options->push_departure_delay_ns);
}

static void synced(void *userdata)
{
	struct supervisor *s = userdata;

	__atomic_store_n(&s->ready, true, __ATOMIC_RELEASE);
}

static int snapshot(struct pe_snapshot **ret_snapshot, void *userdata)
{
	struct supervisor *s = userdata;

	return pe_sources_snapshot(&s->sources, ret_snapshot);
}

static bool ready(void *userdata)
{
	struct supervisor *s = userdata;

	return __atomic_load_n(&s->ready, __ATOMIC_ACQUIRE);
}

/* ---- events ---- */

static void arm_settle(struct supervisor *s)
{
	if (s->settle)
		pe_source_arm(s->settle, pe_interfaces_settle_at(s->interfaces), 0);
}

static void on_settle(void *userdata)
{
	struct supervisor *s = userdata;

	pe_interfaces_settle(s->interfaces);
	arm_settle(s);
}

static void on_netlink(void *userdata);

/* Not before the first list: nobody reads the descriptor until then, and the loop would not rest.
 */
static int watch_netlink(struct supervisor *s)
{
	if (!s->listed || s->netlink)
		return 0;
	return pe_loop_add_fd(s->loop, pe_monitor_fd(pe_interfaces_monitor(s->interfaces)),
			      on_netlink, s, &s->netlink);
}

static void on_netlink(void *userdata)
{
	struct supervisor *s = userdata;
	int r = s->listed ? pe_interfaces_dispatch(s->interfaces)
			  : pe_interfaces_start(s->interfaces);

	if (r < 0 && pe_log_once(&s->netlink_log, 60 * PE_NS_PER_S))
		pe_error("net", "cannot list the interfaces: %s; trying again each second",
			 strerror(-r));
	s->netlink_failed = r < 0;
	if (!r)
		s->listed = true;
	/* Where that fails, the tick looks for events. */
	watch_netlink(s);
	arm_settle(s);
}

static bool rings_pending(const struct supervisor *s)
{
	for (unsigned int i = 0; i < s->options->workers; i++) {
		if (pe_ring_pending(s->rings[i]))
			return true;
	}
	return false;
}

static void check_limits(struct supervisor *s, const struct pe_workers_stats *workers)
{
	struct pe_xdp_stats xdp;

	pe_xdp_get_stats(s->xdp, &xdp);
	pe_limits_check(&s->limits,
			(const uint64_t[PE_LIMITS]){
				[PE_LIMIT_RING] = xdp.lost,
				[PE_LIMIT_FLOWS] = workers->table_full,
				[PE_LIMIT_DEPARTED] = pe_registry_folded_early(s->registry),
				[PE_LIMIT_NEWCOMERS] = xdp.missed,
			});
}

static void on_brackets(void *userdata)
{
	struct supervisor *s = userdata;

	pe_interfaces_close_brackets(s->interfaces);
}

/* The only timer: while nothing happens, it is all that wakes. */
static void on_tick(void *userdata)
{
	struct supervisor *s = userdata;
	struct pe_workers_stats stats;

	if (s->netlink_failed)
		on_netlink(s);
	pe_xdp_sweep(s->xdp, CACHE_IDLE_NS);
	pe_workers_get_stats(s->workers, &stats);
	if (stats.active || rings_pending(s))
		pe_workers_kick(s->workers);
	pe_registry_expire(s->registry, pe_clock_monotonic_ns(), NULL);
	/* What came meanwhile goes before the rest, which waits for locks of the kernel. */
	if (s->listed && pe_monitor_has_events(pe_interfaces_monitor(s->interfaces)))
		on_netlink(s);
	if (s->listed && ++s->ticks % REFRESH_TICKS == 0)
		pe_interfaces_refresh(s->interfaces);
	pe_interfaces_retry(s->interfaces);
	pe_interfaces_audit(s->interfaces);
	pe_source_arm(s->brackets, pe_interfaces_brackets_at(s->interfaces), 0);
	check_limits(s, &stats);
	pe_sandbox_report();
}

/* The kernel is asked for all interfaces again, as after lost events. */
static void reload(struct supervisor *s)
{
	pe_info("main", "SIGHUP: reading the interfaces, the web configuration and the host's name "
			"again; options are read at the start only, and the files of --push.* "
			"before each push");
	pe_http_reload(s->http);
	pe_sink_reload(s->push);
	pe_interfaces_resync(s->interfaces);
	on_netlink(s);
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

/* ---- start ---- */

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

static int start_kernel_side(struct supervisor *s)
{
	const struct pe_options *o = s->options;
	const struct pe_xdp_options options = {
		.max_interfaces = o->max_interfaces,
		.rings = o->workers,
		.flow_cache = o->flow_cache,
		.ring_size = o->ring_size,
		.active_ns = CACHE_ACTIVE_NS,
		.egress = o->egress,
	};
	int r = pe_privileges_check();

	if (r < 0)
		return r;
	r = pe_xdp_open(&options, &s->xdp);
	if (r == -EPERM && pe_privileges_lack_memlock())
		pe_error("xdp", "the kernel refuses the memory for BPF maps: before Linux 5.11 it "
				"counts against RLIMIT_MEMLOCK, which only root raises; start with "
				"LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (Docker) or "
				"ulimit -l unlimited");
	else if (r == -EPERM)
		pe_error("xdp", "loading BPF programs is not permitted, although the capabilities "
				"are there: by a seccomp filter, a security module or a user "
				"namespace");
	else if (r == -ENOMEM)
		pe_error("xdp",
			 "the kernel refuses the memory for BPF maps; lower "
			 "--max-interfaces, --flows.cache-size or --flows.ring-size, or raise "
			 "the limit (of the control group; before Linux 5.11 RLIMIT_MEMLOCK)");
	else if (r == -EOPNOTSUPP)
		pe_error("xdp", "the kernel has no BTF (/sys/kernel/btf/vmlinux); Linux 5.10 or "
				"newer with CONFIG_DEBUG_INFO_BTF is needed");
	else if (r < 0)
		pe_error("xdp", "cannot load BPF programs: %s (more with --log.level=debug)",
			 strerror(-r));
	else if (o->egress && !pe_xdp_egress(s->xdp))
		pe_warn("xdp", "egress is not counted: the kernel refuses the tracepoint "
			       "net_dev_start_xmit");
	return r;
}

static int start_workers(struct supervisor *s)
{
	const struct pe_options *o = s->options;
	struct pe_workers_options options = {
		.count = o->workers,
		.max_flows = o->flow_table,
		.flow_idle_ns = o->flow_idle_ns,
		.top = o->flows_top,
		.tick_ns = pe_clock_tick_ns(),
		.now = jiffies_now,
		.userdata = s,
	};
	int r;

	s->rings = calloc(o->workers, sizeof(*s->rings));
	if (!s->rings)
		return -ENOMEM;
	for (unsigned int i = 0; i < o->workers; i++) {
		r = pe_xdp_ring(s->xdp, i, &s->rings[i]);
		if (r < 0)
			return r;
	}
	options.rings = s->rings;
	return pe_workers_new(&options, &s->workers);
}

/* One descriptor an interface and one a connection; of few, the server gets half, and some are for
 * ourselves. */
static void share_files(struct supervisor *s)
{
	const rlim_t own = OWN_FILES + WORKER_FILES * s->options->workers;
	const rlim_t extra = pe_http_extra_files(s->listeners, s->web);
	struct rlimit files;
	rlim_t half, rest;

	s->max_links = s->options->max_interfaces;
	s->max_connections = s->options->web_max_connections;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	half = files.rlim_cur / 2;
	if (s->max_connections + extra > half)
		s->max_connections = half > extra ? (unsigned int)(half - extra) : 1;
	rest = own + extra + s->max_connections;
	rest = files.rlim_cur > rest ? files.rlim_cur - rest : 0;
	if (s->max_links > rest)
		s->max_links = (unsigned int)rest;
	if (s->max_connections < s->options->web_max_connections)
		pe_warn("web",
			"%u connections are served at the same time, not %u: the limit of "
			"open files is %llu",
			s->max_connections, s->options->web_max_connections,
			(unsigned long long)files.rlim_cur);
}

static int start_interfaces(struct supervisor *s)
{
	const struct pe_registry_options registry = {
		.retention_ns = s->options->departed_retention_ns,
		.max_departed = s->options->departed_max,
	};
	struct pe_interfaces_options options = {
		.options = s->options,
		.xdp = s->xdp,
		.max_links = s->max_links,
		.announce = announce,
		.forget = release_flows,
		.departed = departed,
		.synced = synced,
		.userdata = s,
	};
	int r = pe_registry_new(&registry, &registry_ops, s, &s->registry);

	if (r < 0)
		return r;
	options.registry = s->registry;
	r = pe_interfaces_new(&options, &s->interfaces);
	if (r < 0)
		pe_error("net", "cannot listen to link events: %s", strerror(-r));
	return r;
}

/* First of all: a port that is taken should be told before anything is attached, and one below 1024
 * needs privileges that the threads have no use for. */
static int start_listening(struct supervisor *s)
{
	const struct pe_listen_options options = {
		.addresses = (const char *const *)s->options->listen.item,
		.count = s->options->listen.count,
		.systemd = s->options->web_systemd_socket,
	};
	char why[PE_LISTEN_WHY_MAX] = "";
	int r = pe_listeners_new(&options, &s->listeners, why, sizeof(why));

	if (r < 0)
		pe_error("web", "%s", why);
	return r;
}

/* Early, too: a key may be readable to nobody else. */
static int read_web_config(struct supervisor *s)
{
	char why[PE_WEB_WHY_MAX] = "";
	int r = pe_web_new(s->options->web_config_file, &s->web, why, sizeof(why));

	if (r < 0)
		pe_error("web", "%s", why);
	return r;
}

static int start_http(struct supervisor *s)
{
	const struct pe_options *o = s->options;
	const struct pe_http_options options = {
		.listeners = s->listeners,
		.web = s->web,
		.telemetry_path = o->telemetry_path,
		.legacy = o->legacy,
		.max_connections = s->max_connections,
		.timeout_s = WEB_TIMEOUT_S,
		.share_ms = WEB_SHARE_MS,
		.snapshot = snapshot,
		.ready = ready,
		.userdata = s,
	};
	int r = pe_http_new(&options, &s->http);

	if (r < 0) {
		pe_error("web", "cannot serve: %s", strerror(-r));
		return r;
	}
	pe_sources_set_http(&s->sources, s->http);
	for (size_t i = 0; i < pe_listeners_count(s->listeners); i++)
		pe_info("web", "serving %s on %s", o->telemetry_path,
			pe_listeners_name(s->listeners, i));
	return 0;
}

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
	options.snapshot = snapshot;
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
		pe_sources_set_push(&s->sources, s->push);
	return r;
}

static int start(struct supervisor *s)
{
	int r;

	r = read_web_config(s);
	if (!r)
		r = start_listening(s);
	if (!r)
		share_files(s);
	if (!r)
		r = start_loop(s);
	if (!r)
		r = start_kernel_side(s);
	if (!r)
		r = pe_sandbox_enter(s->options, s->web);
	if (!r)
		r = start_workers(s);
	if (!r)
		r = start_interfaces(s);
	if (r < 0)
		return r;
	s->sources = (struct pe_sources){
		.xdp = s->xdp,
		.registry = s->registry,
		.interfaces = s->interfaces,
		.workers = s->workers,
		.top_flows = s->options->flows_top > 0,
		.start_ns = pe_clock_monotonic_ns(),
		.mutex = PTHREAD_MUTEX_INITIALIZER,
	};
	r = start_http(s);
	/* A storm can spoil the first list; it is not ready then, and tries again. */
	if (!r)
		on_netlink(s);
	/* Then the first push has what there is. */
	if (!r)
		r = start_push(s);
	if (!r)
		r = watch_netlink(s);
	if (!r)
		r = pe_loop_add_timer(s->loop, on_settle, s, &s->settle);
	if (!r)
		r = pe_loop_add_timer(s->loop, on_brackets, s, &s->brackets);
	if (!r)
		r = pe_loop_add_timer(s->loop, on_tick, s, &s->tick);
	if (!r)
		r = pe_source_arm(s->tick, pe_clock_monotonic_ns() + TICK_NS, TICK_NS);
	return r;
}

/* ---- stop ---- */

/* The last numbers are read and delivered while everything still counts; then it is taken apart. */
static void stop(struct supervisor *s)
{
	/* The hash of a password can take as long as the last push. */
	pe_http_refuse_logins(s->http);
	if (s->push) {
		pe_xdp_sweep(s->xdp, 0);
		pe_workers_drain(s->workers);
		pe_sinks_stop(&s->push, 1, LAST_PUSH_NS);
	}
	pe_sources_set_http(&s->sources, NULL);
	pe_http_free(s->http);
	pe_sink_free(s->push);	      /* after those who scrape its statistics */
	pe_source_remove(s->netlink); /* before its descriptor is closed */
	pe_interfaces_free(s->interfaces);
	pe_registry_free(s->registry);
	pe_workers_free(s->workers);
	for (unsigned int i = 0; s->rings && i < s->options->workers; i++)
		pe_ring_free(s->rings[i]);
	free(s->rings);
	pe_xdp_close(s->xdp);
	pe_loop_free(s->loop);
	pe_listeners_free(s->listeners);
	pe_web_free(s->web);
}

int pe_supervisor_run(const struct pe_options *options)
{
	struct supervisor s = { .options = options };
	int r;

	pe_memory_init();
	r = start(&s);
	if (!r) {
		pe_memory_settle();
		pe_sandbox_seal();
		pe_info("main", "ready");
		r = pe_loop_run(s.loop);
	}
	stop(&s);
	if (!r)
		pe_info("main", "stopped, nothing is left attached");
	return r;
}
