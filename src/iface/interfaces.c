/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From link events to attached programs.
 *
 * Desired state is kept by ifindex, never by name. An interface that is wanted always has a series;
 * whether its ingress is counted is its mode, and a mode below the wish is tried again.
 */
#include "watch.h"
#include "policy.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/log.h"

/* Interfaces that are down, asked for what the kernel does not report of them. */
#define REFRESH_MOST 64
/* At the end, until the events of interfaces are all read. */
#define LAST_DISPATCHES 16

/* Gives up a watch that has no series: whatever it holds, nobody else will give back. */
static void drop(struct pe_interfaces *interfaces, struct pe_watch **at)
{
	struct pe_watch *watch = *at;

	*at = watch->next;
	pe_watch_forget_fresh(interfaces, watch);
	pe_watch_retry(interfaces, watch, false);
	pe_attacher_detach(&interfaces->attacher, &watch->attachment);
	if (watch->attachment.token != PE_TOKEN_NONE) {
		pe_xdp_stop(interfaces->options.xdp, watch->attachment.token);
		pe_xdp_give_back(interfaces->options.xdp, watch->attachment.token);
		interfaces->options.forget(watch->attachment.token, interfaces->options.userdata);
	}
	free(watch);
}

/* What an earlier stay has accounted for. */
static void recall(struct pe_interfaces *interfaces, const struct pe_link *link,
		   struct pe_count ret_known[PE_DIRECTIONS])
{
	struct pe_link_stats now;
	bool is_there = pe_away_has(interfaces->away, link) &&
			!pe_monitor_read_stats(interfaces->monitor, link->ifindex, &now);

	pe_away_take(interfaces->away, link, is_there ? &now : NULL, ret_known);
	/* It is the same one, and not an heir, if it was away. */
	pe_heirs_take(&interfaces->heirs, link->ifindex, is_there ? NULL : ret_known);
}

/* What was counted before the interface was known. */
static void begin_audit(struct pe_interfaces *interfaces, const struct pe_link *link,
			struct pe_watch *watch)
{
	struct pe_row ours[PE_DIRECTIONS] = { 0 };
	struct pe_count known[PE_DIRECTIONS];

	recall(interfaces, link, known);
	if (watch->attachment.newcomer)
		pe_xdp_read(interfaces->options.xdp, watch->attachment.token, ours);
	pe_audit_begin(&watch->audit, interfaces->options.registry, link,
		       pe_xdp_egress(interfaces->options.xdp), known, ours);
	pe_watch_audit_blind(interfaces, link, watch);
}

static void unwatch(struct pe_interfaces *interfaces, const struct pe_link *link, bool may_return);

/*
 * News of a rename were lost, or are still to be read in a dump: the series go to the new interface
 * of that name. The other one is ended as if it had left, so that its audit has its counts; it
 * comes again by its own name.
 */
static void release_name(struct pe_interfaces *interfaces, const char *name)
{
	int ifindex = pe_registry_find(interfaces->options.registry, name);
	const struct pe_link *other = ifindex ? pe_monitor_find(interfaces->monitor, ifindex)
					      : NULL;

	if (other)
		unwatch(interfaces, other, true);
}

static void watch_link(struct pe_interfaces *interfaces, const struct pe_link *link)
{
	struct pe_registry *registry = interfaces->options.registry;
	struct pe_watch **at = pe_watch_find(interfaces, link->ifindex), *watch;
	struct pe_iface_info info;

	if (*at)
		return;
	if (!pe_options_match(interfaces->options.options, link->name, link->altnames)) {
		pe_newcomers_refuse(&interfaces->newcomers, link->ifindex);
		return;
	}
	release_name(interfaces, link->name);
	at = pe_watch_find(interfaces, link->ifindex);
	watch = calloc(1, sizeof(*watch));
	if (!watch) {
		pe_attacher_count_error(&interfaces->attacher, -ENOMEM);
		pe_error("xdp", "%s is not counted: out of memory", link->name);
		return;
	}
	watch->ifindex = link->ifindex;
	watch->attachment = (struct pe_attachment)PE_ATTACHMENT_INIT;
	*at = watch;

	pe_watch_begin(interfaces, link, watch);
	if (watch->attachment.mode != PE_MODE_NONE)
		pe_attacher_observe(&interfaces->attacher,
				    pe_clock_monotonic_ns() - interfaces->batch_ns);
	pe_watch_info(interfaces, link, watch, &info);
	if (pe_registry_add(registry, &info, watch->attachment.token, pe_clock_monotonic_ns()) <
	    0) {
		pe_attacher_count_error(&interfaces->attacher, -ENOMEM);
		pe_error("metrics", "%s is not counted: out of memory", link->name);
		drop(interfaces, at);
		return;
	}
	if (watch->attachment.token == PE_TOKEN_NONE)
		pe_newcomers_refuse(&interfaces->newcomers, link->ifindex);
	begin_audit(interfaces, link, watch);
	pe_debug("net", "%s (%d): %s", link->name, link->ifindex,
		 pe_mode_name(watch->attachment.mode));
}

