/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done when no events of interfaces wait: XDP follows, and failures are tried again. */
#include "interfaces-scene.h"

/* ---- XDP follows to new ones ---- */

static void test_promote_when_quiet(void **state)
{
	struct scene *scene = *state;
	uint64_t start_ns = fake.now_ns;

	assert_int_equal(pe_interfaces_promote_at(scene->interfaces), 0);
	add(scene, 1, 30, "veth");
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_NEW);
	assert_int_equal(pe_interfaces_promote_at(scene->interfaces), start_ns + 5 * MS);

	fake.now_ns += 5 * MS;
	pe_interfaces_promote(scene->interfaces);
	for (int i = 1; i <= 30; i++)
		assert_shown(scene, i, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_int_equal(pe_interfaces_promote_at(scene->interfaces), 0);
	assert_int_equal(in_state(scene, PE_IFACE_PENDING), 0);
}

/* While interfaces keep coming: a few a second. */
static void test_promote_in_a_storm(void **state)
{
	struct scene *scene = *state;
	uint64_t start_ns = fake.now_ns;

	for (int i = 0; i < 200; i++) {
		add(scene, 1 + i, 1, "veth");
		assert_in_range(pe_interfaces_promote_at(scene->interfaces), fake.now_ns,
				start_ns + S);
		fake.now_ns += 4 * MS;
	}
	assert_int_equal(count_xdp(1, 200), 0);
	fake.now_ns = start_ns + S;
	dispatch(scene);
	assert_int_equal(pe_interfaces_promote_at(scene->interfaces), fake.now_ns);
	pe_interfaces_promote(scene->interfaces);
	assert_int_equal(count_xdp(1, 200), 8);
	assert_int_equal(in_state(scene, PE_IFACE_PENDING), 192);

	/* The next ones a second later, or all when it is quiet. */
	dispatch(scene);
	fake.now_ns += 4 * MS;
	dispatch(scene);
	assert_int_equal(pe_interfaces_promote_at(scene->interfaces), fake.now_ns + 5 * MS);
	fake.now_ns += 5 * MS;
	pe_interfaces_promote(scene->interfaces);
	assert_int_equal(count_xdp(1, 200), 200);
}

static void test_promote_stops_for_events(void **state)
{
	struct scene *scene = *state;

	add(scene, 1, 10, "veth");
	fake.now_ns += 5 * MS;
	fake.meanwhile = raise_events;
	pe_interfaces_promote(scene->interfaces);
	assert_int_equal(count_xdp(1, 10), 1);
	assert_int_equal(in_state(scene, PE_IFACE_PENDING), 9);
	assert_int_not_equal(pe_interfaces_promote_at(scene->interfaces), 0);
}

/* Others that need no XDP do not make those wait that do. */
static void test_promote_while_others_come(void **state)
{
	struct scene *scene = *state;
	uint64_t start_ns = fake.now_ns;

	add(scene, 1, 1, "veth");
	for (int i = 0; i < 100; i++) {
		fake.now_ns += 4 * MS;
		add(scene, 2 + i, 1, "bridge");
	}
	fake.now_ns = start_ns + S - MS;
	dispatch(scene);
	assert_int_equal(pe_interfaces_promote_at(scene->interfaces), start_ns + S);
}

/* What was there before must be as it should be when we say that we are ready. */
static void test_promote_at_the_start(void **state)
{
	struct scene *scene;

	teardown(state);
	make(state, PE_XDP_AUTO);
	scene = *state;
	fake.has_events = true;
	add(scene, 1, 20, "veth");
	assert_int_equal(pe_interfaces_start(scene->interfaces), 0);
	assert_int_equal(count_xdp(1, 20), 20);
}

