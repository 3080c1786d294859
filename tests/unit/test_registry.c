/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registry: a table of scenarios, what is carried, bounds, threads. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../../src/series/inside.h"

#include "registry-source.h"

/* ---- scenarios ---- */

/*
 * A scenario is a history, one command each:
 *   at S                     the monotonic clock, in seconds
 *   add INDEX NAME TOKEN     TOKEN 0 is none; a leading ! expects an error, here and below
 *   rename INDEX NAME
 *   token INDEX TOKEN
 *   count TOKEN N            packets pass
 *   remove INDEX
 *   expire FOLDED NEXT       how many it must fold and when it must want to be called again
 * `expect` is the end: NAME+PACKETS@CREATED of live ones, NAME-… of departed ones, then
 * folded=PACKETS, which the host has and no interface.
 */
static const struct scenario {
	const char *name;
	uint64_t retention_s;
	size_t max_departed;
	const char *history;
	const char *expect;
} scenarios[] = {
	{ "nothing", 60, 0, "expire 0 0", "" },
	{ "counts", 60, 0, "at 1; add 2 a 1; count 1 5; at 2; add 3 b 2; count 2 7; count 1 1",
	  "a+6@1 b+7@2" },
	{ "no token yet", 60, 0, "at 1; add 2 a 0; at 2; token 2 1; count 1 4", "a+4@1" },
	{ "token lost", 60, 0, "at 1; add 2 a 1; count 1 4; token 2 0", "a+4@1" },
	{ "another token", 60, 0, "at 1; add 2 a 1; count 1 4; token 2 2; count 2 3", "a+7@1" },
	{ "departed", 60, 0, "at 1; add 2 a 1; count 1 5; at 3; remove 2; expire 0 63", "a-5@1" },
	{ "just before the end", 60, 0,
	  "at 1; add 2 a 1; count 1 5; at 3; remove 2; at 62; expire 0 63", "a-5@1" },
	{ "folded", 60, 0, "at 1; add 2 a 1; count 1 5; at 3; remove 2; at 63; expire 1 0",
	  "folded=5" },
	{ "several folded", 1, 0,
	  "add 2 a 1; add 3 b 2; add 4 veth0 3; count 1 1; count 2 2; count 3 4;"
	  "remove 2; remove 4; remove 3; at 9; expire 3 0",
	  "folded=7" },
	{ "oldest first", 10, 0,
	  "add 2 a 1; add 3 b 2; remove 3; at 5; remove 2; at 10; expire 1 15", "a-0@0" },
	{ "comes back", 60, 0,
	  "at 1; add 2 a 1; count 1 5; at 3; remove 2; at 9; add 7 a 2; count 2 1; expire 0 0",
	  "a+6@1" },
	{ "comes back after the fold", 60, 0,
	  "at 1; add 2 a 1; count 1 5; remove 2; at 99; expire 1 0; add 2 a 2; count 2 1",
	  "a+1@99 folded=5" },
	{ "departs twice", 60, 0,
	  "at 1; add 2 a 1; count 1 5; remove 2; at 50; add 3 a 2; count 2 1; remove 3; at 62;"
	  "expire 0 110; at 110; expire 1 0",
	  "folded=6" },
	{ "index used again", 60, 0,
	  "at 1; add 2 a 1; count 1 5; remove 2; at 2; add 2 b 2; count 2 1", "a-5@1 b+1@2" },
	{ "unknown index", 60, 0, "!remove 2; !rename 2 a; !token 2 1; add 3 b 2; !remove 2",
	  "b+0@0" },
	{ "live one of that name", 60, 0,
	  "at 1; add 2 a 1; count 1 5; at 2; add 3 a 2; count 2 1; !rename 2 b; !token 2 3;"
	  "!remove 2",
	  "a+6@1" },
	{ "renamed", 60, 0, "at 1; add 2 a 1; count 1 5; at 2; rename 2 b; count 1 1", "b+6@1" },
	{ "renamed, then the old name again", 60, 0,
	  "at 1; add 2 a 1; count 1 5; rename 2 b; at 2; add 3 a 2; count 2 1", "a+1@2 b+5@1" },
	{ "renamed to a departed one", 60, 0,
	  "at 1; add 2 b 1; count 1 5; remove 2; at 2; add 3 a 2; count 2 1; rename 3 b; count 2 1;"
	  "expire 0 0",
	  "b+7@1" },
	{ "renamed to a live one", 60, 0,
	  "at 1; add 2 a 1; count 1 5; at 2; add 3 b 2; count 2 7; rename 2 b", "a+7@2 b+5@1" },
	{ "names exchanged, one message lost", 60, 0,
	  "add 2 a 1; count 1 5; add 3 b 2; count 2 7; rename 2 b; rename 3 a; count 1 1",
	  "a+7@0 b+6@0" },
	{ "a chain of names", 60, 0,
	  "add 2 a 1; count 1 1; add 3 b 2; count 2 2; add 4 c 3; count 3 4;"
	  "rename 2 b; rename 3 c; rename 4 d",
	  "b+1@0 c+2@0 d+4@0" },
	{ "renamed to itself", 60, 0, "add 2 a 1; count 1 5; rename 2 a", "a+5@0" },
	{ "no retention", 0, 0, "add 2 a 1; count 1 5; remove 2; expire 0 0", "folded=5" },
	{ "too many departed", 60, 2,
	  "add 2 a 1; add 3 b 2; add 4 c 3; count 1 1; count 2 2; count 3 4;"
	  "remove 3; remove 2; remove 4; expire 0 60",
	  "a-1@0 c-4@0 folded=2 early=1" },
	{ "long afterwards", 60, 0, "add 2 a 1; remove 2; at 100000; expire 1 0", "" },
};

