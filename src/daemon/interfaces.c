/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From link events to attached programs.
 *
 * Desired state is kept by ifindex, never by name. An interface that is wanted always has a series;
 * whether its ingress is counted is its mode, and a mode below the wish is tried again.
 */
#include "interfaces.h"
#include "audit.h"
#include "away.h"
#include "heirs.h"
#include "load.h"
#include "newcomers.h"
#include "policy.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/log.h"

#define BUCKETS	       1024
#define AUDITS_A_ROUND 64
#define RETRY_FIRST_NS PE_NS_PER_S
#define RETRY_MAX_NS   (60 * PE_NS_PER_S)
/* XDP follows to new interfaces when there have been no events for this long, */
#define SETTLE_NS (5 * PE_NS_PER_MS)
/* and to a few each time in any case. Seldom: whoever makes interfaces meanwhile waits until this
 * thread, to which the kernel has handed the lock, gets a CPU. */
#define SETTLE_MAX_NS PE_NS_PER_S
#define SETTLE_FEW    8

struct watch {
	struct watch *next;
	int ifindex;
	struct pe_attachment attachment;
	uint64_t retry_at_ns; /* 0: nothing to try */
	uint64_t retry_after_ns;
	struct pe_audit audit;
	struct pe_load load;
};

struct pe_interfaces {
	struct pe_interfaces_options options;
	struct pe_attacher attacher;
	struct pe_monitor *monitor;
	struct pe_away *away;
	struct pe_newcomers newcomers;
	struct pe_heirs heirs;
	struct watch *bucket[BUCKETS];
	unsigned int waiting; /* watches with a retry */
	unsigned int fresh;   /* watches that XDP has yet to follow to */
	uint64_t fresh_at_ns; /* since when there are some, or some have been served */
	bool was_synced;
	bool slot_freed;      /* since the last round of retries */
	unsigned int audited; /* the bucket where the last round of the audit ended */
	uint64_t batch_ns;    /* when the events being handled were announced */
};

static struct watch **find(struct pe_interfaces *interfaces, int ifindex)
{
	struct watch **at = &interfaces->bucket[(unsigned int)ifindex % BUCKETS];

	while (*at && (*at)->ifindex != ifindex)
		at = &(*at)->next;
	return at;
}

static void fill_info(const struct pe_interfaces *interfaces, const struct pe_link *link,
		      const struct watch *watch, struct pe_iface_info *ret_info)
{
	const struct pe_link *master =
		link->master ? pe_monitor_find(interfaces->monitor, link->master) : NULL;

	*ret_info = (struct pe_iface_info){ .ifindex = link->ifindex,
					    .mode = watch->attachment.mode,
					    .mode_reason = watch->attachment.reason };
	snprintf(ret_info->name, sizeof(ret_info->name), "%s", link->name);
	snprintf(ret_info->alias, sizeof(ret_info->alias), "%s", link->alias);
	snprintf(ret_info->kind, sizeof(ret_info->kind), "%s", link->kind);
	if (master)
		snprintf(ret_info->master, sizeof(ret_info->master), "%s", master->name);
}

/* 0, -ENOENT if its series were given to another interface of that name, or -ENOMEM. */
static int update_info(struct pe_interfaces *interfaces, const struct pe_link *link,
		       const struct watch *watch)
{
	struct pe_iface_info info;

	fill_info(interfaces, link, watch, &info);
	return pe_registry_update(interfaces->options.registry, &info, pe_clock_realtime_ns());
}

static void set_retry(struct pe_interfaces *interfaces, struct watch *watch, bool wanted)
{
	if (!!watch->retry_at_ns != wanted)
		interfaces->waiting += wanted ? 1 : -1u;
	if (!wanted) {
		watch->retry_at_ns = 0;
		watch->retry_after_ns = 0;
		return;
	}
	watch->retry_after_ns = watch->retry_after_ns ? watch->retry_after_ns * 2 : RETRY_FIRST_NS;
	if (watch->retry_after_ns > RETRY_MAX_NS)
		watch->retry_after_ns = RETRY_MAX_NS;
	watch->retry_at_ns = pe_clock_monotonic_ns() + watch->retry_after_ns;
}

