/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page without a server: the clock and the snapshots are the test's. For programs that are
 * linked with --wrap=pe_clock_monotonic_ns.
 */
#ifndef PE_TESTS_PAGE_SCENE_H
#define PE_TESTS_PAGE_SCENE_H

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pe/arena.h"
#include "pe/clock.h"
#include "pe/page.h"
#include "pe/sample.h"

#include "../../src/web/page/live.h"

#define S PE_NS_PER_S

#define SCENE_WALL_NS (UINT64_C(1700000000) * PE_NS_PER_S) /* when the monotonic clock was 0 */

static uint64_t scene_now_ns = 1000 * S; /* atomic */

uint64_t __wrap_pe_clock_monotonic_ns(void);

uint64_t __wrap_pe_clock_monotonic_ns(void)
{
	return __atomic_load_n(&scene_now_ns, __ATOMIC_RELAXED);
}

static inline void scene_pass(uint64_t ns)
{
	__atomic_add_fetch(&scene_now_ns, ns, __ATOMIC_RELAXED);
}

struct scene {
	struct pe_snapshot *next; /* with a reference of the scene's */
	int error;		  /* in place of it */
	unsigned int taken;	  /* how often; atomic */
};

static inline int scene_take(struct pe_snapshot **ret_snapshot, void *userdata)
{
	struct scene *scene = userdata;

	__atomic_add_fetch(&scene->taken, 1, __ATOMIC_RELAXED);
	if (scene->error)
		return scene->error;
	*ret_snapshot = pe_snapshot_ref(scene->next);
	return 0;
}

static inline struct pe_page_options scene_options(struct scene *scene)
{
	return (struct pe_page_options){
		.telemetry_path = "/metrics",
		.snapshot = scene_take,
		.userdata = scene,
	};
}

/* The scene's next snapshot, which it takes over; NULL for none. */
static inline void scene_set(struct scene *scene, struct pe_snapshot *snapshot)
{
	pe_snapshot_unref(scene->next);
	scene->next = snapshot;
}

/* ---- snapshots ---- */

/* A live interface or a group, unless it departed. Sorted by name in a list. */
struct scene_item {
	const char *name;
	uint64_t created_ns; /* monotonic */
	struct pe_count count[PE_DIRECTIONS];
	bool departed;
};

/* An initialiser of a live one; what follows is its count by direction. */
#define ITEM(name_, created_ns_, ...)                                                   \
	{                                                                               \
		.name = (name_), .created_ns = (created_ns_), .count = { __VA_ARGS__ }, \
	}

static inline void scene_body(const struct scene_item *item, struct pe_series_body *body)
{
	body->created_ns = SCENE_WALL_NS + item->created_ns;
	/* In two classes, since totals are sums. */
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		struct pe_count *class = body->row[d].class;

		class[0] =
			(struct pe_count){ item->count[d].packets / 2, item->count[d].bytes / 2 };
		class[PE_CLASS_COUNT - 1] =
			(struct pe_count){ item->count[d].packets - class[0].packets,
					   item->count[d].bytes - class[0].bytes };
	}
}

/* Of now, with interfaces, and with groups whose workload is the name. */
static inline struct pe_snapshot *scene_snapshot(const struct scene_item *ifaces,
						 size_t iface_count,
						 const struct scene_item *groups,
						 size_t group_count)
{
	struct pe_snapshot *snapshot;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_snapshot_alloc_ifaces(snapshot, iface_count), 0);
	assert_int_equal(pe_snapshot_alloc_groups(snapshot, group_count), 0);
	snapshot->taken_ns = SCENE_WALL_NS + scene_now_ns;
	snapshot->group_by = PE_GROUP_BY_DEFAULT;
	for (size_t i = 0; i < iface_count; i++) {
		struct pe_iface_sample *iface = &snapshot->ifaces[i];

		snprintf(iface->info.name, sizeof(iface->info.name), "%s", ifaces[i].name);
		strcpy(iface->info.kind, "veth");
		iface->info.ifindex = (int)i + 1;
		iface->info.mode = PE_MODE_GENERIC;
		iface->departed = ifaces[i].departed;
		iface->departed_ns = iface->departed ? snapshot->taken_ns : 0;
		scene_body(&ifaces[i], &iface->body);
	}
	for (size_t i = 0; i < group_count; i++) {
		snapshot->groups[i].label[PE_GROUP_KIND] = "veth";
		snapshot->groups[i].label[PE_GROUP_WORKLOAD] =
			pe_arena_strdup(snapshot->arena, groups[i].name, SIZE_MAX - 1);
		assert_non_null(snapshot->groups[i].label[PE_GROUP_WORKLOAD]);
		scene_body(&groups[i], &snapshot->groups[i].body);
	}
	return snapshot;
}

#endif
