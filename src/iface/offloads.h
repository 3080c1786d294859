/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receive offloads that attaching generic XDP switches off, on the interface and on those below it,
 * and that the kernel leaves off: what was there before, to be put back. One account for all
 * interfaces, because several of ours can be above the same card. The supervisor's thread.
 */
#ifndef PE_OFFLOADS_H
#define PE_OFFLOADS_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel.h"

/* An interface and those below it that are looked at; a bond can have so many ports. */
#define PE_OFFLOADS_MAX 32

struct pe_offload {
	int ifindex;
	unsigned int wanted; /* of PE_FEATURES_LOST */
	unsigned int active; /* likewise */
	bool due;	     /* to be put back now */
};

/* All zero: nothing is owed. */
struct pe_offloads {
	struct pe_offload *item; /* owned; those that want any */
	size_t count, size;
};

/*
 * Looks at the first `count` interfaces. `ret_own` has the features in force on the first one, and
 * the receive offloads that are only wanted; `ret_below` those of any of the others. 0 or -errno;
 * one that has gone has none.
 */
int pe_offloads_look(const struct pe_kernel *kernel, const int *ifindex, size_t count,
		     unsigned int *ret_own, unsigned int *ret_below);

/* Remembers what is wanted on these interfaces, besides what is remembered. 0 or -errno, with a
 * part of them remembered. */
int pe_offloads_save(struct pe_offloads *offloads, const struct pe_kernel *kernel,
		     const int *ifindex, size_t count);

/* The interface is no longer here, and its ifindex may be another one's. Whether it was owed any.
 */
bool pe_offloads_forget(struct pe_offloads *offloads, int ifindex);

/*
 * Puts back what is no longer wanted, and forgets, of interfaces for which `is_used` is false and
 * that are there. Looks whether all is in force that was. Some µs for each, or as long as the
 * drivers need. How many are not as they were.
 */
unsigned int pe_offloads_restore(struct pe_offloads *offloads, const struct pe_kernel *kernel,
				 bool (*is_used)(int ifindex, void *userdata), void *userdata);

/* Forgets all. How many there were. */
size_t pe_offloads_fini(struct pe_offloads *offloads);

#endif
