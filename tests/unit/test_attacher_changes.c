/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An interface that is counted, when its features change, under load, when somebody takes a program
 * off; and that receive offloads are afterwards as they were before.
 */
#include "attacher-scene.h"

/* ---- features that change, and that are put back ---- */

static void test_follow_gro(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_AUTO, "veth");

	begin(scene);
	advance(scene);
	assert_false(follow(scene));
	interface->features.active = interface->features.wanted = PE_FEATURE_GRO;
	assert_true(follow(scene));
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_GRO);
	assert_false(follow(scene));

	interface->features.active = interface->features.wanted = 0;
	assert_true(follow(scene));
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
}

/* Native XDP was refused: it follows GRO as auto does, and the driver is not asked again. */
static void test_follow_where_native_was_refused(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_NATIVE, "veth");

	fake.no_native = true;
	begin(scene);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NATIVE_REFUSED);
	assert_int_equal(interface->attempts, 2);
	interface->features.active = interface->features.wanted = PE_FEATURE_GRO;
	assert_true(follow(scene));
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_NATIVE_REFUSED);
	assert_false(follow(scene));

	interface->features.active = interface->features.wanted = 0;
	assert_true(follow(scene));
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NATIVE_REFUSED);
	assert_true(set_busy(scene, true));
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_LOAD);
	assert_true(set_busy(scene, false));
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NATIVE_REFUSED);
	assert_int_equal(interface->attempts, 4);
}

/* Where native XDP is in force, GRO is not lost, and load is no matter. */
static void test_native_follows_nothing(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_NATIVE, "veth");

	begin(scene);
	interface->features.active = interface->features.wanted = PE_FEATURE_GRO;
	assert_false(follow(scene));
	assert_false(set_busy(scene, true));
	assert_way(scene, PE_MODE_NATIVE, PE_REASON_NONE);
}

/* A program in the driver of a bond is on its ports: it is as auto, also with what merges below. */
static void test_native_on_a_bond(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_NATIVE, "bond"), *port;

	fake_add(LOWER, "")->master = IFINDEX;
	port = fake_find(scene->below = LOWER);
	assert_int_equal(begin(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NATIVE_REFUSED);
	assert_false(interface->native || port->xdp);
	assert_int_equal(interface->attempts, 1);

	port->features.active = port->features.wanted = PE_FEATURE_LRO;
	fake.may_lapse = true;
	assert_true(follow(scene));
	assert_way(scene, PE_MODE_NONE, PE_REASON_NATIVE_REFUSED);
	fake.may_lapse = false;
	assert_int_equal(finish(scene), 0);
	assert_way(scene, PE_MODE_TCX, PE_REASON_NATIVE_REFUSED);
	assert_int_equal(port->features.wanted, PE_FEATURE_LRO);
	teardown(state);

	setup(state);
	add(scene, PE_XDP_NATIVE, "bond")->features.active = PE_FEATURE_LRO;
	assert_int_equal(begin(scene), 0);
	assert_way(scene, PE_MODE_NONE, PE_REASON_NATIVE_REFUSED);
}

/* The tracepoint is refused: better XDP than nothing. */
static void test_follow_without_tracepoint(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_AUTO, "veth");

	fake.tracepoint_error = -EOPNOTSUPP;
	begin(scene);
	interface->features.active = PE_FEATURE_GRO;
	assert_false(follow(scene));
	assert_int_equal(scene->iface.attachment.mode, PE_MODE_GENERIC);
	assert_true(interface->xdp);
}

/* GRO is off again, but somebody else was faster. */
static void test_follow_into_busy(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_AUTO, "veth");

	interface->features.active = PE_FEATURE_GRO;
	begin(scene);
	advance(scene);
	interface->features.active = 0;
	interface->foreign = true;
	/* It is for another reason now, and is to be tried again. */
	assert_true(follow(scene));
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
	assert_int_equal(scene->iface.attachment.error, -EBUSY);
}

