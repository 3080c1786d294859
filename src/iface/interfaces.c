/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From link events to attached programs.
 *
 * Desired state is kept with the interface, never by name. An interface that is wanted always has a
 * series; whether its ingress is counted is its mode, and a mode below the wish is tried again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/log.h"

#include "contribution.h"
#include "engine.h"
#include "relations.h"
#include "watch.h"

/* Interfaces that are down, asked for what the kernel does not report of them. */
#define REFRESH_MOST 64
/* At the end, until the events of interfaces are all read. */
#define LAST_DISPATCHES 16

struct pe_interfaces {
	struct pe_interfaces_options options;
	struct pe_policy policy;
	struct pe_kernel kernel;
	struct pe_relations relations;
	struct pe_attacher_options attacher_options;
	struct pe_engine engine;
	struct pe_features *features; /* owned */
	uint64_t events_ns;	      /* when the events being handled were reported */
	bool was_synced;
	bool ending; /* what comes now is not watched */
};

static void unwatch(struct pe_interfaces *interfaces, struct pe_iface *iface, enum pe_ending ending)
{
	struct pe_identities *identities = interfaces->options.identities;
	bool is_used;

	if (!iface || !(iface->state & PE_IFACE_WATCHED))
		return;
	/*
	 * It may be named only now: as one that has departed, because its link is found by nothing
	 * any more. Where its number is in use, what is said of that may be of another one.
	 */
	is_used = identities && pe_monitor_exists(interfaces->engine.monitor, iface->link->ifindex);
	if (is_used)
		pe_identities_unlink(identities, iface->link->ifindex);
	if (iface->attachment.token != PE_TOKEN_NONE)
		pe_maintenance_freed_slot(interfaces->engine.maintenance);
	pe_watch_end(&interfaces->engine, iface, ending);
	if (identities && !is_used)
		pe_identities_unlink(identities, iface->link->ifindex);
}

/* A carrier that came and went may not have been reported. */
static void identify(struct pe_interfaces *interfaces, const struct pe_link *link)
{
	struct pe_identities *identities = interfaces->options.identities;
	const bool is_used = link->flags & IFF_LOWER_UP || link->stats.rx_packets ||
			     link->stats.tx_packets;

	if (identities && pe_identity_is_possible(link->kind))
		pe_identities_link(identities, link->ifindex, is_used, interfaces->events_ns);
}

static void watch(struct pe_interfaces *interfaces, struct pe_iface *iface)
{
	const struct pe_engine *engine = &interfaces->engine;
	const struct pe_link *link = iface->link;

	if (iface->state & PE_IFACE_WATCHED)
		return;
	if (!iface->wanted) {
		pe_early_refuse(engine, link->ifindex);
		return;
	}
	/*
	 * The event of a rename was lost, or is still to be read in a dump: the series go to the
	 * new interface of that name. The other one is ended as if it had left, so that its audit
	 * has its counts; it comes again by its own name.
	 */
	unwatch(interfaces, pe_contribution_find(engine, link->name), PE_ENDING_UNWATCHED);
	if (!pe_watch_begin(engine, iface, interfaces->events_ns)) {
		pe_attacher_count_error(engine->attacher, -ENOMEM);
		pe_error("metrics", "%s is not counted: out of memory", link->name);
		return;
	}
	pe_maintenance_began(engine->maintenance, iface);
	identify(interfaces, link);
	if (iface->attachment.token == PE_TOKEN_NONE)
		pe_early_refuse(engine, link->ifindex);
	pe_debug("net", "%s (%d): %s", link->name, link->ifindex,
		 pe_mode_name(iface->attachment.mode));
}

/* The record of a link, made where there is none yet; what is wanted of it as it is now. NULL for
 * want of memory. */
static struct pe_iface *describe(struct pe_interfaces *interfaces, struct pe_link *link)
{
	struct pe_iface *iface = link->owner ? link->owner
					     : pe_records_add(interfaces->engine.records, link);

	if (!iface) {
		pe_attacher_count_error(interfaces->engine.attacher, -ENOMEM);
		pe_error("xdp", "%s is not counted: out of memory", link->name);
		return NULL;
	}
	iface->wanted = pe_options_match(interfaces->options.options, link->name, link->altnames);
	pe_attacher_plan(interfaces->engine.attacher, iface);
	return iface;
}

