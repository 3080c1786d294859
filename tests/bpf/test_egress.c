/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The egress tracepoint on crafted frames: tracing programs take no BPF_PROG_TEST_RUN, so real
 * frames pass a veth pair in a network namespace of this process. The same frame is egress of one
 * end and, by XDP, ingress of the other: both must find the same in it. All of it twice, reading
 * packets where they are and from copied heads, as older kernels must. Needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pe/clock.h"
#include "pe/ring.h"
#include "pe/sample.h"
#include "pe/xdp.h"
#include "../../src/xdp/object.h"

#include "frames.h"
#include "packet_exporter.skel.h"

#define WAIT_NS	 (10 * PE_NS_PER_S)
#define WAIT_US	 100
#define ICMPV6	 58
#define SHORTEST ETH_HLEN /* a packet socket sends no less */
#define BASES	 64
#define SENDER	 "sender"
#define RECEIVER "receiver"
#define OUTSIDE	 "outside" /* what it sends reaches the sender by a bridge */
#define INSIDE	 "inside"
#define BRIDGE	 "bridge"
#define ADD_LINKS                                                                                \
	"ip link add " SENDER " type veth peer name " RECEIVER " && ip link add " OUTSIDE        \
	" type veth peer name " INSIDE " && ip link add " BRIDGE " type bridge mcast_snooping 0" \
	" && ip link set " SENDER " master " BRIDGE " up"                                        \
	" && ip link set " INSIDE " master " BRIDGE " up"                                        \
	" && ip link set " RECEIVER " up && ip link set " OUTSIDE " up && ip link set " BRIDGE   \
	" up"
#define TAGGED 10 /* packets of each kind */

struct fixture {
	struct pe_xdp *xdp;
	struct pe_ring *ring;
	uint32_t sender, receiver; /* tokens */
	int link;
};

static int packet_socket;
static struct frame bases[BASES];
static size_t base_count;

/* How the programs read. */
enum reading {
	WHERE_IT_IS,
	COPIED,
	PLAIN, /* as before Linux 6.2 */
};

static struct pe_xdp_options options_for(enum reading reading)
{
	return (struct pe_xdp_options){ .max_interfaces = 16,
					.rings = 1,
					.flows = true,
					.flow_cache = 1024,
					.ring_size = 1 << 16,
					.active_ns = 60 * PE_NS_PER_S,
					.egress = true,
					.copy_heads = reading == COPIED,
					.plain = reading == PLAIN };
}

static int open_fixture(void **state, enum reading reading, unsigned int framing)
{
	const struct pe_xdp_options options = options_for(reading);
	struct fixture *t = calloc(1, sizeof(*t));
	int receiver = (int)if_nametoindex(RECEIVER);

	assert_non_null(t);
	assert_int_equal(pe_xdp_open(&options, &t->xdp), 0);
	assert_true(pe_xdp_egress(t->xdp));
	assert_int_equal(pe_xdp_ring(t->xdp, 0, &t->ring), 0);
	assert_int_equal(pe_xdp_take(t->xdp, (int)if_nametoindex(SENDER), PE_ORIGIN_LINK | framing,
				     &t->sender),
			 0);
	assert_int_equal(pe_xdp_take(t->xdp, receiver, PE_ORIGIN_LINK | framing, &t->receiver), 0);
	/* The object was opened without it. */
	assert_int_equal(pe_xdp_attach(t->xdp, receiver, true, &t->link), -EOPNOTSUPP);
	assert_int_equal(pe_xdp_attach(t->xdp, receiver, false, &t->link), 0);
	*state = t;
	return 0;
}

static int setup(void **state)
{
	return open_fixture(state, WHERE_IT_IS, 0);
}

static int setup_copied(void **state)
{
	return open_fixture(state, COPIED, 0);
}

static int setup_plain(void **state)
{
	return open_fixture(state, PLAIN, 0);
}

static int setup_l3(void **state)
{
	return open_fixture(state, WHERE_IT_IS, PE_SLOT_NO_ETHERNET);
}

