/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See hasher.h. A bcrypt hash is made to be expensive, and whoever may connect can ask for one: so
 * there is one CPU for all of them and an end to the queue, and what is already known to be right
 * does not wait in it.
 *
 * Fair queueing by turns: a job's is one behind that of its origin's last one that waits, and not
 * before the one that is being hashed. Who asks for the first time waits for one job of each other
 * origin. With some 32 jobs, looking at all of them is cheaper than a list for each origin.
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
	TAILQ_HEAD(jobs, pe_hasher_job) waiting; /* in the order in which they came */
	unsigned int count;
	uint64_t turn; /* of the job taken last */
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
	TAILQ_INIT(&hasher->waiting);
	*ret_hasher = hasher;
	return 0;
}

/* ---- the queue, all under the lock ---- */

static bool is_same(const struct pe_hash_origin *a, const struct pe_hash_origin *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* How many of an origin wait, and the last of them. */
static unsigned int count_of(struct pe_hasher *hasher, const struct pe_hash_origin *origin,
			     struct pe_hasher_job **ret_last)
{
	struct pe_hasher_job *job;
	unsigned int count = 0;

	*ret_last = NULL;
	TAILQ_FOREACH(job, &hasher->waiting, link)
	{
		if (is_same(&job->origin, origin)) {
			*ret_last = job;
			count++;
		}
	}
	return count;
}

static void take_out(struct pe_hasher *hasher, struct pe_hasher_job *job)
{
	TAILQ_REMOVE(&hasher->waiting, job, link);
	hasher->count--;
}

/* The job whose turn it is, NULL if none waits. */
static struct pe_hasher_job *take(struct pe_hasher *hasher)
{
	struct pe_hasher_job *next = NULL, *job;

	TAILQ_FOREACH(job, &hasher->waiting, link)
	{
		if (!next || job->turn < next->turn)
			next = job;
	}
	if (next) {
		take_out(hasher, next);
		hasher->turn = next->turn;
	}
	return next;
}

static void append(struct pe_hasher *hasher, struct pe_hasher_job *job)
{
	struct pe_hasher_job *last;

	count_of(hasher, &job->origin, &last);
	job->turn = (last ? last->turn : hasher->turn) + 1;
	TAILQ_INSERT_TAIL(&hasher->waiting, job, link);
	hasher->count++;
}

/* Takes a place from who has the most; NULL if the new job's origin has about as many. */
static struct pe_hasher_job *make_room(struct pe_hasher *hasher,
				       const struct pe_hash_origin *origin)
{
	struct pe_hasher_job *job, *last, *loser = NULL;
	unsigned int most = count_of(hasher, origin, &last) + 1;

	TAILQ_FOREACH(job, &hasher->waiting, link)
	{
		const unsigned int count = count_of(hasher, &job->origin, &last);

		if (count > most) {
			most = count;
			loser = last;
		}
	}
	if (loser)
		take_out(hasher, loser);
	return loser;
}

/* ---- the thread ---- */

static void *run(void *userdata)
{
	struct pe_hasher *hasher = userdata;

	pthread_mutex_lock(&hasher->lock);
	while (!hasher->stopping) {
		struct pe_hasher_job *job = take(hasher);
		enum pe_hash_verdict verdict = PE_HASH_VALID;

		if (!job) {
			pthread_cond_wait(&hasher->changed, &hasher->lock);
			continue;
		}
		pthread_mutex_unlock(&hasher->lock);
		/* One scraper's connections may all have come before its first hash was made. */
		if (!pe_users_recall(job->users, &job->credentials) &&
		    !pe_users_verify(job->users, &job->credentials, &hasher->scratch))
			verdict = PE_HASH_INVALID;
		job->done(job, verdict);
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
	struct pe_hasher_job *loser = NULL;
	int r = -EBUSY;

	pthread_mutex_lock(&hasher->lock);
	if (!hasher->stopping && hasher->count == PE_HASHER_WAITING)
		loser = make_room(hasher, &job->origin);
	if (!hasher->stopping && hasher->count < PE_HASHER_WAITING)
		r = start_thread(hasher);
	if (r == 0) {
		append(hasher, job);
		pthread_cond_signal(&hasher->changed);
	}
	pthread_mutex_unlock(&hasher->lock);
	if (loser)
		loser->done(loser, PE_HASH_NOT_MADE);
	return r;
}

void pe_hasher_refuse(struct pe_hasher *hasher)
{
	struct pe_hasher_job *job;

	pthread_mutex_lock(&hasher->lock);
	hasher->stopping = true;
	while ((job = take(hasher))) {
		pthread_mutex_unlock(&hasher->lock);
		job->done(job, PE_HASH_NOT_MADE);
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
