/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same for kernels before 6.2: see packet_exporter_plain.bpf.c. */
#define PE_PLAIN
#include "dns.bpf.c"
