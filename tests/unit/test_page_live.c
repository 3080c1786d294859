/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rates and their history: of whom, between which samples, and what is kept how long. */
#include <math.h>
#include <pthread.h>

#include "malloc-failure.h"
#include "page-scene.h"

#define NAMES 40 /* of the model */

static struct scene scene;

static struct pe_live *new_live(void)
{
	const struct pe_page_options options = scene_options(&scene);
	struct pe_live *live;

	scene = (struct scene){ 0 };
	assert_int_equal(pe_live_new(&options, &live), 0);
	return live;
}

static void free_live(struct pe_live *live)
{
	/* It has given its reference back. */
	pe_live_free(live);
	if (scene.next)
		assert_int_equal(scene.next->references, 1);
	scene_set(&scene, NULL);
}

/* A look at one interface, whose counters are these. */
static struct pe_live_view look_at(struct pe_live *live, const struct scene_item *item)
{
	struct pe_live_view view;

	scene_set(&scene, scene_snapshot(item, 1, item, 1));
	assert_int_equal(pe_live_lock(live, &view), 0);
	pe_live_unlock(live);
	return view;
}

static void assert_near(double value, double expected)
{
	if (fabs(value - expected) > fabs(expected) / 500)
		fail_msg("%g is not %g", value, expected);
}

static void assert_rate(const struct pe_live_track *track, double in_bits, double in_packets,
			double out_bits, double out_packets)
{
	const struct pe_live_rate rate = pe_live_rate(track);

	assert_near(rate.bits[PE_INGRESS], in_bits);
	assert_near(rate.packets[PE_INGRESS], in_packets);
	assert_near(rate.bits[PE_EGRESS], out_bits);
	assert_near(rate.packets[PE_EGRESS], out_packets);
}

/* Points from the newest back, of ingress; a negative number is unknown, as are all before. */
static void assert_points(const struct pe_live *live, const struct pe_live_track *track,
			  const double *point, size_t count)
{
	for (size_t i = 0; i < PE_LIVE_POINTS; i++) {
		const double value = pe_live_point(live, track, PE_LIVE_POINTS - 1 - i, PE_INGRESS);

		if (i >= count || point[i] < 0)
			assert_near(value, -1);
		else
			assert_near(value, point[i]);
	}
}

/* ---- rates ---- */

static void test_rates(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", scene_now_ns - 10 * S, { 100, 5000 }, { 20, 1000 });
	struct pe_live_view view = look_at(live, &item);

	assert_true(view.seconds <= 0);
	assert_rate(view.ifaces[0], 4000, 10, 800, 2);
	assert_rate(view.groups[0], 4000, 10, 800, 2);
	scene_pass(2 * S);
	item.count[PE_INGRESS] = (struct pe_count){ 300, 1005000 };
	view = look_at(live, &item);
	assert_near(view.seconds, 2);
	assert_rate(view.ifaces[0], 4e6, 100, 0, 0);
	assert_rate(view.groups[0], 4e6, 100, 0, 0);
	scene_pass(S);
	view = look_at(live, &item);
	assert_rate(view.ifaces[0], 0, 0, 0, 0);
	/* Of nothing there is none. */
	assert_rate(NULL, 0, 0, 0, 0);
	assert_near(pe_live_point(live, NULL, 0, PE_INGRESS), -1);
	free_live(live);
}

static void test_no_time_has_passed(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", scene_now_ns, { 1, 60 });
	struct pe_live_view view = look_at(live, &item);

	assert_rate(view.ifaces[0], 0, 0, 0, 0);
	/* The wall clock was set back since it appeared. */
	item.created_ns = scene_now_ns + 5 * S;
	scene_pass(S);
	view = look_at(live, &item);
	assert_rate(view.ifaces[0], 0, 0, 0, 0);
	free_live(live);
}

static void test_large(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", 0, { 0, 0 });
	struct pe_live_view view = look_at(live, &item);

	scene_pass(S);
	item.count[PE_INGRESS] = (struct pe_count){ UINT64_MAX, UINT64_MAX };
	view = look_at(live, &item);
	assert_near(pe_live_rate(view.ifaces[0]).bits[PE_INGRESS], 8 * 0x1p64);
	/* More than any card: the line ends at its top. */
	assert_true(pe_live_point(live, view.ifaces[0], PE_LIVE_POINTS - 1, PE_INGRESS) > 0x1p62);
	free_live(live);
}

