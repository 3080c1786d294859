/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One rtnetlink link message as a struct pe_link. Pure: no state, no I/O, any thread.
 */
#ifndef PE_NET_PARSE_H
#define PE_NET_PARSE_H

#include <linux/netlink.h>

#include "pe/link.h"

enum pe_parse_type {
	PE_PARSE_OTHER, /* not about the existence or the state of an interface */
	PE_PARSE_NEW,	/* the interface exists and looks like this */
	PE_PARSE_DELETED,
	PE_PARSE_MOVED, /* it went to another network namespace */
};

struct pe_parse_result {
	enum pe_parse_type type;
	struct pe_link link; /* all zero for PE_PARSE_OTHER */
};

/*
 * Parses the message at the start of `size` bytes, aligned to 4 (rtnetlink(7)). Nothing beyond
 * nlmsg_len or `size` is read. Attributes it does not know are skipped; of a repeated one the last
 * counts. The kind is cut to its field, alternative names where one is whole; any other string that
 * does not fit is an error.
 * 0, or -EBADMSG if the message is malformed; *ret_result is untouched on error.
 */
int pe_parse_link(const struct nlmsghdr *nlh, size_t size, struct pe_parse_result *ret_result);

/*
 * The counters in an answer to RTM_GETSTATS, at the start of `size` bytes as above. 0, or -EBADMSG
 * if there are none; *ret_stats is untouched then.
 */
int pe_parse_stats(const struct nlmsghdr *nlh, size_t size, struct pe_link_stats *ret_stats);

#endif
