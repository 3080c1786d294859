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
#include "inside.h"

/* Of one walk, each as much as fits into the ring of records. */
#define WALK_PARTS_MAX 64

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

/* Containers that have an id are distinguished by it, others by their names: FNV-1a. */
static uint64_t who_of(const struct pe_task_record *record, const struct pe_cgroup_match *match)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) + match->runtime;
	const char *text = match->id;

	if (!*text)
		text = *match->name ? match->name : (const char *)record->uts;
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

/*
 * The first names it: in a pod that is the one that holds the namespace. A namespace may outlive
 * it, and serve another container: a walk shows who is the first of those that are there.
 */
static void name_netns(struct pe_identities *ids, struct pe_netns *netns,
		       const struct pe_task_record *record, const struct pe_cgroup_match *match)
{
	const bool is_first = ids->is_walking && netns->walk != ids->stats.walks;
	const uint64_t who = who_of(record, match);
	struct pe_identity *identity;
	bool is_another;

	if (netns->identity && !is_first && record->start_ns >= netns->start_ns) {
		ids->wants_walk |= !ids->is_walking && who != netns->who && netns->veths;
		return;
	}
	is_another = !netns->identity || who != netns->who;
	if (is_another) {
		if (pe_describe(&ids->sources, record, match, &identity) < 0)
			return;
		pe_identity_unref(netns->identity);
		netns->identity = identity;
		netns->who = who;
		note_docker(ids, netns, match);
		pe_tables_mark(&ids->tables, netns);
	}
	/* Of one container a later task may be met first. */
	if (is_another || record->start_ns < netns->start_ns)
		netns->start_ns = record->start_ns;
	netns->walk = ids->stats.walks;
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
			pe_veth_bind(ids, veth, record->netns);
		if (veth && veth->netns)
			pe_tables_mark(&ids->tables, veth->netns);
	}
}

static void on_names(const struct pe_task_names *record, void *userdata)
{
	struct pe_identities *ids = userdata;

	pe_names_put(ids->names, record);
}

static void report_changed(struct pe_identities *ids)
{
	struct pe_netns *netns;

	while ((netns = pe_tables_take_marked(&ids->tables))) {
		/* Of macvlans, and of what talks to itself, there is no veth. */
		if (netns->identity && !netns->veths)
			pe_netns_report(ids, netns, 0);
		for (struct pe_veth *veth = netns->veths; veth; veth = veth->next_of_netns)
			pe_veth_report(ids, veth);
	}
}

void pe_identities_name_all(struct pe_identities *ids)
{
	for (struct pe_netns *netns = ids->tables.newest; netns; netns = netns->older) {
		if (netns->identity)
			pe_netns_report(ids, netns, netns->veths ? netns->veths->ifindex : 0);
	}
}

static void take_records(struct pe_identities *ids)
{
	static const struct pe_tasks_ops ops = { .task = on_task, .names = on_names };

	pe_tasks_read(ids->tasks, &ops, ids);
}

void pe_identities_read(struct pe_identities *ids)
{
	take_records(ids);
	report_changed(ids);
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

static void walk(struct pe_identities *ids, uint64_t now_ns)
{
	int r = 1;

	ids->lost = pe_tasks_lost(ids->tasks);
	ids->walked_at_ns = now_ns;
	ids->wants_walk = false;
	pe_identities_count(&ids->stats.walks, 1);
	ids->is_walking = true;
	for (int i = 0; r == 1 && i < WALK_PARTS_MAX; i++) {
		r = pe_tasks_walk(ids->tasks, i > 0);
		take_records(ids);
	}
	ids->is_walking = false;
	/* Not before the end: the first of a namespace may be met after others. */
	pe_identities_read(ids);
}

void pe_identities_walk(struct pe_identities *ids, uint64_t now_ns)
{
	if (now_ns - ids->walked_at_ns >= PE_IDENTITY_WALK_MIN_NS)
		walk(ids, now_ns);
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
		walk(ids, pe_clock_monotonic_ns());
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
	pe_identities_read(ids);
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

uint64_t pe_identities_map_bytes(const struct pe_identities *ids)
{
	return pe_tasks_map_bytes(ids->tasks);
}
