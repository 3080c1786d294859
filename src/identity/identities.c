/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From events of interfaces and records of tasks to who is behind a veth. See pe/identity.h.
 *
 * Two things must meet in a namespace's cookie: the veth, whose peer is there, and the task whose
 * control group is a container's. Either may come first. What a record says of veths is as good as
 * what the kernel answers when it is asked, and outlives the interface.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "pe/clock.h"
#include "pe/identity.h"
#include "pe/log.h"
#include "pe/tasks.h"

#include "describe.h"
#include "tables.h"

/* The kernel is asked again for a veth whose peer was not in another namespace yet: Docker makes
 * both ends here and moves one. */
#define ASK_MIN_NS  (10 * PE_NS_PER_MS)
#define ASK_MAX_NS  (200 * PE_NS_PER_MS)
#define WALK_MIN_NS PE_NS_PER_S
/* How often a veth waits while nothing runs behind it: an engine that has much to do, or a slow
 * one, needs seconds from the network to the container. */
#define WAITS_MAX 10
/* Of one walk, each as much as fits into the ring of records. */
#define WALK_PARTS_MAX 64

struct pe_identities {
	struct pe_identities_options options;
	struct pe_tasks *tasks;
	struct pe_names *names;
	struct pe_sources_of_names sources;
	struct pe_tables tables;
	int epoll;
	uint64_t ask_at_ns, ask_step_ns;
	uint64_t walked_at_ns;
	uint64_t lost;			  /* records, when all tasks were looked at last */
	struct pe_identities_stats stats; /* atomic */
};

static void count(uint64_t *counter, uint64_t by)
{
	__atomic_add_fetch(counter, by, __ATOMIC_RELAXED);
}

/* ---- veths ---- */

static void observe(struct pe_identities *ids, uint64_t ns)
{
#define BOUND_NS(number, text) number *PE_NS_PER_MS,
	static const uint64_t bounds[] = { PE_IDENTITY_BOUNDS_MS(BOUND_NS) };
	unsigned int bucket = 0;

	_Static_assert(sizeof(bounds) / sizeof(*bounds) + 1 == PE_IDENTITY_BUCKETS, "and +Inf");
	while (bucket < PE_IDENTITY_BUCKETS - 1 && ns > bounds[bucket])
		bucket++;
	count(&ids->stats.latency[bucket], 1);
	count(&ids->stats.latency_sum_ns, ns);
}

/* Calls back if it is another than before. */
static void tell(struct pe_identities *ids, struct pe_veth *veth)
{
	struct pe_identity *identity = veth->netns ? veth->netns->identity : NULL;

	if (!identity || pe_identity_equal(identity, veth->identity))
		return;
	if (veth->state != PE_VETH_KNOWN) {
		uint64_t now = pe_clock_monotonic_ns();

		count(&ids->stats.results[veth->state == PE_VETH_UNKNOWN ? PE_IDENTITY_LATE
									 : PE_IDENTITY_RESOLVED],
		      1);
		pe_tables_end_wait(&ids->tables, veth, PE_VETH_KNOWN);
		observe(ids, now > veth->came_ns ? now - veth->came_ns : 0);
		count(&ids->stats.unresolved, (uint64_t)-1);
	}
	pe_identity_unref(veth->identity);
	veth->identity = pe_identity_ref(identity);
	ids->options.resolved(veth->ifindex, identity, ids->options.userdata);
}

static void give_up(struct pe_identities *ids, struct pe_veth *veth)
{
	pe_tables_end_wait(&ids->tables, veth, PE_VETH_UNKNOWN);
	ids->options.resolved(veth->ifindex, NULL, ids->options.userdata);
}

static enum pe_identity_result failure(const struct pe_identities *ids, const struct pe_veth *veth)
{
	if (!veth->netns)
		return PE_IDENTITY_NO_PEER;
	return pe_tasks_lost(ids->tasks) != veth->lost ? PE_IDENTITY_LOST_EVENT
						       : PE_IDENTITY_NO_TASK;
}

static void bind_to(struct pe_identities *ids, struct pe_veth *veth, uint64_t cookie)
{
	struct pe_netns *netns = pe_tables_netns(&ids->tables, cookie);

	if (netns)
		pe_tables_bind(veth, netns);
}

