/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ingress programs, XDP and TCX, on crafted frames (BPF_PROG_TEST_RUN): what they count, which
 * flow they see, and that they pass every one of them. Needs root; nothing is attached.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pe/clock.h"
#include "pe/log.h"
#include "pe/ring.h"
#include "pe/sample.h"
#include "pe/xdp.h"
#include "../../src/xdp/object.h"

#include "frames.h"
#include "packet_exporter.skel.h"

#define LO_IFINDEX 1 /* BPF_PROG_TEST_RUN says that frames come from the loopback interface */
#define ICMPV6	   58
#define SYN	   0x02
#define ACK	   0x10
#define FIN	   0x01
#define RST	   0x04
#define TCX_NEXT   0xffffffffu
#define TCX_TESTS  (13 * 2) /* the last ones */

struct fixture {
	bool by_tcx, native;
	struct pe_xdp *xdp;
	struct pe_ring *ring;
	uint32_t token;
};

static const struct pe_xdp_options usual = {
	.max_interfaces = 16,
	.rings = 1,
	.flows = true,
	.flow_cache = 1024,
	.ring_size = 1 << 16,
	.active_ns = 60 * PE_NS_PER_S,
	.native = true,
};

static struct fixture *open_fixture(const struct pe_xdp_options *options, unsigned int framing)
{
	struct fixture *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	assert_int_equal(pe_xdp_open(options, &t->xdp), 0);
	assert_int_equal(pe_xdp_ring(t->xdp, 0, &t->ring), 0);
	assert_int_equal(pe_xdp_take(t->xdp, LO_IFINDEX, PE_ORIGIN_LINK | framing, &t->token), 0);
	return t;
}

static void close_fixture(struct fixture *t)
{
	pe_ring_free(t->ring);
	pe_xdp_close(t->xdp);
	free(t);
}

/* Loading takes longer than most tests. Those that leave nothing but flows behind share what is
 * loaded once. */
enum kind { USUAL, PLAIN, LATE, TCX, TCX_COPYING, KINDS };
static struct fixture *shared[KINDS];

/* As on a CPU that has just come. */
static void take_lanes(const struct fixture *t)
{
	int lanes = bpf_map__fd(t->xdp->skel->maps.lanes);

	for (uint32_t i = 0; i < bpf_map__max_entries(t->xdp->skel->maps.lanes); i++)
		bpf_map_delete_elem(lanes, &i);
}

static int share(void **state, enum kind kind)
{
	struct pe_xdp_options options = usual;
	struct fixture *t = shared[kind];

	if (!t) {
		options.plain = kind == PLAIN;
		options.copy_heads = kind == TCX_COPYING;
		t = shared[kind] = open_fixture(&options, 0);
		if (kind == LATE)
			take_lanes(t);
		if (kind >= TCX)
			pe_slots_listen(t->xdp->slots, t->token, PE_SLOT_TCX);
	}
	t->by_tcx = kind >= TCX;
	t->native = false;
	*state = t;
	return 0;
}

static int setup_shared(void **state)
{
	return share(state, USUAL);
}

static int setup_plain(void **state)
{
	return share(state, PLAIN);
}

static int setup_late(void **state)
{
	return share(state, LATE);
}

static int setup_tcx(void **state)
{
	return share(state, TCX);
}

static int setup_tcx_copying(void **state)
{
	return share(state, TCX_COPYING);
}

/* Without the flows that the next test would find. */
static int leave(void **state)
{
	struct fixture *t = *state;
	struct pe_flow record[64];

	assert_int_equal(pe_xdp_sweep(t->xdp, 0), 0);
	while (pe_ring_read(t->ring, record, 64))
		;
	return 0;
}

static int close_shared(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		if (shared[i])
			close_fixture(shared[i]);
	}
	return 0;
}

static int setup(void **state)
{
	*state = open_fixture(&usual, 0);
	return 0;
}

static int setup_l3(void **state)
{
	*state = open_fixture(&usual, PE_SLOT_NO_ETHERNET);
	return 0;
}

static int open_tcx_and_xdp(void **state, bool copy_heads)
{
	struct pe_xdp_options options = usual;
	struct fixture *t;

	options.copy_heads = copy_heads;
	t = open_fixture(&options, 0);
	pe_slots_listen(t->xdp->slots, t->token, PE_SLOT_TCX);
	*state = t;
	return 0;
}

static int setup_tcx_and_xdp(void **state)
{
	return open_tcx_and_xdp(state, false);
}

static int setup_tcx_and_xdp_copying(void **state)
{
	return open_tcx_and_xdp(state, true);
}

static int teardown(void **state)
{
	close_fixture(*state);
	return 0;
}

static int try_run(struct fixture *t, const void *data, size_t len, uint32_t *ret_action)
{
	static unsigned char out[65536 + 256];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = (uint32_t)len,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);
	const struct bpf_program *program = t->by_tcx	? t->xdp->skel->progs.pe_tcx
					    : t->native ? t->xdp->skel->progs.pe_native
							: t->xdp->skel->progs.pe_ingress;
	int r = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);

	*ret_action = opts.retval;
	if (!r)
		assert_memory_equal(out, data, len);
	return r;
}

/* Runs one frame; returns what it added to the counters. */
static struct pe_row run(struct fixture *t, const struct frame *f)
{
	struct pe_row before[PE_DIRECTIONS], after[PE_DIRECTIONS];
	uint64_t *a = (uint64_t *)after, *b = (uint64_t *)before;
	uint32_t action;

	pe_xdp_read(t->xdp, t->token, before);
	assert_int_equal(try_run(t, f->data, f->len, &action), 0);
	assert_int_equal(action, t->by_tcx ? TCX_NEXT : XDP_PASS);
	pe_xdp_read(t->xdp, t->token, after);
	for (size_t i = 0; i < PE_ROW_WORDS * PE_DIRECTIONS; i++)
		a[i] -= b[i];
	assert_int_equal(pe_row_total(&after[PE_EGRESS]).packets, 0);
	return after[PE_INGRESS];
}