struct player {
	struct pe_registry *registry;
	uint64_t now_ns;
};

static struct pe_iface_info make_info(int ifindex, const char *name)
{
	struct pe_iface_info info = { .ifindex = ifindex, .mode = PE_MODE_GENERIC, .master = "m" };

	snprintf(info.name, sizeof(info.name), "%s", name);
	if (!strncmp(name, "veth", 4))
		strcpy(info.kind, "veth");
	return info;
}

static int play(struct player *player, const char *command)
{
	struct pe_iface_info info;
	unsigned int a = 0, b = 0;
	unsigned long next;
	uint64_t next_ns;
	char name[IFNAMSIZ] = "";
	int r = 0;

	if (sscanf(command, "at %u", &a) == 1) {
		player->now_ns = a * PE_NS_PER_S;
	} else if (sscanf(command, "add %u %15s %u", &a, name, &b) == 3) {
		info = make_info((int)a, name);
		r = add_iface(player->registry, &info, take_token(b), player->now_ns);
		if (r < 0)
			give_token_up(b);
	} else if (sscanf(command, "rename %u %15s", &a, name) == 2) {
		info = make_info((int)a, name);
		r = pe_registry_update(player->registry, held[a], &info, player->now_ns);
	} else if (sscanf(command, "token %u %u", &a, &b) == 2) {
		r = pe_registry_set_token(player->registry, held[a], take_token(b));
		if (r < 0)
			give_token_up(b);
	} else if (sscanf(command, "count %u %u", &a, &b) == 2) {
		source_count(a, b);
	} else if (sscanf(command, "remove %u", &a) == 1) {
		r = remove_iface(player->registry, (int)a, player->now_ns);
	} else if (sscanf(command, "expire %u %lu", &a, &next) == 2) {
		assert_int_equal(pe_registry_expire(player->registry, player->now_ns, &next_ns), a);
		assert_int_equal(next_ns, next * PE_NS_PER_S);
	} else {
		fail_msg("bad command: %s", command);
	}
	return r;
}

