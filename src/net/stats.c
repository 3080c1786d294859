/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See stats.h. RTM_GETLINK would tell all about the link, which takes the kernel several times as
 * long. */
#include "stats.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "pe/cleanup.h"

#include "parse.h"
#include "socket.h"

/* An answer is 244 bytes, and the kernel's structure may grow. */
#define ANSWER_BYTES 1024

static void msg_freep(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}

static int ask(struct nl_sock *sock, int ifindex, struct pe_link_stats *ret_stats)
{
	_cleanup_(msg_freep) struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETSTATS, 0);
	struct if_stats_msg head = { .ifindex = (uint32_t)ifindex,
				     .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64) };
	union {
		struct nlmsghdr nlh;
		unsigned char bytes[ANSWER_BYTES];
	} answer;
	int r;

	if (!msg)
		return -ENOMEM;
	r = nlmsg_append(msg, &head, sizeof(head), NLMSG_ALIGNTO);
	if (r == 0)
		r = nl_send_auto(sock, msg);
	if (r < 0)
		return pe_socket_errno(r);
	r = pe_socket_receive(sock, &answer, sizeof(answer));
	if (r < 0)
		return r == -EAGAIN ? -ETIMEDOUT : r;
	if (nlmsg_ok(&answer.nlh, r) && answer.nlh.nlmsg_type == NLMSG_ERROR) {
		r = pe_parse_status(&answer.nlh);
		return r < 0 ? r : -EBADMSG;
	}
	return pe_parse_stats(&answer.nlh, (size_t)r, ret_stats);
}

int pe_stats_ask(struct nl_sock **sock, int ifindex, struct pe_link_stats *ret_stats)
{
	int r = 0;

	if (!*sock)
		r = pe_socket_open_request(sock);
	if (r == 0)
		r = ask(*sock, ifindex, ret_stats);
	if (r < 0 && r != -ENODEV) {
		nl_socket_free(*sock);
		*sock = NULL;
	}
	return r;
}
