/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few fields of sockets that say what became of a connection, relocated when the programs are
 * loaded (CO-RE). The socket that a change of its state is about is there, and so are its namespace
 * and all that is part of them: these are loaded, which is faster. Nothing but probe reads follows
 * any other pointer, as in identity_kernel.h.
 */
#ifndef PE_BPF_TCP_KERNEL_H
#define PE_BPF_TCP_KERNEL_H

#include "identity_kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* What request sockets and those in TIME_WAIT have as well: of these nothing else may be read. */
struct sock_common {
	possible_net_t skc_net;
	unsigned long skc_flags; /* of a full socket */
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	int sk_err;
};

struct tcp_sock {
	__u32 segs_out;
	__u32 srtt_us;
	__u64 bytes_received;
	__u64 bytes_sent;
	__u64 bytes_retrans;
};

struct request_sock;

struct sk_buff {
	unsigned int len;
	char cb[48];
	struct net_device *dev;
};

struct tcp_skb_cb {
	__u16 tcp_gso_segs;
};

/* How many refer to a network namespace: since 6.18, since 5.11, and before. */
typedef struct {
	int counter;
} atomic_t;

typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;

struct ns_common___18 {
	refcount_t __ns_ref;
};

struct net___18 {
	struct ns_common___18 ns;
};

struct ns_common___11 {
	refcount_t count;
};

struct net___11 {
	struct ns_common___11 ns;
};

struct net___10 {
	refcount_t count;
};

/* What a namespace counts. */
struct netns_mib {
	struct linux_mib *net_statistics; /* of each CPU */
};

struct net___mib {
	struct netns_mib mib;
};

struct bpf_array {
	void *pptrs[0];
};

#pragma clang attribute pop

/* Of include/net/tcp_states.h: never changed. */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LISTEN = 10,
};

#define SOCK_DONE 1 /* of enum sock_flags: a bit of skc_flags */

#define IPPROTO_TCP  6
#define EPIPE	     32
#define ECONNABORTED 103
#define ECONNRESET   104
#define ETIMEDOUT    110
#define ECONNREFUSED 111

/*
 * Since 6.17 the tracepoint also runs for segments that could not be sent, and has their error. Its
 * type says so: the load that fits one kernel is no load to the other.
 */
typedef void (*btf_trace_tcp_retransmit_skb)(void *, const struct sock *, const struct sk_buff *,
					     int);

#endif
