/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rounds that compare watched interfaces with the kernel and look after them, and who is above
 * and below whom. */
#include "interfaces-scene.h"

static struct pe_link *add_related(struct scene *scene, int ifindex, const char *kind, int below,
				   int master)
{
	struct pe_link *link = fake_add(ifindex, kind);

	link->peer = below;
	link->master = master;
	dispatch(scene);
	fake.monitor_ops->added(link, fake.monitor_userdata);
	return link;
}

/* ---- the audit ---- */

static void audit(struct scene *scene)
{
	fake.now_ns += S;
	pe_interfaces_audit(scene->interfaces);
}

/* Rounds, each with an end to its brackets. */
static void audit_all(struct scene *scene, unsigned int rounds)
{
	for (unsigned int i = 0; i < rounds; i++) {
		audit(scene);
		fake.now_ns += 50 * MS;
		pe_interfaces_close_brackets(scene->interfaces);
	}
}

static uint64_t lost(struct scene *scene, int ifindex)
{
	return shown(scene, ifindex).body.unobserved[PE_INGRESS][PE_UNOBSERVED_LOST].packets;
}

static void test_audits_in_turn(void **state)
{
	struct scene *scene = *state;

	add_promoted(scene, 1, 200, "veth");
	for (unsigned int round = 1; round <= 3; round++) {
		unsigned int read = 0;

		audit(scene);
		for (int i = 1; i <= 200; i++) {
			assert_in_range(fake_find(i)->reads, 0, 1);
			read += fake_find(i)->reads;
		}
		assert_int_equal(read, 64 * round);
	}
	audit(scene);
	for (int i = 1; i <= 200; i++)
		assert_in_range(fake_find(i)->reads, 1, 2);
}

/* The next one goes, and another one comes: its turn is that of the one behind it. */
static void test_audits_go_on(void **state)
{
	struct scene *scene = *state;

	add_promoted(scene, 1, 3, "veth");
	fake.has_events = true;
	audit(scene);
	assert_int_equal(fake_find(1)->reads, 1);
	fake.may_lapse = true;
	fake_report_deleted(2);
	fake_report_added(4, "veth");
	audit(scene);
	assert_int_equal(fake_find(3)->reads, 1);
	assert_int_equal(fake_find(4)->reads, 0);
}

/* New interfaces go first. */
static void test_audit_stops_for_events(void **state)
{
	struct scene *scene = *state;
	unsigned int read = 0;

	add_promoted(scene, 1, 200, "veth");
	fake.has_events = true;
	audit(scene);
	for (int i = 1; i <= 200; i++)
		read += fake_find(i)->reads;
	assert_int_equal(read, 1);
}

/* One veth that has been compared, and is under traffic. */
static void add_busy(struct scene *scene)
{
	add_promoted(scene, 1, 1, "veth");
	audit_all(scene, 3);
	assert_int_equal(pe_interfaces_brackets_at(scene->interfaces), 0);
	fake_receive(1, 100, 100);
}

static void test_bracket(void **state)
{
	struct scene *scene = *state;
	uint64_t at_ns;

	add_busy(scene);
	/* Some are on their way to us. */
	fake_receive(1, 10, 0);
	audit(scene);
	at_ns = fake.now_ns + 50 * MS;
	assert_int_equal(pe_interfaces_brackets_at(scene->interfaces), at_ns);
	fake_receive(1, 10, 20);
	fake.now_ns = at_ns;
	pe_interfaces_close_brackets(scene->interfaces);
	assert_int_equal(pe_interfaces_brackets_at(scene->interfaces), 0);

	/* What never comes is accounted for when two brackets say so. */
	for (int i = 0; i < 3; i++) {
		fake_receive(1, 10, 9);
		audit(scene);
		fake_receive(1, 10, 10);
		fake.now_ns += 50 * MS;
		pe_interfaces_close_brackets(scene->interfaces);
		assert_int_equal(lost(scene, 1), 0);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(lost(scene, 1), 0);
		fake_receive(1, 1, 1);
		audit(scene);
		pe_interfaces_close_brackets(scene->interfaces);
	}
	assert_int_equal(lost(scene, 1), 3);
}

/* The thread was late: the next round closes them. */
static void test_brackets_are_closed_late(void **state)
{
	struct scene *scene = *state;

	add_busy(scene);
	fake_receive(1, 5, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(lost(scene, 1), 0);
		fake_receive(1, 1, 1);
		audit(scene);
	}
	/* The one that came between two rounds may be on its way still. */
	assert_int_equal(lost(scene, 1), 4);
	assert_int_not_equal(pe_interfaces_brackets_at(scene->interfaces), 0);
}

