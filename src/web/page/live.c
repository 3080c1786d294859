/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See live.h. Items are in the order of the snapshot that they were made of, so that those of the
 * next one are found by merging.
 *
 * A point of the history is what was between two multiples of five seconds. The one at hand is an
 * average of what has passed of it; a gap between looks has the average over the gap.
 */
#include "live.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/clock.h"

#include "history.h"
#include "packed.h"

#define SAMPLE_EVERY_NS (900 * PE_NS_PER_MS) /* viewers ask each second, not quite in step */
#define KEEP_NS		(300 * PE_NS_PER_S)
#define POINT_NS	(PE_LIVE_POINT_S * PE_NS_PER_S)
#define BEGUN_SLACK_NS	PE_NS_PER_S /* between the clock's reading and the sample's */

struct track {
	struct pe_live_rate rate;
	float point_bytes[PE_DIRECTIONS]; /* of the point at hand */
	struct pe_history history;
};

/* There are thousands: one piece of memory for each, without holes. */
struct pe_live_item {
	struct pe_identity *identity; /* with a reference; NULL if unknown */
	unsigned int is_live;
	char data[]; /* the track of a live one; the sample, packed */
};

struct pe_live {
	struct pe_page_options options;
	pthread_mutex_t lock;
	struct pe_live_view view;	/* about is NULL: there was no sample yet */
	uint64_t sampled_ns, looked_ns; /* monotonic; 0: never */
	uint64_t elapsed_ns;		/* between the last two samples, 0 if there were not two */
	uint64_t point;			/* which is at hand: monotonic time by POINT_NS */
	uint64_t point_ns;		/* how much of it was sampled */
};

_Static_assert(offsetof(struct pe_live_item, data) % _Alignof(struct track) == 0, "of the track");

static struct track *track_of(const struct pe_live_item *item)
{
	return item && item->is_live ? (struct track *)item->data : NULL;
}

const char *pe_live_packed(const struct pe_live_item *item)
{
	return item->data + (item->is_live ? sizeof(struct track) : 0);
}

struct pe_identity *pe_live_identity(const struct pe_live_item *item)
{
	return item->identity;
}

bool pe_live_is_live(const struct pe_live_item *item)
{
	return item->is_live;
}

float pe_live_point(const struct pe_live *live, const struct pe_live_item *item, size_t i,
		    size_t direction)
{
	const struct track *track = track_of(item);

	return track ? pe_history_get(&track->history, live->point + 1 + i, direction) : -1;
}

struct pe_live_rate pe_live_rate(const struct pe_live_item *item)
{
	const struct track *track = track_of(item);

	return track ? track->rate : (struct pe_live_rate){ 0 };
}

/* ---- items ---- */

static void free_item(struct pe_live_item *item)
{
	if (item)
		pe_identity_unref(item->identity);
	free(item);
}

static void free_items(struct pe_live_items *items)
{
	for (size_t i = 0; i < items->count; i++)
		free_item(items->item[i]);
	free(items->item);
	*items = (struct pe_live_items){ 0 };
}

/* Compares as snapshots are sorted: text by text. */
static int compare_texts(const char *a, const char *b, size_t texts)
{
	int order = strcmp(a, b);

	for (; order == 0 && texts > 1; texts--) {
		a += strlen(a) + 1;
		b += strlen(b) + 1;
		order = strcmp(a, b);
	}
	return order;
}

/* ---- a sample ---- */

/* What an item had at the sample before. */
struct last {
	struct pe_count count[PE_DIRECTIONS];
	uint64_t begun_ns; /* monotonic: when its counters began, as near as samples are taken */
};

struct pass {
	struct pe_live *live;
	const struct pe_snapshot *snapshot;
	uint64_t point_before, taken_before_ns, sampled_before_ns;
	/* Of the interfaces, or of the groups. */
	bool is_groups;
	size_t texts; /* that tell one from another */
	struct pe_live_items before;
	size_t at; /* in these */
	struct pe_strbuf packed;
};

