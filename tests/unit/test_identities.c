/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a veth is known, for how long it is waited for, and what is remembered. The kernel side is
 * replaced, so that events come in any order, and the clock: tests/bpf/test_identity.c has the real
 * one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pe/clock.h"
#include "pe/identity.h"
#include "pe/tasks.h"

#define WAIT_NS	  (2 * PE_NS_PER_S)
#define QUEUE_MAX 32

/* ---- the kernel side ---- */

static struct {
	uint64_t now_ns;
	struct pe_task_record queue[QUEUE_MAX], on_walk, on_walk_too;
	unsigned int queued;
	uint64_t lost;
	unsigned int walks;
	int peer_result;
	uint64_t peer_netns;
	int pipe[2];
} fake;

uint64_t __wrap_pe_clock_monotonic_ns(void);
int __wrap_pe_tasks_open(bool cni, struct pe_tasks **ret_tasks);
struct pe_tasks *__wrap_pe_tasks_close(struct pe_tasks *tasks);
int __wrap_pe_tasks_fd(const struct pe_tasks *tasks);
unsigned int __wrap_pe_tasks_read(struct pe_tasks *tasks, const struct pe_tasks_ops *ops,
				  void *userdata);
int __wrap_pe_tasks_walk(struct pe_tasks *tasks, bool again);
int __wrap_pe_tasks_peer(struct pe_tasks *tasks, int ifindex, uint64_t *ret_netns);
uint64_t __wrap_pe_tasks_lost(const struct pe_tasks *tasks);

uint64_t __wrap_pe_clock_monotonic_ns(void)
{
	return fake.now_ns;
}

int __wrap_pe_tasks_open(bool cni, struct pe_tasks **ret_tasks)
{
	(void)cni;
	*ret_tasks = (struct pe_tasks *)&fake;
	return pipe(fake.pipe) < 0 ? -errno : 0;
}

struct pe_tasks *__wrap_pe_tasks_close(struct pe_tasks *tasks)
{
	if (tasks) {
		close(fake.pipe[0]);
		close(fake.pipe[1]);
	}
	return NULL;
}

int __wrap_pe_tasks_fd(const struct pe_tasks *tasks)
{
	(void)tasks;
	return fake.pipe[0];
}

unsigned int __wrap_pe_tasks_read(struct pe_tasks *tasks, const struct pe_tasks_ops *ops,
				  void *userdata)
{
	unsigned int count = fake.queued;

	(void)tasks;
	for (unsigned int i = 0; i < count; i++)
		ops->task(&fake.queue[i], userdata);
	fake.queued = 0;
	return count;
}

int __wrap_pe_tasks_walk(struct pe_tasks *tasks, bool again)
{
	(void)tasks;
	assert_false(again);
	fake.walks++;
	if (fake.on_walk.netns)
		fake.queue[fake.queued++] = fake.on_walk;
	if (fake.on_walk_too.netns)
		fake.queue[fake.queued++] = fake.on_walk_too;
	return 0;
}

int __wrap_pe_tasks_peer(struct pe_tasks *tasks, int ifindex, uint64_t *ret_netns)
{
	(void)tasks;
	(void)ifindex;
	if (!fake.peer_result)
		*ret_netns = fake.peer_netns;
	return fake.peer_result;
}

uint64_t __wrap_pe_tasks_lost(const struct pe_tasks *tasks)
{
	(void)tasks;
	return fake.lost;
}

static struct pe_task_record task(uint64_t netns, uint64_t start_ns, const char *machine)
{
	struct pe_task_record record = { .kind = PE_TASK_RECORD,
					 .netns = netns,
					 .start_ns = start_ns };

	if (machine)
		snprintf((char *)record.cgroup[1], PE_TASK_CGROUP_MAX, "lxc.payload.%s", machine);
	return record;
}

static void queue(struct pe_task_record record)
{
	assert_true(fake.queued < QUEUE_MAX);
	fake.queue[fake.queued++] = record;
}

/* ---- who hears of it ---- */

static struct {
	unsigned int calls;
	int ifindex;
	char workload[PE_IDENTITY_NAME_MAX]; /* "-": nobody */
} reported;

static void on_resolved(int ifindex, struct pe_identity *identity, void *userdata)
{
	assert_ptr_equal(userdata, &reported);
	reported.calls++;
	reported.ifindex = ifindex;
	snprintf(reported.workload, sizeof(reported.workload), "%s",
		 identity ? identity->workload : "-");
}

