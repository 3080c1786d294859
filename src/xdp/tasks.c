/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of bpf/identity.bpf.c, which is loaded by itself: a kernel that refuses it is counted
 * on without names.
 */
#include "pe/tasks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "identity.skel.h"
#include "object.h"

/* Pairs of namespace and control group that are remembered: 4,096 namespaces have about two each.
 */
#define SEEN_SETS 4096

struct pe_tasks {
	struct identity_bpf *skel;
	struct ring_buffer *ring;
	/* of the call of pe_tasks_read() that is under way */
	const struct pe_tasks_ops *ops;
	void *userdata;
};

static int on_record(void *context, void *data, size_t size)
{
	struct pe_tasks *tasks = context;
	const struct pe_task_record *record = data;

	if (!tasks->ops)
		return 0;
	if (size == sizeof(struct pe_task_record) && record->kind == PE_TASK_RECORD)
		tasks->ops->task(record, tasks->userdata);
	else if (size == sizeof(struct pe_task_names))
		tasks->ops->names(data, tasks->userdata);
	return 0;
}

/* The unsigned result of a program, or -errno. */
static int64_t run(const struct bpf_program *program, uint64_t argument)
{
	uint64_t args[8] = { argument };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));
	int r = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);

	return r < 0 ? r : (int64_t)opts.retval;
}

static int load(struct pe_tasks *tasks, bool cni)
{
	struct identity_bpf *skel = identity_bpf__open();
	int64_t r;

	if (!skel)
		return -errno;
	tasks->skel = skel;
	skel->rodata->pe_cni = cni;
	skel->rodata->pe_seen_mask = SEEN_SETS - 1;
	if (getrandom((void *)&skel->rodata->pe_seen_seed, sizeof(skel->rodata->pe_seen_seed), 0) !=
	    sizeof(skel->rodata->pe_seen_seed))
		return -EIO;
	r = bpf_map__set_max_entries(skel->maps.seen, SEEN_SETS);
	if (!r)
		r = identity_bpf__load(skel);
	if (!r)
		r = run(skel->progs.pe_locate, 0);
	if (r > 0)
		r = -EIO;
	if (!r)
		r = identity_bpf__attach(skel);
	return (int)r;
}

int pe_tasks_open(bool cni, struct pe_tasks **ret_tasks)
{
	struct pe_tasks *tasks = calloc(1, sizeof(*tasks));
	int r;

	if (!tasks)
		return -ENOMEM;
	pe_xdp_prepare_library();
	r = load(tasks, cni);
	/* What libbpf says where there is no BTF. */
	if (r == -ESRCH)
		r = -EOPNOTSUPP;
	if (!r) {
		tasks->ring = ring_buffer__new(bpf_map__fd(tasks->skel->maps.records), on_record,
					       tasks, NULL);
		if (!tasks->ring)
			r = -errno;
	}
	if (r < 0) {
		pe_tasks_close(tasks);
		return r;
	}
	*ret_tasks = tasks;
	return 0;
}

struct pe_tasks *pe_tasks_close(struct pe_tasks *tasks)
{
	if (!tasks)
		return NULL;
	ring_buffer__free(tasks->ring);
	identity_bpf__destroy(tasks->skel);
	free(tasks);
	return NULL;
}

int pe_tasks_fd(const struct pe_tasks *tasks)
{
	return ring_buffer__epoll_fd(tasks->ring);
}

unsigned int pe_tasks_read(struct pe_tasks *tasks, const struct pe_tasks_ops *ops, void *userdata)
{
	int count;

	tasks->ops = ops;
	tasks->userdata = userdata;
	count = ring_buffer__consume(tasks->ring);
	tasks->ops = NULL;
	return count < 0 ? 0 : (unsigned int)count;
}

int pe_tasks_walk(struct pe_tasks *tasks, bool again)
{
	int64_t r = run(tasks->skel->progs.pe_walk, !again);

	return r == PE_WALK_FULL ? 1 : (int)r;
}

int pe_tasks_peer(struct pe_tasks *tasks, int ifindex, uint64_t *ret_netns)
{
	int64_t r = run(tasks->skel->progs.pe_peer, (uint64_t)ifindex);

	switch (r) {
	case PE_PEER_FOUND:
		*ret_netns = tasks->skel->bss->pe_peer_result.netns;
		return 0;
	case PE_PEER_NO_DEV:
		return -ENODEV;
	case PE_PEER_NONE:
		return -ENXIO;
	case PE_PEER_HERE:
		return -EXDEV;
	default:
		return r < 0 ? (int)r : -EIO;
	}
}

uint64_t pe_tasks_lost(const struct pe_tasks *tasks)
{
	return __atomic_load_n(&tasks->skel->bss->pe_lost, __ATOMIC_RELAXED);
}

uint64_t pe_tasks_map_bytes(const struct pe_tasks *tasks)
{
	const struct identity_bpf *skel = tasks->skel;

	return bpf_map__max_entries(skel->maps.records) +
	       (uint64_t)bpf_map__max_entries(skel->maps.seen) *
		       bpf_map__value_size(skel->maps.seen) +
	       sizeof(*skel->bss);
}
