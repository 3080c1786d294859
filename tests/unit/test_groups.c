/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups: which one an interface counts for, when, and what stays where it was. */
#include <stdio.h>

#include "malloc-failure.h"
#include "pe/identity.h"
#include "registry-source.h"

#define S PE_NS_PER_S

static const struct pe_registry_options defaults = {
	.retention_ns = 60 * S,
	.group_by = PE_GROUP_BY_DEFAULT,
	.max_groups = 10,
	.identities = true,
};

static struct pe_identity *web, *db;

static int setup(void **state)
{
	const struct pe_identity one = {
		.workload = "shop/web",
		.namespace = "shop",
		.pod = "web-1",
		.container = "web",
		.image = "nginx:1",
		.runtime = "docker",
	};
	const struct pe_identity two = { .workload = "db", .container = "db" };

	return pe_identity_new(&one, &web) || pe_identity_new(&two, &db);
}

static int teardown(void **state)
{
	int r = web->references != 1 || db->references != 1;

	pe_identity_unref(web);
	pe_identity_unref(db);
	return r;
}

static void add(struct pe_registry *registry, int ifindex, const char *kind, const char *master,
		uint64_t now_ns)
{
	struct pe_iface_info info = { .ifindex = ifindex };
	/* The second of this ifindex counts nothing. */
	const bool first = source.token[ifindex].rows == UNUSED;

	snprintf(info.name, sizeof(info.name), "if%d", ifindex);
	strcpy(info.kind, kind);
	strcpy(info.master, master);
	assert_int_equal(
		add_iface(registry, &info, take_token(first ? (unsigned int)ifindex : 0), now_ns),
		0);
}

static void identify(struct pe_registry *registry, int ifindex, struct pe_identity *identity,
		     uint64_t now_ns)
{
	assert_int_equal(identify_iface(registry, ifindex, identity, now_ns), 0);
}

/* "label/label/…=LIVE:PACKETS:FLOWS" of each group, then of what waits if there is any. */
static void expect(struct pe_registry *registry, const char *expected)
{
	struct pe_snapshot *snapshot = collect(registry);
	size_t count = snapshot->group_count + (snapshot->waiting->arrived > 0), at = 0;
	char text[1024] = "";

	for (size_t i = 0; i < count; i++) {
		bool waits = i == snapshot->group_count;
		const struct pe_group_sample *group = waits ? snapshot->waiting
							    : &snapshot->groups[i];
		const struct pe_flow_stats *stats = group->body.flows.proto[PE_PROTO_TCP];

		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", at ? " " : "");
		for (unsigned int label = 0; !waits && label < PE_GROUP_LABELS; label++) {
			if (snapshot->group_by & PE_GROUP_BIT(label))
				at += (size_t)snprintf(text + at, sizeof(text) - at, "%s/",
						       group->label[label]);
			else
				assert_string_equal(group->label[label], "");
		}
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%s=%lu:%lu:%lu", waits ? "?" : "",
			(unsigned long)group->interfaces,
			(unsigned long)pe_row_total(&group->body.row[PE_INGRESS]).packets,
			(unsigned long)(stats ? stats->flows[PE_INGRESS] : 0));
	}
	if (strcmp(text, expected) != 0)
		fail_msg("got \"%s\", expected \"%s\"", text, expected);
	pe_snapshot_unref(snapshot);
}

static void finish(struct pe_registry *registry)
{
	pe_registry_free(registry);
	assert_all_released();
}

/* A group of each kind is there before it has counted anything, and so is the host. */
static void test_zero_from_the_start(void **state)
{
	struct pe_registry *registry = new_registry_with(&defaults);
	struct pe_snapshot *snapshot = collect(registry);

	assert_non_null(snapshot->host);
	assert_int_equal(snapshot->host->arrived, 0);
	assert_int_not_equal(snapshot->host->body.created_ns, 0);
	pe_snapshot_unref(snapshot);
	expect(registry, "");
	add(registry, 2, "", "", 1 * S);
	add(registry, 3, "bridge", "", 1 * S);
	add(registry, 4, "veth", "br0", 1 * S);
	expect(registry, "////=1:0:0 bridge////=1:0:0 veth////=0:0:0 ?=1:0:0");
	finish(registry);
}

