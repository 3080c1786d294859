/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sees from outside when an interface was announced, when its ingress was counted from then on, and
 * when XDP was attached to it:
 *
 *   announced   the kernel had put the message into the queue of a listener, while `maker` made it
 *   counted     at this system call of `observed`, or before it, the interface was in the table by
 *               which the receive tracepoint decides
 *   attached    the end of a bpf(BPF_LINK_CREATE) call of `observed` that succeeded
 *
 * `observed` asks for one message a system call and handles what it got before the next one, in the
 * order of the announcements: so `counted` is late by what it does for one interface after the
 * store to the table, and never early.
 *
 * For x86-64, and Linux 6.3 or newer, which has the tracepoint sk_data_ready.
 */
#include <linux/bpf.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "pe/abi.h"

#include "observe.h"

#define STEPS	      64
#define NR_BPF	      321
#define IFINDEX_AT    4 /* in union bpf_attr, for BPF_LINK_CREATE */
#define this_thread() ((__u32)bpf_get_current_pid_tgid())

/* The kernel's names of two registers: the first and second argument. */
struct pt_regs {
	unsigned long si;
	unsigned long di;
} __attribute__((preserve_access_index));

struct sk_buff {
	unsigned char *data;
} __attribute__((preserve_access_index));

struct sk_buff_head {
	struct sk_buff *prev;
} __attribute__((preserve_access_index));

struct sock {
	struct sk_buff_head sk_receive_queue;
} __attribute__((preserve_access_index));

struct link_message {
	struct nlmsghdr header;
	struct ifinfomsg info;
};

/* Interface → monotonic clock, ns. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, OBSERVE_MAX);
	__type(key, __u32);
	__type(value, __u64);
} announced SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, OBSERVE_MAX);
	__type(key, __u32);
	__type(value, __u64);
} counted SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, OBSERVE_MAX);
	__type(key, __u32);
	__type(value, __u64);
} attached SEC(".maps");

/* Interfaces as they were announced. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OBSERVE_MAX);
	__type(key, __u32);
	__type(value, __u32);
} order SEC(".maps");

struct interface_set {
	union pe_slot_ref way[PE_SLOT_WAYS];
};

/* The exporter's own. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct interface_set);
} interfaces SEC(".maps");

const volatile __u32 interface_mask; /* sets of the exporter's table - 1 */

/* Threads. */
__u32 maker;
__u32 observed;
__u32 pending; /* the interface that it is attaching to */
/* Of `order`: one more than the last, and the first that has not been seen counted. */
__u64 order_end;
__u64 order_first;

/* Whether the receive tracepoint counts its ingress. */
static __always_inline bool is_counted(__u32 ifindex)
{
	__u32 index = ifindex & interface_mask;
	struct interface_set *set = bpf_map_lookup_elem(&interfaces, &index);

	if (!set)
		return false;
	for (int i = 0; i < PE_SLOT_WAYS; i++) {
		union pe_slot_ref ref = { .word = *(volatile __u64 *)&set->way[i].word };

		if (ref.ifindex == ifindex)
			return ref.flags & PE_SLOT_RECEIVE;
	}
	return false;
}

/* The first time counts. */
static __always_inline void stamp(void *times, __u32 ifindex, __u64 now_ns)
{
	__u64 *at = bpf_map_lookup_elem(times, &ifindex);

	if (at)
		__sync_val_compare_and_swap(at, 0, now_ns);
}

static __always_inline bool is_stamped(void *times, __u32 ifindex)
{
	__u64 *at = bpf_map_lookup_elem(times, &ifindex);

	return !at || *at;
}

/* For on_enter() to look at; it may be counted already, with no system call to come. */
static __always_inline void put_in_order(__u32 ifindex)
{
	__u32 end = (__u32)order_end, *place = bpf_map_lookup_elem(&order, &end);

	if (!place)
		return;
	*place = ifindex;
	__sync_fetch_and_add(&order_end, 1);
	if (is_counted(ifindex))
		stamp(&counted, ifindex, bpf_ktime_get_ns());
}

static __always_inline void look_at_table(void)
{
	for (int i = 0; i < STEPS && order_first < *(volatile __u64 *)&order_end; i++) {
		__u32 first = (__u32)order_first, *ifindex = bpf_map_lookup_elem(&order, &first);

		if (!ifindex)
			return;
		if (!is_stamped(&counted, *ifindex)) {
			if (!is_counted(*ifindex))
				return;
			stamp(&counted, *ifindex, bpf_ktime_get_ns());
		}
		order_first++;
	}
}

SEC("raw_tp/sk_data_ready")
int on_data_ready(struct bpf_raw_tracepoint_args *ctx)
{
	const struct sock *sock = (const struct sock *)ctx->args[0];
	__u64 now_ns = bpf_ktime_get_ns();
	struct link_message message = {};
	__u32 ifindex;

	if (this_thread() != maker)
		return 0;
	/* The message that came last; nothing, if its reader was quicker than this. */
	bpf_probe_read_kernel(&message, sizeof(message),
			      BPF_CORE_READ(sock, sk_receive_queue.prev, data));
	if (message.header.nlmsg_type != RTM_NEWLINK)
		return 0;
	ifindex = message.info.ifi_index;
	if (is_stamped(&announced, ifindex))
		return 0;
	stamp(&announced, ifindex, now_ns);
	put_in_order(ifindex);
	return 0;
}

SEC("raw_tp/sys_enter")
int on_enter(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
	unsigned long command, attr;

	if (this_thread() != observed)
		return 0;
	look_at_table();
	if (ctx->args[1] != NR_BPF)
		return 0;
	command = BPF_CORE_READ(regs, di);
	attr = BPF_CORE_READ(regs, si);
	pending = 0;
	if ((__u32)command == BPF_LINK_CREATE)
		bpf_probe_read_user(&pending, sizeof(pending), (void *)(attr + IFINDEX_AT));
	return 0;
}

SEC("raw_tp/sys_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	if (!pending || this_thread() != observed)
		return 0;
	if ((long)ctx->args[1] >= 0)
		stamp(&attached, pending, bpf_ktime_get_ns());
	pending = 0;
	return 0;
}

char _license[] SEC("license") = "GPL";
