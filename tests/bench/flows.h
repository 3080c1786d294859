/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bench.bpf.c and its user side share. */
#ifndef PE_BENCH_FLOWS_H
#define PE_BENCH_FLOWS_H

#define BENCH_DRAWN (1 << 20)
#define BENCH_FLOWS 65536 /* of our cache by default, and of what stands beside it */

#endif
