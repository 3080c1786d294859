/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How one interface comes to be counted, and what is said and counted where it cannot be. */
#include "attacher-scene.h"

/* ---- new interfaces ---- */

static void test_tracepoint_first_then_generic(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_AUTO, "veth");

	assert_int_equal(begin(scene), 0);
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_NEW);
	/* Neither takes the kernel's lock of all interfaces. */
	assert_int_equal(interface->attempts, 0);
	assert_int_equal(fake.feature_reads, 0);

	assert_int_equal(advance(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_int_equal(interface->by, PE_BY_XDP);
	assert_int_equal(interface->framing, PE_ORIGIN_LINK);
	assert_int_equal(scene->announced, 1);
	assert_int_equal(fake.warnings, 0);

	/* What is there stays. */
	assert_int_equal(advance(scene), 0);
	assert_int_equal(interface->attempts, 1);
}

static void test_without_the_tracepoint(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_AUTO, "veth");
	fake.tracepoint_error = -EOPNOTSUPP;
	assert_int_equal(begin(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
}

static void test_merging_is_left_alone(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_AUTO, "veth");

	interface->features.active = interface->features.wanted = PE_FEATURE_GRO;
	begin(scene);
	assert_int_equal(advance(scene), 0);
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_GRO);
	assert_int_equal(interface->attempts, 0);
}

/* The state of GRO is not known: as if it were on. */
static void test_features_unknown(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_AUTO, "veth");
	fake.features_error = -EPERM;
	begin(scene);
	assert_int_equal(advance(scene), 0);
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_OFFLOAD);
}

/* A driver that shows no features has none. */
static void test_no_features(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_AUTO, "veth");
	fake.features_error = -EOPNOTSUPP;
	begin(scene);
	assert_int_equal(advance(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
}

static void test_card(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_AUTO, "");

	assert_int_equal(begin(scene), 0);
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_HARDWARE);
	assert_int_equal(interface->attempts, 0);
	assert_int_equal(fake.feature_reads, 0);
	/* What that leaves out is said once, whatever cards there are. */
	assert_int_equal(fake.warnings, 1);
	assert_non_null(strstr(fake.warning, "is hardware"));
	assert_int_equal(advance(scene), 0);
	assert_int_equal(fake.warnings, 1);
}

static void test_kinds_without_xdp(void **state)
{
	static const struct {
		const char *kind;
		enum pe_mode mode;
		enum pe_mode_reason reason;
	} cases[] = {
		{ "bridge", PE_MODE_TRACEPOINT, PE_REASON_BRIDGE },
		{ "gre", PE_MODE_TRACEPOINT, PE_REASON_KIND },
		{ "vrf", PE_MODE_NONE, PE_REASON_KIND },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		setup(state);
		add(*state, i % 2 ? PE_XDP_GENERIC : PE_XDP_AUTO, cases[i].kind);
		assert_int_equal(begin(*state), 0);
		assert_way((struct scene *)*state, cases[i].mode, cases[i].reason);
		teardown(state);
	}
}

/* It was counted before it was known, under a name that was announced then. */
static void test_early(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_AUTO, "veth");
	fake.early = true;
	fake.tracepoint_error = -EIO; /* not asked again */
	assert_int_equal(begin(scene), 0);
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_NEW);
	assert_true(scene->iface.attachment.early);
	assert_int_equal(scene->announced, 0);
	assert_int_equal(advance(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
}

static void test_early_natively(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_NATIVE, "veth");
	fake.early = true;
	assert_int_equal(begin(scene), 0);
	assert_way(scene, PE_MODE_NATIVE, PE_REASON_NONE);
}

/* ---- native ---- */

static void test_native(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_NATIVE, "veth");

	/* The tracepoint does not come first: changing over is not exact. */
	assert_int_equal(begin(scene), 0);
	assert_way(scene, PE_MODE_NATIVE, PE_REASON_NONE);
	assert_int_equal(interface->by, PE_BY_NATIVE);
	assert_int_equal(interface->framing, PE_ORIGIN_LINK | PE_SLOT_RX_NO_LINK_HEADER);
}