static int setup_l3_copied(void **state)
{
	return open_fixture(state, COPIED, PE_SLOT_NO_ETHERNET);
}

static int setup_l3_plain(void **state)
{
	return open_fixture(state, PLAIN, PE_SLOT_NO_ETHERNET);
}

static int setup_bare(void **state)
{
	return open_fixture(state, WHERE_IT_IS, PE_SLOT_TX_NO_LINK_HEADER);
}

static int setup_bare_copied(void **state)
{
	return open_fixture(state, COPIED, PE_SLOT_TX_NO_LINK_HEADER);
}

static int setup_bare_plain(void **state)
{
	return open_fixture(state, PLAIN, PE_SLOT_TX_NO_LINK_HEADER);
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	close(t->link);
	pe_ring_free(t->ring);
	pe_xdp_close(t->xdp);
	free(t);
	return 0;
}

static void subtract(struct pe_row *after, const struct pe_row *before)
{
	uint64_t *a = (uint64_t *)after, *b = (uint64_t *)before;

	for (size_t i = 0; i < PE_ROW_WORDS; i++)
		a[i] -= b[i];
}

struct both {
	struct pe_row egress, ingress;
};

static struct both read_both(struct fixture *t)
{
	struct pe_row sender[PE_DIRECTIONS], receiver[PE_DIRECTIONS];

	pe_xdp_read(t->xdp, t->sender, sender);
	pe_xdp_read(t->xdp, t->receiver, receiver);
	return (struct both){ sender[PE_EGRESS], receiver[PE_INGRESS] };
}

/* What has been counted since, when `packets` have arrived. */
static struct both wait_for(struct fixture *t, const struct both *before, uint64_t packets)
{
	uint64_t until_ns = pe_clock_monotonic_ns() + WAIT_NS;
	struct both now;

	for (;;) {
		now = read_both(t);
		subtract(&now.egress, &before->egress);
		subtract(&now.ingress, &before->ingress);
		if (pe_row_total(&now.ingress).packets >= packets)
			return now;
		assert_true(pe_clock_monotonic_ns() < until_ns);
		usleep(WAIT_US);
	}
}

static void send_frame(const char *interface, const void *data, size_t len)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(interface) };

	assert_int_equal(sendto(packet_socket, data, len, 0, (struct sockaddr *)&to, sizeof(to)),
			 len);
}

/* The flow records of both directions since the last call are of the same flow, or there is none.
 * In egress it has so many bytes less. */
static void assert_same_flow(struct fixture *t, uint64_t bare)
{
	struct pe_flow record[3];
	size_t count;

	assert_int_equal(pe_xdp_sweep(t->xdp, 0), 0);
	count = pe_ring_read(t->ring, record, 3);
	if (count == 0)
		return;
	assert_int_equal(count, 2);
	assert_int_not_equal(PE_FLOW_DIRECTION(record[0].key.tag),
			     PE_FLOW_DIRECTION(record[1].key.tag));
	assert_int_equal(PE_FLOW_IS_IPV6(record[0].key.tag), PE_FLOW_IS_IPV6(record[1].key.tag));
	assert_memory_equal(&record[0].key, &record[1].key, offsetof(struct pe_flow_key, slot));
	assert_int_equal(record[0].key.ip_proto, record[1].key.ip_proto);
	assert_int_equal(record[0].tcp_flags, record[1].tcp_flags);
	assert_int_equal(
		record[0].bytes + record[1].bytes + bare,
		2 * (record[0].bytes > record[1].bytes ? record[0].bytes : record[1].bytes));
	assert_int_equal(record[0].packets, record[1].packets);
}

static void compare(struct fixture *t, const void *data, size_t len)
{
	struct both before = read_both(t), now;

	send_frame(SENDER, data, len);
	now = wait_for(t, &before, 1);
	assert_int_equal(pe_row_total(&now.egress).packets, 1);
	assert_int_equal(pe_row_total(&now.egress).bytes, len);
	assert_memory_equal(&now.egress, &now.ingress, sizeof(now.egress));
	assert_same_flow(t, 0);
}

