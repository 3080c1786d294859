/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See maintenance.h. */
#include "maintenance.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "pe/clock.h"

#include "engine.h"
#include "watch.h"

/* XDP follows to new interfaces when there have been no events for this long, */
#define QUIET_NS (5 * PE_NS_PER_MS)
/* and to a few each time in any case. Seldom: whoever makes interfaces meanwhile waits until this
 * thread, to which the kernel has handed the lock, gets a CPU. */
#define PENDING_MAX_NS PE_NS_PER_S
#define PROMOTE_FEW    8

struct pe_maintenance {
	const struct pe_engine *engine;
	uint64_t pending_ns; /* since when some are pending, or some were promoted */
	bool slot_freed;     /* since the last round of retries */
};

int pe_maintenance_new(const struct pe_engine *engine, struct pe_maintenance **ret_maintenance)
{
	struct pe_maintenance *maintenance = calloc(1, sizeof(*maintenance));

	if (!maintenance)
		return -ENOMEM;
	maintenance->engine = engine;
	*ret_maintenance = maintenance;
	return 0;
}

struct pe_maintenance *pe_maintenance_free(struct pe_maintenance *maintenance)
{
	free(maintenance);
	return NULL;
}

static unsigned int pending(const struct pe_maintenance *maintenance)
{
	return pe_records_count(maintenance->engine->records, PE_IFACE_PENDING);
}

static bool has_events(const struct pe_maintenance *maintenance)
{
	return pe_monitor_has_events(maintenance->engine->monitor);
}

void pe_maintenance_began(struct pe_maintenance *maintenance, const struct pe_iface *iface)
{
	if (iface->state & PE_IFACE_PENDING && pending(maintenance) == 1)
		maintenance->pending_ns = pe_clock_monotonic_ns();
}

void pe_maintenance_freed_slot(struct pe_maintenance *maintenance)
{
	maintenance->slot_freed = true;
}

/* ---- pending ones ---- */

/* Promotes so many at most, or until there are events unless `through`. */
static void promote(struct pe_maintenance *maintenance, unsigned int most, bool through)
{
	maintenance->pending_ns = pe_clock_monotonic_ns();
	pe_records_for_each (maintenance->engine->records, iface, PE_IFACE_PENDING) {
		if (!most--)
			return;
		pe_watch_promote(maintenance->engine, iface);
		if (!through && has_events(maintenance))
			return;
	}
}

void pe_maintenance_promote_all(struct pe_maintenance *maintenance)
{
	promote(maintenance, UINT_MAX, true);
}

uint64_t pe_maintenance_promote_at(const struct pe_maintenance *maintenance, uint64_t events_ns)
{
	uint64_t quiet_ns = events_ns + QUIET_NS;
	uint64_t latest_ns = maintenance->pending_ns + PENDING_MAX_NS;

	if (!pending(maintenance))
		return 0;
	return quiet_ns < latest_ns ? quiet_ns : latest_ns;
}

void pe_maintenance_promote(struct pe_maintenance *maintenance, uint64_t events_ns)
{
	bool is_quiet = pe_clock_monotonic_ns() >= events_ns + QUIET_NS;

	promote(maintenance, is_quiet ? UINT_MAX : PROMOTE_FEW, false);
}

/* ---- what failed, or has changed ---- */

/* Its own time has come, or what it waits for. */
static bool is_due(const struct pe_maintenance *maintenance, const struct pe_iface *iface,
		   uint64_t now_ns)
{
	if (iface->attachment.error == -ENOSPC && maintenance->slot_freed)
		return true;
	return iface->retry.at_ns <= now_ns;
}

static void try_again(struct pe_maintenance *maintenance)
{
	uint64_t now_ns = pe_clock_monotonic_ns();

	pe_records_for_each (maintenance->engine->records, iface, PE_IFACE_RETRY) {
		if (is_due(maintenance, iface, now_ns))
			pe_watch_try_again(maintenance->engine, iface);
	}
	maintenance->slot_freed = false;
}

static void follow(struct pe_maintenance *maintenance)
{
	struct pe_records *records = maintenance->engine->records;

	pe_records_for_each (records, iface, PE_IFACE_FEATURES) {
		if (has_events(maintenance))
			return;
		pe_records_set(records, iface, PE_IFACE_FEATURES, false);
		pe_watch_follow(maintenance->engine, iface);
	}
}

/* Of those for which TCX is to come or to go, one; first one that is not counted. NULL if there is
 * none. */
static struct pe_iface *find_unfinished(const struct pe_records *records)
{
	struct pe_iface *found = NULL;

	pe_records_for_each (records, iface, PE_IFACE_TCX) {
		if (iface->attachment.wants_tcx)
			return iface;
		found = iface;
	}
	return found;
}

/*
 * One a round, and none while interfaces are being made: whoever makes some meanwhile waits for the
 * kernel's lock for as long as this takes.
 */
static void finish_one(struct pe_maintenance *maintenance)
{
	struct pe_iface *iface = find_unfinished(maintenance->engine->records);

	if (iface && !pending(maintenance) && !has_events(maintenance))
		pe_watch_finish(maintenance->engine, iface);
}

void pe_maintenance_retry(struct pe_maintenance *maintenance)
{
	const struct pe_engine *engine = maintenance->engine;

	try_again(maintenance);
	follow(maintenance);
	finish_one(maintenance);
	pe_attacher_put_back_owed(engine->attacher);
	pe_attacher_log_more(engine->attacher);
}

/*
 * Some interfaces a round, so that a round costs the same however many there are. Each waits for
 * the kernel's lock of all interfaces, which in a storm is held most of the time: new ones go
 * first.
 */
void pe_maintenance_audit(struct pe_maintenance *maintenance)
{
	const struct pe_engine *engine = maintenance->engine;
	unsigned int most = pe_records_count(engine->records, PE_IFACE_WATCHED);

	if (most > PE_AUDITOR_BATCH)
		most = PE_AUDITOR_BATCH;
	/* The thread was late: these are long enough. */
	pe_auditor_close_brackets(engine->auditor);
	for (unsigned int i = 0; i < most; i++) {
		pe_watch_check(engine, pe_records_in_turn(engine->records));
		if (has_events(maintenance))
			return;
	}
}
