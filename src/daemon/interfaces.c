/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From link events to attached programs.
 *
 * Desired state is kept by ifindex, never by name. An interface that is wanted always has a series;
 * whether its ingress is counted is its mode, and a mode below the wish is tried again.
 */
#include "interfaces.h"
#include "audit.h"
#include "policy.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/log.h"

#define BUCKETS	       1024
#define AUDITS_A_ROUND 64
#define TOKEN_TRIES    8
#define RETRY_FIRST_NS PE_NS_PER_S
#define RETRY_MAX_NS   (60 * PE_NS_PER_S)

struct watch {
	struct watch *next;
	int ifindex;
	int link_fd; /* of the XDP link, -1 if not attached */
	uint32_t token;
	enum pe_mode mode;
	int last_error;	      /* of the last attempt, so that it is logged once */
	uint64_t retry_at_ns; /* 0: nothing to try */
	uint64_t retry_after_ns;
	struct pe_audit audit;
};

struct pe_interfaces {
	struct pe_interfaces_options options;
	struct pe_monitor *monitor;
	struct watch *bucket[BUCKETS];
	unsigned int waiting; /* watches with a retry */
	bool slot_freed;      /* since the last round of retries */
	unsigned int audited; /* the bucket where the last round of the audit ended */
	uint64_t batch_ns;    /* when the events being handled were announced */
	struct pe_log_once no_slot_log;
	pthread_mutex_t mutex; /* stats */
	struct pe_interfaces_stats stats;
};

static struct watch **find(struct pe_interfaces *interfaces, int ifindex)
{
	struct watch **at = &interfaces->bucket[(unsigned int)ifindex % BUCKETS];

	while (*at && (*at)->ifindex != ifindex)
		at = &(*at)->next;
	return at;
}

static void fill_info(const struct pe_interfaces *interfaces, const struct pe_link *link,
		      enum pe_mode mode, struct pe_iface_info *ret_info)
{
	const struct pe_link *master =
		link->master ? pe_monitor_find(interfaces->monitor, link->master) : NULL;

	*ret_info = (struct pe_iface_info){ .ifindex = link->ifindex, .mode = mode };
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

	fill_info(interfaces, link, watch->mode, &info);
	return pe_registry_update(interfaces->options.registry, &info, pe_clock_realtime_ns());
}

static void log_failure(struct pe_interfaces *interfaces, const struct pe_link *link,
			const struct watch *watch, int error)
{
	const struct pe_options *options = interfaces->options.options;
	const char *consequence = watch->mode == PE_MODE_TRACEPOINT
					  ? "ingress is counted by the receive tracepoint"
					  : "ingress is not counted";

	switch (pe_policy_error(error)) {
	case PE_ATTACH_NO_SLOT:
		if (pe_log_once(&interfaces->no_slot_log, 60 * PE_NS_PER_S))
			pe_warn("xdp",
				"%s is not counted: all %u places are taken; raise "
				"--max-interfaces; "
				"trying again when one is free",
				link->name, options->max_interfaces);
		return;
	case PE_ATTACH_BUSY:
		pe_warn("xdp",
			"%s: an XDP program of somebody else is attached to it or to its bridge, "
			"and "
			"is left alone; %s; trying again later",
			link->name, consequence);
		return;
	case PE_ATTACH_VANISHED:
		pe_debug("xdp", "%s went before it was attached", link->name);
		return;
	default:
		pe_warn("xdp", "%s: XDP cannot be attached: %s; %s; trying again later", link->name,
			strerror(-error), consequence);
	}
}