static bool is_fresh(const struct watch *watch)
{
	return watch->attachment.reason == PE_REASON_NEW;
}

static void forget_fresh(struct pe_interfaces *interfaces, const struct watch *watch)
{
	interfaces->fresh -= is_fresh(watch);
}

/* Brings an interface as near to its wish as it goes now; sets what is left for later. */
static int advance(struct pe_interfaces *interfaces, const struct pe_link *link,
		   struct watch *watch)
{
	int r;

	forget_fresh(interfaces, watch);
	r = pe_attacher_advance(&interfaces->attacher, link, &watch->attachment);
	set_retry(interfaces, watch, r < 0);
	return r;
}

static int begin(struct pe_interfaces *interfaces, const struct pe_link *link, struct watch *watch)
{
	int r = pe_attacher_begin(&interfaces->attacher, link, &watch->attachment);

	set_retry(interfaces, watch, r < 0);
	if (is_fresh(watch) && !interfaces->fresh++)
		interfaces->fresh_at_ns = pe_clock_monotonic_ns();
	return r;
}

static void try_again(struct pe_interfaces *interfaces, const struct pe_link *link,
		      struct watch *watch)
{
	bool had_token = watch->attachment.token != PE_TOKEN_NONE;

	if (!advance(interfaces, link, watch))
		pe_info("xdp", "%s is counted now (%s)", link->name,
			pe_mode_name(watch->attachment.mode));
	if (!had_token && watch->attachment.token != PE_TOKEN_NONE)
		pe_registry_set_token(interfaces->options.registry, watch->ifindex,
				      watch->attachment.token);
	update_info(interfaces, link, watch);
}

/* Gives up a watch that has no series: whatever it holds, nobody else will give back. */
static void drop(struct pe_interfaces *interfaces, struct watch **at)
{
	struct watch *watch = *at;

	*at = watch->next;
	forget_fresh(interfaces, watch);
	set_retry(interfaces, watch, false);
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
			struct watch *watch)
{
	struct pe_row ours[PE_DIRECTIONS] = { 0 };
	struct pe_count known[PE_DIRECTIONS];

	recall(interfaces, link, known);
	if (watch->attachment.newcomer)
		pe_xdp_read(interfaces->options.xdp, watch->attachment.token, ours);
	pe_audit_begin(&watch->audit, interfaces->options.registry, link,
		       pe_xdp_egress(interfaces->options.xdp), known, ours);
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
	struct watch **at = find(interfaces, link->ifindex), *watch;
	struct pe_iface_info info;

	if (*at)
		return;
	if (!pe_options_match(interfaces->options.options, link->name)) {
		pe_newcomers_refuse(&interfaces->newcomers, link->ifindex);
		return;
	}
	release_name(interfaces, link->name);
	at = find(interfaces, link->ifindex);
	watch = calloc(1, sizeof(*watch));
	if (!watch) {
		pe_attacher_count_error(&interfaces->attacher, -ENOMEM);
		pe_error("xdp", "%s is not counted: out of memory", link->name);
		return;
	}
	watch->ifindex = link->ifindex;
	watch->attachment = (struct pe_attachment)PE_ATTACHMENT_INIT;
	*at = watch;

