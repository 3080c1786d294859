/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gathers the numbers of all modules into one snapshot. Any thread: the HTTP server's and the push
 * sink's call it.
 */
#ifndef PE_SNAPSHOT_H
#define PE_SNAPSHOT_H

#include <pthread.h>

#include "pe/interfaces.h"
#include "pe/http.h"
#include "pe/identity.h"
#include "pe/push.h"
#include "pe/workers.h"

/*
 * Where the numbers are. All are borrowed. The server and the push sink ask for snapshots while
 * they start and stop, so these two are set and cleared by the functions below.
 */
struct pe_snapshot_sources {
	struct pe_xdp *xdp;
	struct pe_registry *registry;
	struct pe_interfaces *interfaces;
	struct pe_workers *workers;
	const struct pe_identities *identities; /* NULL: off, or refused by the kernel */
	pthread_mutex_t mutex;			/* http and push */
	const struct pe_http *http;
	const struct pe_sink *push;
	bool top_flows;
	uint64_t start_ns; /* monotonic */
};

/* NULL before the object is freed: when the call returns, no snapshot reads it any more. */
void pe_snapshot_sources_set_http(struct pe_snapshot_sources *sources, const struct pe_http *http);
void pe_snapshot_sources_set_push(struct pe_snapshot_sources *sources, const struct pe_sink *push);

/* 0 or -ENOMEM. The caller owns a reference. */
int pe_snapshot_sources_take(struct pe_snapshot_sources *sources,
			     struct pe_snapshot **ret_snapshot);

#endif
