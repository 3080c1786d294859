/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events of interfaces: an ifindex that is used again, names that change hands, interfaces that
 * move and come back, and early ones, which pass packets before their event is read. */
#include "interfaces-scene.h"

#include "pe/identity.h"

#include "../../src/iface/watch.h"

#include "../../src/iface/reuse.h"

static uint64_t before_attach(struct scene *scene, int ifindex, enum pe_direction direction)
{
	return shown(scene, ifindex)
		.body.unobserved[direction][PE_UNOBSERVED_BEFORE_ATTACH]
		.packets;
}

static uint64_t observed(struct scene *scene, int ifindex)
{
	const struct pe_iface_sample sample = shown(scene, ifindex);

	return pe_row_total(&sample.body.row[PE_INGRESS]).packets;
}

/* What all have received, those that have gone included. */
static uint64_t host_packets(struct scene *scene)
{
	struct pe_snapshot *snapshot;
	uint64_t packets;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_registry_collect(scene->registry, snapshot), 0);
	packets = pe_row_total(&snapshot->host->body.row[PE_INGRESS]).packets;
	pe_snapshot_unref(snapshot);
	return packets;
}

/* ---- an ifindex that is used again ---- */

/* Another interface has the ifindex of `first`, whose end is not read yet, and passes packets. */
static struct fake_interface *reuse_ifindex(int ifindex, const char *kind, uint64_t packets)
{
	struct fake_interface *first = fake_find(ifindex), *next;

	fake_delete(ifindex);
	fake_add(ifindex, kind);
	next = fake_find(ifindex);
	next->stats =
		(struct pe_link_stats){ packets, packets * 100, packets / 2, packets * 50, 0, 0 };
	return first;
}

/* Its event is read, with the kernel's counters of now. */
static void report_next(int ifindex, uint64_t packets)
{
	struct fake_interface *next = fake_find(ifindex);

	next->stats.rx_packets += packets;
	next->stats.tx_packets += packets;
	next->link.stats = next->stats;
	next->link.has_stats = true;
	fake.monitor_ops->added(&next->link, fake.monitor_userdata);
}

static void report_end(struct fake_interface *interface, enum pe_link_gone why)
{
	fake.monitor_ops->gone(&interface->link, why, fake.monitor_userdata);
}

/* The tracepoint, which knows ifindexes, has counted it for the one before. */
static void test_reused_by_tracepoint(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first;

	add(scene, 1, 1, "veth");
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_NEW);
	first = reuse_ifindex(1, "veth", 10);
	report_end(first, PE_LINK_DELETED);
	assert_int_equal(scene->departed, 1);
	report_next(1, 3);
	assert_int_equal(before_attach(scene, 1, PE_INGRESS), 3);
	assert_int_equal(before_attach(scene, 1, PE_EGRESS), 3);
}

/* XDP counted the first one: its program is not on the next one, which egress does not need. */
static void test_reused_without_program(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first;

	add_promoted(scene, 1, 1, "veth");
	fake.may_lapse = true;
	first = reuse_ifindex(1, "veth", 10);
	report_end(first, PE_LINK_DELETED);
	report_next(1, 3);
	assert_int_equal(before_attach(scene, 1, PE_INGRESS), 13);
	assert_int_equal(before_attach(scene, 1, PE_EGRESS), 3);
}

/* The first of an ifindex has our program when the next one gets that. */
static struct fake_interface *reuse_with_program(struct scene *scene)
{
	struct fake_interface *first;

	add_promoted(scene, 1, 1, "veth");
	fake.may_lapse = true;
	first = reuse_ifindex(1, "veth", 10);
	first->xdp = true;
	return first;
}

/* We had attached to the next one, by the ifindex of the first. */
static void test_reused_with_program(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first;

	first = reuse_with_program(scene);
	report_end(first, PE_LINK_DELETED);
	report_next(1, 3);
	assert_int_equal(before_attach(scene, 1, PE_INGRESS), 3);
}

/* It lives on elsewhere, with our program until it is detached. */
static void test_reused_after_a_move(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first;

	first = reuse_with_program(scene);
	report_end(first, PE_LINK_MOVED);
	assert_false(first->xdp);
	report_next(1, 3);
	assert_int_equal(before_attach(scene, 1, PE_INGRESS), 13);
	assert_int_equal(before_attach(scene, 1, PE_EGRESS), 3);
}

