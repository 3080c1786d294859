/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic for bench_traffic.py, and a program on both directions of interfaces to compare with.
 * Run in the network namespace of who sends.
 *
 *   traffic blast ADDRESS PORT MS      small UDP packets for so long; prints how many, and how long
 *                                      one takes where least else is in the way
 *   traffic echo PORT                  answers UDP and TCP until its standard input ends; on the
 *                                      next port it takes UDP packets and leaves them
 *   traffic ping ADDRESS PORT COUNT    round trips over UDP in ns
 *   traffic rr ADDRESS PORT COUNT      round trips over one TCP connection in ns
 *   traffic crr ADDRESS PORT COUNT     so many connections in turn, with a request and an answer
 *                                      each; prints how long all took
 *   traffic tcx INTERFACE…             attaches a TCX program that counts protocols, both
 *                                      directions, says "ready" and holds it until its standard
 *                                      input ends
 *   traffic tcx-pass INTERFACE…        so with one that does nothing
 *   traffic xdp INTERFACE…             so with an XDP program that does nothing, generic mode
 *   traffic tracepoints                so with programs that do nothing, of the two tracepoints by
 *                                      which ours counts
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pe/clock.h"

#include "bench.h"

#include "tcx.skel.h"
#include "twin.skel.h"

/* linux/bpf.h of Debian 12 does not have them. */
#define TCX_INGRESS 46
#define TCX_EGRESS  47
#define BATCH	    64
#define PAYLOAD	    22 /* 64 bytes with the headers */
#define ANSWER_MS   2000
#define PINGS_MAX   100000
#define BATCHES_MAX (1u << 17)
/* Whoever else uses the machine can only make a packet slower: the tenth part of the batches that
 * has least of that. */
#define UNDISTURBED 10

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