/* The flow of what was run since the last call. */
static struct pe_flow flow(struct fixture *t)
{
	struct pe_flow record[2];

	assert_int_equal(pe_xdp_sweep(t->xdp, 0), 0);
	assert_int_equal(pe_ring_read(t->ring, record, 2), 1);
	return record[0];
}

static void no_flow(struct fixture *t)
{
	struct pe_flow record;

	assert_int_equal(pe_xdp_sweep(t->xdp, 0), 0);
	assert_int_equal(pe_ring_read(t->ring, &record, 1), 0);
}

/* Exactly one packet, in this class, with all its bytes. */
static void counted_as(const struct pe_row *row, unsigned int class, size_t bytes)
{
	for (unsigned int i = 0; i < PE_CLASS_COUNT; i++) {
		assert_int_equal(row->class[i].packets, i == class);
		assert_int_equal(row->class[i].bytes, i == class ? bytes : 0);
	}
}

static void test_ipv4_udp(void **state)
{
	struct frame f;
	struct pe_flow record;

	frame_eth(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, 0, 0, 8 + 100);
	frame_udp(&f, 100);
	struct pe_row row = run(*state, &f);

	counted_as(&row, PE_CLASS_IPV4 + PE_PROTO_UDP, 142);
	assert_int_equal(row.size[2], 1); /* 128 < 142 <= 256 */
	assert_int_equal(row.truncated + row.vlan + row.fragments, 0);
	record = flow(*state);
	assert_memory_equal(record.key.saddr, "\x0a\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_memory_equal(record.key.daddr, "\x0a\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(ntohs(record.key.sport), 4000);
	assert_int_equal(ntohs(record.key.dport), 53);
	assert_int_equal(record.key.ip_proto, IPPROTO_UDP);
	assert_int_equal(PE_FLOW_IS_IPV6(record.key.tag), 0);
	assert_int_equal(PE_FLOW_DIRECTION(record.key.tag), PE_INGRESS);
	assert_int_equal(record.packets, 1);
	assert_int_equal(record.bytes, 142);
	assert_int_equal(record.reason, PE_EVICT_IDLE);
}

static void test_ipv4_options(void **state)
{
	for (unsigned int options = 0; options <= 40; options += 4) {
		struct frame f;

		frame_eth(&f, ETH_P_IP);
		frame_ipv4(&f, IPPROTO_TCP, options, 0, 20);
		frame_tcp(&f, ACK);
		struct pe_row row = run(*state, &f);

		counted_as(&row, PE_CLASS_IPV4 + PE_PROTO_TCP, f.len);
		assert_int_equal(ntohs(flow(*state).key.dport), 443);
	}
}

static void test_tcp_flags(void **state)
{
	static const struct {
		unsigned int flags;
		uint64_t expect[PE_TCP_KINDS];
	} cases[] = {
		{ SYN, { 1, 0, 0, 0 } },       { SYN | ACK, { 0, 1, 0, 0 } },
		{ ACK, { 0, 0, 0, 0 } },       { FIN | ACK, { 0, 0, 1, 0 } },
		{ RST, { 0, 0, 0, 1 } },       { RST | ACK, { 0, 0, 0, 1 } },
		{ SYN | FIN, { 1, 0, 1, 0 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct frame f;

		frame_eth(&f, ETH_P_IP);
		frame_ipv4(&f, IPPROTO_TCP, 0, 0, 20);
		frame_tcp(&f, cases[i].flags);
		struct pe_row row = run(*state, &f);

		for (unsigned int kind = 0; kind < PE_TCP_KINDS; kind++)
			assert_int_equal(row.tcp[kind], cases[i].expect[kind]);
		assert_int_equal(flow(*state).tcp_flags, cases[i].flags);
	}
}

static void test_ipv4_protocols(void **state)
{
	for (unsigned int protocol = 0; protocol < 256; protocol++) {
		struct frame f;

		frame_eth(&f, ETH_P_IP);
		frame_ipv4(&f, protocol, 0, 0, 40);
		frame_fill(&f, f.len + 40);
		struct pe_row row = run(*state, &f);

		counted_as(&row, PE_CLASS_IPV4 + pe_proto_from_ip((uint8_t)protocol), 74);
		assert_int_equal(flow(*state).key.ip_proto, protocol);
	}
}

static void test_ipv4_fragments(void **state)
{
	struct frame f;

	/* The first has ports, the others do not; "do not fragment" alone is no fragment. */
	frame_eth(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, 0, 0x2000, 8 + 64);
	frame_udp(&f, 64);
	assert_int_equal(run(*state, &f).fragments, 1);
	assert_int_equal(ntohs(flow(*state).key.sport), 4000);

	frame_eth(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, 0, 0x0010, 8 + 64);
	frame_udp(&f, 64);
	struct pe_row row = run(*state, &f);

	assert_int_equal(row.fragments, 1);
	counted_as(&row, PE_CLASS_IPV4 + PE_PROTO_UDP, f.len);
	assert_int_equal(flow(*state).key.sport, 0);

	frame_eth(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, 0, 0x4000, 8 + 64);
	frame_udp(&f, 64);
	assert_int_equal(run(*state, &f).fragments, 0);
}

static void test_ipv4_malformed(void **state)
{
	struct frame f;

	frame_eth(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, 0, 0, 8);
	frame_udp(&f, 0);
	f.data[14] = 0x44; /* a header of 16 bytes */
	struct pe_row row = run(*state, &f);

	counted_as(&row, PE_CLASS_IPV4 + PE_PROTO_OTHER, f.len);
	no_flow(*state);
	/* No address is known, so there is no flow, and none was lost. */
	assert_int_equal(row.lost[PE_PROTO_OTHER].packets, 0);

	f.data[14] = 0x65; /* version 6 under IPv4's type */
	row = run(*state, &f);
	counted_as(&row, PE_CLASS_IPV4 + PE_PROTO_OTHER, f.len);
}

static void test_ipv6(void **state)
{
	struct frame f;
	struct pe_flow record;

	frame_eth(&f, ETH_P_IPV6);
	frame_ipv6(&f, IPPROTO_UDP, 8);
	frame_udp(&f, 0);
	struct pe_row row = run(*state, &f);

	counted_as(&row, PE_CLASS_IPV6 + PE_PROTO_UDP, 62);
	record = flow(*state);
	assert_memory_equal(record.key.saddr, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	assert_memory_equal(record.key.daddr, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16);
	assert_int_equal(ntohs(record.key.dport), 53);
	assert_int_equal(PE_FLOW_IS_IPV6(record.key.tag), 1);

	frame_eth(&f, ETH_P_IPV6);
	frame_ipv6(&f, ICMPV6, 8);
	frame_add(&f, "\x80\x00\x00\x00\x00\x00\x00\x00", 8);
	row = run(*state, &f);
	counted_as(&row, PE_CLASS_IPV6 + PE_PROTO_ICMPV6, 62);
	assert_int_equal(ntohs(flow(*state).key.sport), 0x8000);
}

static void test_ipv6_extensions(void **state)
{
	static const unsigned int kinds[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS };

	for (unsigned int depth = 0; depth <= 6; depth++) {
		struct frame f;

		frame_eth(&f, ETH_P_IPV6);
		frame_ipv6(&f, depth ? kinds[0] : IPPROTO_TCP, 0);
		for (unsigned int i = 0; i < depth; i++)
			frame_extension(&f, i + 1 < depth ? kinds[(i + 1) % 3] : IPPROTO_TCP,
					i % 4);
		frame_tcp(&f, SYN);
		struct pe_row row = run(*state, &f);

		counted_as(&row, PE_CLASS_IPV6 + PE_PROTO_TCP, f.len);
		assert_int_equal(row.tcp[PE_TCP_SYN], 1);
		assert_int_equal(ntohs(flow(*state).key.sport), 40000);
	}
}

static void test_ipv6_too_many_extensions(void **state)
{
	struct frame f;

	frame_eth(&f, ETH_P_IPV6);
	frame_ipv6(&f, IPPROTO_DSTOPTS, 0);
	for (unsigned int i = 0; i < 20; i++)
		frame_extension(&f, i < 19 ? IPPROTO_DSTOPTS : IPPROTO_TCP, 0);
	frame_tcp(&f, SYN);
	struct pe_row row = run(*state, &f);

	counted_as(&row, PE_CLASS_IPV6 + PE_PROTO_OTHER, f.len);
	assert_int_equal(flow(*state).bytes, f.len);
}

static void test_ipv6_fragments(void **state)
{
	static const struct {
		unsigned int field;
		bool fragment, ports;
	} cases[] = {
		{ 0x0000, false, true }, /* atomic: RFC 6946 */
		{ 0x0001, true, true },
		{ 0x0008, true, false },
		{ 0x0009, true, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct frame f;

		frame_eth(&f, ETH_P_IPV6);
		frame_ipv6(&f, IPPROTO_FRAGMENT, 8 + 8 + 32);
		frame_fragment(&f, IPPROTO_UDP, cases[i].field);
		frame_udp(&f, 32);
		struct pe_row row = run(*state, &f);

		counted_as(&row, PE_CLASS_IPV6 + PE_PROTO_UDP, f.len);
		assert_int_equal(row.fragments, cases[i].fragment);
		assert_int_equal(ntohs(flow(*state).key.sport), cases[i].ports ? 4000 : 0);
	}
}

static void test_vlan(void **state)
{
	struct frame f;
	struct pe_row row;

	frame_eth(&f, ETH_P_8021Q);
	frame_vlan(&f, 7, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, 0, 0, 8);
	frame_udp(&f, 0);
	row = run(*state, &f);
	counted_as(&row, PE_CLASS_IPV4 + PE_PROTO_UDP, f.len);
	assert_int_equal(row.vlan, 1);

	frame_eth(&f, ETH_P_8021AD);
	frame_vlan(&f, 7, ETH_P_8021Q);
	frame_vlan(&f, 8, ETH_P_IPV6);
	frame_ipv6(&f, IPPROTO_UDP, 8);
	frame_udp(&f, 0);
	row = run(*state, &f);
	counted_as(&row, PE_CLASS_IPV6 + PE_PROTO_UDP, f.len);
	assert_int_equal(row.vlan, 1);

	/* A third tag is not followed. */
	frame_eth(&f, ETH_P_8021AD);
	frame_vlan(&f, 7, ETH_P_8021Q);
	frame_vlan(&f, 8, ETH_P_8021Q);
	frame_vlan(&f, 9, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, 0, 0, 8);
	frame_udp(&f, 0);
	row = run(*state, &f);
	counted_as(&row, PE_CLASS_OTHER, f.len);
	assert_int_equal(row.vlan, 1);

	frame_eth(&f, ETH_P_8021Q);
	frame_vlan(&f, 7, ETH_P_ARP);
	frame_fill(&f, 60);
	row = run(*state, &f);
	counted_as(&row, PE_CLASS_ARP, 60);
}

static void test_not_ip(void **state)
{
	static const struct {
		unsigned int ethertype, class;
	} cases[] = {
		{ ETH_P_ARP, PE_CLASS_ARP },	    { ETH_P_RARP, PE_CLASS_OTHER },
		{ ETH_P_MPLS_UC, PE_CLASS_OTHER },  { ETH_P_LLDP, PE_CLASS_OTHER },
		{ 38 /* 802.3 */, PE_CLASS_OTHER }, { 0, PE_CLASS_OTHER },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct frame f;

		frame_eth(&f, cases[i].ethertype);
		frame_fill(&f, 60);
		struct pe_row row = run(*state, &f);

		counted_as(&row, cases[i].class, 60);
		assert_int_equal(row.truncated, 0);
		no_flow(*state);
	}
}

static void test_no_ethernet(void **state)
{
	struct frame f;
	struct pe_row row;

	f.len = 0;
	frame_ipv4(&f, IPPROTO_TCP, 0, 0, 20);
	frame_tcp(&f, SYN);
	row = run(*state, &f);
	counted_as(&row, PE_CLASS_IPV4 + PE_PROTO_TCP, 40);
	assert_int_equal(ntohs(flow(*state).key.dport), 443);

	f.len = 0;
	frame_ipv6(&f, IPPROTO_UDP, 8);
	frame_udp(&f, 0);
	row = run(*state, &f);
	counted_as(&row, PE_CLASS_IPV6 + PE_PROTO_UDP, 48);
	assert_int_equal(ntohs(flow(*state).key.dport), 53);

	f.data[0] = 0;
	row = run(*state, &f);
	counted_as(&row, PE_CLASS_OTHER, 48);
}

/* The class a frame must be counted in when only `len` bytes of it are there. */
static void expect_cut(struct fixture *t, const struct frame *whole, size_t len, size_t l3,
		       size_t addresses, size_t l4, unsigned int family, unsigned int full)
{
	struct frame f = *whole;
	struct pe_row row;

	f.len = len;
	row = run(t, &f);
	if (len < l3)
		counted_as(&row, PE_CLASS_OTHER, len);
	else if (len < addresses)
		counted_as(&row, family, len);
	else
		counted_as(&row, full, len);
	assert_int_equal(row.truncated, len < l4);
	/* What is not there was not lost for want of room. */
	for (size_t i = 0; i < PE_PROTO_COUNT; i++)
		assert_int_equal(row.lost[i].packets, 0);
	if (len >= addresses)
		assert_int_equal(flow(t).bytes, len);
	else
		no_flow(t);
}

static void test_truncated(void **state)
{
	struct frame v4, v6, tagged;
	uint32_t action;

	frame_eth(&v4, ETH_P_IP);
	frame_ipv4(&v4, IPPROTO_TCP, 0, 0, 20 + 200);
	frame_tcp(&v4, SYN);
	frame_fill(&v4, 254);
	frame_eth(&v6, ETH_P_IPV6);
	frame_ipv6(&v6, IPPROTO_UDP, 8 + 200);
	frame_udp(&v6, 200);
	frame_eth(&tagged, ETH_P_8021Q);
	frame_vlan(&tagged, 7, ETH_P_IP);
	frame_ipv4(&tagged, IPPROTO_ICMP, 8, 0, 200);
	frame_fill(&tagged, 254);

	for (size_t len = 0; len <= 128; len++) {
		/* The kernel gives no program less than an Ethernet header. */
		if (len < ETH_HLEN) {
			assert_int_equal(try_run(*state, v4.data, len, &action), -EINVAL);
			continue;
		}
		expect_cut(*state, &v4, len, 14, 34, 48, PE_CLASS_IPV4,
			   PE_CLASS_IPV4 + PE_PROTO_TCP);
		expect_cut(*state, &v6, len, 14, 54, 58, PE_CLASS_IPV6,
			   PE_CLASS_IPV6 + PE_PROTO_UDP);
		expect_cut(*state, &tagged, len, 18, 38, 48, PE_CLASS_IPV4,
			   PE_CLASS_IPV4 + PE_PROTO_ICMP);
	}
}

/* All of a frame's length, also of one in several buffers and of one whose IP header lies about it.
 */
static void test_long_frames(void **state)
{
	static const size_t lengths[] = { 60,	64,   65,   128,   129,	  256,	 257,	512,
					  513,	1024, 1025, 1514,  2048,  2049,	 4096,	4097,
					  8192, 8193, 9014, 16384, 16385, 32768, 32769, 65000 };
	static const size_t bounds[] = { PE_SIZE_BOUNDS(PE_BOUND_NUMBER) };
	static unsigned char data[65536];
	struct fixture *t = *state;
	struct frame f;

	for (size_t i = 0; i < 4 * sizeof(lengths) / sizeof(*lengths); i++) {
		struct pe_row before[PE_DIRECTIONS], after[PE_DIRECTIONS];
		size_t len = lengths[i / 4], bucket = 0;
		bool honest = i % 2;
		uint32_t action;

		/* Others than the native program get frames in one buffer only. */
		t->native = i / 2 % 2;
		if (!t->native && len > 2049)
			continue;
		while (bucket < PE_SIZE_BUCKETS - 1 && len > bounds[bucket])
			bucket++;
		frame_eth(&f, ETH_P_IP);
		frame_ipv4(&f, IPPROTO_UDP, 0, 0, honest ? len - 34 : 8);
		frame_udp(&f, 0);
		memset(data, 0, sizeof(data));
		memcpy(data, f.data, f.len);
		pe_xdp_read(t->xdp, t->token, before);
		assert_int_equal(try_run(t, data, len, &action), 0);
		assert_int_equal(action, t->by_tcx ? TCX_NEXT : XDP_PASS);
		pe_xdp_read(t->xdp, t->token, after);
		assert_int_equal(pe_row_total(&after[PE_INGRESS]).bytes -
					 pe_row_total(&before[PE_INGRESS]).bytes,
				 len);
		assert_int_equal(after[PE_INGRESS].size[bucket],
				 before[PE_INGRESS].size[bucket] + 1);
	}
}

/* Packets of one flow become one record. */
static void test_flow_gathers(void **state)
{
	struct frame f;
	struct pe_flow record;

	frame_eth(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_TCP, 0, 0, 20);
	for (unsigned int i = 0; i < 1000; i++) {
		struct frame one = f;

		frame_tcp(&one, i == 0 ? SYN : i == 999 ? FIN | ACK : ACK);
		run(*state, &one);
	}
	record = flow(*state);
	assert_int_equal(record.packets, 1000);
	assert_int_equal(record.bytes, 54000);
	assert_int_equal(record.tcp_flags, SYN | ACK | FIN);
}

/* A flow that never pauses is reported when it has gathered for long enough. */
static void test_flow_active(void **state)
{
	const uint64_t active_ns = 200 * PE_NS_PER_MS;
	struct pe_xdp_options options = usual;
	struct fixture *t;
	struct pe_flow record;
	struct frame f;
	uint64_t packets = 0;
	uint32_t first;

	options.active_ns = active_ns;
	t = open_fixture(&options, 0);
	frame_eth(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, 0, 0, 8);
	frame_udp(&f, 0);
	do {
		run(t, &f);
		packets++;
		assert_true(packets < 10000000);
	} while (!pe_ring_pending(t->ring));
	assert_int_equal(pe_ring_read(t->ring, &record, 1), 1);
	assert_int_equal(record.reason, PE_EVICT_ACTIVE);
	assert_int_equal(record.packets, packets - 1);
	assert_true(record.last > record.first);
	assert_true(record.last - record.first <= active_ns / pe_clock_tick_ns());
	first = record.first;
	/* The packet that it took begins the next record. */
	record = flow(t);
	assert_int_equal(record.packets, 1);
	assert_true(record.first - first > active_ns / pe_clock_tick_ns());
	close_fixture(t);
}

/* A pause is in no record: the time of a record is from its first packet to its last. */
static void test_flow_pauses(void **state)
{
	const uint32_t pause = 100 * PE_NS_PER_MS / pe_clock_tick_ns();
	struct pe_xdp_options options = usual;
	struct pe_flow record[2];
	struct fixture *t;
	struct frame f;

	options.active_ns = 20 * PE_NS_PER_MS;
	t = open_fixture(&options, 0);
	frame_eth(&f, ETH_P_IPV6);
	frame_ipv6(&f, IPPROTO_UDP, 8);
	frame_udp(&f, 0);
	run(t, &f);
	assert_int_equal(poll(NULL, 0, 100), 0);
	run(t, &f);
	assert_int_equal(pe_ring_read(t->ring, &record[0], 2), 1);
	record[1] = flow(t);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(record[i].packets, 1);
		assert_int_equal(record[i].bytes, f.len);
		assert_int_equal(record[i].last, record[i].first);
	}
	assert_true(record[1].first - record[0].first >= pause);
	close_fixture(t);
}

/* A flow is reported before its 32 bits for bytes are full. */
static void test_flow_of_many_bytes(void **state)
{
	static unsigned char out[sizeof(((struct frame *)NULL)->data)];
	struct fixture *t = *state;
	struct pe_flow record[2];
	struct frame f;

	frame_eth(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, 0, 0, 2980);
	frame_udp(&f, 0);
	frame_fill(&f, 3000);

	const unsigned int packets = PE_FLOW_BYTES_MAX / 3000 * 3 / 2;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.data, .data_size_in = (uint32_t)f.len,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = (int)packets);

	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(t->xdp->skel->progs.pe_ingress), &opts), 0);
	record[0] = (struct pe_flow){ 0 };
	assert_int_equal(pe_ring_read(t->ring, &record[0], 2), 1);
	assert_in_range(record[0].bytes, PE_FLOW_BYTES_MAX - 3000, PE_FLOW_BYTES_MAX);
	record[1] = flow(t);
	assert_int_equal(record[0].packets + record[1].packets, packets);
	assert_int_equal(record[0].bytes + record[1].bytes, packets * UINT64_C(3000));
}

/* A packet of one of many flows: `source` is the end of its source address. Returns its length. */
static size_t run_source(struct fixture *t, bool ipv6, uint32_t source, unsigned int payload)
{
	const uint32_t network = htonl(source);
	struct frame f;
	uint32_t action;

	frame_eth(&f, ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	if (ipv6)
		frame_ipv6(&f, IPPROTO_UDP, 8 + payload);
	else
		frame_ipv4(&f, IPPROTO_UDP, 0, 0, 8 + payload);
	frame_udp(&f, payload);
	memcpy(&f.data[ipv6 ? 34 : 26], &network, 4);
	assert_int_equal(try_run(t, f.data, f.len, &action), 0);
	assert_int_equal(action, XDP_PASS);
	return f.len;
}

static uint32_t source_of(const struct pe_flow *record)
{
	uint32_t source;

	memcpy(&source, &record->key.saddr[PE_FLOW_IS_IPV6(record->key.tag) ? 12 : 0], 4);
	return ntohl(source);
}

/* Ring full: totals stay exact, and what the flows lack is counted to the byte. */
static void test_ring_full(void **state)
{
	struct pe_xdp_options options = usual;
	struct fixture *t;
	struct pe_row row[PE_DIRECTIONS];
	struct pe_flow batch[64];
	uint64_t packets = 0, bytes = 0, lost_packets = 0, lost_bytes = 0, sent = 0;
	struct pe_xdp_stats stats;
	size_t n;

	options.flow_cache = 64;
	options.ring_size = 4096;
	t = open_fixture(&options, 0);
	for (uint32_t i = 0; i < 100000; i++)
		sent += run_source(t, i % 2, i, i % 64);
	do {
		pe_xdp_sweep(t->xdp, 0);
		n = pe_ring_read(t->ring, batch, 64);
		for (size_t i = 0; i < n; i++) {
			packets += batch[i].packets;
			bytes += batch[i].bytes;
		}
	} while (n);
	pe_xdp_read(t->xdp, t->token, row);
	for (unsigned int proto = 0; proto < PE_PROTO_COUNT; proto++) {
		lost_packets += row[PE_INGRESS].lost[proto].packets;
		lost_bytes += row[PE_INGRESS].lost[proto].bytes;
	}
	assert_int_equal(row[PE_INGRESS].class[PE_CLASS_IPV4 + PE_PROTO_UDP].packets, 50000);
	assert_int_equal(row[PE_INGRESS].class[PE_CLASS_IPV6 + PE_PROTO_UDP].packets, 50000);
	assert_int_equal(pe_row_total(&row[PE_INGRESS]).bytes, sent);
	assert_true(lost_packets > 90000);
	assert_true(packets > 0);
	assert_int_equal(packets + lost_packets, 100000);
	assert_int_equal(bytes + lost_bytes, sent);
	pe_xdp_get_stats(t->xdp, &stats);
	assert_int_equal(stats.flows, 0);
	assert_int_equal(stats.lost, lost_packets);
	close_fixture(t);
}

/* The default cache suits the host; what cannot be kept in a record is refused. */
static void test_options(void **state)
{
	struct pe_xdp_options options = usual;
	struct pe_xdp *xdp;
	uint64_t bytes, cpus;

	(void)state;
	options.flow_cache = 64;
	assert_int_equal(pe_xdp_open(&options, &xdp), 0);
	cpus = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	bytes = pe_xdp_map_bytes(xdp);
	pe_xdp_close(xdp);
	options.flow_cache = 0;
	assert_int_equal(pe_xdp_open(&options, &xdp), 0);
	bytes = pe_xdp_map_bytes(xdp) - bytes +
		cpus * 64 / PE_PAIR_FLOWS * sizeof(struct pe_flow_pair);
	pe_xdp_close(xdp);
	assert_in_range(bytes / cpus, 256 << 10, 2 << 20);
	assert_true(bytes <= 32 << 20 || bytes / cpus == 256 << 10);
	assert_true(bytes > 16 << 20 || bytes / cpus == 2 << 20);
	options.active_ns = PE_FLOW_SPAN_MAX * pe_clock_tick_ns();
	assert_int_equal(pe_xdp_open(&options, &xdp), -EINVAL);
}

/* A CPU that has come says what it lacks; without a flow cache its packets are lost to flows. */
static void test_late_cpu(void **state)
{
	struct fixture *t = open_fixture(&usual, 0);
	uint32_t cpu = (uint32_t)sched_getcpu();
	struct pe_row row[PE_DIRECTIONS];
	struct pe_xdp_stats stats;

	(void)state;
	run_source(t, false, 1, 0);
	assert_int_equal(pe_xdp_cpu(t->xdp, cpu)->lacks, 0);
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(t->xdp->skel->maps.flows), &cpu), 0);
	run_source(t, false, 1, 0);
	run_source(t, true, 1, 0);
	assert_int_equal(pe_xdp_cpu(t->xdp, cpu)->lacks, 1);
	pe_xdp_get_stats(t->xdp, &stats);
	assert_int_equal(stats.bypassed, 2);
	pe_xdp_read(t->xdp, t->token, row);
	assert_int_equal(pe_row_total(&row[PE_INGRESS]).packets, 3);
	assert_int_equal(row[PE_INGRESS].lost[PE_PROTO_UDP].packets, 2);
	/* That it has memory was known: nothing is made again. */
	pe_xdp_follow_cpus(t->xdp);
	close_fixture(t);
}