/* A veth is in no group until it is known, or known to be nobody's. */
static void test_waits_for_its_identity(void **state)
{
	struct pe_registry *registry = new_registry_with(&defaults);
	uint64_t next_ns;

	add(registry, 2, "veth", "br0", 1 * S);
	add(registry, 3, "veth", "br0", 1 * S + S / 2);
	source_count(2, 5);
	source_count(3, 7);
	expect(registry, "veth////=0:0:0 ?=2:12:0");
	identify(registry, 2, web, 2 * S);
	expect(registry, "veth////=0:0:0 veth/br0/shop/shop/web/=1:5:0 ?=1:7:0");
	pe_registry_expire(registry, 100 * S, &next_ns);
	assert_int_equal(next_ns, 0);
	expect(registry, "veth////=0:0:0 veth/br0/shop/shop/web/=1:5:0 ?=1:7:0");
	identify(registry, 3, NULL, 100 * S);
	expect(registry, "veth////=0:0:0 veth/br0///=1:7:0 veth/br0/shop/shop/web/=1:5:0");
	finish(registry);
}

/* Nobody is behind it: it waits no longer. */
static void test_known_to_be_nobody(void **state)
{
	struct pe_registry *registry = new_registry_with(&defaults);

	add(registry, 2, "veth", "", 1 * S);
	source_count(2, 5);
	identify(registry, 2, NULL, 1 * S);
	expect(registry, "veth////=1:5:0");
	assert_int_equal(identify_iface(registry, 3, web, 1 * S), -ENOENT);
	finish(registry);
}

/* What was counted in a group stays there, whatever takes the interface to another. */
static void test_late_identity_splits(void **state)
{
	struct pe_registry *registry = new_registry_with(&defaults);
	struct pe_iface_info info = { .ifindex = 2, .name = "if2", .kind = "veth" };

	add(registry, 2, "veth", "", 1 * S);
	source_count(2, 5);
	source_flows(2, 2);
	identify(registry, 2, NULL, 9 * S);
	expect(registry, "veth////=1:5:2");
	identify(registry, 2, db, 10 * S);
	expect(registry, "veth////=0:5:2 veth///db/=1:0:0");
	source_count(2, 3);
	source_flows(2, 1);
	expect(registry, "veth////=0:5:2 veth///db/=1:3:1");
	strcpy(info.master, "br1");
	assert_int_equal(pe_registry_update(registry, held[2], &info, 11 * S), 0);
	source_count(2, 10);
	expect(registry, "veth////=0:5:2 veth///db/=0:3:1 veth/br1//db/=1:10:0");
	/* And back. */
	strcpy(info.master, "");
	assert_int_equal(pe_registry_update(registry, held[2], &info, 12 * S), 0);
	assert_int_equal(pe_registry_set_token(registry, held[2], take_token(3)), 0);
	source_count(3, 100);
	expect(registry, "veth////=0:5:2 veth///db/=1:103:1 veth/br1//db/=0:10:0");
	assert_int_equal(remove_iface(registry, 2, 13 * S), 0);
	source_flows(3, 4);
	expect(registry, "veth////=0:5:2 veth///db/=0:103:5 veth/br1//db/=0:10:0");
	pe_registry_expire(registry, 100 * S, NULL);
	expect(registry, "veth////=0:5:2 veth///db/=0:103:5 veth/br1//db/=0:10:0");
	finish(registry);
}

