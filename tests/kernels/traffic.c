/*
 * The traffic of the guests in tests/kernels: numbered UDP and its losses, a known number of bytes
 * over TCP, DNS, CAN frames, a program at the other end of a tun or tap device, and a client for
 * the metrics. One program, because a guest's memory holds all that runs in it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/can.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS   1000000LL
#define NS_PER_S    (1000 * NS_PER_MS)
#define NUMBERS_MAX (1 << 20)

static char buffer[1 << 16];
static volatile sig_atomic_t terminated;

static void on_signal(int signal)
{
	(void)signal;
	terminated = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void wait_until(int64_t at_ns)
{
	struct timespec at = { .tv_sec = at_ns / NS_PER_S, .tv_nsec = at_ns % NS_PER_S };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR && !terminated)
		;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
		errno = EINVAL, die(host);
	return to;
}

static int open_socket(int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

/* udp-send HOST PORT COUNT SIZE GAP_US: each begins with its number; SIGTERM ends it early. */
static int udp_send(char **argument)
{
	struct sockaddr_in to = address(argument[0], argument[1]);
	uint32_t count = atoi(argument[2]);
	size_t size = atoi(argument[3]);
	int64_t start = now_ns(), gap_ns = atoll(argument[4]) * 1000;
	int fd = open_socket(SOCK_DGRAM);

	for (uint32_t number = 0; number < count && !terminated; number++) {
		memcpy(buffer, &number, sizeof(number));
		/* ECONNREFUSED and ENOBUFS are of no interest: the receiver counts. */
		sendto(fd, buffer, size, 0, (struct sockaddr *)&to, sizeof(to));
		wait_until(start + (number + 1) * gap_ns);
	}
	return 0;
}

/*
 * udp-sink PORT: until SIGTERM; prints how many numbers below the highest are missing, how many
 * came, and the longest wait for the next in milliseconds.
 */
static int udp_sink(char **argument)
{
	static unsigned char seen[NUMBERS_MAX];
	struct sockaddr_in here = address("0.0.0.0", argument[0]);
	uint32_t came = 0, end = 0, number;
	int64_t last = 0, gap = 0;
	int fd = open_socket(SOCK_DGRAM), room = 8 << 20;
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)))
		die("bind");
	while (!terminated) {
		if (poll(&wait, 1, 100) != 1 ||
		    recv(fd, buffer, sizeof(buffer), 0) < (ssize_t)sizeof(number))
			continue;
		memcpy(&number, buffer, sizeof(number));
		if (number >= NUMBERS_MAX || seen[number])
			continue;
		seen[number] = 1;
		came++;
		if (number >= end)
			end = number + 1;
		if (last > 0 && now_ns() - last > gap)
			gap = now_ns() - last;
		last = now_ns();
	}
	printf("%u %u %lld\n", end - came, came, (long long)(gap / NS_PER_MS));
	return 0;
}

/* udp-burst HOST PORT BURSTS COUNT SIZE: in each burst so many datagrams, one right behind the
 * other. */
static int udp_burst(char **argument)
{
	struct sockaddr_in to = address(argument[0], argument[1]);
	int fd = open_socket(SOCK_DGRAM), size = atoi(argument[4]);
	size_t length = (size_t)atoi(argument[3]) * size;

	if (length > sizeof(buffer) ||
	    setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)))
		die("UDP_SEGMENT");
	for (int left = atoi(argument[2]); left > 0; left--) {
		sendto(fd, buffer, length, 0, (struct sockaddr *)&to, sizeof(to));
		wait_until(now_ns() + 10 * NS_PER_MS);
	}
	return 0;
}

/* How many datagrams were merged into the one that was received. */
static int merged(struct msghdr *message, ssize_t length)
{
	int size = 0;

	for (struct cmsghdr *one = CMSG_FIRSTHDR(message); one; one = CMSG_NXTHDR(message, one)) {
		if (one->cmsg_level == IPPROTO_UDP && one->cmsg_type == UDP_GRO)
			memcpy(&size, CMSG_DATA(one), sizeof(size));
	}
	return size ? (length + size - 1) / size : 1;
}

/* udp-gro PORT COUNT: until so many datagrams came, or none for a while; prints how many came, and
 * how many of them merged with others. */
