/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receive offloads that attaching generic XDP switches off, on the interface and on those below it,
 * and that the kernel leaves off: what was wanted before, to be put back. The supervisor's thread.
 */
#ifndef PE_DAEMON_OFFLOADS_H
#define PE_DAEMON_OFFLOADS_H

#include <stdbool.h>
#include <stddef.h>

#include "pe/features.h"

/* An interface and those below it that are looked at; a bond can have so many ports. */
#define PE_OFFLOADS_MAX 32

struct pe_offload {
	int ifindex;
	unsigned int wanted; /* of PE_FEATURES_LOST */
};

struct pe_offloads {
	struct pe_offload *item; /* owned; those that want any */
	size_t count;
};

/*
 * Looks at the first `count` interfaces. `ret_own` has the features in force on the first one, and
 * the receive offloads that are only wanted; `ret_below` those of any of the others. 0 or -errno;
 * one that has gone has none.
 */
int pe_offloads_look(struct pe_features *features, const int *ifindex, size_t count,
		     unsigned int *ret_own, unsigned int *ret_below);

/* Remembers what is wanted on these interfaces. 0 or -errno; nothing is held on error. */
int pe_offloads_save(struct pe_features *features, const int *ifindex, size_t count,
		     struct pe_offloads *ret_offloads);

/* Puts back what is no longer wanted, and forgets. Whether all could be; one that has gone needs
 * nothing. */
bool pe_offloads_restore(struct pe_features *features, struct pe_offloads *offloads);

#endif
