/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One loaded object, as the files of this folder share it: data only. */
#ifndef PE_XDP_OBJECT_H
#define PE_XDP_OBJECT_H

#include <pthread.h>
#include <stddef.h>

#include "pe/xdp.h"
#include "slots.h"

struct pe_bpf;

/* A map whose memory is ours as well. */
struct mapped {
	void *data;
	size_t size;
};

#define FEATURE_EGRESS	1u
#define FEATURE_RECEIVE 2u
#define FEATURE_READS	4u /* tracepoints and TCX read packets where they are */
#define FEATURE_TCX	8u
#define FEATURE_CASTS	16u /* the programs that call functions of the kernel; not the plain ones */
#define FEATURE_PAGES	32u /* tracepoints read packets beyond their linear part */

/* Of enum bpf_attach_type, since Linux 6.6. */
#define TCX_INGRESS 46

struct pe_xdp {
	struct pe_bpf *skel;
	struct pe_xdp_options options;
	unsigned int cpus;		/* possible CPUs */
	unsigned int set_bits;		/* log2 of the flow cache's sets of IPv4 for each CPU */
	uint32_t generic_id, native_id; /* of the XDP programs */
	uint32_t provisional;		/* slots in the queue and in the map of early interfaces */
	bool has_provisional;		/* atomic: there have been some */
	uint64_t missed_before; /* packets until then; of any thread once has_provisional is set */
	uint32_t swept;		/* parts of the flow cache, so far */
	uint64_t tick_ns;
	uint64_t epoch_ns; /* monotonic clock when jiffies were epoch_jiffies */
	uint32_t epoch_jiffies;
	bool egress;	       /* the egress tracepoint is attached */
	unsigned int features; /* FEATURE_*: what this kernel accepts of the object */
	struct mapped interfaces, rows, cpu;
	struct pe_slots *slots;
	int *ring_fds; /* options.rings of them, -1 where not made */
};

static inline const struct pe_cpu *pe_xdp_cpu(const struct pe_xdp *xdp, unsigned int cpu)
{
	return (const struct pe_cpu *)xdp->cpu.data + cpu;
}

/* Before any object is loaded, as often as one likes: libbpf's log, and what memory is limited by.
 */
void pe_xdp_prepare_library(void);

#endif
