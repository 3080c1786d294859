/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of TCP connections, counted for the network namespace of the socket: an object of
 * its own, because the exporter counts packets as well without it. Nothing of it runs for a packet
 * of an established connection that is neither lost nor a reset.
 *
 *   pe_tcp_state           a connection begins or ends
 *   pe_tcp_retransmit      a segment is sent again
 *   pe_tcp_synack          likewise what answers a SYN
 *   pe_tcp_reset_sent, pe_tcp_reset_received
 *   pe_tcp_locate          finds our namespace; user space runs it once
 */
#include "tcp_ended.h"

static __always_inline struct net *net_of_sock(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net);
}

/* The state changes while the error that ends it is set. */
static __always_inline enum pe_tcp_outcome attempt(const struct sock *sk)
{
	int error = BPF_CORE_READ(sk, sk_err);

	if (error == ECONNREFUSED)
		return PE_TCP_REFUSED;
	if (error == ETIMEDOUT)
		return PE_TCP_TIMED_OUT;
	if (error)
		return PE_TCP_FAILED;
	return BPF_CORE_READ((const struct tcp_sock *)sk, segs_out) ? PE_TCP_ABANDONED
								    : PE_TCP_UNSENT;
}

static __always_inline enum pe_tcp_outcome outcome(const struct sock *sk, int from)
{
	int error;

	if (from == TCP_SYN_SENT || from == TCP_SYN_RECV)
		return attempt(sk);
	if (from != TCP_ESTABLISHED && from != TCP_CLOSE_WAIT)
		return PE_TCP_CLOSED;
	error = BPF_CORE_READ(sk, sk_err);
	/* A time-out has this error, or the one that a router has sent meanwhile. */
	return !error || error == EPIPE || error == ECONNABORTED || error == ECONNRESET
		       ? PE_TCP_RESET
		       : PE_TCP_STALLED;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(pe_tcp_state, const struct sock *sk, int from, int to)
{
	struct pe_tcp_counts *counts;
	enum pe_tcp_outcome what;
	__u64 duration_ns = 0;

	if (to == TCP_CLOSE ? from == TCP_LISTEN || from == TCP_CLOSE
			    : to != TCP_SYN_SENT && (to != TCP_SYN_RECV || from != TCP_LISTEN))
		return 0;
	/* DCCP and MPTCP have these states, too; of MPTCP its subflows count. */
	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	counts = counts_of(net_of_sock(sk));
	if (!counts)
		return 0;
	if (to == TCP_CLOSE) {
		what = outcome(sk, from);
		duration_ns = end(sk);
	} else {
		what = to == TCP_SYN_SENT ? PE_TCP_OPENED : PE_TCP_ACCEPTED;
		begin(sk);
	}
	if (what >= PE_TCP_RESET && what <= PE_TCP_CLOSED)
		observe_end(counts, sk, duration_ns);
	if (what < PE_TCP_OUTCOMES)
		ADD(counts->connections[what], 1);
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int pe_tcp_retransmit(__u64 *args)
{
	const struct sock *sk = (const void *)args[0];
	const struct sk_buff *skb = (const void *)args[1];
	const struct tcp_skb_cb *cb = (const void *)skb + bpf_core_field_offset(struct sk_buff, cb);
	struct pe_tcp_counts *counts;

	if (bpf_core_type_exists(btf_trace_tcp_retransmit_skb) && (int)args[2])
		return 0;
	counts = counts_of(net_of_sock(sk));
	if (!counts)
		return 0;
	ADD(counts->retransmitted.packets, BPF_CORE_READ(cb, tcp_gso_segs));
	ADD(counts->retransmitted.bytes, BPF_CORE_READ(skb, len));
	return 0;
}

SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(pe_tcp_synack, const struct sock *sk, const struct request_sock *request)
{
	struct pe_tcp_counts *counts = counts_of(net_of_sock(sk));

	if (counts)
		ADD(counts->retransmitted.packets, 1);
	return 0;
}

static __always_inline void count_reset(struct net *net, enum pe_direction direction)
{
	struct pe_tcp_counts *counts = counts_of(net);

	if (counts)
		ADD(counts->resets[direction], 1);
}

/* Since 6.10 also the answer to what is for no socket: it has none. */
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(pe_tcp_reset_sent, const struct sock *sk, const struct sk_buff *skb)
{
	struct net *net = NULL;

	if (sk)
		net = net_of_sock(sk);
	else if (skb)
		net = BPF_CORE_READ(skb, dev, nd_net.net);
	count_reset(net, PE_EGRESS);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(pe_tcp_reset_received, const struct sock *sk)
{
	count_reset(net_of_sock(sk), PE_INGRESS);
	return 0;
}

/* Run once, from a thread of our namespace, before anything is attached. Not 0 if it found none. */
SEC("raw_tp")
int pe_tcp_locate(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	pe_net = (__u64)BPF_CORE_READ(task, nsproxy, net_ns);
	return !pe_net;
}

char _license[] SEC("license") = "GPL";
