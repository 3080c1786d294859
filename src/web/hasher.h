/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that hashes passwords, one at a time, so that the threads that serve never do.
 *
 * Turns and places are shared by where the passwords come from, not by how many come: each origin's
 * next job comes before any other's second. When all places are taken, a new job takes one of the
 * origin that has the most, if that leaves it with no fewer than the new one's.
 */
#ifndef PE_EXPORT_HASHER_H
#define PE_EXPORT_HASHER_H

#include <stdint.h>
#include <sys/queue.h>

#include "users.h"

/* At most so many jobs wait, and one more is being done. */
#define PE_HASHER_WAITING 32

struct pe_hasher;

/* Who shares a place in the queue: an IPv6 network of 64 bits or an IPv4 address (mapped to IPv6).
 * Zero for those that have none. */
struct pe_hash_origin {
	unsigned char bytes[16];
};

enum pe_hash_verdict {
	PE_HASH_VALID,
	PE_HASH_INVALID,
	PE_HASH_NOT_MADE, /* its place was taken, or the hasher stops */
};

/* One password to hash. The caller's; not touched between pe_hasher_add() and done(). */
struct pe_hasher_job {
	TAILQ_ENTRY(pe_hasher_job) link;
	struct pe_users *users;
	struct pe_credentials credentials;
	struct pe_hash_origin origin;
	uint64_t turn; /* the hasher's */
	/* On the hasher's thread, or that of pe_hasher_refuse() or of a pe_hasher_add() that takes
	 * its place. The job is the caller's again when it is called. */
	void (*done)(struct pe_hasher_job *job, enum pe_hash_verdict verdict);
};

/* 0 or -ENOMEM. The caller owns *ret_hasher. */
int pe_hasher_new(struct pe_hasher **ret_hasher);

/*
 * Queues a job. -EBUSY if so many of its origin or of others wait already that it would take too
 * long, or after pe_hasher_refuse(); the first starts the thread (-EAGAIN if there can be none).
 * May end another job. Never blocks.
 */
int pe_hasher_add(struct pe_hasher *hasher, struct pe_hasher_job *job);

/* Ends all waiting jobs without a hash and takes no more; the thread ends after the one it is at.
 * Never blocks.
 */
void pe_hasher_refuse(struct pe_hasher *hasher);

/* The same, and blocks until the thread has ended. */
void pe_hasher_stop(struct pe_hasher *hasher);

/* After pe_hasher_stop(). NULL is fine. Returns NULL. */
struct pe_hasher *pe_hasher_free(struct pe_hasher *hasher);

#endif