/* Not for us to choose, or no matter. */
static void test_follow_nothing(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface;

	add(scene, PE_XDP_AUTO, "veth");
	pe_attacher_plan(scene->attacher, &scene->iface);
	assert_false(follow(scene));
	fake_delete(IFINDEX);
	interface = add(scene, PE_XDP_GENERIC, "veth");
	begin(scene);
	advance(scene);
	interface->features.active = interface->features.wanted = PE_FEATURE_GRO;
	assert_false(follow(scene));
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);

	fake.may_lapse = true;
	teardown(state);
	setup(state);
	add(scene, PE_XDP_AUTO, "veth")->foreign = true;
	begin(scene);
	advance(scene);
	assert_false(follow(scene));
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
}

/* What generic XDP switches off is as it was when it has gone. */
static void test_offloads_are_put_back(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_GENERIC, "");

	interface->features.active = interface->features.wanted =
		PE_FEATURE_GRO | PE_FEATURE_GRO_HW | PE_FEATURE_LRO;
	begin(scene);
	assert_int_equal(advance(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_int_equal(interface->features.wanted, PE_FEATURE_GRO);

	fake.may_lapse = true;
	pe_attacher_detach(scene->attacher, &scene->iface);
	assert_int_equal(interface->features.wanted,
			 PE_FEATURE_GRO | PE_FEATURE_GRO_HW | PE_FEATURE_LRO);
	assert_int_equal(fake.warnings, 0);
}

/* Those of the interface below go, too. What was not wanted is not switched on. */
static void test_offloads_below_are_put_back(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add_stacked(scene, PE_XDP_GENERIC);
	struct fake_interface *lower = fake_find(LOWER);

	interface->features.wanted = lower->features.wanted = PE_FEATURE_LRO;
	lower->features.active = PE_FEATURE_LRO;
	assert_int_equal(begin(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_int_equal(lower->features.wanted, 0);

	/* The one below cannot have it before the one above wants it. */
	fake.may_lapse = true;
	pe_attacher_detach(scene->attacher, &scene->iface);
	assert_int_equal(lower->features.wanted, PE_FEATURE_LRO);
	assert_int_equal(lower->features.active, PE_FEATURE_LRO);
	assert_int_equal(interface->features.wanted, PE_FEATURE_LRO);
	assert_int_equal(fake.warnings, 0);
}

/* What somebody has switched on or off meanwhile stays so, and is not asked for a second time: some
 * drivers restart their queues. */
static void test_offloads_of_somebody_else(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add_stacked(scene, PE_XDP_GENERIC);
	struct fake_interface *lower = fake_find(LOWER);

	interface->features.active = interface->features.wanted = PE_FEATURE_GRO | PE_FEATURE_LRO;
	lower->features.active = lower->features.wanted = PE_FEATURE_LRO;
	begin(scene);
	interface->features.active = interface->features.wanted = 0;
	lower->features.active = lower->features.wanted = PE_FEATURE_LRO;
	fake.may_lapse = true;
	pe_attacher_detach(scene->attacher, &scene->iface);
	assert_int_equal(interface->features.wanted, PE_FEATURE_LRO);
	assert_int_equal(lower->features.wanted, PE_FEATURE_LRO);
	assert_int_equal(fake.feature_wants, 1);
}

/* They could be off already when the kernel refuses the program. */
static void test_offloads_are_put_back_when_refused(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_GENERIC, "");

	interface->features.active = interface->features.wanted = PE_FEATURE_LRO;
	fake.xdp_error = -ENOMEM;
	begin(scene);
	assert_int_equal(advance(scene), -ENOMEM);
	assert_int_equal(interface->features.wanted, PE_FEATURE_LRO);
	assert_false(pe_attacher_has_offloads(scene->attacher));
}

static void test_offloads_cannot_be_put_back(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_GENERIC, "")->features.wanted = PE_FEATURE_LRO;
	begin(scene);
	advance(scene);
	fake.may_lapse = true;
	fake.features_error = -EPERM;
	pe_attacher_detach(scene->attacher, &scene->iface);
	assert_int_equal(fake.warnings, 1);
	assert_non_null(strstr(fake.warning, "could not be put back"));
}

/* One that has gone needs nothing, also when its event is still to come. */
static void test_offloads_of_one_that_has_gone(void **state)
{
	struct scene *scene = *state;

	add_stacked(scene, PE_XDP_GENERIC);
	fake_find(LOWER)->features.wanted = PE_FEATURE_LRO;
	begin(scene);
	fake.may_lapse = true;
	fake_delete(LOWER);
	pe_attacher_detach(scene->attacher, &scene->iface);
	assert_true(pe_attacher_has_offloads(scene->attacher));
	pe_attacher_forget(scene->attacher, &(struct pe_link){ .ifindex = LOWER }, false);
	assert_false(pe_attacher_has_offloads(scene->attacher));
	assert_int_equal(fake.warnings, 0);
}

/* While events wait, an ifindex may be another interface's. */
static void test_offloads_wait_for_events(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_GENERIC, "");

	interface->features.active = interface->features.wanted = PE_FEATURE_LRO;
	begin(scene);
	advance(scene);
	fake.may_lapse = true;
	fake.has_events = true;
	pe_attacher_detach(scene->attacher, &scene->iface);
	assert_int_equal(interface->features.wanted, 0);
	pe_attacher_put_back_owed(scene->attacher);
	assert_int_equal(interface->features.wanted, 0);

	fake.has_events = false;
	pe_attacher_put_back_owed(scene->attacher);
	assert_int_equal(interface->features.active, PE_FEATURE_LRO);
	assert_false(pe_attacher_has_offloads(scene->attacher));
	assert_int_equal(fake.warnings, 0);
}