static void test_one_sample_a_second(void **state)
{
	struct pe_live *live = new_live();
	const struct scene_item item = ITEM("veth0", 0, { 1, 60 });
	struct pe_live_view view;

	look_at(live, &item);
	for (int viewer = 0; viewer < 100; viewer++) {
		scene_pass(8 * PE_NS_PER_MS);
		assert_int_equal(pe_live_lock(live, &view), 0);
		assert_ptr_equal(view.snapshot, scene.next);
		pe_live_unlock(live);
	}
	assert_int_equal(scene.taken, 1);
	scene_pass(100 * PE_NS_PER_MS);
	look_at(live, &item);
	assert_int_equal(scene.taken, 2);
	free_live(live);
}

static void test_no_snapshot(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", 0, { 0, 0 });
	struct pe_live_view view;

	scene.error = -EBUSY;
	assert_int_equal(pe_live_lock(live, &view), -EBUSY);
	scene.error = 0;
	look_at(live, &item);
	scene_pass(S);
	scene.error = -ENOMEM;
	assert_int_equal(pe_live_lock(live, &view), -ENOMEM);
	/* It goes on where it was. */
	scene.error = 0;
	scene_pass(S);
	item.count[PE_INGRESS] = (struct pe_count){ 2, 2000 };
	view = look_at(live, &item);
	assert_near(view.seconds, 2);
	assert_rate(view.ifaces[0], 8000, 1, 0, 0);
	free_live(live);
}

/* ---- history ---- */

/* To the begin of a point. */
static void align_clock(void)
{
	scene_now_ns += 5 * S - scene_now_ns % (5 * S);
}

static void test_history(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", 0, { 0, 0 }, { 0, 0 });
	struct pe_live_view view;

	align_clock();
	/* 1000 bytes in the first second, 2000 in the second, and so on. */
	for (unsigned int second = 0; second < 12; second++, scene_pass(S)) {
		item.count[PE_INGRESS].bytes += 1000 * second;
		item.count[PE_EGRESS].bytes += 10;
		view = look_at(live, &item);
	}
	/* Seconds 1 to 4, 5 to 9, and 10 and 11 of the point at hand. */
	assert_points(live, view.ifaces[0], (double[]){ 84e3, 56e3, 20e3 }, 3);
	assert_points(live, view.groups[0], (double[]){ 84e3, 56e3, 20e3 }, 3);
	assert_near(pe_live_point(live, view.ifaces[0], PE_LIVE_POINTS - 1, PE_EGRESS), 80);
	free_live(live);
}

static void test_gaps(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", 0, { 0, 0 });
	struct pe_live_view view;
	double all[PE_LIVE_POINTS];

	align_clock();
	look_at(live, &item);
	scene_pass(S);
	item.count[PE_INGRESS].bytes += 1000;
	look_at(live, &item);
	/* Nobody looks for four points: they have the average. */
	scene_pass(20 * S);
	item.count[PE_INGRESS].bytes += 100000;
	view = look_at(live, &item);
	assert_points(live, view.ifaces[0], (double[]){ 40e3, 40e3, 40e3, 40e3, 8e3 }, 5);
	/* For longer than the history. */
	scene_pass(1000 * S);
	item.count[PE_INGRESS].bytes += 1000000;
	view = look_at(live, &item);
	for (size_t i = 0; i < PE_LIVE_POINTS; i++)
		all[i] = 8000;
	assert_points(live, view.ifaces[0], all, PE_LIVE_POINTS);
	free_live(live);
}

/* What comes up between two samples was all counted since the first of them. */
static void test_appeared(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item items[] = {
		ITEM("a-new", 0, { 8, 500 }),
		ITEM("b-old", 0, { 50, 9000 }),
		ITEM("c-known", 0, { 1, 60 }),
	};
	struct pe_live_view view;

	align_clock();
	look_at(live, &items[2]);
	scene_pass(S);
	items[0].created_ns = scene_now_ns - S / 2;
	scene_set(&scene, scene_snapshot(items, 3, NULL, 0));
	assert_int_equal(pe_live_lock(live, &view), 0);
	assert_rate(view.ifaces[0], 8000, 16, 0, 0);
	assert_points(live, view.ifaces[0], (double[]){ 4000 }, 1);
	/* Renamed, perhaps: what it had counted before is no part of this history. */
	assert_points(live, view.ifaces[1], NULL, 0);
	assert_points(live, view.ifaces[2], (double[]){ 0 }, 1);
	pe_live_unlock(live);
	free_live(live);
}

/* ---- names that come and go ---- */

static void test_departed_and_back(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", scene_now_ns, { 0, 0 });
	struct pe_live_view view;

	align_clock();
	look_at(live, &item);
	scene_pass(S);
	item.count[PE_INGRESS] = (struct pe_count){ 10, 1000 };
	item.departed = true;
	view = look_at(live, &item);
	assert_null(view.ifaces[0]);
	assert_rate(view.groups[0], 8000, 10, 0, 0);
	/* The same series goes on; of the time between nothing is known. */
	scene_pass(S);
	item.departed = false;
	item.created_ns = scene_now_ns - 10 * S;
	view = look_at(live, &item);
	assert_rate(view.ifaces[0], 800, 1, 0, 0);
	assert_points(live, view.ifaces[0], NULL, 0);
	scene_pass(S);
	item.count[PE_INGRESS] = (struct pe_count){ 12, 1100 };
	view = look_at(live, &item);
	assert_rate(view.ifaces[0], 800, 2, 0, 0);
	free_live(live);
}

