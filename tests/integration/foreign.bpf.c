/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Somebody else's XDP program, and a tc program for ingress: it counts every packet it is given and
 * returns for each what a variable says, so that a test sees whether it still runs. Driven by
 * foreign-xdp.c, which alone writes its variables.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

__u64 packets;
__u64 bytes;
__u32 verdict = XDP_PASS;
__u32 every = 1; /* the verdict is for each so manieth packet, the others pass */
__u32 target;	 /* interface that packets are redirected to, 0: none */

SEC("xdp")
int foreign(struct xdp_md *ctx)
{
	__u64 number = __sync_fetch_and_add(&packets, 1);

	__sync_fetch_and_add(&bytes, (__u64)ctx->data_end - (__u64)ctx->data);
	if (!every || number % every)
		return XDP_PASS;
	return target ? (int)bpf_redirect(target, 0) : (int)verdict;
}

SEC("tc")
int foreign_tc(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&packets, 1);
	__sync_fetch_and_add(&bytes, skb->len);
	return target ? (int)bpf_redirect(target, 0) : 0 /* TC_ACT_OK */;
}

char _license[] SEC("license") = "GPL";
