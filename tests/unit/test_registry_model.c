/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry against a model: random histories, with refused memory, where after each step every
 * series is what the model says and nothing was lost or counted twice.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "malloc-failure.h"
#include "registry-source.h"

#define NAMES	  12
#define INDEXES	  8
#define RETENTION 20
#define DEPARTED  3
#define STEPS	  3000
#define HISTORIES 8

/* What the registry must show of a name. */
struct series {
	bool exists, live;
	int ifindex;
	uint32_t token, flows_token; /* 0: none */
	uint64_t packets, flows;
	uint64_t created_ns, departed_ns, order;
};

struct model {
	struct series series[NAMES];
	uint64_t now_ns, order, next_token;
	uint64_t folded, folded_packets, early;
	uint64_t total; /* every packet ever counted */
	uint64_t random;
};

static uint64_t draw(struct model *model, uint64_t below)
{
	model->random ^= model->random << 13;
	model->random ^= model->random >> 7;
	model->random ^= model->random << 17;
	return model->random % below;
}

static void name_of(size_t i, char *name)
{
	snprintf(name, IFNAMSIZ, "if%02zu", i);
}

static struct series *model_live(struct model *model, int ifindex)
{
	size_t i;

	for (i = 0; i < NAMES; i++)
		if (model->series[i].live && model->series[i].ifindex == ifindex)
			return &model->series[i];
	return NULL;
}

static struct series *model_oldest(struct model *model, size_t *ret_count)
{
	struct series *oldest = NULL;
	size_t i, count = 0;

	for (i = 0; i < NAMES; i++) {
		struct series *s = &model->series[i];

		if (!s->exists || s->live)
			continue;
		count++;
		if (!oldest || s->order < oldest->order)
			oldest = s;
	}
	if (ret_count)
		*ret_count = count;
	return oldest;
}

static void model_fold(struct model *model, struct series *s)
{
	model->folded++;
	model->folded_packets += s->packets;
	*s = (struct series){ 0 };
}

static unsigned int new_token(struct model *model)
{
	return draw(model, 4) && model->next_token < TOKENS ? (unsigned int)model->next_token++ : 0;
}

/* An allocation of the next call may be refused; then nothing must have changed. */
static void maybe_refuse(struct model *model)
{
	if (malloc_failure_works && draw(model, 3) == 0)
		malloc_failure_after = (long)draw(model, 4);
}

static bool refused(int r)
{
	malloc_failure_after = -1;
	return r == -ENOMEM;
}

static void step_add(struct model *model, struct pe_registry *registry)
{
	const int ifindex = 1 + (int)draw(model, INDEXES);
	struct series *s = &model->series[draw(model, NAMES)];
	struct pe_iface_info info = { .ifindex = ifindex };
	unsigned int token;
	uint32_t taken;
	int r;

	if (model_live(model, ifindex))
		return;
	token = new_token(model);
	taken = take_token(token);
	name_of((size_t)(s - model->series), info.name);
	maybe_refuse(model);
	r = add_iface(registry, &info, taken, model->now_ns);
	if (refused(r)) {
		give_token_up(token);
		return;
	}
	assert_int_equal(r, 0);
	if (!s->exists)
		*s = (struct series){ .exists = true, .created_ns = model->now_ns };
	s->live = true;
	s->ifindex = ifindex;
	s->token = token;
	s->flows_token = token;
}

static void step_rename(struct model *model, struct pe_registry *registry)
{
	const int ifindex = 1 + (int)draw(model, INDEXES);
	struct series *from = model_live(model, ifindex), *to = &model->series[draw(model, NAMES)];
	struct pe_iface_info info = { .ifindex = ifindex };
	struct series moved;
	int r;

	name_of((size_t)(to - model->series), info.name);
	maybe_refuse(model);
	r = pe_registry_update(registry, held[ifindex], &info, model->now_ns);
	if (refused(r))
		return;
	assert_int_equal(r, from ? 0 : -ENOENT);
	if (!from || from == to)
		return;
	moved = *from;
	if (to->live) {
		*from = *to;
	} else {
		*from = (struct series){ 0 };
		if (to->exists) {
			moved.packets += to->packets;
			moved.flows += to->flows;
			moved.created_ns = to->created_ns;
		}
	}
	*to = moved;
}

