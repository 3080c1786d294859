/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes and deletes veth pairs in this network namespace, and tells what it took. One JSON object
 * a call, times in ns. For bench_hotplug.py, bench_scrape.py and bench_cpus.py.
 *
 *   links add FIRST COUNT        pairs vFIRST/wFIRST …, with ifindexes counted from FIRST
 *   links up FIRST COUNT         both ends of these pairs
 *   links delete                 all of them, in one request
 *   links watch EXPORTER FIRST COUNT PAUSE
 *                                adds pairs, PAUSE µs apart, and waits until the exporter of that
 *                                pid has XDP on each end. Told for each interface, and for each
 *                                peer, in ns after the kernel had announced it: when it was
 *                                counted, when XDP was attached (observe.bpf.c), and when a
 *                                listener that does nothing else had read of it
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pe/clock.h"

#include "bench.h"
#include "observe.h"

#include "observe.skel.h"

#define GROUP	   4711
#define WAIT_NS	   (60 * PE_NS_PER_S)
#define WAIT_US	   1000
#define LISTEN_BUF (64 << 20)

struct listener {
	struct nl_sock *sock;
	pthread_t thread;
	uint64_t received_ns[OBSERVE_MAX];
	unsigned int received; /* atomic: interfaces */
};

static void fail(const char *what, int error)
{
	fprintf(stderr, "links: %s: %s\n", what, strerror(error));
	exit(error == EPERM ? BENCH_CANNOT_RUN : 1);
}

static void check(const char *what, int nl_error)
{
	if (nl_error < 0) {
		fprintf(stderr, "links: %s: %s\n", what, nl_geterror(nl_error));
		exit(1);
	}
}

static struct nl_sock *open_socket(void)
{
	struct nl_sock *sock = nl_socket_alloc();

	if (!sock)
		fail("socket", ENOMEM);
	check("socket", nl_connect(sock, NETLINK_ROUTE));
	return sock;
}

static void request(struct nl_sock *sock, struct nl_msg *msg, const char *what)
{
	check(what, nl_send_auto(sock, msg));
	check(what, nl_wait_for_ack(sock));
	nlmsg_free(msg);
}

static void put_end(struct nl_msg *msg, char side, unsigned int number)
{
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "%c%u", side, number);
	nla_put_string(msg, IFLA_IFNAME, name);
	nla_put_u32(msg, IFLA_GROUP, GROUP);
}

/* Pair `number` has the ifindexes number and number + 1. */
static void add_pair(struct nl_sock *sock, unsigned int number)
{
	struct ifinfomsg info = { .ifi_index = (int)number };
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *link, *data, *peer;

	nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO);
	put_end(msg, 'v', number);
	link = nla_nest_start(msg, IFLA_LINKINFO);
	nla_put_string(msg, IFLA_INFO_KIND, "veth");
	data = nla_nest_start(msg, IFLA_INFO_DATA);
	peer = nla_nest_start(msg, VETH_INFO_PEER);
	info.ifi_index++;
	nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO);
	put_end(msg, 'w', number);
	nla_nest_end(msg, peer);
	nla_nest_end(msg, data);
	nla_nest_end(msg, link);
	request(sock, msg, "add a veth pair");
}

static void add(unsigned int first, unsigned int count)
{
	struct nl_sock *sock = open_socket();
	uint64_t begin_ns = pe_clock_monotonic_ns();

	for (unsigned int i = 0; i < count; i++)
		add_pair(sock, first + 2 * i);
	printf("{\"ns\":%llu}\n", (unsigned long long)(pe_clock_monotonic_ns() - begin_ns));
	nl_socket_free(sock);
}

static void set_up(unsigned int first, unsigned int count)
{
	struct nl_sock *sock = open_socket();
	uint64_t begin_ns = pe_clock_monotonic_ns();

	for (unsigned int i = 0; i < 2 * count; i++) {
		struct ifinfomsg info = { .ifi_index = (int)(first + i),
					  .ifi_flags = IFF_UP,
					  .ifi_change = IFF_UP };
		struct nl_msg *msg = nlmsg_alloc_simple(RTM_SETLINK, 0);

		nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO);
		request(sock, msg, "set a link up");
	}
	printf("{\"ns\":%llu}\n", (unsigned long long)(pe_clock_monotonic_ns() - begin_ns));
	nl_socket_free(sock);
}