static void test_promote_one_that_has_gone(void **state)
{
	struct scene *scene = *state;

	add(scene, 1, 2, "veth");
	fake_report_deleted(1);
	assert_int_equal(in_state(scene, PE_IFACE_PENDING), 1);
	fake.now_ns += 5 * MS;
	pe_interfaces_promote(scene->interfaces);
	assert_shown(scene, 2, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_int_equal(in_state(scene, PE_IFACE_PENDING), 0);
	assert_int_equal(scene->departed, 1);
}

/* ---- what failed is tried again ---- */

/* Rounds of a second; when, since `start_ns`, XDP was tried. */
static unsigned int record_attempts(struct scene *scene, int ifindex, unsigned int seconds,
				    unsigned int *ret_at, unsigned int max)
{
	unsigned int count = 0;

	for (unsigned int second = 1; second <= seconds; second++) {
		unsigned int before = fake_find(ifindex)->attempts;

		fake.now_ns += S;
		pe_interfaces_retry(scene->interfaces);
		if (fake_find(ifindex)->attempts == before)
			continue;
		assert_true(count < max);
		ret_at[count++] = second;
	}
	return count;
}

static void test_retry_ever_more_seldom(void **state)
{
	static const unsigned int expected[] = { 1, 3, 7, 15, 31, 63, 123, 183, 243 };
	struct scene *scene = *state;
	unsigned int at[16];

	add(scene, 1, 1, "veth");
	fake_find(1)->foreign = true;
	fake.now_ns += 5 * MS;
	pe_interfaces_promote(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
	assert_int_equal(in_state(scene, PE_IFACE_RETRY), 1);
	assert_int_equal(record_attempts(scene, 1, 250, at, 16), 9);
	assert_memory_equal(at, expected, sizeof(expected));

	fake_find(1)->foreign = false;
	assert_int_equal(record_attempts(scene, 1, 100, at, 16), 1);
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_int_equal(in_state(scene, PE_IFACE_RETRY), 0);
	assert_non_null(strstr(fake.info, "veth1 is counted now (generic)"));

	/* The next failure is another one. */
	touch(1, 1, PE_FEATURE_GRO);
	pe_interfaces_retry(scene->interfaces);
	fake_find(1)->foreign = true;
	touch(1, 1, 0);
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
	assert_int_equal(record_attempts(scene, 1, 10, at, 16), 3);
	assert_memory_equal(at, expected, 3 * sizeof(*expected));
}

/* Not before its time, unless it is that which it waits for. */
static void test_retry_when_a_slot_is_free(void **state)
{
	struct scene *scene = *state;
	unsigned int takes;

	fake.slots = 1;
	add_promoted(scene, 1, 2, "veth");
	assert_shown(scene, 2, PE_MODE_NONE, PE_REASON_NO_SLOT);
	assert_int_equal(pe_registry_token(scene->registry, record_of(scene, 2)->member),
			 PE_TOKEN_NONE);
	takes = fake.takes;
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(fake.takes, takes);

	fake.may_lapse = true;
	fake_report_deleted(1);
	pe_registry_expire(scene->registry, UINT64_MAX, NULL);
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 2, PE_MODE_GENERIC, PE_REASON_NONE);
	assert_int_equal(pe_registry_token(scene->registry, record_of(scene, 2)->member),
			 fake_find(2)->token);
}

/* One slot is free, and two wait for it: the other one waits for its time again. */
static void test_retry_of_one_that_gets_no_slot(void **state)
{
	struct scene *scene = *state;
	unsigned int takes;

	fake.slots = 1;
	add_promoted(scene, 1, 3, "veth");
	fake.may_lapse = true;
	fake_report_deleted(1);
	assert_int_equal(fake.stops, 1);
	pe_registry_expire(scene->registry, UINT64_MAX, NULL);
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(in_state(scene, PE_IFACE_RETRY), 1);
	takes = fake.takes;
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(fake.takes, takes);
}

/* One slot does not wake up those that wait for something else. */
static void test_no_retry_when_a_slot_is_free(void **state)
{
	struct scene *scene = *state;

	add(scene, 1, 2, "veth");
	fake_find(2)->foreign = true;
	fake.now_ns += 5 * MS;
	pe_interfaces_promote(scene->interfaces);
	fake_report_deleted(1);
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(fake_find(2)->attempts, 1);
}

static void test_retry_when_somebody_elses_has_gone(void **state)
{
	struct scene *scene = *state;
	struct pe_link before;

	add(scene, 1, 1, "veth");
	fake_find(1)->foreign = true;
	fake.now_ns += 5 * MS;
	pe_interfaces_promote(scene->interfaces);
	fake_find(1)->foreign = false;
	before = fake_find(1)->link;
	before.xdp_id = 99;
	fake.monitor_ops->changed(&fake_find(1)->link, &before, fake.monitor_userdata);
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
}

/* ---- TCX, which comes and goes slowly ---- */

/* Two that are refused XDP: TCX is wanted. */
static void add_refused(struct scene *scene)
{
	fake.xdp_error = -EPERM;
	add(scene, 1, 2, "macvlan");
	assert_shown(scene, 1, PE_MODE_NONE, PE_REASON_REFUSED);
	assert_int_equal(fake_find(1)->tcx + fake_find(2)->tcx, 0);
}

static void test_finish_one_a_round(void **state)
{
	struct scene *scene = *state;

	add_refused(scene);
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(fake_find(1)->tcx + fake_find(2)->tcx, 1);
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_TCX, PE_REASON_REFUSED);
	assert_shown(scene, 2, PE_MODE_TCX, PE_REASON_REFUSED);
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(in_state(scene, PE_IFACE_TCX), 0);

	/* XDP comes, then TCX goes. */
	fake.xdp_error = 0;
	fake.now_ns += S;
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(count_xdp(1, 2), 2);
	assert_int_equal(fake_find(1)->tcx + fake_find(2)->tcx, 1);
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(fake_find(1)->tcx + fake_find(2)->tcx, 0);
	assert_int_equal(fake.links, 2);
}

