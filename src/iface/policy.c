/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See policy.h. One table of kinds; where in the kernel a row was read stands beside it.
 * tests/kernels walks the table on other kernels.
 */
#include "policy.h"

#include <errno.h>
#include <net/if_arp.h>
#include <string.h>

#include "pe/abi.h"
#include "pe/features.h"

/* Whether XDP may be on it. */
enum xdp {
	XDP_NO,	  /* its packets are not those that it counts, or not yet */
	XDP_YES,  /* nothing is merged between its own counters and generic XDP */
	XDP_GRO,  /* likewise while GRO is off; with it, XDP would switch it off */
	XDP_CARD, /* many drivers restart the card, and offloads go */
};

/* Traits of a kind. */
#define AUDITED 1u /* a packet is a packet to the kernel's counters, too, in both directions */
#define PORTS	2u /* others may have it as their master */
#define HIDDEN	4u /* no hook sees what it receives */

struct pe_policy_kind {
	const char *name;
	enum pe_origin origin;
	/* What its counters have of a frame: PE_SLOT_*_NO_LINK_HEADER, SEALED, CAN. */
	unsigned int framing;
	enum xdp xdp;
	unsigned int traits;
};

#define NO_LINK_HEADER (PE_SLOT_RX_NO_LINK_HEADER | PE_SLOT_TX_NO_LINK_HEADER)

static const struct pe_policy_kind kinds[] = {
	/* A program on a card is for those who ask: mlx5, i40e, ice, ena and others restart it. */
	{ "", PE_ORIGIN_CARD, 0, XDP_CARD, 0 },
	/* veth_xmit() and veth_poll() in drivers/net/veth.c */
	{ "veth", PE_ORIGIN_LINK, 0, XDP_GRO, AUDITED },
	{ "netkit", PE_ORIGIN_LINK, 0, XDP_YES, AUDITED },
	{ "dummy", PE_ORIGIN_LINK, 0, XDP_YES, AUDITED },
	/* br_pass_frame_up() in net/bridge/br_input.c. With a program on a bridge, the kernel
	 * attaches none to its ports (dev_xdp_attach in net/core/dev.c). */
	{ "bridge", PE_ORIGIN_BRIDGE, PE_SLOT_RX_NO_LINK_HEADER, XDP_NO, AUDITED | PORTS },
	/* Stacked on another one: another round of the same reception (another_round in
	 * net/core/dev.c), which the tracepoint does not see. */
	{ "vlan", PE_ORIGIN_STACKED, PE_SLOT_RX_NO_LINK_HEADER, XDP_YES, AUDITED },
	{ "macvlan", PE_ORIGIN_STACKED, 0, XDP_YES, AUDITED },
	{ "macvtap", PE_ORIGIN_STACKED, 0, XDP_YES, AUDITED },
	{ "ipvlan", PE_ORIGIN_STACKED, 0, XDP_YES, AUDITED },
	{ "ipvtap", PE_ORIGIN_STACKED, 0, XDP_YES, AUDITED },
	{ "bond", PE_ORIGIN_STACKED, 0, XDP_YES, PORTS },
	{ "team", PE_ORIGIN_STACKED, PE_SLOT_RX_NO_LINK_HEADER, XDP_YES, PORTS },
	/* gro_cells_receive() in net/core/gro_cells.c, after they have counted. */
	{ "vxlan", PE_ORIGIN_CELLS, NO_LINK_HEADER, XDP_GRO, AUDITED },
	{ "geneve", PE_ORIGIN_CELLS, NO_LINK_HEADER, XDP_GRO, AUDITED },
	{ "gretap", PE_ORIGIN_CELLS, PE_SLOT_TX_NO_LINK_HEADER, XDP_GRO, AUDITED },
	{ "ip6gretap", PE_ORIGIN_CELLS, NO_LINK_HEADER, XDP_GRO, AUDITED },
	{ "erspan", PE_ORIGIN_CELLS, PE_SLOT_TX_NO_LINK_HEADER, XDP_GRO, AUDITED },
	{ "ip6erspan", PE_ORIGIN_CELLS, NO_LINK_HEADER, XDP_GRO, 0 },
	{ "macsec", PE_ORIGIN_CELLS, 0, XDP_GRO, AUDITED },
	/* The same without an Ethernet header. Generic XDP on them begins at the outer header in
	 * some kernels. */
	{ "gre", PE_ORIGIN_CELLS, 0, XDP_NO, AUDITED },
	{ "ip6gre", PE_ORIGIN_CELLS, 0, XDP_NO, AUDITED },
	{ "ipip", PE_ORIGIN_CELLS, 0, XDP_NO, AUDITED },
	{ "ip6tnl", PE_ORIGIN_CELLS, 0, XDP_NO, AUDITED },
	{ "vti", PE_ORIGIN_CELLS, 0, XDP_NO, 0 },
	{ "vti6", PE_ORIGIN_CELLS, 0, XDP_NO, 0 },
	{ "bareudp", PE_ORIGIN_CELLS, 0, XDP_NO, 0 },
	{ "xfrm", PE_ORIGIN_CELLS, 0, XDP_NO, 0 },
	/* netif_rx() in net/ipv6/sit.c */
	{ "sit", PE_ORIGIN_OTHER, 0, XDP_NO, AUDITED },
	/* wg_packet_consume_data_done() in drivers/net/wireguard/receive.c */
	{ "wireguard", PE_ORIGIN_CELLS, PE_SLOT_SEALED, XDP_NO, 0 },
	/* tun_get_user() in drivers/net/tun.c; what it sends is counted when a reader reads it. */
	{ "tun", PE_ORIGIN_CARD, 0, XDP_GRO, 0 },
	/* ifb_xmit() in drivers/net/ifb.c: it has received what it is to send. */
	{ "ifb", PE_ORIGIN_LOOP, 0, XDP_NO, AUDITED },
	/* hsr_deliver_master() in net/hsr/hsr_forward.c; its supervision frames are sent past us.
	 */
	{ "hsr", PE_ORIGIN_OTHER, PE_SLOT_RX_NO_LINK_HEADER, XDP_GRO, 0 },
	/* vxcan_xmit() in drivers/net/can/vxcan.c */
	{ "vxcan", PE_ORIGIN_LINK, PE_SLOT_CAN, XDP_NO, AUDITED },
	/* Takes packets over on their way up (vrf_ip_rcv() in drivers/net/vrf.c): no hook sees
	   them. */
	{ "vrf", PE_ORIGIN_OTHER, 0, XDP_NO, PORTS | HIDDEN },
};

