/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See pe/faults.h. RTM_GETSTATS lists the counters alone, without all else of a link. */
#include "pe/faults.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdbool.h>
#include <stdlib.h>

#include "pe/cleanup.h"

#include "parse.h"
#include "requests.h"
#include "socket.h"

/* The kernel fills datagrams as large as the reader's buffer, up to this. */
#define LIST_BYTES 32768

struct pe_fault_reader {
	struct nl_sock *sock; /* NULL until needed and after an error */
	union {
		struct nlmsghdr nlh;
		unsigned char bytes[LIST_BYTES];
	} answer;
};

struct visitor {
	void (*each)(int ifindex, const struct pe_link_stats *stats, void *userdata);
	void *userdata;
};

static void msg_freep(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}

static int ask(struct pe_fault_reader *reader)
{
	_cleanup_(msg_freep) struct nl_msg *msg =
		nlmsg_alloc_simple(RTM_GETSTATS, NLM_F_REQUEST | NLM_F_DUMP);
	struct if_stats_msg head = { .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64) };
	int r = reader->sock ? 0 : pe_socket_open_request(&reader->sock);

	if (!msg)
		return -ENOMEM;
	if (r < 0)
		return r;
	r = nlmsg_append(msg, &head, sizeof(head), NLMSG_ALIGNTO);
	if (r == 0)
		r = nl_send_auto(reader->sock, msg);
	return r < 0 ? pe_socket_errno(r) : 0;
}

/* What is not about counters is passed over. */
static void read_one(const struct nlmsghdr *nlh, size_t size, const struct visitor *visitor)
{
	struct pe_link_stats stats;
	const struct if_stats_msg *head;

	if (pe_parse_stats(nlh, size, &stats) < 0)
		return;
	head = nlmsg_data(nlh);
	visitor->each((int)head->ifindex, &stats, visitor->userdata);
}

/* A part of the list. 1 at its end, else 0 or -errno. */
static int read_part(struct pe_fault_reader *reader, const struct visitor *visitor)
{
	int rest = pe_socket_receive(reader->sock, &reader->answer, sizeof(reader->answer));

	if (rest < 0)
		return rest == -EAGAIN ? -ETIMEDOUT : rest;
	for (struct nlmsghdr *nlh = &reader->answer.nlh; nlmsg_ok(nlh, rest);
	     nlh = nlmsg_next(nlh, &rest)) {
		if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR) {
			int error = pe_requests_status(nlh);

			return error < 0 ? error : 1;
		}
		read_one(nlh, (size_t)rest, visitor);
	}
	return 0;
}

int pe_fault_reader_read(struct pe_fault_reader *reader,
			 void (*each)(int ifindex, const struct pe_link_stats *stats,
				      void *userdata),
			 void *userdata)
{
	const struct visitor visitor = { each, userdata };
	int r = ask(reader);

	while (r == 0)
		r = read_part(reader, &visitor);
	/* What is left of this list must not meet the next. */
	if (r < 0) {
		pe_socket_freep(&reader->sock);
		reader->sock = NULL;
		return r;
	}
	return 0;
}

int pe_fault_reader_new(struct pe_fault_reader **ret_reader)
{
	struct pe_fault_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return -ENOMEM;
	*ret_reader = reader;
	return 0;
}

struct pe_fault_reader *pe_fault_reader_free(struct pe_fault_reader *reader)
{
	if (!reader)
		return NULL;
	pe_socket_freep(&reader->sock);
	free(reader);
	return NULL;
}
