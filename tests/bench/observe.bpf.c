/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sees from outside when an interface was announced, and when a thread attached a program to it:
 *
 *   announced   the kernel had put the news into the queue of a listener, while `maker` made it
 *   attached    the end of a bpf(BPF_LINK_CREATE) call of `observed` that succeeded
 *
 * For x86-64, and Linux 6.3 or newer, which has the tracepoint sk_data_ready.
 */
#include <linux/bpf.h>
#include <linux/rtnetlink.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "observe.h"

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

struct news {
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
} attached SEC(".maps");

/* Threads. */
__u32 maker;
__u32 observed;
__u32 pending; /* the interface that it is attaching to */

SEC("raw_tp/sk_data_ready")
int on_data_ready(struct bpf_raw_tracepoint_args *ctx)
{
	const struct sock *sock = (const struct sock *)ctx->args[0];
	__u64 now_ns = bpf_ktime_get_ns(), *at;
	struct news news = {};
	__u32 ifindex;

	if (this_thread() != maker)
		return 0;
	/* The message that came last; nothing, if its reader was quicker than this. */
	bpf_probe_read_kernel(&news, sizeof(news),
			      BPF_CORE_READ(sock, sk_receive_queue.prev, data));
	if (news.header.nlmsg_type != RTM_NEWLINK)
		return 0;
	ifindex = news.info.ifi_index;
	at = bpf_map_lookup_elem(&announced, &ifindex);
	if (at && !*at)
		*at = now_ns;
	return 0;
}

SEC("raw_tp/sys_enter")
int on_enter(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
	unsigned long command, attr;

	if (ctx->args[1] != NR_BPF || this_thread() != observed)
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
	__u64 *at;

	if (!pending || this_thread() != observed)
		return 0;
	at = bpf_map_lookup_elem(&attached, &pending);
	if (at && (long)ctx->args[1] >= 0 && !*at)
		*at = bpf_ktime_get_ns();
	pending = 0;
	return 0;
}

char _license[] SEC("license") = "GPL";