/* Another interface of the same name has other counters, which say it in one way or another. */
static void test_others(void **state)
{
	static const struct {
		struct pe_count in, out;
		uint64_t age_ns;
	} others[] = {
		{ { 99, 5000 }, { 50, 3000 }, 100 * S },  /* fewer packets in */
		{ { 200, 1999 }, { 50, 3000 }, 100 * S }, /* fewer bytes in */
		{ { 200, 5000 }, { 49, 3000 }, 100 * S }, /* out */
		{ { 200, 5000 }, { 70, 2999 }, 100 * S },
		{ { 200, 5000 }, { 70, 5000 }, 3 * S }, /* younger than the time between */
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct pe_live *live = new_live();
		struct scene_item item =
			ITEM("veth0", scene_now_ns - 60 * S, { 100, 2000 }, { 50, 3000 });
		struct pe_live_view view = look_at(live, &item);
		const double s = (double)others[i].age_ns / S;

		scene_pass(40 * S);
		item.created_ns = scene_now_ns - others[i].age_ns;
		item.count[PE_INGRESS] = others[i].in;
		item.count[PE_EGRESS] = others[i].out;
		view = look_at(live, &item);
		assert_rate(view.ifaces[0], 8 * (double)others[i].in.bytes / s,
			    (double)others[i].in.packets / s, 8 * (double)others[i].out.bytes / s,
			    (double)others[i].out.packets / s);
		free_live(live);
	}
}

struct model {
	char name[16];
	bool there, was_there;
	struct scene_item item;
	uint64_t added; /* bytes since the sample before */
};

static void check_model(struct model *model, struct pe_live_track *const *tracks)
{
	size_t n = 0;

	for (size_t i = 0; i < NAMES; i++) {
		const double age_s = (double)(scene_now_ns - model[i].item.created_ns) / S;

		if (!model[i].there)
			continue;
		if (model[i].was_there)
			assert_near(pe_live_rate(tracks[n]).bits[PE_INGRESS],
				    8 * (double)model[i].added);
		else
			assert_near(pe_live_rate(tracks[n]).bits[PE_INGRESS],
				    8 * (double)model[i].item.count[PE_INGRESS].bytes / age_s);
		n++;
	}
}

/* Tracks stay with their names, whoever comes between them. */
static void test_names(void **state)
{
	struct pe_live *live = new_live();
	struct model model[NAMES] = { 0 };
	struct scene_item items[NAMES];
	struct pe_live_view view;

	srand(1);
	for (size_t i = 0; i < NAMES; i++) {
		/* Some are the beginning of others, some above 0x7f. */
		snprintf(model[i].name, sizeof(model[i].name), "%c%.*s", (int)('!' + i * 5),
			 (int)(i % 3), "zz");
		model[i].item = (struct scene_item)ITEM(model[i].name, scene_now_ns);
	}
	for (int sample = 0; sample < 300; sample++) {
		size_t n = 0;

		scene_pass(S);
		for (size_t i = 0; i < NAMES; i++) {
			model[i].was_there = model[i].there;
			model[i].there = rand() % 4;
			model[i].added = (uint64_t)rand() % 1000;
			model[i].item.count[PE_INGRESS].bytes += model[i].added;
			if (model[i].there)
				items[n++] = model[i].item;
		}
		scene_set(&scene, scene_snapshot(items, n, items, n));
		assert_int_equal(pe_live_lock(live, &view), 0);
		check_model(model, view.ifaces);
		check_model(model, view.groups);
		pe_live_unlock(live);
	}
	free_live(live);
}

/* ---- what is kept ---- */

static void test_tick(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", scene_now_ns - 100 * S, { 0, 0 });
	struct pe_live_view view;

	pe_live_tick(live);
	align_clock();
	look_at(live, &item);
	scene_pass(4 * S);
	pe_live_tick(live);
	assert_int_equal(scene.next->references, 2);
	scene_pass(S);
	pe_live_tick(live);
	assert_int_equal(scene.next->references, 1);
	/* The tracks are still there. */
	item.count[PE_INGRESS].bytes = 60000;
	view = look_at(live, &item);
	assert_rate(view.ifaces[0], 96000, 0, 0, 0);
	scene_pass(300 * S);
	pe_live_tick(live);
	assert_int_equal(scene.next->references, 1);
	view = look_at(live, &item);
	assert_true(view.seconds <= 0);
	assert_points(live, view.ifaces[0], NULL, 0);
	/* Who looks is not disturbed. */
	assert_int_equal(pe_live_lock(live, &view), 0);
	scene_pass(1000 * S);
	pe_live_tick(live);
	assert_int_equal(scene.next->references, 2);
	pe_live_unlock(live);
	free_live(live);
}

