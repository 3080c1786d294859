/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who runs where: an object of its own, because the exporter counts as well without it.
 *
 *   pe_exec     a program was started: reports its namespace and control groups, once for each pair
 *   pe_walk     the same of all tasks that there are
 *   pe_peer     the namespace at the other end of a veth
 *   pe_locate   finds what is our own and the host's
 *
 * The last three are run by user space (BPF_PROG_TEST_RUN), one at a time.
 */
#include "identity_names.h"

SEC("tp_btf/sched_process_exec")
int BPF_PROG(pe_exec, struct task_struct *task)
{
	struct nsproxy *nsproxy = BPF_CORE_READ(task, nsproxy);
	struct net *net = nsproxy ? BPF_CORE_READ(nsproxy, net_ns) : NULL;

	if (!net)
		return 0;
	if ((__u64)net == pe_net)
		read_names(task);
	else if (!report(task, nsproxy, net))
		__sync_fetch_and_add(&pe_lost, 1);
	return 0;
}

/* ---- all tasks ---- */

/* Where the walk is, and where it begins, at the first of all tasks: list nodes. */
__u64 pe_walk_at, pe_walk_start;
bool pe_walk_full;

/*
 * Loops of global functions: each is verified once, not once for each time, on all kernels. The
 * list is in the order in which tasks began: the first of a pair that is met is the first that
 * there was. What has executed no program is a runtime that is about to: its host name may still be
 * that of the host. A task that ends meanwhile stays linked and in memory: the run is under RCU.
 */
__noinline int walk_step(void)
{
	struct task_struct *task =
		(void *)(pe_walk_at - bpf_core_field_offset(struct task_struct, tasks));
	struct nsproxy *nsproxy = BPF_CORE_READ(task, nsproxy);
	struct net *net = nsproxy ? BPF_CORE_READ(nsproxy, net_ns) : NULL;
	bool is_fork = BPF_CORE_READ(task, flags) & PF_FORKNOEXEC;
	__u64 next = 0;

	if (net && (__u64)net != pe_net && !is_fork && !report(task, nsproxy, net)) {
		pe_walk_full = true;
		return 1;
	}
	bpf_probe_read_kernel(&next, sizeof(next), (void *)pe_walk_at);
	pe_walk_at = next;
	return !next || next == pe_walk_start;
}

__noinline int walk_some(void)
{
	for (int i = 0; i < 64; i++) {
		if (walk_step())
			return 1;
	}
	return 0;
}

__noinline int walk_more(void)
{
	for (int i = 0; i < 64; i++) {
		if (walk_some())
			return 1;
	}
	return 0;
}

/* args[0] begins a new generation; without, it goes on after the ring was emptied. */
SEC("raw_tp")
int pe_walk(struct bpf_raw_tracepoint_args *ctx)
{
	if (!pe_walk_start)
		return PE_WALK_DONE;
	if (ctx->args[0])
		pe_generation++;
	pe_walk_full = false;
	pe_walk_at = pe_walk_start;
	for (int i = 0; i < 32; i++) {
		if (walk_more())
			break;
	}
	return pe_walk_full ? PE_WALK_FULL : PE_WALK_DONE;
}

/* ---- what is our own ---- */

static __always_inline void store_path(struct place place)
{
	for (int i = 0; i < LEVELS_MAX && place.kn; i++) {
		__u64 *at = &pe_own_path[path_index(place)], mask = -has_index(place);

		*at = (*at & ~mask) | ((__u64)place.kn & mask);
		place = outward(place);
	}
}

/* It is its own parent. */
static __always_inline struct task_struct *first_of_all(struct task_struct *task)
{
	for (int i = 0; i < 64; i++) {
		struct task_struct *parent = BPF_CORE_READ(task, real_parent);

		if (!parent || parent == task)
			break;
		task = parent;
	}
	return task;
}

/* Run once, from a thread of our namespace, before anything is attached. Not 0 if it found none. */
SEC("raw_tp")
int pe_locate(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct *first = first_of_all(task);
	struct nsproxy *own = BPF_CORE_READ(task, nsproxy), *host = BPF_CORE_READ(first, nsproxy);

	if (!own)
		return 1;
	pe_walk_start = (__u64)first + bpf_core_field_offset(struct task_struct, tasks);
	pe_net = (__u64)BPF_CORE_READ(own, net_ns);
	pe_own_uts = (__u64)BPF_CORE_READ(own, uts_ns);
	pe_host_uts = host ? (__u64)BPF_CORE_READ(host, uts_ns) : 0;
	find_hierarchy(task);
	store_path(place_of(task));
	return !pe_net;
}

char _license[] SEC("license") = "GPL";