/* Another interface has the ifindex of the one below, which was deleted or has moved away. */
static void test_offloads_of_another(void **state)
{
	struct scene *scene = *state;

	for (int moved = 0; moved < 2; moved++) {
		struct pe_link below;

		teardown(state);
		setup(state);
		add_stacked(scene, PE_XDP_GENERIC);
		below = fake_find(LOWER)->link;
		fake_find(LOWER)->features.wanted = PE_FEATURE_LRO;
		begin(scene);
		fake_delete(LOWER);
		fake_add(LOWER, "");
		pe_attacher_forget(scene->attacher, &below, moved);
		assert_int_equal(fake.warnings, moved);
		assert_true(!moved || strstr(fake.warning, "moved to another namespace"));
		fake.may_lapse = true;
		pe_attacher_detach(scene->attacher, &scene->iface);
		assert_int_equal(fake_find(LOWER)->features.wanted, 0);
		assert_int_equal(fake.feature_wants, 0);
		assert_int_equal(fake.warnings, moved);
	}
}

/* They have not come back until it is looked at: what is in force counts, not what is wanted. */
static void test_offloads_are_not_in_force(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *lower;

	add_stacked(scene, PE_XDP_GENERIC);
	lower = fake_find(LOWER);
	lower->features.active = lower->features.wanted = PE_FEATURE_LRO;
	begin(scene);
	fake.may_lapse = true;
	pe_attacher_detach(scene->attacher, &scene->iface);
	/* The kernel takes it from a card below what does not want it. */
	assert_int_equal(lower->features.wanted, PE_FEATURE_LRO);
	assert_int_equal(lower->features.active, 0);
	assert_int_equal(fake.warnings, 1);
	assert_non_null(strstr(fake.warning, "could not be put back"));
}

