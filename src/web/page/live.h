/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is going on now: rates, and what they were in the last five minutes.
 *
 * Nothing is sampled on its own: whoever looks brings a sample with him, at most one a second for
 * all. Rates are averages since the sample before; of what was not in it, and at the first look,
 * they are averages since the counters began. The snapshot is given back as soon as its numbers
 * are packed; five minutes after the last look these go, too.
 *
 * Memory: some 500 bytes for each live interface and group that is busy, 300 for a departed one,
 * and 45 for each of the largest flows (--flows.top). Any thread; the holder of the lock uses what
 * is handed out until it unlocks.
 */
#ifndef PE_WEB_PAGE_LIVE_H
#define PE_WEB_PAGE_LIVE_H

#include <stddef.h>
#include <stdint.h>

#include "pe/page.h"
#include "pe/sample.h"

#include "health.h"
#include "history.h"

/* By direction, a second. */
struct pe_live_rate {
	float bits[PE_DIRECTIONS];
	float packets[PE_DIRECTIONS];
};

/* What is kept of an interface or group. */
struct pe_live_item;

struct pe_live_items {
	struct pe_live_item **item; /* sorted as in a snapshot */
	size_t count;
};

/* What there is at a look. */
struct pe_live_view {
	struct pe_snapshot *about; /* without interfaces, groups, and host */
	struct pe_live_items ifaces, groups;
	bool has_packets; /* any was counted on the host */
	enum pe_health_level level;
	struct pe_health_check checks[PE_HEALTH_CHECKS];
	float seconds; /* that the rates are averages of; 0 at the first look */
};

struct pe_live;

/* 0 or -ENOMEM. The caller owns *ret_live. */
int pe_live_new(const struct pe_page_options *options, struct pe_live **ret_live);
/* NULL is fine. Returns NULL. */
struct pe_live *pe_live_free(struct pe_live *live);

/* Takes the lock, and a sample if it is due. 0 or what snapshot() returned, -ENOMEM; then the lock
 * is not held. Blocks for the snapshot. */
int pe_live_lock(struct pe_live *live, const struct pe_live_view **ret_view);
void pe_live_unlock(struct pe_live *live);

/* Gives back what nobody has looked at for some time. To be called now and then. */
void pe_live_tick(struct pe_live *live);

/* Its sample: packed.h. */
const char *pe_live_packed(const struct pe_live_item *item);
/* Who is behind it; NULL of a group, and if that is not known. */
struct pe_identity *pe_live_identity(const struct pe_live_item *item);
/* Whether it has rates and a history: a departed interface has not. */
bool pe_live_is_live(const struct pe_live_item *item);

/* Zero for NULL, and for what is not live. */
struct pe_live_rate pe_live_rate(const struct pe_live_item *item);

/* A point of its history in bits a second, to half a percent; 0 is the oldest. -1 before anybody
 * looked. */
float pe_live_point(const struct pe_live *live, const struct pe_live_item *item, size_t i,
		    size_t direction);

#endif