static struct frame *base_new(unsigned int ethertype)
{
	struct frame *f = &bases[base_count++];

	assert_true(base_count < BASES);
	frame_eth(f, ethertype);
	return f;
}

static void add_ipv4(struct frame *f, unsigned int protocol, unsigned int options,
		     unsigned int fragment)
{
	frame_ipv4(f, protocol, options, fragment, 30);
	if (protocol == IPPROTO_TCP)
		frame_tcp(f, 0x12);
	else
		frame_udp(f, 22);
}

static void add_ipv6(struct frame *f, unsigned int extensions, unsigned int next)
{
	static const unsigned char kind[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS };

	frame_ipv6(f, extensions ? kind[0] : next, 100);
	for (unsigned int i = 0; i < extensions; i++)
		frame_extension(f, i + 1 < extensions ? kind[(i + 1) % 3] : next, i);
	if (next == IPPROTO_TCP)
		frame_tcp(f, 0x02);
	else
		frame_udp(f, 22);
}

static void make_ipv4(void)
{
	static const unsigned char protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP,
						   IPPROTO_GRE, IPPROTO_SCTP };

	for (size_t i = 0; i < sizeof(protocols); i++) {
		for (unsigned int options = 0; options <= 40; options += 20)
			add_ipv4(base_new(ETH_P_IP), protocols[i], options, 0);
	}
	add_ipv4(base_new(ETH_P_IP), IPPROTO_UDP, 0, 0x4000); /* must not be fragmented: usual */
	add_ipv4(base_new(ETH_P_IP), IPPROTO_UDP, 0, 0x2000);
	add_ipv4(base_new(ETH_P_IP), IPPROTO_UDP, 0, 0x00b9);
	add_ipv4(base_new(ETH_P_IPV6), IPPROTO_UDP, 0, 0); /* not what its type says */
}

static void make_ipv6(void)
{
	static const unsigned char protocols[] = { IPPROTO_TCP, IPPROTO_UDP, ICMPV6 };

	for (size_t i = 0; i < sizeof(protocols); i++) {
		for (unsigned int extensions = 0; extensions <= 7; extensions++)
			add_ipv6(base_new(ETH_P_IPV6), extensions, protocols[i]);
	}
	for (unsigned int field = 0; field <= 8; field += 8) {
		struct frame *f = base_new(ETH_P_IPV6);

		frame_ipv6(f, IPPROTO_FRAGMENT, 38);
		frame_fragment(f, IPPROTO_UDP, field);
		frame_udp(f, 22);
	}
	add_ipv6(base_new(ETH_P_IP), 0, IPPROTO_UDP);
}

static void make_others(void)
{
	struct frame *f;

	for (unsigned int tags = 1; tags <= 3; tags++) {
		f = base_new(tags > 1 ? ETH_P_8021AD : ETH_P_8021Q);
		for (unsigned int tag = 1; tag < tags; tag++)
			frame_vlan(f, tag, ETH_P_8021Q);
		frame_vlan(f, 9, ETH_P_IP);
		add_ipv4(f, IPPROTO_TCP, 0, 0);
	}
	f = base_new(ETH_P_8021Q);
	frame_vlan(f, 9, ETH_P_IPV6);
	add_ipv6(f, 1, IPPROTO_TCP);
	frame_fill(base_new(ETH_P_ARP), 42);
	frame_fill(base_new(ETH_P_LLDP), 80);
}

/* Every kind of frame, whole and cut off at every byte. */
static void test_as_ingress(void **state)
{
	for (size_t i = 0; i < base_count; i++) {
		const struct frame *f = &bases[i];

		for (size_t len = SHORTEST; len <= f->len; len++)
			compare(*state, f->data, len);
	}
}

/* The same from the IP header on, as an interface without Ethernet sends it. */
static void test_as_ingress_without_ethernet(void **state)
{
	for (size_t i = 0; i < base_count; i++) {
		const struct frame *f = &bases[i];

		for (size_t len = SHORTEST; len + ETH_HLEN <= f->len; len++)
			compare(*state, f->data + ETH_HLEN, len);
	}
}

