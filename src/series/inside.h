/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry's inside, for the files that share it. Protected by its mutex.
 */
#ifndef PE_SERIES_INSIDE_H
#define PE_SERIES_INSIDE_H

#include <pthread.h>

#include "accumulator.h"
#include "fold.h"

/* The series of an interface's name. */
struct pe_iface_series {
	struct pe_accumulator total; /* fed by at most one contributor */
	struct pe_node by_name;
	struct pe_iface_info info;
	bool departed;
	uint64_t departed_ns;
	struct pe_iface_series *newer, *older; /* of the departed */
};

struct pe_registry {
	pthread_mutex_t mutex;
	struct pe_registry_options options;
	struct pe_counter_sources sources;
	struct pe_table by_ifindex;		 /* of live contributors */
	struct pe_table by_name;		 /* of series of interfaces */
	struct pe_iface_series *oldest, *newest; /* departed */
	size_t departed_count;
	uint64_t folded_early;
	struct pe_fold fold;
};

/* NULL if nothing feeds it. */
static inline struct pe_contributor *pe_iface_contributor(const struct pe_iface_series *series)
{
	return series->total.feeds ? series->total.feeds->from : NULL;
}

static inline struct pe_iface_series *pe_iface_of_node(struct pe_node *node)
{
	return (struct pe_iface_series *)((char *)node - offsetof(struct pe_iface_series, by_name));
}

#endif
