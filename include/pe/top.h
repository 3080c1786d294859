/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The K largest flows of each interface by bytes, with an exact remainder.
 *
 * Space-Saving (Metwally, Agrawal, El Abbadi: "Efficient computation of frequent and top-k elements
 * in data streams", ICDT 2005) over max(4 K, 64) candidates decides which flows are large; the K
 * largest of them are shown. A shown flow's count starts with the record that made it one of the K
 * and is exact from there; when it leaves, its count goes to the rest. So every series is monotonic
 * while it exists, shown and rest together are always every packet added, and nothing is an
 * estimate. One mutex inside, taken once a batch; any thread.
 */
#ifndef PE_TOP_H
#define PE_TOP_H

#include "pe/sample.h"

struct pe_top;

/* Of the `k` largest, > 0. 0 or -ENOMEM. The caller owns *ret_top. */
int pe_top_new(unsigned int k, struct pe_top **ret_top);

/* NULL is fine. Returns NULL. */
struct pe_top *pe_top_free(struct pe_top *top);

/* Adds a batch of records. */
void pe_top_add(struct pe_top *top, const struct pe_flow *records, size_t count, uint64_t now_ns);

/* Forgets the flows of a token. */
void pe_top_forget(struct pe_top *top, uint32_t token);

/* Fills top, top_count and adds to rest. A token without records leaves the sample as it is. 0 or
 * -ENOMEM. */
int pe_top_read(struct pe_top *top, uint32_t token, struct pe_arena *arena,
		struct pe_flow_sample *sample);

/* Records that could not be kept because memory was refused; they are in no count. */
uint64_t pe_top_dropped(struct pe_top *top);

#endif
