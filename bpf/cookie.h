/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user side knows a network namespace by. */
#ifndef PE_BPF_COOKIE_H
#define PE_BPF_COOKIE_H

#include "identity_kernel.h"

/*
 * What names a namespace, and no later one. Before 5.12 cookies are made when a socket asks for
 * one, so there it is the number, which is used again, with the random number that each has.
 */
static __always_inline __u64 cookie_of(struct net *net)
{
	if (bpf_core_field_exists(net->net_cookie))
		return BPF_CORE_READ(net, net_cookie);
	return (__u64)BPF_CORE_READ(net, ns.inum) << 32 | BPF_CORE_READ(net, hash_mix);
}

#endif
