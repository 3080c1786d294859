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
	struct pe_policy policy;
	struct pe_attacher_options options;
	struct pe_attacher *attacher;
	struct pe_iface iface;
	struct pe_link *link;
	bool ours_above;
	int below;	       /* 0: nothing is */
	unsigned int refusals; /* of announced tokens, before one is taken */
	unsigned int announced;
};

static inline bool has_above(const struct pe_iface *iface, void *userdata)
{
	return ((struct scene *)userdata)->ours_above;
}

static inline size_t list_below(const struct pe_iface *iface, int *ret_ifindex, void *userdata)
{
	const struct scene *scene = userdata;

	ret_ifindex[0] = iface->link->ifindex;
	ret_ifindex[1] = scene->below;
	return scene->below ? 2 : 1;
}

/* Nothing else is above what the one interface is stacked on. */
static inline bool is_used(int ifindex, void *userdata)
{
	return ((struct scene *)userdata)->iface.attachment.link_fd >= 0;
}

static inline bool are_current(void *userdata)
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

	/* A test may begin several. */
	pe_attacher_free(scene.attacher);
	fake_reset(PE_XDP_AUTO);
	memset(&scene, 0, sizeof(scene));
	scene.policy.egress = true;
	scene.iface.attachment = (struct pe_attachment)PE_ATTACHMENT_INIT;
	scene.options = (struct pe_attacher_options){
		.kernel = &fake_kernel,
		.policy = &scene.policy,
		.relations = { has_above, list_below, is_used, are_current, &scene },
		.max_interfaces = 16,
		.max_links = 8,
		.announce = announce,
		.userdata = &scene,
	};
	assert_int_equal(pe_attacher_new(&scene.options, &scene.attacher), 0);
	*state = &scene;
	return 0;
}

/* Whatever happened, nothing of ours stays. */
static inline int teardown(void **state)
{
	struct scene *scene = *state;

	fake.may_lapse = true;
	if (!scene->attacher)
		return 0;
	pe_attacher_detach(scene->attacher, &scene->iface);
	assert_int_equal(pe_attacher_links(scene->attacher), 0);
	assert_int_equal(fake.links, 0);
	scene->attacher = pe_attacher_free(scene->attacher);
	return 0;
}

static inline struct fake_interface *add(struct scene *scene, enum pe_xdp_mode mode,
					 const char *kind)
{
	fake.mode = scene->policy.xdp_mode = mode;
	scene->iface.link = scene->link = fake_add(IFINDEX, kind);
	return fake_find(IFINDEX);
}

static inline int begin(struct scene *scene)
{
	pe_attacher_plan(scene->attacher, &scene->iface);
	return pe_attacher_begin(scene->attacher, &scene->iface);
}

static inline int advance(struct scene *scene)
{
	return pe_attacher_advance(scene->attacher, &scene->iface);
}

static inline bool follow(struct scene *scene)
{
	return pe_attacher_follow(scene->attacher, &scene->iface);
}

static inline int finish(struct scene *scene)
{
	return pe_attacher_finish(scene->attacher, &scene->iface);
}

static inline bool set_busy(struct scene *scene, bool busy)
{
	return pe_attacher_set_busy(scene->attacher, &scene->iface, busy);
}

static inline uint64_t errors(struct scene *scene, enum pe_attach_error error)
{
	struct pe_interfaces_stats stats;

	pe_attacher_get_stats(scene->attacher, &stats);
	return stats.errors[error];
}

/* How it is counted, as it says and as it is. */
#define assert_way(scene, expected_mode, expected_reason)                                          \
	do {                                                                                       \
		const struct fake_interface *i_ = fake_find(IFINDEX);                              \
                                                                                                   \
		assert_int_equal((scene)->iface.attachment.mode, expected_mode);                   \
		assert_int_equal((scene)->iface.attachment.reason, expected_reason);               \
		assert_int_equal(i_->counted, (expected_mode) != PE_MODE_NONE);                    \
		assert_int_equal(i_->tcx && !i_->xdp, (expected_mode) == PE_MODE_TCX);             \
		assert_int_equal(i_->xdp, (expected_mode) == PE_MODE_GENERIC ||                    \
						  (expected_mode) == PE_MODE_NATIVE);              \
		assert_int_equal((scene)->iface.attachment.link_fd, i_->xdp_fd ? i_->xdp_fd : -1); \
		assert_int_equal((scene)->iface.attachment.tcx_fd, i_->tcx_fd ? i_->tcx_fd : -1);  \
		assert_int_equal(pe_attacher_links((scene)->attacher), fake.links);                \
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
