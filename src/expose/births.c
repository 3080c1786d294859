/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The series of two states as sets of 64-bit hashes. Two series of one hash would cost one of them
 * its zero: with 100,000 series that happens once in some billions of states.
 */
#include "births.h"

#include <errno.h>
#include <stdlib.h>

#include "pe/arena.h"
#include "pe/sample.h"

#include "gone.h"

#define PLACES_MIN 1024

/* ---- sets ---- */

static void fini(struct pe_births_set *set)
{
	free(set->hash);
	free(set->item);
	free(set->place);
}

static void clear(struct pe_births_set *set)
{
	if (set->indexed > 0)
		memset(set->place, 0, set->places * sizeof(*set->place));
	set->count = set->indexed = 0;
}

static bool grow(struct pe_births_set *set)
{
	const size_t size = set->size ? set->size * 2 : PLACES_MIN;
	uint64_t *hash = realloc(set->hash, size * sizeof(*hash));

	uint32_t *item = NULL;

	if (!hash)
		return false;
	set->hash = hash;
	if (set->has_items && !(item = realloc(set->item, size * sizeof(*item))))
		return false;
	set->item = item;
	set->size = size;
	return true;
}

/* False without memory. */
static bool append(struct pe_births_set *set, uint64_t hash, uint32_t item)
{
	if (set->count == set->size && !grow(set))
		return false;
	if (set->has_items)
		set->item[set->count] = item;
	set->hash[set->count++] = hash;
	return true;
}

/* The place of a hash, or the free one where it belongs. */
static uint32_t *find(const struct pe_births_set *set, uint64_t hash)
{
	size_t i = hash & (set->places - 1);

	while (set->place[i] && set->hash[set->place[i] - 1] != hash)
		i = (i + 1) & (set->places - 1);
	return &set->place[i];
}

/* False without memory. */
static bool make_index(struct pe_births_set *set)
{
	if (set->places < 2 * set->count) {
		size_t places = set->places ? set->places : PLACES_MIN;
		uint32_t *place;

		while (places < 2 * set->count)
			places *= 2;
		place = calloc(places, sizeof(*place));
		if (!place)
			return false;
		free(set->place);
		set->place = place;
		set->places = places;
		set->indexed = 0;
	}
	while (set->indexed < set->count) {
		uint32_t *place = find(set, set->hash[set->indexed++]);

		if (*place == 0)
			*place = (uint32_t)set->indexed;
	}
	return true;
}

/* The number of a hash from 1 on, 0 if it is not there. The index is made. */
static size_t number_of(const struct pe_births_set *set, uint64_t hash)
{
	return set->count > 0 ? *find(set, hash) : 0;
}

/* False without memory. */
static bool insert(struct pe_births_set *set, uint64_t hash)
{
	return make_index(set) && (number_of(set, hash) > 0 || append(set, hash, 0)) &&
	       make_index(set);
}

int pe_births_new(struct pe_births **ret_births)
{
	struct pe_births *births = calloc(1, sizeof(*births));

	if (!births)
		return -ENOMEM;
	STAILQ_INIT(&births->waiting);
	births->before.has_items = births->now.has_items = true;
	*ret_births = births;
	return 0;
}

static void fini_state(struct pe_births_state *state)
{
	state->snapshot = pe_snapshot_unref(state->snapshot);
	state->outline = pe_outline_free(state->outline);
}

struct pe_births *pe_births_free(struct pe_births *births)
{
	if (!births)
		return NULL;
	fini(&births->before);
	fini(&births->now);
	fini(&births->gone[0]);
	fini(&births->gone[1]);
	fini(&births->labels_before);
	fini(&births->labels_now);
	pe_ledger_fini(&births->ledger);
	pe_gone_fini(births);
	fini_state(&births->last);
	fini_state(&births->current);
	free(births);
	return NULL;
}

/* ---- states ---- */

/* What the last state had and this one has not. */
static void remember_gone(struct pe_births *births)
{
	const struct pe_births_set *before = &births->before;

	if (births->again == before->count)
		return;
	if (!make_index(&births->now)) {
		births->gone_failed = true;
		return;
	}
	for (size_t i = 0; i < before->count; i++)
		if (!number_of(&births->now, before->hash[i]) &&
		    !insert(&births->gone[0], before->hash[i]))
			births->gone_failed = true;
}

static void swap(struct pe_births_set *a, struct pe_births_set *b)
{
	const struct pe_births_set set = *a;

	*a = *b;
	*b = set;
}