static void count_error(struct pe_interfaces *interfaces, int error)
{
	pthread_mutex_lock(&interfaces->mutex);
	interfaces->stats.errors[pe_policy_error(error)]++;
	pthread_mutex_unlock(&interfaces->mutex);
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

/* Gives the interface a slot. 0 or -errno. */
static int take_slot(struct pe_interfaces *interfaces, const struct pe_link *link,
		     struct watch *watch)
{
	const struct pe_interfaces_options *o = &interfaces->options;
	uint32_t token;
	int r = -EEXIST;

	/* A name that a departed interface's flows still have is passed over. */
	for (int i = 0; i < TOKEN_TRIES && r == -EEXIST; i++) {
		r = pe_xdp_take(o->xdp, link->ifindex, pe_policy_shape(link), &token);
		if (r < 0)
			return r;
		r = o->announce(token, o->userdata);
		if (r < 0)
			pe_xdp_give_back(o->xdp, token);
	}
	if (!r)
		watch->token = token;
	return r;
}

/* Attaches the ingress program. 0 or -errno. */
static int attach(struct pe_interfaces *interfaces, const struct pe_link *link, struct watch *watch)
{
	struct pe_xdp *xdp = interfaces->options.xdp;
	bool native = pe_policy_native(interfaces->options.options->xdp_mode, link);
	int r = pe_xdp_attach(xdp, link->ifindex, native, &watch->link_fd);

	if (r < 0 && native && r != -EBUSY && r != -ENODEV) {
		native = false;
		r = pe_xdp_attach(xdp, link->ifindex, native, &watch->link_fd);
	}
	if (r < 0)
		return r;
	if (watch->mode == PE_MODE_TRACEPOINT)
		pe_xdp_receive(xdp, watch->token, false);
	watch->mode = native ? PE_MODE_NATIVE : PE_MODE_GENERIC;
	return 0;
}

/* Ingress by the receive tracepoint. 0 or -errno. */
static int fall_back(struct pe_interfaces *interfaces, const struct pe_link *link,
		     struct watch *watch)
{
	int r;

	if (watch->mode == PE_MODE_TRACEPOINT)
		return 0;
	if (!pe_policy_traced(link))
		return -EOPNOTSUPP;
	r = pe_xdp_receive(interfaces->options.xdp, watch->token, true);
	if (!r)
		watch->mode = PE_MODE_TRACEPOINT;
	return r;
}

/* Brings an interface as near to its wish as it goes now; sets what is left for later. */
static int advance(struct pe_interfaces *interfaces, const struct pe_link *link,
		   struct watch *watch)
{
	int r = 0;

	if (watch->token == PE_TOKEN_NONE)
		r = take_slot(interfaces, link, watch);
	if (!r && !pe_policy_xdp(link)) {
		r = fall_back(interfaces, link, watch);
	} else if (!r && watch->link_fd < 0) {
		r = attach(interfaces, link, watch);
		if (r < 0 && r != -ENODEV)
			fall_back(interfaces, link, watch);
	}
	if (r < 0) {
		count_error(interfaces, r);
		if (r != watch->last_error)
			log_failure(interfaces, link, watch, r);
	}
	watch->last_error = r;
	set_retry(interfaces, watch, r < 0);
	return r;
}

/* Gives up a watch that has no series: whatever it holds, nobody else will give back. */
static void drop(struct pe_interfaces *interfaces, struct watch **at)
{
	struct watch *watch = *at;

	*at = watch->next;
	set_retry(interfaces, watch, false);
	if (watch->link_fd >= 0)
		close(watch->link_fd);
	if (watch->token != PE_TOKEN_NONE) {
		pe_xdp_give_back(interfaces->options.xdp, watch->token);
		interfaces->options.forget(watch->token, interfaces->options.userdata);
	}
	free(watch);
}

static void watch_link(struct pe_interfaces *interfaces, const struct pe_link *link)
{
	struct pe_registry *registry = interfaces->options.registry;
	struct watch **at = find(interfaces, link->ifindex), *watch;
	struct pe_iface_info info;

	if (*at || !pe_options_match(interfaces->options.options, link->name))
		return;
	watch = calloc(1, sizeof(*watch));
	if (!watch) {
		count_error(interfaces, -ENOMEM);
		pe_error("xdp", "%s is not counted: out of memory", link->name);
		return;
	}
	watch->ifindex = link->ifindex;
	watch->link_fd = -1;
	watch->token = PE_TOKEN_NONE;
	*at = watch;

	if (!advance(interfaces, link, watch)) {
		pthread_mutex_lock(&interfaces->mutex);
		pe_latency_observe(&interfaces->stats.attach,
				   pe_clock_monotonic_ns() - interfaces->batch_ns);
		pthread_mutex_unlock(&interfaces->mutex);
	}
	fill_info(interfaces, link, watch->mode, &info);
	if (pe_registry_add(registry, &info, watch->token, pe_clock_realtime_ns()) < 0) {
		count_error(interfaces, -ENOMEM);
		pe_error("metrics", "%s is not counted: out of memory", link->name);
		drop(interfaces, at);
		return;
	}
	pe_audit_begin(&watch->audit, registry, link, pe_xdp_egress(interfaces->options.xdp));
	pe_debug("net", "%s (%d): %s", link->name, link->ifindex, pe_mode_name(watch->mode));
}

/* Zero for an interface that has no slot: all that it sees is unobserved. */
static void read_ours(struct pe_interfaces *interfaces, const struct watch *watch,
		      struct pe_row *ret_ours)
{
	memset(ret_ours, 0, sizeof(*ret_ours) * PE_DIRECTIONS);
	if (watch->token != PE_TOKEN_NONE)
		pe_xdp_read(interfaces->options.xdp, watch->token, ret_ours);
}

static void audit(struct pe_interfaces *interfaces, struct watch *watch)
{
	const struct pe_link *link = pe_monitor_find(interfaces->monitor, watch->ifindex);
	struct pe_row ours[PE_DIRECTIONS];
	struct pe_link_stats kernel;

	if (!link || !pe_policy_auditable(link))
		return;
	read_ours(interfaces, watch, ours);
	if (pe_audit_due(&watch->audit, ours) &&
	    !pe_monitor_read_stats(interfaces->monitor, watch->ifindex, &kernel))
		pe_audit_round(&watch->audit, interfaces->options.registry, watch->ifindex, ours,
			       &kernel, watch->mode != PE_MODE_NONE);
}

static void unwatch(struct pe_interfaces *interfaces, const struct pe_link *link)
{
	struct watch **at = find(interfaces, link->ifindex), *watch = *at;
	int ifindex = link->ifindex;

	if (!watch)
		return;
	*at = watch->next;
	set_retry(interfaces, watch, false);
	/* The program may be on an interface that lives on in another namespace: detach first. */
	if (watch->link_fd >= 0)
		close(watch->link_fd);
	if (watch->token != PE_TOKEN_NONE)
		pe_xdp_stop(interfaces->options.xdp, watch->token);
	if (pe_policy_auditable(link)) {
		struct pe_row ours[PE_DIRECTIONS];

		read_ours(interfaces, watch, ours);
		pe_audit_end(&watch->audit, interfaces->options.registry, link, ours);
	}
	interfaces->slot_freed |= watch->token != PE_TOKEN_NONE;
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

static void on_added(const struct pe_link *link, void *userdata)
{
	watch_link(userdata, link);
}

static void on_changed(const struct pe_link *link, const struct pe_link *before, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;
	struct watch *watch = *find(interfaces, link->ifindex);
	bool wanted = pe_options_match(interfaces->options.options, link->name);

	/* When news of a rename were lost, another interface may have come by its name and series.
	 */
	if (watch && (!wanted || update_info(interfaces, link, watch) == -ENOENT)) {
		unwatch(interfaces, link);
		watch = NULL;
	}
	if (!watch && wanted)
		watch_link(interfaces, link);
	if (strcmp(link->name, before->name) != 0)
		update_ports(interfaces, link->ifindex);
}

static void on_gone(const struct pe_link *link, enum pe_link_gone why, void *userdata)
{
	static const char *const how[] = { "deleted", "moved to another namespace",
					   "missing from a dump" };

	pe_debug("net", "%s (%d): %s", link->name, link->ifindex, how[why]);
	unwatch(userdata, link);
}

static void on_synced(void *userdata)
{
	struct pe_interfaces *interfaces = userdata;

	/* A port may have been dumped before its bridge. */
	update_ports(interfaces, 0);
	interfaces->options.synced(interfaces->options.userdata);
}

static const struct pe_monitor_ops monitor_ops = {
	.added = on_added,
	.changed = on_changed,
	.gone = on_gone,
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
	pthread_mutex_init(&interfaces->mutex, NULL);
	r = pe_monitor_new(&monitor_ops, interfaces, options->options->netlink_rcvbuf,
			   &interfaces->monitor);
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
			if (watch->link_fd >= 0)
				close(watch->link_fd);
			free(watch);
		}
	}
	pe_monitor_free(interfaces->monitor);
	pthread_mutex_destroy(&interfaces->mutex);
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
	interfaces->batch_ns = pe_clock_monotonic_ns();
	return pe_monitor_dispatch(interfaces->monitor);
}