static int udp_gro(char **argument)
{
	struct sockaddr_in here = address("0.0.0.0", argument[0]);
	struct timeval patience = { .tv_sec = 10 };
	int fd = open_socket(SOCK_DGRAM), on = 1, room = 8 << 20, want = atoi(argument[1]);
	int came = 0, in_merged = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&here, sizeof(here)))
		die("udp-gro");
	while (came < want) {
		char control[CMSG_SPACE(sizeof(int))];
		struct iovec data = { buffer, sizeof(buffer) };
		struct msghdr message = { .msg_iov = &data,
					  .msg_iovlen = 1,
					  .msg_control = control,
					  .msg_controllen = sizeof(control) };
		ssize_t length = recvmsg(fd, &message, 0);
		int count;

		if (length < 0)
			break;
		count = merged(&message, length);
		came += count;
		in_merged += count > 1 ? count : 0;
	}
	printf("%d %d\n", came, in_merged);
	return 0;
}

/* tcp-send HOST PORT BYTES: connects, for as long as nobody listens, and ends with the peer. */
static int tcp_send(char **argument)
{
	struct sockaddr_in to = address(argument[0], argument[1]);
	int64_t left = atoll(argument[2]);
	int fd = open_socket(SOCK_STREAM);

	while (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		if (errno != ECONNREFUSED)
			die("connect");
		close(fd);
		wait_until(now_ns() + 20 * NS_PER_MS);
		fd = open_socket(SOCK_STREAM);
	}
	while (left > 0) {
		size_t want = left < (int64_t)sizeof(buffer) ? (size_t)left : sizeof(buffer);
		ssize_t sent = write(fd, buffer, want);

		if (sent < 0)
			die("write");
		left -= sent;
	}
	shutdown(fd, SHUT_WR);
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	return 0;
}

/* tcp-sink PORT: reads one connection to its end; prints how many bytes came. */
static int tcp_sink(char **argument)
{
	struct sockaddr_in here = address("0.0.0.0", argument[0]);
	int fd = open_socket(SOCK_STREAM), on = 1, connection;
	long long bytes = 0;
	ssize_t got;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) || listen(fd, 1))
		die("bind");
	connection = accept(fd, NULL, NULL);
	if (connection < 0)
		die("accept");
	while ((got = read(connection, buffer, sizeof(buffer))) > 0)
		bytes += got;
	printf("%lld\n", bytes);
	return 0;
}

/* tcp-full PORT COUNT: of loopback, a port that nobody accepts at, and so many connections more
 * than its queue holds; until all but these are there. */
static int tcp_full(char **argument)
{
	struct sockaddr_in here = address("127.0.0.1", argument[0]);
	int fd = open_socket(SOCK_STREAM), count = atoi(argument[1]);

	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) || listen(fd, 1))
		die("bind");
	for (int i = 0; i < 2 + count; i++) {
		int peer = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

		if (!connect(peer, (struct sockaddr *)&here, sizeof(here)) || errno != EINPROGRESS)
			die("connect");
	}
	return 0;
}

/* Asks a server for a path. Of a good answer, `buffer` has so many bytes, with the body from where
 * it says; NULL if the status is not 200. */
static const char *ask(int fd, const char *path, size_t *ret_length)
{
	struct timeval patience = { .tv_sec = 60 };
	const char *body = NULL;
	size_t length = 0;
	ssize_t got;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	dprintf(fd, "GET %s HTTP/1.0\r\n\r\n", path);
	while (!body && length < sizeof(buffer) - 1 &&
	       (got = read(fd, buffer + length, sizeof(buffer) - 1 - length)) > 0) {
		length += got;
		buffer[length] = '\0';
		body = strstr(buffer, "\r\n\r\n");
	}
	if (!body || strncmp(buffer + strlen("HTTP/1.x"), " 200 ", 5) != 0)
		return NULL;
	*ret_length = length;
	return body + 4;
}

