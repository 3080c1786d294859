/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What names an interface while it exists: an ifindex is unique only within a network namespace,
 * and both can be used again afterwards. Pure; any thread.
 */
#ifndef PE_IFKEY_H
#define PE_IFKEY_H

#include <stdbool.h>
#include <stdint.h>

struct pe_ifkey {
	uint32_t netns; /* PE_NETNS_OWN: today there is one */
	int ifindex;	/* > 0 */
};

/* The network namespace that the exporter runs in. */
#define PE_NETNS_OWN 0u

static inline struct pe_ifkey pe_ifkey_own(int ifindex)
{
	return (struct pe_ifkey){ PE_NETNS_OWN, ifindex };
}

static inline bool pe_ifkey_equal(struct pe_ifkey a, struct pe_ifkey b)
{
	return a.netns == b.netns && a.ifindex == b.ifindex;
}

#endif