static const struct pe_policy_kind unknown = { NULL, PE_ORIGIN_OTHER, 0, XDP_GRO, PORTS };

static const struct pe_policy_kind *find_kind(const struct pe_link *link)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(link->kind, kinds[i].name) == 0)
			return &kinds[i];
	}
	return &unknown;
}

/* An XDP program is not for it: how it is counted otherwise. */
static struct pe_way without_xdp(const struct pe_policy_kind *kind)
{
	return (struct pe_way){
		.mode = kind->traits & HIDDEN ? PE_MODE_NONE : PE_MODE_TRACEPOINT,
		.reason = kind->origin == PE_ORIGIN_BRIDGE ? PE_REASON_BRIDGE : PE_REASON_KIND,
	};
}

static struct pe_way generic_or(bool not, enum pe_mode mode, enum pe_mode_reason reason)
{
	return not ? (struct pe_way){ mode, reason }
		   : (struct pe_way){ PE_MODE_GENERIC, PE_REASON_NONE };
}

static struct pe_way automatic(const struct pe_policy_kind *kind, unsigned int features,
			       unsigned int below)
{
	/* Of those below, dev_disable_lro() in net/core/dev.c goes further down; nothing else does.
	 */
	bool loses = (features & PE_FEATURES_LOST) || (below & PE_FEATURE_LRO);

	if (kind->xdp == XDP_CARD)
		return (struct pe_way){ PE_MODE_TRACEPOINT, PE_REASON_HARDWARE };
	if (kind->origin == PE_ORIGIN_STACKED)
		return generic_or(loses, PE_MODE_NONE, PE_REASON_OFFLOAD);
	if (loses)
		return (struct pe_way){ PE_MODE_TRACEPOINT, PE_REASON_OFFLOAD };
	return generic_or(kind->xdp == XDP_GRO && features & PE_FEATURE_GRO, PE_MODE_TRACEPOINT,
			  PE_REASON_GRO);
}

struct pe_way pe_plan_way(const struct pe_plan *plan, unsigned int features, unsigned int below)
{
	struct pe_way way = plan->way;

	if (plan->needs_features) {
		way = automatic(plan->kind, features, below);
		if (plan->overruled)
			way.reason = PE_REASON_NATIVE_REFUSED;
	}
	return way;
}

