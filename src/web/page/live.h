/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is going on now: rates, and what they were in the last five minutes.
 *
 * Nothing is sampled on its own: whoever looks brings a sample with him, at most one a second for
 * all. Rates are averages since the sample before; of what was not in it, and at the first look,
 * they are averages since the counters began. After five seconds without a look the snapshot is
 * given back, and after five all of it.
 *
 * Memory: some 350 bytes for each live interface and group. Any thread; the holder of the lock uses
 * what is handed out until it unlocks.
 */
#ifndef PE_WEB_PAGE_LIVE_H
#define PE_WEB_PAGE_LIVE_H

#include <stddef.h>
#include <stdint.h>

#include "pe/page.h"
#include "pe/sample.h"

#define PE_LIVE_POINTS	60 /* of the history */
#define PE_LIVE_POINT_S 5

/* By direction, a second. */
struct pe_live_rate {
	float bits[PE_DIRECTIONS];
	float packets[PE_DIRECTIONS];
};

struct pe_live_track;

/* What there is at a look. */
struct pe_live_view {
	struct pe_snapshot *snapshot;
	/* By the index in the snapshot; NULL for departed interfaces. */
	struct pe_live_track *const *ifaces, *const *groups;
	float seconds; /* that the rates are averages of; 0 at the first look */
};

struct pe_live;

/* 0 or -ENOMEM. The caller owns *ret_live. */
int pe_live_new(const struct pe_page_options *options, struct pe_live **ret_live);
/* NULL is fine. Returns NULL. */
struct pe_live *pe_live_free(struct pe_live *live);

/* Takes the lock, and a sample if it is due. 0 or what snapshot() returned, -ENOMEM; then the lock
 * is not held. Blocks for the snapshot. */
int pe_live_lock(struct pe_live *live, struct pe_live_view *ret_view);
void pe_live_unlock(struct pe_live *live);

/* Gives back what nobody has looked at for some time. To be called now and then. */
void pe_live_tick(struct pe_live *live);

/* Of what has a track; zero for NULL. */
struct pe_live_rate pe_live_rate(const struct pe_live_track *track);

/* A point of its history in bits a second, 0 is the oldest; -1 before anybody looked. */
float pe_live_point(const struct pe_live *live, const struct pe_live_track *track, size_t i,
		    size_t direction);

#endif
