/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done when no news of interfaces wait: XDP follows to new ones, what failed is tried
 * again, and ours is compared with the kernel's counters.
 */
#include <errno.h>
#include <limits.h>

#include "pe/log.h"

#include "policy.h"
#include "watch.h"

#define AUDITS_A_ROUND 64
/* Between the two readings of a comparison: no packet is on its way for longer, but where a CPU is
 * overloaded, and then the next comparison shows it. */
#define BRACKET_NS (50 * PE_NS_PER_MS)
/* XDP follows to new interfaces when there have been no events for this long, */
#define SETTLE_NS (5 * PE_NS_PER_MS)
/* and to a few each time in any case. Seldom: whoever makes interfaces meanwhile waits until this
 * thread, to which the kernel has handed the lock, gets a CPU. */
#define SETTLE_MAX_NS PE_NS_PER_S
#define SETTLE_FEW    8

/* An administrator can take a link off, and the kernel does not tell. */
static void check_link(struct pe_interfaces *interfaces, const struct pe_link *link,
		       struct pe_watch *watch)
{
	struct pe_link_stats stats;

	/* Or the interface has gone, and the news of it are on their way. */
	if (!pe_attacher_is_taken_off(&watch->attachment) ||
	    pe_monitor_read_stats(interfaces->monitor, watch->ifindex, &stats) < 0 ||
	    !pe_attacher_taken_off(&interfaces->attacher, link, &watch->attachment))
		return;
	interfaces->unfinished |= pe_attacher_is_unfinished(&watch->attachment);
	/* Whoever did it may want the place. */
	watch->retry_after_ns = PE_WATCH_RETRY_MAX_NS;
	pe_watch_retry(interfaces, watch, true);
	pe_watch_update(interfaces, link, watch);
}

static void check_load(struct pe_interfaces *interfaces, const struct pe_link *link,
		       struct pe_watch *watch, const struct pe_row *ours)
{
	bool heavy = pe_load_round(&watch->load, pe_clock_monotonic_ns(), &ours[PE_INGRESS]);

	/* Without XDP it could not come back. */
	if (heavy && watch->attachment.mode == PE_MODE_GENERIC)
		heavy = !pe_watch_is_below_ours(link, interfaces);
	if (!pe_attacher_yield(&interfaces->attacher, link, &watch->attachment, heavy))
		return;
	pe_watch_retry(interfaces, watch, watch->attachment.error < 0);
	pe_watch_update(interfaces, link, watch);
	pe_debug("xdp", "%s is counted by %s now, because it is %s", link->name,
		 pe_mode_name(watch->attachment.mode), heavy ? "under load" : "calm again");
}

static void close_bracket(struct pe_interfaces *interfaces, struct pe_watch *watch,
			  const struct pe_row *ours)
{
	struct pe_link_stats kernel;

	if (!pe_monitor_read_stats(interfaces->monitor, watch->ifindex, &kernel))
		pe_audit_close(&watch->audit, interfaces->options.registry, watch->ifindex, ours,
			       &kernel, watch->attachment.mode != PE_MODE_NONE);
}

static void open_bracket(struct pe_interfaces *interfaces, struct pe_watch *watch,
			 const struct pe_row *ours)
{
	struct pe_link_stats kernel;

	if (interfaces->brackets == PE_WATCH_BRACKETS ||
	    pe_monitor_read_stats(interfaces->monitor, watch->ifindex, &kernel) < 0)
		return;
	pe_audit_open(&watch->audit, ours, &kernel);
	interfaces->bracket[interfaces->brackets++] = watch->ifindex;
	interfaces->brackets_at_ns = pe_clock_monotonic_ns() + BRACKET_NS;
}

uint64_t pe_interfaces_brackets_at(const struct pe_interfaces *interfaces)
{
	return interfaces->brackets ? interfaces->brackets_at_ns : 0;
}

void pe_interfaces_close_brackets(struct pe_interfaces *interfaces)
{
	for (unsigned int i = 0; i < interfaces->brackets; i++) {
		struct pe_watch *watch = *pe_watch_find(interfaces, interfaces->bracket[i]);
		struct pe_row ours[PE_DIRECTIONS];

		/* It may be another one by now, without a reading to compare with. */
		if (!watch || !watch->audit.is_open)
			continue;
		pe_watch_read(interfaces, watch, ours);
		close_bracket(interfaces, watch, ours);
	}
	interfaces->brackets = 0;
}

static void audit(struct pe_interfaces *interfaces, struct pe_watch *watch)
{
	const struct pe_link *link = pe_monitor_find(interfaces->monitor, watch->ifindex);
	struct pe_row ours[PE_DIRECTIONS];

	if (!link)
		return;
	check_link(interfaces, link, watch);
	pe_watch_read(interfaces, watch, ours);
	check_load(interfaces, link, watch, ours);
	if (!pe_policy_auditable(link)) {
		pe_watch_audit_blind(interfaces, link, watch);
		return;
	}
	switch (pe_audit_due(&watch->audit, ours)) {
	case PE_AUDIT_NOT:
		break;
	case PE_AUDIT_NOW:
		close_bracket(interfaces, watch, ours);
		break;
	case PE_AUDIT_BRACKET:
		open_bracket(interfaces, watch, ours);
		break;
	}
}