/* Its peer may have gone back to our own namespace, as at a container's end: that changes nothing.
 */
static void ask(struct pe_identities *ids, struct pe_veth *veth)
{
	uint64_t cookie = 0;
	int r = pe_tasks_peer(ids->tasks, veth->ifindex, &cookie);

	if (r != -ENODEV)
		veth->is_here = r == -EXDEV;
	else if (!veth->netns)
		cookie = pe_tables_early(&ids->tables, veth->ifindex);
	if (cookie)
		bind_to(ids, veth, cookie);
	tell(ids, veth);
}

/* ---- records ---- */

static void note_docker(struct pe_identities *ids, struct pe_netns *netns,
			const struct pe_cgroup_match *match)
{
	netns->is_docker = match->runtime == PE_RUNTIME_DOCKER || match->is_bare;
	if (!netns->is_docker)
		return;
	for (size_t i = 0; i < sizeof(netns->id); i++) {
		const char digits[3] = { match->id[2 * i], match->id[2 * i + 1], '\0' };

		netns->id[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
}

static void name_netns(struct pe_identities *ids, struct pe_netns *netns,
		       const struct pe_task_record *record, const struct pe_cgroup_match *match)
{
	struct pe_identity *identity;

	/* The first names it: in a pod that is the one that holds the namespace. */
	if (netns->identity && record->start_ns >= netns->start_ns)
		return;
	if (pe_describe(&ids->sources, record, match, &identity) < 0)
		return;
	pe_identity_unref(netns->identity);
	netns->identity = identity;
	netns->start_ns = record->start_ns;
	note_docker(ids, netns, match);
	pe_tables_mark(&ids->tables, netns);
}

static void on_task(const struct pe_task_record *record, void *userdata)
{
	struct pe_identities *ids = userdata;
	struct pe_cgroup_match match;

	if (!(record->flags & PE_TASK_VISITOR)) {
		struct pe_netns *netns = pe_tables_netns(&ids->tables, record->netns);

		if (netns)
			netns->has_task = true;
		if (netns && pe_cgroups_match(record, &match))
			name_netns(ids, netns, record, &match);
	}
	for (unsigned int i = 0; i < PE_TASK_PEERS; i++) {
		struct pe_veth *veth = pe_tables_veth(&ids->tables, record->peer[i]);

		if (!record->peer[i])
			continue;
		if (!veth)
			pe_tables_put_early(&ids->tables, record->peer[i], record->netns);
		else
			bind_to(ids, veth, record->netns);
		if (veth && veth->netns)
			pe_tables_mark(&ids->tables, veth->netns);
	}
}

static void on_names(const struct pe_task_names *record, void *userdata)
{
	struct pe_identities *ids = userdata;

	pe_names_put(ids->names, record);
}

static void tell_changed(struct pe_identities *ids)
{
	struct pe_netns *netns;

	while ((netns = pe_tables_take_marked(&ids->tables))) {
		for (struct pe_veth *veth = netns->veths; veth; veth = veth->next_of_netns)
			tell(ids, veth);
	}
}

/* All that has been recorded until now; then who has become known. */
static void read_records(struct pe_identities *ids)
{
	static const struct pe_tasks_ops ops = { .task = on_task, .names = on_names };

	pe_tasks_read(ids->tasks, &ops, ids);
	tell_changed(ids);
	__atomic_store_n(&ids->stats.namespaces, ids->tables.netns_count, __ATOMIC_RELAXED);
}

static void on_docker(const char *id, struct pe_identity *identity, void *userdata)
{
	struct pe_identities *ids = userdata;
	struct pe_cgroup_match match = { .runtime = PE_RUNTIME_DOCKER };
	struct pe_netns wanted = { 0 };

	memcpy(match.id, id, sizeof(match.id));
	note_docker(ids, &wanted, &match);
	for (struct pe_netns *netns = ids->tables.newest; netns; netns = netns->older) {
		if (!netns->is_docker || memcmp(netns->id, wanted.id, sizeof(wanted.id)) != 0)
			continue;
		pe_identity_unref(netns->identity);
		netns->identity = pe_identity_ref(identity);
		pe_tables_mark(&ids->tables, netns);
	}
}

/* ---- all tasks ---- */

static void walk(struct pe_identities *ids)
{
	int r = 0;

	ids->lost = pe_tasks_lost(ids->tasks);
	ids->walked_at_ns = pe_clock_monotonic_ns();
	for (int i = 0; i < WALK_PARTS_MAX; i++) {
		r = pe_tasks_walk(ids->tasks, i > 0);
		read_records(ids);
		if (r != 1)
			break;
	}
	count(&ids->stats.walks, 1);
}

static bool may_walk(const struct pe_identities *ids, uint64_t now_ns)
{
	return now_ns - ids->walked_at_ns >= WALK_MIN_NS;
}

/* For those that have waited for half of their time, and if records were lost. */
static void walk_if_needed(struct pe_identities *ids, uint64_t now_ns)
{
	bool needed = pe_tasks_lost(ids->tasks) != ids->lost;

	if (!may_walk(ids, now_ns))
		return;
	for (struct pe_veth *veth = ids->tables.first_waiting; veth; veth = veth->later) {
		if (now_ns - veth->waits_ns < ids->options.wait_ns / 2)
			break;
		needed |= !veth->walked;
		veth->walked = true;
	}
	if (needed)
		walk(ids);
}

/* ---- the module ---- */

static int poll_for(struct pe_identities *ids, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(ids->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int start(struct pe_identities *ids)
{
	int r = pe_tables_init(&ids->tables);

	if (!r)
		r = pe_names_new(&ids->names);
	ids->sources.names = ids->names;
	if (!r && ids->options.files)
		r = pe_sources_open(&ids->sources);
	if (!r)
		r = pe_tasks_open(ids->options.cni, &ids->tasks);
	if (r < 0)
		return r;
	ids->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = ids->epoll < 0 ? -errno : poll_for(ids, pe_tasks_fd(ids->tasks));
	if (!r && ids->sources.docker)
		r = poll_for(ids, pe_docker_fd(ids->sources.docker));
	if (!r)
		walk(ids);
	return r;
}

int pe_identities_new(const struct pe_identities_options *options,
		      struct pe_identities **ret_identities)
{
	struct pe_identities *ids = calloc(1, sizeof(*ids));
	int r;

	if (!ids)
		return -ENOMEM;
	ids->options = *options;
	ids->epoll = -1;
	ids->sources.podman = -1;
	ids->sources.rules = options->rules;
	ids->sources.rule_count = options->rule_count;
	r = start(ids);
	if (r < 0) {
		pe_identities_free(ids);
		return r;
	}
	*ret_identities = ids;
	return 0;
}

struct pe_identities *pe_identities_free(struct pe_identities *ids)
{
	if (!ids)
		return NULL;
	if (ids->epoll >= 0)
		close(ids->epoll);
	pe_tasks_close(ids->tasks);
	pe_sources_close(&ids->sources);
	pe_names_free(ids->names);
	pe_tables_fini(&ids->tables);
	free(ids);
	return NULL;
}

const char *pe_identities_folder(size_t index)
{
	return pe_sources_folder(index);
}

int pe_identities_fd(const struct pe_identities *ids)
{
	return ids->epoll;
}

void pe_identities_dispatch(struct pe_identities *ids)
{
	if (ids->sources.docker)
		pe_docker_dispatch(ids->sources.docker, on_docker, ids);
	read_records(ids);
}

uint64_t pe_identities_due_at(const struct pe_identities *ids)
{
	const struct pe_veth *first = ids->tables.first_waiting;
	uint64_t due = 0;

	if (pe_tasks_lost(ids->tasks) != ids->lost)
		due = ids->walked_at_ns + WALK_MIN_NS;
	if (first && (!due || first->waits_ns + ids->options.wait_ns < due))
		due = first->waits_ns + ids->options.wait_ns;
	if (first && ids->ask_at_ns < due)
		due = ids->ask_at_ns;
	return due;
}

static void end_wait(struct pe_identities *ids, struct pe_veth *veth, uint64_t now_ns)
{
	if (veth->netns && !veth->netns->has_task && veth->waits < WAITS_MAX) {
		pe_tables_end_wait(&ids->tables, veth, PE_VETH_NEW);
		pe_tables_begin_wait(&ids->tables, veth, now_ns);
	} else {
		count(&ids->stats.results[failure(ids, veth)], 1);
		give_up(ids, veth);
	}
}

void pe_identities_run(struct pe_identities *ids)
{
	uint64_t now = pe_clock_monotonic_ns();
	bool asks = now >= ids->ask_at_ns;
	struct pe_veth *veth, *later;

	read_records(ids);
	walk_if_needed(ids, now);
	for (veth = ids->tables.first_waiting; veth; veth = later) {
		later = veth->later;
		if (asks && !veth->netns)
			ask(ids, veth);
		if (veth->state == PE_VETH_WAITING && now >= veth->waits_ns + ids->options.wait_ns)
			end_wait(ids, veth, now);
	}
	if (asks) {
		ids->ask_step_ns *= 2;
		if (ids->ask_step_ns > ASK_MAX_NS)
			ids->ask_step_ns = ASK_MAX_NS;
		ids->ask_at_ns = now + ids->ask_step_ns;
	}
}

static struct pe_veth *add(struct pe_identities *ids, int ifindex, uint64_t at_ns)
{
	struct pe_veth *veth = NULL;

	if (ids->tables.veth_count < ids->options.max_links)
		veth = pe_tables_add_veth(&ids->tables, ifindex, at_ns);
	if (!veth) {
		ids->options.resolved(ifindex, NULL, ids->options.userdata);
		return NULL;
	}
	veth->lost = pe_tasks_lost(ids->tasks);
	count(&ids->stats.unresolved, 1);
	read_records(ids);
	return veth;
}

/* Until it has a carrier no packet can pass, and there is time. */
static void begin_wait(struct pe_identities *ids, struct pe_veth *veth, uint64_t at_ns)
{
	pe_tables_begin_wait(&ids->tables, veth, at_ns);
	ids->ask_step_ns = ASK_MIN_NS;
	ids->ask_at_ns = pe_clock_monotonic_ns() + ASK_MIN_NS;
}

void pe_identities_link(struct pe_identities *ids, int ifindex, bool has_carrier, uint64_t at_ns)
{
	struct pe_veth *veth = pe_tables_veth(&ids->tables, ifindex);

	if (!veth)
		veth = add(ids, ifindex, at_ns);
	if (!veth)
		return;
	ask(ids, veth);
	if (has_carrier && veth->state == PE_VETH_NEW)
		begin_wait(ids, veth, at_ns);
}

static bool is_awaited(const struct pe_veth *veth)
{
	return veth->state == PE_VETH_NEW || veth->state == PE_VETH_WAITING;
}

void pe_identities_unlink(struct pe_identities *ids, int ifindex)
{
	struct pe_veth *veth = pe_tables_veth(&ids->tables, ifindex);

	if (!veth)
		return;
	if (is_awaited(veth))
		read_records(ids);
	if (is_awaited(veth))
		ask(ids, veth);
	if (is_awaited(veth)) {
		/* Not the container's end, which is here for a moment before and after. */
		if (veth->netns || (veth->state == PE_VETH_WAITING && !veth->is_here))
			count(&ids->stats.results[failure(ids, veth)], 1);
		give_up(ids, veth);
	}
	if (veth->state != PE_VETH_KNOWN)
		count(&ids->stats.unresolved, (uint64_t)-1);
	pe_tables_remove_veth(&ids->tables, veth);
}

struct pe_identity *pe_identities_find(const struct pe_identities *ids, int ifindex)
{
	const struct pe_veth *veth = pe_tables_veth(&ids->tables, ifindex);

	return veth ? veth->identity : NULL;
}

void pe_identities_get_stats(const struct pe_identities *ids, struct pe_identities_stats *ret_stats)
{
	const uint64_t *from = (const uint64_t *)&ids->stats;
	uint64_t *to = (uint64_t *)ret_stats;

	_Static_assert(sizeof(*ret_stats) % sizeof(*to) == 0, "numbers alone");
	for (size_t i = 0; i < sizeof(*ret_stats) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	ret_stats->lost = pe_tasks_lost(ids->tasks);
}
