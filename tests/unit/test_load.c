/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When an interface counts as busy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pe/clock.h"

#include "../../src/iface/load.h"

struct scene {
	struct pe_load load;
	struct pe_row received;
	uint64_t now_ns;
};

/* One round, `ms` later, after so much traffic a second. */
static bool play(struct scene *scene, uint64_t ms, uint64_t packets, uint64_t bytes)
{
	scene->now_ns += ms * PE_NS_PER_MS;
	scene->received.class[0].packets += packets * ms / 1000;
	scene->received.class[0].bytes += bytes * ms / 1000;
	return pe_load_update(&scene->load, scene->now_ns, &scene->received);
}

static struct scene begin(void)
{
	/* What it had counted before is no load. */
	struct scene scene = { .now_ns = PE_NS_PER_S,
			       .received.class[0] = { UINT64_C(1) << 40, 1 } };

	assert_false(play(&scene, 0, 0, 0));
	return scene;
}

static void test_busy(void **state)
{
	struct scene scene = begin();

	assert_false(play(&scene, 1000, 990, 1 << 30));
	assert_true(play(&scene, 1000, 1010, 1010 * 60));
	scene = begin();
	assert_false(play(&scene, 2000, 990, 0));
	assert_true(play(&scene, 2000, 1010, 0));
}

/* More than a page each: a few are nothing, at whatever rate those of a page come. */
static void test_large(void **state)
{
	struct scene scene = begin();

	scene.received.size[6] += 10000;
	scene.received.size[7] += 10;
	scene.received.size[PE_SIZE_BUCKETS - 1] += 10;
	assert_false(play(&scene, 1000, 920, 40 << 20));
	scene.received.size[8] += 21;
	assert_true(play(&scene, 1000, 21, 21 * 10000));
	for (int i = 0; i < 9; i++)
		assert_true(play(&scene, 1000, 10, 1000));
	assert_false(play(&scene, 1000, 10, 1000));
}

static void test_calm(void **state)
{
	struct scene scene = begin();

	assert_true(play(&scene, 1000, 2000, 0));
	/* Not while it is less busy only, */
	for (int i = 0; i < 20; i++)
		assert_true(play(&scene, 1000, 300, 0));
	/* nor when calm is interrupted, */
	for (int i = 0; i < 9; i++)
		assert_true(play(&scene, 1000, 10, 1000));
	assert_true(play(&scene, 1000, 300, 0));
	for (int i = 0; i < 9; i++)
		assert_true(play(&scene, 1000, 10, 1000));
	/* but when it has lasted. */
	assert_false(play(&scene, 1000, 10, 1000));
	assert_false(play(&scene, 1000, 10, 1000));
	assert_true(play(&scene, 1000, 2000, 0));
}

/* A round too soon after the last one changes nothing. */
static void test_soon(void **state)
{
	struct scene scene = begin();

	assert_false(play(&scene, 10, 1000000, 0));
	assert_true(play(&scene, 990, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_calm),
		cmocka_unit_test(test_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
