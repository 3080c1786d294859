/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ledger against a model: groups come, end and come back, interfaces of them end, and states
 * are written, refused, and written again. All that was written is all that ended, each at its
 * time, and times of a series rise.
 */
#include <errno.h>

#include "remote-written.h"

#include "pe/arena.h"
#include "pe/clock.h"
#include "pe/sample.h"

#define START_NS (UINT64_C(1700000000) * PE_NS_PER_S)
#define KEYS	 5
#define STATES	 400

struct model {
	uint64_t random, next_id, now_ns, time_ns;
	struct group {
		uint64_t id; /* 0: there is none, but for the last one, the others' */
		struct pe_count ended;
		uint64_t ended_ns;
		uint64_t written_ms; /* of the last sample, of any group with these labels */
	} group[KEYS + 1];
	struct pe_count ended, written;
	uint64_t reborn, exact;
};

static struct written written;

static uint64_t draw(struct model *model, uint64_t below)
{
	model->random ^= model->random << 13;
	model->random ^= model->random >> 7;
	model->random ^= model->random << 17;
	return model->random % below;
}

static const char *const names[KEYS + 1] = { "w0", "w1", "w2", "w3", "w4", PE_GROUP_OTHER };

static void fold(struct model *model, struct group *group)
{
	struct group *other = &model->group[KEYS];

	pe_count_add(&other->ended, &group->ended);
	if (group->ended_ns > other->ended_ns)
		other->ended_ns = group->ended_ns;
	*group = (struct group){ .written_ms = group->written_ms };
}

static void step(struct model *model)
{
	struct group *group = &model->group[draw(model, KEYS + 1)];
	const struct pe_count moved = { draw(model, 100), draw(model, 1000) };

	model->now_ns += draw(model, 3 * PE_NS_PER_S);
	if (draw(model, 3) == 0 && group->id > 0) {
		fold(model, group);
		return;
	}
	if (group->id == 0 && group != &model->group[KEYS]) {
		group->id = ++model->next_id;
		model->reborn += group->written_ms > 0;
	}
	pe_count_add(&group->ended, &moved);
	pe_count_add(&model->ended, &moved);
	/* One that waited for its identity can have ended before others that are known. */
	group->ended_ns = model->now_ns - draw(model, PE_NS_PER_S);
}

static struct pe_snapshot *snapshot_of(const struct model *model)
{
	struct pe_snapshot *snapshot;
	size_t count = 0;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_snapshot_alloc_groups(snapshot, KEYS + 1), 0);
	snapshot->group_by = PE_GROUP_BIT(PE_GROUP_WORKLOAD);
	snapshot->taken_ns = model->now_ns;
	snapshot->self.created_ns = START_NS;
	for (size_t i = 0; i <= KEYS; i++) {
		const struct group *from = &model->group[i];
		struct pe_group_sample *group = &snapshot->groups[count];

		if (from->id == 0 && i < KEYS)
			continue;
		group->label[PE_GROUP_WORKLOAD] = names[i];
		group->id = from->id;
		group->ended[PE_EGRESS] = from->ended;
		group->ended_ns = from->ended_ns;
		count++;
	}
	snapshot->group_count = count;
	return snapshot;
}

static int encode(struct model *model, struct pe_births *births, struct pe_snapshot *snapshot,
		  uint64_t zero_ns, size_t max_samples, int refuse)
{
	const struct pe_remote_options options = {
		.time_ns = model->time_ns,
		.zero_ns = zero_ns,
		.max_samples = max_samples,
		.births = births,
	};

	written.count = written.bodies = 0;
	written.refuse = refuse;
	return pe_remote_encode(snapshot, &options, written_take, &written);
}

static struct group *group_of(struct model *model, size_t sample)
{
	char part[32];

	for (size_t i = 0; i <= KEYS; i++) {
		snprintf(part, sizeof(part), "workload=%s", names[i]);
		if (written_is(&written, sample, part))
			return &model->group[i];
	}
	fail_msg("no group: %s", written.sample[sample].series);
	return NULL;
}

/* What the last encoding wrote is what the receiver has of this state. */
static void book(struct model *model, uint64_t zero_ns)
{
	for (size_t i = 0; i < written.count; i++) {
		const uint64_t ms = written.sample[i].ms;
		struct group *group;

		/* The group's own series are gone: test_lives. */
		if (written.sample[i].bits == WRITTEN_STALE)
			continue;
		assert_int_equal(written_is(&written, i, "packet_exporter_ended_"),
				 written.sample[i].ends);
		if (!written.sample[i].ends)
			continue;
		assert_true(written_is(&written, i, "direction=egress"));
		group = group_of(model, i);
		assert_true(ms >= zero_ns / PE_NS_PER_MS && ms <= model->time_ns / PE_NS_PER_MS);
		if (written_is(&written, i, "ended_bytes")) {
			model->written.bytes += written_value(&written, i);
			continue;
		}
		assert_true(ms > group->written_ms);
		group->written_ms = ms;
		model->written.packets += written_value(&written, i);
		if (group->ended_ns > zero_ns) {
			assert_int_equal(ms, group->ended_ns / PE_NS_PER_MS);
			model->exact++;
		}
	}
}

/* A state, and the answers to it: it is refused memory, or encoded again in smaller bodies. */
static void write_state(struct model *model, struct pe_births *births)
{
	struct pe_snapshot *snapshot = snapshot_of(model);
	const uint64_t zero_ns = model->time_ns ? model->time_ns + PE_NS_PER_MS : START_NS;
	const bool refused = draw(model, 4) == 0;
	static struct written before;

	model->time_ns = model->now_ns;
	pe_births_begin(births, false);
	if (refused) {
		assert_int_equal(encode(model, births, snapshot, zero_ns, 1, 2), -ENOSPC);
		pe_snapshot_unref(snapshot);
		return;
	}
	assert_int_equal(encode(model, births, snapshot, zero_ns, 5, 0), 0);
	if (draw(model, 4) == 0) {
		before = written;
		pe_births_begin(births, true);
		assert_int_equal(encode(model, births, snapshot, zero_ns, 2, 0), 0);
		assert_int_equal(written.count, before.count);
		for (size_t i = 0; i < written.count; i++) {
			/* What else is in a body depends on its size. */
			written.sample[i].begins = before.sample[i].begins;
			assert_memory_equal(&written.sample[i], &before.sample[i],
					    sizeof(before.sample[i]));
		}
	}
	book(model, zero_ns);
	pe_snapshot_unref(snapshot);
}

static void test_all_that_ended_is_written(void **state)
{
	struct model model = { .random = 42, .now_ns = START_NS };
	struct pe_births *births;

	assert_int_equal(pe_births_new(&births), 0);
	for (size_t i = 0; i < STATES; i++) {
		for (size_t steps = draw(&model, 6); steps > 0; steps--)
			step(&model);
		model.now_ns += PE_NS_PER_S;
		write_state(&model, births);
	}
	do
		model.now_ns += PE_NS_PER_S, write_state(&model, births);
	while (model.written.packets != model.ended.packets &&
	       model.now_ns < START_NS + 100000 * PE_NS_PER_S);
	assert_int_equal(model.written.packets, model.ended.packets);
	assert_int_equal(model.written.bytes, model.ended.bytes);
	assert_true(model.reborn > 50 && model.exact > 50);
	/* Nothing is written twice. */
	model.now_ns += PE_NS_PER_S;
	write_state(&model, births);
	assert_int_equal(model.written.bytes, model.ended.bytes);
	pe_births_free(births);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_ended_is_written),
	};

	return cmocka_run_group_tests(tests, written_load, written_unload);
}