/* Only the counters are left. */
static void test_without_flows(void **state)
{
	struct pe_xdp_options options = usual;
	struct fixture t = { 0 };
	struct pe_row row[PE_DIRECTIONS];
	struct pe_xdp_stats stats;
	uint64_t bytes;

	(void)state;
	options.flow_cache = 65536;
	assert_int_equal(pe_xdp_open(&options, &t.xdp), 0);
	bytes = pe_xdp_map_bytes(t.xdp);
	pe_xdp_close(t.xdp);
	options.flows = false;
	assert_int_equal(pe_xdp_open(&options, &t.xdp), 0);
	assert_true(pe_xdp_map_bytes(t.xdp) + (2 << 20) + options.ring_size < bytes);
	assert_int_equal(pe_xdp_ring(t.xdp, 0, &t.ring), -EINVAL);
	assert_int_equal(pe_xdp_take(t.xdp, LO_IFINDEX, PE_ORIGIN_LINK, &t.token), 0);
	run_source(&t, false, 1, 0);
	run_source(&t, true, 1, 0);
	pe_xdp_read(t.xdp, t.token, row);
	assert_int_equal(pe_row_total(&row[PE_INGRESS]).packets, 2);
	assert_int_equal(row[PE_INGRESS].lost[PE_PROTO_UDP].packets, 0);
	pe_xdp_get_stats(t.xdp, &stats);
	assert_int_equal(stats.flows + stats.bypassed + stats.lost, 0);
	assert_int_equal(pe_xdp_sweep(t.xdp, 0), 0);
	pe_xdp_close(t.xdp);
}