/* As many interfaces and groups as the documents promise for. */
static struct pe_snapshot *many(void)
{
	static char names[1024][32];
	static struct scene_item items[1024];

	for (size_t i = 0; i < 1024; i++) {
		snprintf(names[i], sizeof(names[i]), "veth%04zu-of-a-longer-name", i);
		items[i] = (struct scene_item)ITEM(names[i], 0, { i, 60 * i });
	}
	return scene_snapshot(items, 1024, items, 1024);
}

static void test_memory(void **state)
{
	struct pe_live *live;
	struct pe_live_view view;
	size_t before;

	if (!malloc_failure_works)
		return;
	live = new_live();
	scene_set(&scene, many());
	before = mallinfo2().uordblks;
	assert_int_equal(pe_live_lock(live, &view), 0);
	pe_live_unlock(live);
	assert_in_range(mallinfo2().uordblks - before, 1, 1 << 20);
	scene_pass(S);
	assert_int_equal(pe_live_lock(live, &view), 0);
	pe_live_unlock(live);
	assert_in_range(mallinfo2().uordblks - before, 1, 1 << 20);
	scene_pass(300 * S);
	pe_live_tick(live);
	assert_int_equal(mallinfo2().uordblks, before);
	free_live(live);
}

/* A look for which an allocation fails, and one more that knows what it saw. Returns what the first
 * one did. */
static int look_without_memory(struct pe_live *live, long after)
{
	struct pe_live_view view;
	int r;

	malloc_failure_after = after;
	r = pe_live_lock(live, &view);
	malloc_failure_after = -1;
	if (r == 0) {
		pe_live_unlock(live);
		return r;
	}
	assert_int_equal(r, -ENOMEM);
	assert_int_equal(scene.next->references, 1);
	assert_int_equal(pe_live_lock(live, &view), 0);
	pe_live_unlock(live);
	scene_pass(S);
	malloc_failure_after = after % 2;
	assert_int_equal(pe_live_lock(live, &view), -ENOMEM);
	malloc_failure_after = -1;
	return r;
}

static void test_memory_refused(void **state)
{
	struct pe_live *live = new_live();
	const struct scene_item items[] = {
		ITEM("a", 0, { 1, 60 }),
		ITEM("b", 0, { 2, 120 }),
		{ .name = "c", .departed = true },
	};
	int r = malloc_failure_works ? -ENOMEM : 0;
	long after;

	scene_set(&scene, scene_snapshot(items, 3, items, 2));
	for (after = 0; r < 0; after++) {
		const long held = malloc_failure_held;

		r = look_without_memory(live, after);
		if (r < 0)
			assert_int_equal(malloc_failure_held, held);
	}
	if (malloc_failure_works)
		assert_in_range(after, 6, 20);
	free_live(live);
}

/* ---- threads ---- */

static void *look_often(void *userdata)
{
	struct pe_live *live = userdata;
	struct pe_live_view view;
	bool fine = true;

	for (int i = 0; i < 500; i++) {
		scene_pass(10 * PE_NS_PER_MS);
		if (pe_live_lock(live, &view) < 0)
			return live;
		for (size_t n = 0; n < view.snapshot->iface_count; n++)
			fine = fine && pe_live_rate(view.ifaces[n]).bits[PE_EGRESS] >= 0 &&
			       pe_live_point(live, view.groups[n], 0, PE_EGRESS) >= -1;
		pe_live_unlock(live);
		pe_live_tick(live);
	}
	return fine ? NULL : live;
}

static void test_threads(void **state)
{
	struct pe_live *live = new_live();
	const struct scene_item items[] = { ITEM("a", 0, { 1, 60 }), ITEM("b", 0, { 2, 120 }) };
	const uint64_t begin_ns = scene_now_ns;
	pthread_t thread[4];
	void *failed;

	scene_set(&scene, scene_snapshot(items, 2, items, 2));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, look_often, live), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
	assert_in_range(scene.taken, 2, 1 + (scene_now_ns - begin_ns) / (900 * PE_NS_PER_MS));
	free_live(live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_no_time_has_passed),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_one_sample_a_second),
		cmocka_unit_test(test_no_snapshot),
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_appeared),
		cmocka_unit_test(test_departed_and_back),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_tick),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_refused),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
