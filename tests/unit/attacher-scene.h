/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One interface and the attacher, on a kernel that watches each step (fake-kernel.h): for tests of
 * how it comes to be counted.
 */
#ifndef PE_TESTS_ATTACHER_SCENE_H
#define PE_TESTS_ATTACHER_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "pe/clock.h"

#include "../../src/iface/attacher.h"
#include "../../src/iface/policy.h"

#include "fake-kernel.h"

#define IFINDEX 7
#define LOWER	3

/* One interface, and what the attacher knows of it. */
struct scene {
	struct pe_options options;
	struct pe_attacher attacher;
	struct pe_attachment attachment;
	struct pe_link *link;
	bool ours_above;
	int below;	       /* 0: nothing is */
	unsigned int refusals; /* of announced tokens, before one is taken */
	unsigned int announced;
};

static inline bool has_above(const struct pe_link *link, void *userdata)
{
	return ((struct scene *)userdata)->ours_above;
}

static inline size_t list_below(const struct pe_link *link, int *ret_ifindex, void *userdata)
{
	const struct scene *scene = userdata;

	ret_ifindex[0] = link->ifindex;
	ret_ifindex[1] = scene->below;
	return scene->below ? 2 : 1;
}

/* Nothing else is above what the one interface is stacked on. */
static inline bool is_used(int ifindex, void *userdata)
{
	return ((struct scene *)userdata)->attachment.link_fd >= 0;
}

static inline bool is_current(void *userdata)
{
	return !fake.has_events;
}

static inline int announce(uint32_t token, void *userdata)
{
	struct scene *scene = userdata;

	return scene->announced++ < scene->refusals ? -EEXIST : 0;
}

static inline int setup(void **state)
{
	static struct scene scene;

	fake_reset(PE_XDP_AUTO);
	memset(&scene, 0, sizeof(scene));
	scene.options.max_interfaces = 16;
	scene.attachment = (struct pe_attachment)PE_ATTACHMENT_INIT;
	scene.attacher = (struct pe_attacher){
		.options = &scene.options,
		.relations = { has_above, list_below, is_used, is_current, &scene },
		.announce = announce,
		.userdata = &scene,
		.max_links = 8,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
	};
	*state = &scene;
	return 0;
}

/* Whatever happened, nothing of ours stays. */
static inline int teardown(void **state)
{
	struct scene *scene = *state;

	fake.may_lapse = true;
	pe_attacher_detach(&scene->attacher, &scene->attachment);
	assert_int_equal(scene->attacher.links, 0);
	assert_int_equal(fake.links, 0);
	pe_attacher_fini(&scene->attacher);
	assert_null(scene->attacher.offloads.item);
	return 0;
}

static inline struct fake_interface *add(struct scene *scene, enum pe_xdp_mode mode,
					 const char *kind)
{
	fake.mode = scene->options.xdp_mode = mode;
	scene->link = fake_add(IFINDEX, kind);
	return fake_find(IFINDEX);
}

static inline int begin(struct scene *scene)
{
	return pe_attacher_begin(&scene->attacher, scene->link, &scene->attachment);
}

static inline int advance(struct scene *scene)
{
	return pe_attacher_advance(&scene->attacher, scene->link, &scene->attachment);
}

static inline bool follow(struct scene *scene)
{
	return pe_attacher_follow(&scene->attacher, scene->link, &scene->attachment);
}

static inline int finish(struct scene *scene)
{
	return pe_attacher_finish(&scene->attacher, scene->link, &scene->attachment);
}

static inline bool yield(struct scene *scene, bool heavy)
{
	return pe_attacher_yield(&scene->attacher, scene->link, &scene->attachment, heavy);
}

static inline uint64_t errors(struct scene *scene, enum pe_attach_error error)
{
	struct pe_interfaces_stats stats;

	pe_attacher_get_stats(&scene->attacher, &stats);
	return stats.errors[error];
}

/* How it is counted, as it says and as it is. */
#define assert_way(scene, expected_mode, expected_reason)                                    \
	do {                                                                                 \
		const struct fake_interface *i_ = fake_find(IFINDEX);                        \
                                                                                             \
		assert_int_equal((scene)->attachment.mode, expected_mode);                   \
		assert_int_equal((scene)->attachment.reason, expected_reason);               \
		assert_int_equal(i_->counted, (expected_mode) != PE_MODE_NONE);              \
		assert_int_equal(i_->tcx && !i_->xdp, (expected_mode) == PE_MODE_TCX);       \
		assert_int_equal(i_->xdp, (expected_mode) == PE_MODE_GENERIC ||              \
						  (expected_mode) == PE_MODE_NATIVE);        \
		assert_int_equal((scene)->attachment.link_fd, i_->xdp_fd ? i_->xdp_fd : -1); \
		assert_int_equal((scene)->attachment.tcx_fd, i_->tcx_fd ? i_->tcx_fd : -1);  \
		assert_int_equal((scene)->attacher.links, fake.links);                       \
	} while (0)

/* On one below, which it names. */
static inline struct fake_interface *add_stacked(struct scene *scene, enum pe_xdp_mode mode)
{
	struct fake_interface *interface = add(scene, mode, "macvlan");

	fake_add(LOWER, "");
	scene->link->peer = scene->below = LOWER;
	return interface;
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
