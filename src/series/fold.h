/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What departed interfaces leave when their series end: one sum for each (kind, master).
 *
 * Bounded and without allocation, so that folding cannot fail. Protected by the registry's mutex.
 */
#ifndef PE_SERIES_FOLD_H
#define PE_SERIES_FOLD_H

#include "pe/sample.h"

/* Groups with a name of their own; all others are kind="other", master="". */
#define PE_FOLD_GROUPS 256

struct pe_fold {
	struct pe_departed_sample group[PE_FOLD_GROUPS + 1]; /* sorted by kind, then master */
	size_t count;
	size_t named; /* all but the group of the others */
};

/* Adds one interface with its final counts. */
void pe_fold_add(struct pe_fold *fold, const struct pe_iface_info *info,
		 const struct pe_series_body *body, uint64_t now_ns);

#endif
