/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives a program with many flows from one BPF_PROG_TEST_RUN: each run writes another source
 * address into the same frame and then tail-calls the program that is measured. With an empty
 * program in its place the same loop is the baseline.
 *
 * Beside it, the same frame counted as other designs do it: models of ours, not their code.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flows.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} measured SEC(".maps");

/* Flow numbers in the order in which they come, where that is not drawn uniformly. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BENCH_DRAWN);
	__type(key, __u32);
	__type(value, __u64); /* an array's values are 8 bytes apart at least */
} drawn SEC(".maps");

__u32 source_offset = 26; /* in the frame; 26 is IPv4's */
__u32 flow_count = 1;
__u32 sequence; /* each run a flow never seen before */
bool use_drawn;
__u32 position; /* in drawn */
__u64 state = 88172645463325252ULL;

static __always_inline __u32 next_flow(void)
{
	__u64 x = state, *flow;
	__u32 index;

	if (sequence)
		return sequence++;
	if (flow_count == 1)
		return 0;
	if (use_drawn) {
		index = position++ % BENCH_DRAWN;
		flow = bpf_map_lookup_elem(&drawn, &index);
		return flow ? *flow : 0;
	}
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	state = x;
	return (x >> 32) * flow_count >> 32;
}

SEC("xdp")
int drive(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 *source = data + (source_offset & 63);

	if ((void *)(source + 1) > end)
		return XDP_ABORTED;
	*source = bpf_htonl(0x0a000000 + next_flow());
	bpf_tail_call(ctx, &measured, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* ---- models of other designs ---- */

struct model_key {
	__u32 source, dest;
	__u32 ports;
	__u32 protocol;
};

struct model_count {
	__u64 packets;
	__u64 bytes;
};

struct model_event {
	struct model_key key;
	__u32 ifindex;
	__u32 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct model_count);
} protocols SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, BENCH_FLOWS);
	__type(key, struct model_key);
	__type(value, struct model_count);
} lru SEC(".maps");

/* As much memory as our cache has for IPv4 and a CPU. */
struct model_line {
	struct model_key key;
	struct model_count count;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BENCH_FLOWS);
	__type(key, __u32);
	__type(value, struct model_line);
} lines SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BENCH_FLOWS);
	__type(key, struct model_key);
	__type(value, struct model_count);
} shared SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} perf_events SEC(".maps");

/* The bytes of an IPv4 packet with ports, 0 if it is something else. */
static __always_inline __u32 model_parse(struct xdp_md *ctx, struct model_key *key)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	__u32 *ports = (void *)(ip + 1);

	if ((void *)(ports + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5)
		return 0;
	key->source = ip->saddr;
	key->dest = ip->daddr;
	key->protocol = ip->protocol;
	if (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP)
		key->ports = *ports;
	return (long)end - (long)data;
}

SEC("xdp")
int model_array(struct xdp_md *ctx)
{
	struct model_key key = {};
	__u32 bytes = model_parse(ctx, &key);
	struct model_count *count = bpf_map_lookup_elem(&protocols, &key.protocol);

	if (count) {
		count->packets++;
		count->bytes += bytes;
	}
	return XDP_PASS;
}

SEC("xdp")
int model_lru(struct xdp_md *ctx)
{
	struct model_key key = {};
	struct model_count first = { .packets = 1, .bytes = model_parse(ctx, &key) }, *count;

	count = bpf_map_lookup_elem(&lru, &key);
	if (count) {
		count->packets++;
		count->bytes += first.bytes;
	} else {
		bpf_map_update_elem(&lru, &key, &first, BPF_ANY);
	}
	return XDP_PASS;
}

/* What no flow cache can be without: it looks, and counts or replaces, but reports nothing. */
SEC("xdp")
int model_line(struct xdp_md *ctx)
{
	struct model_key key = {};
	__u32 bytes = model_parse(ctx, &key);
	__u32 hash = (key.source ^ key.dest ^ key.ports ^ key.protocol) * 2654435761u;
	__u32 index = hash / (0x100000000 / BENCH_FLOWS);
	struct model_line *line = bpf_map_lookup_elem(&lines, &index);

	if (!line)
		return XDP_PASS;
	if (line->key.source != key.source || line->key.dest != key.dest ||
	    line->key.ports != key.ports || line->key.protocol != key.protocol) {
		line->key = key;
		line->count = (struct model_count){};
	}
	line->count.packets++;
	line->count.bytes += bytes;
	return XDP_PASS;
}

SEC("xdp")
int model_shared(struct xdp_md *ctx)
{
	struct model_key key = {};
	struct model_count first = { .packets = 1, .bytes = model_parse(ctx, &key) }, *count;

	count = bpf_map_lookup_elem(&shared, &key);
	if (count) {
		__sync_fetch_and_add(&count->packets, 1);
		__sync_fetch_and_add(&count->bytes, first.bytes);
	} else {
		bpf_map_update_elem(&shared, &key, &first, BPF_NOEXIST);
	}
	return XDP_PASS;
}

SEC("xdp")
int model_ring(struct xdp_md *ctx)
{
	struct model_event event = { .ifindex = ctx->ingress_ifindex };

	event.bytes = model_parse(ctx, &event.key);
	bpf_ringbuf_output(&events, &event, sizeof(event), 0);
	return XDP_PASS;
}

SEC("xdp")
int model_perf(struct xdp_md *ctx)
{
	struct model_event event = { .ifindex = ctx->ingress_ifindex };

	event.bytes = model_parse(ctx, &event.key);
	bpf_perf_event_output(ctx, &perf_events, BPF_F_CURRENT_CPU, &event, sizeof(event));
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