static struct {
	unsigned int calls;
	uint64_t netns;
	int ifindex;
	char workload[PE_IDENTITY_NAME_MAX]; /* "-": nobody */
} named;

static void on_named(uint64_t netns, int ifindex, struct pe_identity *identity, void *userdata)
{
	assert_ptr_equal(userdata, &reported);
	named.calls++;
	named.netns = netns;
	named.ifindex = ifindex;
	snprintf(named.workload, sizeof(named.workload), "%s", identity ? identity->workload : "-");
}

static void expect_named(unsigned int calls, uint64_t netns, int ifindex, const char *workload)
{
	assert_int_equal(named.calls, calls);
	assert_int_equal(named.netns, netns);
	assert_int_equal(named.ifindex, ifindex);
	assert_string_equal(named.workload, workload);
	named.calls = 0;
}

static void expect(unsigned int calls, int ifindex, const char *workload)
{
	assert_int_equal(reported.calls, calls);
	assert_int_equal(reported.ifindex, ifindex);
	assert_string_equal(reported.workload, workload);
	reported.calls = 0;
}

static void expect_nothing(void)
{
	assert_int_equal(reported.calls, 0);
}

static void expect_results(const struct pe_identities *ids, uint64_t resolved, uint64_t late,
			   uint64_t no_peer, uint64_t no_task, uint64_t lost_event)
{
	struct pe_identities_stats stats;

	pe_identities_get_stats(ids, &stats);
	assert_int_equal(stats.results[PE_IDENTITY_RESOLVED], resolved);
	assert_int_equal(stats.results[PE_IDENTITY_LATE], late);
	assert_int_equal(stats.results[PE_IDENTITY_NO_PEER], no_peer);
	assert_int_equal(stats.results[PE_IDENTITY_NO_TASK], no_task);
	assert_int_equal(stats.results[PE_IDENTITY_LOST_EVENT], lost_event);
}

static uint64_t unresolved(const struct pe_identities *ids)
{
	struct pe_identities_stats stats;

	pe_identities_get_stats(ids, &stats);
	return stats.unresolved;
}

static struct pe_identities *begin(void)
{
	const struct pe_identities_options options = {
		.wait_ns = WAIT_NS,
		.max_links = 3,
		.resolved = on_resolved,
		.named = on_named,
		.userdata = &reported,
	};
	struct pe_identities *ids;

	memset(&fake, 0, sizeof(fake));
	memset(&reported, 0, sizeof(reported));
	memset(&named, 0, sizeof(named));
	fake.now_ns = 100 * PE_NS_PER_S;
	fake.peer_netns = 7;
	assert_int_equal(pe_identities_new(&options, &ids), 0);
	assert_int_equal(fake.walks, 1);
	assert_int_equal(pe_identities_due_at(ids), 0);
	return ids;
}

static void link_now(struct pe_identities *ids, int ifindex)
{
	pe_identities_link(ids, ifindex, true, fake.now_ns);
}

/* Time passes, and all that is due is done. */
static void pass(struct pe_identities *ids, uint64_t ns)
{
	uint64_t end = fake.now_ns + ns, due;

	while ((due = pe_identities_due_at(ids)) && due <= end) {
		fake.now_ns = due > fake.now_ns ? due : fake.now_ns + 1;
		pe_identities_run(ids);
	}
	fake.now_ns = end;
}

/* ---- tests ---- */

static void test_order(void **state)
{
	struct pe_identities *ids = begin();
	struct pe_identities_stats stats;

	(void)state;
	link_now(ids, 4);
	expect_nothing();
	assert_int_equal(unresolved(ids), 1);
	fake.now_ns += 30 * PE_NS_PER_MS;
	queue(task(7, 5, "web"));
	pe_identities_dispatch(ids);
	expect(1, 4, "web");
	assert_string_equal(pe_identities_find(ids, 4)->container, "web");
	pe_identities_get_stats(ids, &stats);
	assert_int_equal(stats.latency[3], 1); /* up to 50 ms */
	assert_int_equal(stats.latency_sum_ns, 30 * PE_NS_PER_MS);
	assert_int_equal(stats.unresolved, 0);
	assert_int_equal(stats.namespaces, 1);

	/* The other way round, of one that was recorded just now, and a second interface later. */
	fake.peer_netns = 8;
	queue(task(8, 6, "db"));
	link_now(ids, 5);
	expect(1, 5, "db");
	pass(ids, 60 * PE_NS_PER_S);
	link_now(ids, 6);
	expect(1, 6, "db");
	expect_results(ids, 3, 0, 0, 0, 0);
	/* What changes of it is not of interest, and its peer may go home. */
	fake.peer_result = -EXDEV;
	link_now(ids, 6);
	expect_nothing();
	pe_identities_unlink(ids, 6);
	pe_identities_unlink(ids, 6);
	expect_nothing();
	assert_null(pe_identities_find(ids, 6));
	pe_identities_free(ids);
}