static void test_native_refused(void **state)
{
	static const struct {
		const char *kind;
		unsigned int features;
		enum pe_mode mode;
	} cases[] = {
		{ "veth", 0, PE_MODE_GENERIC },
		{ "veth", PE_FEATURE_GRO, PE_MODE_TRACEPOINT },
		{ "", PE_FEATURE_GRO | PE_FEATURE_LRO, PE_MODE_TRACEPOINT },
		{ "", 0, PE_MODE_TRACEPOINT },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fake_interface *interface;

		setup(state);
		interface = add(*state, PE_XDP_NATIVE, cases[i].kind);
		fake.no_native = true;
		interface->features.active = interface->features.wanted = cases[i].features;
		assert_int_equal(begin(*state), 0);
		assert_way((struct scene *)*state, cases[i].mode, PE_REASON_NATIVE_REFUSED);
		assert_int_equal(interface->features.wanted, cases[i].features);
		teardown(state);
	}
}

/* Somebody else's program is in the driver: generic XDP could not be there either. */
static void test_native_busy(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_NATIVE, "");

	interface->foreign = true;
	assert_int_equal(begin(scene), -EBUSY);
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
	assert_int_equal(interface->attempts, 1);
}

/* ---- failures ---- */

static void test_busy(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_AUTO, "veth");

	interface->foreign = true;
	begin(scene);
	assert_int_equal(advance(scene), -EBUSY);
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
	assert_int_equal(errors(scene, PE_ATTACH_BUSY), 1);
	assert_int_equal(fake.warnings, 1);
	assert_non_null(strstr(fake.warning, "another XDP program"));
	assert_non_null(strstr(fake.warning, "by the receive tracepoint"));

	/* Each attempt counts; only the first is logged. */
	fake.now_ns += 3600 * PE_NS_PER_S;
	assert_int_equal(advance(scene), -EBUSY);
	assert_int_equal(errors(scene, PE_ATTACH_BUSY), 2);
	assert_int_equal(fake.warnings, 1);

	interface->foreign = false;
	assert_int_equal(advance(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
}

/* Ours is above it: as it is to be. */
static void test_busy_with_ours(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_AUTO, "veth");

	interface->foreign = true; /* stands for it */
	scene->ours_above = true;
	begin(scene);
	assert_int_equal(advance(scene), -EBUSY);
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_UPPER);
	assert_int_equal(errors(scene, PE_ATTACH_BUSY), 0);
	assert_int_equal(fake.warnings, 0);

	/* Ours goes, and somebody else's comes: that is logged. */
	scene->ours_above = false;
	assert_int_equal(advance(scene), -EBUSY);
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
	assert_int_equal(errors(scene, PE_ATTACH_BUSY), 1);
	assert_int_equal(fake.warnings, 1);
}

/* Of other failures, ours above is not the reason. */
static void test_refused(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_AUTO, "veth");
	scene->ours_above = true;
	fake.xdp_error = -EPERM;
	begin(scene);
	assert_int_equal(advance(scene), -EPERM);
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_REFUSED);
	assert_int_equal(errors(scene, PE_ATTACH_REFUSED), 1);
	assert_non_null(strstr(fake.warning, "Operation not permitted"));
}

static void test_no_slot(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_AUTO, "veth");
	fake.slots = 0;
	assert_int_equal(begin(scene), -ENOSPC);
	assert_way(scene, PE_MODE_NONE, PE_REASON_NO_SLOT);
	assert_int_equal(scene->iface.attachment.token, PE_TOKEN_NONE);
	assert_int_equal(errors(scene, PE_ATTACH_NO_SLOT), 1);
	assert_int_equal(fake.warnings, 1);
	assert_non_null(strstr(fake.warning, "all 16 slots"));

	fake.slots = 1;
	assert_int_equal(advance(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
}

/* Flows of a departed interface have the name of the slot still: the next one is tried. */
static void test_name_in_use(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_AUTO, "veth");
	scene->refusals = 7;
	assert_int_equal(begin(scene), 0);
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_NEW);
	assert_int_equal(scene->iface.attachment.token, fake_find(IFINDEX)->token);
	assert_int_equal(scene->announced, 8);
	assert_int_equal(fake.slots, FAKE_INTERFACES - 1);
}

static void test_names_in_use(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_AUTO, "veth");
	scene->refusals = 1000;
	assert_int_equal(begin(scene), -EEXIST);
	assert_int_equal(scene->iface.attachment.token, PE_TOKEN_NONE);
	assert_in_range(scene->announced, 1, 100);
	assert_int_equal(fake.slots, FAKE_INTERFACES);
}