static void describe(struct pe_registry *registry, char *text, size_t size)
{
	struct pe_snapshot *snapshot = collect(registry);
	struct pe_count folded = pe_row_total(&snapshot->host->body.row[PE_INGRESS]);
	size_t i, at = 0;

	text[0] = '\0';
	for (i = 0; i < snapshot->iface_count; i++) {
		const struct pe_iface_sample *iface = &snapshot->ifaces[i];
		const struct pe_count count = pe_row_total(&iface->body.row[PE_INGRESS]);

		folded.packets -= count.packets;
		folded.bytes -= count.bytes;
		at += (size_t)snprintf(text + at, size - at, "%s%s%c%lu@%lu", at ? " " : "",
				       iface->info.name, iface->departed ? '-' : '+',
				       (unsigned long)count.packets,
				       (unsigned long)(iface->body.created_ns / PE_NS_PER_S));
	}
	assert_int_equal(folded.bytes, folded.packets * 100);
	if (folded.packets)
		at += (size_t)snprintf(text + at, size - at, "%sfolded=%lu", at ? " " : "",
				       (unsigned long)folded.packets);
	if (snapshot->self.departed_early)
		snprintf(text + at, size - at, " early=%lu",
			 (unsigned long)snapshot->self.departed_early);
	pe_snapshot_unref(snapshot);
}

/* Of interfaces that have gone and are folded, whatever happened to them. */
static void assert_nothing_stays(struct pe_registry *registry)
{
	for (int ifindex = 0; ifindex < TOKENS; ifindex++)
		remove_iface(registry, ifindex, 0);
	pe_registry_expire(registry, UINT64_MAX, NULL);
	assert_null(registry->host.feeds);
	assert_int_equal(registry->by_name.count, 0);
}

static void test_scenarios(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		const struct scenario *scenario = &scenarios[i];
		struct player player = {
			.registry = new_registry(scenario->retention_s, scenario->max_departed),
		};
		char history[512], text[512], *command, *rest = history;

		strcpy(history, scenario->history);
		while ((command = strsep(&rest, ";"))) {
			bool error;

			command += strspn(command, " ");
			error = *command == '!';
			if ((play(&player, command + error) < 0) != error)
				fail_msg("%s: %s", scenario->name, command);
		}
		describe(player.registry, text, sizeof(text));
		if (strcmp(text, scenario->expect) != 0)
			fail_msg("%s: got \"%s\", expected \"%s\"", scenario->name, text,
				 scenario->expect);
		assert_nothing_stays(player.registry);
		assert_null(pe_registry_free(player.registry));
		assert_all_released();
	}
	assert_null(pe_registry_free(NULL));
}

static void test_errors(void **state)
{
	struct pe_registry *registry = new_registry(60, 0);
	struct pe_iface_info info = make_info(2, "a");
	struct pe_count count = { 1, 1 };

	assert_int_equal(pe_registry_update(registry, NULL, &info, 0), -ENOENT);
	assert_int_equal(pe_registry_remove(registry, NULL, 0), -ENOENT);
	assert_int_equal(pe_registry_set_token(registry, NULL, PE_TOKEN_NONE), -ENOENT);
	assert_int_equal(
		pe_registry_add_unobserved(registry, NULL, PE_INGRESS, PE_UNOBSERVED_LOST, &count),
		-ENOENT);
	assert_int_equal(pe_registry_token(registry, held[2]), PE_TOKEN_NONE);
	assert_int_equal(add_iface(registry, &info, take_token(1), 0), 0);
	assert_int_equal(pe_registry_token(registry, held[2]), 1);
	assert_int_equal(remove_iface(registry, 2, 0), 0);
	assert_int_equal(pe_registry_token(registry, held[2]), PE_TOKEN_NONE);
	pe_registry_free(registry);
	assert_all_released();
}