static void test_wait(void **state)
{
	struct pe_identities *ids = begin();

	(void)state;
	queue(task(7, 1, NULL));
	link_now(ids, 4);
	pass(ids, WAIT_NS - 1);
	expect_nothing();
	assert_int_equal(fake.walks, 2); /* all tasks were looked at again */
	pass(ids, 1);
	expect(1, 4, "-");
	expect_results(ids, 0, 0, 0, 1, 0);
	assert_int_equal(pe_identities_due_at(ids), 0);
	assert_int_equal(unresolved(ids), 1);
	queue(task(7, 5, "web"));
	pe_identities_dispatch(ids);
	expect(1, 4, "web");
	expect_results(ids, 0, 1, 0, 1, 0);
	assert_int_equal(unresolved(ids), 0);
	pe_identities_free(ids);
}

/* Whatever leads to it: a veth, none that is known, one of nobody, one that comes later. */
static void test_namespaces(void **state)
{
	struct pe_identities *ids = begin();

	(void)state;
	queue(task(9, 5, "macvlan"));
	pe_identities_dispatch(ids);
	expect_named(1, 9, 0, "macvlan");
	queue(task(7, 5, "web"));
	pe_identities_dispatch(ids);
	expect_named(1, 7, 0, "web");
	link_now(ids, 4);
	expect_named(1, 7, 4, "web");
	pe_identities_name_all(ids);
	assert_int_equal(named.calls, 2);
	named.calls = 0;
	fake.peer_netns = 8;
	queue(task(8, 5, NULL));
	link_now(ids, 5);
	assert_int_equal(named.calls, 0);
	pass(ids, WAIT_NS);
	expect_named(1, 8, 5, "-");
	queue(task(8, 6, "late"));
	pe_identities_dispatch(ids);
	expect_named(1, 8, 5, "late");
	pe_identities_free(ids);
}

/* No packet can pass, so there is time, whatever the engine does until then. Nothing wakes up. */
static void test_no_carrier(void **state)
{
	struct pe_identities *ids = begin();

	(void)state;
	fake.peer_result = -EXDEV;
	pe_identities_link(ids, 4, false, fake.now_ns);
	assert_int_equal(pe_identities_due_at(ids), 0);
	pass(ids, 10 * WAIT_NS);
	expect_nothing();
	assert_int_equal(unresolved(ids), 1);
	/* The wait is that from the first carrier on, also when it is lost meanwhile. */
	link_now(ids, 4);
	pass(ids, WAIT_NS / 2);
	pe_identities_link(ids, 4, false, fake.now_ns);
	pass(ids, WAIT_NS / 4);
	link_now(ids, 4);
	pass(ids, WAIT_NS / 4 - 1);
	expect_nothing();
	pass(ids, 1);
	expect(1, 4, "-");
	expect_results(ids, 0, 0, 1, 0, 0);

	/* It may be known before. */
	fake.peer_result = 0;
	pe_identities_link(ids, 5, false, fake.now_ns);
	queue(task(7, 5, "web"));
	pe_identities_dispatch(ids);
	expect(1, 5, "web");
	expect_results(ids, 1, 0, 1, 0, 0);
	/* And go before. */
	fake.peer_netns = 8;
	pe_identities_link(ids, 6, false, fake.now_ns);
	pe_identities_unlink(ids, 6);
	pass(ids, PE_NS_PER_S);
	expect_nothing();
	expect_results(ids, 1, 0, 1, 1, 0);
	fake.peer_result = -ENODEV;
	pe_identities_link(ids, 6, false, fake.now_ns);
	pe_identities_unlink(ids, 6);
	expect(1, 6, "-");
	expect_results(ids, 1, 0, 1, 1, 0);
	pe_identities_free(ids);
}