static void test_look(void **state)
{
	unsigned int own, below;

	fake_add(1, "");
	fake_add(2, "");
	fake_add(3, "");
	fake_find(1)->features.active = PE_FEATURE_GRO;
	fake_find(2)->features.active = PE_FEATURE_LRO;
	fake_find(3)->features.active = PE_FEATURE_GRO_HW;
	assert_int_equal(pe_offloads_look(&fake_kernel, (int[]){ 1, 2, 99, 3 }, 4, &own, &below),
			 0);
	assert_int_equal(own, PE_FEATURE_GRO);
	assert_int_equal(below, PE_FEATURE_LRO | PE_FEATURE_GRO_HW);
	fake.features_error = -EIO;
	assert_int_equal(pe_offloads_look(&fake_kernel, (int[]){ 1 }, 1, &own, &below), -EIO);
}

/* The card below merges: XDP above it would switch that off. */
static void test_offload_below(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *lower;

	add_stacked(scene, PE_XDP_AUTO);
	lower = fake_find(LOWER);
	lower->features.active = lower->features.wanted = PE_FEATURE_LRO;
	assert_int_equal(begin(scene), 0);
	assert_way(scene, PE_MODE_NONE, PE_REASON_OFFLOAD);
	assert_int_equal(finish(scene), 0);
	assert_way(scene, PE_MODE_TCX, PE_REASON_OFFLOAD);
	assert_int_equal(lower->features.wanted, PE_FEATURE_LRO);
	assert_int_equal(fake.warnings, 0);

	lower->features.active = lower->features.wanted = 0;
	assert_true(follow(scene));
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_int_equal(finish(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
}

/* It is switched on while XDP is there: TCX cannot come before XDP has gone. */
static void test_offload_below_comes(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *lower;

	add_stacked(scene, PE_XDP_AUTO);
	lower = fake_find(LOWER);
	begin(scene);
	lower->features.active = lower->features.wanted = PE_FEATURE_LRO;
	fake.may_lapse = true;
	assert_true(follow(scene));
	assert_way(scene, PE_MODE_NONE, PE_REASON_OFFLOAD);
	fake.may_lapse = false;
	assert_int_equal(finish(scene), 0);
	assert_way(scene, PE_MODE_TCX, PE_REASON_OFFLOAD);
	assert_int_equal(lower->features.wanted, PE_FEATURE_LRO);
}

static void test_offload_of_its_own(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_AUTO, "netkit")->features.active = PE_FEATURE_LRO;
	begin(scene);
	assert_int_equal(advance(scene), 0);
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_OFFLOAD);
}

/* ---- load ---- */

static void test_yield(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_AUTO, "veth");

	begin(scene);
	advance(scene);
	assert_false(set_busy(scene, false));
	assert_true(set_busy(scene, true));
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_LOAD);
	assert_false(set_busy(scene, true));

	assert_true(set_busy(scene, false));
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_int_equal(interface->attempts, 2);

	/* Somebody else may have come meanwhile. */
	assert_true(set_busy(scene, true));
	interface->foreign = true;
	assert_true(set_busy(scene, false));
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
}

static void test_yield_without_tracepoint(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_AUTO, "veth");
	begin(scene);
	advance(scene);
	fake.tracepoint_error = -EOPNOTSUPP;
	assert_false(set_busy(scene, true));
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
}

static void test_yield_never(void **state)
{
	struct scene *scene = *state;

	/* It was asked for. */
	add(scene, PE_XDP_GENERIC, "veth");
	begin(scene);
	advance(scene);
	assert_false(set_busy(scene, true));
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
	teardown(state);

	/* Nothing else sees what it receives. */
	setup(state);
	add_stacked(scene, PE_XDP_AUTO);
	begin(scene);
	assert_false(set_busy(scene, true));
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
}

/* ---- taken off by force ---- */

static bool taken_off(struct scene *scene)
{
	return pe_attacher_taken_off(scene->attacher, &scene->iface);
}

