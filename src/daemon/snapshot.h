/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gathers the numbers of all modules into one snapshot. Any thread: the HTTP server's and the push
 * client's call it.
 */
#ifndef PE_SNAPSHOT_H
#define PE_SNAPSHOT_H

#include "interfaces.h"
#include "pe/http.h"
#include "pe/push.h"
#include "pe/workers.h"

/* Where the numbers are. All are borrowed. http and push are set, atomically, when they have
 * started. */
struct pe_sources {
	struct pe_xdp *xdp;
	struct pe_registry *registry;
	struct pe_interfaces *interfaces;
	struct pe_workers *workers;
	const struct pe_http *http;
	const struct pe_push *push;
	bool top_flows;
	uint64_t start_ns; /* wall clock */
};

/* 0 or -ENOMEM. The caller owns a reference. */
int pe_sources_snapshot(const struct pe_sources *sources, struct pe_snapshot **ret_snapshot);

#endif
