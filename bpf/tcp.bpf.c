/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of TCP connections, counted for the network namespace of the socket: an object of
 * its own, because the exporter counts packets as well without it. Nothing of it runs for a packet
 * of an established connection that is neither lost nor a reset.
 *
 *   pe_tcp_state           a connection begins or ends, a socket listens or does so no more
 *   pe_tcp_retransmit      a segment is sent again
 *   pe_tcp_synack          likewise what answers a SYN
 *   pe_tcp_reset_sent, pe_tcp_reset_received
 *   pe_tcp_locate          finds our namespace; user space runs it once
 *   pe_tcp_learn_cpu       finds the memory of a CPU, on which user space runs it
 *   pe_tcp_look            reads what the kernel itself counts; user space runs it
 */
#include "tcp_ended.h"

static __always_inline struct net *net_of_sock(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net);
}

/* The state changes while the error that ends it is set. */
static __always_inline enum pe_tcp_outcome attempt(const struct sock *socket)
{
	int error = socket->sk_err;

	if (error == ECONNREFUSED)
		return PE_TCP_REFUSED;
	if (error == ETIMEDOUT)
		return PE_TCP_TIMED_OUT;
	if (error)
		return PE_TCP_FAILED;
	return BPF_CORE_READ((const struct tcp_sock *)socket, segs_out) ? PE_TCP_ABANDONED
									: PE_TCP_UNSENT;
}

static __always_inline enum pe_tcp_outcome outcome(const struct sock *socket, int from)
{
	int error;

	if (from == TCP_SYN_SENT || from == TCP_SYN_RECV)
		return attempt(socket);
	if (from != TCP_ESTABLISHED && from != TCP_CLOSE_WAIT)
		return PE_TCP_CLOSED;
	error = socket->sk_err;
	/* A time-out has this error, or the one that a router has sent meanwhile. */
	return !error || error == EPIPE || error == ECONNABORTED || error == ECONNRESET
		       ? PE_TCP_RESET
		       : PE_TCP_STALLED;
}

static __always_inline __u64 cookie_of_socket(const struct sock *socket)
{
	struct net *its_net = socket->__sk_common.skc_net.net;

	if (bpf_core_field_exists(its_net->net_cookie))
		return its_net ? its_net->net_cookie : 0;
	return cookie_of(its_net);
}

static __always_inline void count_begin(struct pe_tcp_counts *counts, const struct sock *socket,
					int to)
{
	enum pe_tcp_outcome what = to == TCP_SYN_SENT ? PE_TCP_OPENED : PE_TCP_ACCEPTED;

	begin(socket);
	ADD(counts->connections[what], 1);
}

static __always_inline void count_end(struct pe_tcp_counts *counts, const struct sock *socket,
				      int from)
{
	__u64 what = outcome(socket, from), duration_ns;

	/* What the verifier knows, it goes on with apart. */
	hide(what);
	duration_ns = end(socket);
	hide(duration_ns);
	if (what >= PE_TCP_RESET && what <= PE_TCP_CLOSED)
		observe_end(counts, socket, duration_ns);
	if (what < PE_TCP_OUTCOMES)
		ADD(counts->connections[what], 1);
}

/* Whether a connection begins or ends by that, or a socket listens or does so no more. */
static __always_inline bool matters(int from, int to)
{
	if (to == TCP_CLOSE)
		return from != TCP_CLOSE;
	return to == TCP_SYN_SENT || to == TCP_LISTEN || (to == TCP_SYN_RECV && from == TCP_LISTEN);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(pe_tcp_state, const struct sock *socket, int from, int to)
{
	struct pe_tcp_space *space;
	__u64 net;

	/* DCCP and MPTCP have these states, too; of MPTCP its subflows count. */
	if (!matters(from, to) || socket->sk_protocol != IPPROTO_TCP)
		return 0;
	net = (__u64)socket->__sk_common.skc_net.net;
	if (!net)
		return 0;
	space = space_by(net, net == pe_net ? 0 : cookie_of_socket(socket));
	if (!space)
		return 0;
	if (to == TCP_LISTEN || (to == TCP_CLOSE && from == TCP_LISTEN))
		take_overflows(space, net);
	else if (to == TCP_CLOSE)
		count_end(&space->counts, socket, from);
	else
		count_begin(&space->counts, socket, to);
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
	__u32 host = PE_TCP_SPACE_HOST;
	struct pe_tcp_space *space = bpf_map_lookup_elem(&spaces, &host);

	pe_net = (__u64)BPF_CORE_READ(task, nsproxy, net_ns);
	if (pe_net && space)
		begin_overflows(space, pe_net);
	return !pe_net;
}

/* User space runs it on each CPU, before the one above and then now and then. */
SEC("raw_tp")
int pe_tcp_learn_cpu(void *ctx)
{
	learn_cpu();
	return 0;
}

/* Overflows of one place, 1 if there is none; it is verified once, by itself, and not each time
 * round below. */
__noinline int pe_tcp_look_at(__u32 place)
{
	struct pe_tcp_space *space = bpf_map_lookup_elem(&spaces, &place);
	__u64 cookie, net;

	if (!space)
		return 1;
	cookie = *(volatile __u64 *)&space->cookie;
	net = *(volatile __u64 *)&space->net;
	if (place == PE_TCP_SPACE_HOST || (cookie && is_there(net, cookie)))
		take_overflows(space, net);
	return 0;
}

/* Overflows of `ctx[1]` places from `ctx[0]` on. User space runs it every second. */
SEC("raw_tp")
int pe_tcp_look(__u64 *ctx)
{
	__u32 from = ctx[0], count = ctx[1];

	for (__u32 i = 0; i < PE_TCP_LOOK && i < count; i++) {
		if (pe_tcp_look_at(from + i))
			break;
	}
	return 0;
}

char _license[] SEC("license") = "GPL";