/* get PORT PATH: prints what a server on loopback answers; fails unless that is status 200. */
static int get(char **argument)
{
	struct sockaddr_in to = address("127.0.0.1", argument[0]);
	int fd = open_socket(SOCK_STREAM);
	const char *body;
	size_t length;
	ssize_t got;

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	body = ask(fd, argument[1], &length);
	if (!body)
		return EXIT_FAILURE;
	fwrite(body, 1, buffer + length - body, stdout);
	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		fwrite(buffer, 1, got, stdout);
	return got < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* await PORT PATH SECONDS PID: until a server on loopback answers with status 200; fails at the end
 * of the time or of the process. In emulation, a program for each look would take more than what is
 * waited for. */
static int await(char **argument)
{
	const struct timespec pause = { .tv_nsec = 20 * NS_PER_MS };
	struct sockaddr_in to = address("127.0.0.1", argument[0]);
	const int64_t end = now_ns() + atoi(argument[2]) * NS_PER_S;
	size_t length;

	signal(SIGPIPE, SIG_IGN);
	while (now_ns() < end && !kill(atoi(argument[3]), 0)) {
		int fd = open_socket(SOCK_STREAM);

		if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) &&
		    ask(fd, argument[1], &length))
			return EXIT_SUCCESS;
		close(fd);
		nanosleep(&pause, NULL);
	}
	return EXIT_FAILURE;
}

/* can DEVICE COUNT */
static int can(char **argument)
{
	struct sockaddr_can from = { .can_family = AF_CAN };
	struct can_frame frame = { .can_id = 0x123, .can_dlc = 8 };
	struct ifreq request = { 0 };
	int fd = socket(PF_CAN, SOCK_RAW | SOCK_CLOEXEC, CAN_RAW);

	if (fd < 0)
		die("socket");
	strncpy(request.ifr_name, argument[0], IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFINDEX, &request))
		die(argument[0]);
	from.can_ifindex = request.ifr_ifindex;
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)))
		die("bind");
	for (int left = atoi(argument[1]); left > 0; left--)
		if (write(fd, &frame, sizeof(frame)) != sizeof(frame))
			die("write");
	return 0;
}

static void swap(unsigned char *a, unsigned char *b, size_t size)
{
	unsigned char byte;

	while (size-- > 0) {
		byte = *a;
		*a++ = *b;
		*b++ = byte;
	}
}

#define DNS_HEADER 12

/* dns-serve ADDRESS: answers each query with the code that its id has in the lowest bits, but for
 * those of which they are 15, until killed. */
static int dns_serve(char **argument)
{
	struct sockaddr_in here = address(argument[0], "53"), from;
	socklen_t size = sizeof(from);
	int fd = open_socket(SOCK_DGRAM);
	ssize_t got;

	if (bind(fd, (struct sockaddr *)&here, sizeof(here)))
		die("bind");
	while ((got = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &size)) >=
	       0) {
		int rcode = buffer[1] & 15;

		if (got < DNS_HEADER || rcode == 15)
			continue;
		buffer[2] = (char)(buffer[2] | 0x80);
		buffer[3] = (char)rcode;
		sendto(fd, buffer, got, 0, (struct sockaddr *)&from, size);
	}
	die("recvfrom");
	return 0;
}

/* dns-ask HOST COUNT: queries with the ids from 0 on, each after the answer to the one before;
 * prints how many answers came. */
static int dns_ask(char **argument)
{
	static const char question[] = "\4test\0\0\1\0\1";
	struct sockaddr_in to = address(argument[0], "53");
	struct timeval patience = { .tv_sec = 20 };
	int fd = open_socket(SOCK_DGRAM), came = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (int id = 0; id < atoi(argument[1]); id++) {
		memset(buffer, 0, DNS_HEADER);
		buffer[0] = (char)(id >> 8);
		buffer[1] = (char)id;
		buffer[5] = 1;
		memcpy(buffer + DNS_HEADER, question, sizeof(question) - 1);
		sendto(fd, buffer, DNS_HEADER + sizeof(question) - 1, 0, (struct sockaddr *)&to,
		       sizeof(to));
		if ((id & 15) != 15 && recv(fd, buffer, sizeof(buffer), 0) > 0)
			came++;
	}
	printf("%d\n", came);
	return 0;
}

/* Makes an answer of an IPv4 packet: back to the sender, and a request becomes a reply. */
static void turn(unsigned char *packet)
{
	uint16_t sum;

	swap(packet + 12, packet + 16, 4);
	if (packet[9] != IPPROTO_ICMP || packet[20] != 8)
		return;
	packet[20] = 0;
	/* The checksum is of the type, too (RFC 1624). */
	memcpy(&sum, packet + 22, sizeof(sum));
	sum = ntohs(sum);
	sum = htons(sum + 0x800 > 0xffff ? sum + 0x801 : sum + 0x800);
	memcpy(packet + 22, &sum, sizeof(sum));
}

