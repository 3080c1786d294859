/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sweep: sends the flows that have become quiet. User space runs it on each CPU in turn
 * (BPF_PROG_TEST_RUN of a raw tracepoint program), some sets at a time.
 *
 * On another CPU than the caller's it comes as an interrupt: a packet that it interrupts has `busy`
 * set, and then it does nothing. On the caller's own CPU a packet can interrupt it: then the sweep
 * has set `busy`, and the packet goes on without flow detail, which is counted.
 */
#ifndef PE_BPF_SWEEP_H
#define PE_BPF_SWEEP_H

#include "flow.h"

static __always_inline void sweep_ways(struct pe_cpu *cpu, __u32 index, bool ipv6, __u32 now,
				       __u32 idle_for)
{
	void *set = set_find(index, ipv6);

	for (int i = 0; set && i < PE_FLOW_WAYS; i++) {
		struct pe_flow_head *flow = way_of(set, i, ipv6);

		if (flow->packets && now - (flow->first + flow->span) >= idle_for)
			flow_send(cpu, index, flow, ipv6, PE_EVICT_IDLE);
	}
}

/* A global function: the verifier looks at it once, not once for each set. */
__noinline int sweep_set(__u32 set_id, __u32 cpu_id, __u32 now, __u32 idle_for)
{
	struct pe_cpu *cpu = bpf_map_lookup_elem(&cpus, &cpu_id);
	__u32 index = (cpu_id << (32 - pe_set_shift)) + set_id;

	if (!cpu)
		return 0;
	sweep_ways(cpu, index, false, now, idle_for);
	if (index % 2 == 0)
		sweep_ways(cpu, index / 2, true, now, idle_for);
	return 0;
}

SEC("raw_tp")
int pe_sweep(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 cpu_id = bpf_get_smp_processor_id();
	struct pe_cpu *cpu = bpf_map_lookup_elem(&cpus, &cpu_id);
	__u32 from = ctx->args[0], sets = ctx->args[1], idle_for = ctx->args[2];
	__u32 now;

	if (!cpu)
		return 0;
	if (cpu->busy)
		return PE_SWEEP_BUSY;
	cpu->busy = 1;
	barrier();
	now = bpf_jiffies64();
	/* Never beyond this CPU's own sets. */
	for (__u32 i = 0; i < PE_SWEEP_SETS && i < sets && from + i < 1u << (32 - pe_set_shift);
	     i++)
		sweep_set(from + i, cpu_id, now, idle_for);
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
