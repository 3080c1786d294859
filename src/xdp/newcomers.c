/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user side of bpf/newcomers.h. An entry of the map of newcomers stays for a while after its
 * slot has come into the table, so that a program that had looked there just before finds it still.
 */
#include "object.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "pe/clock.h"

#include "packet_exporter.skel.h"

int pe_xdp_spare(struct pe_xdp *xdp, uint32_t *ret_token)
{
	int r = pe_xdp_attach_receive(xdp);

	if (r < 0)
		return r;
	if (xdp->spares >= PE_NEWCOMERS)
		return -ENOSPC;
	return pe_slots_spare(xdp->slots, pe_clock_monotonic_ns(), ret_token);
}

int pe_xdp_offer(struct pe_xdp *xdp, uint32_t token)
{
	const union pe_slot_ref ref = {
		.slot = (uint16_t)PE_TOKEN_SLOT(token),
		.generation = (uint8_t)PE_TOKEN_GENERATION(token),
		.flags = PE_SLOT_RECEIVE | (xdp->egress ? PE_SLOT_EGRESS : 0),
	};

	if (bpf_map_update_elem(bpf_map__fd(xdp->skel->maps.spares), NULL, &ref.word, BPF_ANY) < 0)
		return -errno;
	xdp->spares++;
	return 0;
}

uint32_t pe_xdp_newcomer(struct pe_xdp *xdp, int ifindex)
{
	union pe_slot_ref ref;
	uint32_t token;

	if (!xdp->spares ||
	    bpf_map_lookup_elem(bpf_map__fd(xdp->skel->maps.newcomers), &ifindex, &ref.word) < 0)
		return PE_TOKEN_NONE;
	token = PE_TOKEN(ref.slot, ref.generation);
	return pe_slots_is_spare(xdp->slots, token) ? token : PE_TOKEN_NONE;
}

void pe_xdp_dismiss(struct pe_xdp *xdp, int ifindex)
{
	if (xdp->spares && !bpf_map_delete_elem(bpf_map__fd(xdp->skel->maps.newcomers), &ifindex))
		xdp->spares--;
}

void pe_xdp_ignore(struct pe_xdp *xdp, int ifindex, bool ignored)
{
	pe_slots_ignore(xdp->slots, ifindex, ignored);
}

unsigned int pe_xdp_newcomers(struct pe_xdp *xdp, int ret_ifindex[PE_NEWCOMERS])
{
	int map = bpf_map__fd(xdp->skel->maps.newcomers);
	uint64_t now_ns = pe_clock_monotonic_ns();
	int ifindex, settled[PE_NEWCOMERS];
	unsigned int count = 0, settled_count = 0;
	int *before = NULL;

	/* No more than there can be: what programs add meanwhile may begin the list anew. */
	for (unsigned int i = 0; i < PE_NEWCOMERS && xdp->spares; i++) {
		union pe_slot_ref ref;

		if (bpf_map_get_next_key(map, before, &ifindex) < 0)
			break;
		before = &ifindex;
		if (bpf_map_lookup_elem(map, &ifindex, &ref.word) < 0)
			continue;
		if (pe_slots_is_spare(xdp->slots, PE_TOKEN(ref.slot, ref.generation)))
			ret_ifindex[count++] = ifindex;
		else if (pe_slots_is_settled(xdp->slots, PE_TOKEN(ref.slot, ref.generation),
					     now_ns))
			settled[settled_count++] = ifindex;
	}
	for (unsigned int i = 0; i < settled_count; i++)
		pe_xdp_dismiss(xdp, settled[i]);
	return count;
}
