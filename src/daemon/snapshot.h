/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gathers the numbers of all modules into one snapshot. Any thread: the HTTP server's and the push
 * sink's call it.
 */
#ifndef PE_SNAPSHOT_H
#define PE_SNAPSHOT_H

#include <pthread.h>

#include "pe/dns.h"
#include "pe/drops.h"
#include "pe/interfaces.h"
#include "pe/http.h"
#include "pe/identity.h"
#include "pe/push.h"
#include "pe/tcp.h"
#include "pe/workers.h"

#include "faults.h"

/*
 * Where the numbers are. All are borrowed. The server and the push sink ask for snapshots while
 * they start and stop, so these two are set and cleared by the functions below.
 */
struct pe_snapshot_sources {
	struct pe_xdp *xdp;
	struct pe_registry *registry;
	struct pe_interfaces *interfaces;
	struct pe_workers *workers;
	const struct pe_drops *drops;		/* NULL: off, or refused by the kernel */
	const struct pe_dns *dns;		/* likewise */
	const struct pe_identities *identities; /* NULL: off, or refused by the kernel */
	struct pe_tcp *tcp;			/* likewise */
	pthread_mutex_t mutex;			/* http and push */
	const struct pe_http *http;
	const struct pe_sink *push;
	struct pe_sink *const *sinks; /* of remote write */
	size_t sink_count;
	struct pe_snapshot_faults *faults; /* what interfaces themselves counted */
	bool top_flows, no_flows;
	uint64_t start_ns; /* monotonic */
};

/* Counts for the registry, which is `userdata`: a pe_tcp_visit. */
void pe_snapshot_add_tcp(uint64_t netns, const struct pe_tcp_counts *more, void *userdata);

/* NULL before the object is freed: when the call returns, no snapshot reads it any more. */
void pe_snapshot_sources_set_http(struct pe_snapshot_sources *sources, const struct pe_http *http);
void pe_snapshot_sources_set_push(struct pe_snapshot_sources *sources, const struct pe_sink *push);
void pe_snapshot_sources_set_sinks(struct pe_snapshot_sources *sources,
				   struct pe_sink *const *sinks, size_t count);

/* 0 or -ENOMEM. The caller owns a reference. */
int pe_snapshot_sources_take(struct pe_snapshot_sources *sources,
			     struct pe_snapshot **ret_snapshot);

#endif