static void test_info_follows_updates(void **state)
{
	struct pe_registry *registry = new_registry(60, 0);
	struct pe_iface_info info = make_info(2, "a");
	char alias[] = "alias";
	struct pe_snapshot *snapshot;

	assert_int_equal(add_iface(registry, &info, PE_TOKEN_NONE, 1), 0);
	info.mode = PE_MODE_NATIVE;
	info.alias = alias;
	info.altnames = "one,two";
	strcpy(info.master, "br0");
	assert_int_equal(pe_registry_update(registry, held[2], &info, 2), 0);
	snapshot = collect(registry);
	/* The texts are not the caller's. */
	memset(alias, 'x', sizeof(alias) - 1);
	assert_string_equal(snapshot->ifaces[0].info.alias, "alias");
	assert_string_equal(snapshot->ifaces[0].info.altnames, "one,two");
	assert_string_equal(snapshot->ifaces[0].info.master, "br0");
	assert_int_equal(snapshot->ifaces[0].info.mode, PE_MODE_NATIVE);
	assert_int_equal(snapshot->ifaces[0].body.created_ns, 1);
	assert_int_equal(snapshot->self.interfaces_attached[PE_MODE_NATIVE], 1);
	assert_int_equal(snapshot->self.interfaces_attached[PE_MODE_GENERIC], 0);
	pe_snapshot_unref(snapshot);
	info.alias = NULL;
	assert_int_equal(pe_registry_update(registry, held[2], &info, 3), 0);
	snapshot = collect(registry);
	assert_string_equal(snapshot->ifaces[0].info.alias, "");
	assert_string_equal(snapshot->ifaces[0].info.altnames, "one,two");
	pe_snapshot_unref(snapshot);
	/* A departed one is attached no more. */
	assert_int_equal(remove_iface(registry, 2, 3), 0);
	snapshot = collect(registry);
	assert_int_equal(snapshot->self.interfaces_attached[PE_MODE_NATIVE], 0);
	pe_snapshot_unref(snapshot);
	pe_registry_free(registry);
}

static void test_unobserved_is_carried(void **state)
{
	struct pe_registry *registry = new_registry(60, 0);
	struct pe_iface_info a = make_info(2, "a"), b = make_info(3, "b");
	const struct pe_count count = { 3, 300 };
	struct pe_snapshot *snapshot;

	assert_int_equal(add_iface(registry, &a, PE_TOKEN_NONE, 1), 0);
	assert_int_equal(add_iface(registry, &b, PE_TOKEN_NONE, 1), 0);
	assert_int_equal(pe_registry_add_unobserved(registry, held[2], PE_EGRESS,
						    PE_UNOBSERVED_BEFORE_ATTACH, &count),
			 0);
	assert_int_equal(pe_registry_add_unobserved(registry, held[3], PE_EGRESS,
						    PE_UNOBSERVED_BEFORE_ATTACH, &count),
			 0);
	assert_int_equal(remove_iface(registry, 2, 2), 0);
	strcpy(b.name, "a");
	assert_int_equal(pe_registry_update(registry, held[3], &b, 3), 0);
	snapshot = collect(registry);
	assert_int_equal(snapshot->iface_count, 1);
	assert_int_equal(
		snapshot->ifaces[0].body.unobserved[PE_EGRESS][PE_UNOBSERVED_BEFORE_ATTACH].packets,
		6);
	assert_int_equal(
		snapshot->ifaces[0].body.unobserved[PE_EGRESS][PE_UNOBSERVED_BEFORE_ATTACH].bytes,
		600);
	assert_int_equal(snapshot->ifaces[0].body.unobserved[PE_EGRESS][PE_UNOBSERVED_LOST].packets,
			 0);
	pe_snapshot_unref(snapshot);
	pe_registry_free(registry);
}

