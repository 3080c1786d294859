/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What abi.h is, of DNS: bpf/dns.bpf.c. */
#ifndef PE_ABI_DNS_H
#define PE_ABI_DNS_H

#include "pe/abi.h"

/* Codes of answers, by their number (RFC 1035 and 2136), then those without a name. */
#define PE_DNS_RCODES_X(X)      \
	X(NOERROR, "noerror")   \
	X(FORMERR, "formerr")   \
	X(SERVFAIL, "servfail") \
	X(NXDOMAIN, "nxdomain") \
	X(NOTIMP, "notimp")     \
	X(REFUSED, "refused")   \
	X(YXDOMAIN, "yxdomain") \
	X(YXRRSET, "yxrrset")   \
	X(NXRRSET, "nxrrset")   \
	X(NOTAUTH, "notauth")   \
	X(NOTZONE, "notzone")   \
	X(OTHER, "other")
#define PE_DNS_RCODE_ENUM(rcode, name) PE_DNS_##rcode,
enum pe_dns_rcode {
	PE_DNS_RCODES_X(PE_DNS_RCODE_ENUM) PE_DNS_RCODES,
};

/* From a query to its answer: X(microseconds, text), as those of TCP. */
/* clang-format off */
#define PE_DNS_BOUNDS_US(X)                                                                \
	X(100, "0.0001") X(250, "0.00025") X(500, "0.0005") X(1000, "0.001")             \
	X(2500, "0.0025") X(5000, "0.005") X(10000, "0.01") X(25000, "0.025")            \
	X(50000, "0.05") X(100000, "0.1") X(250000, "0.25") X(500000, "0.5")             \
	X(1250000, "1.25") X(2500000, "2.5")
/* clang-format on */
#define PE_DNS_BUCKETS (1 PE_DNS_BOUNDS_US(PE_TCP_BOUND_ONE))

/*
 * What became of queries. Each is counted once more:
 *
 *   queries = answers + unanswered + repeated + untracked + pending
 */
struct pe_dns_counts {
	__u64 queries;
	__u64 unanswered; /* for PE_DNS_TIMEOUT_NS, or until the interface went */
	__u64 repeated;	  /* sent again before that: what becomes of the last one is counted */
	__u64 untracked;  /* too many were pending */
	__u64 pending;
	__u64 unmatched; /* answers by UDP to none that was pending: late, or not asked for */
	__u64 answers[PE_DNS_RCODES];
	__u64 time[PE_DNS_BUCKETS]; /* not cumulative */
	__u64 time_sum_ns;
};

/* Of a slot, by the direction of the queries. Atomic; a use of the slot begins at zero. */
struct pe_dns_row {
	struct pe_dns_counts of[PE_DIRECTIONS];
	__u64 unused[4];
};
#define PE_DNS_WORDS (sizeof(struct pe_dns_row) / sizeof(__u64))

/* A pending query. Its answer has the same key. The value is when it was asked, in ns. */
struct pe_dns_key {
	__u64 client[2]; /* of IPv4 four bytes */
	__u64 server[2];
	__u32 token; /* of the interface */
	__be16 port; /* the client's */
	__be16 id;
	__u8 direction; /* of the query */
	__u8 ip_proto;
	__u8 ipv6;
	__u8 unused[5];
};

#define PE_DNS_TIMEOUT_NS 5000000000ull
/* So many queries can be pending at the same time; and of one interface in a direction, so that
 * one cannot take the places of all others. */
#define PE_DNS_PENDING	    16384u
#define PE_DNS_PENDING_EACH (PE_DNS_PENDING / 4)

_Static_assert(sizeof(struct pe_dns_row) == 576, "pe_dns_row shares no line with its neighbour");
_Static_assert(sizeof(struct pe_dns_key) == 48, "pe_dns_key has no hole");

#endif