	if (!begin(interfaces, link, watch))
		pe_attacher_observe(&interfaces->attacher,
				    pe_clock_monotonic_ns() - interfaces->batch_ns);
	fill_info(interfaces, link, watch, &info);
	if (pe_registry_add(registry, &info, watch->attachment.token, pe_clock_realtime_ns()) < 0) {
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

/* Zero for an interface that has no slot: all that it sees is unobserved. */
static void read_ours(struct pe_interfaces *interfaces, const struct watch *watch,
		      struct pe_row *ret_ours)
{
	memset(ret_ours, 0, sizeof(*ret_ours) * PE_DIRECTIONS);
	if (watch->attachment.token != PE_TOKEN_NONE)
		pe_xdp_read(interfaces->options.xdp, watch->attachment.token, ret_ours);
}

/* An administrator can take a link off, and the kernel does not tell. */
static void check_link(struct pe_interfaces *interfaces, const struct pe_link *link,
		       struct watch *watch)
{
	struct pe_link_stats stats;

	/* Or the interface has gone, and the news of it are on their way. */
	if (watch->attachment.link_fd < 0 || pe_xdp_is_attached(watch->attachment.link_fd) ||
	    pe_monitor_read_stats(interfaces->monitor, watch->ifindex, &stats) < 0)
		return;
	pe_attacher_taken_off(&interfaces->attacher, link, &watch->attachment);
	/* Whoever did it may want the place. */
	watch->retry_after_ns = RETRY_MAX_NS;
	set_retry(interfaces, watch, true);
	update_info(interfaces, link, watch);
}

static void check_load(struct pe_interfaces *interfaces, const struct pe_link *link,
		       struct watch *watch, const struct pe_row *ours)
{
	struct pe_count in = pe_row_total(&ours[PE_INGRESS]);
	bool heavy = pe_load_round(&watch->load, pe_clock_monotonic_ns(), &in);

	if (!pe_attacher_yield(&interfaces->attacher, link, &watch->attachment, heavy))
		return;
	set_retry(interfaces, watch, watch->attachment.error < 0);
	update_info(interfaces, link, watch);
	pe_debug("xdp", "%s is counted by %s now, because it is %s", link->name,
		 pe_mode_name(watch->attachment.mode), heavy ? "under load" : "calm again");
}

static void audit(struct pe_interfaces *interfaces, struct watch *watch)
{
	const struct pe_link *link = pe_monitor_find(interfaces->monitor, watch->ifindex);
	struct pe_row ours[PE_DIRECTIONS];
	struct pe_link_stats kernel;

	if (!link)
		return;
	check_link(interfaces, link, watch);
	read_ours(interfaces, watch, ours);
	check_load(interfaces, link, watch, ours);
	if (!pe_policy_auditable(link))
		return;
	if (pe_audit_due(&watch->audit, ours) &&
	    !pe_monitor_read_stats(interfaces->monitor, watch->ifindex, &kernel))
		pe_audit_round(&watch->audit, interfaces->options.registry, watch->ifindex, ours,
			       &kernel, watch->attachment.mode != PE_MODE_NONE);
}

/* The last word on what the kernel counted; one that may come back is remembered. */
static void end_audit(struct pe_interfaces *interfaces, struct watch *watch,
		      const struct pe_link *link, bool may_return)
{
	struct pe_count known[PE_DIRECTIONS];
	struct pe_row ours[PE_DIRECTIONS];

	if (!pe_policy_auditable(link))
		return;
	read_ours(interfaces, watch, ours);
	pe_audit_end(&watch->audit, interfaces->options.registry, link, ours);
	if (!may_return)
		return;
	pe_audit_known(&watch->audit, ours, known);
	pe_away_put(interfaces->away, link, known);
}

static void unwatch(struct pe_interfaces *interfaces, const struct pe_link *link, bool may_return)
{
	struct watch **at = find(interfaces, link->ifindex), *watch = *at;
	int ifindex = link->ifindex;

	if (!watch)
		return;
	*at = watch->next;
	forget_fresh(interfaces, watch);
	set_retry(interfaces, watch, false);
	/* The program may be on an interface that lives on in another namespace: detach first. */
	pe_attacher_detach(&interfaces->attacher, &watch->attachment);
	if (watch->attachment.token != PE_TOKEN_NONE)
		pe_xdp_stop(interfaces->options.xdp, watch->attachment.token);
	end_audit(interfaces, watch, link, may_return);
	interfaces->slot_freed |= watch->attachment.token != PE_TOKEN_NONE;
	pe_registry_remove(interfaces->options.registry, ifindex, pe_clock_realtime_ns());
	interfaces->options.departed(interfaces->options.userdata);
	free(watch);
}

/* The ports of a bridge carry its name. */
static void update_ports(struct pe_interfaces *interfaces, int master)
{
	for (unsigned int i = 0; i < BUCKETS; i++) {
		for (struct watch *watch = interfaces->bucket[i]; watch; watch = watch->next) {
			const struct pe_link *link =
				pe_monitor_find(interfaces->monitor, watch->ifindex);

			if (link && link->master && (!master || link->master == master))
				update_info(interfaces, link, watch);
		}
	}
}

/* Lets XDP follow to at most so many, or until there are events if `yielding`. */
static void settle(struct pe_interfaces *interfaces, unsigned int most, bool yielding)
{
	interfaces->fresh_at_ns = pe_clock_monotonic_ns();
	for (unsigned int i = 0; interfaces->fresh && most && i < BUCKETS; i++) {
		for (struct watch *watch = interfaces->bucket[i]; watch && most;
		     watch = watch->next) {
			const struct pe_link *link;

			if (!is_fresh(watch))
				continue;
			link = pe_monitor_find(interfaces->monitor, watch->ifindex);
			if (!link)
				continue;
			advance(interfaces, link, watch);
			update_info(interfaces, link, watch);
			most--;
			if (yielding && pe_monitor_has_events(interfaces->monitor))
				most = 0;
		}
	}
}

static void on_added(const struct pe_link *link, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;

	watch_link(interfaces, link);
	pe_heirs_take(&interfaces->heirs, link->ifindex, NULL);
}

static void on_changed(const struct pe_link *link, const struct pe_link *before, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;
	struct watch *watch = *find(interfaces, link->ifindex);
	bool wanted = pe_options_match(interfaces->options.options, link->name);

	/* When news of a rename were lost, another interface may have come by its name and series.
	 */
	if (watch && (!wanted || update_info(interfaces, link, watch) == -ENOENT)) {
		unwatch(interfaces, link, true);
		watch = NULL;
	}
	if (!watch)
		watch_link(interfaces, link);
	/* Somebody else's program has gone. */
	if (watch && watch->retry_at_ns && before->xdp_id && !link->xdp_id)
		try_again(interfaces, link, watch);
	if (strcmp(link->name, before->name) != 0)
		update_ports(interfaces, link->ifindex);
}

static void on_gone(const struct pe_link *link, enum pe_link_gone why, void *userdata)
{
	static const char *const how[] = { "deleted", "moved to another namespace",
					   "missing from a dump" };
	struct pe_interfaces *interfaces = userdata;
	const struct watch *watch = *find(interfaces, link->ifindex);
	bool counted = watch && watch->attachment.token != PE_TOKEN_NONE, ingress = false;

	pe_debug("net", "%s (%d): %s", link->name, link->ifindex, how[why]);
	/* What XDP counts needs the program on it: that of a deleted one is on an heir, or nowhere.
	 */
	if (counted)
		ingress = watch->attachment.mode == PE_MODE_TRACEPOINT ||
			  (why == PE_LINK_DELETED && watch->attachment.link_fd >= 0 &&
			   pe_xdp_is_attached(watch->attachment.link_fd));
	unwatch(interfaces, link, why != PE_LINK_DELETED);
	if (counted)
		pe_heirs_look(&interfaces->heirs, interfaces->monitor, link->ifindex, ingress,
			      pe_xdp_egress(interfaces->options.xdp));
	pe_xdp_ignore(interfaces->options.xdp, link->ifindex, false);
}

/*
 * Our program stays on an interface for its whole life; on one that we could not attach to, it came
 * with a successor that we had attached to under another ifindex.
 */
static bool on_is_known(const struct pe_link *link, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;
	const struct watch *watch = *find(interfaces, link->ifindex);

	return !watch || (watch->attachment.link_fd >= 0) ==
				 (link->xdp_id == pe_xdp_id(interfaces->options.xdp));
}

static void on_synced(void *userdata)
{
	struct pe_interfaces *interfaces = userdata;

	/* A port may have been dumped before its bridge. */
	update_ports(interfaces, 0);
	/* Ready means that all that was there before is as it should be, and what comes is counted.
	 */
	if (!interfaces->was_synced)
		settle(interfaces, UINT_MAX, false);
	interfaces->was_synced = true;
	pe_newcomers_prepare(&interfaces->newcomers);
	interfaces->options.synced(interfaces->options.userdata);
}

static const struct pe_monitor_ops monitor_ops = {
	.added = on_added,
	.changed = on_changed,
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
		.mutex = PTHREAD_MUTEX_INITIALIZER,
	};
	interfaces->newcomers.options = &interfaces->options;
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
	for (unsigned int i = 0; i < BUCKETS; i++) {
		while (interfaces->bucket[i]) {
			struct watch *watch = interfaces->bucket[i];

			interfaces->bucket[i] = watch->next;
			pe_attacher_detach(&interfaces->attacher, &watch->attachment);
			free(watch);
		}
	}
	pe_monitor_free(interfaces->monitor);
	pe_away_free(interfaces->away);
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
	if (interfaces->was_synced)
		pe_newcomers_prepare(&interfaces->newcomers);
	return r;
}

uint64_t pe_interfaces_settle_at(const struct pe_interfaces *interfaces)
{
	uint64_t quiet_ns = interfaces->batch_ns + SETTLE_NS;
	uint64_t latest_ns = interfaces->fresh_at_ns + SETTLE_MAX_NS;

	if (!interfaces->fresh)
		return 0;
	return quiet_ns < latest_ns ? quiet_ns : latest_ns;
}

void pe_interfaces_settle(struct pe_interfaces *interfaces)
{
	bool is_quiet = pe_clock_monotonic_ns() >= interfaces->batch_ns + SETTLE_NS;

	settle(interfaces, is_quiet ? UINT_MAX : SETTLE_FEW, true);
}

/* Its own time has come, or what it waits for. */
static bool is_due(const struct pe_interfaces *interfaces, const struct watch *watch,
		   uint64_t now_ns)
{
	if (watch->attachment.error == -ENOSPC && interfaces->slot_freed)
		return true;
	return watch->retry_at_ns <= now_ns;
}

void pe_interfaces_retry(struct pe_interfaces *interfaces)
{
	uint64_t now_ns = pe_clock_monotonic_ns();

	for (unsigned int i = 0; interfaces->waiting && i < BUCKETS; i++) {
		for (struct watch *watch = interfaces->bucket[i]; watch; watch = watch->next) {
			const struct pe_link *link;

			if (!watch->retry_at_ns || !is_due(interfaces, watch, now_ns))
				continue;
			link = pe_monitor_find(interfaces->monitor, watch->ifindex);
			if (link)
				try_again(interfaces, link, watch);
		}
	}
	interfaces->slot_freed = false;
}

/*
 * Some interfaces a round, so that a round costs the same however many there are. Each waits for
 * the kernel's lock of all interfaces, which in a storm is held most of the time: new ones go
 * first.
 */
void pe_interfaces_audit(struct pe_interfaces *interfaces)
{
	bool go_on = true;

	pe_newcomers_look_after(&interfaces->newcomers);
	for (unsigned int i = 0, count = 0; i < BUCKETS && count < AUDITS_A_ROUND && go_on; i++) {
		struct watch *watch;

		interfaces->audited = (interfaces->audited + 1) % BUCKETS;
		for (watch = interfaces->bucket[interfaces->audited]; watch; watch = watch->next) {
			audit(interfaces, watch);
			count++;
			go_on = !pe_monitor_has_events(interfaces->monitor);
		}
	}
}

void pe_interfaces_resync(struct pe_interfaces *interfaces)
{
	pe_monitor_request_resync(interfaces->monitor);
}

void pe_interfaces_get_stats(struct pe_interfaces *interfaces, struct pe_attacher_stats *ret_stats)
{
	pe_attacher_get_stats(&interfaces->attacher, ret_stats);
}