/* tun DEVICE, tap DEVICE: makes the device and sends each IPv4 packet back, until killed. */
static int mirror(char **argument, short kind)
{
	struct ifreq request = { .ifr_flags = kind | IFF_NO_PI };
	size_t header = kind == IFF_TAP ? 14 : 0;
	unsigned char *frame = (unsigned char *)buffer;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	ssize_t got;

	strncpy(request.ifr_name, argument[0], IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
		die(argument[0]);
	while ((got = read(fd, frame, sizeof(buffer))) > 0) {
		if (got < (ssize_t)header + 28 || frame[header] >> 4 != 4)
			continue;
		if (header > 0)
			swap(frame, frame + 6, 6);
		turn(frame + header);
		if (write(fd, frame, got) != got && errno != EIO)
			die("write");
	}
	return 0;
}

/* A frame of a protocol that nobody answers, to all. */
static void send_frames(int fd, const char *device, int count)
{
	static const unsigned char frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
						 0,    0,    0,	   0,	 1,    0x88, 0xb5 };
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6 };
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		die(device);
	to.sll_ifindex = request.ifr_ifindex;
	for (int i = 0; i < count; i++) {
		if (sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)) !=
		    sizeof(frame))
			die(device);
	}
}

/* frames PREFIX FIRST LAST COUNT: so many on each device of these numbers. */
static int frames(char **argument)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	for (int number = atoi(argument[1]); number <= atoi(argument[2]); number++) {
		char device[IFNAMSIZ];

		snprintf(device, sizeof(device), "%s%d", argument[0], number);
		send_frames(fd, device, atoi(argument[3]));
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "udp-send") || !strcmp(what, "udp-sink"))
		signal(SIGTERM, on_signal);
	if (!strcmp(what, "udp-send") && argc == 7)
		return udp_send(argv + 2);
	if (!strcmp(what, "udp-sink") && argc == 3)
		return udp_sink(argv + 2);
	if (!strcmp(what, "udp-burst") && argc == 7)
		return udp_burst(argv + 2);
	if (!strcmp(what, "udp-gro") && argc == 4)
		return udp_gro(argv + 2);
	if (!strcmp(what, "tcp-send") && argc == 5)
		return tcp_send(argv + 2);
	if (!strcmp(what, "tcp-sink") && argc == 3)
		return tcp_sink(argv + 2);
	if (!strcmp(what, "tcp-full") && argc == 4)
		return tcp_full(argv + 2);
	if (!strcmp(what, "get") && argc == 4)
		return get(argv + 2);
	if (!strcmp(what, "await") && argc == 6)
		return await(argv + 2);
	if (!strcmp(what, "dns-serve") && argc == 3)
		return dns_serve(argv + 2);
	if (!strcmp(what, "dns-ask") && argc == 4)
		return dns_ask(argv + 2);
	if (!strcmp(what, "can") && argc == 4)
		return can(argv + 2);
	if (!strcmp(what, "frames") && argc == 6)
		return frames(argv + 2);
	if (!strcmp(what, "tun") && argc == 3)
		return mirror(argv + 2, IFF_TUN);
	if (!strcmp(what, "tap") && argc == 3)
		return mirror(argv + 2, IFF_TAP);
	fputs("usage: traffic udp-send HOST PORT COUNT SIZE GAP_US\n"
	      "               udp-sink PORT\n"
	      "               udp-burst HOST PORT BURSTS COUNT SIZE\n"
	      "               udp-gro PORT COUNT\n"
	      "               tcp-send HOST PORT BYTES\n"
	      "               tcp-sink PORT\n"
	      "               tcp-full PORT COUNT\n"
	      "               get PORT PATH\n"
	      "               await PORT PATH SECONDS PID\n"
	      "               dns-serve ADDRESS\n"
	      "               dns-ask HOST COUNT\n"
	      "               can DEVICE COUNT\n"
	      "               frames PREFIX FIRST LAST COUNT\n"
	      "               tun DEVICE | tap DEVICE\n",
	      stderr);
	return 2;
}
