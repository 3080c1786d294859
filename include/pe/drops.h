/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What interfaces themselves have dropped: rx_dropped and tx_dropped of struct rtnl_link_stats64
 * (Documentation/networking/statistics.rst of the kernel), of all interfaces in one list.
 *
 * On a socket of its own, opened when it is first asked. One thread at a time, any.
 */
#ifndef PE_DROPS_H
#define PE_DROPS_H

#include <stdint.h>

struct pe_drops;

/* 0 or -ENOMEM. The caller owns *ret_drops. Does not block. */
int pe_drops_new(struct pe_drops **ret_drops);
/* NULL is fine. Returns NULL. */
struct pe_drops *pe_drops_free(struct pe_drops *drops);

/*
 * Calls `each` for every interface of the network namespace, with its packets since it was made. 0,
 * or -errno, and then not all were called for: -ETIMEDOUT, -ENOMEM, what the kernel says. Blocks
 * for the list, some µs an interface; a second at most for each part of it.
 */
int pe_drops_read(struct pe_drops *drops,
		  void (*each)(int ifindex, uint64_t rx_dropped, uint64_t tx_dropped,
			       void *userdata),
		  void *userdata);

#endif