/* One that has gone waits for a second more, also when its series have ended. */
static void test_departed_one_waits(void **state)
{
	struct pe_registry_options options = defaults;
	struct pe_registry *registry;

	options.retention_ns = 0;
	registry = new_registry_with(&options);
	for (int ifindex = 2; ifindex < 6; ifindex++) {
		add(registry, ifindex, "veth", "", 1 * S);
		source_count((uint32_t)ifindex, 1u << ifindex);
		assert_int_equal(remove_iface(registry, ifindex, 1 * S), 0);
		assert_int_equal(source.token[ifindex].flows, RELEASED);
	}
	expect(registry, "veth////=0:0:0 ?=0:60:0");
	identify(registry, 2, db, 1 * S + S / 2);
	expect(registry, "veth////=0:0:0 veth///db/=0:4:0 ?=0:56:0");
	/* Another has its ifindex: what comes now is not for the one before. */
	add(registry, 3, "bridge", "", 1 * S + S / 2);
	expect(registry, "bridge////=1:0:0 veth////=0:8:0 veth///db/=0:4:0 ?=0:48:0");
	pe_registry_expire(registry, 2 * S, NULL);
	expect(registry, "bridge////=1:0:0 veth////=0:56:0 veth///db/=0:4:0");
	assert_int_equal(identify_iface(registry, 4, db, 2 * S), -ENOENT);
	finish(registry);
}

/* One that came and went unreported waits for nobody: no identity can come. */
static void test_unreported_one_does_not_wait(void **state)
{
	const struct pe_iface_info info = { .ifindex = 2, .kind = "veth" };
	struct pe_registry *registry = new_registry_with(&defaults);
	uint64_t next_ns;

	take_token(2);
	source_count(2, 5);
	source_flows(2, 3);
	assert_int_equal(pe_registry_fold(registry, &info, 2, 1 * S), 0);
	expect(registry, "veth////=0:5:3");
	assert_int_equal(source.token[2].rows, RELEASED);
	assert_int_equal(source.token[2].flows, RELEASED);
	pe_registry_expire(registry, 1 * S, &next_ns);
	assert_int_equal(next_ns, 0);
	/* Another has its ifindex by now: who that is does not concern it. */
	assert_int_equal(identify_iface(registry, 2, db, 1 * S), -ENOENT);
	expect(registry, "veth////=0:5:3");
	finish(registry);
}