static void step_token(struct model *model, struct pe_registry *registry)
{
	const int ifindex = 1 + (int)draw(model, INDEXES);
	struct series *s = model_live(model, ifindex);
	unsigned int token = new_token(model);
	uint32_t taken = take_token(token);
	int r;

	maybe_refuse(model);
	r = pe_registry_set_token(registry, held[ifindex], taken);
	if (refused(r) || !s) {
		assert_int_equal(r, s ? -ENOMEM : -ENOENT);
		give_token_up(token);
		return;
	}
	assert_int_equal(r, 0);
	s->token = token;
	s->flows_token = token;
}

static void step_remove(struct model *model, struct pe_registry *registry)
{
	const int ifindex = 1 + (int)draw(model, INDEXES);
	struct series *s = model_live(model, ifindex);
	size_t departed;

	/* This is never refused: what cannot be carried stays in its token. */
	maybe_refuse(model);
	assert_int_equal(remove_iface(registry, ifindex, model->now_ns), s ? 0 : -ENOENT);
	malloc_failure_after = -1;
	if (!s)
		return;
	s->live = false;
	s->token = 0;
	s->departed_ns = model->now_ns;
	s->order = model->order++;
	s = model_oldest(model, &departed);
	if (departed > DEPARTED) {
		model_fold(model, s);
		model->early++;
	}
}

static void step_expire(struct model *model, struct pe_registry *registry)
{
	uint64_t next_ns, expect_next_ns = 0;
	struct series *s;
	size_t folded = 0;

	while ((s = model_oldest(model, NULL))) {
		expect_next_ns = s->departed_ns + RETENTION * PE_NS_PER_S;
		if (expect_next_ns > model->now_ns)
			break;
		expect_next_ns = 0;
		model_fold(model, s);
		folded++;
	}
	assert_int_equal(pe_registry_expire(registry, model->now_ns, &next_ns), folded);
	assert_int_equal(next_ns, expect_next_ns);
}

static void step_count(struct model *model)
{
	struct series *s = &model->series[draw(model, NAMES)];
	uint64_t packets = draw(model, 1000);

	if (s->token) {
		source_count(s->token, packets);
		s->packets += packets;
		model->total += packets;
	}
	if (s->exists && s->flows_token) {
		source_flows(s->flows_token, packets + 1);
		s->flows += packets + 1;
	}
}

static void check(struct model *model, struct pe_registry *registry)
{
	struct pe_snapshot *snapshot = collect(registry);
	uint64_t sum = 0;
	size_t i, n = 0;
	char name[IFNAMSIZ];

	for (i = 0; i < NAMES; i++) {
		const struct series *s = &model->series[i];
		const struct pe_iface_sample *iface = &snapshot->ifaces[n];
		const struct pe_flow_stats *stats;

		if (!s->exists)
			continue;
		assert_true(n++ < snapshot->iface_count);
		name_of(i, name);
		assert_string_equal(iface->info.name, name);
		assert_int_equal(iface->departed, !s->live);
		assert_int_equal(iface->body.created_ns, s->created_ns);
		assert_int_equal(pe_row_total(&iface->body.row[PE_INGRESS]).packets, s->packets);
		sum += s->packets;
		stats = iface->body.flows.proto[PE_PROTO_TCP];
		assert_int_equal(stats ? stats->flows[PE_INGRESS] : 0, s->flows);
	}
	assert_int_equal(n, snapshot->iface_count);
	assert_int_equal(sum + model->folded_packets, model->total);
	assert_int_equal(pe_row_total(&snapshot->host->body.row[PE_INGRESS]).packets, model->total);
	assert_int_equal(snapshot->self.departed_early, model->early);
	pe_snapshot_unref(snapshot);
}

static void play_history(uint64_t seed)
{
	struct pe_registry *registry = new_registry(RETENTION, DEPARTED);
	struct model model = { .random = seed, .next_token = 1 };
	size_t i;

	for (i = 0; i < STEPS; i++) {
		switch (draw(&model, 8)) {
		case 0:
		case 1:
			step_add(&model, registry);
			break;
		case 2:
			step_rename(&model, registry);
			break;
		case 3:
			step_token(&model, registry);
			break;
		case 4:
			step_remove(&model, registry);
			break;
		case 5:
			step_expire(&model, registry);
			break;
		default:
			step_count(&model);
			break;
		}
		model.now_ns += draw(&model, 5) * PE_NS_PER_S;
		check(&model, registry);
	}
	/* The history was worth something. */
	assert_true(model.total > 0 && model.folded > 50 && model.early > 0);
	pe_registry_free(registry);
	assert_all_released();
}

static void test_random_histories(void **state)
{
	uint64_t seed;

	for (seed = 1; seed <= HISTORIES; seed++)
		play_history(seed * UINT64_C(0x9e3779b97f4a7c15));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