static void test_bracket_of_one_that_has_gone(void **state)
{
	struct scene *scene = *state;

	add_busy(scene);
	audit(scene);
	fake_report_deleted(1);
	pe_interfaces_close_brackets(scene->interfaces);
	assert_int_equal(pe_interfaces_brackets_at(scene->interfaces), 0);
}

/* The other one has nothing to do with its readings. */
static void test_bracket_of_one_that_was_replaced(void **state)
{
	struct scene *scene = *state;

	add_busy(scene);
	audit(scene);
	fake_report_deleted(1);
	add_promoted(scene, 1, 1, "veth");
	fake_receive(1, 50, 0);
	pe_interfaces_close_brackets(scene->interfaces);
	assert_int_equal(fake_find(1)->reads, 0);
	assert_false(record_of(scene, 1)->audit.is_open);
}

/* As many as a round looks at. */
static void test_brackets_are_bounded(void **state)
{
	struct scene *scene = *state;
	unsigned int open = 0;

	add_promoted(scene, 1, 200, "veth");
	audit_all(scene, 3 * 4);
	for (int i = 1; i <= 200; i++)
		fake_receive(i, 1, 1);
	for (int i = 1; i <= 200; i++)
		fake_find(i)->reads = 0;
	audit(scene);
	pe_interfaces_close_brackets(scene->interfaces);
	for (int i = 1; i <= 200; i++)
		open += fake_find(i)->reads == 2;
	assert_int_equal(open, PE_AUDITOR_BATCH);
}

/* It gets a slot, and is under traffic at once: what came until then was before. */
static void test_missed_before_the_slot(void **state)
{
	struct scene *scene = *state;

	fake.slots = 0;
	add_promoted(scene, 1, 1, "veth");
	fake_receive(1, 20, 0);
	audit_all(scene, 3);
	fake_receive(1, 100, 0);
	fake.slots = 1;
	fake.now_ns += 60 * S;
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
	for (int i = 0; i < 4; i++) {
		fake_receive(1, 300, 300);
		audit_all(scene, 1);
	}
	assert_int_equal(lost(scene, 1), 0);
	assert_int_equal(
		shown(scene, 1).body.unobserved[PE_INGRESS][PE_UNOBSERVED_BEFORE_ATTACH].packets,
		120);
}

/* One that has been compared is not compared at once when attaching is tried again: packets can be
 * on their way to us each time. */
static void test_tried_again_under_traffic(void **state)
{
	struct scene *scene = *state;

	add_busy(scene);
	fake_find(1)->foreign = true;
	fake_take_off(1, true, false);
	audit_all(scene, 3);
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
	fake_receive(1, 10, 0);
	for (int i = 0; i < 4; i++) {
		fake.now_ns += 61 * S;
		pe_interfaces_retry(scene->interfaces);
	}
	fake_receive(1, 0, 10);
	audit_all(scene, 3);
	assert_int_equal(lost(scene, 1), 0);
}

/* ---- somebody takes our program off ---- */

static void test_taken_off(void **state)
{
	struct scene *scene = *state;

	add_promoted(scene, 1, 1, "veth");
	fake_take_off(1, true, false);
	audit_all(scene, 1);
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
	/* Whoever did it may want the place. */
	assert_int_equal(in_state(scene, PE_IFACE_RETRY), 1);
	fake.now_ns += 57 * S;
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
	fake.now_ns += 4 * S;
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
}

/* Its program has gone with it: nobody took it off. */
static void test_gone_and_not_taken_off(void **state)
{
	struct scene *scene = *state;

	add_promoted(scene, 1, 1, "veth");
	fake.may_lapse = true;
	fake_delete(1);
	audit_all(scene, 1);
	assert_int_equal(fake.warnings, 0);
	assert_int_equal(in_state(scene, PE_IFACE_RETRY), 0);
}

/* TCX follows in a round, and not at once. */
static void test_taken_off_stacked(void **state)
{
	struct scene *scene = *state;

	add(scene, 1, 1, "macvlan");
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
	fake_take_off(1, true, false);
	audit_all(scene, 1);
	assert_shown(scene, 1, PE_MODE_NONE, PE_REASON_BUSY);
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_TCX, PE_REASON_BUSY);
}

