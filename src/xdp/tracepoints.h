/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tracepoints that are attached when the first interface needs them, and stay. */
#ifndef PE_XDP_TRACEPOINTS_H
#define PE_XDP_TRACEPOINTS_H

#include "pe/xdp.h"

/* The receive tracepoint. 0 or -errno; -EOPNOTSUPP where this kernel refused its program. */
int pe_xdp_attach_receive(struct pe_xdp *xdp);

/* Likewise the one where packets enter the GRO of tunnels. */
int pe_xdp_attach_gro(struct pe_xdp *xdp);

#endif