/* Podman and CNI make the network first: where nothing runs yet, it waits longer. */
static void test_nothing_runs(void **state)
{
	struct pe_identities *ids = begin();
	struct pe_task_record visitor = task(7, 1, NULL);

	(void)state;
	link_now(ids, 4);
	visitor.flags = PE_TASK_VISITOR;
	queue(visitor);
	pass(ids, 10 * WAIT_NS - 1);
	expect_nothing();
	queue(task(7, 5, "web"));
	pe_identities_dispatch(ids);
	expect(1, 4, "web");
	expect_results(ids, 1, 0, 0, 0, 0);
	/* Nothing ever does. */
	fake.peer_netns = 8;
	link_now(ids, 5);
	pass(ids, 10 * WAIT_NS - 1);
	expect_nothing();
	pass(ids, 1);
	expect(1, 5, "-");
	expect_results(ids, 1, 0, 0, 1, 0);
	/* Something does that is nobody's. */
	fake.peer_netns = 9;
	link_now(ids, 6);
	pass(ids, 2 * WAIT_NS);
	queue(task(9, 5, NULL));
	pass(ids, WAIT_NS - 1);
	expect_nothing();
	pass(ids, 1);
	expect(1, 6, "-");
	expect_results(ids, 1, 0, 0, 2, 0);
	pe_identities_free(ids);
}

/* Docker makes both ends here, then moves one. */
static void test_moved(void **state)
{
	struct pe_identities *ids = begin();

	(void)state;
	fake.peer_result = -EXDEV;
	queue(task(7, 5, "web"));
	link_now(ids, 4);
	link_now(ids, 5);
	pass(ids, PE_NS_PER_MS);
	pe_identities_unlink(ids, 5);
	expect(1, 5, "-");
	fake.peer_result = 0;
	pass(ids, 20 * PE_NS_PER_MS);
	expect(1, 4, "web");
	expect_results(ids, 1, 0, 0, 0, 0);
	/* Two ends that stay here. */
	fake.peer_result = -EXDEV;
	link_now(ids, 6);
	pass(ids, WAIT_NS);
	expect(1, 6, "-");
	expect_results(ids, 1, 0, 1, 0, 0);
	/* An event of the interface asks again. */
	fake.peer_result = 0;
	link_now(ids, 6);
	expect(1, 6, "web");
	expect_results(ids, 1, 1, 1, 0, 0);
	pe_identities_free(ids);
}

/* The interface has gone before its event is read: the record has said whose it was. */
static void test_gone(void **state)
{
	struct pe_identities *ids = begin();
	struct pe_task_record record = task(7, 5, "web");

	(void)state;
	record.peer[0] = 9;
	record.peer[1] = 4;
	queue(record);
	fake.peer_result = -ENODEV;
	link_now(ids, 4);
	expect(1, 4, "web");
	link_now(ids, 5);
	pe_identities_unlink(ids, 5);
	expect(1, 5, "-");
	expect_results(ids, 1, 0, 1, 0, 0);
	/* The event first, then the record. */
	link_now(ids, 6);
	record.netns = 8;
	record.peer[0] = 6;
	queue(record);
	pe_identities_unlink(ids, 6);
	expect(1, 6, "web");
	expect_results(ids, 2, 0, 1, 0, 0);
	pe_identities_free(ids);
}

/* It has gone, and its record was missed: a walk names it within a second. */
static void test_named_after_its_end(void **state)
{
	struct pe_identities *ids = begin();

	(void)state;
	link_now(ids, 4);
	pass(ids, PE_NS_PER_MS);
	pe_identities_unlink(ids, 4);
	expect_nothing();
	assert_int_equal(unresolved(ids), 1);
	fake.on_walk = task(7, 5, "web");
	pass(ids, PE_NS_PER_S);
	expect(1, 4, "web");
	assert_int_equal(fake.walks, 2);
	pass(ids, PE_NS_PER_S);
	assert_int_equal(unresolved(ids), 0);
	expect_results(ids, 1, 0, 0, 0, 0);
	assert_int_equal(pe_identities_due_at(ids), 0);

	/* Or not: then nobody is called back, and not for another one with its ifindex. */
	fake.on_walk.netns = 0;
	fake.peer_netns = 8;
	link_now(ids, 4);
	pe_identities_unlink(ids, 4);
	fake.peer_netns = 9;
	link_now(ids, 4);
	expect_results(ids, 1, 0, 0, 1, 0);
	queue(task(8, 6, "before"));
	pe_identities_dispatch(ids);
	expect_nothing();
	queue(task(9, 7, "db"));
	pe_identities_dispatch(ids);
	expect(1, 4, "db");
	/* What a record has said of the one before is not true of it either. */
	fake.peer_result = -ENODEV;
	pe_identities_unlink(ids, 4);
	link_now(ids, 4);
	pe_identities_unlink(ids, 4);
	expect(1, 4, "-");
	expect_results(ids, 2, 0, 1, 1, 0);
	pe_identities_free(ids);
}

