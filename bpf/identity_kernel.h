/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few fields of kernel structures that say who runs where, relocated when the programs are
 * loaded (CO-RE).
 *
 * Nothing but probe reads follows these pointers, and none that is NULL: a load of a program's own
 * that faults can panic Linux 5.10. No structure is here that only a module has: without
 * CAP_SYS_ADMIN libbpf cannot look at a module's types, and one such reference fails the object.
 */
#ifndef PE_BPF_IDENTITY_KERNEL_H
#define PE_BPF_IDENTITY_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next;
};

struct hlist_node {
	struct hlist_node *next;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
	__u64 net_cookie; /* since 5.12 */
	__u32 hash_mix;	  /* random */
	struct list_head dev_base_head;
	struct hlist_node *dev_index_head; /* array of NETDEV_HASHENTRIES heads, each a pointer */
};

typedef struct {
	struct net *net;
} possible_net_t;

struct rtnl_link_ops {
	const char *kind;
};

struct net_device {
	int ifindex;
	possible_net_t nd_net;
	struct list_head dev_list;
	struct hlist_node index_hlist;
	const struct rtnl_link_ops *rtnl_link_ops; /* NULL for hardware */
};

struct new_utsname {
	char nodename[65];
};

struct uts_namespace {
	struct new_utsname name;
};

struct nsproxy {
	struct uts_namespace *uts_ns;
	struct net *net_ns;
};

struct kernfs_node {
	const char *name;
	struct kernfs_node *parent;
	struct kernfs_node *__parent; /* since 6.15 */
	__u64 id;
};

struct cgroup_root;

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
	int level;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
};

enum cgroup_subsys_id {
	pids_cgrp_id = 1,
};

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	unsigned long env_start;
	unsigned long env_end;
};

/* include/linux/sched.h: forked, and has executed nothing. */
#define PF_FORKNOEXEC 0x00000040

struct task_struct {
	unsigned int flags;
	char comm[16];
	__u64 start_boottime;
	struct list_head tasks;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	const struct cred *real_cred;
	struct nsproxy *nsproxy; /* NULL once it exits */
	struct css_set *cgroups;
	struct mm_struct *mm; /* NULL for kernel threads */
};

#pragma clang attribute pop

/* Before a number is compared with its bound: the compiler then compares the very register that is
 * used, all of it. */
#define hide(x) asm volatile("" : "+r"(x))

/*
 * 1 if it is 0, otherwise 0, without a branch. A branch leaves the verifier with two numbers that
 * it knows, and all that follows is then looked at twice; in a loop, more often than it allows.
 */
static __always_inline __u64 is_zero(__u64 x)
{
	__u64 top = ~x & (x - 1);

	hide(top);
	return top >> 63;
}

#endif