/* A bond: from then on, what it receives is unobserved, and not from the round after. */
static void test_taken_off_bond(void **state)
{
	struct scene *scene = *state;

	add(scene, 1, 1, "bond");
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
	fake_receive(1, 100, 50);
	fake.no_tcx = true;
	fake_take_off(1, true, false);
	audit_all(scene, 1);
	assert_shown(scene, 1, PE_MODE_NONE, PE_REASON_BUSY);
	fake_receive(1, 5, 0);
	audit_all(scene, 1);
	assert_int_equal(lost(scene, 1), 5);
}

/* ---- load ---- */

static void load(struct scene *scene, unsigned int seconds, uint64_t packets)
{
	for (unsigned int i = 0; i < seconds; i++) {
		fake_receive(1, packets, packets);
		audit_all(scene, 1);
	}
}

static void test_load(void **state)
{
	struct scene *scene = *state;

	add_promoted(scene, 1, 1, "veth");
	load(scene, 3, 900);
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
	load(scene, 1, 10000000);
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_LOAD);
	load(scene, 30, 100);
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_int_equal(in_state(scene, PE_IFACE_RETRY), 0);
}

/* Somebody else took the place meanwhile: it is tried again. */
static void test_load_then_busy(void **state)
{
	struct scene *scene = *state;

	add_promoted(scene, 1, 1, "veth");
	load(scene, 2, 10000000);
	fake_find(1)->foreign = true;
	load(scene, 30, 0);
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
	assert_int_equal(in_state(scene, PE_IFACE_RETRY), 1);
}

/* With ours above it, it could not come back. */
static void test_load_below_ours(void **state)
{
	struct scene *scene = *state;

	add_promoted(scene, 1, 1, "veth");
	add_related(scene, 2, "macvlan", 1, 0);
	load(scene, 2, 10000000);
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
	fake.may_lapse = true;
	fake_report_deleted(2);
	fake.may_lapse = false;
	load(scene, 1, 10000000);
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_LOAD);
}

/* ---- who is above and below whom ---- */

/* One above a new one must not come first: XDP would be refused below. */
static void test_below_comes_first(void **state)
{
	struct scene *scene = *state;

	add(scene, 1, 1, "veth");
	add_related(scene, 2, "macvlan", 1, 0);
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_shown(scene, 2, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_int_equal(in_state(scene, PE_IFACE_PENDING), 0);
}

/* One that left its place to the tracepoint takes it again, before it is too late. */
static void test_below_comes_back_first(void **state)
{
	struct scene *scene = *state;

	add_promoted(scene, 1, 1, "veth");
	load(scene, 2, 10000000);
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_LOAD);
	add_related(scene, 2, "macvlan", 1, 0);
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_shown(scene, 2, PE_MODE_GENERIC, PE_REASON_NONE);
}

static struct pe_relations relations_of(struct scene *scene)
{
	return (struct pe_relations){ scene->engine->records, scene->engine->monitor };
}

static bool is_below_ours(struct scene *scene, int ifindex)
{
	const struct pe_relations relations = relations_of(scene);

	return pe_relations_has_above(&relations, record_of(scene, ifindex));
}

static size_t list_below(struct scene *scene, int ifindex, int *ret_ifindex)
{
	const struct pe_relations relations = relations_of(scene);

	return pe_relations_list_below(&relations, record_of(scene, ifindex), ret_ifindex);
}

static void test_below_ours(void **state)
{
	struct scene *scene = *state;

	add_promoted(scene, 1, 3, "veth");
	add_related(scene, 4, "macvlan", 1, 0);
	add_related(scene, 5, "bond", 0, 0);
	add_related(scene, 6, "veth", 0, 5);
	add_related(scene, 7, "bridge", 0, 0);
	add_related(scene, 8, "veth", 0, 7);
	/* The two ends of a pair name each other. */
	fake_find(2)->link.peer = 3;
	fake_find(3)->link.peer = 2;
	assert_true(is_below_ours(scene, 1));
	assert_false(is_below_ours(scene, 2));
	assert_false(is_below_ours(scene, 4));
	assert_true(is_below_ours(scene, 6));
	assert_false(is_below_ours(scene, 8)); /* no XDP is on the bridge */
	fake.may_lapse = true;
	fake_report_deleted(4);
	assert_false(is_below_ours(scene, 1));
	/* One above it without XDP is none. */
	fake.xdp_error = -EPERM;
	add_related(scene, 9, "macvlan", 1, 0);
	fake.xdp_error = 0;
	assert_false(is_below_ours(scene, 1));

	/* What refuses a port of our bond is ours. */
	fake.warnings = 0;
	fake.now_ns += 5 * MS;
	pe_interfaces_promote(scene->interfaces);
	assert_shown(scene, 6, PE_MODE_TRACEPOINT, PE_REASON_UPPER);
	assert_int_equal(fake.warnings, 0);
}

