/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of exact counters, which is the kernel's and mapped: for chunks of slots, and in each
 * for the CPUs that are there. See pe/abi.h for what is where.
 *
 * One thread at a time adds memory; others may read meanwhile.
 */
#ifndef PE_XDP_COUNTERS_H
#define PE_XDP_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "pe/row.h"

#define PE_COMMON_BYTES (PE_CHUNK_ENTRIES * sizeof(struct pe_common))
#define PE_LANES_BYTES	(PE_CHUNK_ENTRIES * sizeof(struct pe_lane))

struct pe_counters;

struct pe_counters_ops {
	/* Make memory, zeroed: PE_COMMON_BYTES of a chunk, and PE_LANES_BYTES of a chunk and each
	 * of `count` CPUs, of which some may be refused: NULL. 0 or -errno, then of nothing. */
	int (*make_chunk)(unsigned int chunk, const unsigned int *cpu, unsigned int count,
			  struct pe_common **ret_common, struct pe_lane **ret_lanes,
			  void *userdata);
	void (*make_lanes)(unsigned int chunk, const unsigned int *cpu, unsigned int count,
			   struct pe_lane **ret_lanes, void *userdata);
	void (*release)(void *memory, size_t bytes);
};

/* At most so many chunks, and CPUs with numbers less than `cpus`. Has neither. 0 or -ENOMEM. */
int pe_counters_new(unsigned int chunks, unsigned int cpus, const struct pe_counters_ops *ops,
		    void *userdata, struct pe_counters **ret_counters);
struct pe_counters *pe_counters_free(struct pe_counters *counters);

/* Memory for the slots of the next chunk. 0, -ENOSPC if it has all, or -errno of ops. */
int pe_counters_add_chunk(struct pe_counters *counters);
/* Lanes for a CPU. Those that are refused are nobody's loss: it counts in common. Nothing if it has
 * them. */
void pe_counters_add_cpu(struct pe_counters *counters, unsigned int cpu);

/* So many slots have memory. */
unsigned int pe_counters_slots(const struct pe_counters *counters);
/* In all, for pe_xdp_map_bytes(). */
uint64_t pe_counters_bytes(const struct pe_counters *counters);

/* All that was ever counted in a slot, overwriting ret_row[PE_DIRECTIONS]; its CPUs may be adding.
 */
void pe_counters_sum(const struct pe_counters *counters, uint32_t slot, struct pe_row *ret_row);

#endif
