/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When an interface is so busy that generic XDP would slow it down.
 *
 * Generic XDP wants packets with headroom that nobody else has: the kernel copies what a
 * container's TCP sends, because TCP keeps a clone (netif_skb_check_for_xdp() in net/core/dev.c).
 * Of what a host's cores can do for a small packet that is a fifth, and three times what the
 * receive tracepoint takes, which copies nothing. A packet that is larger than a page it copies
 * into one piece, and drops it where there is no memory in one piece. Pure; one thread an
 * interface.
 */
#ifndef PE_LOAD_H
#define PE_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "pe/row.h"

struct pe_load_count {
	uint64_t packets;
	uint64_t large; /* packets of more than a page */
};

struct pe_load {
	uint64_t at_ns; /* of the last round, 0 before the first */
	struct pe_load_count count;
	uint64_t calm_since_ns; /* 0 if it is not */
	bool busy;
};

/*
 * To be called from time to time with the monotonic clock and what was received so far. Whether it
 * is under load now: at once when it has been since the last round, and until it has been calm for
 * a while.
 */
bool pe_load_update(struct pe_load *load, uint64_t now_ns, const struct pe_row *received);

#endif