/* One that is counted can wait. */
static void test_finish_first_what_is_not_counted(void **state)
{
	struct scene *scene = *state;

	add_refused(scene);
	fake_report_deleted(1);
	pe_interfaces_retry(scene->interfaces);
	fake.xdp_error = 0;
	fake.has_events = true;
	fake.now_ns += S;
	pe_interfaces_retry(scene->interfaces);
	assert_true(fake_find(2)->tcx && fake_find(2)->xdp);
	fake.xdp_error = -EPERM;
	add(scene, 1, 1, "macvlan");
	fake.has_events = false;
	pe_interfaces_retry(scene->interfaces);
	assert_true(fake_find(2)->tcx);
	assert_shown(scene, 1, PE_MODE_TCX, PE_REASON_REFUSED);
	pe_interfaces_retry(scene->interfaces);
	assert_false(fake_find(2)->tcx);
}

/* Also where it came first. */
static void test_finish_first_the_older_one(void **state)
{
	struct scene *scene = *state;

	add_refused(scene);
	pe_interfaces_retry(scene->interfaces);
	pe_interfaces_retry(scene->interfaces);
	assert_true(fake_find(1)->tcx && fake_find(2)->tcx);
	fake.xdp_error = 0;
	fake.has_events = true;
	fake.now_ns += S;
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(count_xdp(1, 2), 2);
	/* Both are taken off the first one, which then is not counted. */
	fake.may_lapse = true;
	fake_take_off(1, true, true);
	pe_interfaces_audit(scene->interfaces);
	pe_interfaces_audit(scene->interfaces);
	assert_true(record_of(scene, 1)->attachment.wants_tcx);
	fake.has_events = false;
	pe_interfaces_retry(scene->interfaces);
	assert_true(fake_find(1)->tcx);
	assert_true(fake_find(2)->tcx && fake_find(2)->xdp);
}

static void test_finish_waits_for_quiet(void **state)
{
	struct scene *scene = *state;

	add_refused(scene);
	fake.has_events = true;
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(fake.links, 0);
	fake.has_events = false;
	add(scene, 10, 1, "veth");
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(fake.links, 0);
	fake_report_deleted(10);
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(fake.links, 1);
}

/* Also where XDP is not for it, so that TCX is all that there is to try. */
static void test_finish_is_tried_again(void **state)
{
	struct scene *scene = *state;
	struct pe_link *link;

	add_promoted(scene, 3, 1, "");
	fake_find(3)->features = (struct pe_feature_state){ PE_FEATURE_LRO, PE_FEATURE_LRO };
	fake.tcx_error = -ENOMEM;
	dispatch(scene);
	link = fake_add(1, "macvlan");
	link->peer = 3;
	fake.monitor_ops->added(link, fake.monitor_userdata);
	assert_shown(scene, 1, PE_MODE_NONE, PE_REASON_OFFLOAD);
	pe_interfaces_retry(scene->interfaces);
	assert_non_null(strstr(fake.warning, "trying again later"));
	fake.tcx_error = 0;
	for (int i = 0; i < 10; i++) {
		fake.now_ns += S;
		pe_interfaces_retry(scene->interfaces);
	}
	assert_shown(scene, 1, PE_MODE_TCX, PE_REASON_OFFLOAD);
	assert_int_equal(in_state(scene, PE_IFACE_RETRY), 0);
}

/* ---- features that change ---- */

static void test_follow_touched(void **state)
{
	struct scene *scene = *state;

	add_promoted(scene, 1, 10, "veth");
	touch(1, 10, PE_FEATURE_GRO);
	assert_int_equal(count_xdp(1, 10), 10);
	fake.has_events = true;
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(count_xdp(1, 10), 10);
	fake.has_events = false;
	pe_interfaces_retry(scene->interfaces);
	for (int i = 1; i <= 10; i++)
		assert_shown(scene, i, PE_MODE_TRACEPOINT, PE_REASON_GRO);
	assert_non_null(strstr(fake.info, "is counted now (tracepoint): its receive features"));

	/* Who was not touched is not looked at. */
	assert_int_equal(in_state(scene, PE_IFACE_FEATURES), 0);
	fake_find(5)->features.active = 0;
	fake.feature_reads = 0;
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(fake.feature_reads, 0);
	touch(7, 1, PE_FEATURE_GRO);
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(fake.feature_reads, 1);
}

