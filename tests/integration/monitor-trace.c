/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prints what the link monitor reports, one line a callback, for test_monitor.py.
 *
 *   monitor-trace [RCVBUF]
 *
 * Commands on standard input, one a line: `stats IFINDEX` asks the kernel for counters, `find
 * IFINDEX` asks the monitor, `counters` prints what the monitor counts about itself, `resync` asks
 * for a dump. It ends with the end of standard input.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/link.h"

#define RETRY_MS 50

static void monitor_freep(struct pe_monitor **monitor)
{
	pe_monitor_free(*monitor);
}

static void print_link(const char *what, const struct pe_link *link)
{
	printf("%s %d %s kind=%s master=%d peer=%d netnsid=%d up=%d alias=%s\n", what,
	       link->ifindex, link->name, link->kind, link->master, link->peer, link->peer_netnsid,
	       link->flags & IFF_UP ? 1 : 0, link->alias);
}

static void print_counters(const struct pe_link_stats *stats)
{
	printf("rx_packets=%" PRIu64 " rx_bytes=%" PRIu64 " tx_packets=%" PRIu64
	       " tx_bytes=%" PRIu64 "\n",
	       stats->rx_packets, stats->rx_bytes, stats->tx_packets, stats->tx_bytes);
}

static void on_added(struct pe_link *link, void *userdata)
{
	print_link("added", link);
}

static void on_changed(struct pe_link *link, const struct pe_link *before, void *userdata)
{
	print_link("changed", link);
}

static void on_gone(const struct pe_link *link, enum pe_link_gone why, void *userdata)
{
	static const char *const names[] = {
		[PE_LINK_DELETED] = "deleted",
		[PE_LINK_MOVED] = "moved",
		[PE_LINK_MISSED] = "missed",
	};

	printf("gone %d %s %s ", link->ifindex, link->name, names[why]);
	print_counters(&link->stats);
}

static void on_synced(void *userdata)
{
	puts("synced");
}

static int run_command(struct pe_monitor *monitor, const char *line)
{
	struct pe_monitor_stats self;
	struct pe_link_stats stats;
	const struct pe_link *link;
	int ifindex, r;

	if (sscanf(line, "stats %d", &ifindex) == 1) {
		r = pe_monitor_read_stats(monitor, ifindex, &stats);
		printf("stats %d ", ifindex);
		if (r < 0)
			printf("error=%s\n", strerrorname_np(-r));
		else
			print_counters(&stats);
	} else if (sscanf(line, "find %d", &ifindex) == 1) {
		link = pe_monitor_find(monitor, ifindex);
		if (link)
			print_link("found", link);
		else
			printf("found %d none\n", ifindex);
	} else if (strcmp(line, "counters\n") == 0) {
		pe_monitor_get_stats(monitor, &self);
		printf("counters messages=%" PRIu64 " invalid=%" PRIu64 " overruns=%" PRIu64
		       " resyncs=%" PRIu64 "\n",
		       self.messages, self.invalid, self.overruns, self.resyncs);
	} else if (strcmp(line, "resync\n") == 0) {
		pe_monitor_request_resync(monitor);
		return pe_monitor_dispatch(monitor);
	} else {
		return -EINVAL;
	}
	return 0;
}

/* Dispatch errors are printed and tried again, as the daemon would. */
static int run(struct pe_monitor *monitor)
{
	struct pollfd fds[] = { { .fd = pe_monitor_fd(monitor), .events = POLLIN },
				{ .fd = STDIN_FILENO, .events = POLLIN } };
	char line[64];
	int r = pe_monitor_start(monitor);

	if (r < 0)
		return r;
	for (;;) {
		int ready = poll(fds, 2, r < 0 ? RETRY_MS : -1);

		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready < 0)
			continue;
		if (fds[0].revents || r < 0)
			r = pe_monitor_dispatch(monitor);
		if (fds[1].revents) {
			if (!fgets(line, sizeof(line), stdin))
				return 0;
			r = run_command(monitor, line);
		}
		if (r < 0)
			printf("error %s\n", strerrorname_np(-r));
	}
}

int main(int argc, char **argv)
{
	static const struct pe_monitor_ops ops = {
		.added = on_added, .changed = on_changed, .gone = on_gone, .synced = on_synced
	};
	_cleanup_(monitor_freep) struct pe_monitor *monitor = NULL;
	size_t rcvbuf = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	int r;

	/* poll() knows nothing of bytes that stdio has read ahead. */
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = pe_monitor_new(&ops, NULL, rcvbuf, &monitor);
	if (r == 0)
		r = run(monitor);
	if (r < 0)
		fprintf(stderr, "monitor-trace: %s\n", strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