static void test_taken_off(void **state)
{
	struct scene *scene = *state;

	add(scene, PE_XDP_AUTO, "veth");
	begin(scene);
	advance(scene);
	assert_false(pe_attacher_is_taken_off(scene->attacher, &scene->iface));
	fake_take_off(IFINDEX, true, false);
	assert_true(pe_attacher_is_taken_off(scene->attacher, &scene->iface));
	assert_true(taken_off(scene));
	assert_way(scene, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
	assert_int_equal(scene->iface.attachment.error, -EBUSY);
	assert_non_null(strstr(fake.warning, "detached the XDP program"));
	assert_non_null(strstr(fake.warning, "by the receive tracepoint"));
	assert_false(pe_attacher_is_taken_off(scene->attacher, &scene->iface));

	assert_int_equal(advance(scene), 0);
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);
}

/* The offloads come back with it, as after our own detaching. */
static void test_taken_off_puts_offloads_back(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add(scene, PE_XDP_GENERIC, "");

	interface->features.wanted = PE_FEATURE_GRO_HW;
	begin(scene);
	advance(scene);
	fake_take_off(IFINDEX, true, false);
	taken_off(scene);
	assert_int_equal(interface->features.wanted, PE_FEATURE_GRO_HW);
}

static void test_tcx_taken_off(void **state)
{
	struct scene *scene = *state;

	add_stacked(scene, PE_XDP_AUTO)->foreign = true;
	begin(scene);
	finish(scene);
	fake_take_off(IFINDEX, false, true);
	assert_true(taken_off(scene));
	assert_way(scene, PE_MODE_NONE, PE_REASON_BUSY);
	/* Whoever did it wants it so: not at once. */
	assert_false(pe_attacher_is_unfinished(&scene->iface));
	assert_non_null(strstr(fake.warning, "detached the TCX program"));
}

/* Of a stacked one: TCX, which has not gone yet or comes again, counts what XDP counted. */
static void test_xdp_taken_off_stacked(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *interface = add_stacked(scene, PE_XDP_AUTO);

	interface->foreign = true;
	begin(scene);
	finish(scene);
	interface->foreign = false;
	advance(scene);
	fake_take_off(IFINDEX, true, false);
	assert_true(taken_off(scene));
	assert_way(scene, PE_MODE_TCX, PE_REASON_BUSY);
	advance(scene);

	/* TCX alone: XDP goes on. */
	fake_take_off(IFINDEX, false, true);
	assert_true(pe_attacher_is_taken_off(scene->attacher, &scene->iface));
	assert_false(taken_off(scene));
	assert_way(scene, PE_MODE_GENERIC, PE_REASON_NONE);

	fake_take_off(IFINDEX, true, false);
	assert_true(taken_off(scene));
	assert_way(scene, PE_MODE_NONE, PE_REASON_BUSY);
	assert_true(pe_attacher_is_unfinished(&scene->iface));
	assert_int_equal(finish(scene), 0);
	assert_way(scene, PE_MODE_TCX, PE_REASON_BUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_follow_gro),
		test(test_follow_where_native_was_refused),
		test(test_native_follows_nothing),
		test(test_native_on_a_bond),
		test(test_follow_without_tracepoint),
		test(test_follow_into_busy),
		test(test_follow_nothing),
		test(test_offloads_are_put_back),
		test(test_offloads_below_are_put_back),
		test(test_offloads_of_somebody_else),
		test(test_offloads_are_put_back_when_refused),
		test(test_offloads_cannot_be_put_back),
		test(test_offloads_of_one_that_has_gone),
		test(test_offloads_wait_for_events),
		test(test_offloads_of_another),
		test(test_offloads_are_not_in_force),
		test(test_look),
		test(test_offload_below),
		test(test_offload_below_comes),
		test(test_offload_of_its_own),
		test(test_yield),
		test(test_yield_without_tracepoint),
		test(test_yield_never),
		test(test_taken_off),
		test(test_taken_off_puts_offloads_back),
		test(test_tcx_taken_off),
		test(test_xdp_taken_off_stacked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