static void test_no_files(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_AUTO, "veth");

	scene->options.max_links = 0;
	begin(scene);
	assert_int_equal(advance(scene), -EMFILE);
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_NO_MEMORY);
	assert_int_equal(interface->attempts, 0);
	assert_int_equal(errors(scene, PE_ATTACH_NO_MEMORY), 1);
	assert_non_null(strstr(fake.warning, "LimitNOFILE"));

	/* Of the next ones, nothing is said for an hour. */
	scene->iface.attachment.error = 0;
	assert_int_equal(advance(scene), -EMFILE);
	assert_int_equal(fake.warnings, 1);
	fake.now_ns += 3600 * PE_NS_PER_S;
	scene->iface.attachment.error = 0;
	assert_int_equal(advance(scene), -EMFILE);
	assert_int_equal(fake.warnings, 2);
}

static void test_vanished(void **state)
{
	struct scene *scene = *state;
	struct pe_link last;

	add(scene, PE_XDP_AUTO, "veth");
	begin(scene);
	last = *scene->link;
	scene->iface.link = scene->link = &last;
	fake_delete(IFINDEX);
	assert_int_equal(advance(scene), -ENODEV);
	assert_int_equal(scene->iface.attachment.reason, PE_REASON_NONE);
	assert_int_equal(errors(scene, PE_ATTACH_VANISHED), 1);
	assert_int_equal(fake.warnings, 0);
	/* What it had counted is not given up. */
	assert_int_equal(scene->iface.attachment.mode, PE_MODE_TRACEPOINT);
}

/* Its driver has not refused anything: nothing else is tried. */
static void test_vanished_natively(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_NATIVE, "veth");

	fake.xdp_error = -ENODEV;
	assert_int_equal(begin(scene), -ENODEV);
	assert_int_equal(interface->attempts, 1);
	assert_false(scene->iface.attachment.refused);
}

/* Nothing is left to do for it. */
static void test_vanished_stacked(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_AUTO, "macvlan");
	fake.xdp_error = -ENODEV;
	assert_int_equal(begin(scene), -ENODEV);
	assert_false(pe_attacher_is_unfinished(&scene->iface));
}

/* It goes with our program on it: the link is closed all the same. */
static void test_deleted(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_AUTO, "veth");
	begin(scene);
	advance(scene);
	assert_true(pe_attacher_is_on(scene->attacher, &scene->iface));
	fake_delete(IFINDEX);
	assert_false(pe_attacher_is_on(scene->attacher, &scene->iface));
	pe_attacher_detach(scene->attacher, &scene->iface);
	assert_int_equal(scene->iface.attachment.link_fd, -1);
	assert_int_equal(fake.links, 0);
}

/* One line for the first of its kind in a minute, one for all others. */
static void test_grouped_warnings(void **state)
{
	struct scene *scene = *state;

	fake.mode = scene->policy.xdp_mode = PE_XDP_AUTO;
	for (int i = 0; i < 10; i++) {
		struct pe_iface iface = { .link = fake_add(100 + i, "veth"),
					  .attachment = PE_ATTACHMENT_INIT };

		fake_find(100 + i)->foreign = true;
		pe_attacher_plan(scene->attacher, &iface);
		assert_int_equal(pe_attacher_advance(scene->attacher, &iface), -EBUSY);
	}
	assert_int_equal(errors(scene, PE_ATTACH_BUSY), 10);
	assert_int_equal(fake.warnings, 1);
	assert_non_null(strstr(fake.warning, "veth100"));

	/* A failure of another kind is logged. */
	add(scene, PE_XDP_AUTO, "veth");
	fake.xdp_error = -EPERM;
	pe_attacher_plan(scene->attacher, &scene->iface);
	advance(scene);
	assert_int_equal(fake.warnings, 2);

	pe_attacher_log_more(scene->attacher);
	assert_int_equal(fake.warnings, 2);
	fake.now_ns += 60 * PE_NS_PER_S;
	pe_attacher_log_more(scene->attacher);
	assert_int_equal(fake.warnings, 3);
	assert_non_null(strstr(fake.warning, "attached to 9 more interfaces"));
	pe_attacher_log_more(scene->attacher);
	assert_int_equal(fake.warnings, 3);
}

/* ---- stacked ones ---- */