/*
 * Of an interface whose own counters lack the Ethernet header, and so by the way that tunnels and
 * merged packets take: the same is found in it, however far behind. Whole and cut off, too.
 */
static void test_as_ingress_without_their_bytes(void **state)
{
	struct fixture *t = *state;

	for (size_t i = 0; i < base_count; i++) {
		const struct frame *f = &bases[i];

		for (size_t len = SHORTEST; len <= f->len; len++) {
			struct both before = read_both(t), now;

			send_frame(SENDER, f->data, len);
			now = wait_for(t, &before, 1);
			assert_int_equal(pe_row_total(&now.egress).bytes, len - ETH_HLEN);
			for (int class = 0; class < PE_CLASS_COUNT; class ++)
				assert_int_equal(now.egress.class[class].packets,
						 now.ingress.class[class].packets);
			assert_memory_equal(now.egress.tcp, now.ingress.tcp,
					    sizeof(now.egress.tcp));
			assert_int_equal(now.egress.truncated, now.ingress.truncated);
			assert_int_equal(now.egress.fragments, now.ingress.fragments);
			assert_int_equal(now.egress.vlan, now.ingress.vlan);
			assert_same_flow(t, ETH_HLEN);
		}
	}
}

static void test_sizes(void **state)
{
	for (size_t len = 63; len <= 1500; len++) {
		struct frame f;

		frame_eth(&f, ETH_P_IP);
		frame_ipv4(&f, IPPROTO_UDP, 0, 0, 8 + 21);
		frame_udp(&f, 21);
		frame_fill(&f, len);
		compare(*state, f.data, f.len);
	}
}

/* A bridge takes the tag off when it receives, and hands it on beside the packet. */
static void test_tag_beside_the_packet(void **state)
{
	struct both before = read_both(*state), now;
	struct frame ipv4, ipv6;
	uint64_t sent;

	frame_eth(&ipv4, ETH_P_8021Q);
	frame_vlan(&ipv4, 9, ETH_P_IP);
	add_ipv4(&ipv4, IPPROTO_TCP, 0, 0);
	frame_eth(&ipv6, ETH_P_8021Q);
	frame_vlan(&ipv6, 9, ETH_P_IPV6);
	add_ipv6(&ipv6, 0, IPPROTO_UDP);
	for (int i = 0; i < TAGGED; i++) {
		send_frame(OUTSIDE, ipv4.data, ipv4.len);
		send_frame(OUTSIDE, ipv6.data, ipv6.len);
	}
	now = wait_for(*state, &before, 2 * TAGGED);
	/* On some machines a tracepoint may miss what an interrupt sends. */
	sent = pe_row_total(&now.egress).packets;
	assert_in_range(sent, TAGGED, 2 * TAGGED);
	assert_int_equal(now.egress.vlan, sent);
	assert_int_equal(now.egress.class[PE_CLASS_IPV4 + PE_PROTO_TCP].packets +
				 now.egress.class[PE_CLASS_IPV6 + PE_PROTO_UDP].packets,
			 sent);
	assert_int_equal(now.egress.class[PE_CLASS_IPV4 + PE_PROTO_TCP].bytes,
			 now.egress.class[PE_CLASS_IPV4 + PE_PROTO_TCP].packets *
				 (ipv4.len - sizeof(uint32_t)));
}

