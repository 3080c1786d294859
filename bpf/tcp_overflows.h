/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections for which the queue of a listening socket was full.
 *
 * Nothing happens then that a program could be attached to, but the kernel counts it:
 * ListenOverflows of the namespace, a number for each CPU. So their sum is read: when a listening
 * socket comes and goes, and each second, while the namespace exists. None can come without a
 * listening socket, and what its last one saw is read before it has gone: so the sum is complete.
 */
#ifndef PE_BPF_TCP_OVERFLOWS_H
#define PE_BPF_TCP_OVERFLOWS_H

#include "cookie.h"
#include "pe/abi.h"
#include "tcp_kernel.h"

const volatile __u32 pe_listen_overflows; /* which of the kernel's counters it is; 0: not known */
const volatile __u32 pe_cpus;		  /* possible ones */

/* From the kernel's pointer to what each CPU has, to what this one has; with the lowest bit, which
 * no such distance has. 0: not known yet. */
__u64 pe_cpu_offset[PE_TCP_CPUS_MAX];

/* Any memory of each CPU would do, of which the kernel's pointer can be read. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} one_each SEC(".maps");

static __always_inline __u64 address_of(const void *pointer)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &pointer);
	return address;
}

static __always_inline void learn_cpu(void)
{
	__u64 cpu = bpf_get_smp_processor_id(), of_all = 0, of_this;
	__u32 key = 0;

	bpf_probe_read_kernel(
		&of_all, sizeof(of_all),
		(void *)(address_of(&one_each) + bpf_core_field_offset(struct bpf_array, pptrs)));
	of_this = address_of(bpf_map_lookup_elem(&one_each, &key));
	hide(cpu);
	if (cpu < PE_TCP_CPUS_MAX)
		pe_cpu_offset[cpu] = (of_this - of_all) | 1;
}

/* The sum of all CPUs; it is verified once, by itself. */
__noinline __u64 pe_tcp_overflows(__u64 net)
{
	__u64 counters = 0, sum = 0;

	bpf_probe_read_kernel(&counters, sizeof(counters),
			      (void *)(net + bpf_core_field_offset(struct net___mib, mib) +
				       bpf_core_field_offset(struct netns_mib, net_statistics)));
	counters += pe_listen_overflows * sizeof(__u64);
	for (__u32 cpu = 0; cpu < PE_TCP_CPUS_MAX; cpu++) {
		__u64 one = 0, offset = pe_cpu_offset[cpu];

		if (cpu >= pe_cpus)
			break;
		bpf_probe_read_kernel(&one, sizeof(one), (void *)(counters + offset - 1));
		/* Nothing of one that is not known, and no branch for it. */
		sum += one & (is_zero(offset) - 1);
	}
	return sum;
}

/* Read as a number: the verifier takes no pointer for one. */
static __always_inline __u64 net_of_space(struct pe_tcp_space *space)
{
	return *(volatile __u64 *)&space->net;
}

/* From now on: `space` goes on with what it has. */
static __always_inline void begin_overflows(struct pe_tcp_space *space, __u64 net)
{
	*(volatile __u64 *)&space->net = net;
	if (pe_listen_overflows)
		*(volatile __u64 *)&space->overflows_before =
			pe_tcp_overflows(net_of_space(space)) - space->counts.overflows;
}

/* Another CPU may have read it earlier and be later here: what is there already stays. */
static __always_inline void take_overflows(struct pe_tcp_space *space, __u64 net)
{
	volatile __u64 *overflows = &space->counts.overflows;
	__u64 now;

	/* One that found no place has that of others. */
	if (!pe_listen_overflows || net_of_space(space) != net)
		return;
	now = pe_tcp_overflows(net_of_space(space)) - *(volatile __u64 *)&space->overflows_before;
	if ((__s64)(now - *overflows) > 0)
		*overflows = now;
}

/*
 * Whether a namespace is there, under the address that it once had, and so are its counters until
 * the program ends: they are given back after a grace period that begins when nobody refers to it.
 */
static __always_inline bool is_there(__u64 net, __u64 cookie)
{
	const struct net *at = (const void *)net;
	int references = 0;

	if (!net || cookie_of((struct net *)at) != cookie)
		return false;
	if (bpf_core_field_exists(((struct ns_common___18 *)0)->__ns_ref))
		references = BPF_CORE_READ((struct net___18 *)net, ns.__ns_ref.refs.counter);
	else if (bpf_core_field_exists(((struct ns_common___11 *)0)->count))
		references = BPF_CORE_READ((struct net___11 *)net, ns.count.refs.counter);
	else if (bpf_core_field_exists(((struct net___10 *)0)->count))
		references = BPF_CORE_READ((struct net___10 *)net, count.refs.counter);
	return references > 0;
}

#endif