/* One ring sees all of a flow, and every ring sees some. */
static void test_ring_by_flow(void **state)
{
	bool ipv6 = *state != NULL;
	struct pe_xdp_options options = usual;
	struct pe_ring *rings[3];
	struct fixture *t;
	unsigned int seen[1024], per_ring[3] = { 0 };

	options.rings = 3;
	t = open_fixture(&options, 0);
	rings[0] = t->ring;
	assert_int_equal(pe_xdp_ring(t->xdp, 1, &rings[1]), 0);
	assert_int_equal(pe_xdp_ring(t->xdp, 2, &rings[2]), 0);
	memset(seen, 0xff, sizeof(seen));
	for (int pass = 0; pass < 3; pass++) {
		for (uint32_t i = 0; i < 1024; i++)
			run_source(t, ipv6, i, 0);
		pe_xdp_sweep(t->xdp, 0);
		for (unsigned int ring = 0; ring < 3; ring++) {
			struct pe_flow record;

			while (pe_ring_read(rings[ring], &record, 1)) {
				uint32_t i = source_of(&record);

				assert_true(seen[i] == -1u || seen[i] == ring);
				seen[i] = ring;
				per_ring[ring]++;
			}
		}
	}
	for (unsigned int ring = 0; ring < 3; ring++)
		assert_true(per_ring[ring] > 600);
	pe_ring_free(rings[1]);
	pe_ring_free(rings[2]);
	close_fixture(t);
}

