/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See slots.h. Slots that were never used are taken first, while there is memory of counters for
 * them; then those that were given back, the one longest ago first, if it has rested; then memory
 * grows.
 */
#include "slots.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pe/cleanup.h"

struct slot {
	struct pe_row *baseline; /* PE_DIRECTIONS rows while taken, NULL if they began at zero */
	uint64_t free_at_ns;
	uint64_t listed_at_ns;
	int ifindex;
	uint8_t generation;
	bool used; /* at any time */
	bool taken;
	bool provisional; /* taken, by nobody yet */
	bool adopted;	  /* was a provisional one in this use */
	bool listed;	  /* in the interface table */
};

struct pe_slots {
	struct pe_slots_options options;
	pthread_mutex_t mutex;
	struct slot *slot;
	uint32_t *queue; /* ring of slots that were given back */
	unsigned int queue_first, queue_count;
	uint32_t unused;    /* the first that was never used */
	unsigned int taken; /* without provisional ones */
};

int pe_slots_new(const struct pe_slots_options *options, struct pe_slots **ret_slots)
{
	struct pe_slots *slots = calloc(1, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	slots->options = *options;
	pthread_mutex_init(&slots->mutex, NULL);
	slots->slot = calloc(options->count, sizeof(*slots->slot));
	slots->queue = calloc(options->count, sizeof(*slots->queue));
	if (!slots->slot || !slots->queue) {
		pe_slots_free(slots);
		return -ENOMEM;
	}
	*ret_slots = slots;
	return 0;
}

struct pe_slots *pe_slots_free(struct pe_slots *slots)
{
	if (!slots)
		return NULL;
	for (unsigned int i = 0; slots->slot && i < slots->options.count; i++)
		free(slots->slot[i].baseline);
	free(slots->slot);
	free(slots->queue);
	pthread_mutex_destroy(&slots->mutex);
	free(slots);
	return NULL;
}

static union pe_slot_ref *table_set(const struct pe_slots *slots, int ifindex)
{
	unsigned int set = (unsigned int)ifindex & (slots->options.table_sets - 1);

	return &slots->options.table[set * PE_SLOT_WAYS];
}

/* One store, because programs read the entry at the same time. */
static void table_write(union pe_slot_ref *entry, union pe_slot_ref ref)
{
	__atomic_store_n(&entry->word, ref.word, __ATOMIC_RELEASE);
}

static union pe_slot_ref *table_find(const struct pe_slots *slots, int ifindex)
{
	union pe_slot_ref *set = table_set(slots, ifindex);

	for (int i = 0; i < PE_SLOT_WAYS; i++) {
		if (set[i].ifindex == (uint32_t)ifindex)
			return &set[i];
	}
	return NULL;
}

/* An ignored interface has no origin, and no slot. */
static bool is_ignored(const union pe_slot_ref *entry)
{
	return entry && !(entry->flags & PE_SLOT_ORIGIN);
}

static int table_insert(struct pe_slots *slots, union pe_slot_ref ref)
{
	union pe_slot_ref *set = table_set(slots, (int)ref.ifindex);
	union pe_slot_ref *place = table_find(slots, (int)ref.ifindex);

	if (!is_ignored(place))
		place = NULL;
	for (int i = 0; i < PE_SLOT_WAYS && !place; i++) {
		if (!set[i].ifindex)
			place = &set[i];
	}
	if (!place)
		return -ENOENT;
	table_write(place, ref);
	return 0;
}

/* The entry of a slot that is listed. */
static union pe_slot_ref *table_entry(struct pe_slots *slots, const struct slot *slot,
				      uint32_t number)
{
	union pe_slot_ref *entry = table_set(slots, slot->ifindex);

	while (entry->ifindex != (uint32_t)slot->ifindex || entry->slot != number)
		entry++;
	return entry;
}

/* Takes off what programs have left for the next hook of an interface. No packet for which that was
 * meant is under way: the slot has rested, or that hook is not attached. */
static void clear_marks(struct pe_slots *slots, uint32_t token)
{
	for (unsigned int i = 0; i < slots->options.cpus; i++) {
		__u32 *word = &slots->options.cpu[i].mark;
		__u32 mark = __atomic_load_n(word, __ATOMIC_RELAXED);

		/* Only this one: another interface's may be on its way. */
		if ((mark ^ PE_MARK(token, PE_COUNTED_NOT)) <= PE_COUNTED_BY_XDP)
			__atomic_compare_exchange_n(word, &mark, 0, false, __ATOMIC_RELAXED,
						    __ATOMIC_RELAXED);
	}
}

/* Most slots of a quiet host are used once, and the kernel's rows begin at zero. */
static int set_baseline(struct pe_slots *slots, uint32_t number)
{
	struct slot *slot = &slots->slot[number];
	struct pe_row rows[PE_DIRECTIONS];
	const uint64_t *word = (const uint64_t *)rows;
	uint64_t any = 0;

	if (!slot->used)
		return 0;
	pe_counters_sum(slots->options.counters, number, rows);
	for (size_t i = 0; i < PE_ROW_WORDS * PE_DIRECTIONS; i++)
		any |= word[i];
	if (!any)
		return 0;
	if (!slot->baseline)
		slot->baseline = malloc(sizeof(rows));
	if (!slot->baseline)
		return -ENOMEM;
	memcpy(slot->baseline, rows, sizeof(rows));
	return 0;
}

static union pe_slot_ref ref_of(const struct pe_slots *slots, uint32_t number, int ifindex,
				unsigned int flags)
{
	return (union pe_slot_ref){ .ifindex = (uint32_t)ifindex,
				    .slot = (uint16_t)number,
				    .flags = PE_SLOT_USE(flags, slots->slot[number].generation) };
}

/* Of those that were never used. */
static unsigned int ready(const struct pe_slots *slots)
{
	unsigned int end = pe_counters_slots(slots->options.counters);

	return (end < slots->options.count ? end : slots->options.count) - slots->unused;
}

/* The next that is free. */
static int find_free(struct pe_slots *slots, uint64_t now_ns, uint32_t *ret_number)
{
	*ret_number = slots->unused;
	if (ready(slots))
		return 0;
	*ret_number = slots->queue[slots->queue_first];
	if (slots->queue_count && slots->slot[*ret_number].free_at_ns <= now_ns)
		return 0;
	if (slots->unused < slots->options.count)
		return -ENODATA;
	return slots->queue_count ? -EAGAIN : -ENOSPC;
}

/* Makes the next free slot ready; it stays free until take_next(). */
static int prepare_next(struct pe_slots *slots, uint64_t now_ns, uint32_t *ret_number)
{
	uint32_t number;
	struct slot *slot;
	int r;

	r = find_free(slots, now_ns, &number);
	if (!r)
		r = set_baseline(slots, number);
	if (r < 0)
		return r;
	slot = &slots->slot[number];
	slot->generation = (slot->generation + 1) % PE_SLOT_GENERATIONS;
	if (slot->used)
		clear_marks(slots, PE_TOKEN(number, slot->generation));
	if (slots->options.clear)
		slots->options.clear(number, slots->options.userdata);
	*ret_number = number;
	return 0;
}

static uint32_t take_next(struct pe_slots *slots, uint32_t number)
{
	struct slot *slot = &slots->slot[number];

	if (slot->used) {
		slots->queue_first = (slots->queue_first + 1) % slots->options.count;
		slots->queue_count--;
	} else {
		slots->unused++;
	}
	slot->taken = slot->used = true;
	return PE_TOKEN(number, slot->generation);
}

static void set_listed(struct pe_slots *slots, uint32_t number, int ifindex, uint64_t now_ns)
{
	struct slot *slot = &slots->slot[number];

	slot->ifindex = ifindex;
	slot->listed = true;
	slot->listed_at_ns = now_ns;
	slots->taken++;
}

int pe_slots_take(struct pe_slots *slots, int ifindex, unsigned int flags, uint64_t now_ns,
		  uint32_t *ret_token)
{
	uint32_t number;
	int r = -ENOSPC;

	pthread_mutex_lock(&slots->mutex);
	if (slots->taken < slots->options.limit)
		r = prepare_next(slots, now_ns, &number);
	if (!r)
		r = table_insert(slots, ref_of(slots, number, ifindex, flags));
	if (!r) {
		*ret_token = take_next(slots, number);
		set_listed(slots, number, ifindex, now_ns);
	}
	pthread_mutex_unlock(&slots->mutex);
	return r;
}

static struct slot *find(struct pe_slots *slots, uint32_t token)
{
	struct slot *slot;

	if (PE_TOKEN_SLOT(token) >= slots->options.count)
		return NULL;
	slot = &slots->slot[PE_TOKEN_SLOT(token)];
	return slot->taken && PE_TOKEN(PE_TOKEN_SLOT(token), slot->generation) == token ? slot
											: NULL;
}

int pe_slots_provision(struct pe_slots *slots, uint64_t now_ns, uint32_t *ret_token)
{
	uint32_t number;
	int r;

	pthread_mutex_lock(&slots->mutex);
	r = prepare_next(slots, now_ns, &number);
	if (!r) {
		*ret_token = take_next(slots, number);
		slots->slot[number].provisional = true;
	}
	pthread_mutex_unlock(&slots->mutex);
	return r;
}

int pe_slots_adopt(struct pe_slots *slots, uint32_t token, int ifindex, unsigned int flags,
		   uint64_t now_ns)
{
	uint32_t number = PE_TOKEN_SLOT(token);
	struct slot *slot;
	int r = -ENOENT;

	pthread_mutex_lock(&slots->mutex);
	slot = find(slots, token);
	if (slot && slot->provisional)
		r = slots->taken < slots->options.limit
			    ? table_insert(slots, ref_of(slots, number, ifindex, flags))
			    : -ENOSPC;
	if (!r) {
		slot->provisional = false;
		slot->adopted = true;
		set_listed(slots, number, ifindex, now_ns);
	}
	pthread_mutex_unlock(&slots->mutex);
	return r;
}

bool pe_slots_is_established(struct pe_slots *slots, uint32_t token, uint64_t now_ns)
{
	struct slot *slot;
	bool is_established;

	pthread_mutex_lock(&slots->mutex);
	slot = find(slots, token);
	is_established = slot && slot->listed &&
			 slot->listed_at_ns + slots->options.rest_ns <= now_ns;
	pthread_mutex_unlock(&slots->mutex);
	return is_established;
}

bool pe_slots_is_provisional(struct pe_slots *slots, uint32_t token)
{
	struct slot *slot;
	bool is_provisional;

	pthread_mutex_lock(&slots->mutex);
	slot = find(slots, token);
	is_provisional = slot && slot->provisional;
	pthread_mutex_unlock(&slots->mutex);
	return is_provisional;
}

bool pe_slots_is_taken(struct pe_slots *slots, uint32_t token)
{
	bool is_taken;

	pthread_mutex_lock(&slots->mutex);
	is_taken = find(slots, token);
	pthread_mutex_unlock(&slots->mutex);
	return is_taken;
}

void pe_slots_ignore(struct pe_slots *slots, int ifindex, bool ignored)
{
	union pe_slot_ref *entry;

	pthread_mutex_lock(&slots->mutex);
	entry = table_find(slots, ifindex);
	/* Where its set is full it is not in the table, and what comes of that is put right later.
	 */
	if (ignored && !entry)
		table_insert(slots, (union pe_slot_ref){ .ifindex = (uint32_t)ifindex });
	else if (!ignored && is_ignored(entry))
		table_write(entry, (union pe_slot_ref){ .word = 0 });
	pthread_mutex_unlock(&slots->mutex);
}

static void stop(struct pe_slots *slots, struct slot *slot, uint32_t token)
{
	if (slot->listed)
		table_write(table_entry(slots, slot, PE_TOKEN_SLOT(token)),
			    (union pe_slot_ref){ .word = 0 });
	slot->listed = false;
}

static void change(struct pe_slots *slots, uint32_t token, unsigned int mask, unsigned int flags,
		   bool clears)
{
	struct slot *slot;

	pthread_mutex_lock(&slots->mutex);
	slot = find(slots, token);
	if (slot && slot->listed) {
		union pe_slot_ref *entry = table_entry(slots, slot, PE_TOKEN_SLOT(token));
		union pe_slot_ref ref = *entry;

		if (clears)
			clear_marks(slots, token);
		ref.flags = (uint16_t)((ref.flags & ~mask) | flags);
		table_write(entry, ref);
	}
	pthread_mutex_unlock(&slots->mutex);
}

void pe_slots_change(struct pe_slots *slots, uint32_t token, unsigned int mask, unsigned int flags)
{
	change(slots, token, mask, flags, false);
}

void pe_slots_listen(struct pe_slots *slots, uint32_t token, unsigned int flags)
{
	change(slots, token, 0, flags, true);
}

int pe_slots_stop(struct pe_slots *slots, uint32_t token)
{
	struct slot *slot;
	int ifindex = 0;

	pthread_mutex_lock(&slots->mutex);
	slot = find(slots, token);
	if (slot) {
		ifindex = slot->adopted ? slot->ifindex : 0;
		stop(slots, slot, token);
	}
	pthread_mutex_unlock(&slots->mutex);
	return ifindex;
}

void pe_slots_give_back(struct pe_slots *slots, uint32_t token, uint64_t now_ns)
{
	struct slot *slot;

	pthread_mutex_lock(&slots->mutex);
	slot = find(slots, token);
	if (slot) {
		unsigned int last = slots->queue_first + slots->queue_count;

		stop(slots, slot, token);
		free(PE_TAKE_PTR(slot->baseline));
		slots->taken -= !slot->provisional;
		slot->taken = slot->provisional = slot->adopted = false;
		slot->free_at_ns = now_ns + slots->options.rest_ns;
		slots->queue[last % slots->options.count] = PE_TOKEN_SLOT(token);
		slots->queue_count++;
	}
	pthread_mutex_unlock(&slots->mutex);
}

unsigned int pe_slots_taken(struct pe_slots *slots)
{
	unsigned int taken;

	pthread_mutex_lock(&slots->mutex);
	taken = slots->taken;
	pthread_mutex_unlock(&slots->mutex);
	return taken;
}

/* Of those that were given back, the ones that were so first. */
static unsigned int rested(const struct pe_slots *slots, uint64_t now_ns)
{
	unsigned int from = 0, to = slots->queue_count;

	while (from < to) {
		unsigned int middle = from + (to - from) / 2;
		unsigned int at = (slots->queue_first + middle) % slots->options.count;

		if (slots->slot[slots->queue[at]].free_at_ns <= now_ns)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

unsigned int pe_slots_ready(struct pe_slots *slots, uint64_t now_ns)
{
	unsigned int count = UINT_MAX;

	pthread_mutex_lock(&slots->mutex);
	if (pe_counters_slots(slots->options.counters) < slots->options.count)
		count = ready(slots) + rested(slots, now_ns);
	pthread_mutex_unlock(&slots->mutex);
	return count;
}

void pe_slots_read(struct pe_slots *slots, uint32_t token, struct pe_row *ret_row)
{
	struct slot *slot;

	pthread_mutex_lock(&slots->mutex);
	slot = find(slots, token);
	if (slot) {
		uint64_t *word = (uint64_t *)ret_row;
		const uint64_t *base = (const uint64_t *)slot->baseline;

		pe_counters_sum(slots->options.counters, PE_TOKEN_SLOT(token), ret_row);
		for (size_t i = 0; base && i < PE_ROW_WORDS * PE_DIRECTIONS; i++)
			word[i] -= base[i];
	} else {
		memset(ret_row, 0, sizeof(*ret_row) * PE_DIRECTIONS);
	}
	pthread_mutex_unlock(&slots->mutex);
}