void pe_watches_settle(struct pe_interfaces *interfaces, unsigned int most, bool yielding)
{
	interfaces->fresh_at_ns = pe_clock_monotonic_ns();
	for (unsigned int i = 0; interfaces->fresh && most && i < PE_WATCH_BUCKETS; i++) {
		for (struct pe_watch *watch = interfaces->bucket[i]; watch && most;
		     watch = watch->next) {
			const struct pe_link *link;

			if (!pe_watch_is_fresh(watch))
				continue;
			link = pe_monitor_find(interfaces->monitor, watch->ifindex);
			if (!link)
				continue;
			pe_watch_advance(interfaces, link, watch);
			pe_watch_update(interfaces, link, watch);
			most--;
			if (yielding && pe_monitor_has_events(interfaces->monitor))
				most = 0;
		}
	}
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

	pe_watches_settle(interfaces, is_quiet ? UINT_MAX : SETTLE_FEW, true);
}

/* Its own time has come, or what it waits for. */
static bool is_due(const struct pe_interfaces *interfaces, const struct pe_watch *watch,
		   uint64_t now_ns)
{
	if (watch->attachment.error == -ENOSPC && interfaces->slot_freed)
		return true;
	return watch->retry_at_ns <= now_ns;
}

/* Of those that are unfinished, one; first one that is not counted. NULL if there is none. */
static struct pe_watch *find_unfinished(struct pe_interfaces *interfaces)
{
	struct pe_watch *found = NULL;

	for (unsigned int i = 0; i < PE_WATCH_BUCKETS; i++) {
		for (struct pe_watch *watch = interfaces->bucket[i]; watch; watch = watch->next) {
			if (!pe_attacher_is_unfinished(&watch->attachment) ||
			    !pe_monitor_find(interfaces->monitor, watch->ifindex))
				continue;
			if (watch->attachment.wants_tcx)
				return watch;
			found = watch;
		}
	}
	return found;
}

/*
 * One a round, and none while interfaces are being made: whoever makes some meanwhile waits for the
 * kernel's lock for as long as this takes.
 */
static void finish_one(struct pe_interfaces *interfaces)
{
	const struct pe_link *link;
	struct pe_watch *watch;
	int r;

	if (!interfaces->unfinished || interfaces->fresh ||
	    pe_monitor_has_events(interfaces->monitor))
		return;
	watch = find_unfinished(interfaces);
	if (!watch) {
		interfaces->unfinished = false;
		return;
	}
	link = pe_monitor_find(interfaces->monitor, watch->ifindex);
	pe_watch_audit_blind(interfaces, link, watch);
	r = pe_attacher_finish(&interfaces->attacher, link, &watch->attachment);
	pe_watch_audit_blind(interfaces, link, watch);
	if (r < 0 && !watch->retry_at_ns)
		pe_watch_retry(interfaces, watch, true);
	if (!r && watch->attachment.mode == PE_MODE_TCX)
		pe_info("xdp", "%s is counted now (%s)", link->name,
			pe_mode_name(watch->attachment.mode));
	pe_watch_update(interfaces, link, watch);
}

/* GRO or an offload may have been switched on or off. */
static void follow(struct pe_interfaces *interfaces, const struct pe_link *link,
		   struct pe_watch *watch)
{
	pe_watch_audit_blind(interfaces, link, watch);
	if (!pe_attacher_follow(&interfaces->attacher, link, &watch->attachment))
		return;
	pe_watch_audit_blind(interfaces, link, watch);
	interfaces->unfinished |= pe_attacher_is_unfinished(&watch->attachment);
	pe_watch_retry(interfaces, watch, watch->attachment.error < 0);
	pe_watch_update(interfaces, link, watch);
	if (!watch->attachment.error)
		pe_info("xdp", "%s is counted now (%s): its receive features have changed",
			link->name, pe_mode_name(watch->attachment.mode));
}

static void follow_touched(struct pe_interfaces *interfaces)
{
	for (unsigned int i = 0; interfaces->touched && i < PE_WATCH_BUCKETS; i++) {
		for (struct pe_watch *watch = interfaces->bucket[i]; watch; watch = watch->next) {
			const struct pe_link *link;

			if (!watch->touched)
				continue;
			if (pe_monitor_has_events(interfaces->monitor))
				return;
			watch->touched = false;
			link = pe_monitor_find(interfaces->monitor, watch->ifindex);
			if (link)
				follow(interfaces, link, watch);
		}
	}
	interfaces->touched = false;
}

void pe_interfaces_retry(struct pe_interfaces *interfaces)
{
	uint64_t now_ns = pe_clock_monotonic_ns();

	for (unsigned int i = 0; interfaces->waiting && i < PE_WATCH_BUCKETS; i++) {
		for (struct pe_watch *watch = interfaces->bucket[i]; watch; watch = watch->next) {
			const struct pe_link *link;

			if (!watch->retry_at_ns || !is_due(interfaces, watch, now_ns))
				continue;
			link = pe_monitor_find(interfaces->monitor, watch->ifindex);
			if (link)
				pe_watch_try_again(interfaces, link, watch);
		}
	}
	interfaces->slot_freed = false;
	follow_touched(interfaces);
	finish_one(interfaces);
	if (interfaces->attacher.owes)
		pe_attacher_put_back(&interfaces->attacher);
	pe_attacher_log_more(&interfaces->attacher);
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
	/* The thread was late: these are long enough. */
	pe_interfaces_close_brackets(interfaces);
	for (unsigned int i = 0, count = 0; i < PE_WATCH_BUCKETS && count < AUDITS_A_ROUND && go_on;
	     i++) {
		struct pe_watch *watch;

		interfaces->audited = (interfaces->audited + 1) % PE_WATCH_BUCKETS;
		for (watch = interfaces->bucket[interfaces->audited]; watch; watch = watch->next) {
			audit(interfaces, watch);
			count++;
			go_on = !pe_monitor_has_events(interfaces->monitor);
		}
	}
}