/* The sweep of one CPU keeps to its own part, also of a cache that is smaller than one step of it.
 */
static void test_sweep_keeps_to_its_cpu(void **state)
{
	struct pe_xdp_options options = usual;
	struct fixture *t;
	struct pe_flow batch[64];
	struct pe_xdp_stats stats;
	cpu_set_t before, one;
	unsigned int cpus = 0;
	uint64_t packets = 0;
	size_t n;

	options.flow_cache = 64;
	t = open_fixture(&options, 0);
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (unsigned int cpu = 0; cpu < t->xdp->cpus; cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) < 0)
			continue;
		cpus++;
		for (uint32_t i = 0; i < 60; i++)
			run_source(t, i % 3 == 0, cpu << 16 | i, 0);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(pe_xdp_sweep(t->xdp, 0), 0);
	while ((n = pe_ring_read(t->ring, batch, 64))) {
		for (size_t i = 0; i < n; i++)
			packets += batch[i].packets;
	}
	pe_xdp_get_stats(t->xdp, &stats);
	assert_int_equal(packets, 60 * cpus);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(stats.flows, 0);
	close_fixture(t);
}

/* Quiet flows are swept a quarter of the cache a call. */
static void test_sweep_in_parts(void **state)
{
	struct pe_xdp_options options = usual;
	struct pe_flow batch[64];
	uint64_t packets = 0, left;
	struct fixture *t;
	size_t n;

	(void)state;
	options.flow_cache = 4096;
	options.ring_size = 1 << 20;
	t = open_fixture(&options, 0);
	for (uint32_t i = 0; i < 2000; i++)
		run_source(t, i % 2, i, 0);
	assert_int_equal(poll(NULL, 0, 3 * pe_clock_tick_ns() / PE_NS_PER_MS), 0);
	left = pe_xdp_sweep(t->xdp, PE_NS_PER_MS);
	assert_in_range(left, 1000, 1800);
	assert_int_equal(pe_xdp_sweep(t->xdp, 3600 * PE_NS_PER_S), left);
	for (int i = 0; i < 3; i++)
		left = pe_xdp_sweep(t->xdp, PE_NS_PER_MS);
	/* The part whose flows were called too young. */
	assert_in_range(left, 1, 1000);
	assert_int_equal(pe_xdp_sweep(t->xdp, PE_NS_PER_MS), 0);
	while ((n = pe_ring_read(t->ring, batch, 64))) {
		for (size_t i = 0; i < n; i++)
			packets += batch[i].packets;
	}
	assert_int_equal(packets, 2000);
	close_fixture(t);
}