/* Of one whose counters mean something else than ours. */
static void end_blind(struct pe_interfaces *interfaces, struct pe_watch *watch,
		      const struct pe_link *link, struct pe_count ret_known[PE_DIRECTIONS])
{
	const struct pe_link_stats *last = &link->stats;

	pe_audit_blind(&watch->audit, interfaces->options.registry, link->ifindex,
		       watch->audit.blind, last);
	/* Observed or not, the next stay has nothing to do with it. */
	ret_known[PE_INGRESS] = (struct pe_count){ last->rx_packets, last->rx_bytes };
	ret_known[PE_EGRESS] = (struct pe_count){ last->tx_packets, last->tx_bytes };
}

/* The last word on what the kernel counted; one that may come back is remembered. */
static void end_audit(struct pe_interfaces *interfaces, struct pe_watch *watch,
		      const struct pe_link *link, bool may_return)
{
	struct pe_count known[PE_DIRECTIONS];
	struct pe_row ours[PE_DIRECTIONS];

	if (pe_policy_auditable(link)) {
		pe_watch_read(interfaces, watch, ours);
		pe_audit_end(&watch->audit, interfaces->options.registry, link, ours, !may_return);
		pe_audit_known(&watch->audit, ours, known);
	} else {
		end_blind(interfaces, watch, link, known);
	}
	if (may_return)
		pe_away_put(interfaces->away, link, known);
}

static void unwatch(struct pe_interfaces *interfaces, const struct pe_link *link, bool may_return)
{
	struct pe_watch **at = pe_watch_find(interfaces, link->ifindex), *watch = *at;
	int ifindex = link->ifindex;

	if (!watch)
		return;
	*at = watch->next;
	pe_watch_forget_fresh(interfaces, watch);
	pe_watch_retry(interfaces, watch, false);
	/* The program may be on an interface that lives on in another namespace: detach first. */
	pe_attacher_detach(&interfaces->attacher, &watch->attachment);
	if (watch->attachment.token != PE_TOKEN_NONE)
		pe_xdp_stop(interfaces->options.xdp, watch->attachment.token);
	end_audit(interfaces, watch, link, may_return);
	interfaces->slot_freed |= watch->attachment.token != PE_TOKEN_NONE;
	pe_registry_remove(interfaces->options.registry, ifindex, pe_clock_monotonic_ns());
	interfaces->options.departed(interfaces->options.userdata);
	free(watch);
}

/* The ports of a bridge carry its name. */
static void update_ports(struct pe_interfaces *interfaces, int master)
{
	for (unsigned int i = 0; i < PE_WATCH_BUCKETS; i++) {
		for (struct pe_watch *watch = interfaces->bucket[i]; watch; watch = watch->next) {
			const struct pe_link *link =
				pe_monitor_find(interfaces->monitor, watch->ifindex);

			if (link && link->master && (!master || link->master == master))
				pe_watch_update(interfaces, link, watch);
		}
	}
}

static void on_added(const struct pe_link *link, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;

	if (interfaces->ending)
		return;
	watch_link(interfaces, link);
	pe_heirs_take(&interfaces->heirs, link->ifindex, NULL);
}

/* Looked at when the kernel is less busy: reading features takes its lock of all interfaces. */
static void on_touched(const struct pe_link *link, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;
	struct pe_watch *watch = *pe_watch_find(interfaces, link->ifindex);

	if (watch)
		watch->touched = interfaces->touched = true;
}

static void on_changed(const struct pe_link *link, const struct pe_link *before, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;
	struct pe_watch *watch = *pe_watch_find(interfaces, link->ifindex);
	bool wanted = pe_options_match(interfaces->options.options, link->name, link->altnames);

	if (interfaces->ending)
		return;
	/* When news of a rename were lost, another interface may have come by its name and series.
	 */
	if (watch && (!wanted || pe_watch_update(interfaces, link, watch) == -ENOENT)) {
		unwatch(interfaces, link, true);
		watch = NULL;
	}
	if (!watch)
		watch_link(interfaces, link);
	/* Somebody else's program has gone. */
	if (watch && watch->retry_at_ns && before->xdp_id && !link->xdp_id)
		pe_watch_try_again(interfaces, link, watch);
	if (strcmp(link->name, before->name) != 0)
		update_ports(interfaces, link->ifindex);
	on_touched(link, interfaces);
}

static void on_gone(const struct pe_link *link, enum pe_link_gone why, void *userdata)
{
	static const char *const how[] = { "deleted", "moved to another namespace",
					   "missing from a dump" };
	struct pe_interfaces *interfaces = userdata;
	const struct pe_watch *watch = *pe_watch_find(interfaces, link->ifindex);
	bool counted = watch && watch->attachment.token != PE_TOKEN_NONE, ingress = false;
	bool has_heir = watch && why == PE_LINK_DELETED && pe_attacher_is_on(&watch->attachment);

	pe_debug("net", "%s (%d): %s", link->name, link->ifindex, how[why]);
	/* Our program is on an heir only if it was so when the features were read. */
	if (!has_heir)
		pe_attacher_forget(&interfaces->attacher, link, why == PE_LINK_MOVED);
	if (interfaces->ending)
		return;
	/* What XDP and TCX count needs the program on it: that of a deleted one is on an heir, or
	 * nowhere. */
	if (counted)
		ingress = watch->attachment.mode == PE_MODE_TRACEPOINT || has_heir;
	unwatch(interfaces, link, why != PE_LINK_DELETED);
	if (counted)
		pe_heirs_look(&interfaces->heirs, interfaces->monitor, link->ifindex, ingress,
			      pe_xdp_egress(interfaces->options.xdp));
	pe_xdp_ignore(interfaces->options.xdp, link->ifindex, false);
	/* Its spare slot is missing: a storm's next ones do not wait for the end of its news. */
	if (interfaces->was_synced)
		pe_newcomers_prepare(&interfaces->newcomers);
}

