/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interfaces: the first list, link events, and what is done for them each second. */
#include <string.h>

#include "pe/clock.h"
#include "pe/interfaces.h"
#include "pe/log.h"
#include "pe/loop.h"
#include "pe/workers.h"

#include "modules.h"

/* Ticks from one look at what the kernel does not report to the next. */
#define REFRESH_TICKS 10

static int announce(uint32_t token, void *userdata)
{
	struct supervisor *s = userdata;

	return pe_workers_announce(s->workers, token);
}

static void forget(uint32_t token, void *userdata)
{
	struct supervisor *s = userdata;

	pe_workers_forget(s->workers, token);
}

static void departed(void *userdata)
{
	struct supervisor *s = userdata;

	pe_sink_request(s->push, s->options->push_departure_delay_ns);
}

static void synced(void *userdata)
{
	struct supervisor *s = userdata;

	__atomic_store_n(&s->ready, true, __ATOMIC_RELEASE);
}

static int start_interfaces(struct supervisor *s)
{
	const struct pe_interfaces_options options = {
		.options = s->options,
		.xdp = s->xdp,
		.identities = s->identities,
		.registry = s->registry,
		.max_links = s->shares.links,
		.announce = announce,
		.forget = forget,
		.departed = departed,
		.synced = synced,
		.userdata = s,
	};
	int r = pe_interfaces_new(&options, &s->interfaces);

	if (r < 0)
		pe_error("net", "cannot subscribe to link events: %s", strerror(-r));
	return r;
}

static void stop_interfaces(struct supervisor *s)
{
	pe_source_remove(s->netlink); /* before its descriptor is closed */
	pe_interfaces_free(s->interfaces);
}

static void arm_promote(struct supervisor *s)
{
	if (s->promote)
		pe_source_arm(s->promote, pe_interfaces_promote_at(s->interfaces), 0);
}

static void on_promote(void *userdata)
{
	struct supervisor *s = userdata;

	pe_interfaces_promote(s->interfaces);
	arm_promote(s);
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
		pe_error("net", "cannot list the interfaces: %s; retrying every second",
			 strerror(-r));
	s->netlink_failed = r < 0;
	if (!r)
		s->listed = true;
	/* Where that fails, the tick looks for events. */
	watch_netlink(s);
	arm_promote(s);
	pe_module_identity_arm(s);
}

/* A storm can spoil the first list; it is not ready then, and tries again. */
static int list_interfaces(struct supervisor *s)
{
	on_netlink(s);
	return 0;
}

static void on_brackets(void *userdata)
{
	struct supervisor *s = userdata;

	pe_interfaces_close_brackets(s->interfaces);
}

static int watch_interfaces(struct supervisor *s)
{
	int r = watch_netlink(s);

	if (!r)
		r = pe_loop_add_timer(s->loop, on_promote, s, &s->promote);
	if (!r)
		r = pe_loop_add_timer(s->loop, on_brackets, s, &s->brackets);
	return r;
}

static void tend_interfaces(struct supervisor *s)
{
	if (s->netlink_failed)
		on_netlink(s);
	/* What came meanwhile goes before the rest, which waits for locks of the kernel. */
	if (s->listed && pe_monitor_has_events(pe_interfaces_monitor(s->interfaces)))
		on_netlink(s);
	if (s->listed && ++s->ticks % REFRESH_TICKS == 0)
		pe_interfaces_refresh(s->interfaces);
	pe_interfaces_retry(s->interfaces);
	pe_interfaces_audit(s->interfaces);
	pe_source_arm(s->brackets, pe_interfaces_brackets_at(s->interfaces), 0);
	pe_module_identity_arm(s);
}

/* Lists all interfaces again, as after lost events. */
static void reload_interfaces(struct supervisor *s)
{
	pe_interfaces_resync(s->interfaces);
	on_netlink(s);
}

const struct pe_module pe_module_interfaces = {
	.name = "interfaces",
	.start = start_interfaces,
	.stop = stop_interfaces,
	.tick = tend_interfaces,
};

const struct pe_module pe_module_first_list = {
	.name = "first list",
	.start = list_interfaces,
};

const struct pe_module pe_module_link_events = {
	.name = "link events",
	.start = watch_interfaces,
	.reload = reload_interfaces,
};
