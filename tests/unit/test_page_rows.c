/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which rows a query selects, in which order, and what they are called; how healthy it all is. */
#include "page-scene.h"

#include "pe/cleanup.h"
#include "pe/identity.h"

#include "../../src/web/page/health.h"
#include "../../src/web/page/rows.h"
#include "../../src/web/page/table.h"

static struct scene scene;
static struct pe_live *live;
static const struct pe_live_view *view;

static const struct pe_identity identities[] = {
	{ .container = "shop-web-1",
	  .workload = "shop/web",
	  .image = "nginx:1",
	  .container_id = "0123456789ab" },
	{ .pod = "api-5d4f8-x2x7q", .namespace = "prod", .workload = "api" },
	{ .workload = "runner" },
};

/* By name: a "bridge0" of hardware, three veths with identities, "veth3" without, "wg0". */
static void set_infos(struct pe_snapshot *snapshot)
{
	struct pe_iface_sample *ifaces = snapshot->ifaces;

	strcpy(ifaces[0].info.kind, "");
	ifaces[0].info.mode = PE_MODE_TRACEPOINT;
	ifaces[0].info.alias = "uplink to Rack-7";
	ifaces[0].info.altnames = "enp1s0,eno1";
	strcpy(ifaces[5].info.kind, "wireguard");
	ifaces[5].info.mode = PE_MODE_TRACEPOINT;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(pe_identity_new(&identities[i], &ifaces[1 + i].identity), 0);
		strcpy(ifaces[1 + i].info.master, i == 1 ? "cni0" : "docker0");
	}
	ifaces[2].body.unobserved[PE_INGRESS][PE_UNOBSERVED_LOST].packets = 3;
	ifaces[2].body.unobserved[PE_EGRESS][PE_UNOBSERVED_BEFORE_ATTACH].packets = 4;
	ifaces[1].body.overcounted[PE_EGRESS].packets = 5;
	ifaces[1].dropped[PE_INGRESS] = 6;
	ifaces[3].dropped[PE_EGRESS] = 7;
	snapshot->tcp = true;
	ifaces[2].has_tcp = ifaces[4].has_tcp = ifaces[5].has_tcp = true;
	ifaces[1].tcp.failed = 5; /* whose is not known */
	ifaces[2].tcp.retransmitted = 3;
	ifaces[4].tcp.failed = 2;
	ifaces[5].tcp.retransmitted = 1;
	snapshot->groups[0].interfaces = 1;
	snapshot->groups[1].interfaces = 3;
}

static int setup(void **state)
{
	const uint64_t now = scene_now_ns;
	struct scene_item items[] = {
		ITEM("eth0", now - 100 * S, { 1000, 100000 }, { 10, 1000 }),
		ITEM("veth0", now - 50 * S, { 50, 500000 }, { 5000, 50000 }),
		ITEM("veth1", now - 10 * S, { 20, 2000 }, { 3000, 300 }),
		ITEM("veth2", now - 5 * S, { 5, 500 }, { 0, 0 }),
		ITEM("veth3", now - 20 * S, { 0, 0 }, { 0, 0 }),
		ITEM("wg0", now - 20 * S, { 0, 0 }, { 0, 0 }),
		ITEM("zz-gone-a", now - 9 * S, { 1, 60 }, { 2, 120 }),
		ITEM("zz-gone-b", now - 3 * S, { 9, 60 }, { 2, 120 }),
	};
	const struct scene_item groups[] = {
		ITEM("other", now - 100 * S, { 1, 60 }, { 0, 0 }),
		ITEM("shop/web", now - 100 * S, { 1000, 100000 }, { 0, 0 }),
	};
	const struct pe_page_options options = scene_options(&scene);

	items[6].departed = items[7].departed = true;
	scene_set(&scene, scene_snapshot(items, 8, groups, 2));
	scene.next->ifaces[6].departed_ns -= S;
	set_infos(scene.next);
	return pe_live_new(&options, &live) || pe_live_lock(live, &view);
}

static int teardown(void **state)
{
	pe_live_unlock(live);
	live = pe_live_free(live);
	scene_set(&scene, NULL);
	return 0;
}

static const char *label_of(const struct pe_page_row *row)
{
	return row->iface ? row->iface->info.name : row->group->label[PE_GROUP_WORKLOAD];
}

