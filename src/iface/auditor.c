/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See auditor.h. */
#include "auditor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"

#include "counts.h"
#include "moved.h"
#include "engine.h"
#include "reuse.h"

/* Between the two readings of a comparison: no packet is on its way for longer, but where a CPU is
 * overloaded, and then the next comparison shows it. */
#define BRACKET_NS (50 * PE_NS_PER_MS)

struct pe_auditor {
	const struct pe_engine *engine;
	struct pe_moved *moved;
	struct pe_reuse reuse;
	/* Of the one that ended last: what ours have more than its last counters; unknown where the
	 * message does not have these. */
	struct pe_count above[PE_DIRECTIONS];
	/* Those whose audit has a bracket open, and when it is to be closed. */
	struct pe_ifkey bracket[PE_AUDITOR_BATCH];
	unsigned int brackets;
	uint64_t brackets_at_ns;
};

int pe_auditor_new(const struct pe_engine *engine, struct pe_auditor **ret_auditor)
{
	struct pe_auditor *auditor = calloc(1, sizeof(*auditor));
	int r;

	if (!auditor)
		return -ENOMEM;
	auditor->engine = engine;
	r = pe_moved_new(&auditor->moved);
	if (r < 0) {
		free(auditor);
		return r;
	}
	*ret_auditor = auditor;
	return 0;
}

struct pe_auditor *pe_auditor_free(struct pe_auditor *auditor)
{
	if (!auditor)
		return NULL;
	pe_moved_free(auditor->moved);
	free(auditor);
	return NULL;
}

static struct pe_registry *registry(const struct pe_auditor *auditor)
{
	return auditor->engine->options->registry;
}

static int read_kernel(const struct pe_auditor *auditor, const struct pe_iface *iface,
		       struct pe_link_stats *ret_kernel)
{
	return pe_monitor_read_stats(auditor->engine->monitor, iface->link->ifindex, ret_kernel);
}

void pe_auditor_read(const struct pe_auditor *auditor, const struct pe_iface *iface,
		     struct pe_row *ret_ours)
{
	const struct pe_kernel *kernel = auditor->engine->kernel;

	memset(ret_ours, 0, sizeof(*ret_ours) * PE_DIRECTIONS);
	if (iface->attachment.token != PE_TOKEN_NONE)
		kernel->ops->read(kernel->xdp, iface->attachment.token, ret_ours);
}

/* ---- begin and end ---- */

/* What was accounted for in an earlier stay, or for the one that had its ifindex before it. */
static void recall(struct pe_auditor *auditor, const struct pe_iface *iface,
		   struct pe_count ret_known[PE_DIRECTIONS])
{
	const struct pe_link *link = iface->link;
	struct pe_link_stats now;
	bool is_there = pe_moved_has(auditor->moved, link) && !read_kernel(auditor, iface, &now);

	pe_moved_take(auditor->moved, link, is_there ? &now : NULL, ret_known);
	pe_reuse_take(&auditor->reuse, link->ifindex, is_there, ret_known);
	if (!is_there)
		return;
	/* While something is overcounted and not found, more is known than the kernel has. */
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		const struct pe_count most = pe_link_count(&now, d);

		pe_count_limit(&ret_known[d], &most);
	}
}

void pe_auditor_begin(struct pe_auditor *auditor, struct pe_iface *iface)
{
	struct pe_row ours[PE_DIRECTIONS] = { 0 };
	struct pe_count known[PE_DIRECTIONS];

	recall(auditor, iface, known);
	if (iface->attachment.early)
		pe_auditor_read(auditor, iface, ours);
	pe_audit_begin(&iface->audit, registry(auditor), iface->member, iface->link,
		       iface->plan.egress, known, ours);
	pe_auditor_note_mode(auditor, iface);
}

/* Of one whose counters mean something else than ours. */
static void end_uncounted(struct pe_auditor *auditor, struct pe_iface *iface,
			  struct pe_moved_stay *ret_stay)
{
	const struct pe_link_stats *last = &iface->link->stats;

	pe_audit_uncounted(&iface->audit, registry(auditor), iface->member, iface->audit.uncounted,
			   last);
	/* Observed or not, the next stay has nothing to do with it. */
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++)
		ret_stay->known[d] = ret_stay->kernel[d] = pe_link_count(last, d);
}

/*
 * What ours have more than its last counters. Nobody has its ifindex: then it is overcounted.
 * Otherwise that one, which may be the same again, has passed it before the message was read.
 */
static void end_above(struct pe_auditor *auditor, struct pe_iface *iface, const struct pe_row *ours,
		      const bool final[PE_DIRECTIONS])
{
	struct pe_count above[PE_DIRECTIONS];
	bool is_some = false;

	pe_audit_above(&iface->audit, ours, above);
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		if (final[d])
			auditor->above[d] = above[d];
		is_some |= final[d] && (above[d].packets || above[d].bytes);
	}
	if (!is_some || pe_monitor_exists(auditor->engine->monitor, iface->link->ifindex))
		return;
	pe_audit_end_above(&iface->audit, registry(auditor), iface->member, ours, final);
	/* Not for one that has it a moment later, too. */
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		if (final[d])
			auditor->above[d] = (struct pe_count){ 0 };
	}
}

