/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Link messages as they come from a socket, events and dumps: one buffer for all, and what is
 * counted of them. The monitor's thread only, except the counters.
 */
#ifndef PE_NET_READER_H
#define PE_NET_READER_H

#include <stdatomic.h>
#include <stdint.h>

#include "parse.h"
#include "socket.h"

/* The kernel sends up to 32 KiB of a dump at a time. One link is larger only if its alternative
 * names are, and they are one attribute of at most 64 KiB. */
#define PE_READER_BYTES (128 * 1024)

struct pe_reader {
	unsigned char *buf;	   /* PE_READER_BYTES: what was received last */
	_Atomic uint64_t messages; /* as in struct pe_monitor_stats */
	_Atomic uint64_t invalid;
};

/* 0 or -ENOMEM. */
int pe_reader_init(struct pe_reader *reader);

/* One that is zeroed or finished is fine. */
void pe_reader_fini(struct pe_reader *reader);

static inline void pe_reader_count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* One datagram into the buffer, as pe_socket_receive(). */
int pe_reader_receive(struct pe_reader *reader, struct nl_sock *sock);

/* Parses a message and counts it. False if it is malformed or not about a link's existence. */
bool pe_reader_parse(struct pe_reader *reader, const struct nlmsghdr *nlh,
		     struct pe_parse_result *ret_result);

#endif