/* The item of the sample that was packed, among those before; it is taken out of them. */
static struct pe_live_item *take_item(struct pass *pass)
{
	const struct pe_live_items *before = &pass->before;

	while (pass->at < before->count) {
		struct pe_live_item **item = &before->item[pass->at];
		const int order =
			compare_texts(pe_live_packed(*item), pass->packed.data, pass->texts);

		if (order > 0)
			break;
		pass->at++;
		if (order == 0)
			return PE_TAKE_PTR(*item);
	}
	return NULL;
}

static uint64_t begun_ns(uint64_t created_ns, uint64_t taken_ns, uint64_t sampled_ns)
{
	const uint64_t age_ns = taken_ns > created_ns ? taken_ns - created_ns : 0;

	return sampled_ns > age_ns ? sampled_ns - age_ns : 0;
}

static void read_last(const struct pass *pass, const struct pe_live_item *item,
		      struct last *ret_last)
{
	union {
		struct pe_iface_sample iface;
		struct pe_group_sample group;
	} sample;
	const struct pe_series_body *body = pass->is_groups ? &sample.group.body
							    : &sample.iface.body;

	if (pass->is_groups)
		pe_packed_read_group(pe_live_packed(item), NULL, &sample.group);
	else
		pe_packed_read_iface(pe_live_packed(item), NULL, &sample.iface);
	for (size_t d = 0; d < PE_DIRECTIONS; d++)
		ret_last->count[d] = pe_row_total(&body->row[d]);
	ret_last->begun_ns =
		begun_ns(body->created_ns, pass->taken_before_ns, pass->sampled_before_ns);
}

static float per_second(double count, uint64_t ns)
{
	return ns ? (float)(count * PE_NS_PER_S / (double)ns) : 0;
}

/* What a sample adds: `since` is what was counted at its begin. */
static void set_rate(struct track *track, const struct pe_count now[PE_DIRECTIONS],
		     const struct pe_count since[PE_DIRECTIONS], uint64_t ns)
{
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		const double bytes = (double)(now[d].bytes - since[d].bytes);

		track->rate.bits[d] = 8 * per_second(bytes, ns);
		track->rate.packets[d] =
			per_second((double)(now[d].packets - since[d].packets), ns);
		track->point_bytes[d] += (float)bytes;
	}
}

/* Points that nobody looked at have the average of the gap. */
static void add_gap(const struct pass *pass, struct track *track)
{
	const uint64_t now = pass->live->point;
	uint64_t point = pass->point_before + 1;

	if (now - pass->point_before > PE_LIVE_POINTS)
		point = now - PE_LIVE_POINTS + 1;
	for (; point < now; point++)
		pe_history_set(&track->history, point, track->rate.bits);
}

/* Whether the counters are others now, of the same name: they never go back. */
static bool is_other(const struct last *last, const struct last *now)
{
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		if (now->count[d].packets < last->count[d].packets ||
		    now->count[d].bytes < last->count[d].bytes)
			return true;
	}
	return now->begun_ns > last->begun_ns + BEGUN_SLACK_NS;
}

/* The first sample of a track. Returns whether all of it was counted since the sample before. */
static bool begin_track(const struct pe_live *live, struct track *track, const struct last *now)
{
	const struct pe_count zero[PE_DIRECTIONS] = { 0 };
	const uint64_t age_ns = live->sampled_ns - now->begun_ns;
	const bool appeared = live->elapsed_ns && age_ns <= live->elapsed_ns;

	memset(track, 0, sizeof(*track));
	pe_history_clear(&track->history);
	set_rate(track, now->count, zero, age_ns);
	if (!appeared)
		memset(track->point_bytes, 0, sizeof(track->point_bytes));
	return appeared;
}

