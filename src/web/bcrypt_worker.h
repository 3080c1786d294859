/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that hashes passwords, one at a time, so that the threads that serve never do.
 *
 * Turns and places are shared by where the passwords come from, not by how many come: each origin's
 * next job comes before any other's second. When all places are taken, a new job takes one of the
 * origin that has the most, if that leaves it with no fewer than the new one's.
 */
#ifndef PE_WEB_BCRYPT_WORKER_H
#define PE_WEB_BCRYPT_WORKER_H

#include <stdint.h>
#include <sys/queue.h>

#include "users.h"

/* At most so many jobs wait, and one more is being done. */
#define PE_BCRYPT_WAITING 32

struct pe_bcrypt_worker;

/* Who shares a place in the queue: an IPv6 network of 64 bits or an IPv4 address (mapped to IPv6).
 * Zero for those that have none. */
struct pe_bcrypt_origin {
	unsigned char bytes[16];
};

enum pe_bcrypt_verdict {
	PE_BCRYPT_VALID,
	PE_BCRYPT_INVALID,
	PE_BCRYPT_NOT_MADE, /* its place was taken, or the worker stops */
};

/* One password to hash. The caller's; not touched between pe_bcrypt_worker_add() and done(). */
struct pe_bcrypt_job {
	TAILQ_ENTRY(pe_bcrypt_job) link;
	struct pe_users *users;
	struct pe_credentials credentials;
	struct pe_bcrypt_origin origin;
	uint64_t turn; /* the worker's */
	/* On the worker's thread, or that of pe_bcrypt_worker_refuse() or of a
	 * pe_bcrypt_worker_add() that takes its place. The job is the caller's again when it is
	 * called. */
	void (*done)(struct pe_bcrypt_job *job, enum pe_bcrypt_verdict verdict);
};

/* 0 or -ENOMEM. The caller owns *ret_worker. */
int pe_bcrypt_worker_new(struct pe_bcrypt_worker **ret_worker);

/*
 * Queues a job. -EBUSY if so many of its origin or of others wait already that it would take too
 * long, or after pe_bcrypt_worker_refuse(); the first starts the thread (-EAGAIN if there can be
 * none). May end another job. Never blocks.
 */
int pe_bcrypt_worker_add(struct pe_bcrypt_worker *worker, struct pe_bcrypt_job *job);

/* Ends all waiting jobs without a hash and takes no more; the thread ends after the one it is at.
 * Never blocks.
 */
void pe_bcrypt_worker_refuse(struct pe_bcrypt_worker *worker);

/* The same, and blocks until the thread has ended. */
void pe_bcrypt_worker_stop(struct pe_bcrypt_worker *worker);

/* After pe_bcrypt_worker_stop(). NULL is fine. Returns NULL. */
struct pe_bcrypt_worker *pe_bcrypt_worker_free(struct pe_bcrypt_worker *worker);

#endif