/* The rows of a query are these, by interface or workload, with a space behind each. */
static void assert_rows(const char *text, const char *expected)
{
	_cleanup_(pe_page_rows_fini) struct pe_page_rows rows = { 0 };
	struct pe_page_query query;
	char names[256] = "";
	const char *why;

	assert_true(pe_page_query_parse(text, &query, &why));
	assert_int_equal(pe_page_rows_select(view, &query, query.limit ? query.limit : 100, &rows),
			 0);
	for (size_t i = 0; i < rows.count; i++) {
		struct pe_page_row row;

		pe_page_rows_read(&rows, i, &row);
		strcat(names, label_of(&row));
		strcat(names, " ");
	}
	if (strcmp(names, expected) != 0)
		fail_msg("%s: \"%s\" is not \"%s\"", text, names, expected);
	assert_int_equal(rows.total, query.view == PE_VIEW_INTERFACES ? 6 : 2);
	assert_true(rows.matched <= rows.total && rows.count <= rows.matched);
}

static void test_search(void **state)
{
	/* Any name, any case, any part. */
	assert_rows("search=VETH&sort=name&order=asc", "veth1 veth2 veth0 veth3 ");
	assert_rows("search=web-1", "veth0 ");
	assert_rows("search=x2x7", "veth1 ");
	assert_rows("search=prod", "veth1 ");
	assert_rows("search=shop%2Fweb", "veth0 ");
	assert_rows("search=NGINX", "veth0 ");
	assert_rows("search=456789", "veth0 ");
	assert_rows("search=cni", "veth1 ");
	assert_rows("search=rack-7", "eth0 ");
	assert_rows("search=eno1", "eth0 ");
	assert_rows("search=nobody", "");
	assert_rows("search=web&view=groups", "shop/web ");
	assert_rows("search=gone-a&view=departed", "zz-gone-a ");
}

static void test_filters(void **state)
{
	assert_rows("kind=wireguard", "wg0 ");
	assert_rows("kind=wire", "");
	assert_rows("kind=none", "eth0 ");
	assert_rows("kind=veth&workload=shop", "veth0 ");
	assert_rows("workload=prod", "veth1 ");
	assert_rows("workload=api-5", "veth1 ");
	assert_rows("workload=API", "veth1 ");
	assert_rows("workload=shop&search=veth1", "");
	assert_rows("kind=veth&view=groups&workload=oth", "other ");
	assert_rows("kind=none&view=groups", "");
}

