/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holds somebody else's XDP program (foreign.bpf.c), for test_coexist.py.
 *
 * Commands on standard input, one a line; each is answered by one line: what was asked for, "done",
 * or the name of the error.
 *
 *   attach INTERFACE MODE WAY   mode: any, generic, native
 *                               way: netlink; noexist (fails if one is there); replace (the one
 *                               that is there, whosever it is); link (bpf_link)
 *   tc INTERFACE                the tc program, by a filter, until the interface goes
 *   off INTERFACE MODE          by netlink, whatever is there
 *   detach                      what it attached last, and only that
 *   verdict NUMBER EVERY        of each so manieth packet: XDP_DROP and so on
 *   redirect INTERFACE          every packet
 *   count                       packets and bytes that the program was given
 *
 * Nothing is pinned. At the end of standard input it detaches.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "foreign.skel.h"

struct holder {
	struct foreign_bpf *skel;
	int ifindex; /* attached by netlink, 0: not */
	int link_fd; /* -1: not */
	uint32_t mode;
};

static uint32_t mode_flags(const char *mode)
{
	if (strcmp(mode, "generic") == 0)
		return XDP_FLAGS_SKB_MODE;
	return strcmp(mode, "native") == 0 ? XDP_FLAGS_DRV_MODE : 0;
}

static int attach_link(struct holder *holder, int ifindex, uint32_t mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = mode);
	int fd = bpf_link_create(bpf_program__fd(holder->skel->progs.foreign), ifindex, BPF_XDP,
				 &opts);

	if (fd < 0)
		return fd;
	holder->link_fd = fd;
	return 0;
}

/* A descriptor of the program that is there, as anybody with privileges gets it, or -errno. */
static int attached_fd(int ifindex, uint32_t mode)
{
	uint32_t id = 0;
	int r = bpf_xdp_query_id(ifindex, (int)mode, &id);

	if (r < 0)
		return r;
	return id ? bpf_prog_get_fd_by_id(id) : -ENOENT;
}

static int attach_netlink(struct holder *holder, int ifindex, uint32_t mode, const char *way)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	uint32_t flags = mode;
	int old = -1, r;

	if (strcmp(way, "noexist") == 0)
		flags |= XDP_FLAGS_UPDATE_IF_NOEXIST;
	if (strcmp(way, "replace") == 0) {
		old = attached_fd(ifindex, mode);
		if (old < 0)
			return old;
		opts.old_prog_fd = old;
	}
	r = bpf_xdp_attach(ifindex, bpf_program__fd(holder->skel->progs.foreign), flags,
			   old < 0 ? NULL : &opts);
	if (old >= 0)
		close(old);
	if (!r)
		holder->ifindex = ifindex;
	return r;
}

static int attach(struct holder *holder, const char *interface, const char *mode, const char *way)
{
	int ifindex = (int)if_nametoindex(interface);

	if (!ifindex)
		return -ENODEV;
	if (holder->ifindex || holder->link_fd >= 0)
		return -EALREADY;
	holder->mode = mode_flags(mode);
	if (strcmp(way, "link") == 0)
		return attach_link(holder, ifindex, holder->mode);
	return attach_netlink(holder, ifindex, holder->mode, way);
}

static int attach_tc(struct holder *holder, const char *interface)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(interface),
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(holder->skel->progs.foreign_tc));
	int r = bpf_tc_hook_create(&hook);

	return r < 0 ? r : bpf_tc_attach(&hook, &opts);
}

static int detach(struct holder *holder)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts,
		    .old_prog_fd = bpf_program__fd(holder->skel->progs.foreign));
	int r = 0;

	if (holder->link_fd >= 0)
		close(holder->link_fd);
	if (holder->ifindex)
		r = bpf_xdp_detach(holder->ifindex, holder->mode, &opts);
	holder->link_fd = -1;
	holder->ifindex = 0;
	return r;
}

static int run_command(struct holder *holder, const char *line)
{
	char interface[IF_NAMESIZE], mode[16], way[16];
	struct foreign_bpf *skel = holder->skel;
	unsigned int verdict, every;

	if (sscanf(line, "attach %15s %15s %15s", interface, mode, way) == 3)
		return attach(holder, interface, mode, way);
	if (sscanf(line, "tc %15s", interface) == 1)
		return attach_tc(holder, interface);
	if (sscanf(line, "off %15s %15s", interface, mode) == 2)
		return bpf_xdp_detach((int)if_nametoindex(interface), mode_flags(mode), NULL);
	if (strcmp(line, "detach\n") == 0)
		return detach(holder);
	if (sscanf(line, "redirect %15s", interface) == 1) {
		skel->bss->target = if_nametoindex(interface);
		return skel->bss->target ? 0 : -ENODEV;
	}
	if (sscanf(line, "verdict %u %u", &verdict, &every) == 2) {
		skel->data->verdict = verdict;
		skel->data->every = every;
		return 0;
	}
	return -EINVAL;
}

int main(void)
{
	struct holder holder = { .link_fd = -1 };
	char line[64];
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	holder.skel = foreign_bpf__open_and_load();
	if (!holder.skel) {
		fprintf(stderr, "foreign-xdp: cannot load: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	while (fgets(line, sizeof(line), stdin)) {
		if (strcmp(line, "count\n") == 0) {
			printf("%" PRIu64 " %" PRIu64 "\n", (uint64_t)holder.skel->bss->packets,
			       (uint64_t)holder.skel->bss->bytes);
			continue;
		}
		r = run_command(&holder, line);
		puts(r < 0 ? strerrorname_np(-r) : "done");
	}
	detach(&holder);
	foreign_bpf__destroy(holder.skel);
	return EXIT_SUCCESS;
}
