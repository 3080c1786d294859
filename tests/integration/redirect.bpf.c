/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tc classifiers that hand each packet to an interface of a fixed index: see test_passages.py. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define TARGET 77
#define OTHER  78

SEC("tc/in")
int redirect_in(struct __sk_buff *skb)
{
	return bpf_redirect(TARGET, BPF_F_INGRESS);
}

SEC("tc/other")
int redirect_other(struct __sk_buff *skb)
{
	return bpf_redirect(OTHER, BPF_F_INGRESS);
}

SEC("tc/out")
int redirect_out(struct __sk_buff *skb)
{
	return bpf_redirect(TARGET, 0);
}

SEC("tc/peer")
int redirect_peer(struct __sk_buff *skb)
{
	return bpf_redirect_peer(TARGET, 0);
}

/* To whom the sender has marked it for, as if that had received it: it carries no trace of that. */
SEC("tc/mark")
int redirect_by_mark(struct __sk_buff *skb)
{
	return bpf_redirect(skb->mark, BPF_F_INGRESS);
}

char _license[] SEC("license") = "GPL";