static void test_orders(void **state)
{
	static const struct {
		const char *sort, *ascending, *descending;
	} orders[] = {
		{ "traffic", "veth3 wg0 veth2 veth1 eth0 veth0 ",
		  "veth0 eth0 veth1 veth2 veth3 wg0 " },
		{ "in_bits", "veth3 wg0 veth2 veth1 eth0 veth0 ",
		  "veth0 eth0 veth1 veth2 veth3 wg0 " },
		{ "out_bits", "veth2 veth3 wg0 eth0 veth1 veth0 ",
		  "veth0 veth1 eth0 veth2 veth3 wg0 " },
		{ "in_packets", "veth3 wg0 veth0 veth2 veth1 eth0 ",
		  "eth0 veth1 veth0 veth2 veth3 wg0 " },
		{ "out_packets", "veth2 veth3 wg0 eth0 veth0 veth1 ",
		  "veth1 veth0 eth0 veth2 veth3 wg0 " },
		/* What people call it: the pod, the interface, the workload, the container. */
		{ "name", "veth1 eth0 veth2 veth0 veth3 wg0 ",
		  "wg0 veth3 veth0 veth2 eth0 veth1 " },
		/* Of equal ones the busier comes first in both orders. */
		{ "workload", "eth0 veth3 wg0 veth1 veth2 veth0 ",
		  "veth0 veth2 veth1 eth0 veth3 wg0 " },
		{ "master", "eth0 veth3 wg0 veth1 veth0 veth2 ",
		  "veth0 veth2 veth1 eth0 veth3 wg0 " },
		{ "mode", "veth0 veth1 veth2 veth3 eth0 wg0 ",
		  "eth0 wg0 veth0 veth1 veth2 veth3 " },
		{ "unobserved", "eth0 veth0 veth2 veth3 wg0 veth1 ",
		  "veth1 eth0 veth0 veth2 veth3 wg0 " },
		{ "drops", "eth0 veth1 veth3 wg0 veth0 veth2 ",
		  "veth2 veth0 eth0 veth1 veth3 wg0 " },
		{ "retransmits", "eth0 veth0 veth2 veth3 wg0 veth1 ",
		  "veth1 wg0 eth0 veth0 veth2 veth3 " },
		{ "failed", "eth0 veth0 veth1 veth2 wg0 veth3 ",
		  "veth3 eth0 veth0 veth1 veth2 wg0 " },
		{ "bytes", "veth3 wg0 veth2 veth1 eth0 veth0 ",
		  "veth0 eth0 veth1 veth2 veth3 wg0 " },
		{ "lived", "veth2 veth1 veth3 wg0 veth0 eth0 ",
		  "eth0 veth0 veth3 wg0 veth1 veth2 " },
		{ "departed", "eth0 veth0 veth1 veth2 veth3 wg0 ",
		  "eth0 veth0 veth1 veth2 veth3 wg0 " },
		{ "interfaces", "eth0 veth0 veth1 veth2 veth3 wg0 ",
		  "eth0 veth0 veth1 veth2 veth3 wg0 " },
	};
	char text[64];

	assert_int_equal(sizeof(orders) / sizeof(orders[0]), PE_SORTS);
	for (size_t i = 0; i < PE_SORTS; i++) {
		snprintf(text, sizeof(text), "sort=%s&order=asc", orders[i].sort);
		assert_rows(text, orders[i].ascending);
		snprintf(text, sizeof(text), "sort=%s&order=desc", orders[i].sort);
		assert_rows(text, orders[i].descending);
	}
	assert_rows("view=groups&sort=interfaces", "shop/web other ");
	assert_rows("view=groups&sort=interfaces&order=asc", "other shop/web ");
	assert_rows("view=departed&sort=departed", "zz-gone-b zz-gone-a ");
	assert_rows("view=departed&sort=lived", "zz-gone-a zz-gone-b ");
	assert_rows("view=departed&sort=bytes", "zz-gone-a zz-gone-b ");
}

static void test_pages(void **state)
{
	assert_rows("sort=lived&limit=2", "eth0 veth0 ");
	assert_rows("sort=lived&limit=2&offset=2", "veth3 wg0 ");
	assert_rows("sort=lived&limit=4&offset=4", "veth1 veth2 ");
	assert_rows("sort=lived&offset=5", "veth2 ");
	assert_rows("sort=lived&offset=6", "");
	assert_rows("offset=1000000", "");
}

/* The row of a live interface; the rows are to be ended. */
static struct pe_page_row find(int ifindex, struct pe_page_rows *ret_rows)
{
	struct pe_page_row row;

	assert_int_equal(pe_page_rows_find(view, ifindex, ret_rows), 0);
	assert_int_equal(ret_rows->count, 1);
	pe_page_rows_read(ret_rows, 0, &row);
	assert_int_equal(row.iface->info.ifindex, ifindex);
	return row;
}

static void test_numbers(void **state)
{
	_cleanup_(pe_page_rows_fini) struct pe_page_rows third = { 0 }, second = { 0 },
							 none = { 0 };
	struct pe_page_row row = find(3, &third);

	assert_string_equal(row.iface->info.name, "veth1");
	assert_int_equal(row.total[PE_INGRESS].packets, 20);
	assert_int_equal(row.total[PE_EGRESS].bytes, 300);
	assert_int_equal(row.unobserved, 7);
	assert_int_equal(row.overcounted, 0);
	assert_int_equal(row.dropped, 0);
	assert_true(row.lived_s > 9.99 && row.lived_s < 10.01);
	row = find(2, &second);
	assert_int_equal(row.overcounted, 5);
	assert_int_equal(row.dropped, 6);
	/* Only live ones can be asked for. */
	assert_int_equal(pe_page_rows_find(view, 7, &none), -ENOENT);
	assert_int_equal(pe_page_rows_find(view, 99, &none), -ENOENT);
}

