/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Turns RTM_NEWLINK and RTM_DELLINK into what they mean, which is not always what they are called:
 *
 *  - a bridge announces with ifi_family AF_BRIDGE that a port joined or left; such a message says
 *    nothing about the interface itself, and RTM_DELLINK of that family is not a deletion;
 *  - RTM_DELLINK with IFLA_NEW_NETNSID is a move to another network namespace.
 *
 * Invariant: every length is checked before the bytes are read, and every string is terminated
 * inside its attribute before it is copied. libnl's nlmsg_parse() is not used because it accepts
 * garbage behind the last attribute. Pure; any thread.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stddef.h>
#include <string.h>

#include "parse.h"

/* nla_ok() takes a negative rest, which nla_next() leaves behind an unpadded end, for a huge one.
 */
static bool attr_ok(const struct nlattr *nla, int rest)
{
	return rest > 0 && nla_ok(nla, rest);
}

static int get_int(const struct nlattr *nla, int min, int *ret_value)
{
	int value;

	if (nla_len(nla) < (int)sizeof(value))
		return -EBADMSG;
	memcpy(&value, nla_data(nla), sizeof(value));
	if (value < min)
		return -EBADMSG;
	*ret_value = value;
	return 0;
}

/* Returns the length of the string, or -EBADMSG if no NUL ends it inside the attribute. */
static int string_length(const struct nlattr *nla)
{
	size_t size = (size_t)nla_len(nla);
	size_t len = strnlen(nla_data(nla), size);

	return len < size ? (int)len : -EBADMSG;
}

static int get_string(const struct nlattr *nla, char *ret_string, size_t size)
{
	int len = string_length(nla);

	if (len < 0 || (size_t)len >= size)
		return -EBADMSG;
	memcpy(ret_string, nla_data(nla), (size_t)len + 1);
	return 0;
}

static int get_stats(const struct nlattr *nla, struct pe_link_stats *ret_stats)
{
	struct rtnl_link_stats64 stats;
	size_t len = (size_t)nla_len(nla);

	/* The kernel's structure grows at its end; the first four have always been its beginning.
	 */
	if (len < offsetof(struct rtnl_link_stats64, rx_errors))
		return -EBADMSG;
	memset(&stats, 0, sizeof(stats));
	memcpy(&stats, nla_data(nla), len < sizeof(stats) ? len : sizeof(stats));
	*ret_stats = (struct pe_link_stats){
		.rx_packets = stats.rx_packets,
		.rx_bytes = stats.rx_bytes,
		.tx_packets = stats.tx_packets,
		.tx_bytes = stats.tx_bytes,
		.rx_dropped = stats.rx_dropped,
		.tx_dropped = stats.tx_dropped,
		.rx_errors = stats.rx_errors,
		.tx_errors = stats.tx_errors,
	};
	return 0;
}

/* It is stacked on that one, and has no IFLA_LINK. */
static int get_vxlan_link(const struct nlattr *data, struct pe_link *link)
{
	const struct nlattr *nla = nla_data(data);
	int rest = nla_len(data), r = 0;

	for (; !r && attr_ok(nla, rest); nla = nla_next(nla, &rest)) {
		if (nla_type(nla) == IFLA_VXLAN_LINK)
			r = get_int(nla, 0, &link->peer);
	}
	return !r && rest > 0 ? -EBADMSG : r;
}

static int get_kind(const struct nlattr *info, struct pe_link *link)
{
	const struct nlattr *nla = nla_data(info), *data = NULL;
	int rest = nla_len(info);

	for (; attr_ok(nla, rest); nla = nla_next(nla, &rest)) {
		int len;

		if (nla_type(nla) == IFLA_INFO_DATA)
			data = nla;
		if (nla_type(nla) != IFLA_INFO_KIND)
			continue;
		len = string_length(nla);
		if (len < 0)
			return len;
		if (len >= PE_LINK_KIND_MAX)
			len = PE_LINK_KIND_MAX - 1;
		memset(link->kind, 0, sizeof(link->kind));
		memcpy(link->kind, nla_data(nla), (size_t)len);
	}
	if (rest > 0)
		return -EBADMSG;
	return data && strcmp(link->kind, "vxlan") == 0 ? get_vxlan_link(data, link) : 0;
}

/* Longer than any that this needs to distinguish: none. */
static void get_address(const struct nlattr *nla, struct pe_link *link)
{
	size_t len = (size_t)nla_len(nla);

	link->address_len = len <= sizeof(link->address) ? len : 0;
	memcpy(link->address, nla_data(nla), link->address_len);
}

static int get_xdp(const struct nlattr *xdp, struct pe_link *link)
{
	const struct nlattr *nla = nla_data(xdp);
	int rest = nla_len(xdp);

	link->xdp_id = 0;
	for (; attr_ok(nla, rest); nla = nla_next(nla, &rest)) {
		/* With one more in hardware there is no IFLA_XDP_PROG_ID. */
		if (nla_type(nla) != IFLA_XDP_PROG_ID && nla_type(nla) != IFLA_XDP_SKB_PROG_ID &&
		    nla_type(nla) != IFLA_XDP_DRV_PROG_ID)
			continue;
		if (nla_len(nla) < (int)sizeof(link->xdp_id))
			return -EBADMSG;
		memcpy(&link->xdp_id, nla_data(nla), sizeof(link->xdp_id));
	}
	return rest > 0 ? -EBADMSG : 0;
}

