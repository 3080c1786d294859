/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sweep of the flow cache, and its statistics.
 */
#include "object.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>

#include "pe/clock.h"

#include "packet_exporter.skel.h"

/* A packet takes some 100 ns; finding the CPU in the middle of one so often is not chance. */
#define BUSY_TRIES 64
/* The cache is swept in so many parts, one a call. */
#define SLICES 4

static uint64_t load(const __u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* Sweeps PE_SWEEP_PAIRS pairs of one CPU. 0 or -errno. */
static int sweep_some(struct pe_xdp *xdp, unsigned int cpu, uint32_t from, uint32_t idle_ticks)
{
	struct pe_sweep args = { .from = from, .pairs = PE_SWEEP_PAIRS, .idle_for = idle_ticks };
	int r;

	for (int i = 0; i < BUSY_TRIES; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args, .ctx_size_in = sizeof(args),
			    .flags = BPF_F_TEST_RUN_ON_CPU, .cpu = cpu);

		r = bpf_prog_test_run_opts(bpf_program__fd(xdp->skel->progs.pe_sweep), &opts);
		if (r < 0)
			return r;
		if (opts.retval != PE_SWEEP_BUSY)
			return 0;
	}
	return -EBUSY;
}

/* Sweeps pairs [from, to) of one CPU, while it has flows at all. */
static void sweep_cpu(struct pe_xdp *xdp, unsigned int cpu, uint32_t from, uint32_t to,
		      uint32_t idle_ticks)
{
	const __u64 *flows = (const __u64 *)&pe_xdp_cpu(xdp, cpu)->flows;

	for (; from < to && load(flows); from += PE_SWEEP_PAIRS) {
		/* A CPU that is offline has no packets; one that is busy is swept next time. */
		if (sweep_some(xdp, cpu, from, idle_ticks) < 0)
			break;
	}
}

/*
 * Moves this thread off a CPU: a sweep that comes as an interrupt costs no packet its flow detail,
 * one on the caller's own CPU can. Where there is no other CPU, it stays.
 */
static void leave(unsigned int cpu, const cpu_set_t *allowed)
{
	cpu_set_t others = *allowed;

	if (cpu >= CPU_SETSIZE || sched_getcpu() != (int)cpu)
		return;
	CPU_CLR(cpu, &others);
	if (CPU_COUNT(&others) > 0)
		sched_setaffinity(0, sizeof(others), &others);
}

struct job {
	struct pe_xdp *xdp;
	uint32_t from, to; /* pairs of each CPU */
	uint32_t idle_ticks;
	bool may_leave; /* the running thread's affinity is nobody else's */
};

static void sweep_all(const struct job *job)
{
	bool may_leave = job->may_leave;
	cpu_set_t allowed;

	if (may_leave)
		may_leave = sched_getaffinity(0, sizeof(allowed), &allowed) == 0;
	for (unsigned int cpu = 0; cpu < job->xdp->cpus; cpu++) {
		if (may_leave && load((const __u64 *)&pe_xdp_cpu(job->xdp, cpu)->flows))
			leave(cpu, &allowed);
		sweep_cpu(job->xdp, cpu, job->from, job->to, job->idle_ticks);
	}
}

static void *sweep_in_thread(void *userdata)
{
	const struct job *job = userdata;

	sweep_all(job);
	return NULL;
}

static uint64_t count_flows(const struct pe_xdp *xdp)
{
	uint64_t flows = 0;

	for (unsigned int cpu = 0; cpu < xdp->cpus; cpu++)
		flows += load((const __u64 *)&pe_xdp_cpu(xdp, cpu)->flows);
	return flows;
}

/*
 * The thread that sweeps changes its affinity, and it cannot be put back: sched_getaffinity(2)
 * hides the CPUs that are offline, and many kernels drop those from whatever is set. So that is a
 * thread of its own, for this one sweep; without one the caller sweeps from where it is.
 */
uint64_t pe_xdp_sweep(struct pe_xdp *xdp, uint64_t idle_ns)
{
	struct job job = {
		.xdp = xdp,
		.to = 1u << xdp->pair_bits,
		.idle_ticks = (uint32_t)((idle_ns + xdp->tick_ns - 1) / xdp->tick_ns),
		.may_leave = true,
	};
	pthread_t thread;

	if (idle_ns > 0 && job.to > SLICES * PE_SWEEP_PAIRS) {
		uint32_t slice = job.to / SLICES;

		job.from = xdp->swept++ % SLICES * slice;
		job.to = job.from + slice;
	}
	if (!count_flows(xdp))
		return 0;
	if (!pthread_create(&thread, NULL, sweep_in_thread, &job)) {
		pthread_join(thread, NULL);
	} else {
		job.may_leave = false;
		sweep_all(&job);
	}
	return count_flows(xdp);
}

void pe_xdp_get_stats(const struct pe_xdp *xdp, struct pe_xdp_stats *ret_stats)
{
	bool has_provisional = __atomic_load_n(&xdp->has_provisional, __ATOMIC_ACQUIRE);
	struct pe_xdp_stats stats = { 0 };

	for (unsigned int i = 0; i < xdp->cpus; i++) {
		const struct pe_cpu *cpu = pe_xdp_cpu(xdp, i);

		stats.flows += load((const __u64 *)&cpu->flows);
		stats.bypassed += load(&cpu->bypassed);
		stats.missed += load(&cpu->missed);
		for (unsigned int reason = 0; reason < PE_EVICT_REASONS; reason++) {
			stats.evicted[reason] += load(&cpu->evicted[reason]);
			stats.lost += load(&cpu->lost[reason]);
		}
	}
	/* Before there were any, nobody was missed. That was asked first: what is missed only
	 * grows. */
	stats.missed = has_provisional ? stats.missed - xdp->missed_before : 0;
	*ret_stats = stats;
}
