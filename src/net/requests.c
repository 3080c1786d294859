/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See requests.h. */
#include "requests.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>

#include "pe/cleanup.h"

#include "socket.h"

/* An answer with counters is 244 bytes, and the kernel's structure may grow. */
#define STATS_BYTES 1024

static void msg_freep(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}

void pe_requests_fini(struct pe_requests *requests)
{
	nl_socket_free(requests->sock);
	requests->sock = NULL;
}

int pe_requests_status(const struct nlmsghdr *nlh)
{
	int error;

	if (!nlmsg_valid_hdr(nlh, sizeof(error)))
		return -EBADMSG;
	memcpy(&error, nlmsg_data(nlh), sizeof(error));
	return error > 0 ? -EBADMSG : error;
}

/* Sends a question and receives the answer. Its length, or -errno. */
static int exchange(struct nl_sock *sock, struct nl_msg *msg, void *buf, size_t size)
{
	const struct nlmsghdr *nlh = buf;
	int r = nl_send_auto(sock, msg), error;

	if (r < 0)
		return pe_socket_errno(r);
	r = pe_socket_receive(sock, buf, size);
	if (r < 0)
		return r == -EAGAIN ? -ETIMEDOUT : r;
	if (nlmsg_ok(nlh, r) && nlh->nlmsg_type == NLMSG_ERROR) {
		error = pe_requests_status(nlh);
		return error < 0 ? error : -EBADMSG;
	}
	return r;
}

/* A late answer must not meet the next question. */
static int end(struct pe_requests *requests, int r)
{
	if (r < 0 && r != -ENODEV)
		pe_requests_fini(requests);
	return r;
}

static int begin(struct pe_requests *requests, int type, struct nl_msg **ret_msg)
{
	struct nl_msg *msg;
	int r = 0;

	if (!requests->sock)
		r = pe_socket_open_request(&requests->sock);
	if (r < 0)
		return r;
	msg = nlmsg_alloc_simple(type, 0);
	if (!msg)
		return -ENOMEM;
	*ret_msg = msg;
	return 0;
}

/* RTM_GETLINK would answer with all of the link, which takes the kernel several times as long. */
static int ask_stats(struct pe_requests *requests, int ifindex, struct pe_link_stats *ret_stats)
{
	_cleanup_(msg_freep) struct nl_msg *msg = NULL;
	struct if_stats_msg head = { .ifindex = (uint32_t)ifindex,
				     .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64) };
	union {
		struct nlmsghdr nlh;
		unsigned char bytes[STATS_BYTES];
	} answer;
	int r = begin(requests, RTM_GETSTATS, &msg);

	if (r < 0)
		return r;
	r = nlmsg_append(msg, &head, sizeof(head), NLMSG_ALIGNTO);
	if (r < 0)
		return pe_socket_errno(r);
	r = exchange(requests->sock, msg, &answer, sizeof(answer));
	return r < 0 ? r : pe_parse_stats(&answer.nlh, (size_t)r, ret_stats);
}

int pe_requests_stats(struct pe_requests *requests, int ifindex, struct pe_link_stats *ret_stats)
{
	return end(requests, ask_stats(requests, ifindex, ret_stats));
}

static int ask_link(struct pe_requests *requests, int ifindex, void *buf, size_t size,
		    struct pe_parse_result *ret_result)
{
	_cleanup_(msg_freep) struct nl_msg *msg = NULL;
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
	int r = begin(requests, RTM_GETLINK, &msg);

	if (r < 0)
		return r;
	r = nlmsg_append(msg, &head, sizeof(head), NLMSG_ALIGNTO);
	if (r == 0)
		r = nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (r < 0)
		return pe_socket_errno(r);
	r = exchange(requests->sock, msg, buf, size);
	return r < 0 ? r : pe_parse_link(buf, (size_t)r, ret_result);
}

int pe_requests_link(struct pe_requests *requests, int ifindex, void *buf, size_t size,
		     struct pe_parse_result *ret_result)
{
	return end(requests, ask_link(requests, ifindex, buf, size, ret_result));
}
