/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See dump.h. */
#include "dump.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "pe/cleanup.h"
#include "pe/clock.h"

#include "requests.h"

static void msg_freep(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}

static int send_request(struct nl_sock *sock, uint32_t *ret_seq)
{
	_cleanup_(msg_freep) struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETLINK, NLM_F_DUMP);
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	int r;

	if (!msg)
		return -ENOMEM;
	r = nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO);
	/* Only with a filter does the kernel make room for the largest link (rtnl_calcit());
	 * otherwise one of more than 32 KiB ends the dump, without an error. This filter has no
	 * effect outside AF_BRIDGE. */
	if (r == 0)
		r = nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_MRP);
	if (r < 0)
		return pe_socket_errno(r);
	r = nl_send_auto(sock, msg);
	if (r < 0)
		return pe_socket_errno(r);
	*ret_seq = nlmsg_hdr(msg)->nlmsg_seq;
	return 0;
}

static int collect(struct pe_reader *reader, const struct nlmsghdr *nlh, struct pe_dump *dump)
{
	struct pe_parse_result result;
	struct pe_links_entry *entry;

	if (!pe_reader_parse(reader, nlh, &result) || result.type != PE_PARSE_NEW)
		return 0;
	entry = pe_links_new_entry(&result.link);
	if (!entry)
		return -ENOMEM;
	*dump->end = entry;
	dump->end = &entry->next;
	return 0;
}

/* One datagram of a dump. 1 at the end of the dump, 0 if there is more, or -errno. */
static int read_part(struct pe_reader *reader, uint32_t seq, int len, struct pe_dump *dump)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)reader->buf;
	int r;

	for (; nlmsg_ok(nlh, len); nlh = nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_seq != seq)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			dump->interrupted = true;
		switch (nlh->nlmsg_type) {
		case NLMSG_DONE:
			r = pe_requests_status(nlh);
			return r < 0 ? r : 1;
		case NLMSG_ERROR:
			r = pe_requests_status(nlh);
			return r < 0 ? r : -EBADMSG;
		default:
			r = collect(reader, nlh, dump);
			if (r < 0)
				return r;
		}
	}
	return len > 0 ? -EBADMSG : 0;
}

int pe_dump_read(struct pe_dump *dump, struct pe_reader *reader, struct nl_sock *sock,
		 uint64_t deadline_ns)
{
	uint32_t seq = 0;
	int r = send_request(sock, &seq);

	dump->end = &dump->first;
	while (r == 0) {
		if (pe_clock_monotonic_ns() >= deadline_ns)
			return -ETIMEDOUT;
		r = pe_reader_receive(reader, sock);
		if (r > 0)
			r = read_part(reader, seq, r, dump);
	}
	if (r < 0)
		return r == -EAGAIN ? -ETIMEDOUT : r;
	return dump->interrupted ? -EINTR : 0;
}

void pe_dump_fini(struct pe_dump *dump)
{
	dump->first = pe_links_free_list(dump->first);
}
