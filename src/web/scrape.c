/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scrapes: snapshot → encoder → gzip → response callback.
 *
 * A connection costs one encoder, one buffer and, for gzip, one deflate stream, however long the
 * answer is: text is made when the socket takes it. A slow reader therefore keeps its snapshot
 * alive, and a snapshot is the one large object here. So at most SNAPSHOTS are alive at a time;
 * while they all have readers, further scrapes share the newest. Sharing must not serve old numbers
 * as current ones: when even the newest is older than share_ms, the readers of the oldest are cut
 * off, and its place is taken by a new one. What was cut off ends within a round of
 * libmicrohttpd's; should it not, as many again are kept alive and then scrapes fail.
 *
 * HTTP/1.0 knows no chunks: what is cut off would look whole. Its answers are made twice, the first
 * time only to count their bytes.
 *
 * Threads: `lock` guards the slots and the list of scrapes, and is held while a snapshot is built,
 * so snapshot() is never called twice at once. `stats_lock` is apart from it because snapshot()
 * reads our statistics. A scrape's stream is used only by the thread of its connection.
 */
#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/gzip.h"
#include "pe/log.h"

#include "scrape.h"

#define SNAPSHOTS 4

#define BLOCK_BYTES 8192 /* libmicrohttpd's buffer where there are no chunks */

struct slot {
	struct pe_snapshot *snapshot;
	unsigned int readers; /* the last one frees it */
	uint64_t taken_ns;    /* monotonic */
};

struct scrape {
	LIST_ENTRY(scrape) link;
	struct pe_scraper *scraper;
	struct slot *slot;
	int fd;
	struct pe_encoder *encoder;
	uint64_t busy_ns;     /* building and encoding until now */
	uint64_t size;	      /* of the whole, MHD_SIZE_UNKNOWN if it goes in chunks */
	struct pe_gzip *gzip; /* NULL for plain text */
};

struct pe_scraper {
	int (*snapshot)(struct pe_snapshot **ret_snapshot, void *userdata);
	void *userdata;
	struct pe_expose_options show;
	uint64_t share_ns;
	struct pe_log_once failure_logged, evicted_logged;

	pthread_mutex_t lock;
	struct slot *slots[SNAPSHOTS]; /* NULL if it is free */
	unsigned int leaving;	       /* slots that were cut off and have readers */
	uint64_t evicted;	       /* scrapes cut off; atomic */
	LIST_HEAD(, scrape) scrapes;

	pthread_mutex_t stats_lock;
	struct pe_latency duration;
};

int pe_scraper_new(const struct pe_http_options *options, struct pe_scraper **ret_scraper)
{
	struct pe_scraper *scraper = calloc(1, sizeof(*scraper));

	if (!scraper)
		return -ENOMEM;
	scraper->snapshot = options->snapshot;
	scraper->userdata = options->userdata;
	scraper->show = options->show;
	scraper->share_ns = options->share_ms * PE_NS_PER_MS;
	pthread_mutex_init(&scraper->lock, NULL);
	pthread_mutex_init(&scraper->stats_lock, NULL);
	LIST_INIT(&scraper->scrapes);
	*ret_scraper = scraper;
	return 0;
}

struct pe_scraper *pe_scraper_free(struct pe_scraper *scraper)
{
	if (!scraper)
		return NULL;
	pthread_mutex_destroy(&scraper->stats_lock);
	pthread_mutex_destroy(&scraper->lock);
	free(scraper);
	return NULL;
}

uint64_t pe_scraper_evicted(const struct pe_scraper *scraper)
{
	return __atomic_load_n(&scraper->evicted, __ATOMIC_RELAXED);
}

void pe_scraper_get_duration(struct pe_scraper *scraper, struct pe_latency *ret_duration)
{
	pthread_mutex_lock(&scraper->stats_lock);
	*ret_duration = scraper->duration;
	pthread_mutex_unlock(&scraper->stats_lock);
}

/* ---- sharing of snapshots, all under the lock ---- */

/*
 * The socket of a scrape is open while the scrape is in the list: libmicrohttpd destroys a response
 * before it closes the socket. The thread of that connection sees the end and frees the scrape.
 */
static void evict_readers(struct pe_scraper *scraper, const struct slot *slot)
{
	if (pe_log_once(&scraper->evicted_logged, 60 * PE_NS_PER_S))
		pe_warn("http", "slow readers held every snapshot: the oldest are cut off");
	for (struct scrape *s = LIST_FIRST(&scraper->scrapes); s; s = LIST_NEXT(s, link)) {
		if (s->slot != slot)
			continue;
		shutdown(s->fd, SHUT_RDWR);
		__atomic_fetch_add(&scraper->evicted, 1, __ATOMIC_RELAXED);
	}
}

static int fill_slot(struct pe_scraper *scraper, struct slot **place)
{
	_cleanup_free_ struct slot *slot = calloc(1, sizeof(*slot));
	int r;

	if (!slot)
		return -ENOMEM;
	r = scraper->snapshot(&slot->snapshot, scraper->userdata);
	if (r < 0)
		return r;
	slot->taken_ns = pe_clock_monotonic_ns();
	*place = PE_TAKE_PTR(slot);
	return 0;
}

