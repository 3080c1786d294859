/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sockets of network namespaces count: for the host at once, for a group when it is known
 * whose. */
#include "registry-source.h"

#include <stdio.h>

#include "malloc-failure.h"

#define NAMED 4096u

static struct pe_registry *begin(bool identities, size_t max_groups)
{
	const struct pe_registry_options options = {
		.retention_ns = 60 * PE_NS_PER_S,
		.sources = counter_sources,
		.source_count = 2,
		.userdata = &source,
		.group_by = PE_GROUP_BY_DEFAULT,
		.max_groups = max_groups,
		.identities = identities,
	};
	struct pe_registry *registry;

	source_reset();
	assert_int_equal(pe_registry_new(&options, &registry), 0);
	return registry;
}

static void count(struct pe_registry *registry, uint64_t netns, uint64_t refused)
{
	struct pe_tcp_counts more = { .retransmitted = { 1, 1000 } };

	more.connections[PE_TCP_REFUSED] = refused;
	pe_registry_add_tcp(registry, netns, &more, 1);
}

static struct pe_identity *make_identity(const char *workload)
{
	struct pe_identity *identity;

	assert_int_equal(pe_identity_new(&(struct pe_identity){ .workload = workload }, &identity),
			 0);
	return identity;
}

static void name(struct pe_registry *registry, uint64_t netns, int ifindex, const char *workload)
{
	struct pe_identity *identity = workload ? make_identity(workload) : NULL;

	pe_registry_name_netns(registry, netns, held[ifindex], ifindex, identity, 1);
	pe_identity_unref(identity);
}

static void add_veth(struct pe_registry *registry, int ifindex)
{
	struct pe_iface_info info = { .ifindex = ifindex, .kind = "veth", .master = "br0" };

	snprintf(info.name, sizeof(info.name), "veth%d", ifindex);
	assert_int_equal(add_iface(registry, &info, take_token((uint32_t)ifindex), 1), 0);
}

/* Of a group, or all groups if `workload` is NULL. */
static uint64_t refused(struct pe_registry *registry, const char *kind, const char *workload)
{
	struct pe_snapshot *snapshot;
	uint64_t sum = 0;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_registry_collect(registry, snapshot), 0);
	for (size_t i = 0; i < snapshot->group_count; i++) {
		const struct pe_group_sample *group = &snapshot->groups[i];

		if (group->body.tcp &&
		    (!workload || (strcmp(group->label[PE_GROUP_WORKLOAD], workload) == 0 &&
				   strcmp(group->label[PE_GROUP_KIND], kind) == 0)))
			sum += group->body.tcp->connections[PE_TCP_REFUSED];
	}
	pe_snapshot_unref(snapshot);
	return sum;
}

static void expect_host(struct pe_registry *registry, uint64_t expected, uint64_t events)
{
	struct pe_snapshot *snapshot;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_registry_collect(registry, snapshot), 0);
	assert_int_equal(snapshot->host->body.tcp->connections[PE_TCP_REFUSED], expected);
	assert_int_equal(snapshot->host->body.tcp->retransmitted.packets, events);
	assert_int_equal(snapshot->host->body.tcp->retransmitted.bytes, events * 1000);
	pe_snapshot_unref(snapshot);
}

/* What the page shows of an interface. */
static void expect_summary(struct pe_registry *registry, bool has_tcp, uint64_t failed,
			   uint64_t retransmitted)
{
	struct pe_snapshot *snapshot;

	assert_int_equal(pe_snapshot_new(&snapshot), 0);
	assert_int_equal(pe_registry_collect(registry, snapshot), 0);
	assert_int_equal(snapshot->iface_count, 1);
	assert_int_equal(snapshot->ifaces[0].has_tcp, has_tcp);
	assert_int_equal(snapshot->ifaces[0].tcp.failed, failed);
	assert_int_equal(snapshot->ifaces[0].tcp.retransmitted, retransmitted);
	assert_int_equal(snapshot->ifaces[0].tcp.reset, 0);
	pe_snapshot_unref(snapshot);
}

static void test_waits_for_its_name(void **state)
{
	struct pe_registry *registry = begin(true, 0);

	add_veth(registry, 2);
	count(registry, 7, 3);
	count(registry, 0, 10);
	assert_int_equal(refused(registry, NULL, NULL), 0);
	name(registry, 7, 2, "web");
	assert_int_equal(refused(registry, "veth", "web"), 3);
	count(registry, 7, 2);
	assert_int_equal(refused(registry, "veth", "web"), 5);
	/* What it has counted stays where it was. */
	name(registry, 7, 0, "api");
	count(registry, 7, 1);
	assert_int_equal(refused(registry, "veth", "web"), 5);
	assert_int_equal(refused(registry, "veth", "api"), 1);
	expect_host(registry, 16, 4);
	pe_registry_free(registry);
}

