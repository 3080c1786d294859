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

/* What all have received, those that have gone included, and in *ret_above, unless it is NULL, what
 * of this and of what they sent was too much. */
static uint64_t host_packets_above(struct scene *scene, uint64_t *ret_above)
{
	const struct pe_series_body *body;
	struct pe_snapshot *snapshot;
	uint64_t packets;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_registry_collect(scene->registry, snapshot), 0);
	body = &snapshot->host->body;
	packets = pe_row_total(&body->row[PE_INGRESS]).packets;
	if (ret_above)
		*ret_above = body->overcounted[PE_INGRESS].packets +
			     body->overcounted[PE_EGRESS].packets;
	pe_snapshot_unref(snapshot);
	return packets;
}

static uint64_t host_packets(struct scene *scene)
{
	return host_packets_above(scene, NULL);
}

static uint64_t host_above(struct scene *scene)
{
	uint64_t above;

	host_packets_above(scene, &above);
	return above;
}

/* ---- an ifindex that is used again ---- */

/* Another interface has the ifindex of `first`, whose end is not read yet, and passes packets. */
static struct fake_interface *reuse_ifindex(int ifindex, const char *kind, uint64_t packets)
{
	struct fake_interface *first = fake_find(ifindex), *next;

	fake_delete(ifindex);
	fake_add(ifindex, kind);
	next = fake_find(ifindex);
	next->stats = (struct pe_link_stats){ .rx_packets = packets,
					      .rx_bytes = packets * 100,
					      .tx_packets = packets / 2,
					      .tx_bytes = packets * 50 };
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

/* Of what the next one has sent, some was counted for the first, of which it is not too much; the
 * rest was before it came here. */
static void test_reused_and_sent(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first;

	add(scene, 1, 1, "veth");
	first = reuse_ifindex(1, "veth", 10);
	first->link.stats = (struct pe_link_stats){ .tx_packets = 7, .tx_bytes = 700 };
	first->link.has_stats = true;
	first->row[PE_EGRESS].class[0] = (struct pe_count){ 7 + 2, 700 + 200 };
	report_end(first, PE_LINK_DELETED);
	report_next(1, 0);
	assert_int_equal(before_attach(scene, 1, PE_EGRESS), 5 - 2);
	assert_int_equal(host_above(scene), 0);
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
	const struct pe_count unknown = { PE_REUSE_UNKNOWN, PE_REUSE_UNKNOWN };
	struct pe_count most[PE_DIRECTIONS] = { unknown, unknown };

	fake_add(1, "veth");
	fake_receive(1, 10, 0);
	pe_reuse_look(&reuse, NULL, 1, most);
	pe_reuse_take(&reuse, 1 + PE_REUSE_MAX, false, known);
	assert_int_equal(known[PE_INGRESS].packets, 1);
	pe_reuse_take(&reuse, 1, false, known);
	assert_int_equal(known[PE_INGRESS].packets, 11);
	assert_int_equal(known[PE_INGRESS].bytes, 1002);
	assert_int_equal(known[PE_EGRESS].packets, 3);

	/* What is not exact may be of its own earlier stay. */
	pe_reuse_look(&reuse, NULL, 1, most);
	pe_reuse_take(&reuse, 1, true, known);
	assert_int_equal(known[PE_INGRESS].packets, 11);
	most[PE_INGRESS] = (struct pe_count){ 4, 400 };
	pe_reuse_look(&reuse, NULL, 1, most);
	pe_reuse_take(&reuse, 1, true, known);
	assert_int_equal(known[PE_INGRESS].packets, 15);
	assert_int_equal(known[PE_INGRESS].bytes, 1402);
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
	pe_watch_end(scene->engine, iface, PE_ENDING_UNWATCHED);
	fake.no_native = false;
	assert_true(pe_watch_begin(scene->engine, iface, fake.now_ns));
	assert_int_equal(iface->attachment.mode, PE_MODE_NATIVE);
	assert_int_equal(iface->attachment.reason, PE_REASON_NONE);
}

/* Its ports have its name as a label. */
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

/* Moved away, with what it has passed until now; the event is yet to be read. */
static struct fake_interface *move_away(int ifindex)
{
	struct fake_interface *interface = fake_find(ifindex);

