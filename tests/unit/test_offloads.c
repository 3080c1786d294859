/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receive offloads of several interfaces: of bonds and of their ports, of those that are deleted,
 * move away and are replaced, and of ports whose master is of a kind that nobody knows. */
#include "interfaces-scene.h"

#define LRO ((struct pe_feature_state){ PE_FEATURE_LRO, PE_FEATURE_LRO })

static struct pe_link *add_card(int ifindex, int master)
{
	struct pe_link *link = fake_add(ifindex, "");

	link->master = master;
	fake_find(ifindex)->features = LRO;
	return link;
}

static void report_added(struct scene *scene, struct pe_link *link)
{
	dispatch(scene);
	fake.monitor_ops->added(link, fake.monitor_userdata);
	fake.now_ns += 5 * MS;
	pe_interfaces_promote(scene->interfaces);
}

static void exclude_cards(struct scene *scene)
{
	regfree(&scene->options.exclude);
	assert_int_equal(regcomp(&scene->options.exclude, "^eth", REG_EXTENDED), 0);
}

/* As another exporter, with this option. */
static struct scene *begin_generic(void **state)
{
	teardown(state);
	make(state, PE_XDP_GENERIC);
	assert_int_equal(pe_interfaces_start(((struct scene *)*state)->interfaces), 0);
	return *state;
}

static void end(struct scene *scene)
{
	fake.may_lapse = true;
	pe_interfaces_free(scene->interfaces);
	scene->interfaces = NULL;
}

static void assert_as_before(int first, int count)
{
	for (int i = first; i < first + count; i++)
		assert_memory_equal(&fake_find(i)->features, &LRO, sizeof(LRO));
	assert_int_equal(fake.warnings, 0);
}

/* A bond of ports that have XDP or are excluded; either is detached first. */
static void test_bond(void **state)
{
	for (int round = 0; round < 4; round++) {
		struct scene *scene = begin_generic(state);
		int ifindex = round & 1 ? 3 : 1;
		struct pe_link *bond;

		if (round & 2)
			exclude_cards(scene);
		report_added(scene, add_card(2, 0));
		bond = fake_add(ifindex, "bond");
		fake_find(ifindex)->features = LRO;
		fake_find(2)->link.master = ifindex;
		report_added(scene, bond);
		assert_true(fake_find(ifindex)->xdp);
		assert_int_equal(fake_find(2)->xdp, !(round & 2));
		assert_int_equal(fake_find(2)->features.wanted, 0);
		assert_int_equal(fake_find(ifindex)->features.wanted, 0);
		end(scene);
		assert_as_before(2, 1);
		assert_as_before(ifindex, 1);
	}
}

/* A port leaves while the bond keeps XDP: it has to wait for it, or is put back when it is free. */
static void test_port_before_its_bond(void **state)
{
	struct scene *scene = begin_generic(state);

	report_added(scene, add_card(2, 0));
	fake_find(2)->link.master = 1;
	report_added(scene, fake_add(1, "bond"));
	fake_find(1)->features.wanted = PE_FEATURE_LRO;
	fake.may_lapse = true;
	fake_take_off(2, true, false);
	pe_interfaces_audit(scene->interfaces);
	for (int i = 0; i < 16; i++)
		pe_interfaces_audit(scene->interfaces);
	assert_shown(scene, 2, PE_MODE_TRACEPOINT, PE_REASON_BUSY);
	assert_int_equal(fake_find(2)->features.wanted, 0);
	fake.warnings = 0;
	fake_report_gone(1, PE_LINK_DELETED);
	assert_as_before(2, 1);
}

