/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See watch.h. */
#include "watch.h"

#include <stdio.h>
#include <string.h>

#include "pe/log.h"

#include "policy.h"

struct pe_watch **pe_watch_find(struct pe_interfaces *interfaces, int ifindex)
{
	struct pe_watch **at = &interfaces->bucket[(unsigned int)ifindex % PE_WATCH_BUCKETS];

	while (*at && (*at)->ifindex != ifindex)
		at = &(*at)->next;
	return at;
}

void pe_watch_info(const struct pe_interfaces *interfaces, const struct pe_link *link,
		   const struct pe_watch *watch, struct pe_iface_info *ret_info)
{
	const struct pe_link *master =
		link->master ? pe_monitor_find(interfaces->monitor, link->master) : NULL;

	*ret_info = (struct pe_iface_info){ .ifindex = link->ifindex,
					    .mode = watch->attachment.mode,
					    .mode_reason = watch->attachment.reason };
	snprintf(ret_info->name, sizeof(ret_info->name), "%s", link->name);
	snprintf(ret_info->alias, sizeof(ret_info->alias), "%s", link->alias);
	snprintf(ret_info->altnames, sizeof(ret_info->altnames), "%s", link->altnames);
	snprintf(ret_info->kind, sizeof(ret_info->kind), "%s", link->kind);
	if (master)
		snprintf(ret_info->master, sizeof(ret_info->master), "%s", master->name);
}

int pe_watch_update(struct pe_interfaces *interfaces, const struct pe_link *link,
		    const struct pe_watch *watch)
{
	struct pe_iface_info info;

	pe_watch_info(interfaces, link, watch, &info);
	return pe_registry_update(interfaces->options.registry, &info, pe_clock_monotonic_ns());
}

void pe_watch_retry(struct pe_interfaces *interfaces, struct pe_watch *watch, bool wanted)
{
	if (!!watch->retry_at_ns != wanted)
		interfaces->waiting += wanted ? 1 : -1u;
	if (!wanted) {
		watch->retry_at_ns = 0;
		watch->retry_after_ns = 0;
		return;
	}
	watch->retry_after_ns = watch->retry_after_ns ? watch->retry_after_ns * 2
						      : PE_WATCH_RETRY_FIRST_NS;
	if (watch->retry_after_ns > PE_WATCH_RETRY_MAX_NS)
		watch->retry_after_ns = PE_WATCH_RETRY_MAX_NS;
	watch->retry_at_ns = pe_clock_monotonic_ns() + watch->retry_after_ns;
}

int pe_watch_advance(struct pe_interfaces *interfaces, const struct pe_link *link,
		     struct pe_watch *watch)
{
	int r;

	pe_watch_forget_fresh(interfaces, watch);
	r = pe_attacher_advance(&interfaces->attacher, link, &watch->attachment);
	pe_watch_retry(interfaces, watch, r < 0);
	interfaces->unfinished |= pe_attacher_is_unfinished(&watch->attachment);
	return r;
}

/* An interface below that XDP has yet to come to would be refused it afterwards. */
static void advance_below(struct pe_interfaces *interfaces, const struct pe_link *link)
{
	const struct pe_link *below = pe_monitor_find(interfaces->monitor, pe_policy_below(link));
	struct pe_watch *watch = below ? *pe_watch_find(interfaces, below->ifindex) : NULL;

	if (!watch || (!pe_watch_is_fresh(watch) && watch->attachment.reason != PE_REASON_LOAD))
		return;
	pe_watch_advance(interfaces, below, watch);
	pe_watch_update(interfaces, below, watch);
}

bool pe_watch_has_above(const struct pe_interfaces *interfaces, int ifindex)
{
	for (unsigned int i = 0; i < PE_WATCH_BUCKETS; i++) {
		for (const struct pe_watch *watch = interfaces->bucket[i]; watch;
		     watch = watch->next) {
			const struct pe_link *link =
				watch->attachment.link_fd >= 0
					? pe_monitor_find(interfaces->monitor, watch->ifindex)
					: NULL;

			if (link && pe_policy_below(link) == ifindex)
				return true;
		}
	}
	return false;
}

bool pe_watch_is_below_ours(const struct pe_link *link, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;
	const struct pe_watch *master = link->master ? *pe_watch_find(interfaces, link->master)
						     : NULL;

	return (master && master->attachment.link_fd >= 0) ||
	       pe_watch_has_above(interfaces, link->ifindex);
}

/* Adds those right below `link` to a list of `count`; how many there are now. */
static size_t add_below(struct pe_interfaces *interfaces, const struct pe_link *link,
			int *ret_ifindex, size_t count)
{
	int below = pe_policy_below(link);

	if (below && count < PE_OFFLOADS_MAX)
		ret_ifindex[count++] = below;
	/* Watched or not: the kernel asks nobody. */
	if (pe_policy_may_have_ports(link))
		count += pe_monitor_list_ports(interfaces->monitor, link->ifindex,
					       ret_ifindex + count, PE_OFFLOADS_MAX - count);
	return count;
}