/* What people call it. */
static void test_names(void **state)
{
	static const char *const names[] = { "eth0", "shop-web-1", "api-5d4f8-x2x7q", "runner",
					     "veth3" };
	struct pe_group_sample group = { 0 };
	struct pe_page_row row;

	for (int i = 0; i < 5; i++) {
		_cleanup_(pe_page_rows_fini) struct pe_page_rows rows = { 0 };

		row = find(i + 1, &rows);
		assert_string_equal(pe_page_row_name(&row), names[i]);
	}
	/* A group is called by what distinguishes it, whatever that is. */
	row = (struct pe_page_row){ .group = &group };
	for (unsigned int i = 0; i < PE_GROUP_LABELS; i++)
		group.label[i] = "";
	assert_string_equal(pe_page_row_name(&row), "");
	for (unsigned int i = 0; i < PE_GROUP_LABELS; i++) {
		group.label[i] = "x";
		assert_string_equal(pe_page_row_name(&row), "x");
		group.label[i] = "";
	}
	group.label[PE_GROUP_KIND] = "veth";
	group.label[PE_GROUP_WORKLOAD] = "shop/web";
	assert_string_equal(pe_page_row_name(&row), "shop/web");
}

/* ---- numbers and times for people ---- */

static void test_short(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 0.04, "0" },
		{ 0.06, "0.1" },
		{ 1, "1" },
		{ 1.04, "1.0" },
		{ 9.94, "9.9" },
		{ 9.96, "10" },
		{ 999.4, "999" },
		{ 999.6, "1.00k" },
		{ 1234, "1.23k" },
		{ 9994, "9.99k" },
		{ 9996, "10.0k" },
		{ 99940, "99.9k" },
		{ 99960, "100k" },
		{ 999400, "999k" },
		{ 999600, "1.00M" },
		{ 2.5e9, "2.50G" },
		{ 18.4e18, "18.4E" },
		{ 999.9e18, "1000E" },
	};
	char text[PE_SHORT_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pe_page_short(cases[i].value, text);
		assert_string_equal(text, cases[i].text);
	}
	pe_page_short(3.4e38, text);
	assert_true(strlen(text) < PE_SHORT_MAX);
}

static void test_duration(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {
		{ -1, "0.0s" },	   { 0, "0.0s" },	{ 0.05, "0.1s" },  { 59.94, "59.9s" },
		{ 59.96, "1m0s" }, { 60, "1m0s" },	{ 754, "12m34s" }, { 3599, "59m59s" },
		{ 3600, "1h0m" },  { 86399, "23h59m" }, { 86400, "1d0h" }, { 1e6, "11d13h" },
	};
	char text[PE_SHORT_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pe_page_duration(cases[i].seconds, text);
		assert_string_equal(text, cases[i].text);
	}
}

/* ---- health ---- */

/* A host on which all is well. */
static struct pe_snapshot *healthy(void)
{
	const struct scene_item item = ITEM("veth0", 0, { 1, 60 });
	struct pe_snapshot *snapshot = scene_snapshot(&item, 1, &item, 1);

	snapshot->self.egress_available = true;
	snapshot->self.http.reload_successful = true;
	snapshot->groups[0].label[PE_GROUP_WORKLOAD] = PE_GROUP_OTHER;
	return snapshot;
}

/* What one check says; all others are fine. The snapshot is given up. */
static void assert_health(struct pe_snapshot *snapshot, const char *name,
			  enum pe_health_level level, const char *part)
{
	struct pe_health_check checks[PE_HEALTH_CHECKS];
	bool found = false;

	assert_int_equal(pe_health(snapshot, checks), level);
	for (size_t i = 0; i < PE_HEALTH_CHECKS; i++) {
		const bool is_it = strcmp(checks[i].name, name) == 0;

		found |= is_it;
		assert_int_equal(checks[i].level, is_it ? level : PE_HEALTH_OK);
		if (is_it && !strstr(checks[i].text, part))
			fail_msg("\"%s\" lacks \"%s\"", checks[i].text, part);
	}
	assert_true(found);
	pe_snapshot_unref(snapshot);
}

static void test_healthy(void **state)
{
	assert_health(healthy(), "counting", PE_HEALTH_OK, "all interfaces, every packet");
	assert_health(healthy(), "push", PE_HEALTH_OK, "off");
	assert_string_equal(pe_health_level_name(PE_HEALTH_OK), "ok");
	assert_string_equal(pe_health_level_name(PE_HEALTH_NOTE), "note");
	assert_string_equal(pe_health_level_name(PE_HEALTH_BAD), "bad");
}