/* What our program on a macvlan has switched off below is put back when the macvlan is deleted. */
static void test_upper_is_deleted(void **state)
{
	struct scene *scene = begin_generic(state);
	struct pe_link *upper;

	exclude_cards(scene);
	report_added(scene, add_card(2, 0));
	for (int i = 3; i <= 4; i++) {
		upper = fake_add(i, "macvlan");
		upper->peer = 2;
		report_added(scene, upper);
	}
	assert_int_equal(fake_find(2)->features.wanted, 0);
	fake.may_lapse = true;
	fake_report_gone(3, PE_LINK_DELETED);
	assert_int_equal(fake_find(2)->features.wanted, 0);
	/* Events wait: not now, but in a round, or with the next of them. */
	fake.has_events = true;
	fake_report_gone(4, PE_LINK_DELETED);
	assert_int_equal(fake_find(2)->features.wanted, 0);
	pe_interfaces_retry(scene->interfaces);
	assert_int_equal(fake_find(2)->features.wanted, 0);
	fake.has_events = false;
	pe_interfaces_retry(scene->interfaces);
	assert_as_before(2, 1);

	upper = fake_add(5, "macvlan");
	upper->peer = 2;
	report_added(scene, upper);
	fake.has_events = true;
	fake_report_gone(5, PE_LINK_DELETED);
	assert_int_equal(fake_find(2)->features.wanted, 0);
	fake.has_events = false;
	dispatch(scene);
	assert_as_before(2, 1);
}

/* Its event is read at the very end: another card has its ifindex. */
static void replace_card(void)
{
	struct fake_interface *gone = fake_find(2);

	fake.at_dispatch = NULL;
	fake_delete(2);
	fake_add(2, "");
	fake.has_events = false;
	fake.monitor_ops->gone(&gone->link, PE_LINK_MOVED, fake.monitor_userdata);
	fake.monitor_ops->added(&fake_find(2)->link, fake.monitor_userdata);
}

static void test_replaced_at_the_end(void **state)
{
	struct scene *scene = begin_generic(state);

	report_added(scene, add_card(2, 0));
	report_added(scene, add_card(3, 0));
	assert_true(fake_find(2)->xdp && fake_find(3)->xdp);
	fake.has_events = true;
	fake.at_dispatch = replace_card;
	end(scene);
	assert_int_equal(fake_find(2)->features.wanted, 0);
	assert_memory_equal(&fake_find(3)->features, &LRO, sizeof(LRO));
	assert_int_equal(fake.feature_wants, 1);
	assert_false(fake_find(2)->xdp);
	assert_int_equal(fake.warnings, 1);
	assert_non_null(strstr(fake.warning, "eth2 has moved to another namespace"));
}

/* It is deleted, and our program is on the next card of its ifindex: what that one has lost to it
 * is put back, too. */
static void test_replaced_with_our_program(void **state)
{
	struct scene *scene = begin_generic(state);
	struct fake_interface *first, *next;

	report_added(scene, add_card(2, 0));
	first = fake_find(2);
	assert_true(first->xdp);
	fake_delete(2);
	add_card(2, 0);
	next = fake_find(2);
	next->features = (struct pe_feature_state){ 0 };
	first->xdp = true;
	fake.may_lapse = true;
	fake.monitor_ops->gone(&first->link, PE_LINK_DELETED, fake.monitor_userdata);
	assert_false(first->xdp);
	assert_as_before(2, 1);
}

/* The kernel takes LRO from all ports, of whatever kind their master is, and watched or not. */
static void test_ports_of_any_master(void **state)
{
	struct scene *scene = *state;

	exclude_cards(scene);
	for (int master = 1; master <= 3; master += 2) {
		report_added(scene, add_card(master + 1, master));
		report_added(scene, fake_add(master, master == 1 ? "batadv" : "bond"));
		assert_false(fake_find(master)->xdp);
		assert_as_before(master + 1, 1);
	}
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_OFFLOAD);
	assert_shown(scene, 3, PE_MODE_NONE, PE_REASON_OFFLOAD);
	/* Without, XDP is the way. */
	fake_find(2)->features = (struct pe_feature_state){ 0 };
	touch(1, 1, 0);
	pe_interfaces_retry(scene->interfaces);
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_bond),
		test(test_port_before_its_bond),
		test(test_upper_is_deleted),
		test(test_replaced_at_the_end),
		test(test_replaced_with_our_program),
		test(test_ports_of_any_master),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
