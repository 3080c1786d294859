/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accumulators: one contributor feeds several, from every source, and nothing is counted twice. */
#include "registry-source.h"

#include "../../src/series/accumulator.h"
#include "malloc-failure.h"

static const struct pe_counter_sources sources = {
	.source = counter_sources,
	.count = 2,
	.all = 3,
	.late = 1,
	.userdata = &source,
};

/* A host, a group and two interfaces that feed both. */
struct scene {
	struct pe_accumulator host, group, iface[2];
	struct pe_contributor contributor[2];
};

static void setup_scene(struct scene *scene)
{
	memset(scene, 0, sizeof(*scene));
	source_reset();
	for (unsigned int i = 0; i < 2; i++) {
		struct pe_contributor *contributor = &scene->contributor[i];

		pe_contributor_set_token(&sources, contributor, take_token(i + 1));
		pe_feed_connect(contributor, PE_LEVEL_HOST, &scene->host);
		pe_feed_connect(contributor, PE_LEVEL_GROUP, &scene->group);
		pe_feed_connect(contributor, PE_LEVEL_INTERFACE, &scene->iface[i]);
	}
}

static void finish_scene(struct scene *scene)
{
	for (unsigned int i = 0; i < 2; i++) {
		pe_contributor_release(&sources, &scene->contributor[i], sources.all);
		for (enum pe_level level = 0; level < PE_LEVELS; level++)
			pe_feed_disconnect(&scene->contributor[i], level);
		pe_accumulator_fini(&scene->iface[i]);
	}
	assert_null(scene->host.feeds);
	assert_null(scene->group.feeds);
	pe_accumulator_fini(&scene->host);
	pe_accumulator_fini(&scene->group);
	assert_all_released();
}

static void add_left(struct pe_accumulator *accumulator, struct pe_arena *arena)
{
	struct pe_series_body left;

	pe_accumulator_left(accumulator, &left);
	assert_int_equal(pe_series_body_add(accumulator->sample, &left, arena), 0);
}

static void expect(const struct pe_series_body *body, uint64_t packets, uint64_t flows,
		   uint64_t active)
{
	const struct pe_flow_stats *stats = body->flows.proto[PE_PROTO_TCP];

	assert_int_equal(pe_row_total(&body->row[PE_INGRESS]).packets, packets);
	assert_int_equal(pe_row_total(&body->row[PE_INGRESS]).bytes, packets * 100);
	assert_int_equal(source_drops(body), packets);
	assert_int_equal(source_queries(body), packets);
	assert_int_equal(stats ? stats->flows[PE_INGRESS] : 0, flows);
	assert_int_equal(body->flows.active, active);
}

/* What a snapshot has of each interface; host and group have their sum. */
static void expect_all(struct scene *scene, const uint64_t packets[2], const uint64_t flows[2],
		       const uint64_t active[2])
{
	struct pe_series_body host = { 0 }, group = { 0 }, iface[2] = { { 0 }, { 0 } };
	struct pe_arena *arena;

	assert_int_equal(pe_arena_new(&arena), 0);
	scene->host.sample = &host;
	scene->group.sample = &group;
	for (unsigned int i = 0; i < 2; i++) {
		scene->iface[i].sample = &iface[i];
		assert_int_equal(pe_contributor_collect(&sources, &scene->contributor[i], arena),
				 0);
		add_left(&scene->iface[i], arena);
		expect(&iface[i], packets[i], flows[i], active[i]);
	}
	add_left(&scene->host, arena);
	add_left(&scene->group, arena);
	expect(&host, packets[0] + packets[1], flows[0] + flows[1], active[0] + active[1]);
	assert_memory_equal(host.row, group.row, sizeof(host.row));
	expect(&group, packets[0] + packets[1], flows[0] + flows[1], active[0] + active[1]);
	pe_arena_free(arena);
}

#define ALL(scene, p0, p1, f0, f1, a0, a1) \
	expect_all(scene, (uint64_t[]){ p0, p1 }, (uint64_t[]){ f0, f1 }, (uint64_t[]){ a0, a1 })

static void test_one_contributor_feeds_several(void **state)
{
	struct scene scene;

	setup_scene(&scene);
	ALL(&scene, 0, 0, 0, 0, 0, 0);
	source_count(1, 5);
	source_count(2, 7);
	source_flows(2, 3);
	ALL(&scene, 5, 7, 0, 3, 0, 3);
	finish_scene(&scene);
}

/* The rows end with the interface, the flows go on; what was left stays. */
static void test_carried_over_by_source(void **state)
{
	struct pe_contributor *contributor;
	struct scene scene;

	setup_scene(&scene);
	contributor = &scene.contributor[0];
	source_count(1, 5);
	source_count(2, 7);
	source_flows(1, 2);
	contributor->departed = true;
	assert_int_equal(pe_contributor_carry_over(&sources, contributor, ~sources.late), 0);
	assert_int_equal(source.token[1].rows, RELEASED);
	assert_int_equal(source.token[1].flows, HELD);
	ALL(&scene, 5, 7, 2, 0, 0, 0);
	source_flows(1, 4);
	ALL(&scene, 5, 7, 6, 0, 0, 0);
	assert_int_equal(pe_contributor_carry_over(&sources, contributor, sources.all), 0);
	assert_int_equal(source.token[1].flows, RELEASED);
	ALL(&scene, 5, 7, 6, 0, 0, 0);
	pe_contributor_set_token(&sources, contributor, take_token(3));
	source_count(3, 1);
	ALL(&scene, 6, 7, 6, 0, 0, 0);
	finish_scene(&scene);
}

/* Wherever memory is refused, all that it feeds are as before. */
static void test_refused_memory(void **state)
{
	struct pe_contributor *contributor;
	struct scene scene;
	long refused = 0;
	int r;

	if (!malloc_failure_works)
		return;
	setup_scene(&scene);
	contributor = &scene.contributor[1];
	source_count(2, 7);
	source_flows(2, 3);
	do {
		malloc_failure_after = refused++;
		r = pe_contributor_carry_over(&sources, contributor, sources.all);
		malloc_failure_after = -1;
		ALL(&scene, 0, 7, 0, 3, 0, r == 0 ? 0 : 3);
	} while (r == -ENOMEM);
	assert_int_equal(r, 0);
	/* What was granted in vain is there the next time. */
	assert_in_range(refused, 5, 20);
	finish_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_contributor_feeds_several),
		cmocka_unit_test(test_carried_over_by_source),
		cmocka_unit_test(test_refused_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
