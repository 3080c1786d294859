/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sweep: sends the flows that have become quiet. User space runs it on each CPU in turn
 * (BPF_PROG_TEST_RUN of a raw tracepoint program), some pairs at a time.
 *
 * On another CPU than the caller's it comes as an interrupt: a packet that it interrupts has `busy`
 * set, and then it does nothing. On the caller's own CPU a packet can interrupt it: then the sweep
 * has set `busy`, and the packet goes on without flow detail, which is counted.
 */
#ifndef PE_BPF_SWEEP_H
#define PE_BPF_SWEEP_H

#include "flow.h"

static __always_inline bool is_quiet(const struct pe_flow_head *flow, __u32 now, __u32 idle_for)
{
	return flow->packets && now - (flow->first + flow->span) >= idle_for;
}

static __always_inline void sweep_line(struct pe_cpu *cpu, union pe_flow_line *line, __u32 ring_id,
				       __u32 now, __u32 idle_for)
{
	if (is_whole(line)) {
		if (is_quiet(&line->whole.head, now, idle_for))
			line_evict(cpu, line, ring_id, PE_EVICT_IDLE);
		return;
	}
	for (int i = 0; i < PE_FLOW_WAYS; i++) {
		if (is_quiet(&line->way[i].head, now, idle_for))
			flow_evict(cpu, ring_id, &line->way[i].head, sizeof(struct pe_flow4),
				   PE_EVICT_IDLE);
	}
}

/* A global function: the verifier looks at it once, not once for each pair. */
__noinline int sweep_pair(__u32 index, __u32 cpu_id, __u32 now, __u32 idle_for)
{
	struct pe_cpu *cpu = bpf_map_lookup_elem(&cpus, &cpu_id);
	void *cache = bpf_map_lookup_elem(&flows, &cpu_id);
	struct pe_flow_pair *pair = cache ? bpf_map_lookup_elem(cache, &index) : NULL;

	if (!cpu || !pair)
		return 0;
	for (int i = 0; i < PE_FLOW_WAYS; i++)
		sweep_line(cpu, &pair->line[i], ring_of(index), now, idle_for);
	return 0;
}

SEC("raw_tp")
int pe_sweep(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 cpu_id = bpf_get_smp_processor_id();
	struct pe_cpu *cpu = bpf_map_lookup_elem(&cpus, &cpu_id);
	__u32 from = ctx->args[0], pairs = ctx->args[1], idle_for = ctx->args[2];
	__u32 now;

	if (!cpu)
		return 0;
	if (cpu->busy)
		return PE_SWEEP_BUSY;
	cpu->busy = 1;
	barrier();
	now = bpf_jiffies64();
	for (__u32 i = 0; i < PE_SWEEP_PAIRS && i < pairs; i++)
		sweep_pair(from + i, cpu_id, now, idle_for);
	barrier();
	cpu->busy = 0;
	return 0;
}

/* The low 32 bits of jiffies, so that user space knows how long ago a record's times are. */
SEC("raw_tp")
int pe_now(void *ctx)
{
	return bpf_jiffies64();
}

#endif