/* Events come up in between: the others are followed in the next round. */
static void test_follow_stops_for_events(void **state)
{
	struct scene *scene = *state;

	add_promoted(scene, 1, 10, "veth");
	touch(1, 10, PE_FEATURE_GRO);
	pe_interfaces_retry(scene->interfaces);
	touch(1, 10, 0);
	fake.meanwhile = raise_events;
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(count_xdp(1, 10), 1);
	fake.has_events = false;
	fake.meanwhile = NULL;
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(count_xdp(1, 10), 10);
}

/* TCX comes after XDP has gone: for a stacked one, some work is left. */
static void test_follow_stacked(void **state)
{
	struct scene *scene = *state;

	add(scene, 1, 1, "macvlan");
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
	touch(1, 1, PE_FEATURE_LRO);
	fake.may_lapse = true;
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_TCX, PE_REASON_OFFLOAD);
}

static void test_follow_is_tried_again(void **state)
{
	struct scene *scene = *state;

	add(scene, 1, 1, "veth");
	touch(1, 1, PE_FEATURE_GRO);
	fake.now_ns += 5 * MS;
	pe_interfaces_promote(scene->interfaces);
	fake_find(1)->foreign = true;
	touch(1, 1, 0);
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
	assert_string_equal(fake.info, "");
	fake_find(1)->foreign = false;
	fake.now_ns += S;
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
}

/* A bond, whose counters are not compared: what it receives while nothing counts is unobserved to
 * the packet, also what comes just before something counts again. */
static void test_uncounted_until_finished(void **state)
{
	struct scene *scene = *state;
	struct pe_iface_sample now;

	add_promoted(scene, 3, 1, "");
	fake_find(3)->link.master = 1;
	fake_find(3)->features = (struct pe_feature_state){ PE_FEATURE_LRO, PE_FEATURE_LRO };
	add(scene, 1, 1, "bond");
	assert_shown(scene, 1, PE_MODE_NONE, PE_REASON_OFFLOAD);
	fake_receive(1, 7, 0);
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_TCX, PE_REASON_OFFLOAD);
	fake_receive(1, 100, 50);
	now = shown(scene, 1);
	assert_int_equal(now.body.unobserved[PE_INGRESS][PE_UNOBSERVED_BEFORE_ATTACH].packets, 7);

	touch(3, 1, 0);
	touch(1, 1, 0);
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
	fake_receive(1, 100, 50);
	fake.may_lapse = true;
	fake.tcx_error = -ENOMEM;
	touch(3, 1, PE_FEATURE_LRO);
	touch(1, 1, 0);
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_NONE, PE_REASON_OFFLOAD);
	fake_receive(1, 9, 0);
	touch(3, 1, 0);
	touch(1, 1, 0);
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
	fake_receive(1, 100, 50);
	now = shown(scene, 1);
	assert_int_equal(now.body.unobserved[PE_INGRESS][PE_UNOBSERVED_BEFORE_ATTACH].packets, 7);
	assert_int_equal(now.body.unobserved[PE_INGRESS][PE_UNOBSERVED_LOST].packets, 9);
}

/* The warnings that were held back come in a round. */
static void test_grouped_warnings(void **state)
{
	struct scene *scene = *state;

	add(scene, 1, 5, "veth");
	fake.xdp_error = -EPERM;
	fake.now_ns += 5 * MS;
	pe_interfaces_promote(scene->interfaces);
	assert_int_equal(fake.warnings, 1);
	fake.now_ns += 60 * S;
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(fake.warnings, 2);
	assert_non_null(strstr(fake.warning, "4 more interfaces"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_promote_when_quiet),
		test(test_promote_in_a_storm),
		test(test_promote_stops_for_events),
		test(test_promote_while_others_come),
		test(test_promote_at_the_start),
		test(test_promote_one_that_has_gone),
		test(test_retry_ever_more_seldom),
		test(test_retry_when_a_slot_is_free),
		test(test_retry_of_one_that_gets_no_slot),
		test(test_no_retry_when_a_slot_is_free),
		test(test_retry_when_somebody_elses_has_gone),
		test(test_finish_one_a_round),
		test(test_finish_first_what_is_not_counted),
		test(test_finish_first_the_older_one),
		test(test_finish_waits_for_quiet),
		test(test_finish_is_tried_again),
		test(test_follow_touched),
		test(test_follow_stops_for_events),
		test(test_follow_stacked),
		test(test_follow_is_tried_again),
		test(test_uncounted_until_finished),
		test(test_grouped_warnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
