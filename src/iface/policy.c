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

struct kind {
	const char *name;
	enum pe_origin origin;
	unsigned int bare; /* PE_SLOT_BARE_*: its counters lack the Ethernet header; SEALED, CAN */
	enum xdp xdp;
	bool audited; /* a packet is a packet to both, in both directions */
};

#define BARE_BOTH (PE_SLOT_BARE_INGRESS | PE_SLOT_BARE_EGRESS)

static const struct kind kinds[] = {
	/* A program on a card is for those who ask: mlx5, i40e, ice, ena and others restart it. */
	{ "", PE_ORIGIN_CARD, 0, XDP_CARD, false },
	/* veth_xmit() and veth_poll() in drivers/net/veth.c */
	{ "veth", PE_ORIGIN_LINK, 0, XDP_GRO, true },
	{ "netkit", PE_ORIGIN_LINK, 0, XDP_YES, true },
	{ "dummy", PE_ORIGIN_LINK, 0, XDP_YES, true },
	/* br_pass_frame_up() in net/bridge/br_input.c. With a program on a bridge, the kernel
	 * attaches none to its ports (dev_xdp_attach in net/core/dev.c). */
	{ "bridge", PE_ORIGIN_BRIDGE, PE_SLOT_BARE_INGRESS, XDP_NO, true },
	/* Stacked on another one: another round of the same reception (another_round in
	 * net/core/dev.c), which the tracepoint does not see. */
	{ "vlan", PE_ORIGIN_STACKED, PE_SLOT_BARE_INGRESS, XDP_YES, true },
	{ "macvlan", PE_ORIGIN_STACKED, 0, XDP_YES, true },
	{ "macvtap", PE_ORIGIN_STACKED, 0, XDP_YES, true },
	{ "ipvlan", PE_ORIGIN_STACKED, 0, XDP_YES, true },
	{ "ipvtap", PE_ORIGIN_STACKED, 0, XDP_YES, true },
	{ "bond", PE_ORIGIN_STACKED, 0, XDP_YES, false },
	{ "team", PE_ORIGIN_STACKED, PE_SLOT_BARE_INGRESS, XDP_YES, false },
	/* gro_cells_receive() in net/core/gro_cells.c, after they have counted. */
	{ "vxlan", PE_ORIGIN_CELLS, BARE_BOTH, XDP_GRO, true },
	{ "geneve", PE_ORIGIN_CELLS, BARE_BOTH, XDP_GRO, true },
	{ "gretap", PE_ORIGIN_CELLS, PE_SLOT_BARE_EGRESS, XDP_GRO, true },
	{ "ip6gretap", PE_ORIGIN_CELLS, BARE_BOTH, XDP_GRO, true },
	{ "erspan", PE_ORIGIN_CELLS, PE_SLOT_BARE_EGRESS, XDP_GRO, true },
	{ "ip6erspan", PE_ORIGIN_CELLS, BARE_BOTH, XDP_GRO, false },
	{ "macsec", PE_ORIGIN_CELLS, 0, XDP_GRO, true },
	/* The same without an Ethernet header. Generic XDP on them begins at the outer header in
	 * some kernels. */
	{ "gre", PE_ORIGIN_CELLS, 0, XDP_NO, true },
	{ "ip6gre", PE_ORIGIN_CELLS, 0, XDP_NO, true },
	{ "ipip", PE_ORIGIN_CELLS, 0, XDP_NO, true },
	{ "ip6tnl", PE_ORIGIN_CELLS, 0, XDP_NO, true },
	{ "vti", PE_ORIGIN_CELLS, 0, XDP_NO, false },
	{ "vti6", PE_ORIGIN_CELLS, 0, XDP_NO, false },
	{ "bareudp", PE_ORIGIN_CELLS, 0, XDP_NO, false },
	{ "xfrm", PE_ORIGIN_CELLS, 0, XDP_NO, false },
	/* netif_rx() in net/ipv6/sit.c */
	{ "sit", PE_ORIGIN_OTHER, 0, XDP_NO, true },
	/* wg_packet_consume_data_done() in drivers/net/wireguard/receive.c */
	{ "wireguard", PE_ORIGIN_CELLS, PE_SLOT_SEALED, XDP_NO, false },
	/* tun_get_user() in drivers/net/tun.c; what it sends is counted when a reader reads it. */
	{ "tun", PE_ORIGIN_CARD, 0, XDP_GRO, false },
	/* ifb_xmit() in drivers/net/ifb.c: it has received what it is to send. */
	{ "ifb", PE_ORIGIN_LOOP, 0, XDP_NO, true },
	/* hsr_deliver_master() in net/hsr/hsr_forward.c; its supervision frames are sent past us.
	 */
	{ "hsr", PE_ORIGIN_OTHER, PE_SLOT_BARE_INGRESS, XDP_GRO, false },
	/* vxcan_xmit() in drivers/net/can/vxcan.c */
	{ "vxcan", PE_ORIGIN_LINK, PE_SLOT_CAN, XDP_NO, true },
	/* Takes packets over on their way up (vrf_ip_rcv() in drivers/net/vrf.c): no hook sees
	   them. */
	{ "vrf", PE_ORIGIN_OTHER, 0, XDP_NO, false },
};

