/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What series of a state are called, without what they counted: some 150 bytes an interface instead
 * of the some 5,000 of its snapshot, kept from one state to the next. One thread at a time.
 */
#ifndef PE_EXPOSE_OUTLINE_H
#define PE_EXPOSE_OUTLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "pe/sample.h"

struct pe_outline;

/* 0 or -ENOMEM. The caller owns *ret_outline. */
int pe_outline_new(const struct pe_snapshot *snapshot, struct pe_outline **ret_outline);
/* NULL is fine. Returns NULL. */
struct pe_outline *pe_outline_free(struct pe_outline *outline);

size_t pe_outline_iface_count(const struct pe_outline *outline);

/*
 * A snapshot of the interfaces for which `wanted` is set, and of the groups if those are, in which
 * everything has counted something: it has every series that the state can have had, and others.
 * No largest flows. 0 or -ENOMEM. The caller owns *ret_snapshot.
 */
int pe_outline_snapshot(const struct pe_outline *outline, const bool *wanted, bool groups,
			struct pe_snapshot **ret_snapshot);

#endif
