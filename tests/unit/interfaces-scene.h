/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All interfaces of a host, on a kernel that watches each step (fake-kernel.h). */
#ifndef PE_TESTS_INTERFACES_SCENE_H
#define PE_TESTS_INTERFACES_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <regex.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/registry.h"

#include "../../src/iface/engine.h"
#include "../../src/iface/relations.h"

#include "fake-kernel.h"

#define MS PE_NS_PER_MS
#define S  PE_NS_PER_S

struct scene {
	struct pe_options options;
	struct pe_registry *registry;
	struct pe_interfaces *interfaces;
	const struct pe_engine *engine; /* its parts */
	unsigned int departed;
	unsigned int forgotten; /* tokens */
	unsigned int refusals;	/* of announced tokens, before the next is taken */
};

static inline int read_rows(uint32_t token, struct pe_arena *arena, struct pe_series_body *body,
			    void *userdata)
{
	fake_kernel.ops->read(NULL, token, body->row);
	return 0;
}

static inline void release_rows(uint32_t token, void *userdata)
{
	fake_kernel.ops->give_back(NULL, token);
}

static inline int announce(uint32_t token, void *userdata)
{
	struct scene *scene = userdata;

	if (!scene->refusals)
		return 0;
	scene->refusals--;
	return -EEXIST;
}

static inline void forget(uint32_t token, void *userdata)
{
	((struct scene *)userdata)->forgotten++;
}

static inline void departed(void *userdata)
{
	((struct scene *)userdata)->departed++;
}

static inline void synced(void *userdata)
{
}

static inline int make(void **state, enum pe_xdp_mode mode)
{
	static const struct pe_counter_source rows = { .read = read_rows, .release = release_rows };
	static struct scene scene;
	const struct pe_registry_options retention = { .sources = &rows,
						       .source_count = 1,
						       .identities = true };
	const struct pe_interfaces_options options = {
		.options = &scene.options,
		.max_links = FAKE_INTERFACES,
		.announce = announce,
		.forget = forget,
		.departed = departed,
		.synced = synced,
		.userdata = &scene,
	};
	struct pe_interfaces_options copy = options;

	fake_reset(mode);
	memset(&scene, 0, sizeof(scene));
	scene.options.xdp_mode = mode;
	scene.options.interface_exclude = (char *)"^lo$";
	scene.options.max_interfaces = FAKE_INTERFACES;
	assert_int_equal(regcomp(&scene.options.include, "", REG_EXTENDED), 0);
	assert_int_equal(regcomp(&scene.options.exclude, "^lo$", REG_EXTENDED), 0);
	assert_int_equal(pe_registry_new(&retention, &scene.registry), 0);
	copy.registry = scene.registry;
	assert_int_equal(pe_interfaces_new_on(&copy, &fake_kernel, &scene.interfaces), 0);
	scene.engine = pe_interfaces_engine(scene.interfaces);
	*state = &scene;
	return 0;
}

/* Which has listed them: there are none yet. */
static inline int setup(void **state)
{
	make(state, PE_XDP_AUTO);
	return pe_interfaces_start(((struct scene *)*state)->interfaces);
}

static inline int teardown(void **state)
{
	struct scene *scene = *state;

	fake.may_lapse = true;
	scene->interfaces = pe_interfaces_free(scene->interfaces);
	assert_int_equal(fake.links, 0);
	scene->registry = pe_registry_free(scene->registry);
	regfree(&scene->options.include);
	regfree(&scene->options.exclude);
	return 0;
}

/* Events are read: what fake_report_…() brings now is in them. */
static inline void dispatch(struct scene *scene)
{
	assert_int_equal(pe_interfaces_dispatch(scene->interfaces), 0);
}

/* New interfaces, of which the events are read at this moment. */
static inline void add(struct scene *scene, int first, int count, const char *kind)
{
	dispatch(scene);
	for (int i = 0; i < count; i++)
		fake_report_added(first + i, kind);
}

/* As above, and XDP has followed. */
static inline void add_promoted(struct scene *scene, int first, int count, const char *kind)
{
	add(scene, first, count, kind);
	fake.now_ns += 5 * MS;
	pe_interfaces_promote(scene->interfaces);
}

/* How many are in this state (PE_IFACE_*). */
static inline unsigned int in_state(struct scene *scene, unsigned int state)
{
	return pe_records_count(scene->engine->records, state);
}

static inline struct pe_iface *record_of(struct scene *scene, int ifindex)
{
	return pe_records_find_index(scene->engine->records, ifindex);
}

/* What the series of an interface show. */
static inline struct pe_iface_sample shown(struct scene *scene, int ifindex)
{
	struct pe_iface_sample sample = { 0 };
	struct pe_snapshot *snapshot;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_registry_collect(scene->registry, snapshot), 0);
	for (size_t i = 0; i < snapshot->iface_count; i++) {
		if (snapshot->ifaces[i].info.ifindex == ifindex && !snapshot->ifaces[i].departed)
			sample = snapshot->ifaces[i];
	}
	pe_snapshot_unref(snapshot);
	/* Its flows went with the snapshot. */
	memset(&sample.body.flows, 0, sizeof(sample.body.flows));
	assert_int_equal(sample.info.ifindex, ifindex);
	return sample;
}

/* The series show what is done, and what is done is what counts. */
static inline void assert_shown(struct scene *scene, int ifindex, enum pe_mode mode,
				enum pe_mode_reason reason)
{
	const struct pe_iface_sample sample = shown(scene, ifindex);

	assert_int_equal(sample.info.mode, mode);
	assert_int_equal(sample.info.mode_reason, reason);
	assert_int_equal(record_of(scene, ifindex)->attachment.mode, mode);
	assert_int_equal(fake_find(ifindex)->counted, mode != PE_MODE_NONE);
	assert_int_equal(fake_find(ifindex)->xdp, mode == PE_MODE_GENERIC);
}

static inline unsigned int count_xdp(int first, int count)
{
	unsigned int on = 0;

	for (int i = 0; i < count; i++)
		on += fake_find(first + i)->xdp;
	return on;
}

/* The kernel reports a change of features. */
static inline void touch(int first, int count, unsigned int features)
{
	for (int i = 0; i < count; i++) {
		fake_find(first + i)->features = (struct pe_feature_state){ features, features };
		fake.monitor_ops->touched(&fake_find(first + i)->link, fake.monitor_userdata);
	}
}

static inline void raise_events(int ifindex)
{
	fake.has_events = true;
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
