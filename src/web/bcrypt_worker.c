/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See bcrypt_worker.h. A bcrypt hash is made to be expensive, and whoever may connect can ask for
 * one: so there is one CPU for all of them and an end to the queue, and what is already known to be
 * right does not wait in it.
 *
 * Fair queueing by turns: a job's is one behind that of its origin's last one that waits, and not
 * before the one that is being hashed. Who asks for the first time waits for one job of each other
 * origin. With some 32 jobs, looking at all of them is cheaper than a list for each origin.
 */
#include "bcrypt_worker.h"

#include <crypt.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/thread.h"

struct pe_bcrypt_worker {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	TAILQ_HEAD(jobs, pe_bcrypt_job) waiting; /* in the order in which they came */
	unsigned int count;
	uint64_t turn; /* of the job taken last */
	bool started, stopping;
	pthread_t thread;
	struct crypt_data scratch; /* the thread's */
};

int pe_bcrypt_worker_new(struct pe_bcrypt_worker **ret_worker)
{
	struct pe_bcrypt_worker *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return -ENOMEM;
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->changed, NULL);
	TAILQ_INIT(&worker->waiting);
	*ret_worker = worker;
	return 0;
}

/* ---- the queue, all under the lock ---- */

static bool is_same(const struct pe_bcrypt_origin *a, const struct pe_bcrypt_origin *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* How many of an origin wait, and the last of them. */
static unsigned int count_of(struct pe_bcrypt_worker *worker, const struct pe_bcrypt_origin *origin,
			     struct pe_bcrypt_job **ret_last)
{
	struct pe_bcrypt_job *job;
	unsigned int count = 0;

	*ret_last = NULL;
	TAILQ_FOREACH(job, &worker->waiting, link)
	{
		if (is_same(&job->origin, origin)) {
			*ret_last = job;
			count++;
		}
	}
	return count;
}

static void take_out(struct pe_bcrypt_worker *worker, struct pe_bcrypt_job *job)
{
	TAILQ_REMOVE(&worker->waiting, job, link);
	worker->count--;
}

/* The job whose turn it is, NULL if none waits. */
static struct pe_bcrypt_job *take(struct pe_bcrypt_worker *worker)
{
	struct pe_bcrypt_job *next = NULL, *job;

	TAILQ_FOREACH(job, &worker->waiting, link)
	{
		if (!next || job->turn < next->turn)
			next = job;
	}
	if (next) {
		take_out(worker, next);
		worker->turn = next->turn;
	}
	return next;
}

static void append(struct pe_bcrypt_worker *worker, struct pe_bcrypt_job *job)
{
	struct pe_bcrypt_job *last;

	count_of(worker, &job->origin, &last);
	job->turn = (last ? last->turn : worker->turn) + 1;
	TAILQ_INSERT_TAIL(&worker->waiting, job, link);
	worker->count++;
}

/* Takes a place from who has the most; NULL if the new job's origin has about as many. */
static struct pe_bcrypt_job *make_room(struct pe_bcrypt_worker *worker,
				       const struct pe_bcrypt_origin *origin)
{
	struct pe_bcrypt_job *job, *last, *loser = NULL;
	unsigned int most = count_of(worker, origin, &last) + 1;

	TAILQ_FOREACH(job, &worker->waiting, link)
	{
		const unsigned int count = count_of(worker, &job->origin, &last);

		if (count > most) {
			most = count;
			loser = last;
		}
	}
	if (loser)
		take_out(worker, loser);
	return loser;
}

/* ---- the thread ---- */

static void *run(void *userdata)
{
	struct pe_bcrypt_worker *worker = userdata;

	pthread_mutex_lock(&worker->lock);
	while (!worker->stopping) {
		struct pe_bcrypt_job *job = take(worker);
		enum pe_bcrypt_verdict verdict = PE_BCRYPT_VALID;

		if (!job) {
			pthread_cond_wait(&worker->changed, &worker->lock);
			continue;
		}
		pthread_mutex_unlock(&worker->lock);
		/* One scraper's connections may all have come before its first hash was made. */
		if (!pe_users_recall(job->users, &job->credentials) &&
		    !pe_users_verify(job->users, &job->credentials, &worker->scratch))
			verdict = PE_BCRYPT_INVALID;
		job->done(job, verdict);
		pthread_mutex_lock(&worker->lock);
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

/* Under the lock. */
static int start_thread(struct pe_bcrypt_worker *worker)
{
	if (worker->started)
		return 0;
	if (pe_thread_new(&worker->thread, "pe-bcrypt", run, worker) < 0)
		return -EAGAIN;
	worker->started = true;
	return 0;
}

int pe_bcrypt_worker_add(struct pe_bcrypt_worker *worker, struct pe_bcrypt_job *job)
{
	struct pe_bcrypt_job *loser = NULL;
	int r = -EBUSY;

	pthread_mutex_lock(&worker->lock);
	if (!worker->stopping && worker->count == PE_BCRYPT_WAITING)
		loser = make_room(worker, &job->origin);
	if (!worker->stopping && worker->count < PE_BCRYPT_WAITING)
		r = start_thread(worker);
	if (r == 0) {
		append(worker, job);
		pthread_cond_signal(&worker->changed);
	}
	pthread_mutex_unlock(&worker->lock);
	if (loser)
		loser->done(loser, PE_BCRYPT_NOT_MADE);
	return r;
}

void pe_bcrypt_worker_refuse(struct pe_bcrypt_worker *worker)
{
	struct pe_bcrypt_job *job;

	pthread_mutex_lock(&worker->lock);
	worker->stopping = true;
	while ((job = take(worker))) {
		pthread_mutex_unlock(&worker->lock);
		job->done(job, PE_BCRYPT_NOT_MADE);
		pthread_mutex_lock(&worker->lock);
	}
	pthread_cond_signal(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
}

void pe_bcrypt_worker_stop(struct pe_bcrypt_worker *worker)
{
	pe_bcrypt_worker_refuse(worker);
	/* No thread is started any more. */
	if (worker->started)
		pthread_join(worker->thread, NULL);
	worker->started = false;
}

struct pe_bcrypt_worker *pe_bcrypt_worker_free(struct pe_bcrypt_worker *worker)
{
	if (!worker)
		return NULL;
	pthread_cond_destroy(&worker->changed);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
	return NULL;
}
