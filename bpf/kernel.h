/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few fields of kernel structures that the programs read, relocated when they are loaded
 * (CO-RE). Packet headers are UAPI and need no relocation.
 */
#ifndef PE_BPF_KERNEL_H
#define PE_BPF_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct net;

typedef struct {
	struct net *net;
} possible_net_t;

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	struct nsproxy *nsproxy;
};

struct rtnl_link_ops {
	const char *kind;
};

struct bpf_prog;

struct net_device {
	int ifindex;
	unsigned int mtu;
	__u64 features;
	struct bpf_prog *xdp_prog; /* generic */
	possible_net_t nd_net;
	const struct rtnl_link_ops *rtnl_link_ops; /* NULL for hardware */
};

struct sock_common {
	possible_net_t skc_net;
};

/* Also of the smaller kinds, of a request and of TIME_WAIT. */
struct sock {
	struct sock_common __sk_common;
};

struct dst_entry {
	struct net_device *dev; /* that it is sent from; the loopback device's if it is for us */
};

struct sk_buff {
	unsigned int len;
	unsigned int data_len;
	int skb_iif;	      /* interface of the last reception; 0 for a fresh packet */
	unsigned int napi_id; /* of the NAPI context that received it, or the sending CPU + 1 */
	__u32 vlan_all;	      /* since 6.2 */
	__be16 vlan_proto;
	__be16 protocol;
	unsigned long _skb_refdst; /* a struct dst_entry, with a flag in its lowest bit */
	struct sock *sk;
	/* from head: */
	__u16 mac_header;
	__u16 transport_header;
	__u16 inner_transport_header;
	unsigned int end;
	__u8 pkt_type : 3;
	__u8 cloned : 1;
	__u8 encapsulation : 1;
	__u8 redirected : 1;
	__u8 tc_at_ingress : 1;
	__u8 tc_skip_classify : 1;
	char cb[48]; /* of the layer that has the packet */
	unsigned char *head;
	unsigned char *data;
	struct net_device *dev;
};

struct skb_shared_info {
	__u8 nr_frags;
	unsigned short gso_size;
	unsigned short gso_segs;
	struct sk_buff *frag_list;
	unsigned int gso_type;
};

/* What GRO keeps in skb->cb, until the packet is received. */
struct napi_gro_cb {
	__u16 count; /* of packets in one */
};

/* What matters is only that it consists of parts of 65 bytes: see bytes_at(). */
struct new_utsname {
	char sysname[65];
};

struct xdp_rxq_info {
	struct net_device *dev;
};

struct xdp_buff {
	struct xdp_rxq_info *rxq;
};

#pragma clang attribute pop

/* The verifier replaces these by a register move: they cost nothing. Since 6.2. */
#ifndef PE_PLAIN
#define HAS_CASTS true
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym;
extern void *bpf_rdonly_cast(const void *address, __u32 type) __ksym;
/* Since 6.4, and 6.12 in tracepoints. */
extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags,
			       struct bpf_dynptr *dynptr) __ksym __weak;
#else
#define HAS_CASTS		       false
#define bpf_cast_to_kern_ctx(ctx)      NULL
#define bpf_rdonly_cast(address, type) NULL
#endif

/*
 * An address of the kernel as bytes that can be read: six times 65 of them, at constant offsets, by
 * loads that stay within one of the six. Every load is guarded: 0 where there is no memory. The
 * verifier wants a type, and this one allows loads of any size and alignment.
 */
static __always_inline const void *bytes_at(const void *address)
{
	return bpf_rdonly_cast(address, bpf_core_type_id_kernel(struct new_utsname));
}

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define barrier()   asm volatile("" ::: "memory")
/*
 * Before a 64-bit number is compared with its bound: the compiler then compares the very register
 * that is used, all of it. Verifiers before 6.2 do not find the bound of another, or of its half.
 */
#define hide(x) asm volatile("" : "+r"(x))

#endif
