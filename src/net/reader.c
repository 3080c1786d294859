/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See reader.h. */
#include "reader.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

int pe_reader_init(struct pe_reader *reader)
{
	reader->buf = malloc(PE_READER_BYTES);
	return reader->buf ? 0 : -ENOMEM;
}

void pe_reader_fini(struct pe_reader *reader)
{
	free(reader->buf);
	reader->buf = NULL;
}

int pe_reader_receive(struct pe_reader *reader, struct nl_sock *sock)
{
	int r = pe_socket_receive(sock, reader->buf, PE_READER_BYTES);

	if (r == -EMSGSIZE || r == 0)
		pe_reader_count(&reader->invalid);
	return r;
}

bool pe_reader_parse(struct pe_reader *reader, const struct nlmsghdr *nlh,
		     struct pe_parse_result *ret_result)
{
	if (pe_parse_link(nlh, nlh->nlmsg_len, ret_result) < 0) {
		pe_reader_count(&reader->invalid);
		return false;
	}
	if (nlh->nlmsg_type == RTM_NEWLINK || nlh->nlmsg_type == RTM_DELLINK)
		pe_reader_count(&reader->messages);
	return ret_result->type != PE_PARSE_OTHER;
}