	memcpy(interface->link.address, "\2\0\0\0\0\1", 6);
	interface->link.address_len = 6;
	interface->link.stats = interface->stats;
	interface->link.has_stats = true;
	fake_delete(ifindex);
	return interface;
}

/* It is here again, by another ifindex; meanwhile it has passed so many packets. */
static void come_back(const struct fake_interface *before, int ifindex, uint64_t packets)
{
	struct fake_interface *again;

	fake_add(ifindex, "veth");
	again = fake_find(ifindex);
	memcpy(again->link.address, before->link.address, 6);
	again->link.address_len = 6;
	again->stats = before->stats;
	report_next(ifindex, packets);
}

/* The kernel's counters come back with it: what was counted in its earlier stay is not missed. */
static void test_comes_back(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first;

	add(scene, 1, 1, "veth");
	fake_receive(1, 10, 10);
	fake.may_lapse = true;
	first = move_away(1);
	report_end(first, PE_LINK_MOVED);
	come_back(first, 5, 4);
	assert_int_equal(before_attach(scene, 5, PE_INGRESS), 4);
	assert_int_equal(before_attach(scene, 5, PE_EGRESS), 4);
	assert_int_equal(host_above(scene), 0);
}

/* The end of its stay shows what was counted too much, and is known in the next. */
static void test_comes_back_above(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first;

	add(scene, 1, 1, "veth");
	fake_receive(1, 10, 37);
	fake_find(1)->row[PE_EGRESS].class[0] = (struct pe_count){ 3, 300 };
	fake.may_lapse = true;
	first = move_away(1);
	report_end(first, PE_LINK_MOVED);
	assert_int_equal(host_above(scene), 27 + 3);
	come_back(first, 5, 4);
	assert_int_equal(before_attach(scene, 5, PE_INGRESS), 4);
	assert_int_equal(before_attach(scene, 5, PE_EGRESS), 4);
	assert_int_equal(host_above(scene), 27 + 3);
}

/* Another one has its ifindex when the event is read, and has passed what was counted for it. */
static void test_comes_back_after_another(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first;

	add(scene, 1, 1, "veth");
	fake_receive(1, 10, 10);
	fake.may_lapse = true;
	first = move_away(1);
	fake_add(1, "veth");
	fake_find(1)->stats = (struct pe_link_stats){ .rx_packets = 6, .rx_bytes = 600 };
	first->row[PE_INGRESS].class[0] = (struct pe_count){ 16, 1600 };
	report_end(first, PE_LINK_MOVED);
	report_next(1, 0);
	assert_int_equal(before_attach(scene, 1, PE_INGRESS), 0);
	come_back(first, 5, 8);
	assert_int_equal(before_attach(scene, 5, PE_INGRESS), 8);
	assert_int_equal(host_packets(scene), 16);
	assert_int_equal(host_above(scene), 0);
}

/* It comes back by the ifindex of one that has moved as well, before the event of that is read:
 * what was counted for that one is known of it, too, and what it passed elsewhere is not. */
static void test_comes_back_for_another(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first, *second;

	add(scene, 1, 2, "veth");
	fake_receive(1, 10, 10);
	fake_receive(2, 20, 20);
	fake.may_lapse = true;
	second = move_away(2);
	report_end(second, PE_LINK_MOVED);
	first = move_away(1);
	first->link.address[0] = 6;
	first->row[PE_INGRESS].class[0] = (struct pe_count){ 16, 1600 };
	fake_add(1, "veth");
	fake_find(1)->link.address_len = 6;
	memcpy(fake_find(1)->link.address, second->link.address, 6);
	fake_find(1)->stats = second->stats;
	/* So many elsewhere, and for the first one. */
	fake_receive(1, 3 + 6, 0);
	report_end(first, PE_LINK_MOVED);
	report_next(1, 0);
	assert_int_equal(before_attach(scene, 1, PE_INGRESS), 3);
	assert_int_equal(host_above(scene), 0);
}

/* Out of watch, or missing from a dump: the last message is from before what was counted. */
static void test_comes_back_unreported(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first;

	fake.may_lapse = true;
	for (int is_missed = 0; is_missed < 2; is_missed++) {
		int ifindex = 1 + 2 * is_missed, next = ifindex + 1;

		add(scene, ifindex, 1, "veth");
		first = fake_find(ifindex);
		memcpy(first->link.address, "\2\0\0\0\0\1", 6);
		first->link.address_len = 6;
		first->link.has_stats = true;
		fake_receive(ifindex, 10, 10);
		if (!is_missed)
			rename_to(ifindex, "lo");
		fake_delete(ifindex);
		report_end(first, is_missed ? PE_LINK_MISSED : PE_LINK_MOVED);
		come_back(first, next, 4);
		assert_int_equal(before_attach(scene, next, PE_INGRESS), 4);
		fake_report_deleted(next);
	}
	assert_int_equal(host_above(scene), 0);
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

/* Likewise, after it has passed some elsewhere: these are missed, and no others. */
static void test_comes_back_from_elsewhere(void **state)
{
	struct scene *scene = *state;
	struct fake_interface *first;

	add(scene, 1, 1, "veth");
	fake_receive(1, 10, 10);
	fake.may_lapse = true;
	first = move_away(1);
	fake_add(1, "veth");
	fake_find(1)->link.address_len = 6;
	memcpy(fake_find(1)->link.address, first->link.address, 6);
	fake_find(1)->stats = first->stats;
	fake_receive(1, 4 + 6, 0);
	first->row[PE_INGRESS].class[0] = (struct pe_count){ 16, 1600 };
	report_end(first, PE_LINK_MOVED);
	report_next(1, 0);
	assert_int_equal(before_attach(scene, 1, PE_INGRESS), 4);
	assert_int_equal(host_above(scene), 0);
}

/* Out of watch with more than the kernel has, which no message has shown. */
static void test_comes_back_above_unreported(void **state)
{
	struct scene *scene = *state;

	add(scene, 1, 1, "veth");
	fake_find(1)->link.address_len = 6;
	fake_find(1)->link.has_stats = true;
	fake_receive(1, 10, 37);
	fake.may_lapse = true;
	rename_to(1, "lo");
	assert_int_equal(host_above(scene), 0);
	memset(fake_find(1)->row, 0, sizeof(fake_find(1)->row));
	rename_to(1, "veth1");
	assert_int_equal(before_attach(scene, 1, PE_INGRESS), 0);
	/* Nor does that hide what is missed now. */
	fake_receive(1, 4, 0);
	for (int i = 0; i < 3; i++)
		pe_interfaces_audit(scene->interfaces);
	assert_int_equal(before_attach(scene, 1, PE_INGRESS), 4);
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

/* The ifindex has an interface that is not watched: the identity is the departed one's. */
static void test_identified_after_an_excluded_one(void **state)
{
	struct scene *scene = *state;
	struct pe_identity *who;

	assert_int_equal(pe_identity_new(&(struct pe_identity){ .container = "web" }, &who), 0);
	add(scene, 1, 1, "veth");
	fake.may_lapse = true;
	fake_report_deleted(1);
	strcpy(fake_add(1, "veth")->name, "lo");
	report_next(1, 0);
	assert_non_null(record_of(scene, 1));
	assert_int_equal(waiting(scene), 1);
	pe_interfaces_identify(scene->interfaces, 1, who);
	assert_int_equal(waiting(scene), 0);
	pe_identity_unref(who);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_reused_by_tracepoint),
		test(test_reused_and_sent),
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
		test(test_comes_back_above),
		test(test_comes_back_after_another),
		test(test_comes_back_for_another),
		test(test_comes_back_unreported),
		test(test_comes_back_at_once),
		test(test_comes_back_from_elsewhere),
		test(test_comes_back_above_unreported),
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
		test(test_identified_after_an_excluded_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
