/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel drops, with its reasons: a BPF object that counts at the tracepoint kfree_skb, by
 * the slots of pe/xdp.h, and costs nothing where no packet is dropped.
 *
 * It needs CAP_BPF and CAP_PERFMON. The supervisor's thread opens and closes it; reading is safe
 * from any thread. See bpf/drops.bpf.c.
 */
#ifndef PE_DROPS_H
#define PE_DROPS_H

#include <stdint.h>

#include "pe/abi_drops.h"

struct pe_drops;
struct pe_xdp;

/*
 * Loads the object and attaches its tracepoint; from then on slots that `xdp` hands out count. 0 or
 * -errno: -EPERM without the capabilities, -EOPNOTSUPP on a kernel without BTF or the tracepoint,
 * -ENOMEM, or what the kernel says; the verifier's log goes to the debug log. Blocks for some 10
 * ms. The caller owns *ret_drops, and closes it before `xdp`.
 */
int pe_drops_open(struct pe_xdp *xdp, struct pe_drops **ret_drops);

/* Detaches and frees everything. NULL is fine. Returns NULL. */
struct pe_drops *pe_drops_close(struct pe_drops *drops);

/* Packets since the slot was taken, by direction and the place of their reason, added to *ret_row.
 * No system call. */
void pe_drops_read(const struct pe_drops *drops, uint32_t token, struct pe_drop_row *ret_row);

/* Likewise of what no slot counts, since the start: packets of interfaces without one, and those
 * without an interface. */
void pe_drops_read_rest(const struct pe_drops *drops, struct pe_drop_row *ret_row);

/*
 * The reason of a place, a valid label; NULL if it has none yet. What was read before the call has
 * packets at no other place. The first place is that of "other"; two places may have one reason.
 * Borrowed until the close.
 */
const char *pe_drops_reason(const struct pe_drops *drops, unsigned int place);

/* Drops that were not counted: they interrupted the counting of another one on the same CPU. Since
 * Linux 5.12, otherwise 0. One system call. */
uint64_t pe_drops_missed(const struct pe_drops *drops);

/* Memory of the kernel's maps in bytes. */
uint64_t pe_drops_map_bytes(const struct pe_drops *drops);

#endif
