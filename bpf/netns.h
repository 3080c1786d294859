/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our network namespace. Programs see interfaces of others too: the tracepoints all of them, and
 * XDP stays attached to an interface that moves to another namespace, where its ifindex may be that
 * of one of ours.
 *
 * It is known by its address and not by its number, which is one more load away; such loads are
 * guarded and cost more than others. It exists for as long as we do.
 */
#ifndef PE_BPF_NETNS_H
#define PE_BPF_NETNS_H

#include "origin.h"

/* Its address; beside pe_marks, which packets need as well. */
__u64 pe_net SEC(".data");

/* User space runs it once, from a thread of our namespace, before anything is attached. Not 0 if it
 * found none. */
SEC("raw_tp")
int pe_learn_netns(void *ctx)
{
#ifndef PE_PLAIN
	const struct task_struct *task = bpf_get_current_task_btf();
	const struct nsproxy *nsproxy = task->nsproxy;

	if (nsproxy)
		pe_net = (__u64)nsproxy->net_ns;
#else
	const struct task_struct *task = (const void *)bpf_get_current_task();

	pe_net = (__u64)BPF_CORE_READ(task, nsproxy, net_ns);
#endif
	find_marks();
	return !pe_net;
}

static __always_inline bool is_ours(const struct net_device *dev)
{
	return (__u64)dev->nd_net.net == pe_net;
}

#endif