/* The ports of a bridge carry its name. */
static void update_ports(struct pe_interfaces *interfaces, int master)
{
	pe_records_for_each (interfaces->engine.records, iface, PE_IFACE_WATCHED) {
		const struct pe_link *link = iface->link;

		if (link->master && (!master || link->master == master))
			pe_contribution_update(&interfaces->engine, iface);
	}
}

static void on_added(struct pe_link *link, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;
	struct pe_iface *iface;

	if (interfaces->ending)
		return;
	iface = describe(interfaces, link);
	if (iface)
		watch(interfaces, iface);
	pe_auditor_added(interfaces->engine.auditor, link->ifindex);
}

/* Looked at when the kernel is less busy: reading features takes its lock of all interfaces. */
static void on_touched(const struct pe_link *link, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;
	struct pe_iface *iface = link->owner;

	if (!iface || !(iface->state & PE_IFACE_WATCHED))
		return;
	pe_records_set(interfaces->engine.records, iface, PE_IFACE_FEATURES, true);
	if (link->stats.rx_packets || link->stats.tx_packets)
		identify(interfaces, link);
}

static void on_changed(struct pe_link *link, const struct pe_link *before, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;
	const struct pe_engine *engine = &interfaces->engine;
	struct pe_iface *iface;
	bool was_watched;

	if (interfaces->ending)
		return;
	iface = describe(interfaces, link);
	if (!iface)
		return;
	was_watched = iface->state & PE_IFACE_WATCHED;
	/* When the event of a rename was lost, another interface may have come by its name and
	 * series. */
	if (was_watched && (!iface->wanted || pe_contribution_update(engine, iface) == -ENOENT)) {
		unwatch(interfaces, iface, PE_ENDING_UNWATCHED);
		was_watched = false;
	}
	if (was_watched)
		identify(interfaces, link);
	else
		watch(interfaces, iface);
	/* Somebody else's program has gone. */
	if (was_watched && iface->state & PE_IFACE_RETRY && before->xdp_id && !link->xdp_id)
		pe_watch_try_again(engine, iface);
	if (strcmp(link->name, before->name) != 0)
		update_ports(interfaces, link->ifindex);
	on_touched(link, interfaces);
}

/*
 * In which directions the kernel side has counted what a gone interface's ifindex has received and
 * sent since, if another one has it already. What XDP and TCX count needs the program on it: that
 * of a deleted one is on the other, or nowhere.
 */
static void look_for_reuse(struct pe_interfaces *interfaces, int ifindex, enum pe_mode mode,
			   bool has_program)
{
	pe_auditor_gone(interfaces->engine.auditor, ifindex,
			mode == PE_MODE_TRACEPOINT || has_program, interfaces->policy.egress);
}

static void on_gone(const struct pe_link *link, enum pe_link_gone why, void *userdata)
{
	static const char *const how[] = { "deleted", "moved to another namespace",
					   "missing from a dump" };
	static const enum pe_ending ending[] = { PE_ENDING_DELETED, PE_ENDING_MOVED,
						 PE_ENDING_UNWATCHED };
	struct pe_interfaces *interfaces = userdata;
	const struct pe_engine *engine = &interfaces->engine;
	struct pe_iface *iface = link->owner;
	bool counted = iface && iface->attachment.token != PE_TOKEN_NONE;
	bool is_reused = iface && why == PE_LINK_DELETED &&
			 pe_attacher_is_on(engine->attacher, iface);
	enum pe_mode mode = iface ? iface->attachment.mode : PE_MODE_NONE;

	pe_debug("net", "%s (%d): %s", link->name, link->ifindex, how[why]);
	/* Our program is on the next one of this ifindex only if it was so when the features were
	 * read. */
	if (!is_reused)
		pe_attacher_forget(engine->attacher, link, why == PE_LINK_MOVED);
	if (!interfaces->ending)
		unwatch(interfaces, iface, ending[why]);
	pe_records_remove(engine->records, iface);
	if (interfaces->ending)
		return;
	if (counted)
		look_for_reuse(interfaces, link->ifindex, mode, is_reused);
	interfaces->kernel.ops->ignore(interfaces->kernel.xdp, link->ifindex, false);
	/* Its provisional slot is missing: a storm's next ones do not wait for the end of its
	 * events. */
	if (interfaces->was_synced)
		pe_early_provision(engine);
}