/* From a mapped ring the kernel takes the Ethernet header only; the rest stays where it is. */
static void test_headers_outside_the_linear_part(void **state)
{
	struct tpacket_req request = {
		.tp_block_size = 4096, .tp_block_nr = 1, .tp_frame_size = 2048, .tp_frame_nr = 2
	};
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(SENDER) };
	struct both before = read_both(*state), now;
	int version = TPACKET_V2, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	const struct fixture *t = *state;
	bool reads_pages = t->xdp->features & FEATURE_PAGES;
	struct tpacket2_hdr *header;
	struct frame f;

	frame_eth(&f, ETH_P_IP);
	add_ipv4(&f, IPPROTO_UDP, 0, 0);
	frame_fill(&f, 1000);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &request, sizeof(request)), 0);
	header = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(header != MAP_FAILED);
	memcpy((char *)header + TPACKET2_HDRLEN - sizeof(to), f.data, f.len);
	header->tp_len = (uint32_t)f.len;
	__atomic_store_n(&header->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	assert_int_equal(sendto(fd, NULL, 0, 0, (struct sockaddr *)&to, sizeof(to)), f.len);
	now = wait_for(*state, &before, 1);
	munmap(header, 4096);
	close(fd);
	assert_int_equal(pe_row_total(&now.egress).packets, 1);
	assert_int_equal(pe_row_total(&now.egress).bytes, f.len);
	/* Where pages cannot be read, its family is in the Ethernet header. */
	assert_int_equal(
		now.egress.class[PE_CLASS_IPV4 + (reads_pages ? PE_PROTO_UDP : PE_PROTO_OTHER)]
			.packets,
		1);
	assert_int_equal(now.egress.truncated, 0);
	assert_int_equal(now.ingress.class[PE_CLASS_IPV4 + PE_PROTO_UDP].packets, 1);
}

/* Both ways of reading were tested, and not one of them twice. */
static void test_reads_where_it_can(void **state)
{
	struct fixture *t = *state;
	struct btf *kernel = btf__load_vmlinux_btf();
	bool can = btf__find_by_name_kind(kernel, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;

	btf__free(kernel);
	assert_int_equal(t->xdp->skel->rodata->pe_reads_bytes,
			 can && !t->xdp->options.copy_heads && !t->xdp->options.plain);
	assert_int_equal(!!(t->xdp->features & FEATURE_CASTS), can && !t->xdp->options.plain);
}

static bool is_up(const char *name)
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(packet_socket, SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_RUNNING;
}

/* In a namespace of this process. Without IPv6 and snooping, which would send packets of their own.
 */
static int make_links(void)
{
	uint64_t until_ns = pe_clock_monotonic_ns() + WAIT_NS;
	int fd, status;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "1", 1) != 1)
			return -errno;
		close(fd);
	}
	packet_socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (packet_socket < 0)
		return -errno;
	status = system(ADD_LINKS);
	if (status != 0)
		return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? -ENOENT : -EOPNOTSUPP;
	while (!is_up(SENDER) || !is_up(RECEIVER) || !is_up(INSIDE) || !is_up(OUTSIDE)) {
		if (pe_clock_monotonic_ns() > until_ns)
			return -ETIMEDOUT;
		usleep(WAIT_US);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ALL(test, setup)                                                   \
	{ #test, test, setup, teardown, NULL },                            \
		{ #test "_copied", test, setup##_copied, teardown, NULL }, \
		{ #test "_plain", test, setup##_plain, teardown, NULL }
		ALL(test_as_ingress, setup),
		ALL(test_as_ingress_without_ethernet, setup_l3),
		ALL(test_as_ingress_without_their_bytes, setup_bare),
		ALL(test_sizes, setup),
		ALL(test_tag_beside_the_packet, setup),
		ALL(test_headers_outside_the_linear_part, setup),
		ALL(test_reads_where_it_can, setup),
	};
	const struct pe_xdp_options options = options_for(WHERE_IT_IS);
	struct pe_xdp *probe = NULL;
	cpu_set_t pinned;
	int r = make_links();

	if (!r)
		r = pe_xdp_open(&options, &probe);
	if (!r && !pe_xdp_egress(probe))
		r = -EOPNOTSUPP;
	pe_xdp_close(probe);
	if (r == -ENOENT) {
		printf("1..0 # SKIP ip is not installed\n");
		return 0;
	}
	if (r < 0) {
		printf("1..0 # SKIP this kernel has no BTF tracepoints, or no veth and bridge: "
		       "%s\n",
		       strerror(-r));
		return 0;
	}
	/* Each CPU has a flow cache of its own. */
	CPU_ZERO(&pinned);
	CPU_SET(sched_getcpu(), &pinned);
	sched_setaffinity(0, sizeof(pinned), &pinned);
	make_ipv4();
	make_ipv6();
	make_others();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
