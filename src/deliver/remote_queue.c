/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See remote_queue.h. */
#include "remote_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "pe/clock.h"

void pe_remote_queue_init(struct pe_remote_queue *queue, size_t max_bytes)
{
	*queue = (struct pe_remote_queue){ .max_bytes = max_bytes };
	TAILQ_INIT(&queue->bodies);
	pthread_mutex_init(&queue->mutex, NULL);
	if (getrandom(&queue->run, sizeof(queue->run), GRND_NONBLOCK) < 0)
		queue->run = pe_clock_monotonic_ns();
}

static void free_body(struct pe_remote_body *body)
{
	pe_strbuf_fini(&body->data);
	free(body);
}

static void free_bodies(struct pe_remote_bodies *bodies)
{
	struct pe_remote_body *body;

	while ((body = TAILQ_FIRST(bodies))) {
		TAILQ_REMOVE(bodies, body, link);
		free_body(body);
	}
}

void pe_remote_queue_fini(struct pe_remote_queue *queue)
{
	free_bodies(&queue->bodies);
	queue->spool = pe_spool_free(queue->spool);
	pthread_mutex_destroy(&queue->mutex);
}

/* ---- in and out, under the mutex ---- */

static void set_oldest(struct pe_remote_queue *queue)
{
	const struct pe_remote_body *first = TAILQ_FIRST(&queue->bodies);

	queue->oldest_ns = first ? first->time_ns : 0;
}

static void added(struct pe_remote_queue *queue, const struct pe_remote_body *body)
{
	queue->bytes += body->data.len;
	queue->spool_bytes += body->file_bytes;
	queue->samples += body->samples;
	set_oldest(queue);
}

static void take_out(struct pe_remote_queue *queue, struct pe_remote_body *body)
{
	TAILQ_REMOVE(&queue->bodies, body, link);
	queue->bytes -= body->data.len;
	queue->spool_bytes -= body->file_bytes;
	queue->samples -= body->samples;
	set_oldest(queue);
}

/* ---- the contract ---- */

void pe_remote_queue_insert(struct pe_remote_queue *queue, struct pe_remote_body *body)
{
	pthread_mutex_lock(&queue->mutex);
	TAILQ_INSERT_HEAD(&queue->bodies, body, link);
	added(queue, body);
	pthread_mutex_unlock(&queue->mutex);
}

void pe_remote_queue_end(struct pe_remote_queue *queue, struct pe_remote_body *body,
			 enum pe_sink_sample_result result)
{
	struct pe_remote_body *piece = body;

	/* What else was in its file is in memory alone then. */
	while (body->file_bytes && (piece = TAILQ_PREV(piece, pe_remote_bodies, link)) &&
	       piece->piece)
		piece->piece = false;
	pthread_mutex_lock(&queue->mutex);
	take_out(queue, body);
	queue->results[result] += body->samples;
	pthread_mutex_unlock(&queue->mutex);
	if (body->file_bytes)
		pe_spool_remove(queue->spool, body->file);
	free_body(body);
}

void pe_remote_queue_drop(struct pe_remote_queue *queue, struct pe_remote_body *body,
			  enum pe_sink_sample_result result)
{
	pe_remote_queue_end(queue, body,
			    body->unanswered ? PE_SINK_SAMPLE_MAYBE_DELIVERED : result);
}

static struct pe_remote_body *copy_of(const struct pe_remote_batch *batch)
{
	struct pe_remote_body *body = calloc(1, sizeof(*body));

	if (!body)
		return NULL;
	body->data.data = malloc(batch->len ? batch->len : 1);
	if (!body->data.data) {
		free(body);
		return NULL;
	}
	memcpy(body->data.data, batch->data, batch->len);
	body->data.len = body->data.cap = batch->len;
	body->samples = batch->samples;
	body->ends = batch->ends;
	body->begins = batch->begins;
	return body;
}

int pe_remote_queue_add(struct pe_remote_queue *queue, const struct pe_remote_batch *batch,
			enum pe_remote_format format, uint64_t time_ns, uint64_t state)
{
	struct pe_remote_body *body = copy_of(batch);

	if (!body)
		return -ENOMEM;
	body->format = format;
	body->time_ns = time_ns;
	body->run = queue->run;
	body->state = queue->state = state;
	if (queue->max_age_ns && time_ns > queue->max_age_ns)
		pe_remote_queue_expire(queue, time_ns - queue->max_age_ns);
	pe_remote_queue_make_room(queue, false, batch->len);
	pthread_mutex_lock(&queue->mutex);
	TAILQ_INSERT_TAIL(&queue->bodies, body, link);
	added(queue, body);
	pthread_mutex_unlock(&queue->mutex);
	return 0;
}

static bool is_of_last_state(const struct pe_remote_queue *queue, const struct pe_remote_body *body)
{
	return body && body->run == queue->run && body->state == queue->state;
}

struct pe_remote_body *pe_remote_queue_first(struct pe_remote_queue *queue)
{
	struct pe_remote_body *body = TAILQ_LAST(&queue->bodies, pe_remote_bodies), *before;