static void test_stacked(void **state)
{
	struct scene *scene = *state;

	add_stacked(scene, PE_XDP_AUTO);
	assert_int_equal(begin(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_false(pe_attacher_is_unfinished(&scene->iface));
}

static void test_tcx_then_xdp(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add_stacked(scene, PE_XDP_AUTO);

	interface->foreign = true;
	assert_int_equal(begin(scene), -EBUSY);
	assert_way(scene, PE_MODE_NONE, PE_REASON_BUSY);
	assert_non_null(strstr(fake.warning, "to be counted by TCX"));
	assert_true(pe_attacher_is_unfinished(&scene->iface));
	assert_int_equal(finish(scene), 0);
	assert_way(scene, PE_MODE_TCX, PE_REASON_BUSY);
	assert_false(pe_attacher_is_unfinished(&scene->iface));

	/* Still busy: TCX is not tried a second time. */
	assert_int_equal(advance(scene), -EBUSY);
	assert_way(scene, PE_MODE_TCX, PE_REASON_BUSY);
	assert_false(pe_attacher_is_unfinished(&scene->iface));

	/* Both are on it until TCX has gone, also where no link more is allowed. */
	interface->foreign = false;
	scene->options.max_links = 1;
	assert_int_equal(advance(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_int_equal(fake.links, 2);
	assert_true(pe_attacher_is_unfinished(&scene->iface));
	assert_int_equal(finish(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_int_equal(fake.links, 1);
	assert_false(pe_attacher_is_unfinished(&scene->iface));
}

/* The place is free before TCX has come, which then is not wanted any more. */
static void test_xdp_before_tcx(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add_stacked(scene, PE_XDP_AUTO);

	interface->foreign = true;
	begin(scene);
	interface->foreign = false;
	assert_int_equal(advance(scene), 0);
	assert_false(pe_attacher_is_unfinished(&scene->iface));
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
}

static void test_no_tcx(void **state)
{
	struct scene *scene = *state;

	add_stacked(scene, PE_XDP_AUTO)->foreign = true;
	fake.no_tcx = true;
	assert_int_equal(begin(scene), -EBUSY);
	assert_way(scene, PE_MODE_NONE, PE_REASON_BUSY);
	assert_non_null(strstr(fake.warning, "not counted"));
	assert_false(pe_attacher_is_unfinished(&scene->iface));
}

static void test_tcx_fails(void **state)
{
	struct scene *scene = *state;

	add_stacked(scene, PE_XDP_AUTO)->foreign = true;
	begin(scene);
	scene->options.max_links = 0;
	assert_int_equal(finish(scene), -EMFILE);
	assert_way(scene, PE_MODE_NONE, PE_REASON_BUSY);
	assert_int_equal(errors(scene, PE_ATTACH_NO_MEMORY), 1);
	assert_int_equal(fake.warnings, 2);
	/* Not at once. */
	assert_false(pe_attacher_is_unfinished(&scene->iface));

	scene->options.max_links = 1;
	fake.tcx_error = -EMFILE;
	assert_int_equal(advance(scene), -EBUSY);
	assert_true(pe_attacher_is_unfinished(&scene->iface));
	assert_int_equal(finish(scene), -EMFILE);
	assert_int_equal(fake.warnings, 2);

	fake.tcx_error = 0;
	advance(scene);
	assert_int_equal(finish(scene), 0);
	assert_way(scene, PE_MODE_TCX, PE_REASON_BUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_tracepoint_first_then_generic),
		test(test_without_the_tracepoint),
		test(test_merging_is_left_alone),
		test(test_features_unknown),
		test(test_no_features),
		test(test_card),
		test(test_kinds_without_xdp),
		test(test_native),
		test(test_native_refused),
		test(test_native_busy),
		test(test_busy),
		test(test_busy_with_ours),
		test(test_refused),
		test(test_no_slot),
		test(test_name_in_use),
		test(test_names_in_use),
		test(test_early),
		test(test_early_natively),
		test(test_no_files),
		test(test_vanished),
		test(test_vanished_natively),
		test(test_vanished_stacked),
		test(test_deleted),
		test(test_grouped_warnings),
		test(test_stacked),
		test(test_tcx_then_xdp),
		test(test_xdp_before_tcx),
		test(test_no_tcx),
		test(test_tcx_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