/*
 * Our program stays on an interface for its whole life; on one that we could not attach to, it came
 * with a successor that we had attached to under another ifindex.
 */
static bool on_is_known(const struct pe_link *link, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;
	const struct pe_iface *iface = pe_records_find(interfaces->engine.records, link->key);

	return !iface || !(iface->state & PE_IFACE_WATCHED) ||
	       (iface->attachment.link_fd >= 0) ==
		       interfaces->kernel.ops->is_ours(interfaces->kernel.xdp, link->xdp_id);
}

static void on_synced(void *userdata)
{
	struct pe_interfaces *interfaces = userdata;

	if (interfaces->ending)
		return;
	/* A port may have been dumped before its bridge. */
	update_ports(interfaces, 0);
	/* Ready means that all that was there before is as it should be, and what comes is counted.
	 */
	if (!interfaces->was_synced)
		pe_maintenance_promote_all(interfaces->engine.maintenance);
	interfaces->was_synced = true;
	pe_early_provision(&interfaces->engine);
	interfaces->options.synced(interfaces->options.userdata);
}

static const struct pe_monitor_ops monitor_ops = {
	.added = on_added,
	.changed = on_changed,
	.touched = on_touched,
	.gone = on_gone,
	.is_known = on_is_known,
	.synced = on_synced,
};

/* ---- contract ---- */

/* What does not fail, and the pointers that the parts need of each other. */
static void prepare(struct pe_interfaces *interfaces, const struct pe_interfaces_options *options,
		    const struct pe_kernel *kernel)
{
	struct pe_engine *engine = &interfaces->engine;

	interfaces->options = *options;
	interfaces->kernel = *kernel;
	interfaces->policy = (struct pe_policy){ .xdp_mode = options->options->xdp_mode,
						 .egress = kernel->ops->egress(kernel->xdp) };
	interfaces->attacher_options = (struct pe_attacher_options){
		.kernel = &interfaces->kernel,
		.policy = &interfaces->policy,
		.relations = pe_relations_bind(&interfaces->relations),
		.max_interfaces = options->options->max_interfaces,
		.max_links = options->max_links,
		.announce = options->announce,
		.userdata = options->userdata,
	};
	engine->options = &interfaces->options;
	engine->kernel = &interfaces->kernel;
}

/* The parts, each of which needs those before it. 0 or -errno. */
static int make_parts(struct pe_interfaces *interfaces)
{
	struct pe_engine *engine = &interfaces->engine;
	int r = pe_monitor_new(&monitor_ops, interfaces,
			       interfaces->options.options->netlink_rcvbuf, &engine->monitor);

	if (!r)
		r = pe_records_new(engine->monitor, &engine->records);
	interfaces->relations = (struct pe_relations){ engine->records, engine->monitor };
	if (!r)
		r = pe_attacher_new(&interfaces->attacher_options, &engine->attacher);
	if (!r)
		r = pe_auditor_new(engine, &engine->auditor);
	if (!r)
		r = pe_maintenance_new(engine, &engine->maintenance);
	return r;
}

int pe_interfaces_new_on(const struct pe_interfaces_options *options,
			 const struct pe_kernel *kernel, struct pe_interfaces **ret_interfaces)
{
	struct pe_interfaces *interfaces = calloc(1, sizeof(*interfaces));
	int r;

	if (!interfaces)
		return -ENOMEM;
	prepare(interfaces, options, kernel);
	r = make_parts(interfaces);
	if (r < 0) {
		pe_interfaces_free(interfaces);
		return r;
	}
	*ret_interfaces = interfaces;
	return 0;
}

int pe_interfaces_new(const struct pe_interfaces_options *options,
		      struct pe_interfaces **ret_interfaces)
{
	struct pe_kernel kernel = { .ops = &pe_kernel_ops, .xdp = options->xdp };
	int r = pe_features_new(&kernel.features);

	if (r < 0)
		return r;
	r = pe_interfaces_new_on(options, &kernel, ret_interfaces);
	if (r < 0)
		pe_features_free(kernel.features);
	else
		(*ret_interfaces)->features = kernel.features;
	return r;
}