void pe_births_begin(struct pe_births *births, bool again)
{
	/* Of a state that failed nothing was sent: the one before it is still the last. */
	pe_gone_settle(births, !again && births->complete);
	if (!again && births->complete) {
		remember_gone(births);
		fini_state(&births->last);
		births->last = births->current;
		births->current = (struct pe_births_state){ 0 };
		swap(&births->before, &births->now);
		swap(&births->labels_before, &births->labels_now);
		pe_ledger_commit(&births->ledger);
	}
	clear(&births->now);
	clear(&births->labels_now);
	births->again = births->next = 0;
	births->failed = births->complete = false;
}

int pe_births_take(struct pe_births *births, const struct pe_remote_options *options,
		   struct pe_snapshot *snapshot)
{
	fini_state(&births->current);
	births->current.options = *options;
	if (!snapshot->top_flows)
		return pe_outline_new(snapshot, &births->current.outline);
	births->current.snapshot = pe_snapshot_ref(snapshot);
	pe_arena_trim(snapshot->arena);
	return 0;
}

/* Which interfaces of the last state have no longer all of its series. */
static bool *ifaces_of_gone(const struct pe_births *births, bool *ret_others)
{
	const struct pe_births_set *before = &births->before;
	bool *wanted = calloc(pe_outline_iface_count(births->last.outline) + 1, sizeof(*wanted));

	*ret_others = false;
	for (size_t i = 0; wanted && i < before->count; i++) {
		if (number_of(&births->now, before->hash[i]))
			continue;
		if (before->item[i] == PE_BIRTHS_NO_IFACE)
			*ret_others = true;
		else
			wanted[before->item[i]] = true;
	}
	return wanted;
}

int pe_births_gone(struct pe_births *births, struct pe_snapshot **ret_snapshot)
{
	const struct pe_births_state *last = &births->last;
	bool *wanted, others;
	int r;

	*ret_snapshot = NULL;
	if ((!last->snapshot && !last->outline) || births->again == births->before.count)
		return 0;
	if (!make_index(&births->before) || !make_index(&births->now))
		return -ENOMEM;
	if (last->snapshot) {
		*ret_snapshot = pe_snapshot_ref(last->snapshot);
		return 0;
	}
	wanted = ifaces_of_gone(births, &others);
	r = wanted ? pe_outline_snapshot(last->outline, wanted, others, ret_snapshot) : -ENOMEM;
	free(wanted);
	return r;
}

bool pe_births_is_gone(struct pe_births *births, uint64_t hash)
{
	return number_of(&births->before, hash) && !number_of(&births->now, hash);
}

bool pe_births_is(struct pe_births *births, uint64_t hash)
{
	if (!make_index(&births->now)) {
		births->failed = true;
		return true;
	}
	return number_of(&births->now, hash) > 0;
}

bool pe_births_was(const struct pe_births *births, uint64_t hash)
{
	return births->gone_failed || number_of(&births->gone[0], hash) ||
	       number_of(&births->gone[1], hash);
}

void pe_births_forget(struct pe_births *births, uint64_t now_ns, uint64_t keep_ns)
{
	if (now_ns - births->turned_ns < keep_ns)
		return;
	births->turned_ns = now_ns;
	swap(&births->gone[0], &births->gone[1]);
	clear(&births->gone[0]);
}

/* The next one of the last state, or any other one of it. */
static bool was_before(struct pe_births *births, uint64_t hash)
{
	struct pe_births_set *before = &births->before;
	size_t number;

	/* States have their series in the same order. */
	if (births->next < before->count && before->hash[births->next] == hash) {
		births->next++;
		return true;
	}
	if (!make_index(before)) {
		births->failed = true;
		return true;
	}
	number = number_of(before, hash);
	if (number > 0)
		births->next = number;
	return number > 0;
}

bool pe_births_add(struct pe_births *births, uint64_t hash, uint32_t iface)
{
	const bool is_new = !was_before(births, hash);

	births->failed |= !append(&births->now, hash, iface);
	births->again += !is_new;
	return is_new && !births->failed;
}

bool pe_births_had_labels(struct pe_births *births, uint64_t hash)
{
	births->failed |= !insert(&births->labels_now, hash) || !make_index(&births->labels_before);
	return !births->failed && number_of(&births->labels_before, hash) > 0;
}

bool pe_births_end(struct pe_births *births)
{
	births->complete = !births->failed;
	return births->complete;
}
