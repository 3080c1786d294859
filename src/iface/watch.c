/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See watch.h. */
#include "watch.h"

#include "pe/clock.h"
#include "pe/log.h"

#include "contribution.h"
#include "engine.h"
#include "relations.h"

#define RETRY_FIRST_NS PE_NS_PER_S
#define RETRY_MAX_NS   (60 * PE_NS_PER_S)

/* Its states, as they follow from what was done. */
static void note(const struct pe_engine *engine, struct pe_iface *iface)
{
	pe_records_set(engine->records, iface, PE_IFACE_PENDING,
		       iface->attachment.reason == PE_REASON_NEW);
	pe_records_set(engine->records, iface, PE_IFACE_TCX, pe_attacher_is_unfinished(iface));
	pe_records_set(engine->records, iface, PE_IFACE_RETRY, iface->retry.at_ns != 0);
}

/* Whether, and when, pe_watch_try_again() is to be called; each time later. */
static void set_retry(struct pe_iface *iface, bool wanted)
{
	struct pe_retry *retry = &iface->retry;

	if (!wanted) {
		*retry = (struct pe_retry){ 0 };
		return;
	}
	retry->after_ns = retry->after_ns ? retry->after_ns * 2 : RETRY_FIRST_NS;
	if (retry->after_ns > RETRY_MAX_NS)
		retry->after_ns = RETRY_MAX_NS;
	retry->at_ns = pe_clock_monotonic_ns() + retry->after_ns;
}

static int advance(const struct pe_engine *engine, struct pe_iface *iface)
{
	int r = pe_attacher_advance(engine->attacher, iface);

	set_retry(iface, r < 0);
	note(engine, iface);
	return r;
}

/* An interface below that XDP has yet to come to would be refused it afterwards. */
static void advance_below(const struct pe_engine *engine, const struct pe_iface *iface)
{
	struct pe_iface *below = pe_records_find_index(engine->records, iface->plan.below);

	if (!below || !(below->state & PE_IFACE_WATCHED))
		return;
	if (below->attachment.reason == PE_REASON_NEW || below->attachment.reason == PE_REASON_LOAD)
		pe_watch_promote(engine, below);
}

static void give_slot_back(const struct pe_engine *engine, const struct pe_iface *iface)
{
	const struct pe_kernel *kernel = engine->kernel;
	uint32_t token = iface->attachment.token;

	if (token == PE_TOKEN_NONE)
		return;
	kernel->ops->stop(kernel->xdp, token);
	kernel->ops->give_back(kernel->xdp, token);
	engine->options->forget(token, engine->options->userdata);
}

/* All that belongs to one watch; the record stays, with its link and its plan. A driver that has
 * refused native XDP is asked again. */
static void reset(const struct pe_engine *engine, struct pe_iface *iface)
{
	const bool refused = iface->attachment.refused;

	pe_records_set(engine->records, iface, iface->state, false);
	iface->attachment = (struct pe_attachment)PE_ATTACHMENT_INIT;
	iface->retry = (struct pe_retry){ 0 };
	iface->audit = (struct pe_audit){ 0 };
	iface->load = (struct pe_load){ 0 };
	if (refused)
		pe_attacher_plan(engine->attacher, iface);
}

bool pe_watch_begin(const struct pe_engine *engine, struct pe_iface *iface, uint64_t announced_ns)
{
	int r;

	reset(engine, iface);
	pe_records_set(engine->records, iface, PE_IFACE_WATCHED, true);
	advance_below(engine, iface);
	r = pe_attacher_begin(engine->attacher, iface);
	set_retry(iface, r < 0);
	note(engine, iface);
	if (iface->attachment.mode != PE_MODE_NONE)
		pe_attacher_observe(engine->attacher, pe_clock_monotonic_ns() - announced_ns);
	if (pe_contribution_begin(engine, iface) < 0) {
		/* Whatever it holds, nobody else will give back. */
		pe_attacher_detach(engine->attacher, iface);
		give_slot_back(engine, iface);
		reset(engine, iface);
		return false;
	}
	pe_auditor_begin(engine->auditor, iface);
	return true;
}

