/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives a program with many flows from one BPF_PROG_TEST_RUN: each run rewrites the source address
 * of the same IPv4 frame and then tail-calls the program that is measured. With an empty program in
 * its place the same loop is the baseline.
 */
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define SOURCE_OFFSET 26 /* Ethernet, then 12 bytes of the IP header */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} measured SEC(".maps");

__u32 flow_count = 1;
__u32 sequence; /* each run a flow never seen before */
__u64 state = 88172645463325252ULL;

static __always_inline __u32 next_flow(void)
{
	__u64 x = state;

	if (sequence)
		return sequence++;
	if (flow_count == 1)
		return 0;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	state = x;
	return (x >> 32) * flow_count >> 32;
}

SEC("xdp.frags")
int drive(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 *source = data + SOURCE_OFFSET;

	if ((void *)(source + 1) > end)
		return XDP_ABORTED;
	*source = bpf_htonl(0x0a000000 + next_flow());
	bpf_tail_call(ctx, &measured, 0);
	return XDP_ABORTED;
}

SEC("xdp.frags")
int empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