static struct pe_way find_way(const struct pe_policy_kind *kind, enum pe_xdp_mode mode)
{
	if (kind->xdp == XDP_NO)
		return without_xdp(kind);
	switch (mode) {
	case PE_XDP_NATIVE:
		return (struct pe_way){ PE_MODE_NATIVE, PE_REASON_NONE };
	case PE_XDP_GENERIC:
		return (struct pe_way){ PE_MODE_GENERIC, PE_REASON_NONE };
	case PE_XDP_AUTO:
		break;
	}
	return automatic(kind, 0, 0);
}

/* dev_xdp_attach in net/core/dev.c. The two ends of a pair name each other, and neither is below.
 */
static int find_below(const struct pe_policy_kind *kind, const struct pe_link *link)
{
	return link->peer_netnsid >= 0 || kind->origin == PE_ORIGIN_LINK ? 0 : link->peer;
}

static unsigned int find_framing(const struct pe_policy_kind *kind, const struct pe_link *link,
				 bool native)
{
	if (kind->framing & PE_SLOT_NO_ETHERNET)
		return kind->origin | kind->framing;
	if (link->type != ARPHRD_ETHER)
		return kind->origin | PE_SLOT_NO_ETHERNET;
	/* veth_xdp_rcv() counts what is behind the Ethernet header. */
	if (native && kind->origin == PE_ORIGIN_LINK)
		return kind->origin | PE_SLOT_RX_NO_LINK_HEADER;
	return kind->origin | kind->framing;
}

void pe_policy_plan(const struct pe_policy *policy, const struct pe_link *link, bool native_refused,
		    struct pe_plan *ret_plan)
{
	const struct pe_policy_kind *kind = find_kind(link);
	bool stacked = kind->origin == PE_ORIGIN_STACKED;
	/* What receives as it sends is seen by the egress tracepoint alone. */
	bool unseen = kind->origin == PE_ORIGIN_LOOP && !policy->egress;
	/* A bond would put the program on its ports, under whose ifindexes it counts nothing. */
	bool overruled = policy->xdp_mode == PE_XDP_NATIVE && (native_refused || stacked);
	enum pe_xdp_mode mode = overruled ? PE_XDP_AUTO : policy->xdp_mode;

	*ret_plan = (struct pe_plan){
		.kind = kind,
		.xdp_mode = mode,
		.overruled = overruled,
		.way = unseen ? (struct pe_way){ PE_MODE_NONE, PE_REASON_KIND }
			      : find_way(kind, mode),
		.traced = !stacked && !(kind->traits & HIDDEN) && !unseen,
		.tcx = stacked,
		.egress = policy->egress,
		.auditable = kind->traits & AUDITED,
		.has_ports = kind->traits & PORTS,
		.below = find_below(kind, link),
		.framing = find_framing(kind, link, false),
		.native_framing = find_framing(kind, link, true),
	};
	ret_plan->needs_features = mode == PE_XDP_AUTO && ret_plan->way.mode == PE_MODE_GENERIC;
	if (overruled)
		ret_plan->way.reason = PE_REASON_NATIVE_REFUSED;
}

enum pe_attach_error pe_policy_error(int error)
{
	switch (error) {
	case -EBUSY:
		return PE_ATTACH_BUSY;
	case -ENODEV:
	case -EINVAL: /* of a link that is being deleted */
		return PE_ATTACH_VANISHED;
	case -ENOSPC:
	case -EAGAIN:
	case -ENOENT:
		return PE_ATTACH_NO_SLOT;
	case -ENOMEM:
	case -ENFILE:
	case -EMFILE:
		return PE_ATTACH_NO_MEMORY;
	default:
		return PE_ATTACH_REFUSED;
	}
}

enum pe_mode_reason pe_policy_reason(int error)
{
	static const enum pe_mode_reason reasons[PE_ATTACH_ERRORS] = {
		[PE_ATTACH_BUSY] = PE_REASON_BUSY,
		[PE_ATTACH_REFUSED] = PE_REASON_REFUSED,
		[PE_ATTACH_NO_SLOT] = PE_REASON_NO_SLOT,
		[PE_ATTACH_VANISHED] = PE_REASON_NONE,
		[PE_ATTACH_NO_MEMORY] = PE_REASON_NO_MEMORY,
	};

	return reasons[pe_policy_error(error)];
}