/* Each use of a slot begins at zero; a stopped one counts no more. */
static void test_slots(void **state)
{
	struct fixture *t = *state;
	struct pe_row row[PE_DIRECTIONS];
	struct frame f;
	uint32_t token, action;

	frame_eth(&f, ETH_P_ARP);
	frame_fill(&f, 60);
	run(t, &f);
	pe_xdp_stop(t->xdp, t->token);
	assert_int_equal(try_run(t, f.data, f.len, &action), 0);
	assert_int_equal(action, XDP_PASS);
	pe_xdp_read(t->xdp, t->token, row);
	assert_int_equal(pe_row_total(&row[PE_INGRESS]).packets, 1);
	pe_xdp_give_back(t->xdp, t->token);

	assert_int_equal(pe_xdp_take(t->xdp, LO_IFINDEX, PE_ORIGIN_LINK, &token), 0);
	assert_int_not_equal(token, t->token);
	t->token = token;
	run(t, &f);
	run(t, &f);
	pe_xdp_read(t->xdp, token, row);
	assert_int_equal(pe_row_total(&row[PE_INGRESS]).packets, 2);
}

/* Whoever has a slot is not ignored, wherever in its set of the table it is. */
static void test_slots_ignored(void **state)
{
	struct fixture *t = *state;
	int sets = (int)bpf_map__max_entries(t->xdp->skel->maps.interfaces);
	struct pe_row row;
	struct frame f;
	uint32_t other;

	frame_eth(&f, ETH_P_ARP);
	frame_fill(&f, 60);
	pe_xdp_stop(t->xdp, t->token);
	assert_int_equal(pe_xdp_take(t->xdp, LO_IFINDEX + sets, PE_ORIGIN_LINK, &other), 0);
	assert_int_equal(pe_xdp_take(t->xdp, LO_IFINDEX, PE_ORIGIN_LINK, &t->token), 0);
	pe_xdp_stop(t->xdp, other);
	pe_xdp_ignore(t->xdp, LO_IFINDEX, true);
	row = run(t, &f);
	assert_int_equal(pe_row_total(&row).packets, 1);
	pe_xdp_ignore(t->xdp, LO_IFINDEX, false);
	row = run(t, &f);
	assert_int_equal(pe_row_total(&row).packets, 1);
}

