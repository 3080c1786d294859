/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A list of all interfaces, as the kernel has them (RTM_GETLINK). The monitor's thread only. */
#ifndef PE_NET_DUMP_H
#define PE_NET_DUMP_H

#include "links.h"
#include "reader.h"

/* A dump while it is read, and its result: a list in the kernel's order. */
struct pe_dump {
	struct pe_links_entry *first;
	struct pe_links_entry **end;
	bool interrupted;
};

/*
 * Asks for all links on a new socket (pe_socket_open_request()), so that answers of a dump that was
 * given up never get here, and waits until the monotonic clock is at the deadline. `dump` is
 * zeroed. 0, -EINTR if they changed meanwhile and the answer may have gaps, -ETIMEDOUT, or another
 * -errno. The caller calls pe_dump_fini() in any case, and may take the list before.
 */
int pe_dump_read(struct pe_dump *dump, struct pe_reader *reader, struct nl_sock *sock,
		 uint64_t deadline_ns);

void pe_dump_fini(struct pe_dump *dump);

#endif