/* Its own time has come, or what it waits for. */
static bool is_due(const struct pe_interfaces *interfaces, const struct watch *watch,
		   uint64_t now_ns)
{
	if (watch->last_error == -ENOSPC && interfaces->slot_freed)
		return true;
	return watch->retry_at_ns <= now_ns;
}

void pe_interfaces_retry(struct pe_interfaces *interfaces)
{
	uint64_t now_ns = pe_clock_monotonic_ns();

	for (unsigned int i = 0; interfaces->waiting && i < BUCKETS; i++) {
		for (struct watch *watch = interfaces->bucket[i]; watch; watch = watch->next) {
			const struct pe_link *link;
			bool had_token = watch->token != PE_TOKEN_NONE;

			if (!watch->retry_at_ns || !is_due(interfaces, watch, now_ns))
				continue;
			link = pe_monitor_find(interfaces->monitor, watch->ifindex);
			if (!link)
				continue;
			if (!advance(interfaces, link, watch))
				pe_info("xdp", "%s is counted now (%s)", link->name,
					pe_mode_name(watch->mode));
			if (!had_token && watch->token != PE_TOKEN_NONE)
				pe_registry_set_token(interfaces->options.registry, watch->ifindex,
						      watch->token);
			update_info(interfaces, link, watch);
		}
	}
	interfaces->slot_freed = false;
}

/* Some interfaces a round, so that a round costs the same however many there are. */
void pe_interfaces_audit(struct pe_interfaces *interfaces)
{
	for (unsigned int i = 0, count = 0; i < BUCKETS && count < AUDITS_A_ROUND; i++) {
		struct watch *watch;

		interfaces->audited = (interfaces->audited + 1) % BUCKETS;
		for (watch = interfaces->bucket[interfaces->audited]; watch; watch = watch->next) {
			audit(interfaces, watch);
			count++;
		}
	}
}

void pe_interfaces_get_stats(struct pe_interfaces *interfaces,
			     struct pe_interfaces_stats *ret_stats)
{
	pthread_mutex_lock(&interfaces->mutex);
	*ret_stats = interfaces->stats;
	pthread_mutex_unlock(&interfaces->mutex);
}