static void test_without_a_veth(void **state)
{
	struct pe_registry *registry = begin(true, 0);

	count(registry, 7, 3);
	name(registry, 7, 0, "macvlan");
	assert_int_equal(refused(registry, "", "macvlan"), 3);
	/* Nobody is known, but an interface leads there. */
	add_veth(registry, 2);
	count(registry, 8, 4);
	name(registry, 8, 2, NULL);
	assert_int_equal(refused(registry, "veth", ""), 4);
	expect_host(registry, 7, 2);
	pe_registry_free(registry);
}

/* Also of what came before its name; gone, it keeps it, and who comes by its name goes on. */
static void test_of_an_interface(void **state)
{
	struct pe_iface_info again = { .ifindex = 3, .kind = "veth", .name = "veth2" };
	struct pe_registry *registry = begin(true, 0);

	add_veth(registry, 2);
	count(registry, 7, 3);
	expect_summary(registry, false, 0, 0);
	name(registry, 7, 2, "web");
	count(registry, 7, 2);
	count(registry, 8, 100);
	expect_summary(registry, true, 5, 2);
	name(registry, 7, 2, "web");
	expect_summary(registry, true, 5, 2);
	assert_int_equal(remove_iface(registry, 2, 1), 0);
	count(registry, 7, 1);
	expect_summary(registry, true, 6, 3);
	assert_int_equal(add_iface(registry, &again, take_token(3), 1), 0);
	name(registry, 9, 3, "web");
	count(registry, 9, 10);
	expect_summary(registry, true, 16, 4);
	/* A namespace that is forgotten. */
	for (uint64_t netns = 10; netns <= 10 + NAMED; netns++)
		name(registry, netns, 0, "many");
	expect_summary(registry, true, 16, 4);
	pe_registry_free(registry);
}

/* Its counts are read, and its name known, when it has gone. */
static void test_departed(void **state)
{
	struct pe_registry *registry = begin(true, 0);

	add_veth(registry, 2);
	assert_int_equal(remove_iface(registry, 2, 1), 0);
	name(registry, 7, 2, "short");
	count(registry, 7, 3);
	assert_int_equal(refused(registry, "veth", "short"), 3);
	pe_registry_free(registry);
}

static void test_no_identities(void **state)
{
	struct pe_registry *registry = begin(false, 0);

	count(registry, 7, 3);
	assert_int_equal(refused(registry, NULL, NULL), 0);
	expect_host(registry, 3, 1);
	pe_registry_free(registry);
}

/* A group that makes room takes what it has along. */
static void test_folded(void **state)
{
	struct pe_registry *registry = begin(true, 1);

	count(registry, 7, 3);
	name(registry, 7, 0, "first");
	count(registry, 8, 4);
	name(registry, 8, 0, "second");
	assert_int_equal(refused(registry, "", "other"), 3);
	assert_int_equal(refused(registry, "", "second"), 4);
	count(registry, 7, 1);
	assert_int_equal(refused(registry, NULL, NULL), 8);
	pe_registry_free(registry);
}

/* The one that was used longest ago is forgotten; the host has what it counted. */
static void test_bounded(void **state)
{
	struct pe_registry *registry = begin(true, 0);

	for (uint64_t netns = 1; netns <= NAMED; netns++)
		name(registry, netns, 0, "many");
	count(registry, 1, 1);
	name(registry, NAMED + 1, 0, "many");
	count(registry, 1, 1);
	count(registry, 2, 1);
	assert_int_equal(refused(registry, "", "many"), 2);
	expect_host(registry, 3, 3);
	pe_registry_free(registry);
}

/* Whatever is refused, nothing of it is counted twice, and the host has all. */
static void test_memory(void **state)
{
	if (!malloc_failure_works)
		return;
	for (long after = 0; after < 12; after++) {
		struct pe_registry *registry = begin(true, 0);
		struct pe_identity *identity = make_identity("web");

		malloc_failure_after = after;
		pe_registry_name_netns(registry, 7, NULL, 0, identity, 1);
		count(registry, 7, 3);
		malloc_failure_after = -1;
		name(registry, 7, 0, "web");
		count(registry, 7, 2);
		assert_true(refused(registry, "", "web") == 5 || after < 2);
		assert_true(refused(registry, "", "web") >= 2);
		expect_host(registry, 5, 2);
		pe_identity_unref(identity);
		pe_registry_free(registry);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_for_its_name),
		cmocka_unit_test(test_without_a_veth),
		cmocka_unit_test(test_of_an_interface),
		cmocka_unit_test(test_departed),
		cmocka_unit_test(test_no_identities),
		cmocka_unit_test(test_folded),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