struct pe_interfaces *pe_interfaces_free(struct pe_interfaces *interfaces)
{
	struct pe_engine *engine;

	if (!interfaces)
		return NULL;
	engine = &interfaces->engine;
	interfaces->ending = true;
	if (engine->attacher && engine->records) {
		pe_records_for_each (engine->records, iface, PE_IFACE_WATCHED) {
			pe_attacher_detach(engine->attacher, iface);
		}
		/* What it is to be put back on may have gone meanwhile. */
		for (int i = 0; pe_attacher_has_offloads(engine->attacher) && i < LAST_DISPATCHES;
		     i++) {
			pe_monitor_dispatch(engine->monitor);
			pe_attacher_put_back(engine->attacher);
		}
	}
	pe_maintenance_free(engine->maintenance);
	pe_auditor_free(engine->auditor);
	pe_attacher_free(engine->attacher);
	pe_records_free(engine->records);
	pe_monitor_free(engine->monitor);
	pe_features_free(interfaces->features);
	free(interfaces);
	return NULL;
}

const struct pe_engine *pe_interfaces_engine(const struct pe_interfaces *interfaces)
{
	return &interfaces->engine;
}

struct pe_monitor *pe_interfaces_monitor(struct pe_interfaces *interfaces)
{
	return interfaces->engine.monitor;
}

int pe_interfaces_start(struct pe_interfaces *interfaces)
{
	interfaces->events_ns = pe_clock_monotonic_ns();
	return pe_monitor_start(interfaces->engine.monitor);
}

int pe_interfaces_dispatch(struct pe_interfaces *interfaces)
{
	int r;

	interfaces->events_ns = pe_clock_monotonic_ns();
	r = pe_monitor_dispatch(interfaces->engine.monitor);
	pe_attacher_put_back_owed(interfaces->engine.attacher);
	if (interfaces->was_synced)
		pe_early_provision(&interfaces->engine);
	return r;
}

uint64_t pe_interfaces_promote_at(const struct pe_interfaces *interfaces)
{
	return pe_maintenance_promote_at(interfaces->engine.maintenance, interfaces->events_ns);
}

void pe_interfaces_promote(struct pe_interfaces *interfaces)
{
	pe_maintenance_promote(interfaces->engine.maintenance, interfaces->events_ns);
}

void pe_interfaces_retry(struct pe_interfaces *interfaces)
{
	pe_maintenance_retry(interfaces->engine.maintenance);
}

void pe_interfaces_audit(struct pe_interfaces *interfaces)
{
	pe_early_look_after(&interfaces->engine);
	pe_maintenance_audit(interfaces->engine.maintenance);
}

uint64_t pe_interfaces_brackets_at(const struct pe_interfaces *interfaces)
{
	return pe_auditor_brackets_at(interfaces->engine.auditor);
}

void pe_interfaces_close_brackets(struct pe_interfaces *interfaces)
{
	pe_auditor_close_brackets(interfaces->engine.auditor);
}

void pe_interfaces_identify(struct pe_interfaces *interfaces, int ifindex,
			    struct pe_identity *identity)
{
	pe_contribution_identify(&interfaces->engine, ifindex, identity);
}

void pe_interfaces_name_netns(struct pe_interfaces *interfaces, uint64_t netns, int ifindex,
			      struct pe_identity *identity)
{
	pe_contribution_name_netns(&interfaces->engine, netns, ifindex, identity);
}

void pe_interfaces_resync(struct pe_interfaces *interfaces)
{
	pe_monitor_request_resync(interfaces->engine.monitor);
}

void pe_interfaces_refresh(struct pe_interfaces *interfaces)
{
	interfaces->events_ns = pe_clock_monotonic_ns();
	pe_monitor_refresh(interfaces->engine.monitor, REFRESH_MOST);
}

unsigned int pe_interfaces_count(const struct pe_interfaces *interfaces)
{
	return pe_records_count(interfaces->engine.records, PE_IFACE_WATCHED);
}

void pe_interfaces_get_stats(struct pe_interfaces *interfaces,
			     struct pe_interfaces_stats *ret_stats)
{
	pe_attacher_get_stats(interfaces->engine.attacher, ret_stats);
}
