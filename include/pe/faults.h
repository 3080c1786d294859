/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What interfaces themselves dropped and found faulty: rx_dropped, tx_dropped, rx_errors and
 * tx_errors of struct rtnl_link_stats64 (Documentation/networking/statistics.rst of the kernel), of
 * all interfaces in one list.
 *
 * On a socket of its own, opened when it is first asked. One thread at a time, any.
 */
#ifndef PE_FAULTS_H
#define PE_FAULTS_H

#include "pe/link.h"

struct pe_fault_reader;

/* 0 or -ENOMEM. The caller owns *ret_reader. Does not block. */
int pe_fault_reader_new(struct pe_fault_reader **ret_reader);
/* NULL is fine. Returns NULL. */
struct pe_fault_reader *pe_fault_reader_free(struct pe_fault_reader *reader);

/*
 * Calls `each` for every interface of the network namespace, with its counters since it was made,
 * which are valid during the call. 0, or -errno, and then not all were called for: -ETIMEDOUT,
 * -ENOMEM, what the kernel says. Blocks for the list, some µs an interface; a second at most for
 * each part of it.
 */
int pe_fault_reader_read(struct pe_fault_reader *reader,
			 void (*each)(int ifindex, const struct pe_link_stats *stats,
				      void *userdata),
			 void *userdata);

#endif
