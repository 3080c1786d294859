/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ring of what was moved in the last minutes, in three bytes a point. Pure; any thread, one at a
 * time.
 */
#ifndef PE_WEB_PAGE_HISTORY_H
#define PE_WEB_PAGE_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "pe/abi.h"

#define PE_LIVE_POINTS	60 /* of the history */
#define PE_LIVE_POINT_S 5

struct pe_history {
	unsigned char point[PE_LIVE_POINTS][3]; /* 12 bits by direction */
};

/* Nothing is known. */
void pe_history_clear(struct pe_history *history);

/* Bits a second of a point, in place of the one PE_LIVE_POINTS before. */
void pe_history_set(struct pe_history *history, uint64_t point, const float bits[PE_DIRECTIONS]);

/* What was set, to half a percent; less than one bit a second is 0, more than any card moves is
 * cut. -1: not known. */
float pe_history_get(const struct pe_history *history, uint64_t point, size_t direction);

#endif