static void delete_all(void)
{
	const struct ifinfomsg info = { 0 };
	struct nl_sock *sock = open_socket();
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_DELLINK, 0);
	uint64_t begin_ns = pe_clock_monotonic_ns();

	nlmsg_append(msg, (void *)&info, sizeof(info), NLMSG_ALIGNTO);
	nla_put_u32(msg, IFLA_GROUP, GROUP);
	request(sock, msg, "delete a group");
	printf("{\"ns\":%llu}\n", (unsigned long long)(pe_clock_monotonic_ns() - begin_ns));
	nl_socket_free(sock);
}

static int on_message(struct nl_msg *msg, void *userdata)
{
	struct listener *listener = userdata;
	const struct nlmsghdr *header = nlmsg_hdr(msg);
	const struct ifinfomsg *info = nlmsg_data(header);
	unsigned int ifindex = (unsigned int)info->ifi_index;

	if (header->nlmsg_type == RTM_NEWLINK && ifindex < OBSERVE_MAX &&
	    !listener->received_ns[ifindex]) {
		listener->received_ns[ifindex] = pe_clock_monotonic_ns();
		__atomic_add_fetch(&listener->received, 1, __ATOMIC_RELEASE);
	}
	return NL_OK;
}

static void *listen_on(void *userdata)
{
	struct listener *listener = userdata;

	while (nl_recvmsgs_default(listener->sock) >= 0)
		;
	return NULL;
}

static void start_listener(struct listener *listener)
{
	int size = LISTEN_BUF;

	listener->sock = open_socket();
	nl_socket_disable_seq_check(listener->sock);
	check("subscribe", nl_socket_add_memberships(listener->sock, RTNLGRP_LINK, 0));
	setsockopt(nl_socket_get_fd(listener->sock), SOL_SOCKET, SO_RCVBUFFORCE, &size,
		   sizeof(size));
	nl_socket_modify_cb(listener->sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, listener);
	if (pthread_create(&listener->thread, NULL, listen_on, listener))
		fail("thread", EAGAIN);
}

static unsigned int count_set(const uint64_t *times_ns, unsigned int first, unsigned int count)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < 2 * count; i++)
		found += __atomic_load_n(&times_ns[first + i], __ATOMIC_ACQUIRE) != 0;
	return found;
}

/*
 * Of every second interface, how long after its announcement; those whose announcement was not
 * seen are left out.
 */
static void print_series(const char *side, const char *name, const uint64_t *at_ns,
			 const uint64_t *announced_ns, unsigned int first, unsigned int count)
{
	const char *comma = "";

	printf("%s\"%s%s\":[", *side || strcmp(name, "received") != 0 ? "," : "", side, name);
	for (unsigned int i = first; i < first + 2 * count; i += 2) {
		if (!announced_ns[i])
			continue;
		printf("%s%lld", comma, (long long)(at_ns[i] - announced_ns[i]));
		comma = ",";
	}
	printf("]");
}

static const uint64_t *map_times(const struct bpf_map *map)
{
	void *times = mmap(NULL, OBSERVE_MAX * sizeof(uint64_t), PROT_READ, MAP_SHARED,
			   bpf_map__fd(map), 0);

	if (times == MAP_FAILED)
		fail("map", errno);
	return times;
}

