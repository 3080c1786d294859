/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that hashes passwords, one at a time, so that the threads that serve never do.
 */
#ifndef PE_EXPORT_HASHER_H
#define PE_EXPORT_HASHER_H

#include <stdbool.h>
#include <sys/queue.h>

#include "users.h"

/* At most so many jobs wait, and one more is being done. */
#define PE_HASHER_WAITING 32

struct pe_hasher;

/* One password to hash. The caller's; not touched between pe_hasher_add() and done(). */
struct pe_hasher_job {
	STAILQ_ENTRY(pe_hasher_job) link;
	struct pe_users *users;
	struct pe_credentials credentials;
	/* On the hasher's thread, or that of pe_hasher_refuse(). The job is the caller's again when
	 * it is called. */
	void (*done)(struct pe_hasher_job *job, bool valid);
};

/* 0 or -ENOMEM. The caller owns *ret_hasher. */
int pe_hasher_new(struct pe_hasher **ret_hasher);

/*
 * Queues a job. -EBUSY if so many wait already that it would take too long, or after
 * pe_hasher_refuse(); the first starts the thread (-EAGAIN if there can be none). Never blocks.
 */
int pe_hasher_add(struct pe_hasher *hasher, struct pe_hasher_job *job);

/* Ends all waiting jobs as not valid and takes no more; the thread ends after the one it is at.
 * Never blocks.
 */
void pe_hasher_refuse(struct pe_hasher *hasher);

/* The same, and blocks until the thread has ended. */
void pe_hasher_stop(struct pe_hasher *hasher);

/* After pe_hasher_stop(). NULL is fine. Returns NULL. */
struct pe_hasher *pe_hasher_free(struct pe_hasher *hasher);

#endif
