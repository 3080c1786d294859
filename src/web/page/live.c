/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See live.h. A track is the memory of one interface or group. Tracks are in the order of the
 * snapshot that they were made of, so that those of the next one are found by merging.
 *
 * A point of the history is what was between two multiples of five seconds. The one at hand is an
 * average of what has passed of it; a gap between looks has the average over the gap.
 */
#include "live.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pe/cleanup.h"
#include "pe/clock.h"

#define SAMPLE_EVERY_NS	 (900 * PE_NS_PER_MS) /* viewers ask each second, not quite in step */
#define KEEP_SNAPSHOT_NS (5 * PE_NS_PER_S)
#define KEEP_TRACKS_NS	 (300 * PE_NS_PER_S)
#define POINT_NS	 (PE_LIVE_POINT_S * PE_NS_PER_S)
#define BEGUN_SLACK_NS	 PE_NS_PER_S /* between the clock's reading and the sample's */
#define UNKNOWN		 UINT16_MAX
#define MANTISSA_BITS	 10

struct pe_live_track {
	struct pe_count last[PE_DIRECTIONS];
	uint64_t begun_ns; /* monotonic: when the counters began, as near as samples are taken */
	struct pe_live_rate rate;
	uint64_t point_bytes[PE_DIRECTIONS]; /* of the point at hand */
	uint16_t history[PE_LIVE_POINTS][PE_DIRECTIONS];
	size_t key_len;
	char key[]; /* name or labels, each with its end */
};

struct tracks {
	struct pe_live_track **item; /* as in the snapshot; NULL for the departed */
	size_t count;
};

struct pe_live {
	struct pe_page_options options;
	pthread_mutex_t lock;
	struct pe_snapshot *snapshot;	/* NULL if it was given back */
	uint64_t sampled_ns, looked_ns; /* monotonic; 0: never */
	uint64_t elapsed_ns;		/* between the last two samples, 0 if there were not two */
	uint64_t point;			/* which is at hand: monotonic time by POINT_NS */
	uint64_t point_ns;		/* how much of it was sampled */
	struct tracks ifaces, groups;
};

/* ---- points ---- */

/* Ten significant bits and an exponent: a line of a few pixels shows no more. */
static uint16_t pack(float value)
{
	int exponent;
	float mantissa;

	if (!(value >= 1))
		return 0;
	mantissa = frexpf(value, &exponent);
	if (exponent >= 63)
		return UNKNOWN - 1;
	return (uint16_t)(exponent << MANTISSA_BITS |
			  ((int)(mantissa * (2 << MANTISSA_BITS)) & ((1 << MANTISSA_BITS) - 1)));
}

static float unpack(uint16_t packed)
{
	const int exponent = packed >> MANTISSA_BITS;
	const int mantissa = packed & ((1 << MANTISSA_BITS) - 1);

	if (packed == 0)
		return 0;
	return ldexpf((float)(mantissa | 1 << MANTISSA_BITS), exponent - MANTISSA_BITS - 1);
}

float pe_live_point(const struct pe_live *live, const struct pe_live_track *track, size_t i,
		    size_t direction)
{
	uint16_t packed;

	if (!track)
		return -1;
	packed = track->history[(live->point + 1 + i) % PE_LIVE_POINTS][direction];
	return packed == UNKNOWN ? -1 : unpack(packed);
}

struct pe_live_rate pe_live_rate(const struct pe_live_track *track)
{
	return track ? track->rate : (struct pe_live_rate){ 0 };
}

/* ---- tracks ---- */

static void free_tracks(struct tracks *tracks)
{
	for (size_t i = 0; i < tracks->count; i++)
		free(tracks->item[i]);
	free(tracks->item);
	*tracks = (struct tracks){ 0 };
}

static float per_second(uint64_t count, uint64_t ns)
{
	return ns ? (float)((double)count * PE_NS_PER_S / (double)ns) : 0;
}

/* What a sample adds: `since` is what was counted at its begin. */
static void set_rate(struct pe_live_track *track, const struct pe_count now[PE_DIRECTIONS],
		     const struct pe_count since[PE_DIRECTIONS], uint64_t ns)
{
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		const uint64_t bytes = now[d].bytes - since[d].bytes;

		track->rate.bits[d] = 8 * per_second(bytes, ns);
		track->rate.packets[d] = per_second(now[d].packets - since[d].packets, ns);
		track->point_bytes[d] += bytes;
	}
}

static struct pe_live_track *new_track(const char *key, size_t key_len)
{
	struct pe_live_track *track = calloc(1, sizeof(*track) + key_len);

