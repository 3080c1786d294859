/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interfaces: a slot, the ingress program on it, and its counters.
 */
#include "object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <unistd.h>

#include "pe/clock.h"

#include "growth.h"
#include "tracepoints.h"

#include "packet_exporter.skel.h"

/* Since Linux 6.6: BPF_F_BEFORE, and no other one named. */
#define TCX_FIRST (1u << 3)

int pe_xdp_take(struct pe_xdp *xdp, int ifindex, unsigned int framing, uint32_t *ret_token)
{
	unsigned int flags = framing & PE_SLOT_FRAMING;
	uint64_t now_ns = pe_clock_monotonic_ns();
	uint32_t early = pe_xdp_early(xdp, ifindex);
	int r = pe_xdp_wake(xdp);

	if (r < 0)
		return r;
	if (xdp->egress)
		flags |= PE_SLOT_EGRESS;
	if (early == PE_TOKEN_NONE) {
		do {
			r = pe_slots_take(xdp->slots, ifindex, flags, now_ns, ret_token);
		} while (pe_growth_look_after(xdp, &r));
		return r;
	}
	r = pe_slots_adopt(xdp->slots, early, ifindex, flags | PE_SLOT_RECEIVE, now_ns);
	if (r < 0)
		return r;
	*ret_token = early;
	return 1;
}

void pe_xdp_stop(struct pe_xdp *xdp, uint32_t token)
{
	int ifindex = pe_slots_stop(xdp->slots, token);

	if (ifindex)
		pe_xdp_withdraw(xdp, ifindex, token);
	if (xdp->dns && pe_slots_is_taken(xdp->slots, token))
		pe_dns_end(xdp->dns, PE_TOKEN_SLOT(token));
}

void pe_xdp_give_back(struct pe_xdp *xdp, uint32_t token)
{
	pe_slots_give_back(xdp->slots, token, pe_clock_monotonic_ns());
}

int pe_xdp_attach(struct pe_xdp *xdp, int ifindex, bool native, int *ret_fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	const struct bpf_program *program = native ? xdp->skel->progs.pe_native
						   : xdp->skel->progs.pe_ingress;
	int fd;

	if (native && !xdp->options.native)
		return -EOPNOTSUPP;
	fd = bpf_link_create(bpf_program__fd(program), ifindex, BPF_XDP, &opts);
	if (fd < 0)
		return fd == -EEXIST ? -EBUSY : fd;
	*ret_fd = fd;
	return 0;
}

void pe_xdp_detach(int fd)
{
	close(fd);
}

int pe_xdp_attach_tcx(struct pe_xdp *xdp, uint32_t token, int ifindex, int *ret_fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = TCX_FIRST);
	int fd;

	if (!pe_xdp_has_tcx(xdp))
		return -EOPNOTSUPP;
	pe_slots_listen(xdp->slots, token, PE_SLOT_TCX);
	fd = bpf_link_create(bpf_program__fd(xdp->skel->progs.pe_tcx), ifindex, TCX_INGRESS, &opts);
	if (fd < 0) {
		pe_slots_change(xdp->slots, token, PE_SLOT_TCX, 0);
		return fd;
	}
	*ret_fd = fd;
	return 0;
}

void pe_xdp_detach_tcx(struct pe_xdp *xdp, uint32_t token, int fd)
{
	close(fd);
	/* Not before: on a packet that is under way the program goes by XDP's hand-off mark. */
	pe_slots_change(xdp->slots, token, PE_SLOT_TCX, 0);
}

/* The ifindex is at the same place for XDP and TCX. */
bool pe_xdp_is_attached(int link_fd)
{
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(link_fd, &info, &size) < 0 || info.xdp.ifindex;
}

int pe_xdp_count_by(struct pe_xdp *xdp, uint32_t token, enum pe_xdp_by by, unsigned int framing)
{
	static const unsigned int flags[] = {
		[PE_BY_XDP] = 0,
		[PE_BY_NATIVE] = PE_SLOT_NATIVE,
		[PE_BY_RECEIVE] = PE_SLOT_RECEIVE,
	};
	int r = 0;

	if (by == PE_BY_RECEIVE)
		r = pe_xdp_attach_receive(xdp);
	if (!r && by == PE_BY_RECEIVE && (framing & PE_SLOT_ORIGIN) == PE_ORIGIN_CELLS)
		r = pe_xdp_attach_gro(xdp);
	if (r < 0)
		return r;
	pe_slots_change(xdp->slots, token, PE_SLOT_FRAMING | PE_SLOT_RECEIVE | PE_SLOT_NATIVE,
			(framing & PE_SLOT_FRAMING) | flags[by]);
	return 0;
}

void pe_xdp_read(struct pe_xdp *xdp, uint32_t token, struct pe_row *ret_row)
{
	pe_slots_read(xdp->slots, token, ret_row);
}
