/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See audit.h. */
#include "audit.h"

#include <string.h>

/* While nothing moves, the kernel is asked only this seldom. */
#define QUIET_ROUNDS 16

static struct pe_count kernel_count(const struct pe_link_stats *stats, enum pe_direction direction)
{
	if (direction == PE_INGRESS)
		return (struct pe_count){ stats->rx_packets, stats->rx_bytes };
	return (struct pe_count){ stats->tx_packets, stats->tx_bytes };
}

static uint64_t above(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Adds what `kernel` has above ours and what was claimed before. */
static void claim(struct pe_audit *audit, struct pe_registry *registry, int ifindex,
		  enum pe_direction direction, struct pe_count kernel, struct pe_count ours)
{
	struct pe_count *claimed = &audit->claimed[direction];
	struct pe_count more = {
		.packets = above(kernel.packets, ours.packets + claimed->packets),
		.bytes = above(kernel.bytes, ours.bytes + claimed->bytes),
	};

	if (!more.packets && !more.bytes)
		return;
	if (pe_registry_add_unobserved(
		    registry, ifindex, direction,
		    audit->settled ? PE_UNOBSERVED_LOST : PE_UNOBSERVED_BEFORE_ATTACH, &more) < 0)
		return;
	claimed->packets += more.packets;
	claimed->bytes += more.bytes;
}

static void claim_all(struct pe_audit *audit, struct pe_registry *registry, int ifindex,
		      const struct pe_link_stats *kernel, const struct pe_row *ours)
{
	claim(audit, registry, ifindex, PE_INGRESS, kernel_count(kernel, PE_INGRESS),
	      pe_row_total(&ours[PE_INGRESS]));
	if (audit->egress)
		claim(audit, registry, ifindex, PE_EGRESS, kernel_count(kernel, PE_EGRESS),
		      pe_row_total(&ours[PE_EGRESS]));
}

void pe_audit_begin(struct pe_audit *audit, struct pe_registry *registry,
		    const struct pe_link *link, bool egress,
		    const struct pe_count known[PE_DIRECTIONS], const struct pe_row *ours)
{
	memset(audit, 0, sizeof(*audit));
	audit->egress = egress;
	memset(audit->blind, true, sizeof(audit->blind));
	memcpy(audit->claimed, known, sizeof(audit->claimed));
	if (link->has_stats)
		claim_all(audit, registry, link->ifindex, &link->stats, ours);
}

bool pe_audit_due(struct pe_audit *audit, const struct pe_row *ours)
{
	struct pe_count in = pe_row_total(&ours[PE_INGRESS]), out = pe_row_total(&ours[PE_EGRESS]);
	struct pe_count seen = { in.packets + out.packets, in.bytes + out.bytes };
	bool moved = seen.packets != audit->seen.packets || seen.bytes != audit->seen.bytes;

	audit->seen = seen;
	/* Twice after the last packet: the second round is the one that can prove a loss. */
	audit->quiet = moved ? 0 : audit->quiet + 1;
	return audit->quiet < 2 || !audit->settled || audit->quiet % QUIET_ROUNDS < 2;
}

void pe_audit_round(struct pe_audit *audit, struct pe_registry *registry, int ifindex,
		    const struct pe_row *ours, const struct pe_link_stats *kernel, bool attached)
{
	if (audit->has_kernel)
		claim_all(audit, registry, ifindex, &audit->kernel, ours);
	audit->settled |= audit->has_kernel && attached;
	audit->kernel = *kernel;
	audit->has_kernel = true;
}

void pe_audit_blind(struct pe_audit *audit, struct pe_registry *registry, int ifindex,
		    const bool blind[PE_DIRECTIONS], const struct pe_link_stats *kernel)
{
	for (enum pe_direction d = 0; d < PE_DIRECTIONS; d++) {
		if (blind[d] && audit->blind[d])
			claim(audit, registry, ifindex, d, kernel_count(kernel, d),
			      (struct pe_count){ 0 });
		else if (blind[d])
			audit->claimed[d] = kernel_count(kernel, d);
		audit->blind[d] = blind[d];
	}
	audit->settled |= !blind[PE_INGRESS];
}

void pe_audit_end(struct pe_audit *audit, struct pe_registry *registry, const struct pe_link *link,
		  const struct pe_row *ours)
{
	if (audit->has_kernel)
		claim_all(audit, registry, link->ifindex, &audit->kernel, ours);
	if (link->has_stats)
		claim_all(audit, registry, link->ifindex, &link->stats, ours);
}

void pe_audit_known(const struct pe_audit *audit, const struct pe_row *ours,
		    struct pe_count ret_known[PE_DIRECTIONS])
{
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		ret_known[d] = pe_row_total(&ours[d]);
		ret_known[d].packets += audit->claimed[d].packets;
		ret_known[d].bytes += audit->claimed[d].bytes;
	}
}
