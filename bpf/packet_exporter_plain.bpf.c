/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same for kernels before 6.2, which have none of the kernel functions that it calls. Some of
 * them (5.13 to 5.15) refuse a program that so much as names one.
 */
#define PE_PLAIN
#include "packet_exporter.bpf.c"
