/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is above and below whom: where the kernel lets XDP be attached, and whose receive offloads
 * that switches off. The supervisor's thread.
 */
#ifndef PE_IFACE_RELATIONS_H
#define PE_IFACE_RELATIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "attacher.h"
#include "records.h"

struct pe_relations {
	const struct pe_records *records;
	struct pe_monitor *monitor;
};

/* One that has an XDP program of ours is above this one, or is its bridge or bond: then the kernel
 * lets none be attached to it. */
bool pe_relations_has_above(const struct pe_relations *relations, const struct pe_iface *iface);

/* The interface itself, then all that it is stacked on, directly or not, watched or not; at most
 * PE_OFFLOADS_MAX. How many. */
size_t pe_relations_list_below(const struct pe_relations *relations, const struct pe_iface *iface,
			       int *ret_ifindex);

/* Whether an XDP program of ours is on it or above it. */
bool pe_relations_is_used(const struct pe_relations *relations, int ifindex);

/* Whether each ifindex is surely the interface that is known by it. */
bool pe_relations_are_current(const struct pe_relations *relations);

/* The same for an attacher. `relations` must outlive it. */
struct pe_attacher_relations pe_relations_bind(struct pe_relations *relations);

#endif