void pe_watch_end(const struct pe_engine *engine, struct pe_iface *iface, enum pe_ending ending)
{
	const struct pe_kernel *kernel = engine->kernel;

	/* The program may be on an interface that lives on in another namespace: detach first. */
	pe_attacher_detach(engine->attacher, iface);
	if (iface->attachment.token != PE_TOKEN_NONE)
		kernel->ops->stop(kernel->xdp, iface->attachment.token);
	pe_auditor_end(engine->auditor, iface, ending);
	pe_contribution_end(engine, iface);
	reset(engine, iface);
	engine->options->departed(engine->options->userdata);
}

void pe_watch_promote(const struct pe_engine *engine, struct pe_iface *iface)
{
	advance(engine, iface);
	pe_contribution_update(engine, iface);
}

static void log_counted(const struct pe_iface *iface, const char *why)
{
	pe_info("xdp", "%s is counted now (%s)%s", iface->link->name,
		pe_mode_name(iface->attachment.mode), why);
}

void pe_watch_try_again(const struct pe_engine *engine, struct pe_iface *iface)
{
	bool had_token = iface->attachment.token != PE_TOKEN_NONE;

	pe_auditor_note_mode(engine->auditor, iface);
	pe_auditor_attaching(engine->auditor, iface);
	advance_below(engine, iface);
	if (!advance(engine, iface))
		log_counted(iface, "");
	if (!had_token && iface->attachment.token != PE_TOKEN_NONE)
		pe_contribution_set_token(engine, iface);
	pe_auditor_note_mode(engine->auditor, iface);
	pe_contribution_update(engine, iface);
}

void pe_watch_follow(const struct pe_engine *engine, struct pe_iface *iface)
{
	pe_auditor_note_mode(engine->auditor, iface);
	if (!pe_attacher_follow(engine->attacher, iface))
		return;
	pe_auditor_note_mode(engine->auditor, iface);
	set_retry(iface, iface->attachment.error < 0);
	note(engine, iface);
	pe_contribution_update(engine, iface);
	if (!iface->attachment.error)
		log_counted(iface, ": its receive features have changed");
}

void pe_watch_finish(const struct pe_engine *engine, struct pe_iface *iface)
{
	int r;

	pe_auditor_note_mode(engine->auditor, iface);
	r = pe_attacher_finish(engine->attacher, iface);
	pe_auditor_note_mode(engine->auditor, iface);
	if (r < 0 && !iface->retry.at_ns)
		set_retry(iface, true);
	note(engine, iface);
	if (!r && iface->attachment.mode == PE_MODE_TCX)
		log_counted(iface, "");
	pe_contribution_update(engine, iface);
}

/* An administrator can take a link off, and the kernel reports nothing. */
static void check_hooks(const struct pe_engine *engine, struct pe_iface *iface)
{
	struct pe_link_stats stats;

	/* Or the interface has gone, and the event is on its way. */
	if (!pe_attacher_is_taken_off(engine->attacher, iface) ||
	    pe_monitor_read_stats(engine->monitor, iface->link->ifindex, &stats) < 0 ||
	    !pe_attacher_taken_off(engine->attacher, iface))
		return;
	/* Whoever did it may want the place. */
	iface->retry.after_ns = RETRY_MAX_NS;
	set_retry(iface, true);
	note(engine, iface);
	pe_contribution_update(engine, iface);
}

static void check_load(const struct pe_engine *engine, struct pe_iface *iface,
		       const struct pe_row *ours)
{
	const struct pe_relations relations = { engine->records, engine->monitor };
	bool busy = pe_load_update(&iface->load, pe_clock_monotonic_ns(), &ours[PE_INGRESS]);

	/* Without XDP it could not come back. */
	if (busy && iface->attachment.mode == PE_MODE_GENERIC)
		busy = !pe_relations_has_above(&relations, iface);
	if (!pe_attacher_set_busy(engine->attacher, iface, busy))
		return;
	set_retry(iface, iface->attachment.error < 0);
	note(engine, iface);
	pe_contribution_update(engine, iface);
	pe_debug("xdp", "%s is counted by %s now, because it is %s", iface->link->name,
		 pe_mode_name(iface->attachment.mode), busy ? "under load" : "calm again");
}

void pe_watch_check(const struct pe_engine *engine, struct pe_iface *iface)
{
	struct pe_row ours[PE_DIRECTIONS];

	check_hooks(engine, iface);
	pe_auditor_read(engine->auditor, iface, ours);
	check_load(engine, iface, ours);
	pe_auditor_compare(engine->auditor, iface, ours);
}