/* Nothing had counted it. */
static void test_reused_after_one_without_slot(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first;

	fake.slots = 0;
	add(scene, 1, 1, "veth");
	first = reuse_ifindex(1, "veth", 10);
	report_end(first, PE_LINK_DELETED);
	report_next(1, 3);
	assert_int_equal(before_attach(scene, 1, PE_INGRESS), 13);
	assert_int_equal(before_attach(scene, 1, PE_EGRESS), 8);
}

/* What is remembered is for the next one only, also when that is not watched. */
static void test_reused_twice(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first;

	for (int excluded = 0; excluded < 2; excluded++) {
		int ifindex = 1 + excluded;

		add(scene, ifindex, 1, "veth");
		first = reuse_ifindex(ifindex, "veth", 10);
		if (excluded)
			strcpy(fake_find(ifindex)->link.name, "lo");
		report_end(first, PE_LINK_DELETED);
		report_next(ifindex, 0);
		fake.may_lapse = true;
		fake_report_deleted(ifindex);
		fake_add(ifindex, "veth");
		report_next(ifindex, 12);
		assert_int_equal(before_attach(scene, ifindex, PE_INGRESS), 12);
	}
}

/* Nobody has it: then the kernel's lock of all interfaces is not taken. */
static void test_not_reused(void **state)
{
	struct scene *scene = *state;
	unsigned int reads;

	add(scene, 1, 1, "veth");
	reads = fake.stats_reads;
	fake_report_deleted(1);
	assert_int_equal(fake.stats_reads, reads);
}

/* It comes to what is known otherwise. */
static void test_reuse_adds(void **state)
{
	struct pe_reuse reuse = { 0 };
	struct pe_count known[PE_DIRECTIONS] = { { 1, 2 }, { 3, 4 } };

	fake_add(1, "veth");
	fake_receive(1, 10, 0);
	pe_reuse_look(&reuse, NULL, 1, true, true);
	pe_reuse_take(&reuse, 1 + PE_REUSE_MAX, known);
	assert_int_equal(known[PE_INGRESS].packets, 1);
	pe_reuse_take(&reuse, 1, known);
	assert_int_equal(known[PE_INGRESS].packets, 11);
	assert_int_equal(known[PE_INGRESS].bytes, 1002);
	assert_int_equal(known[PE_EGRESS].packets, 3);
}

/* ---- names ---- */

static void rename_to(int ifindex, const char *name)
{
	struct pe_link before = fake_find(ifindex)->link;

	snprintf(fake_find(ifindex)->link.name, IFNAMSIZ, "%s", name);
	fake.monitor_ops->changed(&fake_find(ifindex)->link, &before, fake.monitor_userdata);
}

/* The event of a rename was lost, and another one has the name: it has the series. */
static void test_name_changes_hands(void **state)
{
	struct scene *scene = *state;

	add_promoted(scene, 1, 1, "veth");
	fake_receive(1, 7, 7);
	fake.may_lapse = true;
	strcpy(fake_add(2, "veth")->name, "veth1");
	fake.monitor_ops->added(&fake_find(2)->link, fake.monitor_userdata);
	assert_false(record_of(scene, 1)->state & PE_IFACE_WATCHED);
	assert_false(fake_find(1)->xdp);
	assert_int_equal(scene->departed, 1);
	assert_shown(scene, 2, PE_MODE_TRACEPOINT, PE_REASON_NEW);

	/* The other one comes again by its own name. */
	rename_to(1, "other");
	assert_true(record_of(scene, 1)->state & PE_IFACE_WATCHED);
	assert_string_equal(shown(scene, 1).info.name, "other");
	assert_string_equal(shown(scene, 2).info.name, "veth1");
	assert_int_equal(in_state(scene, PE_IFACE_WATCHED), 2);
}