/* A namespace that outlives its container serves the next one. */
static void test_next_container(void **state)
{
	struct pe_identities *ids = begin();

	(void)state;
	queue(task(7, 5, "first"));
	link_now(ids, 4);
	expect(1, 4, "first");
	/* While it is there, others in its namespace change nothing. */
	pass(ids, 10 * PE_NS_PER_S);
	fake.on_walk = task(7, 500, "first"); /* a child of its */
	fake.on_walk_too = task(7, 60, "second");
	queue(task(7, 60, "second"));
	pe_identities_dispatch(ids);
	pass(ids, PE_NS_PER_S);
	expect_nothing();
	assert_int_equal(fake.walks, 2);
	/* Not before the end of the walk. */
	fake.on_walk = task(7, 90, "third");
	queue(task(7, 90, "third"));
	pe_identities_dispatch(ids);
	pass(ids, 3 * PE_NS_PER_S);
	expect(1, 4, "second");
	assert_int_equal(fake.walks, 3);
	assert_int_equal(pe_identities_due_at(ids), 0);
	pe_identities_free(ids);
}

static void test_first_task(void **state)
{
	struct pe_identities *ids = begin();
	struct pe_task_record visitor = task(7, 1, "agent");

	(void)state;
	visitor.flags = PE_TASK_VISITOR;
	queue(task(7, 1, NULL)); /* the engine's own */
	queue(visitor);
	link_now(ids, 4);
	expect_nothing();
	queue(task(7, 50, "sidecar"));
	queue(task(7, 40, "first"));
	pe_identities_dispatch(ids);
	expect(1, 4, "first");
	queue(task(7, 60, "later"));
	pe_identities_dispatch(ids);
	expect_nothing();
	queue(task(7, 30, "before"));
	pe_identities_dispatch(ids);
	expect(1, 4, "before");
	expect_results(ids, 1, 0, 0, 0, 0);
	pe_identities_free(ids);
}

static void test_lost(void **state)
{
	struct pe_identities *ids = begin();

	(void)state;
	queue(task(7, 1, NULL));
	link_now(ids, 4);
	fake.lost = 3;
	pass(ids, WAIT_NS);
	expect(1, 4, "-");
	expect_results(ids, 0, 0, 0, 0, 1);
	/* Not more than once a second, but for each loss; also if nobody waits. */
	assert_in_range(fake.walks, 2, 3);
	fake.walks = 0;
	fake.lost = 4;
	fake.on_walk = task(7, 5, "web");
	pass(ids, PE_NS_PER_S);
	assert_int_equal(fake.walks, 1);
	expect(1, 4, "web");
	pass(ids, 10 * PE_NS_PER_S);
	assert_int_equal(fake.walks, 1);
	pe_identities_free(ids);
}

static void test_bounds(void **state)
{
	struct pe_identities *ids = begin();
	struct pe_identities_stats stats;

	(void)state;
	queue(task(7, 5, "web"));
	link_now(ids, 1);
	expect(1, 1, "web");
	link_now(ids, 2);
	link_now(ids, 3);
	reported.calls = 0;
	link_now(ids, 4);
	expect(1, 4, "-");
	for (uint64_t netns = 100; netns < 10000; netns++) {
		queue(task(netns, 5, "x"));
		if (fake.queued == QUEUE_MAX)
			pe_identities_dispatch(ids);
	}
	pe_identities_dispatch(ids);
	pe_identities_get_stats(ids, &stats);
	assert_int_equal(stats.namespaces, 4096);
	/* The one that is needed is there, old as it is; the oldest others are not. */
	pe_identities_unlink(ids, 3);
	link_now(ids, 3);
	expect(1, 3, "web");
	pe_identities_unlink(ids, 3);
	fake.peer_netns = 100;
	link_now(ids, 3);
	expect_nothing();
	pe_identities_unlink(ids, 3);
	reported.calls = 0;
	fake.peer_netns = 9999;
	link_now(ids, 3);
	expect(1, 3, "x");
	pe_identities_free(ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),	       cmocka_unit_test(test_wait),
		cmocka_unit_test(test_namespaces),     cmocka_unit_test(test_no_carrier),
		cmocka_unit_test(test_nothing_runs),   cmocka_unit_test(test_moved),
		cmocka_unit_test(test_gone),	       cmocka_unit_test(test_named_after_its_end),
		cmocka_unit_test(test_next_container), cmocka_unit_test(test_first_task),
		cmocka_unit_test(test_lost),	       cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