static const struct kind unknown = { NULL, PE_ORIGIN_OTHER, 0, XDP_GRO, false };

static bool is(const struct pe_link *link, const char *kind)
{
	return strcmp(link->kind, kind) == 0;
}

static const struct kind *kind_of(const struct pe_link *link)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (is(link, kinds[i].name))
			return &kinds[i];
	}
	return &unknown;
}

/* An XDP program is not for it: how it is counted otherwise. */
static struct pe_way without_xdp(const struct pe_link *link)
{
	return (struct pe_way){
		.mode = is(link, "vrf") ? PE_MODE_NONE : PE_MODE_TRACEPOINT,
		.reason = kind_of(link)->origin == PE_ORIGIN_BRIDGE ? PE_REASON_BRIDGE
								    : PE_REASON_KIND,
	};
}

static struct pe_way generic_or(bool not, enum pe_mode mode, enum pe_mode_reason reason)
{
	return not ? (struct pe_way){ mode, reason }
		   : (struct pe_way){ PE_MODE_GENERIC, PE_REASON_NONE };
}

static struct pe_way automatic(const struct pe_link *link, unsigned int features,
			       unsigned int below)
{
	const struct kind *kind = kind_of(link);
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

struct pe_way pe_policy_way(enum pe_xdp_mode mode, const struct pe_link *link,
			    unsigned int features, unsigned int below)
{
	if (kind_of(link)->xdp == XDP_NO)
		return without_xdp(link);
	switch (mode) {
	case PE_XDP_NATIVE:
		return (struct pe_way){ PE_MODE_NATIVE, PE_REASON_NONE };
	case PE_XDP_GENERIC:
		return (struct pe_way){ PE_MODE_GENERIC, PE_REASON_NONE };
	case PE_XDP_AUTO:
		break;
	}
	return automatic(link, features, below);
}

/* A bond would put the program on its ports, under whose ifindexes it counts nothing. */
bool pe_policy_may_native(const struct pe_link *link)
{
	return kind_of(link)->origin != PE_ORIGIN_STACKED;
}

bool pe_policy_may_xdp(enum pe_xdp_mode mode, const struct pe_link *link)
{
	return pe_policy_way(mode, link, 0, 0).mode == PE_MODE_GENERIC;
}

bool pe_policy_traced(const struct pe_link *link)
{
	return kind_of(link)->origin != PE_ORIGIN_STACKED && !is(link, "vrf");
}

/* dev_xdp_attach in net/core/dev.c. The two ends of a pair name each other, and neither is below.
 */
int pe_policy_below(const struct pe_link *link)
{
	bool is_pair = kind_of(link)->origin == PE_ORIGIN_LINK;

	return link->peer_netnsid >= 0 || is_pair ? 0 : link->peer;
}

bool pe_policy_may_have_ports(const struct pe_link *link)
{
	return kind_of(link) == &unknown || is(link, "bond") || is(link, "team") ||
	       is(link, "bridge") || is(link, "vrf");
}

bool pe_policy_tcx(const struct pe_link *link)
{
	return kind_of(link)->origin == PE_ORIGIN_STACKED;
}

unsigned int pe_policy_shape(const struct pe_link *link, bool native)
{
	const struct kind *kind = kind_of(link);

	if (kind->bare & PE_SLOT_NO_ETHERNET)
		return kind->origin | kind->bare;
	if (link->type != ARPHRD_ETHER)
		return kind->origin | PE_SLOT_NO_ETHERNET;
	/* veth_xdp_rcv() counts what is behind the Ethernet header. */
	if (native && kind->origin == PE_ORIGIN_LINK)
		return kind->origin | PE_SLOT_BARE_INGRESS;
	return kind->origin | kind->bare;
}

bool pe_policy_auditable(const struct pe_link *link)
{
	return kind_of(link)->audited;
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