static void test_renamed_out_and_in(void **state)
{
	struct scene *scene = *state;

	add_promoted(scene, 1, 1, "veth");
	fake.may_lapse = true;
	rename_to(1, "lo");
	assert_int_equal(in_state(scene, PE_IFACE_WATCHED), 0);
	assert_false(fake_find(1)->xdp);
	assert_true(fake_find(1)->ignored);
	rename_to(1, "veth9");
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_NEW);
	assert_string_equal(shown(scene, 1).info.name, "veth9");
}

/* Its ports have its name as a label. */
/* A driver that has refused native XDP is asked again when the interface is watched anew. */
static void test_native_after_a_refusal(void **state)
{
	struct scene *scene;
	struct pe_iface *iface;

	make(state, PE_XDP_NATIVE);
	scene = *state;
	assert_int_equal(pe_interfaces_start(scene->interfaces), 0);
	fake.no_native = true;
	add_promoted(scene, 1, 1, "veth");
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NATIVE_REFUSED);
	iface = record_of(scene, 1);
	fake.may_lapse = true;
	pe_watch_end(scene->engine, iface, true);
	fake.no_native = false;
	assert_true(pe_watch_begin(scene->engine, iface, fake.now_ns));
	assert_int_equal(iface->attachment.mode, PE_MODE_NATIVE);
	assert_int_equal(iface->attachment.reason, PE_REASON_NONE);
}

static void test_bridge_is_renamed(void **state)
{
	struct scene *scene = *state;

	add(scene, 1, 1, "bridge");
	add(scene, 2, 2, "veth");
	fake_find(2)->link.master = 1;
	rename_to(2, "port");
	assert_string_equal(shown(scene, 2).info.master, "bridge1");
	rename_to(1, "br-1");
	assert_string_equal(shown(scene, 2).info.master, "br-1");
	assert_string_equal(shown(scene, 3).info.master, "");
}

/* Somebody else's program goes from one that is as it should be. */
static void test_nothing_to_try_again(void **state)
{
	struct scene *scene = *state;
	struct pe_link before;

	add(scene, 1, 1, "bridge");
	before = fake_find(1)->link;
	before.xdp_id = 99;
	fake.monitor_ops->changed(&fake_find(1)->link, &before, fake.monitor_userdata);
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_BRIDGE);
	assert_string_equal(fake.info, "");
}

/* ---- moved, and back ---- */

/* The kernel's counters come back with it: what was counted in its earlier stay is not missed. */
static void test_comes_back(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first, *again;

	add(scene, 1, 1, "veth");
	first = fake_find(1);
	first->link.address_len = 6;
	memcpy(first->link.address, "\2\0\0\0\0\1", 6);
	fake_receive(1, 10, 10);
	first->link.stats = first->stats;
	first->link.has_stats = true;
	fake.may_lapse = true;
	fake_report_gone(1, PE_LINK_MOVED);

	fake_add(5, "veth");
	again = fake_find(5);
	memcpy(again->link.address, first->link.address, 6);
	again->link.address_len = 6;
	again->stats = first->stats;
	report_next(5, 4);
	assert_int_equal(before_attach(scene, 5, PE_INGRESS), 4);
	assert_int_equal(before_attach(scene, 5, PE_EGRESS), 4);
}

/* By its old ifindex, before the event of its leaving is read: what the tracepoint counts meanwhile
 * is known once, and not twice. */
static void test_comes_back_at_once(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first;

	add(scene, 1, 1, "veth");
	first = fake_find(1);
	first->link.address_len = 6;
	fake_receive(1, 14, 14);
	first = reuse_ifindex(1, "veth", 14);
	fake_find(1)->link.address_len = 6;
	report_end(first, PE_LINK_MOVED);
	report_next(1, 3);
	assert_int_equal(before_attach(scene, 1, PE_INGRESS), 3);
}

/* After a dump: our program shows whether an interface is the one that is known. */
static void test_is_known(void **state)
{
	struct scene *scene = *state;
	struct pe_link shown_now;

	add_promoted(scene, 1, 1, "veth");
	add(scene, 2, 1, "veth");
	shown_now = fake_find(1)->link;
	assert_false(fake.monitor_ops->is_known(&shown_now, scene->interfaces));
	shown_now.xdp_id = 1;
	assert_true(fake.monitor_ops->is_known(&shown_now, scene->interfaces));
	shown_now = fake_find(2)->link;
	assert_true(fake.monitor_ops->is_known(&shown_now, scene->interfaces));
	shown_now.xdp_id = 1;
	assert_false(fake.monitor_ops->is_known(&shown_now, scene->interfaces));
}

