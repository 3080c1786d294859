/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's clock of flows, jiffies, by ours. */
#ifndef PE_XDP_TICKS_H
#define PE_XDP_TICKS_H

#include "pe/xdp.h"

/* Reads the kernel's jiffies now, by running a program: from then on pe_xdp_now() knows them. 0 or
 * -errno. */
int pe_xdp_calibrate(struct pe_xdp *xdp);

#endif
