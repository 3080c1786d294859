/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tracepoint programs cost a packet, over empty twins at the same tracepoints.
 *
 * BPF_PROG_TEST_RUN cannot repeat these, so real packets pass a veth pair in a network namespace of
 * this process, and the kernel's own run time of each program (BPF_ENABLE_STATS) is divided by its
 * runs. Ours and its twin see the same packets. They see those of the rest of the machine as well:
 * a round in which others sent more than 2 % is repeated.
 *
 * Programs at one tracepoint run one after the other, and the first finds the clock's own code and
 * data cold, some 5 ns of each packet: so one that is not looked at comes before both. A third
 * empty one in the place of ours shows what error is left.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pe/clock.h"
#include "pe/log.h"
#include "pe/sample.h"
#include "pe/xdp.h"
#include "../../src/xdp/object.h"

#include "../bpf/frames.h"
#include "bench.h"
#include "flows.h"

#include "packet_exporter.skel.h"
#include "twin.skel.h"

#define ROUNDS	 11
#define TRIES	 (4 * ROUNDS)
#define BATCH	 500
#define OTHERS	 50 /* one packet in so many may be somebody else's */
#define WAIT_NS	 (10 * PE_NS_PER_S)
#define WAIT_US	 1000
#define ADD_VETH "ip link add %s type veth peer name %s && ip link set %s up && ip link set %s up"

struct runs {
	uint64_t ns, count;
};

struct subject {
	const char *name;
	int ours, twin; /* programs */
	uint32_t flows;
	const char *target;
};

static int sender; /* a packet socket */

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(errno == EPERM ? BENCH_CANNOT_RUN : 1);
}

static struct runs get_runs(int fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		fail("program info");
	return (struct runs){ info.run_time_ns, info.run_cnt };
}

static double ns_a_run(struct runs begin, struct runs end)
{
	return (double)(end.ns - begin.ns) / (double)(end.count - begin.count);
}

static bool is_up(const char *name)
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(sender, SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_RUNNING;
}

static void add_veth(const char *name, const char *peer)
{
	uint64_t until_ns = pe_clock_monotonic_ns() + WAIT_NS;
	char command[160];

	snprintf(command, sizeof(command), ADD_VETH, name, peer, name, peer);
	if (system(command) != 0)
		exit(1);
	/* Before it is up it drops what it is given. */
	while (!is_up(name)) {
		if (pe_clock_monotonic_ns() > until_ns) {
			fprintf(stderr, "%s is not up\n", name);
			exit(1);
		}
		usleep(WAIT_US);
	}
}

/* Frames of `flows` flows in turn. */
static void send_frames(unsigned int ifindex, uint32_t flows, unsigned int count)
{
	static struct frame frame[BATCH];
	static struct mmsghdr message[BATCH];
	static struct iovec part[BATCH];
	static uint32_t flow;
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)ifindex };

	for (unsigned int sent = 0; sent < count; sent += BATCH) {
		for (unsigned int i = 0; i < BATCH; i++) {
			uint32_t source = htonl(0x0a000000 + flow++ % flows);

			if (!frame[i].len) {
				frame_eth(&frame[i], ETH_P_IP);
				frame_ipv4(&frame[i], IPPROTO_UDP, 0, 0, 8 + 22);
				frame_udp(&frame[i], 22);
			}
			memcpy(frame[i].data + 26, &source, sizeof(source));
			part[i] = (struct iovec){ frame[i].data, frame[i].len };
			message[i].msg_hdr = (struct msghdr){ .msg_name = &to,
							      .msg_namelen = sizeof(to),
							      .msg_iov = &part[i],
							      .msg_iovlen = 1 };
		}
		if (sendmmsg(sender, message, BATCH, 0) != BATCH)
			fail("sendmmsg");
	}
}

static void measure(const struct subject *subject, unsigned int ifindex)
{
	unsigned int packets = bench_quick() ? 5000 : 20000, rounds = 0, tries = 0;
	unsigned int wanted = bench_quick() ? 3 : ROUNDS;
	double over[ROUNDS], empty[ROUNDS], twin;

	send_frames(ifindex, subject->flows, packets);
	while (rounds < wanted) {
		struct runs ours = get_runs(subject->ours), none = get_runs(subject->twin), end;

		send_frames(ifindex, subject->flows, packets);
		end = get_runs(subject->ours);
		if (++tries < TRIES && end.count - ours.count > packets + packets / OTHERS)
			continue;
		twin = ns_a_run(none, get_runs(subject->twin));
		empty[rounds] = twin;
		over[rounds++] = ns_a_run(ours, end) - twin;
	}
	if (tries >= TRIES)
		fprintf(stderr, "%s: others sent many packets meanwhile\n", subject->name);
	bench_print((struct bench_figure){ subject->name, bench_median(over, rounds),
					   "ns/packet over empty", bench_median(empty, rounds),
					   "empty twin", subject->target });
}