/* `last` is NULL if there is no sample before to compare with. */
static void move_track(const struct pass *pass, struct track *track, const struct last *last,
		       const struct last *now)
{
	const struct pe_live *live = pass->live;
	float so_far[PE_DIRECTIONS];

	if (last) {
		if (live->point != pass->point_before)
			memset(track->point_bytes, 0, sizeof(track->point_bytes));
		set_rate(track, now->count, last->count, live->elapsed_ns);
		add_gap(pass, track);
	}
	if (!last && !begin_track(live, track, now))
		return;
	for (size_t d = 0; d < PE_DIRECTIONS; d++)
		so_far[d] = 8 * per_second(track->point_bytes[d], live->point_ns);
	pe_history_set(&track->history, live->point, so_far);
}

/* Keeps the sample that was packed. 0 or -ENOMEM. */
static int keep(struct pass *pass, const struct pe_series_body *body, struct pe_identity *identity,
		bool is_live, struct pe_live_item **ret_item)
{
	const size_t track_size = is_live ? sizeof(struct track) : 0;
	struct pe_live_item *old = pass->packed.error ? NULL : take_item(pass), *item;
	const bool has_track = old && is_live && old->is_live;
	struct last last, now = {
		.begun_ns = begun_ns(body->created_ns, pass->snapshot->taken_ns,
				     pass->live->sampled_ns),
	};

	for (size_t d = 0; d < PE_DIRECTIONS; d++)
		now.count[d] = pe_row_total(&body->row[d]);
	if (has_track)
		read_last(pass, old, &last);
	if (old)
		old->identity = pe_identity_unref(old->identity);
	item = pass->packed.error ? NULL
				  : realloc(old, sizeof(*item) + track_size + pass->packed.len);
	if (!item) {
		free_item(old);
		return -ENOMEM;
	}
	item->identity = identity ? pe_identity_ref(identity) : NULL;
	item->is_live = is_live;
	memcpy(item->data + track_size, pass->packed.data, pass->packed.len);
	if (is_live)
		move_track(pass, track_of(item), has_track && !is_other(&last, &now) ? &last : NULL,
			   &now);
	*ret_item = item;
	return 0;
}

/* From here on pass->before is what `items` were, and these are none. */
static int begin_items(struct pass *pass, struct pe_live_items *items, size_t count)
{
	pass->before = *items;
	pass->at = 0;
	*items = (struct pe_live_items){ calloc(count + 1, sizeof(*items->item)), 0 };
	return items->item ? 0 : -ENOMEM;
}

static int keep_ifaces(struct pass *pass)
{
	const struct pe_snapshot *snapshot = pass->snapshot;
	struct pe_live_items *items = &pass->live->view.ifaces;
	int r = begin_items(pass, items, snapshot->iface_count);

	pass->is_groups = false;
	pass->texts = PE_PACKED_NAME + 1;
	for (size_t i = 0; r == 0 && i < snapshot->iface_count; i++) {
		const struct pe_iface_sample *iface = &snapshot->ifaces[i];

		pass->packed.len = 0;
		pe_packed_add_iface(&pass->packed, iface);
		r = keep(pass, &iface->body, iface->identity, !iface->departed, &items->item[i]);
		items->count++;
	}
	free_items(&pass->before);
	return r;
}

static int keep_groups(struct pass *pass)
{
	const struct pe_snapshot *snapshot = pass->snapshot;
	struct pe_live_items *items = &pass->live->view.groups;
	int r = begin_items(pass, items, snapshot->group_count);

	pass->is_groups = true;
	pass->texts = PE_GROUP_LABELS;
	for (size_t i = 0; r == 0 && i < snapshot->group_count; i++) {
		const struct pe_group_sample *group = &snapshot->groups[i];

		pass->packed.len = 0;
		pe_packed_add_group(&pass->packed, group);
		r = keep(pass, &group->body, NULL, true, &items->item[i]);
		items->count++;
	}
	free_items(&pass->before);
	return r;
}

