/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a queue is in the spool: written when sending fails, read when it is its turn, and at the
 * start. A disk that fails makes nothing fail: what waits stays in memory, and each state tries
 * again.
 *
 * The sink's thread alone, or before it is there.
 */
#include "remote_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/log.h"

static const char *subsystem(const struct pe_remote_queue *queue)
{
	return queue->otlp ? "otlp" : "remote_write";
}

/* ---- the start ---- */

struct found {
	bool otlp;
	struct pe_remote_body **body;
	size_t count;
	uint64_t damaged, damaged_samples;
};

static int find(uint64_t number, const struct pe_spool_header *header, bool damaged, void *userdata)
{
	struct found *found = userdata;
	struct pe_remote_body *body, **more;

	/* Nobody has put it there; it cannot be sent. */
	if (!damaged && (header->format == PE_REMOTE_OTLP) != found->otlp)
		return 0;
	if (damaged) {
		found->damaged++;
		found->damaged_samples += header->samples ? header->samples : 1;
		return 0;
	}
	/* Room for twice as many at each power of two. */
	if ((found->count & (found->count - 1)) == 0) {
		more = realloc(found->body, (found->count ? found->count * 2 : 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		found->body = more;
	}
	body = calloc(1, sizeof(*body));
	if (!body)
		return -ENOMEM;
	body->format = header->format;
	body->samples = header->samples;
	body->time_ns = header->time_ns;
	body->run = header->run;
	body->state = header->state;
	body->ends = header->ends;
	body->begins = header->begins;
	body->unanswered = header->unanswered;
	body->file = number;
	body->file_bytes = PE_SPOOL_HEADER_BYTES + header->length;
	found->body[found->count++] = body;
	return 0;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* Times of one receiver rise from state to state, also from one exporter to the next. */
static int compare(const void *a, const void *b)
{
	const struct pe_remote_body *x = *(struct pe_remote_body *const *)a;
	const struct pe_remote_body *y = *(struct pe_remote_body *const *)b;
	const int r = compare_numbers(x->time_ns, y->time_ns);

	return r ? r : compare_numbers(x->file, y->file);
}

static void count_damaged(struct pe_remote_queue *queue, uint64_t files, uint64_t samples)
{
	if (files == 0)
		return;
	pe_warn(subsystem(queue),
		"spool: damaged files, which are removed: %llu; samples lost: %llu",
		(unsigned long long)files, (unsigned long long)samples);
	pthread_mutex_lock(&queue->mutex);
	queue->results[PE_SINK_SAMPLE_CORRUPT] += samples;
	pthread_mutex_unlock(&queue->mutex);
}

/* What another exporter left. *ret_newest_ns as in the header. */
static int read_all(struct pe_remote_queue *queue, uint64_t *ret_newest_ns)
{
	struct found found = { .otlp = queue->otlp };
	int r = pe_spool_list(queue->spool, find, &found);

	if (r == 0 && found.count > 0) {
		qsort(found.body, found.count, sizeof(*found.body), compare);
		*ret_newest_ns = found.body[found.count - 1]->time_ns;
	}
	for (size_t i = found.count; i-- > 0;) {
		if (r == 0)
			pe_remote_queue_insert(queue, found.body[i]);
		else
			free(found.body[i]);
	}
	if (r == 0 && found.count > 0)
		pe_info(subsystem(queue),
			"spool: requests of an exporter before that wait to be sent: %zu",
			found.count);
	count_damaged(queue, found.damaged, found.damaged_samples);
	free(found.body);
	return r;
}

/* What is there is older than what waits already. */
static int open_spool(struct pe_remote_queue *queue, uint64_t *ret_newest_ns)
{
	int r = pe_spool_open(queue->spool);

	if (r <= 0)
		return r;
	r = read_all(queue, ret_newest_ns);
	if (r < 0)
		pe_spool_close(queue->spool);
	return r;
}

static void report(struct pe_remote_queue *queue, int r)
{
	if (r < 0 && !queue->spool_failed)
		pe_warn(subsystem(queue),
			"spool: %s: what waits stays in memory, at most %zu MiB of it, until that "
			"is put right",
			strerror(-r), queue->max_bytes >> 20);
	else if (r == 0 && queue->spool_failed)
		pe_info(subsystem(queue), "spool: it works again");
	queue->spool_failed = r < 0;
}

int pe_remote_queue_open(struct pe_remote_queue *queue, struct pe_spool *spool, size_t max_bytes,
			 uint64_t *ret_newest_ns)
{
	int r;

	*ret_newest_ns = 0;
	queue->spool = spool;
	queue->max_spool_bytes = max_bytes;
	r = open_spool(queue, ret_newest_ns);
	if (r == -EBUSY || r == -ENOMEM)
		return r;
	report(queue, r);
	if (r == 0)
		pe_remote_queue_make_room(queue, true, 0);
	return 0;
}

/* ---- in and out ---- */

static int keep_one(struct pe_remote_queue *queue, struct pe_remote_body *body)
{
	struct pe_spool_header header = {
		.format = body->format,
		.time_ns = body->time_ns,
		.run = body->run,
		.state = body->state,
		.samples = body->samples,
		.ends = body->ends,
		.begins = body->begins,
		.unanswered = body->unanswered,
	};
	const size_t len = PE_SPOOL_HEADER_BYTES + body->data.len;
	int r;

	if (len > queue->max_spool_bytes)
		return -ENOSPC;
	pe_remote_queue_make_room(queue, true, len);
	r = pe_spool_write(queue->spool, &header, &body->data, &body->file);
	if (r < 0)
		return r;
	pthread_mutex_lock(&queue->mutex);
	body->file_bytes = len;
	queue->spool_bytes += len;
	queue->bytes -= body->data.len;
	pthread_mutex_unlock(&queue->mutex);
	pe_strbuf_fini(&body->data);
	return 0;
}

bool pe_remote_queue_keep(struct pe_remote_queue *queue)
{
	struct pe_remote_body *body;
	uint64_t newest_ns;
	bool any = false;
	int r;

	if (!queue->spool)
		return !TAILQ_FIRST(&queue->bodies);
	r = open_spool(queue, &newest_ns);
	TAILQ_FOREACH(body, &queue->bodies, link)
	{
		if (r < 0)
			break;
		if (body->file_bytes || body->piece)
			continue;
		r = keep_one(queue, body);
		any = true;
	}
	if (r == 0 && any)
		r = pe_spool_sync(queue->spool);
	if (r < 0 || any)
		report(queue, r);
	return r == 0;
}

bool pe_remote_queue_load(struct pe_remote_queue *queue, struct pe_remote_body *body)
{
	struct pe_strbuf data;
	int r;

	if (body->data.data)
		return true;
	r = pe_spool_read(queue->spool, body->file, &data);
	if (pe_spool_is_busy(r))
		return true;
	if (r < 0) {
		pe_warn(subsystem(queue),
			"spool: a file of %zu samples cannot be read, they are lost: %s",
			body->samples, strerror(-r));
		pe_remote_queue_end(queue, body, PE_SINK_SAMPLE_CORRUPT);
		return false;
	}
	pthread_mutex_lock(&queue->mutex);
	body->data = data;
	queue->bytes += data.len;
	pthread_mutex_unlock(&queue->mutex);
	return true;
}
