/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of TCP connections, by the kernel: a BPF object that counts for each network
 * namespace which connections began and how they ended, retransmissions and resets.
 *
 * It needs CAP_BPF and CAP_PERFMON. See bpf/tcp.bpf.c.
 */
#ifndef PE_TCP_H
#define PE_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "pe/abi.h"

struct pe_tcp;

/*
 * Loads the object and attaches its tracepoints. Up to `max` other namespaces count apart at the
 * same time, 1 to 65536; what is quiet makes room, and what finds none counts for the whole host
 * alone. 0 or -errno: -EPERM without the capabilities, -EOPNOTSUPP on a kernel without BTF,
 * -ENOMEM, or what the kernel says; the verifier's log goes to the debug log. Blocks for some 10
 * ms. The caller owns *ret_tcp. To be called in the network namespace of the host.
 */
int pe_tcp_open(unsigned int max, struct pe_tcp **ret_tcp);

/* Detaches and frees everything. NULL is fine. Returns NULL. */
struct pe_tcp *pe_tcp_close(struct pe_tcp *tcp);

/* `more` was counted since the last call, and is not zero. The cookie is that of struct
 * pe_task_record; 0: of the host's own namespace, or of one that found no place. */
typedef void pe_tcp_visit(uint64_t cookie, const struct pe_tcp_counts *more, void *userdata);

/* Calls back for all namespaces that have counted anything since the last call, of whatever thread.
 * The callback must not call into this module. Any thread; no system call. */
void pe_tcp_read(struct pe_tcp *tcp, pe_tcp_visit *visit, void *userdata);

/* Reads overflows of listening sockets, and takes the places of namespaces that are quiet back, if
 * few are left; calls back as pe_tcp_read() for what they counted last. To be called each second.
 * Any thread; does not block. */
void pe_tcp_tidy(struct pe_tcp *tcp, pe_tcp_visit *visit, void *userdata);

/* Whether overflows of listening sockets are among the counts: the kernel's own counter of them was
 * found. Any thread. */
bool pe_tcp_has_overflows(const struct pe_tcp *tcp);

/* Events of namespaces that found no place. Any thread; no system call. */
uint64_t pe_tcp_unplaced(const struct pe_tcp *tcp);

/* Memory of the kernel's maps in bytes. Any thread. */
uint64_t pe_tcp_map_bytes(const struct pe_tcp *tcp);

#endif