static struct twin_bpf *add_twin(void)
{
	struct twin_bpf *twin = twin_bpf__open_and_load();

	if (!twin || twin_bpf__attach(twin) < 0)
		fail("the empty twin");
	return twin;
}

/* Loads ours, to count what the interface sends. */
static struct pe_xdp *load(bool plain, uint32_t *ret_token)
{
	static const char *const unwatched[] = { "peer1", "unwatched", "peer2" };
	const struct pe_xdp_options options = { .max_interfaces = 1024,
						.rings = 1,
						.flow_cache = BENCH_FLOWS,
						.ring_size = 1 << 20,
						.active_ns = 5 * PE_NS_PER_S,
						.egress = true,
						.plain = plain };
	struct pe_xdp *xdp = NULL;
	int r = pe_xdp_open(&options, &xdp);

	if (r < 0 || !pe_xdp_egress(xdp) ||
	    pe_xdp_take(xdp, (int)if_nametoindex("watched"), 0, ret_token) < 0) {
		fprintf(stderr, "this kernel has no BTF tracepoints: %s\n", strerror(-r));
		exit(BENCH_CANNOT_RUN);
	}
	/* As the daemon does with all that it knows and does not watch. */
	for (size_t i = 0; i < sizeof(unwatched) / sizeof(*unwatched); i++)
		pe_xdp_ignore(xdp, (int)if_nametoindex(unwatched[i]), true);
	return xdp;
}

static void unload(struct pe_xdp *xdp, uint32_t token)
{
	struct pe_row rows[PE_DIRECTIONS];

	pe_xdp_read(xdp, token, rows);
	if (!pe_row_total(&rows[PE_EGRESS]).packets) {
		fprintf(stderr, "no packet was counted\n");
		exit(1);
	}
	pe_xdp_close(xdp);
}

int main(void)
{
	struct twin_bpf *first, *twin, *check;
	struct pe_xdp *xdp;
	uint32_t token;
	int stats;

	if (unshare(CLONE_NEWNET) < 0)
		fail("a network namespace");
	sender = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (sender < 0)
		fail("a packet socket");
	add_veth("watched", "peer1");
	add_veth("unwatched", "peer2");
	pe_log_init(PE_LOG_WARN, PE_LOG_LOGFMT);
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (stats < 0)
		fail("run time of BPF programs");
	bench_pin(0);
	first = add_twin();
	twin = add_twin();
	check = add_twin();

	struct subject egress = { "egress, another empty program",
				  bpf_program__fd(check->progs.twin_egress),
				  bpf_program__fd(twin->progs.twin_egress), 1, NULL };
	measure(&egress, if_nametoindex("unwatched"));
	twin_bpf__destroy(check);

	xdp = load(false, &token);
	egress = (struct subject){ "egress, a watched interface, 1 flow",
				   bpf_program__fd(xdp->skel->progs.pe_egress),
				   bpf_program__fd(twin->progs.twin_egress), 1, "≤ 30 ns" };
	measure(&egress, if_nametoindex("watched"));
	egress.name = "egress, a watched interface, 1,000 flows";
	egress.flows = 1000;
	measure(&egress, if_nametoindex("watched"));
	egress.name = "egress, an unwatched interface";
	egress.target = "≤ 10 ns";
	measure(&egress, if_nametoindex("unwatched"));

	/* Ingress of the peer. */
	if (pe_xdp_receive(xdp, token, true) == 0) {
		const struct subject receive = { "receive tracepoint, an unwatched interface",
						 bpf_program__fd(xdp->skel->progs.pe_receive),
						 bpf_program__fd(twin->progs.twin_receive), 1000,
						 NULL };

		measure(&receive, if_nametoindex("unwatched"));
	}
	unload(xdp, token);

	xdp = load(true, &token);
	egress = (struct subject){ "egress, as before Linux 6.2, 1 flow",
				   bpf_program__fd(xdp->skel->progs.pe_egress),
				   bpf_program__fd(twin->progs.twin_egress), 1, NULL };
	measure(&egress, if_nametoindex("watched"));
	unload(xdp, token);
	twin_bpf__destroy(twin);
	twin_bpf__destroy(first);
	close(sender);
	close(stats);
	return 0;
}