/* The BPF map of that name if this file of a process is one. Its descriptor or -1. */
static int open_map(unsigned int pid, const char *file, const char *name,
		    struct bpf_map_info *ret_info)
{
	char path[64], line[128];
	unsigned int id = 0, size = sizeof(*ret_info);
	FILE *info;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/fdinfo/%.16s", pid, file);
	info = fopen(path, "re");
	if (!info)
		return -1;
	while (!id && fgets(line, sizeof(line), info))
		sscanf(line, "map_id: %u", &id);
	fclose(info);
	fd = id ? bpf_map_get_fd_by_id(id) : -1;
	if (fd < 0)
		return -1;
	memset(ret_info, 0, sizeof(*ret_info));
	if (!bpf_obj_get_info_by_fd(fd, ret_info, &size) && strcmp(ret_info->name, name) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Gives the observer the table by which the exporter's programs know an interface. */
static void share_interfaces(struct observe_bpf *observe, unsigned int pid)
{
	struct bpf_map_info info;
	const struct dirent *entry;
	char path[32];
	int fd = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/fdinfo", pid);
	dir = opendir(path);
	if (!dir)
		fail(path, errno);
	while (fd < 0 && (entry = readdir(dir)))
		fd = open_map(pid, entry->d_name, "interfaces", &info);
	closedir(dir);
	if (fd < 0)
		fail("the exporter's map of interfaces", ENOENT);
	if (bpf_map__reuse_fd(observe->maps.interfaces, fd) < 0)
		fail("share a map", errno);
	observe->rodata->interface_mask = info.max_entries - 1;
	close(fd);
}

static struct observe_bpf *start_observing(unsigned int exporter)
{
	struct observe_bpf *observe = observe_bpf__open();

	if (!observe)
		fail("BPF", errno);
	share_interfaces(observe, exporter);
	if (observe_bpf__load(observe) < 0 || observe_bpf__attach(observe) < 0) {
		fprintf(stderr, "this kernel has no tracepoint sk_data_ready: %s\n",
			strerror(errno));
		exit(BENCH_CANNOT_RUN);
	}
	observe->bss->maker = (uint32_t)gettid();
	observe->bss->observed = exporter;
	return observe;
}

static void watch(unsigned int exporter, unsigned int first, unsigned int count,
		  unsigned int pause_us)
{
	static const char *const sides[] = { "", "peer_" };
	static struct listener listener;
	struct observe_bpf *observe = start_observing(exporter);
	const uint64_t *announced_ns = map_times(observe->maps.announced);
	const uint64_t *counted_ns = map_times(observe->maps.counted);
	const uint64_t *attached_ns = map_times(observe->maps.attached);
	struct nl_sock *sock = open_socket();
	uint64_t until_ns;

	start_listener(&listener);
	for (unsigned int i = 0; i < count; i++) {
		add_pair(sock, first + 2 * i);
		if (pause_us)
			usleep(pause_us);
	}
	until_ns = pe_clock_monotonic_ns() + WAIT_NS;
	while (count_set(counted_ns, first, count) < count_set(announced_ns, first, count) ||
	       count_set(attached_ns, first, count) < 2 * count ||
	       __atomic_load_n(&listener.received, __ATOMIC_ACQUIRE) < 2 * count) {
		if (pe_clock_monotonic_ns() > until_ns)
			fail("not all were counted and attached", ETIMEDOUT);
		usleep(WAIT_US);
	}
	printf("{");
	for (unsigned int i = 0; i < 2; i++) {
		print_series(sides[i], "received", listener.received_ns, announced_ns, first + i,
			     count);
		print_series(sides[i], "counted", counted_ns, announced_ns, first + i, count);
		print_series(sides[i], "attached", attached_ns, announced_ns, first + i, count);
	}
	printf("}\n");
}

int main(int argc, char **argv)
{
	unsigned int number[4] = { 0 };

	for (int i = 2; i < argc && i < 6; i++)
		number[i - 2] = (unsigned int)strtoul(argv[i], NULL, 10);
	if (argc == 4 && strcmp(argv[1], "add") == 0)
		add(number[0], number[1]);
	else if (argc == 4 && strcmp(argv[1], "up") == 0)
		set_up(number[0], number[1]);
	else if (argc == 2 && strcmp(argv[1], "delete") == 0)
		delete_all();
	else if (argc == 6 && strcmp(argv[1], "watch") == 0 &&
		 number[1] + 2 * number[2] <= OBSERVE_MAX)
		watch(number[0], number[1], number[2], number[3]);
	else
		return 2;
	return 0;
}