/* The flows of one interface: as they are while it lives, late ones after that, then carried. */
static void test_flows(void **state)
{
	struct pe_registry *registry = new_registry(60, 0);
	struct pe_iface_info info = make_info(2, "a");
	const struct pe_flow_sample *flows;
	struct pe_snapshot *snapshot;

	assert_int_equal(add_iface(registry, &info, take_token(1), 1), 0);
	source_flows(1, 5);
	snapshot = collect(registry);
	flows = &snapshot->ifaces[0].body.flows;
	assert_int_equal(flows->active, 5);
	assert_int_equal(flows->top_count, 1);
	assert_int_equal(flows->proto[PE_PROTO_TCP]->flows[PE_INGRESS], 5);
	pe_snapshot_unref(snapshot);

	assert_int_equal(remove_iface(registry, 2, 2), 0);
	assert_int_equal(source.token[1].rows, RELEASED);
	assert_int_equal(source.token[1].flows, HELD);
	source_flows(1, 2);
	snapshot = collect(registry);
	flows = &snapshot->ifaces[0].body.flows;
	assert_int_equal(flows->active, 0);
	assert_int_equal(flows->proto[PE_PROTO_TCP]->flows[PE_INGRESS], 7);
	pe_snapshot_unref(snapshot);

	assert_int_equal(add_iface(registry, &info, take_token(2), 3), 0);
	assert_int_equal(source.token[1].flows, RELEASED);
	source_flows(2, 1);
	snapshot = collect(registry);
	flows = &snapshot->ifaces[0].body.flows;
	assert_int_equal(flows->active, 1);
	assert_int_equal(flows->proto[PE_PROTO_TCP]->flows[PE_INGRESS], 8);
	/* The old one's largest flow is among the others now. */
	assert_int_equal(flows->top_count, 1);
	assert_int_equal(flows->top[0].count.packets, 1);
	assert_int_equal(pe_flow_rest(flows, PE_INGRESS, PE_PROTO_TCP).packets, 7);
	pe_snapshot_unref(snapshot);
	pe_registry_free(registry);
	assert_all_released();
}

/* ---- many interfaces, several threads ---- */

#define MANY 3000

static void test_many_interfaces(void **state)
{
	struct pe_registry *registry = new_registry(60, 0);
	struct pe_iface_info info;
	struct pe_snapshot *snapshot;
	char name[IFNAMSIZ];
	size_t i;

	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "veth%zu", i * 7919 % MANY);
		info = make_info((int)i + 1, name);
		assert_int_equal(add_iface(registry, &info, take_token((unsigned int)i + 1), i), 0);
		source_count((uint32_t)i + 1, i);
	}
	for (i = 0; i < MANY; i += 2)
		assert_int_equal(remove_iface(registry, (int)i + 1, MANY), 0);
	for (i = 0; i < MANY; i++)
		assert_int_equal(pe_registry_token(registry, held[(int)i + 1]),
				 i % 2 ? i + 1 : PE_TOKEN_NONE);
	snapshot = collect(registry);
	assert_int_equal(snapshot->iface_count, MANY);
	for (i = 0; i < MANY; i++) {
		const struct pe_iface_sample *iface = &snapshot->ifaces[i];

		if (i > 0)
			assert_true(strcmp(iface[-1].info.name, iface->info.name) < 0);
		assert_int_equal(pe_row_total(&iface->body.row[PE_INGRESS]).packets,
				 iface->info.ifindex - 1);
	}
	pe_snapshot_unref(snapshot);
	pe_registry_free(registry);
	assert_all_released();
}

/* The host's; *ret_agree says whether its groups have as much, and its interfaces no more. */
static uint64_t sum_of(struct pe_registry *registry, bool *ret_agree)
{
	struct pe_snapshot *snapshot = collect(registry);
	uint64_t sum = pe_row_total(&snapshot->host->body.row[PE_INGRESS]).packets;
	uint64_t groups = 0, ifaces = 0;

	for (size_t i = 0; i < snapshot->group_count; i++)
		groups += pe_row_total(&snapshot->groups[i].body.row[PE_INGRESS]).packets;
	for (size_t i = 0; i < snapshot->iface_count; i++)
		ifaces += pe_row_total(&snapshot->ifaces[i].body.row[PE_INGRESS]).packets;
	*ret_agree = groups == sum && ifaces <= sum && source_drops(&snapshot->host->body) == sum &&
		     source_queries(&snapshot->host->body) == sum;
	pe_snapshot_unref(snapshot);
	return sum;
}

struct reader {
	struct pe_registry *registry;
	bool stop; /* atomic */
	bool failed;
	uint64_t last;
};

static void *read_sums(void *userdata)
{
	struct reader *reader = userdata;

	while (!__atomic_load_n(&reader->stop, __ATOMIC_ACQUIRE)) {
		bool agree;
		uint64_t sum = sum_of(reader->registry, &agree);

		if (sum < reader->last || !agree)
			reader->failed = true;
		reader->last = sum;
	}
	return NULL;
}

