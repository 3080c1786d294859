/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel drops, by interface and reason: an object of its own, because the exporter counts
 * as well without it. It costs nothing but where a packet is dropped.
 */
#define PE_PLAIN
#include "drops.h"

/*
 * The tracepoint's arguments: the packet, where it was dropped, since 5.17 the reason, and since
 * 6.11 the socket that it was for. One that the kernel does not have is not looked at.
 */
SEC("tp_btf/kfree_skb")
int pe_drop(__u64 *ctx)
{
	const struct sk_buff *skb = (const void *)ctx[0];
	struct place place;
	__u32 code;

	if (!skb)
		return 0;
	if (pe_has_reasons) {
		__u32 reason = (__u32)ctx[2];

		if (reason < pe_first_reason)
			return 0;
		code = code_of(reason);
	} else {
		code = code_of_protocol(skb->protocol);
	}
	place = place_of(skb, pe_has_sockets ? ctx[3] : 0);
	if (place.is_ours)
		count(place, code);
	return 0;
}

char _license[] SEC("license") = "GPL";