	if (!track)
		return NULL;
	memset(track->history, 0xff, sizeof(track->history));
	track->key_len = key_len;
	memcpy(track->key, key, key_len);
	return track;
}

/* Compares as snapshots are sorted: name by name. */
static int compare_keys(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int order = 0;

	for (size_t at = 0; order == 0 && at < a_len && at < b_len; at += strlen(a + at) + 1)
		order = strcmp(a + at, b + at);
	return order;
}

/* The track of the key among those before, from *at on; it is taken out of them. */
static struct pe_live_track *take_track(struct tracks *before, size_t *at, const char *key,
					size_t key_len)
{
	int order = -1;

	for (; *at < before->count && order < 0; ++*at) {
		struct pe_live_track *track = before->item[*at];

		if (!track)
			continue;
		order = compare_keys(track->key, track->key_len, key, key_len);
		if (order == 0) {
			before->item[(*at)++] = NULL;
			return track;
		}
		if (order > 0)
			break;
	}
	return NULL;
}

/* Points that nobody looked at have the average of the gap. */
static void add_gap(const struct pe_live *live, struct pe_live_track *track, uint64_t point_before)
{
	uint64_t point = point_before + 1;

	if (live->point - point_before > PE_LIVE_POINTS)
		point = live->point - PE_LIVE_POINTS + 1;
	for (; point < live->point; point++) {
		for (size_t d = 0; d < PE_DIRECTIONS; d++)
			track->history[point % PE_LIVE_POINTS][d] = pack(track->rate.bits[d]);
	}
}

/* The point at hand, so far. */
static void set_point(const struct pe_live *live, struct pe_live_track *track)
{
	for (size_t d = 0; d < PE_DIRECTIONS; d++)
		track->history[live->point % PE_LIVE_POINTS][d] =
			pack(8 * per_second(track->point_bytes[d], live->point_ns));
}

struct item {
	const char *key;
	size_t key_len;
	const struct pe_series_body *body;
};

/* Whether the counters of a track are others now, of the same name: they never go back. */
static bool is_other(const struct pe_live_track *track, const struct pe_count now[PE_DIRECTIONS],
		     uint64_t begun_ns)
{
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		if (now[d].packets < track->last[d].packets || now[d].bytes < track->last[d].bytes)
			return true;
	}
	return begun_ns > track->begun_ns + BEGUN_SLACK_NS;
}

/* The first sample of a track. Returns whether all of it was counted since the sample before. */
static bool begin_track(const struct pe_live *live, struct pe_live_track *track,
			const struct pe_count now[PE_DIRECTIONS], uint64_t age_ns)
{
	const struct pe_count zero[PE_DIRECTIONS] = { 0 };
	const bool appeared = live->elapsed_ns && age_ns <= live->elapsed_ns;

	set_rate(track, now, zero, age_ns);
	if (!appeared)
		memset(track->point_bytes, 0, sizeof(track->point_bytes));
	return appeared;
}

/* The track of an item at this sample. NULL: out of memory. */
static struct pe_live_track *track_item(const struct pe_live *live, struct tracks *before,
					size_t *at, const struct item *item, uint64_t point_before)
{
	struct pe_live_track *track = take_track(before, at, item->key, item->key_len);
	const uint64_t taken_ns = live->snapshot->taken_ns, created_ns = item->body->created_ns;
	const uint64_t age_ns = taken_ns > created_ns ? taken_ns - created_ns : 0;
	const uint64_t begun_ns = live->sampled_ns > age_ns ? live->sampled_ns - age_ns : 0;
	struct pe_count now[PE_DIRECTIONS];
	bool is_known;

	for (size_t d = 0; d < PE_DIRECTIONS; d++)
		now[d] = pe_row_total(&item->body->row[d]);
	if (track && is_other(track, now, begun_ns)) {
		free(track);
		track = NULL;
	}
	is_known = track;
	if (!track)
		track = new_track(item->key, item->key_len);
	if (!track)
		return NULL;
	if (live->point != point_before)
		memset(track->point_bytes, 0, sizeof(track->point_bytes));
	if (is_known) {
		set_rate(track, now, track->last, live->elapsed_ns);
		add_gap(live, track, point_before);
	}
	if (is_known || begin_track(live, track, now, age_ns))
		set_point(live, track);
	memcpy(track->last, now, sizeof(now));
	track->begun_ns = begun_ns;
	return track;
}