/* One that gets no series gives back all that it has taken; it is tried again with its next event.
 */
static void test_no_memory_for_series(void **state)
{
	struct scene *scene = *state;

	fake.no_series = true;
	fake.may_lapse = true;
	add(scene, 1, 1, "macvlan");
	assert_int_equal(in_state(scene, PE_IFACE_WATCHED), 0);
	assert_int_equal(fake_find(1)->attempts, 1);
	assert_int_equal(fake.links, 0);
	assert_int_equal(fake.slots, FAKE_INTERFACES);
	assert_int_equal(fake.stops, 1);
	assert_int_equal(scene->forgotten, 1);
	assert_non_null(strstr(fake.warning, "out of memory"));
	fake.no_series = false;
	rename_to(1, "again");
	assert_shown(scene, 1, PE_MODE_GENERIC, PE_REASON_NONE);
}

/* ---- early interfaces ---- */

/* So many provisional slots are kept ready. */
static void provision(struct scene *scene, unsigned int slots)
{
	fake.provisional_max = slots;
	dispatch(scene);
	assert_int_equal(fake.offers, slots);
}

static void report_early(int ifindex)
{
	struct fake_interface *interface = fake_find(ifindex);

	interface->link.stats = interface->stats;
	interface->link.has_stats = true;
	interface->unreported = false;
	fake.monitor_ops->added(&interface->link, fake.monitor_userdata);
}

static void test_early_is_taken_over(void **state)
{
	struct scene *scene = *state;

	provision(scene, 2);
	fake_add(1, "veth");
	fake_receive_early(1, 9);
	report_early(1);
	assert_shown(scene, 1, PE_MODE_TRACEPOINT, PE_REASON_NEW);
	assert_int_equal(observed(scene, 1), 9);
	assert_int_equal(before_attach(scene, 1, PE_INGRESS), 0);
	/* The next one is made ready. */
	dispatch(scene);
	assert_int_equal(fake.offers, 2);
	assert_int_equal(fake.returned, 0);
}

/* Excluded ones are not counted, and take no slots. */
static void test_early_is_excluded(void **state)
{
	struct scene *scene = *state;

	provision(scene, 2);
	strcpy(fake_add(1, "veth")->name, "lo");
	fake_receive_early(1, 9);
	assert_int_equal(fake.offers, 1);
	report_early(1);
	assert_true(fake_find(1)->ignored);
	assert_false(fake_find(1)->is_early);
	assert_int_equal(fake.returned, 1);
	assert_int_equal(scene->forgotten, 1);
	fake_receive_early(1, 9);
	dispatch(scene);
	assert_int_equal(fake.offers, 2);

	/* The next one of this ifindex is not ignored. */
	fake_report_deleted(1);
	assert_false(fake.interface[0].ignored);
}

/* Where --max-interfaces is reached. */
static void test_early_without_slot(void **state)
{
	struct scene *scene = *state;

	provision(scene, 1);
	fake.slots = 0;
	add(scene, 1, 1, "veth");
	assert_true(fake_find(1)->ignored);
	assert_shown(scene, 1, PE_MODE_NONE, PE_REASON_NO_SLOT);
}

/* It had gone before its event: its packets are the host's. */
static void test_early_that_was_never_reported(void **state)
{
	struct scene *scene = *state;

	provision(scene, 1);
	fake_add(1, "veth");
	fake_receive_early(1, 9);
	/* It is there still, or its event may be. */
	pe_interfaces_audit(scene->interfaces);
	fake_delete(1);
	fake.has_events = true;
	pe_interfaces_audit(scene->interfaces);
	assert_int_equal(scene->departed, 0);
	fake.has_events = false;
	pe_interfaces_audit(scene->interfaces);
	assert_int_equal(scene->departed, 1);
	assert_int_equal(fake.returned, 1);
	assert_int_equal(fake.offers, 1);
	assert_int_equal(host_packets(scene), 9);
}

