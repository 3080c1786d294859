/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See policy.h. Each list says where in the kernel it was read. */
#include "policy.h"

#include <errno.h>
#include <net/if_arp.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static bool is_one_of(const struct pe_link *link, const char *const *kinds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(link->kind, kinds[i]) == 0)
			return true;
	}
	return false;
}

/*
 * Native XDP turns off segmentation offload on a veth, and with it most of a container's
 * throughput; generic XDP on a virtual device costs little.
 */
bool pe_policy_native(enum pe_xdp_mode mode, const struct pe_link *link)
{
	switch (mode) {
	case PE_XDP_NATIVE:
		return true;
	case PE_XDP_GENERIC:
		return false;
	case PE_XDP_AUTO:
		break;
	}
	return link->kind[0] == '\0';
}

/*
 * The kernel attaches no program to a port whose bridge has one (dev_xdp_attach in net/core/dev.c),
 * so a bridge must not have ours. What a bridge receives passes the tracepoint.
 */
bool pe_policy_xdp(const struct pe_link *link)
{
	return strcmp(link->kind, "bridge") != 0;
}

/*
 * Devices stacked on another one get their packets by another round of the same reception
 * (another_round in net/core/dev.c), which the tracepoint does not tell.
 */
bool pe_policy_traced(const struct pe_link *link)
{
	static const char *const kinds[] = { "bond",	"ipvlan", "macsec", "macvlan",
					     "macvtap", "team",	  "vlan",   "vrf" };

	return !is_one_of(link, kinds, COUNT(kinds));
}

/* dev_xdp_attach in net/core/dev.c. The two ends of a pair name each other, and neither is below.
 */
int pe_policy_below(const struct pe_link *link)
{
	static const char *const pairs[] = { "netkit", "veth", "vxcan" };

	return link->peer_netnsid >= 0 || is_one_of(link, pairs, COUNT(pairs)) ? 0 : link->peer;
}

/* A vrf only takes packets over on their way up (vrf_ip_rcv in drivers/net/vrf.c). */
bool pe_policy_tcx(const struct pe_link *link)
{
	return !pe_policy_traced(link) && strcmp(link->kind, "vrf") != 0;
}

/*
 * Some drivers count what they receive after they have taken the Ethernet header off, most
 * before: drivers/net/vxlan/vxlan_core.c, net/bridge/br_input.c and their like.
 */
unsigned int pe_policy_shape(const struct pe_link *link)
{
	static const char *const bare[] = { "bridge",	 "geneve", "gretap",
					    "ip6gretap", "vlan",   "vxlan" };

	if (link->type != ARPHRD_ETHER)
		return PE_SLOT_NO_ETHERNET;
	return is_one_of(link, bare, COUNT(bare)) ? PE_SLOT_BARE_INGRESS : 0;
}

/*
 * A network card counts the segments that it makes of one large packet, a tun device what
 * its reader has read: only where a packet is a packet to both is a difference a loss.
 */
bool pe_policy_auditable(const struct pe_link *link)
{
	return strcmp(link->kind, "veth") == 0 || strcmp(link->kind, "bridge") == 0;
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
