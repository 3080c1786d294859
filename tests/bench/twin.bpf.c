/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Empty programs where ours are attached: what is measured there is the measuring. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tp_btf/net_dev_start_xmit")
int twin_egress(void *ctx)
{
	return 0;
}

SEC("tp_btf/netif_receive_skb")
int twin_receive(void *ctx)
{
	return 0;
}

SEC("tp_btf/sched_process_exec")
int twin_exec(void *ctx)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
