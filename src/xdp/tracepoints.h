/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tracepoints. They cost every packet of the host something, and so they are attached only
 * while there is an interface to be counted: the receive tracepoint from the first one that needs
 * it, all until there has been none for a while.
 */
#ifndef PE_XDP_TRACEPOINTS_H
#define PE_XDP_TRACEPOINTS_H

#include "pe/xdp.h"

/* Each 0 or -errno; nothing if it is attached. */
int pe_xdp_attach_egress(struct pe_xdp *xdp);
/* -EOPNOTSUPP where this kernel refused its program. */
int pe_xdp_attach_receive(struct pe_xdp *xdp);
/* Where packets enter the GRO of tunnels; likewise. */
int pe_xdp_attach_gro(struct pe_xdp *xdp);
/* Those of DNS, if it is counted: behind the receive tracepoint's program, which gives an interface
 * its slot with its first packet. Where that fails, DNS alone is missing. */
void pe_xdp_attach_dns(struct pe_xdp *xdp);

/* Before an interface gets a slot: attaches again what pe_xdp_rest() has detached. 0 or -errno. */
int pe_xdp_wake(struct pe_xdp *xdp);

#endif