static void test_slots_limit(void **state)
{
	struct fixture *t = *state;
	uint32_t tokens[16], more;

	for (unsigned int i = 1; i < usual.max_interfaces; i++)
		assert_int_equal(pe_xdp_take(t->xdp, 100 + (int)i, PE_ORIGIN_LINK, &tokens[i]), 0);
	assert_int_equal(pe_xdp_take(t->xdp, 200, PE_ORIGIN_LINK, &more), -ENOSPC);
	pe_xdp_give_back(t->xdp, tokens[3]);
	assert_int_equal(pe_xdp_take(t->xdp, 200, PE_ORIGIN_LINK, &more), 0);
}

/* As a packet passes an interface where one of them is, or both: XDP first. */
static void pass(struct fixture *t, bool xdp, bool tcx)
{
	struct frame f;
	uint32_t action;

	frame_eth(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, 0, 0, 30);
	frame_udp(&f, 22);
	for (int by_tcx = !xdp; by_tcx <= tcx; by_tcx++) {
		t->by_tcx = by_tcx;
		assert_int_equal(try_run(t, f.data, f.len, &action), 0);
		assert_int_equal(action, by_tcx ? TCX_NEXT : XDP_PASS);
	}
}

static uint64_t passed(struct fixture *t)
{
	struct pe_row row[PE_DIRECTIONS];

	pe_xdp_read(t->xdp, t->token, row);
	return pe_row_total(&row[PE_INGRESS]).packets;
}