/*
 * Our program stays on an interface for its whole life; on one that we could not attach to, it came
 * with a successor that we had attached to under another ifindex.
 */
static bool on_is_known(const struct pe_link *link, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;
	const struct pe_watch *watch = *pe_watch_find(interfaces, link->ifindex);

	return !watch || (watch->attachment.link_fd >= 0) ==
				 pe_xdp_is_ours(interfaces->options.xdp, link->xdp_id);
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
		pe_watches_settle(interfaces, UINT_MAX, false);
	interfaces->was_synced = true;
	pe_newcomers_prepare(&interfaces->newcomers);
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

int pe_interfaces_new(const struct pe_interfaces_options *options,
		      struct pe_interfaces **ret_interfaces)
{
	struct pe_interfaces *interfaces = calloc(1, sizeof(*interfaces));
	int r;

	if (!interfaces)
		return -ENOMEM;
	interfaces->options = *options;
	interfaces->attacher = (struct pe_attacher){
		.options = options->options,
		.xdp = options->xdp,
		.announce = options->announce,
		.userdata = options->userdata,
		.max_links = options->max_links,
		.relations = { .has_above = pe_watch_is_below_ours,
			       .list_below = pe_watch_list_below,
			       .is_used = pe_watch_is_used,
			       .is_current = pe_watch_is_current,
			       .userdata = interfaces },
		.mutex = PTHREAD_MUTEX_INITIALIZER,
	};
	interfaces->newcomers.options = &interfaces->options;
	r = pe_features_new(&interfaces->attacher.features);
	if (!r)
		r = pe_away_new(&interfaces->away);
	if (!r)
		r = pe_monitor_new(&monitor_ops, interfaces, options->options->netlink_rcvbuf,
				   &interfaces->monitor);
	interfaces->newcomers.monitor = interfaces->monitor;
	if (r < 0) {
		pe_interfaces_free(interfaces);
		return r;
	}
	*ret_interfaces = interfaces;
	return 0;
}

struct pe_interfaces *pe_interfaces_free(struct pe_interfaces *interfaces)
{
	if (!interfaces)
		return NULL;
	interfaces->ending = true;
	for (unsigned int i = 0; i < PE_WATCH_BUCKETS; i++) {
		while (interfaces->bucket[i]) {
			struct pe_watch *watch = interfaces->bucket[i];

			interfaces->bucket[i] = watch->next;
			pe_attacher_detach(&interfaces->attacher, &watch->attachment);
			free(watch);
		}
	}
	/* What it is to be put back on may have gone meanwhile. */
	for (int i = 0; interfaces->attacher.offloads.count && i < LAST_DISPATCHES; i++) {
		pe_monitor_dispatch(interfaces->monitor);
		pe_attacher_put_back(&interfaces->attacher);
	}
	pe_attacher_fini(&interfaces->attacher);
	pe_monitor_free(interfaces->monitor);
	pe_away_free(interfaces->away);
	pe_features_free(interfaces->attacher.features);
	pthread_mutex_destroy(&interfaces->attacher.mutex);
	free(interfaces);
	return NULL;
}

struct pe_monitor *pe_interfaces_monitor(struct pe_interfaces *interfaces)
{
	return interfaces->monitor;
}

int pe_interfaces_start(struct pe_interfaces *interfaces)
{
	interfaces->batch_ns = pe_clock_monotonic_ns();
	return pe_monitor_start(interfaces->monitor);
}

int pe_interfaces_dispatch(struct pe_interfaces *interfaces)
{
	int r;

	interfaces->batch_ns = pe_clock_monotonic_ns();
	r = pe_monitor_dispatch(interfaces->monitor);
	if (interfaces->attacher.owes)
		pe_attacher_put_back(&interfaces->attacher);
	if (interfaces->was_synced)
		pe_newcomers_prepare(&interfaces->newcomers);
	return r;
}

void pe_interfaces_resync(struct pe_interfaces *interfaces)
{
	pe_monitor_request_resync(interfaces->monitor);
}

void pe_interfaces_refresh(struct pe_interfaces *interfaces)
{
	interfaces->batch_ns = pe_clock_monotonic_ns();
	pe_monitor_refresh(interfaces->monitor, REFRESH_MOST);
}

void pe_interfaces_get_stats(struct pe_interfaces *interfaces,
			     struct pe_interfaces_stats *ret_stats)
{
	pe_attacher_get_stats(&interfaces->attacher, ret_stats);
}
