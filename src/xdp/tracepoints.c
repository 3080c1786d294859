/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See tracepoints.h. */
#include "tracepoints.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/log.h"

#include "object.h"

#include "packet_exporter.skel.h"

/* A container that is replaced by another one leaves no interface for so long. */
#define REST_AFTER_NS (3 * PE_NS_PER_S)

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

void pe_xdp_attach_dns(struct pe_xdp *xdp)
{
	int r;

	if (!xdp->dns)
		return;
	(void)pe_xdp_attach_receive(xdp);
	r = pe_dns_attach(xdp->dns);
	if (r < 0)
		pe_warn("dns", "DNS is not counted: the kernel refuses the tracepoints: %s",
			strerror(-r));
}

int pe_xdp_attach_gro(struct pe_xdp *xdp)
{
	return attach_once(xdp, xdp->skel->progs.pe_gro, &xdp->skel->links.pe_gro);
}

int pe_xdp_attach_egress(struct pe_xdp *xdp)
{
	if (xdp->skel->links.pe_egress)
		return 0;
	xdp->skel->links.pe_egress = bpf_program__attach(xdp->skel->progs.pe_egress);
	return xdp->skel->links.pe_egress ? 0 : -errno;
}

static void detach(struct bpf_link **link)
{
	bpf_link__destroy(*link);
	*link = NULL;
}

int pe_xdp_wake(struct pe_xdp *xdp)
{
	int r = 0;

	xdp->idle_since_ns = 0;
	if (!xdp->rests) {
		pe_xdp_attach_dns(xdp);
		return 0;
	}
	if (xdp->egress)
		r = pe_xdp_attach_egress(xdp);
	/* For early interfaces: see pe_xdp_provision(). */
	if (!r && xdp->provisional)
		r = pe_xdp_attach_receive(xdp);
	if (!r)
		pe_xdp_attach_dns(xdp);
	xdp->rests = r < 0;
	return r;
}

static bool has_early(const struct pe_xdp *xdp)
{
	int ifindex;

	return !bpf_map_get_next_key(bpf_map__fd(xdp->skel->maps.early), NULL, &ifindex);
}

void pe_xdp_rest(struct pe_xdp *xdp)
{
	uint64_t now_ns = pe_clock_monotonic_ns();

	if (pe_slots_taken(xdp->slots) || has_early(xdp)) {
		xdp->idle_since_ns = 0;
	} else if (!xdp->idle_since_ns) {
		xdp->idle_since_ns = now_ns;
	} else if (!xdp->rests && now_ns - xdp->idle_since_ns >= REST_AFTER_NS) {
		detach(&xdp->skel->links.pe_egress);
		detach(&xdp->skel->links.pe_receive);
		detach(&xdp->skel->links.pe_gro);
		if (xdp->dns)
			pe_dns_detach(xdp->dns);
		xdp->rests = true;
	}
}
