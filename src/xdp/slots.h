/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots: small dense numbers for interfaces, so that a packet finds its counters by index.
 *
 * A slot is free, provisional (ready for an early interface), taken, stopped (out of the table,
 * counters still wanted) or resting. Rows are never cleared; each use of a slot remembers where it
 * began
 * (`baseline`). A mutex inside: any thread may read, stop and give back.
 */
#ifndef PE_XDP_SLOTS_H
#define PE_XDP_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "counters.h"

struct pe_slots;

struct pe_slots_options {
	unsigned int count; /* slots, resting and provisional ones included */
	unsigned int limit; /* of these, how many may be taken at the same time, provisional ones
			       aside */
	union pe_slot_ref *table;     /* the interface table, (table_sets * PE_SLOT_WAYS) entries */
	unsigned int table_sets;      /* a power of two */
	struct pe_counters *counters; /* with room for them */
	struct pe_cpu *cpu;	      /* the state of all possible CPUs, for hand-off marks */
	unsigned int cpus;
	uint64_t rest_ns; /* between giving back and the next use */
	/* Before each use of a slot: what else counts by it begins anew. NULL: nothing does. */
	void (*clear)(uint32_t slot, void *userdata);
	void *userdata;
};

/* Table, counters and CPUs are borrowed. 0 or -ENOMEM. */
int pe_slots_new(const struct pe_slots_options *options, struct pe_slots **ret_slots);
struct pe_slots *pe_slots_free(struct pe_slots *slots);

/* 0, -ENOSPC, -EAGAIN or -ENOENT (see pe_xdp_take), or -ENODATA: for more slots, counters need more
 * memory. `flags` are PE_SLOT_*. */
int pe_slots_take(struct pe_slots *slots, int ifindex, unsigned int flags, uint64_t now_ns,
		  uint32_t *ret_token);
/* A provisional one, not in the table. 0, -ENOSPC, -EAGAIN, -ENODATA or -ENOMEM. */
int pe_slots_provision(struct pe_slots *slots, uint64_t now_ns, uint32_t *ret_token);
/* A provisional one becomes that of an interface. 0, -ENOSPC or -ENOENT: then it is still one. */
int pe_slots_adopt(struct pe_slots *slots, uint32_t token, int ifindex, unsigned int flags,
		   uint64_t now_ns);
/* Whether it is in the table, and has been for so long that no program takes it for a provisional
 * one. */
bool pe_slots_is_established(struct pe_slots *slots, uint32_t token, uint64_t now_ns);
bool pe_slots_is_provisional(struct pe_slots *slots, uint32_t token);
/* Whether it has not been given back. */
bool pe_slots_is_taken(struct pe_slots *slots, uint32_t token);
/* An interface without a slot is in the table nevertheless, or no more. Nothing if it has one. */
void pe_slots_ignore(struct pe_slots *slots, int ifindex, bool ignored);
/* Replaces the flags in `mask` by one store; nothing if the token was stopped. */
void pe_slots_change(struct pe_slots *slots, uint32_t token, unsigned int mask, unsigned int flags);
/* Adds flags, and clears hand-off marks (enum pe_counted). No hook that would set one is attached.
 */
void pe_slots_listen(struct pe_slots *slots, uint32_t token, unsigned int flags);
/* The ifindex of the interface if the slot was a provisional one before, otherwise 0. */
int pe_slots_stop(struct pe_slots *slots, uint32_t token);
void pe_slots_give_back(struct pe_slots *slots, uint32_t token, uint64_t now_ns);
/* Of how many interfaces. */
unsigned int pe_slots_taken(struct pe_slots *slots);
/* How many can be taken at once: they have memory of counters, and rest no more. UINT_MAX if all
 * slots have it. */
unsigned int pe_slots_ready(struct pe_slots *slots, uint64_t now_ns);
void pe_slots_read(struct pe_slots *slots, uint32_t token, struct pe_row *ret_row);

#endif
