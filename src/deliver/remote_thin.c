/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room for what waits. A counter says the same with fewer samples, as long as the last one of each
 * exporter's life is there, and the zero that a series began with: so these stay, and what ended.
 *
 * The sink's thread alone.
 */
#include "remote_queue.h"

#include "pe/clock.h"

#define THINNED_SHARE 3 /* the oldest */

static const uint64_t windows_ns[] = { 60 * PE_NS_PER_S, 240 * PE_NS_PER_S };

static bool is_of_same_state(const struct pe_remote_body *a, const struct pe_remote_body *b)
{
	return a->run == b->run && a->state == b->state;
}

/* Whether a later state of the same exporter is in the same window. */
static bool is_repeated(struct pe_remote_body *body, uint64_t window_ns)
{
	const struct pe_remote_body *later = body;

	while (later && is_of_same_state(later, body))
		later = TAILQ_NEXT(later, link);
	return later && later->run == body->run &&
	       later->time_ns / window_ns == body->time_ns / window_ns;
}

static size_t bytes_of(const struct pe_remote_body *body, bool spool)
{
	if (spool)
		return body->file_bytes;
	return body->file_bytes ? 0 : body->data.len;
}

static void thin(struct pe_remote_queue *queue, bool spool, uint64_t window_ns)
{
	const size_t share = (spool ? queue->spool_bytes : queue->bytes) / THINNED_SHARE;
	struct pe_remote_body *body = TAILQ_FIRST(&queue->bodies), *next;
	size_t passed = 0;

	for (; body && passed < share; body = next) {
		const size_t bytes = bytes_of(body, spool);

		next = TAILQ_NEXT(body, link);
		passed += bytes;
		if (bytes && !body->busy && !body->ends && !body->begins &&
		    is_repeated(body, window_ns))
			pe_remote_queue_drop(queue, body, PE_SINK_SAMPLE_THINNED);
	}
}

/* How much would be missed: what others repeat least. */
static int worth_of(const struct pe_remote_body *body)
{
	return body->ends ? 2 : body->begins;
}

/* The oldest of those of which least would be missed. */
static struct pe_remote_body *least_of(struct pe_remote_queue *queue, bool spool)
{
	struct pe_remote_body *body, *least = NULL;

	TAILQ_FOREACH(body, &queue->bodies, link)
	if (bytes_of(body, spool) && !body->busy && (!least || worth_of(body) < worth_of(least)))
		least = body;
	return least;
}

static bool is_full(const struct pe_remote_queue *queue, bool spool, size_t len)
{
	return spool ? queue->spool_bytes + len > queue->max_spool_bytes
		     : queue->bytes + len > queue->max_bytes;
}

void pe_remote_queue_make_room(struct pe_remote_queue *queue, bool spool, size_t len)
{
	struct pe_remote_body *body;

	for (size_t i = 0; i < sizeof(windows_ns) / sizeof(*windows_ns); i++)
		if (is_full(queue, spool, len))
			thin(queue, spool, windows_ns[i]);
	while (is_full(queue, spool, len) && (body = least_of(queue, spool)))
		pe_remote_queue_drop(queue, body, PE_SINK_SAMPLE_EXPIRED);
}
