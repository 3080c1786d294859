/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user side of bpf/early.h. An entry of the map of early interfaces stays for a while after its
 * slot has come into the table, so that a program that had looked there just before finds it still.
 */
#include "object.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "pe/clock.h"

#include "growth.h"
#include "tracepoints.h"

#include "packet_exporter.skel.h"

int pe_xdp_provision(struct pe_xdp *xdp, uint32_t *ret_token)
{
	int r;

	if (xdp->rests)
		return -ENOSPC;
	r = pe_xdp_attach_receive(xdp);
	if (r < 0)
		return r;
	pe_xdp_attach_dns(xdp);
	if (xdp->provisional >= PE_EARLY_MAX)
		return -ENOSPC;
	do {
		r = pe_slots_provision(xdp->slots, pe_clock_monotonic_ns(), ret_token);
	} while (pe_growth_look_after(xdp, &r));
	return r;
}

/* With the first provisional slot. Written once, and before has_provisional lets other threads read
 * it. */
static void begin_missed(struct pe_xdp *xdp)
{
	uint64_t missed = 0;

	if (__atomic_load_n(&xdp->has_provisional, __ATOMIC_RELAXED))
		return;
	for (unsigned int i = 0; i < xdp->cpus; i++)
		missed += __atomic_load_n(&pe_xdp_cpu(xdp, i)->missed, __ATOMIC_RELAXED);
	xdp->missed_before = missed;
	__atomic_store_n(&xdp->has_provisional, true, __ATOMIC_RELEASE);
}

int pe_xdp_offer(struct pe_xdp *xdp, uint32_t token)
{
	const union pe_slot_ref ref = {
		.slot = (uint16_t)PE_TOKEN_SLOT(token),
		/* They are veths: see bpf/early.h. */
		.flags = PE_SLOT_USE(PE_ORIGIN_LINK | PE_SLOT_RECEIVE |
					     (xdp->egress ? PE_SLOT_EGRESS : 0),
				     PE_TOKEN_GENERATION(token)),
	};

	if (bpf_map_update_elem(bpf_map__fd(xdp->skel->maps.provisional), NULL, &ref.word,
				BPF_ANY) < 0)
		return -errno;
	xdp->provisional++;
	begin_missed(xdp);
	return 0;
}

/* The token in the map of early interfaces, or PE_TOKEN_NONE. */
static uint32_t find(const struct pe_xdp *xdp, int ifindex)
{
	union pe_slot_ref ref;

	if (!xdp->provisional ||
	    bpf_map_lookup_elem(bpf_map__fd(xdp->skel->maps.early), &ifindex, &ref.word) < 0)
		return PE_TOKEN_NONE;
	return PE_TOKEN(ref.slot, PE_SLOT_GENERATION(ref.flags));
}

uint32_t pe_xdp_early(struct pe_xdp *xdp, int ifindex)
{
	uint32_t token = find(xdp, ifindex);

	return pe_slots_is_provisional(xdp->slots, token) ? token : PE_TOKEN_NONE;
}

void pe_xdp_withdraw(struct pe_xdp *xdp, int ifindex, uint32_t token)
{
	/* Under its ifindex there may be a successor. */
	if (find(xdp, ifindex) == token &&
	    !bpf_map_delete_elem(bpf_map__fd(xdp->skel->maps.early), &ifindex))
		xdp->provisional--;
}

void pe_xdp_ignore(struct pe_xdp *xdp, int ifindex, bool ignored)
{
	pe_slots_ignore(xdp->slots, ifindex, ignored);
}

unsigned int pe_xdp_list_early(struct pe_xdp *xdp, int ret_ifindex[PE_EARLY_MAX])
{
	int map = bpf_map__fd(xdp->skel->maps.early);
	uint64_t now_ns = pe_clock_monotonic_ns();
	unsigned int all = 0, count = 0;
	int *before = NULL;

	/* No more than there can be: what programs add meanwhile may begin the list anew. */
	while (all < PE_EARLY_MAX && xdp->provisional &&
	       !bpf_map_get_next_key(map, before, &ret_ifindex[all]))
		before = &ret_ifindex[all++];
	for (unsigned int i = 0; i < all; i++) {
		int ifindex = ret_ifindex[i];
		uint32_t token = find(xdp, ifindex);

		if (pe_slots_is_provisional(xdp->slots, token))
			ret_ifindex[count++] = ifindex;
		else if (pe_slots_is_established(xdp->slots, token, now_ns))
			pe_xdp_withdraw(xdp, ifindex, token);
	}
	return count;
}