static void end_counted(struct pe_auditor *auditor, struct pe_iface *iface, enum pe_ending ending,
			struct pe_moved_stay *ret_stay)
{
	const bool has_both = iface->link->has_stats && ending == PE_ENDING_MOVED;
	const bool final[PE_DIRECTIONS] = {
		[PE_INGRESS] = has_both,
		[PE_EGRESS] = has_both || (iface->link->has_stats && ending == PE_ENDING_DELETED),
	};
	struct pe_row ours[PE_DIRECTIONS];

	pe_auditor_read(auditor, iface, ours);
	pe_audit_end(&iface->audit, registry(auditor), iface->member, iface->link, ours);
	end_above(auditor, iface, ours, final);
	pe_audit_kernel(&iface->audit, ret_stay->kernel);
	if (has_both)
		memcpy(ret_stay->known, ret_stay->kernel, sizeof(ret_stay->known));
	else
		pe_audit_known(&iface->audit, ours, ret_stay->known);
}

void pe_auditor_end(struct pe_auditor *auditor, struct pe_iface *iface, enum pe_ending ending)
{
	struct pe_moved_stay stay;

	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++)
		auditor->above[d] = (struct pe_count){ PE_REUSE_UNKNOWN, PE_REUSE_UNKNOWN };
	if (iface->plan.auditable)
		end_counted(auditor, iface, ending, &stay);
	else
		end_uncounted(auditor, iface, &stay);
	if (ending != PE_ENDING_DELETED)
		pe_moved_put(auditor->moved, iface->link, &stay);
}

void pe_auditor_gone(struct pe_auditor *auditor, int ifindex, bool ingress, bool egress)
{
	const struct pe_count none = { 0 };
	const struct pe_count most[PE_DIRECTIONS] = {
		[PE_INGRESS] = ingress ? auditor->above[PE_INGRESS] : none,
		[PE_EGRESS] = egress ? auditor->above[PE_EGRESS] : none,
	};

	pe_reuse_look(&auditor->reuse, auditor->engine->monitor, ifindex, most);
}

void pe_auditor_added(struct pe_auditor *auditor, int ifindex)
{
	pe_reuse_take(&auditor->reuse, ifindex, false, NULL);
}

/* ---- meanwhile ---- */

void pe_auditor_attaching(struct pe_auditor *auditor, struct pe_iface *iface)
{
	struct pe_row ours[PE_DIRECTIONS];
	struct pe_link_stats kernel;

	if (iface->audit.compared || !iface->plan.auditable)
		return;
	pe_auditor_read(auditor, iface, ours);
	if (read_kernel(auditor, iface, &kernel) < 0)
		return;
	pe_audit_open(&iface->audit, ours, &kernel);
	pe_audit_close(&iface->audit, registry(auditor), iface->member, ours, &kernel, false);
}

void pe_auditor_note_mode(struct pe_auditor *auditor, struct pe_iface *iface)
{
	const bool uncounted[PE_DIRECTIONS] = {
		[PE_INGRESS] = iface->attachment.mode == PE_MODE_NONE,
		[PE_EGRESS] = iface->audit.egress && iface->attachment.token == PE_TOKEN_NONE,
	};
	struct pe_link_stats kernel = { 0 };

	if (iface->plan.auditable || ((uncounted[PE_INGRESS] || uncounted[PE_EGRESS]) &&
				      read_kernel(auditor, iface, &kernel) < 0))
		return;
	pe_audit_uncounted(&iface->audit, registry(auditor), iface->member, uncounted, &kernel);
}

static void close_bracket(struct pe_auditor *auditor, struct pe_iface *iface,
			  const struct pe_row *ours)
{
	struct pe_link_stats kernel;

	if (!read_kernel(auditor, iface, &kernel))
		pe_audit_close(&iface->audit, registry(auditor), iface->member, ours, &kernel,
			       iface->attachment.mode != PE_MODE_NONE);
}

static void open_bracket(struct pe_auditor *auditor, struct pe_iface *iface,
			 const struct pe_row *ours)
{
	struct pe_link_stats kernel;

	if (auditor->brackets == PE_AUDITOR_BATCH || read_kernel(auditor, iface, &kernel) < 0)
		return;
	pe_audit_open(&iface->audit, ours, &kernel);
	auditor->bracket[auditor->brackets++] = iface->link->key;
	auditor->brackets_at_ns = pe_clock_monotonic_ns() + BRACKET_NS;
}

void pe_auditor_compare(struct pe_auditor *auditor, struct pe_iface *iface,
			const struct pe_row *ours)
{
	if (!iface->plan.auditable) {
		pe_auditor_note_mode(auditor, iface);
		return;
	}
	switch (pe_audit_due(&iface->audit, ours)) {
	case PE_AUDIT_NOT:
		break;
	case PE_AUDIT_NOW:
		close_bracket(auditor, iface, ours);
		break;
	case PE_AUDIT_BRACKET:
		open_bracket(auditor, iface, ours);
		break;
	}
}

uint64_t pe_auditor_brackets_at(const struct pe_auditor *auditor)
{
	return auditor->brackets ? auditor->brackets_at_ns : 0;
}

void pe_auditor_close_brackets(struct pe_auditor *auditor)
{
	for (unsigned int i = 0; i < auditor->brackets; i++) {
		struct pe_iface *iface =
			pe_records_find(auditor->engine->records, auditor->bracket[i]);
		struct pe_row ours[PE_DIRECTIONS];

		/* It may be another one by now, without a reading to compare with. */
		if (!iface || !iface->audit.is_open)
			continue;
		pe_auditor_read(auditor, iface, ours);
		close_bracket(auditor, iface, ours);
	}
	auditor->brackets = 0;
}
