/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic for bench_traffic.py, and a program on both directions of interfaces to compare with.
 * Run in the network namespace of who sends.
 *
 *   traffic blast ADDRESS PORT MS      small UDP packets for so long; prints how many
 *   traffic echo PORT                  answers UDP until its standard input ends; on the next port
 *                                      it takes packets and leaves them
 *   traffic ping ADDRESS PORT COUNT    prints the round trips in ns
 *   traffic tcx INTERFACE…             attaches a TCX program, both directions, says "ready" and
 *                                      holds it until its standard input ends
 *   traffic xdp INTERFACE…             so with an empty XDP program, generic mode
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pe/clock.h"

#include "bench.h"

#include "tcx.skel.h"

/* linux/bpf.h of Debian 12 does not have them. */
#define TCX_INGRESS 46
#define TCX_EGRESS  47
#define BATCH	    64
#define PAYLOAD	    22 /* 64 bytes with the headers */
#define ANSWER_MS   2000
#define PINGS_MAX   100000

static void fail(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned int interface(const char *name)
{
	unsigned int ifindex = if_nametoindex(name);

	if (!ifindex)
		fail(name);
	return ifindex;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };

	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		fail(host);
	return in;
}

static void blast(const char *host, const char *port, unsigned int ms)
{
	static char payload[PAYLOAD];
	struct sockaddr_in in = address(host, port);
	struct iovec part = { payload, sizeof(payload) };
	struct mmsghdr message[BATCH] = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t begin_ns = pe_clock_monotonic_ns(), now_ns = begin_ns, sent = 0;

	if (sock < 0 || connect(sock, (struct sockaddr *)&in, sizeof(in)) < 0)
		fail("connect");
	for (unsigned int i = 0; i < BATCH; i++)
		message[i].msg_hdr = (struct msghdr){ .msg_iov = &part, .msg_iovlen = 1 };
	while (now_ns - begin_ns < ms * PE_NS_PER_MS) {
		int done = sendmmsg(sock, message, BATCH, 0);

		if (done > 0)
			sent += (uint64_t)done;
		else if (errno != ENOBUFS)
			fail("send");
		now_ns = pe_clock_monotonic_ns();
	}
	printf("{\"sent\":%llu,\"ns\":%llu}\n", (unsigned long long)sent,
	       (unsigned long long)(now_ns - begin_ns));
}

static void echo(const char *port)
{
	struct sockaddr_in in = address("0.0.0.0", port), next = in;
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int sink = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd fds[2] = { { .fd = sock, .events = POLLIN },
				 { .fd = STDIN_FILENO, .events = POLLIN } };
	char data[64];

	next.sin_port = htons((uint16_t)(ntohs(in.sin_port) + 1));
	if (sock < 0 || bind(sock, (struct sockaddr *)&in, sizeof(in)) < 0 || sink < 0 ||
	    bind(sink, (struct sockaddr *)&next, sizeof(next)) < 0)
		fail("bind");
	printf("ready\n");
	fflush(stdout);
	while (poll(fds, 2, -1) >= 0 && !fds[1].revents) {
		socklen_t length = sizeof(in);
		ssize_t n = recvfrom(sock, data, sizeof(data), 0, (struct sockaddr *)&in, &length);

		if (n > 0)
			sendto(sock, data, (size_t)n, 0, (struct sockaddr *)&in, length);
	}
}

static void ping(const char *host, const char *port, unsigned int count)
{
	static uint64_t took_ns[PINGS_MAX];
	struct sockaddr_in in = address(host, port);
	const struct timeval patience = { .tv_sec = ANSWER_MS / 1000 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char data[32] = "ping";

	if (sock < 0 || count > PINGS_MAX || connect(sock, (struct sockaddr *)&in, sizeof(in)) < 0)
		fail("connect");
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (unsigned int i = 0; i < count; i++) {
		uint64_t begin_ns = pe_clock_monotonic_ns();

		if (send(sock, data, sizeof(data), 0) < 0 || recv(sock, data, sizeof(data), 0) < 0)
			fail("no answer");
		took_ns[i] = pe_clock_monotonic_ns() - begin_ns;
	}
	printf("[");
	for (unsigned int i = 0; i < count; i++)
		printf("%s%llu", i ? "," : "", (unsigned long long)took_ns[i]);
	printf("]\n");
}

static void attach(const char *name, int program, enum bpf_attach_type type, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);

	if (bpf_link_create(program, (int)interface(name), type, &opts) < 0) {
		fprintf(stderr, "this kernel attaches no such program: %s\n", strerror(errno));
		exit(BENCH_CANNOT_RUN);
	}
}

static void hold(bool xdp, char *const *names, int count)
{
	struct tcx_bpf *skel = tcx_bpf__open_and_load();
	char end;

	if (!skel)
		fail("load");
	for (int i = 0; i < count; i++) {
		int program = bpf_program__fd(xdp ? skel->progs.pass : skel->progs.count_protocol);

		if (xdp) {
			attach(names[i], program, BPF_XDP, XDP_FLAGS_SKB_MODE);
			continue;
		}
		attach(names[i], program, (enum bpf_attach_type)TCX_INGRESS, 0);
		attach(names[i], program, (enum bpf_attach_type)TCX_EGRESS, 0);
	}
	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &end, 1) > 0)
		;
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "blast") == 0)
		blast(argv[2], argv[3], (unsigned int)strtoul(argv[4], NULL, 10));
	else if (argc == 3 && strcmp(argv[1], "echo") == 0)
		echo(argv[2]);
	else if (argc == 5 && strcmp(argv[1], "ping") == 0)
		ping(argv[2], argv[3], (unsigned int)strtoul(argv[4], NULL, 10));
	else if (argc > 2 && strcmp(argv[1], "tcx") == 0)
		hold(false, argv + 2, argc - 2);
	else if (argc > 2 && strcmp(argv[1], "xdp") == 0)
		hold(true, argv + 2, argc - 2);
	else
		return 2;
	return 0;
}
