/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS as interfaces see it: a BPF object that counts queries and their answers at the tracepoints
 * of packets, by the slots of pe/xdp.h. Every packet of the host passes one of its programs at
 * each.
 *
 * It needs CAP_BPF and CAP_PERFMON. The supervisor's thread makes all calls but those that read,
 * which are safe from any thread. See bpf/dns.bpf.c.
 */
#ifndef PE_DNS_H
#define PE_DNS_H

#include <stdint.h>

#include "pe/abi_dns.h"

struct pe_dns;
struct pe_xdp;

/*
 * Loads the object; from then on slots that `xdp` hands out count. Its tracepoints are attached
 * with the first of them, and rest when those of `xdp` do. 0 or -errno: -EPERM without the
 * capabilities, -EOPNOTSUPP on a kernel without BTF or the tracepoints, -ENOMEM, or what the kernel
 * says; the verifier's log goes to the debug log. Blocks for some 10 ms. The caller owns *ret_dns,
 * and closes it before `xdp`.
 */
int pe_dns_open(struct pe_xdp *xdp, struct pe_dns **ret_dns);

/* Detaches and frees everything. NULL is fine. Returns NULL. */
struct pe_dns *pe_dns_close(struct pe_dns *dns);

/* Counts queries that have been pending for too long as unanswered. To be called each second; some
 * system calls if any is pending, and one for each of these. */
void pe_dns_sweep(struct pe_dns *dns);

/* What was counted since the slot was taken, but for what is pending, added to *ret_row. No system
 * call. */
void pe_dns_read(const struct pe_dns *dns, uint32_t token, struct pe_dns_row *ret_row);

/* Packets that were not looked at: they interrupted the programs on the same CPU. Since Linux 5.12,
 * otherwise 0. Two system calls. */
uint64_t pe_dns_missed(const struct pe_dns *dns);

/* Memory of the kernel's maps in bytes. */
uint64_t pe_dns_map_bytes(const struct pe_dns *dns);

#endif
