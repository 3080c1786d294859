/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rates and their history: of whom, and between which samples. */
#include "live-scene.h"

#define NAMES 40 /* of the model */

/* ---- rates ---- */

static void test_rates(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", scene_now_ns - 10 * S, { 100, 5000 }, { 20, 1000 });
	const struct pe_live_view *view = look_at(live, &item);

	assert_true(view->seconds <= 0);
	assert_rate(view->ifaces.item[0], 4000, 10, 800, 2);
	assert_rate(view->groups.item[0], 4000, 10, 800, 2);
	scene_pass(2 * S);
	item.count[PE_INGRESS] = (struct pe_count){ 300, 1005000 };
	view = look_at(live, &item);
	assert_near(view->seconds, 2);
	assert_rate(view->ifaces.item[0], 4e6, 100, 0, 0);
	assert_rate(view->groups.item[0], 4e6, 100, 0, 0);
	scene_pass(S);
	view = look_at(live, &item);
	assert_rate(view->ifaces.item[0], 0, 0, 0, 0);
	/* Of nothing there is none. */
	assert_rate(NULL, 0, 0, 0, 0);
	assert_near(pe_live_point(live, NULL, 0, PE_INGRESS), -1);
	free_live(live);
}

static void test_no_time_has_passed(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", scene_now_ns, { 1, 60 });
	const struct pe_live_view *view = look_at(live, &item);

	assert_rate(view->ifaces.item[0], 0, 0, 0, 0);
	/* The wall clock was set back since it appeared. */
	item.created_ns = scene_now_ns + 5 * S;
	scene_pass(S);
	view = look_at(live, &item);
	assert_rate(view->ifaces.item[0], 0, 0, 0, 0);
	free_live(live);
}

static void test_large(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", 0, { 0, 0 });
	const struct pe_live_view *view = look_at(live, &item);

	scene_pass(S);
	item.count[PE_INGRESS] = (struct pe_count){ UINT64_MAX, UINT64_MAX };
	view = look_at(live, &item);
	assert_near(pe_live_rate(view->ifaces.item[0]).bits[PE_INGRESS], 8 * 0x1p64);
	/* More than any card: the line ends at its top. */
	assert_true(pe_live_point(live, view->ifaces.item[0], PE_LIVE_POINTS - 1, PE_INGRESS) >
		    0x1p62);
	free_live(live);
}

static void test_one_sample_a_second(void **state)
{
	struct pe_live *live = new_live();
	const struct scene_item item = ITEM("veth0", 0, { 1, 60 });
	const struct pe_live_view *view;

	look_at(live, &item);
	for (int viewer = 0; viewer < 100; viewer++) {
		scene_pass(8 * PE_NS_PER_MS);
		assert_int_equal(pe_live_lock(live, &view), 0);
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
	const struct pe_live_view *view;

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
	assert_near(view->seconds, 2);
	assert_rate(view->ifaces.item[0], 8000, 1, 0, 0);
	free_live(live);
}

/* ---- history ---- */

static void test_history(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", 0, { 0, 0 }, { 0, 0 });
	const struct pe_live_view *view;

	align_clock();
	/* 1000 bytes in the first second, 2000 in the second, and so on. */
	for (unsigned int second = 0; second < 12; second++, scene_pass(S)) {
		item.count[PE_INGRESS].bytes += 1000 * second;
		item.count[PE_EGRESS].bytes += 10;
		view = look_at(live, &item);
	}
	/* Seconds 1 to 4, 5 to 9, and 10 and 11 of the point at hand. */
	assert_points(live, view->ifaces.item[0], (double[]){ 84e3, 56e3, 20e3 }, 3);
	assert_points(live, view->groups.item[0], (double[]){ 84e3, 56e3, 20e3 }, 3);
	assert_near(pe_live_point(live, view->ifaces.item[0], PE_LIVE_POINTS - 1, PE_EGRESS), 80);
	free_live(live);
}

static void test_gaps(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", 0, { 0, 0 });
	const struct pe_live_view *view;
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
	assert_points(live, view->ifaces.item[0], (double[]){ 40e3, 40e3, 40e3, 40e3, 8e3 }, 5);
	/* For longer than the history. */
	scene_pass(1000 * S);
	item.count[PE_INGRESS].bytes += 1000000;
	view = look_at(live, &item);
	for (size_t i = 0; i < PE_LIVE_POINTS; i++)
		all[i] = 8000;
	assert_points(live, view->ifaces.item[0], all, PE_LIVE_POINTS);
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
	const struct pe_live_view *view;

	align_clock();
	look_at(live, &items[2]);
	scene_pass(S);
	items[0].created_ns = scene_now_ns - S / 2;
	scene_set(&scene, scene_snapshot(items, 3, NULL, 0));
	assert_int_equal(pe_live_lock(live, &view), 0);
	assert_rate(view->ifaces.item[0], 8000, 16, 0, 0);
	assert_points(live, view->ifaces.item[0], (double[]){ 4000 }, 1);
	/* Renamed, perhaps: what it had counted before is no part of this history. */
	assert_points(live, view->ifaces.item[1], NULL, 0);
	assert_points(live, view->ifaces.item[2], (double[]){ 0 }, 1);
	pe_live_unlock(live);
	free_live(live);
}

/* ---- names that come and go ---- */

static void test_departed_and_back(void **state)
{
	struct pe_live *live = new_live();
	struct scene_item item = ITEM("veth0", scene_now_ns, { 0, 0 });
	const struct pe_live_view *view;

	align_clock();
	look_at(live, &item);
	scene_pass(S);
	item.count[PE_INGRESS] = (struct pe_count){ 10, 1000 };
	item.departed = true;
	view = look_at(live, &item);
	assert_false(pe_live_is_live(view->ifaces.item[0]));
	assert_rate(view->groups.item[0], 8000, 10, 0, 0);
	/* The same series goes on; of the time between nothing is known. */
	scene_pass(S);
	item.departed = false;
	item.created_ns = scene_now_ns - 10 * S;
	view = look_at(live, &item);
	assert_rate(view->ifaces.item[0], 800, 1, 0, 0);
	assert_points(live, view->ifaces.item[0], NULL, 0);
	scene_pass(S);
	item.count[PE_INGRESS] = (struct pe_count){ 12, 1100 };
	view = look_at(live, &item);
	assert_rate(view->ifaces.item[0], 800, 2, 0, 0);
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
		const struct pe_live_view *view = look_at(live, &item);
		const double s = (double)others[i].age_ns / S;

		scene_pass(40 * S);
		item.created_ns = scene_now_ns - others[i].age_ns;
		item.count[PE_INGRESS] = others[i].in;
		item.count[PE_EGRESS] = others[i].out;
		view = look_at(live, &item);
		assert_rate(view->ifaces.item[0], 8 * (double)others[i].in.bytes / s,
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

static void check_model(struct model *model, const struct pe_live_items *items)
{
	size_t n = 0;

	for (size_t i = 0; i < NAMES; i++) {
		const double age_s = (double)(scene_now_ns - model[i].item.created_ns) / S;

		if (!model[i].there)
			continue;
		if (model[i].was_there)
			assert_near(pe_live_rate(items->item[n]).bits[PE_INGRESS],
				    8 * (double)model[i].added);
		else
			assert_near(pe_live_rate(items->item[n]).bits[PE_INGRESS],
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
	const struct pe_live_view *view;

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
		check_model(model, &view->ifaces);
		check_model(model, &view->groups);
		pe_live_unlock(live);
	}
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