size_t pe_watch_list_below(const struct pe_link *link, int *ret_ifindex, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;
	size_t count = 0;

	ret_ifindex[count++] = link->ifindex;
	/* All the way down: a VLAN on a bond on cards. */
	for (size_t i = 0; i < count; i++) {
		const struct pe_link *one = i ? pe_monitor_find(interfaces->monitor, ret_ifindex[i])
					      : link;

		if (one)
			count = add_below(interfaces, one, ret_ifindex, count);
	}
	return count;
}

/* Whether this one's XDP program switches off what it can on `ifindex`. */
static bool reaches(struct pe_interfaces *interfaces, const struct pe_watch *watch, int ifindex)
{
	const struct pe_link *link = pe_monitor_find(interfaces->monitor, watch->ifindex);
	int below[PE_OFFLOADS_MAX];
	size_t count = link ? pe_watch_list_below(link, below, interfaces) : 0;

	for (size_t i = 0; i < count; i++) {
		if (below[i] == ifindex)
			return true;
	}
	return false;
}

bool pe_watch_is_used(int ifindex, void *userdata)
{
	struct pe_interfaces *interfaces = userdata;

	for (unsigned int i = 0; i < PE_WATCH_BUCKETS; i++) {
		for (const struct pe_watch *watch = interfaces->bucket[i]; watch;
		     watch = watch->next) {
			if (watch->attachment.link_fd >= 0 && reaches(interfaces, watch, ifindex))
				return true;
		}
	}
	return false;
}

bool pe_watch_is_current(void *userdata)
{
	return pe_monitor_is_current(((struct pe_interfaces *)userdata)->monitor);
}

void pe_watch_begin(struct pe_interfaces *interfaces, const struct pe_link *link,
		    struct pe_watch *watch)
{
	int r;

	advance_below(interfaces, link);
	r = pe_attacher_begin(&interfaces->attacher, link, &watch->attachment);
	pe_watch_retry(interfaces, watch, r < 0);
	interfaces->unfinished |= pe_attacher_is_unfinished(&watch->attachment);
	if (pe_watch_is_fresh(watch) && !interfaces->fresh++)
		interfaces->fresh_at_ns = pe_clock_monotonic_ns();
}

/* What it has missed until now was before; with the next round's reading, what comes at once would
 * make that uncertain. */
static void audit_before(struct pe_interfaces *interfaces, const struct pe_link *link,
			 struct pe_watch *watch)
{
	struct pe_row ours[PE_DIRECTIONS];
	struct pe_link_stats kernel;

	if (watch->audit.settled || !pe_policy_auditable(link))
		return;
	pe_watch_read(interfaces, watch, ours);
	if (pe_monitor_read_stats(interfaces->monitor, watch->ifindex, &kernel) < 0)
		return;
	pe_audit_open(&watch->audit, ours, &kernel);
	pe_audit_close(&watch->audit, interfaces->options.registry, watch->ifindex, ours, &kernel,
		       false);
}

void pe_watch_try_again(struct pe_interfaces *interfaces, const struct pe_link *link,
			struct pe_watch *watch)
{
	bool had_token = watch->attachment.token != PE_TOKEN_NONE;

	pe_watch_audit_blind(interfaces, link, watch);
	audit_before(interfaces, link, watch);
	advance_below(interfaces, link);
	if (!pe_watch_advance(interfaces, link, watch))
		pe_info("xdp", "%s is counted now (%s)", link->name,
			pe_mode_name(watch->attachment.mode));
	if (!had_token && watch->attachment.token != PE_TOKEN_NONE)
		pe_registry_set_token(interfaces->options.registry, watch->ifindex,
				      watch->attachment.token);
	pe_watch_audit_blind(interfaces, link, watch);
	pe_watch_update(interfaces, link, watch);
}

void pe_watch_audit_blind(struct pe_interfaces *interfaces, const struct pe_link *link,
			  struct pe_watch *watch)
{
	const bool blind[PE_DIRECTIONS] = {
		[PE_INGRESS] = watch->attachment.mode == PE_MODE_NONE,
		[PE_EGRESS] = watch->audit.egress && watch->attachment.token == PE_TOKEN_NONE,
	};
	struct pe_link_stats kernel = { 0 };

	if (pe_policy_auditable(link) ||
	    ((blind[PE_INGRESS] || blind[PE_EGRESS]) &&
	     pe_monitor_read_stats(interfaces->monitor, watch->ifindex, &kernel) < 0))
		return;
	pe_audit_blind(&watch->audit, interfaces->options.registry, watch->ifindex, blind, &kernel);
}

void pe_watch_read(struct pe_interfaces *interfaces, const struct pe_watch *watch,
		   struct pe_row *ret_ours)
{
	memset(ret_ours, 0, sizeof(*ret_ours) * PE_DIRECTIONS);
	if (watch->attachment.token != PE_TOKEN_NONE)
		pe_xdp_read(interfaces->options.xdp, watch->attachment.token, ret_ours);
}