static size_t key_of_group(const struct pe_group_sample *group, struct pe_strbuf *key)
{
	key->len = 0;
	for (size_t i = 0; i < PE_GROUP_LABELS; i++)
		pe_strbuf_add(key, group->label[i], strlen(group->label[i]) + 1);
	return key->len;
}

static int track_groups(struct pe_live *live, uint64_t point_before)
{
	const struct pe_snapshot *snapshot = live->snapshot;
	struct tracks before = live->groups;
	struct pe_strbuf key = PE_STRBUF_INIT;
	size_t at = 0;
	int r = 0;

	live->groups = (struct tracks){ calloc(snapshot->group_count + 1, sizeof(void *)), 0 };
	if (!live->groups.item)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < snapshot->group_count; i++) {
		struct item item = { .body = &snapshot->groups[i].body };

		item.key_len = key_of_group(&snapshot->groups[i], &key);
		item.key = key.data;
		live->groups.item[i] =
			key.error ? NULL : track_item(live, &before, &at, &item, point_before);
		live->groups.count++;
		if (!live->groups.item[i])
			r = -ENOMEM;
	}
	pe_strbuf_fini(&key);
	free_tracks(&before);
	return r;
}

static int track_ifaces(struct pe_live *live, uint64_t point_before)
{
	const struct pe_snapshot *snapshot = live->snapshot;
	struct tracks before = live->ifaces;
	size_t at = 0;
	int r = 0;

	live->ifaces = (struct tracks){ calloc(snapshot->iface_count + 1, sizeof(void *)), 0 };
	if (!live->ifaces.item)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < snapshot->iface_count; i++) {
		const struct pe_iface_sample *iface = &snapshot->ifaces[i];
		const struct item item = { iface->info.name, strlen(iface->info.name) + 1,
					   &iface->body };

		live->ifaces.count++;
		if (iface->departed)
			continue;
		live->ifaces.item[i] = track_item(live, &before, &at, &item, point_before);
		if (!live->ifaces.item[i])
			r = -ENOMEM;
	}
	free_tracks(&before);
	return r;
}

/* ---- looking ---- */

static void forget(struct pe_live *live)
{
	free_tracks(&live->ifaces);
	free_tracks(&live->groups);
	live->snapshot = pe_snapshot_unref(live->snapshot);
	live->sampled_ns = 0;
	live->elapsed_ns = 0;
	live->point_ns = 0;
}

static int sample(struct pe_live *live, uint64_t now_ns)
{
	const uint64_t point_before = live->point;
	int r;

	live->snapshot = pe_snapshot_recycle(live->snapshot);
	r = live->options.snapshot(&live->snapshot, live->options.userdata);
	pe_snapshot_release();
	if (r < 0) {
		live->snapshot = NULL;
		return r;
	}
	live->elapsed_ns = live->sampled_ns ? now_ns - live->sampled_ns : 0;
	live->sampled_ns = now_ns;
	live->point = now_ns / POINT_NS;
	if (live->point != point_before)
		live->point_ns = 0;
	live->point_ns += live->elapsed_ns;
	r = track_ifaces(live, point_before);
	if (r == 0)
		r = track_groups(live, point_before);
	if (r < 0)
		forget(live);
	return r;
}

int pe_live_lock(struct pe_live *live, struct pe_live_view *ret_view)
{
	uint64_t now_ns;
	int r = 0;

	pthread_mutex_lock(&live->lock);
	now_ns = pe_clock_monotonic_ns();
	if (!live->snapshot || now_ns - live->sampled_ns >= SAMPLE_EVERY_NS)
		r = sample(live, now_ns);
	if (r < 0) {
		pthread_mutex_unlock(&live->lock);
		return r;
	}
	live->looked_ns = now_ns;
	*ret_view = (struct pe_live_view){
		live->snapshot,
		live->ifaces.item,
		live->groups.item,
		(float)((double)live->elapsed_ns / PE_NS_PER_S),
	};
	return 0;
}

void pe_live_unlock(struct pe_live *live)
{
	pthread_mutex_unlock(&live->lock);
}

void pe_live_tick(struct pe_live *live)
{
	uint64_t unseen_ns;

	/* Who holds it looks. */
	if (pthread_mutex_trylock(&live->lock))
		return;
	unseen_ns = pe_clock_monotonic_ns() - live->looked_ns;
	if (unseen_ns >= KEEP_TRACKS_NS)
		forget(live);
	else if (unseen_ns >= KEEP_SNAPSHOT_NS)
		live->snapshot = pe_snapshot_unref(live->snapshot);
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
