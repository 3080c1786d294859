/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One loaded object, as the files of this folder share it: data only. */
#ifndef PE_XDP_OBJECT_H
#define PE_XDP_OBJECT_H

#include <pthread.h>
#include <stddef.h>

#include "pe/xdp.h"
#include "slots.h"

struct bpf_program;
struct pe_bpf;
struct pe_dns;
struct pe_drops;

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
	unsigned int pair_bits;		/* log2 of a CPU's pairs in the flow cache */
	uint32_t generic_id, native_id; /* of the XDP programs; 0: not loaded */
	uint32_t provisional;		/* slots in the queue and in the map of early interfaces */
	bool has_provisional;		/* atomic: there have been some */
	uint64_t missed_before; /* packets until then; of any thread once has_provisional is set */
	uint32_t swept;		/* parts of the flow cache, so far */
	uint64_t tick_ns;
	uint64_t epoch_ns; /* monotonic clock when jiffies were epoch_jiffies */
	uint32_t epoch_jiffies;
	bool egress;		/* this kernel has let the egress tracepoint be attached */
	bool rests;		/* the tracepoints are detached, for want of interfaces */
	uint64_t idle_since_ns; /* there has been none; 0 if there is one */
	unsigned int features;	/* FEATURE_*: what this kernel accepts of the object */
	struct mapped interfaces, cpu;
	struct pe_growth *growth;
	struct pe_slots *slots;
	struct pe_drops *drops; /* NULL if they are not counted */
	struct pe_dns *dns;	/* NULL if it is not */
	int *ring_fds;		/* options.rings of them, -1 where not made */
};

static inline const struct pe_cpu *pe_xdp_cpu(const struct pe_xdp *xdp, unsigned int cpu)
{
	return (const struct pe_cpu *)xdp->cpu.data + cpu;
}

/* Opens and loads the object, with those of its programs that this kernel takes: `features`. 0 or
 * -errno: see pe_xdp_open(). */
int pe_xdp_load(struct pe_xdp *xdp);

/* Slots, with those that rest and provisional ones. */
unsigned int pe_xdp_slots(const struct pe_xdp_options *options);

/* Before a slot is used, also again: its drops begin at zero. */
void pe_drops_clear(struct pe_drops *drops, uint32_t slot);

/* Likewise of DNS. */
void pe_dns_clear(struct pe_dns *dns, uint32_t slot);
/* A slot counts no longer: what is pending there stays unanswered. Again is fine. */
void pe_dns_end(struct pe_dns *dns, uint32_t slot);

/* Its tracepoints. 0, also if they are attached or were refused before, or -errno. */
int pe_dns_attach(struct pe_dns *dns);
void pe_dns_detach(struct pe_dns *dns);

/* How often the kernel left a program out because it was running on this CPU already. Since Linux
 * 5.12, otherwise 0. One system call. */
uint64_t pe_xdp_missed(const struct bpf_program *program);

/* Without casts only the tracepoints look at the namespace. */
bool pe_xdp_must_learn_netns(const struct pe_xdp *xdp);

/* Before any object is loaded, as often as one likes: libbpf's log, and what memory is limited by.
 */
void pe_xdp_prepare_library(void);

#endif