static void without_delay(int sock)
{
	int on = 1;

	setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int compare_ns(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void blast(const char *host, const char *port, unsigned int ms)
{
	static char payload[PAYLOAD];
	struct sockaddr_in in = address(host, port);
	struct iovec part = { payload, sizeof(payload) };
	struct mmsghdr message[BATCH] = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	static uint64_t batch_ns[BATCHES_MAX];
	uint64_t begin_ns = pe_clock_monotonic_ns(), now_ns = begin_ns, sent = 0;
	size_t batches = 0;

	if (sock < 0 || connect(sock, (struct sockaddr *)&in, sizeof(in)) < 0)
		fail("connect");
	for (unsigned int i = 0; i < BATCH; i++)
		message[i].msg_hdr = (struct msghdr){ .msg_iov = &part, .msg_iovlen = 1 };
	while (now_ns - begin_ns < ms * PE_NS_PER_MS) {
		int done = sendmmsg(sock, message, BATCH, 0);
		uint64_t last_ns = now_ns;

		if (done > 0)
			sent += (uint64_t)done;
		else if (errno != ENOBUFS)
			fail("send");
		now_ns = pe_clock_monotonic_ns();
		if (done == BATCH && batches < BATCHES_MAX)
			batch_ns[batches++] = now_ns - last_ns;
	}
	if (!batches)
		fail("no whole batch");
	qsort(batch_ns, batches, sizeof(*batch_ns), compare_ns);
	printf("{\"sent\":%llu,\"ns\":%llu,\"packet_ns\":%.1f}\n", (unsigned long long)sent,
	       (unsigned long long)(now_ns - begin_ns),
	       (double)batch_ns[batches / UNDISTURBED] / BATCH);
}

static int bound(int type, const struct sockaddr_in *in)
{
	int sock = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;

	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(sock, (const struct sockaddr *)in, sizeof(*in)) < 0)
		fail("bind");
	return sock;
}

static void answer_udp(int sock)
{
	struct sockaddr_in in;
	socklen_t length = sizeof(in);
	char data[64];
	ssize_t n = recvfrom(sock, data, sizeof(data), 0, (struct sockaddr *)&in, &length);

	if (n > 0)
		sendto(sock, data, (size_t)n, 0, (struct sockaddr *)&in, length);
}

/* One connection at a time. */
static void answer_tcp(struct pollfd *listener, struct pollfd *connection)
{
	char data[64];
	ssize_t n;

	if (connection->fd < 0) {
		connection->fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
		if (connection->fd < 0)
			fail("accept");
		without_delay(connection->fd);
		listener->events = 0;
		return;
	}
	n = recv(connection->fd, data, sizeof(data), 0);
	if (n > 0 && send(connection->fd, data, (size_t)n, MSG_NOSIGNAL) == n)
		return;
	close(connection->fd);
	connection->fd = -1;
	listener->events = POLLIN;
}

static void echo(const char *port)
{
	struct sockaddr_in in = address("0.0.0.0", port), next = in;
	enum { UDP, END, LISTENER, CONNECTION, COUNT };
	struct pollfd fds[COUNT] = {
		[UDP] = { .fd = bound(SOCK_DGRAM, &in), .events = POLLIN },
		[END] = { .fd = STDIN_FILENO, .events = POLLIN },
		[LISTENER] = { .fd = bound(SOCK_STREAM, &in), .events = POLLIN },
		[CONNECTION] = { .fd = -1, .events = POLLIN },
	};

	next.sin_port = htons((uint16_t)(ntohs(in.sin_port) + 1));
	bound(SOCK_DGRAM, &next);
	if (listen(fds[LISTENER].fd, 16) < 0)
		fail("listen");
	printf("ready\n");
	fflush(stdout);
	while (poll(fds, COUNT, -1) >= 0 && !fds[END].revents) {
		if (fds[UDP].revents)
			answer_udp(fds[UDP].fd);
		if (fds[LISTENER].revents || fds[CONNECTION].revents)
			answer_tcp(&fds[LISTENER], &fds[CONNECTION]);
	}
}

static int connected(int type, const struct sockaddr_in *in)
{
	const struct timeval patience = { .tv_sec = ANSWER_MS / 1000 };
	int sock = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (sock < 0 || connect(sock, (const struct sockaddr *)in, sizeof(*in)) < 0)
		fail("connect");
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (type == SOCK_STREAM)
		without_delay(sock);
	return sock;
}

static void connections(const char *host, const char *port, unsigned int count)
{
	const struct sockaddr_in in = address(host, port);
	const uint64_t begin_ns = pe_clock_monotonic_ns();
	char data[32] = "ping";

	for (unsigned int i = 0; i < count; i++) {
		int sock = connected(SOCK_STREAM, &in);

		if (send(sock, data, sizeof(data), 0) < 0 || recv(sock, data, sizeof(data), 0) <= 0)
			fail("no answer");
		close(sock);
	}
	printf("{\"ns\":%llu}\n", (unsigned long long)(pe_clock_monotonic_ns() - begin_ns));
}

static void ping(int type, const char *host, const char *port, unsigned int count)
{
	static uint64_t took_ns[PINGS_MAX];
	const struct sockaddr_in in = address(host, port);
	int sock = connected(type, &in);
	char data[32] = "ping";

	if (count > PINGS_MAX)
		fail("count");
	for (unsigned int i = 0; i < count; i++) {
		uint64_t begin_ns = pe_clock_monotonic_ns();

		if (send(sock, data, sizeof(data), 0) < 0 || recv(sock, data, sizeof(data), 0) <= 0)
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

/* What is attached to each interface, by command. */
static void hold_interface(const struct tcx_bpf *skel, const char *what, const char *name)
{
	const bool pass = strcmp(what, "tcx-pass") == 0;
	int program = bpf_program__fd(pass ? skel->progs.pass_on : skel->progs.count_protocol);

	if (strcmp(what, "xdp") == 0) {
		attach(name, bpf_program__fd(skel->progs.pass), BPF_XDP, XDP_FLAGS_SKB_MODE);
		return;
	}
	attach(name, program, (enum bpf_attach_type)TCX_INGRESS, 0);
	attach(name, program, (enum bpf_attach_type)TCX_EGRESS, 0);
}

static void hold_tracepoints(void)
{
	struct twin_bpf *twin = twin_bpf__open_and_load();

	if (!twin || !bpf_program__attach(twin->progs.twin_egress) ||
	    !bpf_program__attach(twin->progs.twin_receive))
		fail("attach");
}

/* `what` is the command. */
static bool hold(const char *what, char *const *names, int count)
{
	static const char *const known[] = { "tcx", "tcx-pass", "xdp", "tracepoints" };
	struct tcx_bpf *skel;
	bool is_known = false;
	char end;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		is_known |= strcmp(what, known[i]) == 0;
	if (!is_known || (count == 0) != (strcmp(what, "tracepoints") == 0))
		return false;
	skel = tcx_bpf__open_and_load();
	if (!skel)
		fail("load");
	if (!count)
		hold_tracepoints();
	for (int i = 0; i < count; i++)
		hold_interface(skel, what, names[i]);
	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &end, 1) > 0)
		;
	return true;
}

int main(int argc, char **argv)
{
	const unsigned int number = argc == 5 ? (unsigned int)strtoul(argv[4], NULL, 10) : 0;

	if (argc == 5 && strcmp(argv[1], "blast") == 0)
		blast(argv[2], argv[3], number);
	else if (argc == 3 && strcmp(argv[1], "echo") == 0)
		echo(argv[2]);
	else if (argc == 5 && strcmp(argv[1], "ping") == 0)
		ping(SOCK_DGRAM, argv[2], argv[3], number);
	else if (argc == 5 && strcmp(argv[1], "rr") == 0)
		ping(SOCK_STREAM, argv[2], argv[3], number);
	else if (argc == 5 && strcmp(argv[1], "crr") == 0)
		connections(argv[2], argv[3], number);
	else if (argc < 2 || !hold(argv[1], argv + 2, argc - 2))
		return 2;
	return 0;
}
