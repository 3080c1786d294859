/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel side's memory that follows use: counters come with interfaces, and with CPUs; the flow
 * cache with CPUs. It grows in a thread of its own, because the kernel waits for all that programs
 * do (synchronize_rcu()) before it says that they find new memory.
 */
#ifndef PE_XDP_GROWTH_H
#define PE_XDP_GROWTH_H

#include <stdbool.h>
#include <stdint.h>

struct pe_growth;
struct pe_xdp;

/* Before the load: says how large a flow cache will be, by one in *ret_fd, which the caller closes
 * after the load. 0 or -errno. */
int pe_growth_prepare(struct pe_xdp *xdp, int *ret_fd);
/* After it: for the CPUs that are online, and the first slots. 0 or -errno. */
int pe_growth_new(struct pe_xdp *xdp, unsigned int slots, struct pe_growth **ret_growth);
struct pe_growth *pe_growth_free(struct pe_growth *growth);

struct pe_counters *pe_growth_counters(struct pe_growth *growth);
/*
 * Calls `add` with each chunk of slots that there is, and whenever one is made, before a slot of it
 * is used, with that and again all before it; in whichever thread makes it, never two at a time.
 * NULL: no more. One follows at most.
 */
void pe_growth_follow(struct pe_growth *growth, void (*add)(unsigned int chunk, void *userdata),
		      void *userdata);
/*
 * After a slot was taken, or was refused with *r: begins to make memory ahead, if there is little.
 * True if there was none, and now is: it has blocked for some ms, and the caller tries again.
 */
bool pe_growth_look_after(struct pe_xdp *xdp, int *r);
/* Of counters and flows. Any thread. */
uint64_t pe_growth_bytes(struct pe_growth *growth);
#endif