/* Groups by one label: the last group is where those beyond the limit go. */
static void test_group_by(void **state)
{
	static const struct {
		unsigned int by;
		const char *expect;
	} cases[] = {
		{ 0, "=3:0:0" },
		{ PE_GROUP_BIT(PE_GROUP_KIND), "/=1:0:0 other/=1:0:0 veth/=1:0:0" },
		{ PE_GROUP_BIT(PE_GROUP_CONTAINER) | PE_GROUP_BIT(PE_GROUP_WORKLOAD),
		  "//=2:0:0 db/db/=1:0:0" },
		{ PE_GROUP_BIT(PE_GROUP_MASTER) | PE_GROUP_BIT(PE_GROUP_IMAGE),
		  "//=2:0:0 br0//=1:0:0" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pe_registry_options options = defaults;
		struct pe_registry *registry;

		options.group_by = cases[i].by;
		options.max_groups = 2;
		registry = new_registry_with(&options);
		add(registry, 2, "", "", 1 * S);
		add(registry, 3, "veth", "br0", 1 * S);
		identify(registry, 3, db, 1 * S);
		add(registry, 4, "bridge", "", 1 * S);
		expect(registry, cases[i].expect);
		finish(registry);
	}
}

/* Beyond the limit the one whose last member went first is folded, and nothing is lost. */
static void test_too_many_groups(void **state)
{
	struct pe_registry_options options = defaults;
	struct pe_registry *registry;

	options.max_groups = 3;
	options.identities = false;
	registry = new_registry_with(&options);
	add(registry, 2, "veth", "b", 1 * S);
	add(registry, 3, "veth", "a", 1 * S);
	source_count(2, 2);
	source_count(3, 3);
	assert_int_equal(remove_iface(registry, 2, 2 * S), 0);
	assert_int_equal(remove_iface(registry, 3, 3 * S), 0);
	expect(registry, "veth////=0:0:0 veth/a///=0:3:0 veth/b///=0:2:0");
	/* The nameless one has had no member for longest, then b. */
	add(registry, 4, "veth", "c", 4 * S);
	add(registry, 5, "veth", "d", 4 * S);
	source_count(4, 4);
	expect(registry, "///other/=0:2:0 veth/a///=0:3:0 veth/c///=1:4:0 veth/d///=1:0:0");
	/* Late flows of a departed member go where its group went. */
	source_flows(2, 6);
	add(registry, 6, "veth", "e", 5 * S);
	expect(registry, "///other/=0:5:6 veth/c///=1:4:0 veth/d///=1:0:0 veth/e///=1:0:0");
	/* All have live members: a new one has no group of its own. */
	add(registry, 7, "veth", "f", 6 * S);
	source_count(7, 10);
	expect(registry, "///other/=1:15:6 veth/c///=1:4:0 veth/d///=1:0:0 veth/e///=1:0:0");
	finish(registry);
}

/* What is under way goes with the interface, unlike what was counted. */
static void test_active_flows(void **state)
{
	struct pe_registry *registry = new_registry_with(&defaults);
	struct pe_snapshot *snapshot;

	add(registry, 2, "veth", "", 1 * S);
	identify(registry, 2, NULL, 1 * S);
	source_flows(2, 4);
	identify(registry, 2, db, 2 * S);
	snapshot = collect(registry);
	assert_int_equal(snapshot->groups[0].body.flows.active, 0);
	assert_int_equal(snapshot->groups[1].body.flows.active, 4);
	assert_int_equal(snapshot->host->body.flows.active, 4);
	pe_snapshot_unref(snapshot);
	assert_int_equal(remove_iface(registry, 2, 3 * S), 0);
	snapshot = collect(registry);
	assert_int_equal(snapshot->groups[1].body.flows.active, 0);
	assert_int_equal(snapshot->host->body.flows.active, 0);
	pe_snapshot_unref(snapshot);
	finish(registry);
}

/* Without memory it stays where it is, and goes where it belongs later. */
static void test_refused_memory(void **state)
{
	struct pe_registry *registry = new_registry_with(&defaults);

	if (malloc_failure_works) {
		add(registry, 2, "veth", "", 1 * S);
		source_count(2, 5);
		malloc_failure_after = 0;
		identify(registry, 2, db, 1 * S);
		malloc_failure_after = -1;
		expect(registry, "veth////=0:0:0 ?=1:5:0");
		pe_registry_expire(registry, 3 * S, NULL);
		expect(registry, "veth////=0:0:0 veth///db/=1:5:0");
		malloc_failure_after = 0;
		identify(registry, 2, web, 4 * S);
		malloc_failure_after = -1;
		source_count(2, 2);
		expect(registry, "veth////=0:0:0 veth///db/=1:7:0");
		pe_registry_expire(registry, 5 * S, NULL);
		source_count(2, 1);
		expect(registry, "veth////=0:0:0 veth///db/=0:7:0 veth//shop/shop/web/=1:1:0");
	}
	finish(registry);
}

/* Shown with the interface, also after its end. */
static void test_identity_is_shown(void **state)
{
	struct pe_registry *registry = new_registry_with(&defaults);
	struct pe_snapshot *snapshot;

	add(registry, 2, "veth", "", 1 * S);
	snapshot = collect(registry);
	assert_null(snapshot->ifaces[0].identity);
	pe_snapshot_unref(snapshot);
	identify(registry, 2, web, 1 * S);
	assert_int_equal(remove_iface(registry, 2, 2 * S), 0);
	snapshot = collect(registry);
	pe_registry_free(registry);
	assert_true(snapshot->ifaces[0].departed);
	assert_string_equal(snapshot->ifaces[0].identity->pod, "web-1");
	pe_snapshot_unref(snapshot);
	assert_all_released();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_from_the_start),
		cmocka_unit_test(test_waits_for_its_identity),
		cmocka_unit_test(test_known_to_be_nobody),
		cmocka_unit_test(test_late_identity_splits),
		cmocka_unit_test(test_departed_one_waits),
		cmocka_unit_test(test_unreported_one_does_not_wait),
		cmocka_unit_test(test_group_by),
		cmocka_unit_test(test_too_many_groups),
		cmocka_unit_test(test_active_flows),
		cmocka_unit_test(test_refused_memory),
		cmocka_unit_test(test_identity_is_shown),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