	if (!queue->newest_first || !is_of_last_state(queue, body))
		return TAILQ_FIRST(&queue->bodies);
	while (is_of_last_state(queue, before = TAILQ_PREV(body, pe_remote_bodies, link)))
		body = before;
	return body;
}

struct pe_remote_body *pe_remote_queue_next(struct pe_remote_queue *queue,
					    struct pe_remote_body *body)
{
	struct pe_remote_body *next = TAILQ_NEXT(body, link), *oldest = TAILQ_FIRST(&queue->bodies);

	/* Behind the newest state come the others, oldest first. */
	if (!next && queue->newest_first && is_of_last_state(queue, body) &&
	    !is_of_last_state(queue, oldest))
		return oldest;
	return is_of_last_state(queue, next) && queue->newest_first &&
			       !is_of_last_state(queue, body)
		       ? NULL
		       : next;
}

/* ---- cutting ---- */

static int take_piece(void *userdata, const struct pe_remote_batch *batch)
{
	struct pe_remote_bodies *pieces = userdata;
	struct pe_remote_body *piece = copy_of(batch);

	if (!piece)
		return -ENOMEM;
	TAILQ_INSERT_TAIL(pieces, piece, link);
	return 0;
}

static void replace(struct pe_remote_queue *queue, struct pe_remote_body *body,
		    struct pe_remote_bodies *pieces, enum pe_remote_format format)
{
	struct pe_remote_body *piece, *last = TAILQ_LAST(pieces, pe_remote_bodies);

	pthread_mutex_lock(&queue->mutex);
	while ((piece = TAILQ_FIRST(pieces))) {
		TAILQ_REMOVE(pieces, piece, link);
		piece->format = format;
		piece->time_ns = body->time_ns;
		piece->run = body->run;
		piece->state = body->state;
		piece->unanswered = body->unanswered;
		/* The file goes when all of it is done with. */
		piece->piece = body->piece || (body->file_bytes && piece != last);
		if (piece == last) {
			piece->file = body->file;
			piece->file_bytes = body->file_bytes;
			piece->piece = body->piece;
		}
		TAILQ_INSERT_BEFORE(body, piece, link);
		added(queue, piece);
	}
	take_out(queue, body);
	pthread_mutex_unlock(&queue->mutex);
	free_body(body);
}

int pe_remote_queue_cut(struct pe_remote_queue *queue, struct pe_remote_body **body,
			enum pe_remote_format format, size_t max_samples)
{
	const struct pe_remote_batch batch = { .data = (*body)->data.data,
					       .len = (*body)->data.len,
					       .samples = (*body)->samples,
					       .ends = (*body)->ends,
					       .begins = (*body)->begins };
	struct pe_remote_bodies pieces = TAILQ_HEAD_INITIALIZER(pieces);
	struct pe_remote_body *first;
	int r = pe_remote_cut(&batch, (*body)->format, format, max_samples, take_piece, &pieces);

	if (r < 0) {
		free_bodies(&pieces);
		return r;
	}
	first = TAILQ_FIRST(&pieces);
	first->whole = !TAILQ_NEXT(first, link) && first->samples > max_samples;
	replace(queue, *body, &pieces, format);
	*body = first;
	return 0;
}

/* ---- what goes ---- */

void pe_remote_queue_expire(struct pe_remote_queue *queue, uint64_t before_ns)
{
	struct pe_remote_body *first;

	while ((first = TAILQ_FIRST(&queue->bodies)) && first->time_ns < before_ns && !first->busy)
		pe_remote_queue_drop(queue, first, PE_SINK_SAMPLE_EXPIRED);
}

void pe_remote_queue_take_back(struct pe_remote_queue *queue, uint64_t state)
{
	struct pe_remote_body *body = TAILQ_FIRST(&queue->bodies), *next;

	pthread_mutex_lock(&queue->mutex);
	for (; body; body = next) {
		next = TAILQ_NEXT(body, link);
		if (body->state != state || body->run != queue->run)
			continue;
		take_out(queue, body);
		free_body(body);
	}
	pthread_mutex_unlock(&queue->mutex);
}

void pe_remote_queue_sample(struct pe_remote_queue *queue, struct pe_sink_sample *sample)
{
	pthread_mutex_lock(&queue->mutex);
	sample->pending_samples = queue->samples;
	sample->pending_bytes = queue->bytes;
	sample->spool_bytes = queue->spool_bytes;
	sample->oldest_ns = queue->oldest_ns;
	memcpy(sample->samples, queue->results, sizeof(sample->samples));
	pthread_mutex_unlock(&queue->mutex);
}

void pe_remote_queue_reject(struct pe_remote_queue *queue, struct pe_remote_body *body,
			    uint64_t samples)
{
	const size_t rejected = samples < body->samples ? (size_t)samples : body->samples;

	pthread_mutex_lock(&queue->mutex);
	body->samples -= rejected;
	queue->samples -= rejected;
	queue->results[PE_SINK_SAMPLE_REJECTED] += rejected;
	pthread_mutex_unlock(&queue->mutex);
}
