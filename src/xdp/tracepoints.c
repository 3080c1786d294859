/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See tracepoints.h. */
#include "tracepoints.h"

#include <bpf/libbpf.h>
#include <errno.h>

#include "object.h"

#include "packet_exporter.skel.h"

static int attach_once(struct pe_xdp *xdp, const struct bpf_program *program,
		       struct bpf_link **link)
{
	if (*link)
		return 0;
	if (!(xdp->features & FEATURE_RECEIVE))
		return -EOPNOTSUPP;
	*link = bpf_program__attach(program);
	return *link ? 0 : -errno;
}

int pe_xdp_attach_receive(struct pe_xdp *xdp)
{
	return attach_once(xdp, xdp->skel->progs.pe_receive, &xdp->skel->links.pe_receive);
}

int pe_xdp_attach_gro(struct pe_xdp *xdp)
{
	return attach_once(xdp, xdp->skel->progs.pe_gro, &xdp->skel->links.pe_gro);
}
