/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at interfaces whose counters and times are the test's. */
#ifndef PE_TESTS_LIVE_SCENE_H
#define PE_TESTS_LIVE_SCENE_H

#include <math.h>

#include "page-scene.h"

static struct scene scene;

static inline struct pe_live *new_live(void)
{
	const struct pe_page_options options = scene_options(&scene);
	struct pe_live *live;

	scene = (struct scene){ 0 };
	assert_int_equal(pe_live_new(&options, &live), 0);
	return live;
}

static inline void free_live(struct pe_live *live)
{
	/* It has given its reference back. */
	pe_live_free(live);
	if (scene.next)
		assert_int_equal(scene.next->references, 1);
	scene_set(&scene, NULL);
}

/* A look at one interface, whose counters are these. */
static inline const struct pe_live_view *look_at(struct pe_live *live,
						 const struct scene_item *item)
{
	const struct pe_live_view *view;

	scene_set(&scene, scene_snapshot(item, 1, item, 1));
	assert_int_equal(pe_live_lock(live, &view), 0);
	pe_live_unlock(live);
	return view;
}

/* To the begin of a point. */
static inline void align_clock(void)
{
	scene_now_ns += 5 * S - scene_now_ns % (5 * S);
}

static inline void assert_near(double value, double expected)
{
	if (fabs(value - expected) > fabs(expected) / 250)
		fail_msg("%g is not %g", value, expected);
}

static inline void assert_rate(const struct pe_live_item *item, double in_bits, double in_packets,
			       double out_bits, double out_packets)
{
	const struct pe_live_rate rate = pe_live_rate(item);

	assert_near(rate.bits[PE_INGRESS], in_bits);
	assert_near(rate.packets[PE_INGRESS], in_packets);
	assert_near(rate.bits[PE_EGRESS], out_bits);
	assert_near(rate.packets[PE_EGRESS], out_packets);
}

/* Points from the newest back, of ingress; a negative number is unknown, as are all before. */
static inline void assert_points(const struct pe_live *live, const struct pe_live_item *item,
				 const double *point, size_t count)
{
	for (size_t i = 0; i < PE_LIVE_POINTS; i++) {
		const double value = pe_live_point(live, item, PE_LIVE_POINTS - 1 - i, PE_INGRESS);

		if (i >= count || point[i] < 0)
			assert_near(value, -1);
		else
			assert_near(value, point[i]);
	}
}

#endif
