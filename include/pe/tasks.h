/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who runs where, by the kernel: a BPF object that reports the start of programs in other network
 * namespaces, lists all tasks, and names the namespace at the other end of a veth.
 *
 * It needs CAP_BPF and CAP_PERFMON, and neither the /proc of others nor their pid namespace. One
 * thread makes all calls, the supervisor's. See bpf/identity.bpf.c.
 */
#ifndef PE_TASKS_H
#define PE_TASKS_H

#include <stdbool.h>
#include <stdint.h>

#include "pe/abi.h"

struct pe_tasks;

/*
 * Loads the object and attaches its tracepoint. `cni`: environments of CNI plugins are looked
 * through. 0 or -errno: -EPERM without the capabilities, -EOPNOTSUPP on a kernel without BTF,
 * -ENOMEM, or what the kernel says; the verifier's log goes to the debug log. Blocks for some 10
 * ms. The caller owns *ret_tasks. To be called in the network namespace whose veths are meant.
 */
int pe_tasks_open(bool cni, struct pe_tasks **ret_tasks);

/* Detaches and frees everything. NULL is fine. Returns NULL. */
struct pe_tasks *pe_tasks_close(struct pe_tasks *tasks);

/* To be polled for input. Owned by the object. */
int pe_tasks_fd(const struct pe_tasks *tasks);

/* Callbacks of pe_tasks_read(). What they get is valid during the call, its texts are terminated.
 */
struct pe_tasks_ops {
	void (*task)(const struct pe_task_record *record, void *userdata);
	void (*names)(const struct pe_task_names *names, void *userdata);
};

/* Calls back for the records that are there, in the order in which they were made. How many. Does
 * not block. */
unsigned int pe_tasks_read(struct pe_tasks *tasks, const struct pe_tasks_ops *ops, void *userdata);

/*
 * Reports the tasks in other network namespaces, the first of each pair of namespace and control
 * group. 0; 1 if the ring of records is full: read, then call again with `again`; or -errno. About
 * 0.3 µs for each task of the machine.
 */
int pe_tasks_walk(struct pe_tasks *tasks, bool again);

/*
 * The namespace of the peer of one of our veths: 0 and *ret_netns, as in records; -ENODEV if there
 * is no such interface; -ENXIO if it is no veth or has no peer; -EXDEV, its peer is in our
 * namespace as well; or another -errno. Some µs.
 */
int pe_tasks_peer(struct pe_tasks *tasks, int ifindex, uint64_t *ret_netns);

/* Records that were lost because the ring was full. No system call. */
uint64_t pe_tasks_lost(const struct pe_tasks *tasks);

/* Memory of the kernel's maps in bytes. */
uint64_t pe_tasks_map_bytes(const struct pe_tasks *tasks);

#endif
