/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions about one interface, on a socket of their own, and their answers. The monitor's thread.
 */
#ifndef PE_NET_REQUESTS_H
#define PE_NET_REQUESTS_H

#include <netlink/socket.h>
#include <stddef.h>

#include "parse.h"
#include "pe/link.h"

/* Zeroed at first. */
struct pe_requests {
	struct nl_sock *sock; /* NULL until needed and after an error */
};

void pe_requests_fini(struct pe_requests *requests);

/* The counters (RTM_GETSTATS), which costs the kernel a fraction of all about the link. 0, -ENODEV,
 * or another -errno. Blocks for one round trip. */
int pe_requests_stats(struct pe_requests *requests, int ifindex, struct pe_link_stats *ret_stats);

/* The link (RTM_GETLINK), but for its counters. `buf` has room for an answer. As above. */
int pe_requests_link(struct pe_requests *requests, int ifindex, void *buf, size_t size,
		     struct pe_parse_result *ret_result);

/* The error that NLMSG_DONE or NLMSG_ERROR carries in its first four bytes; 0 is success. */
int pe_requests_status(const struct nlmsghdr *nlh);

#endif