/* From one to the other and back, over and over: each packet once. */
static void test_tcx_and_xdp(void **state)
{
	struct fixture *t = *state;
	uint64_t packets = 0;

	for (int i = 0; i < 10; i++) {
		pe_slots_listen(t->xdp->slots, t->token, PE_SLOT_TCX);
		pass(t, false, true);
		assert_int_equal(passed(t), ++packets);
		/* XDP comes, and TCX has yet to go. */
		for (int j = 0; j < i; j++)
			pass(t, true, true);
		assert_int_equal(passed(t), packets += (uint64_t)i);
		/* XDP is taken off at once. */
		if (i % 2) {
			pass(t, false, true);
			assert_int_equal(passed(t), ++packets);
			pass(t, true, true);
			packets++;
		}
		/* TCX has gone, and XDP does not know yet. */
		pass(t, true, false);
		assert_int_equal(passed(t), ++packets);
		pe_slots_change(t->xdp->slots, t->token, PE_SLOT_TCX, 0);
		pass(t, true, false);
		assert_int_equal(passed(t), ++packets);
		/* Nor does TCX count without the flag. */
		pass(t, false, true);
		assert_int_equal(passed(t), packets);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup_shared, leave)
		WITH(test_ipv4_udp),
		WITH(test_ipv4_options),
		WITH(test_tcp_flags),
		WITH(test_ipv4_protocols),
		WITH(test_ipv4_fragments),
		WITH(test_ipv4_malformed),
		WITH(test_ipv6),
		WITH(test_ipv6_extensions),
		WITH(test_ipv6_too_many_extensions),
		WITH(test_ipv6_fragments),
		WITH(test_vlan),
		WITH(test_not_ip),
		cmocka_unit_test_setup_teardown(test_no_ethernet, setup_l3, teardown),
		WITH(test_truncated),
		WITH(test_long_frames),
		WITH(test_flow_gathers),
		cmocka_unit_test(test_flow_active),
		cmocka_unit_test(test_flow_pauses),
		WITH(test_flow_of_many_bytes),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_ring_full),
		cmocka_unit_test(test_ring_by_flow),
		{ "test_ring_by_flow_ipv6", test_ring_by_flow, NULL, NULL, (void *)"" },
		cmocka_unit_test(test_sweep_keeps_to_its_cpu),
		cmocka_unit_test(test_sweep_in_parts),
		cmocka_unit_test_setup_teardown(test_slots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slots_ignored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slots_limit, setup, teardown),
#define WITH_PLAIN(test) { #test "_plain", test, setup_plain, leave, NULL }
		WITH_PLAIN(test_ipv4_udp),
		WITH_PLAIN(test_ipv4_options),
		WITH_PLAIN(test_tcp_flags),
		WITH_PLAIN(test_ipv4_protocols),
		WITH_PLAIN(test_ipv4_fragments),
		WITH_PLAIN(test_ipv4_malformed),
		WITH_PLAIN(test_ipv6),
		WITH_PLAIN(test_ipv6_extensions),
		WITH_PLAIN(test_ipv6_too_many_extensions),
		WITH_PLAIN(test_ipv6_fragments),
		WITH_PLAIN(test_vlan),
		WITH_PLAIN(test_not_ip),
		WITH_PLAIN(test_truncated),
		WITH_PLAIN(test_long_frames),
		WITH_PLAIN(test_flow_gathers),
#define WITH_LATE(test) { #test "_on_late_cpu", test, setup_late, leave, NULL }
		WITH_LATE(test_ipv4_udp),
		WITH_LATE(test_tcp_flags),
		WITH_LATE(test_ipv4_protocols),
		WITH_LATE(test_ipv4_fragments),
		WITH_LATE(test_ipv6),
		WITH_LATE(test_vlan),
		WITH_LATE(test_not_ip),
		WITH_LATE(test_truncated),
		cmocka_unit_test(test_late_cpu),
		cmocka_unit_test(test_without_flows),
#define WITH_TCX(test)                                  \
	{ #test "_tcx", test, setup_tcx, leave, NULL }, \
		{ #test "_tcx_copied", test, setup_tcx_copying, leave, NULL }
		WITH_TCX(test_ipv4_udp),
		WITH_TCX(test_ipv4_options),
		WITH_TCX(test_tcp_flags),
		WITH_TCX(test_ipv4_protocols),
		WITH_TCX(test_ipv4_fragments),
		WITH_TCX(test_ipv4_malformed),
		WITH_TCX(test_ipv6),
		WITH_TCX(test_ipv6_extensions),
		WITH_TCX(test_ipv6_too_many_extensions),
		WITH_TCX(test_ipv6_fragments),
		WITH_TCX(test_vlan),
		WITH_TCX(test_not_ip),
		cmocka_unit_test_setup_teardown(test_tcx_and_xdp, setup_tcx_and_xdp, teardown),
		{ "test_tcx_and_xdp_copied", test_tcx_and_xdp, setup_tcx_and_xdp_copying, teardown,
		  NULL },
	};
	size_t count = sizeof(tests) / sizeof(*tests);
	struct pe_xdp *probe = NULL;
	int r = pe_xdp_open(&usual, &probe);
	cpu_set_t pinned;

	if (r < 0) {
		printf("1..0 # SKIP BPF programs cannot be loaded here: %s\n", strerror(-r));
		return 0;
	}
	if (!pe_xdp_has_tcx(probe)) {
		printf("# SKIP the last tests: this kernel has no TCX\n");
		count -= TCX_TESTS;
	}
	pe_xdp_close(probe);
	/* Each CPU has a flow cache of its own: on one CPU it is known which packets meet. */
	CPU_ZERO(&pinned);
	CPU_SET(sched_getcpu(), &pinned);
	sched_setaffinity(0, sizeof(pinned), &pinned);
	return _cmocka_run_group_tests("tests", tests, count, NULL, close_shared);
}
