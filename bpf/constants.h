/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What programs that read packets must know of the kernel that they run in. User space sets it
 * before the load; the verifier then sees numbers. Their order, and that they have values: see
 * maps.h.
 */
#ifndef PE_BPF_CONSTANTS_H
#define PE_BPF_CONSTANTS_H

#include "kernel.h"

const volatile __u32 pe_cpus = 1;	   /* possible CPUs */
const volatile __u64 pe_gro_feature = 1;   /* the bit of net_device.features */
const volatile bool pe_reads_bytes = true; /* packets are read by bytes_at() */
const volatile bool pe_reads_pages = true; /* and beyond their linear part by
					      bpf_dynptr_from_skb() */

#endif