static void assert_below(struct scene *scene, int ifindex, int count, const int *expected)
{
	int below[PE_OFFLOADS_MAX];

	assert_int_equal(list_below(scene, ifindex, below), count);
	for (int i = 0; i < count; i++) {
		bool is_listed = false;

		for (int k = 0; k < count; k++)
			is_listed |= below[k] == expected[i];
		assert_true(is_listed);
	}
	assert_int_equal(below[0], ifindex);
}

static void test_list_below(void **state)
{
	struct scene *scene = *state;
	struct pe_link *elsewhere;

	add_promoted(scene, 1, 3, "");
	add_related(scene, 4, "bond", 0, 0);
	fake_find(1)->link.master = fake_find(2)->link.master = 4;
	add_related(scene, 5, "vlan", 4, 0);
	add_related(scene, 6, "macvlan", 3, 0);
	add_related(scene, 7, "veth", 3, 0);
	elsewhere = fake_add(8, "macvlan");
	elsewhere->peer = 3;
	elsewhere->peer_netnsid = 0;
	fake.monitor_ops->added(elsewhere, fake.monitor_userdata);
	assert_below(scene, 1, 1, (int[]){ 1 });
	assert_below(scene, 4, 3, (int[]){ 4, 1, 2 });
	/* Those below one below, too: the kernel goes down all the way. */
	assert_below(scene, 5, 4, (int[]){ 5, 4, 1, 2 });
	assert_below(scene, 6, 2, (int[]){ 6, 3 });
	assert_below(scene, 7, 1, (int[]){ 7 });
	/* So has the kernel it, though it is not stacked in the way that packets go. */
	add_related(scene, 9, "vxlan", 3, 0);
	assert_below(scene, 9, 2, (int[]){ 9, 3 });
	assert_below(scene, 8, 1, (int[]){ 8 }); /* it is in another namespace */
}

static void test_list_below_is_bounded(void **state)
{
	struct scene *scene = *state;
	int below[PE_OFFLOADS_MAX];

	add_related(scene, 1, "bond", 0, 0);
	for (int i = 0; i < 2 * PE_OFFLOADS_MAX; i++)
		add_related(scene, 10 + i, "", 0, 1);
	assert_int_equal(list_below(scene, 1, below), PE_OFFLOADS_MAX);
}

/* A card that merges under a bond: nothing above it gets XDP. */
static void test_card_below_a_bond(void **state)
{
	struct scene *scene = *state;

	add_related(scene, 1, "", 0, 2);
	fake_find(1)->features = (struct pe_feature_state){ PE_FEATURE_LRO, PE_FEATURE_LRO };
	add_related(scene, 2, "bond", 0, 0);
	add_related(scene, 3, "vlan", 2, 0);
	assert_shown(scene, 2, PE_MODE_NONE, PE_REASON_OFFLOAD);
	assert_shown(scene, 3, PE_MODE_NONE, PE_REASON_OFFLOAD);
	assert_int_equal(fake_find(1)->features.active, PE_FEATURE_LRO);
}

static void test_card_below_a_tunnel(void **state)
{
	struct scene *scene = *state;

	add_related(scene, 1, "", 0, 0);
	fake_find(1)->features = (struct pe_feature_state){ PE_FEATURE_LRO, PE_FEATURE_LRO };
	add_related(scene, 2, "vxlan", 1, 0);
	fake.now_ns += 5 * MS;
	pe_interfaces_promote(scene->interfaces);
	assert_shown(scene, 2, PE_MODE_TRACEPOINT, PE_REASON_OFFLOAD);
	assert_int_equal(fake_find(1)->features.active, PE_FEATURE_LRO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_audits_in_turn),
		test(test_audits_go_on),
		test(test_audit_stops_for_events),
		test(test_bracket),
		test(test_brackets_are_closed_late),
		test(test_bracket_of_one_that_has_gone),
		test(test_bracket_of_one_that_was_replaced),
		test(test_brackets_are_bounded),
		test(test_missed_before_the_slot),
		test(test_tried_again_under_traffic),
		test(test_taken_off),
		test(test_gone_and_not_taken_off),
		test(test_taken_off_stacked),
		test(test_taken_off_bond),
		test(test_load),
		test(test_load_then_busy),
		test(test_load_below_ours),
		test(test_below_comes_first),
		test(test_below_comes_back_first),
		test(test_below_ours),
		test(test_list_below),
		test(test_list_below_is_bounded),
		test(test_card_below_a_bond),
		test(test_card_below_a_tunnel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
