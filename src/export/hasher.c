/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See hasher.h. A bcrypt hash is made to be expensive, and whoever may connect can ask for one: so
 * there is one CPU for all of them and an end to the queue, and what is already known to be right
 * does not wait in it.
 */
#include "hasher.h"

#include <crypt.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/thread.h"

struct pe_hasher {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	STAILQ_HEAD(, pe_hasher_job) waiting;
	unsigned int count;
	bool started, stopping;
	pthread_t thread;
	struct crypt_data scratch; /* the thread's */
};

int pe_hasher_new(struct pe_hasher **ret_hasher)
{
	struct pe_hasher *hasher = calloc(1, sizeof(*hasher));

	if (!hasher)
		return -ENOMEM;
	pthread_mutex_init(&hasher->lock, NULL);
	pthread_cond_init(&hasher->changed, NULL);
	STAILQ_INIT(&hasher->waiting);
	*ret_hasher = hasher;
	return 0;
}

/* Under the lock. */
static struct pe_hasher_job *take(struct pe_hasher *hasher)
{
	struct pe_hasher_job *job = STAILQ_FIRST(&hasher->waiting);

	if (job) {
		STAILQ_REMOVE_HEAD(&hasher->waiting, link);
		hasher->count--;
	}
	return job;
}

static void *run(void *userdata)
{
	struct pe_hasher *hasher = userdata;

	pthread_mutex_lock(&hasher->lock);
	while (!hasher->stopping) {
		struct pe_hasher_job *job = take(hasher);
		bool valid;

		if (!job) {
			pthread_cond_wait(&hasher->changed, &hasher->lock);
			continue;
		}
		pthread_mutex_unlock(&hasher->lock);
		/* One scraper's connections may all have come before its first hash was made. */
		valid = pe_users_recall(job->users, &job->credentials) ||
			pe_users_verify(job->users, &job->credentials, &hasher->scratch);
		job->done(job, valid);
		pthread_mutex_lock(&hasher->lock);
	}
	pthread_mutex_unlock(&hasher->lock);
	return NULL;
}

/* Under the lock. */
static int start_thread(struct pe_hasher *hasher)
{
	if (hasher->started)
		return 0;
	if (pe_thread_new(&hasher->thread, "pe-hasher", run, hasher) < 0)
		return -EAGAIN;
	hasher->started = true;
	return 0;
}

int pe_hasher_add(struct pe_hasher *hasher, struct pe_hasher_job *job)
{
	int r = -EBUSY;

	pthread_mutex_lock(&hasher->lock);
	if (!hasher->stopping && hasher->count < PE_HASHER_WAITING)
		r = start_thread(hasher);
	if (r == 0) {
		STAILQ_INSERT_TAIL(&hasher->waiting, job, link);
		hasher->count++;
		pthread_cond_signal(&hasher->changed);
	}
	pthread_mutex_unlock(&hasher->lock);
	return r;
}

void pe_hasher_refuse(struct pe_hasher *hasher)
{
	struct pe_hasher_job *job;

	pthread_mutex_lock(&hasher->lock);
	hasher->stopping = true;
	while ((job = take(hasher))) {
		pthread_mutex_unlock(&hasher->lock);
		job->done(job, false);
		pthread_mutex_lock(&hasher->lock);
	}
	pthread_cond_signal(&hasher->changed);
	pthread_mutex_unlock(&hasher->lock);
}

void pe_hasher_stop(struct pe_hasher *hasher)
{
	pe_hasher_refuse(hasher);
	/* No thread is started any more. */
	if (hasher->started)
		pthread_join(hasher->thread, NULL);
	hasher->started = false;
}

struct pe_hasher *pe_hasher_free(struct pe_hasher *hasher)
{
	if (!hasher)
		return NULL;
	pthread_cond_destroy(&hasher->changed);
	pthread_mutex_destroy(&hasher->lock);
	free(hasher);
	return NULL;
}