static void assert_mode(enum pe_mode mode, enum pe_mode_reason reason, enum pe_health_level level,
			const char *part)
{
	struct pe_snapshot *snapshot = healthy();

	snapshot->ifaces[0].info.mode = mode;
	snapshot->ifaces[0].info.mode_reason = reason;
	assert_health(snapshot, "counting", level, part);
}

static void test_counting(void **state)
{
	struct pe_snapshot *snapshot = healthy();

	assert_mode(PE_MODE_TRACEPOINT, PE_REASON_HARDWARE, PE_HEALTH_OK, "all interfaces");
	assert_mode(PE_MODE_NONE, PE_REASON_NEW, PE_HEALTH_OK, "all interfaces");
	assert_mode(PE_MODE_NONE, PE_REASON_NO_SLOT, PE_HEALTH_BAD, "1 interfaces not counted");
	assert_mode(PE_MODE_NONE, PE_REASON_KIND, PE_HEALTH_NOTE, "1 of a kind that cannot be");
	snapshot->ifaces[0].info.mode = PE_MODE_NONE;
	snapshot->ifaces[0].departed = true;
	assert_health(snapshot, "counting", PE_HEALTH_OK, "all interfaces");
	snapshot = healthy();
	snapshot->host->body.unobserved[PE_EGRESS][PE_UNOBSERVED_LOST].packets = 5;
	assert_health(snapshot, "counting", PE_HEALTH_NOTE, "5 packets unobserved");
	snapshot = healthy();
	snapshot->host->body.unobserved[PE_EGRESS][PE_UNOBSERVED_BEFORE_ATTACH].packets = 5;
	assert_health(snapshot, "counting", PE_HEALTH_OK, "every packet; 5 came before");
	snapshot = healthy();
	snapshot->host->body.overcounted[PE_INGRESS].packets = 6;
	assert_health(snapshot, "counting", PE_HEALTH_NOTE, "6 overcounted");
	snapshot = healthy();
	snapshot->self.early_packets_missed = 7;
	assert_health(snapshot, "counting", PE_HEALTH_NOTE, "7 early ones missed");
}

static void assert_push(uint64_t age_s, uint64_t interval_s, uint64_t failed, bool reduced,
			enum pe_health_level level, const char *part)
{
	struct pe_snapshot *snapshot = healthy();

	snapshot->self.push = (struct pe_sink_sample){
		.enabled = true,
		.last_success_ns = age_s == UINT64_MAX ? 0 : snapshot->taken_ns - age_s * S,
		.interval_ns = interval_s * S,
		.reduced = reduced,
	};
	snapshot->self.push.requests[PE_SINK_OK] = 1000;
	snapshot->self.push.requests[PE_SINK_NETWORK] = failed;
	assert_health(snapshot, "push", level, part);
}

static void test_push(void **state)
{
	assert_push(15, 15, 0, false, PE_HEALTH_OK, "last succeeded 15 s ago, 0 failed");
	assert_push(104, 15, 4, false, PE_HEALTH_OK, "4 failed");
	assert_push(110, 15, 4, false, PE_HEALTH_BAD, "110 s ago");
	assert_push(300, 300, 0, false, PE_HEALTH_OK, "300 s ago");
	assert_push(1000, 300, 0, false, PE_HEALTH_BAD, "1000 s ago");
	assert_push(UINT64_MAX, 15, 0, false, PE_HEALTH_OK, "never");
	assert_push(UINT64_MAX, 15, 2, false, PE_HEALTH_BAD, "2 failed");
	assert_push(1, 15, 0, true, PE_HEALTH_NOTE, "without the legacy metrics");
	/* The wall clock was set back. */
	assert_push((uint64_t)-100, 15, 0, false, PE_HEALTH_OK, "last succeeded 0 s ago");
}

static void assert_sinks(uint64_t age_s, uint64_t failed, uint64_t rejected, uint64_t expired,
			 enum pe_health_level level, const char *part)
{
	struct pe_snapshot *snapshot = healthy();
	struct pe_sink_sample *sinks = snapshot->self.sinks;