/* What is no item's. */
static void keep_about(struct pe_live *live, const struct pe_snapshot *snapshot)
{
	struct pe_live_view *view = &live->view;

	view->about->taken_ns = snapshot->taken_ns;
	view->about->group_by = snapshot->group_by;
	view->about->top_flows = snapshot->top_flows;
	view->about->drop_reasons = snapshot->drop_reasons;
	view->about->tcp = snapshot->tcp;
	view->about->overflows = snapshot->overflows;
	view->about->dns = snapshot->dns;
	view->about->self = snapshot->self;
	view->has_packets = pe_snapshot_has_packets(snapshot);
	view->level = pe_health(snapshot, view->checks);
	view->seconds = (float)((double)live->elapsed_ns / PE_NS_PER_S);
}

/* ---- looking ---- */

static void forget(struct pe_live *live)
{
	free_items(&live->view.ifaces);
	free_items(&live->view.groups);
	live->view.about = pe_snapshot_unref(live->view.about);
	live->sampled_ns = 0;
	live->elapsed_ns = 0;
	live->point_ns = 0;
}

static void advance(struct pe_live *live, uint64_t now_ns)
{
	const uint64_t point_before = live->point;

	live->elapsed_ns = live->sampled_ns ? now_ns - live->sampled_ns : 0;
	live->sampled_ns = now_ns;
	live->point = now_ns / POINT_NS;
	if (live->point != point_before)
		live->point_ns = 0;
	live->point_ns += live->elapsed_ns;
}

static int sample(struct pe_live *live, uint64_t now_ns)
{
	struct pass pass = {
		.live = live,
		.point_before = live->point,
		.sampled_before_ns = live->sampled_ns,
	};
	struct pe_snapshot *snapshot;
	int r = live->options.snapshot(&snapshot, live->options.userdata);

	if (r < 0)
		return r;
	advance(live, now_ns);
	pass.snapshot = snapshot;
	pass.taken_before_ns = live->view.about ? live->view.about->taken_ns : 0;
	if (!live->view.about)
		r = pe_snapshot_new(&live->view.about);
	if (r == 0)
		r = keep_ifaces(&pass);
	if (r == 0)
		r = keep_groups(&pass);
	if (r == 0)
		keep_about(live, snapshot);
	else
		forget(live);
	pe_strbuf_fini(&pass.packed);
	pe_snapshot_unref(snapshot);
	return r;
}

int pe_live_lock(struct pe_live *live, const struct pe_live_view **ret_view)
{
	uint64_t now_ns;
	int r = 0;

	pthread_mutex_lock(&live->lock);
	now_ns = pe_clock_monotonic_ns();
	if (!live->view.about || now_ns - live->sampled_ns >= SAMPLE_EVERY_NS)
		r = sample(live, now_ns);
	if (r < 0) {
		pthread_mutex_unlock(&live->lock);
		return r;
	}
	live->looked_ns = now_ns;
	*ret_view = &live->view;
	return 0;
}

void pe_live_unlock(struct pe_live *live)
{
	pthread_mutex_unlock(&live->lock);
}

void pe_live_tick(struct pe_live *live)
{
	/* Who holds it looks. */
	if (pthread_mutex_trylock(&live->lock))
		return;
	if (pe_clock_monotonic_ns() - live->looked_ns >= KEEP_NS)
		forget(live);
	pthread_mutex_unlock(&live->lock);
}

int pe_live_new(const struct pe_page_options *options, struct pe_live **ret_live)
{
	struct pe_live *live = calloc(1, sizeof(*live));

	if (!live)
		return -ENOMEM;
	live->options = *options;
	pthread_mutex_init(&live->lock, NULL);
	*ret_live = live;
	return 0;
}

struct pe_live *pe_live_free(struct pe_live *live)
{
	if (!live)
		return NULL;
	forget(live);
	pthread_mutex_destroy(&live->lock);
	free(live);
	return NULL;
}