/* Whole names, while they fit. */
static int get_altnames(const struct nlattr *list, struct pe_link *link)
{
	const struct nlattr *nla = nla_data(list);
	int rest = nla_len(list);
	size_t used = 0;
	bool full = false;

	link->altnames[0] = '\0';
	for (; attr_ok(nla, rest); nla = nla_next(nla, &rest)) {
		int len;

		if (nla_type(nla) != IFLA_ALT_IFNAME)
			continue;
		len = string_length(nla);
		if (len < 0)
			return len;
		full |= used + (used > 0) + (size_t)len >= sizeof(link->altnames);
		if (full || len == 0)
			continue;
		if (used > 0)
			link->altnames[used++] = ',';
		memcpy(link->altnames + used, nla_data(nla), (size_t)len);
		used += (size_t)len;
		link->altnames[used] = '\0';
	}
	return rest > 0 ? -EBADMSG : 0;
}

static int parse_attr(const struct nlattr *nla, struct pe_parse_result *result)
{
	struct pe_link *link = &result->link;
	int r;

	switch (nla_type(nla)) {
	case IFLA_IFNAME:
		return get_string(nla, link->name, sizeof(link->name));
	case IFLA_IFALIAS:
		return get_string(nla, link->alias, sizeof(link->alias));
	case IFLA_PROP_LIST:
		return get_altnames(nla, link);
	case IFLA_LINKINFO:
		return get_kind(nla, link);
	case IFLA_MASTER:
		return get_int(nla, 0, &link->master);
	case IFLA_LINK:
		return get_int(nla, 0, &link->peer);
	case IFLA_LINK_NETNSID:
		return get_int(nla, -1, &link->peer_netnsid);
	case IFLA_ADDRESS:
		get_address(nla, link);
		return 0;
	case IFLA_XDP:
		return get_xdp(nla, link);
	case IFLA_STATS64:
		r = get_stats(nla, &link->stats);
		link->has_stats |= r == 0;
		return r;
	case IFLA_NEW_NETNSID:
		if (result->type == PE_PARSE_DELETED)
			result->type = PE_PARSE_MOVED;
		return 0;
	default:
		return 0;
	}
}

static int parse_attrs(const struct nlmsghdr *nlh, struct pe_parse_result *result)
{
	const struct nlattr *nla = nlmsg_attrdata(nlh, sizeof(struct ifinfomsg));
	int rest = nlmsg_attrlen(nlh, sizeof(struct ifinfomsg));

	for (; attr_ok(nla, rest); nla = nla_next(nla, &rest)) {
		int r = parse_attr(nla, result);

		if (r < 0)
			return r;
	}
	return rest > 0 ? -EBADMSG : 0;
}

int pe_parse_link(const struct nlmsghdr *nlh, size_t size, struct pe_parse_result *ret_result)
{
	struct pe_parse_result result = { .type = PE_PARSE_OTHER };
	const struct ifinfomsg *ifi;
	int r;

	if (size < sizeof(*nlh) || nlh->nlmsg_len < sizeof(*nlh) || nlh->nlmsg_len > size)
		return -EBADMSG;
	if (nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK) {
		*ret_result = result;
		return 0;
	}
	if (!nlmsg_valid_hdr(nlh, sizeof(*ifi)))
		return -EBADMSG;
	ifi = nlmsg_data(nlh);
	if (ifi->ifi_family != AF_UNSPEC) {
		*ret_result = result;
		return 0;
	}
	if (ifi->ifi_index <= 0)
		return -EBADMSG;

	result.type = nlh->nlmsg_type == RTM_NEWLINK ? PE_PARSE_NEW : PE_PARSE_DELETED;
	result.link.ifindex = ifi->ifi_index;
	result.link.type = ifi->ifi_type;
	result.link.flags = ifi->ifi_flags;
	result.link.peer_netnsid = -1;
	r = parse_attrs(nlh, &result);
	if (r < 0)
		return r;
	if (result.link.name[0] == '\0')
		return -EBADMSG;
	*ret_result = result;
	return 0;
}

int pe_parse_stats(const struct nlmsghdr *nlh, size_t size, struct pe_link_stats *ret_stats)
{
	const struct if_stats_msg *head;
	const struct nlattr *nla;
	int rest;

	if (size < sizeof(*nlh) || nlh->nlmsg_len > size || nlh->nlmsg_type != RTM_NEWSTATS ||
	    !nlmsg_valid_hdr(nlh, sizeof(*head)))
		return -EBADMSG;
	nla = nlmsg_attrdata(nlh, sizeof(*head));
	rest = nlmsg_attrlen(nlh, sizeof(*head));
	for (; attr_ok(nla, rest); nla = nla_next(nla, &rest)) {
		if (nla_type(nla) == IFLA_STATS_LINK_64)
			return get_stats(nla, ret_stats);
	}
	return -EBADMSG;
}