/* While interfaces come and go, no reader sees the sum go back, or levels that differ. */
static void test_sum_never_goes_back(void **state)
{
	struct pe_registry *registry = new_registry(10, 0);
	struct reader reader = { .registry = registry };
	struct pe_iface_info info;
	pthread_t thread;
	char name[IFNAMSIZ];
	uint64_t total = 0;
	bool agree;
	size_t i;

	assert_int_equal(pthread_create(&thread, NULL, read_sums, &reader), 0);
	for (i = 1; i < TOKENS; i++) {
		/* Counted before it is handed over: the counters here are no atomics. */
		source_take((uint32_t)i);
		source_count((uint32_t)i, i);
		total += i;
		snprintf(name, sizeof(name), "veth%zu", i % 13);
		info = make_info((int)i, name);
		assert_int_equal(add_iface(registry, &info, (uint32_t)i, i * PE_NS_PER_S), 0);
		if (i > 5)
			remove_iface(registry, (int)i - 5, i * PE_NS_PER_S);
		pe_registry_expire(registry, i * PE_NS_PER_S, NULL);
	}
	__atomic_store_n(&reader.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_false(reader.failed);
	assert_int_equal(sum_of(registry, &agree), total);
	assert_true(agree);
	pe_registry_free(registry);
	assert_all_released();
}

static void set_faults(struct pe_registry *registry, int ifindex, uint64_t dropped)
{
	const struct pe_faults faults[] = {
		{ .ifindex = 1, .dropped = { 99, 99 } },
		{ .ifindex = ifindex, .dropped = { dropped, 1 }, .errors = { 2, dropped + 1 } },
		{ .ifindex = 999, .dropped = { 99, 99 } },
	};

	pe_registry_set_faults(registry, faults, sizeof(faults) / sizeof(*faults));
}

static void assert_faults(struct pe_registry *registry, uint64_t in, uint64_t out, uint64_t errors)
{
	struct pe_snapshot *snapshot = collect(registry);
	const struct pe_iface_sample *iface = snapshot->ifaces;

	assert_int_equal(snapshot->iface_count, 1);
	assert_int_equal(iface->dropped[PE_INGRESS], in);
	assert_int_equal(iface->dropped[PE_EGRESS], out);
	assert_int_equal(iface->errors[PE_EGRESS], errors);
	pe_snapshot_unref(snapshot);
}

/* As the kernel has them; where they begin anew, and where another interface goes on with the
 * series, they do not go back. */
static void test_faults(void **state)
{
	struct pe_registry *registry = new_registry(60, 0);
	struct pe_iface_info a = make_info(2, "a"), b = make_info(3, "b");

	assert_int_equal(add_iface(registry, &a, PE_TOKEN_NONE, 1), 0);
	assert_faults(registry, 0, 0, 0);
	set_faults(registry, 2, 7);
	set_faults(registry, 2, 9);
	assert_faults(registry, 9, 1, 10);
	set_faults(registry, 5, 30);
	assert_faults(registry, 9, 1, 10);
	set_faults(registry, 2, 4);
	assert_faults(registry, 13, 1, 15);
	remove_iface(registry, 2, 2);
	set_faults(registry, 2, 30);
	assert_faults(registry, 13, 1, 15);
	/* Under the same name. */
	a.ifindex = 4;
	assert_int_equal(add_iface(registry, &a, PE_TOKEN_NONE, 3), 0);
	assert_faults(registry, 13, 1, 15);
	set_faults(registry, 4, 20);
	assert_faults(registry, 33, 2, 36);
	remove_iface(registry, 4, 4);
	/* By a new name. */
	assert_int_equal(add_iface(registry, &b, PE_TOKEN_NONE, 5), 0);
	set_faults(registry, 3, 1);
	strcpy(b.name, "a");
	assert_int_equal(pe_registry_update(registry, held[3], &b, 6), 0);
	assert_faults(registry, 34, 3, 38);
	pe_registry_free(registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_info_follows_updates),
		cmocka_unit_test(test_unobserved_is_carried),
		cmocka_unit_test(test_flows),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_many_interfaces),
		cmocka_unit_test(test_sum_never_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
