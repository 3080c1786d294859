/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What observe.bpf.c and its user side share. */
#ifndef PE_BENCH_OBSERVE_H
#define PE_BENCH_OBSERVE_H

#define OBSERVE_MAX 65536 /* interfaces with a smaller ifindex are seen */

#endif