	/* One that is well beside it. */
	sinks[0] = (struct pe_sink_sample){
		.last_success_ns = snapshot->taken_ns - S,
		.interval_ns = 15 * S,
		.pending_samples = 1,
	};
	sinks[1] = sinks[0];
	sinks[1].last_success_ns = age_s == UINT64_MAX ? 0 : snapshot->taken_ns - age_s * S;
	sinks[1].pending_samples = 6;
	sinks[1].requests[PE_SINK_SERVER] = failed;
	sinks[1].samples[PE_SINK_SAMPLE_REJECTED] = rejected;
	sinks[1].samples[PE_SINK_SAMPLE_EXPIRED] = expired;
	snapshot->self.sink_count = 2;
	assert_health(snapshot, "sinks", level, part);
}

static void test_sinks(void **state)
{
	assert_health(healthy(), "sinks", PE_HEALTH_OK, "none");
	assert_sinks(15, 0, 0, 0, PE_HEALTH_OK, "0 of 2 late, 0 requests failed, 7 samples wait");
	assert_sinks(104, 4, 0, 0, PE_HEALTH_OK, "4 requests failed");
	assert_sinks(110, 4, 0, 0, PE_HEALTH_BAD, "1 of 2 late");
	assert_sinks(UINT64_MAX, 0, 0, 0, PE_HEALTH_OK, "0 of 2 late");
	assert_sinks(UINT64_MAX, 2, 0, 0, PE_HEALTH_BAD, "1 of 2 late, 2 requests failed");
	assert_sinks(15, 0, 3, 0, PE_HEALTH_NOTE, "3 lost");
	assert_sinks(15, 0, 0, 4, PE_HEALTH_NOTE, "4 lost");
}

static void test_other_group(void **state)
{
	struct pe_snapshot *snapshot = healthy();

	/* A workload that is called so is another thing. */
	assert_health(snapshot, "limits", PE_HEALTH_OK, "none reached");
	snapshot = healthy();
	snapshot->groups[0].label[PE_GROUP_KIND] = "";
	assert_health(snapshot, "limits", PE_HEALTH_NOTE, "--group.max");
	snapshot = healthy();
	snapshot->group_by = PE_GROUP_BIT(PE_GROUP_KIND) | PE_GROUP_BIT(PE_GROUP_NAMESPACE);
	snapshot->groups[0].label[PE_GROUP_KIND] = snapshot->groups[0].label[PE_GROUP_WORKLOAD] =
		"";
	snapshot->groups[0].label[PE_GROUP_NAMESPACE] = PE_GROUP_OTHER;
	assert_health(snapshot, "limits", PE_HEALTH_NOTE, "--group.max");
}

/* One number each that is to be seen. */
static void test_numbers_of_health(void **state)
{
	static const struct {
		size_t offset;
		const char *name, *part;
	} cases[] = {
#define NUMBER(member, name, part) { offsetof(struct pe_self_sample, member), name, part }
		NUMBER(netlink_overruns, "netlink", "9 overruns"),
		NUMBER(netlink_invalid, "netlink", "9 invalid"),
		NUMBER(flow_records_lost, "flows", "9 of 9 records lost"),
		NUMBER(flow_table_full, "flows", "9 flows ended early"),
		NUMBER(flow_bypassed_packets, "flows", "9 packets bypassed"),
		NUMBER(attach_errors[PE_ATTACH_NO_SLOT], "limits", "9 interfaces beyond"),
		NUMBER(departed_early, "limits", "9 series ended early"),
		NUMBER(http.connections_evicted, "limits", "9 connections cut off"),
		NUMBER(denied_system_calls, "process", "refused 9 system calls"),
	};
	struct pe_snapshot *snapshot = healthy();
	const uint64_t nine = 9;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy((char *)&snapshot->self + cases[i].offset, &nine, sizeof(nine));
		assert_health(snapshot, cases[i].name, PE_HEALTH_NOTE, cases[i].part);
		snapshot = healthy();
	}
	snapshot->self.egress_available = false;
	assert_health(snapshot, "egress", PE_HEALTH_NOTE, "not counted");
	snapshot = healthy();
	snapshot->self.http.reload_successful = false;
	snapshot->self.http.reload_success_ns = S;
	assert_health(snapshot, "process", PE_HEALTH_BAD, "web configuration");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_search, setup, teardown),
		cmocka_unit_test_setup_teardown(test_filters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_orders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_healthy),
		cmocka_unit_test(test_counting),
		cmocka_unit_test(test_push),
		cmocka_unit_test(test_sinks),
		cmocka_unit_test(test_other_group),
		cmocka_unit_test(test_numbers_of_health),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