/* A packet passed between its event and its slot. */
static void test_early_although_known(void **state)
{
	struct scene *scene = *state;

	fake.slots = 0;
	add(scene, 1, 1, "veth");
	provision(scene, 1);
	fake_find(1)->ignored = false; /* its set of the table was full */
	fake_receive_early(1, 9);
	assert_true(fake_find(1)->is_early);
	pe_interfaces_audit(scene->interfaces);
	assert_false(fake_find(1)->is_early);
	assert_int_equal(fake.returned, 1);
	assert_int_equal(scene->departed, 0);
}

/* Flows of departed interfaces have the names of two slots still: the next ones are offered. */
static void test_early_names_in_use(void **state)
{
	struct scene *scene = *state;

	scene->refusals = 2;
	provision(scene, 2);
	assert_int_equal(fake.provisioned, 4);
	assert_int_equal(fake.returned, 2);
}

/* What cannot be offered is not kept. */
static void test_early_cannot_be_offered(void **state)
{
	struct scene *scene = *state;

	fake.provisional_max = 3;
	fake.offer_error = -ENOMEM;
	dispatch(scene);
	assert_int_equal(fake.provisioned, 1);
	assert_int_equal(fake.returned, 1);
	assert_int_equal(scene->forgotten, 1);
}

/* ---- who is behind them ---- */

static uint64_t waiting(struct scene *scene)
{
	struct pe_snapshot *snapshot;
	uint64_t count;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_registry_collect(scene->registry, snapshot), 0);
	count = snapshot->waiting->arrived;
	pe_snapshot_unref(snapshot);
	return count;
}

static const struct pe_identity *identity_of(struct scene *scene, int ifindex)
{
	const struct pe_iface *iface = record_of(scene, ifindex);
	const struct pe_identity *identity = NULL;
	struct pe_snapshot *snapshot;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_registry_collect(scene->registry, snapshot), 0);
	for (size_t i = 0; i < snapshot->iface_count; i++) {
		if (snapshot->ifaces[i].info.ifindex == iface->link->ifindex)
			identity = snapshot->ifaces[i].identity;
	}
	pe_snapshot_unref(snapshot);
	return identity;
}

/* An identity is of the interface that has the ifindex now, else of the last one that had it. */
static void test_identified(void **state)
{
	struct scene *scene = *state;
	struct pe_identity *who;

	assert_int_equal(pe_identity_new(&(struct pe_identity){ .container = "web" }, &who), 0);
	add(scene, 1, 3, "veth");
	fake.may_lapse = true;
	fake_report_deleted(1);
	fake_report_deleted(2);
	assert_int_equal(waiting(scene), 3);
	pe_interfaces_identify(scene->interfaces, 1, who);
	assert_int_equal(waiting(scene), 2);
	fake_report_added(2, "veth");
	assert_int_equal(waiting(scene), 2);
	pe_interfaces_identify(scene->interfaces, 2, who);
	assert_int_equal(waiting(scene), 1);
	assert_ptr_equal(identity_of(scene, 2), who);
	pe_interfaces_identify(scene->interfaces, 3, NULL);
	assert_int_equal(waiting(scene), 0);
	assert_null(identity_of(scene, 3));
	pe_interfaces_identify(scene->interfaces, 9, who);
	pe_identity_unref(who);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_reused_by_tracepoint),
		test(test_reused_without_program),
		test(test_reused_with_program),
		test(test_reused_after_a_move),
		test(test_reused_after_one_without_slot),
		test(test_reused_twice),
		test(test_not_reused),
		test(test_reuse_adds),
		test(test_name_changes_hands),
		test(test_renamed_out_and_in),
		cmocka_unit_test_teardown(test_native_after_a_refusal, teardown),
		test(test_bridge_is_renamed),
		test(test_nothing_to_try_again),
		test(test_comes_back),
		test(test_comes_back_at_once),
		test(test_is_known),
		test(test_no_memory_for_series),
		test(test_early_is_taken_over),
		test(test_early_is_excluded),
		test(test_early_without_slot),
		test(test_early_that_was_never_reported),
		test(test_early_although_known),
		test(test_early_names_in_use),
		test(test_early_cannot_be_offered),
		test(test_identified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