static int find_slot(struct pe_scraper *scraper, struct slot **ret_slot)
{
	struct slot **newest = &scraper->slots[0], **oldest = newest;
	struct slot *left;
	int r = 0;

	for (size_t i = 0; i < SNAPSHOTS; i++) {
		struct slot **place = &scraper->slots[i];

		if (!*place) {
			r = fill_slot(scraper, place);
			*ret_slot = *place;
			return r;
		}
		if ((*place)->taken_ns > (*newest)->taken_ns)
			newest = place;
		if ((*place)->taken_ns < (*oldest)->taken_ns)
			oldest = place;
	}
	if (pe_clock_monotonic_ns() - (*newest)->taken_ns > scraper->share_ns) {
		if (scraper->leaving == SNAPSHOTS)
			return -EBUSY;
		left = *oldest;
		r = fill_slot(scraper, oldest);
		if (r < 0)
			return r;
		scraper->leaving++;
		evict_readers(scraper, left);
		newest = oldest;
	}
	*ret_slot = *newest;
	return 0;
}

static int join_slot(struct scrape *s)
{
	struct pe_scraper *scraper = s->scraper;
	int r;

	pthread_mutex_lock(&scraper->lock);
	r = find_slot(scraper, &s->slot);
	if (r == 0) {
		s->slot->readers++;
		LIST_INSERT_HEAD(&scraper->scrapes, s, link);
	}
	pthread_mutex_unlock(&scraper->lock);
	return r;
}

/* Under the lock. */
static void free_slot(struct pe_scraper *scraper, struct slot *slot)
{
	bool listed = false;

	for (size_t i = 0; i < SNAPSHOTS; i++) {
		if (scraper->slots[i] == slot) {
			scraper->slots[i] = NULL;
			listed = true;
		}
	}
	if (!listed)
		scraper->leaving--;
	pe_snapshot_unref(slot->snapshot);
	free(slot);
}

static void leave_slot(struct scrape *s)
{
	struct pe_scraper *scraper = s->scraper;

	if (!s->slot)
		return;
	pthread_mutex_lock(&scraper->lock);
	LIST_REMOVE(s, link);
	if (--s->slot->readers == 0)
		free_slot(scraper, s->slot);
	pthread_mutex_unlock(&scraper->lock);
	s->slot = NULL;
}

/* ---- one scrape ---- */

static struct scrape *scrape_free(struct scrape *s)
{
	if (!s)
		return NULL;
	pe_gzip_free(s->gzip);
	s->encoder = pe_encoder_free(s->encoder);
	leave_slot(s);
	free(s);
	return NULL;
}

static void cleanup_scrape(struct scrape **s)
{
	scrape_free(*s);
}

static ssize_t read_text(void *userdata, char *buf, size_t size)
{
	struct scrape *s = userdata;

	return pe_encoder_read(s->encoder, buf, size);
}

static ssize_t read_on(struct scrape *s, char *buf, size_t size)
{
	return s->gzip ? pe_gzip_read(s->gzip, buf, size) : read_text(s, buf, size);
}

/* Called when the socket takes more. */
static ssize_t on_read(void *userdata, uint64_t position, char *buf, size_t size)
{
	struct scrape *s = userdata;
	struct pe_scraper *scraper = s->scraper;
	const uint64_t start_ns = pe_clock_monotonic_ns();
	ssize_t n = read_on(s, buf, size);
	/* Of a size that is known libmicrohttpd does not ask for the end. */
	const bool last = n > 0 && position + (uint64_t)n == s->size;

	s->busy_ns += pe_clock_monotonic_ns() - start_ns;
	if ((n == 0 && s->size != MHD_SIZE_UNKNOWN) || (last && s->gzip && !pe_gzip_ended(s->gzip)))
		n = -EIO; /* it is not what was measured */
	if (n < 0) {
		/* An end here would make half an answer look whole. */
		if (pe_log_once(&scraper->failure_logged, 60 * PE_NS_PER_S))
			pe_warn("http", "a scrape was cut off: %s", strerror((int)-n));
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	if (n > 0 && !last)
		return n;
	pthread_mutex_lock(&scraper->stats_lock);
	pe_latency_observe(&scraper->duration, s->busy_ns);
	pthread_mutex_unlock(&scraper->stats_lock);
	return n > 0 ? n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void on_free(void *userdata)
{
	scrape_free(userdata);
}

static int begin(struct scrape *s, const struct pe_encode_options *options)
{
	s->encoder = pe_encoder_free(s->encoder);
	if (s->gzip)
		pe_gzip_begin(s->gzip, read_text, s);
	return pe_encoder_new(s->slot->snapshot, options, &s->encoder);
}

/* Makes all of it once to know how much it is: a snapshot is always the same. */
static int measure(struct scrape *s, const struct pe_encode_options *options)
{
	char block[BLOCK_BYTES];
	ssize_t n;

	s->size = 0;
	while ((n = read_on(s, block, sizeof(block))) > 0)
		s->size += (uint64_t)n;
	return n < 0 ? (int)n : begin(s, options);
}

int pe_scraper_respond(struct pe_scraper *scraper, int fd, enum pe_format format, bool gzip,
		       bool measured, struct MHD_Response **ret_response)
{
	const struct pe_encode_options encode = { .format = format, .show = scraper->show };
	const uint64_t start_ns = pe_clock_monotonic_ns();
	_cleanup_(cleanup_scrape) struct scrape *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->scraper = scraper;
	s->fd = fd;
	s->size = MHD_SIZE_UNKNOWN;
	r = join_slot(s);
	if (r < 0)
		return r;
	if (gzip)
		r = pe_gzip_new(&s->gzip);
	if (r == 0)
		r = begin(s, &encode);
	if (r == 0 && measured)
		r = measure(s, &encode);
	if (r < 0)
		return r;
	s->busy_ns = pe_clock_monotonic_ns() - start_ns;
	*ret_response =
		MHD_create_response_from_callback(s->size, BLOCK_BYTES, on_read, s, on_free);
	if (!*ret_response)
		return -ENOMEM;
	(void)PE_TAKE_PTR(s);
	return 0;
}
