/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Says how many packets of an interface the tracepoints could not show to any program
 * (witness.bpf.c), for test_passages.py:
 *
 *   witness INTERFACE   answers each line of standard input by the numbers until now, ingress and
 *                       egress; the first line of its output comes when it has begun. Its filters
 *                       stay on the interface.
 */
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "witness.skel.h"

static int attach_tc(const struct bpf_program *program, int ifindex, enum bpf_tc_attach_point point)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(program));

	return bpf_tc_attach(&hook, &opts);
}

/* Those that see less come first: what passes between is not missed. */
static int attach(struct witness_bpf *skel, int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int r;

	skel->links.see_received = bpf_program__attach(skel->progs.see_received);
	r = bpf_tc_hook_create(&hook);
	if (!skel->links.see_received || r < 0)
		return -1;
	if (attach_tc(skel->progs.look_received, ifindex, BPF_TC_INGRESS) < 0)
		return -1;
	skel->links.see_sent = bpf_program__attach(skel->progs.see_sent);
	if (!skel->links.see_sent)
		return -1;
	return attach_tc(skel->progs.look_sent, ifindex, BPF_TC_EGRESS);
}

static uint64_t difference(uint64_t sent, uint64_t seen)
{
	return sent > seen ? sent - seen : 0;
}

int main(int argc, char **argv)
{
	struct witness_bpf *skel = witness_bpf__open();
	struct stat netns;
	char line[8];
	int ifindex = argc == 2 ? (int)if_nametoindex(argv[1]) : 0;

	if (!skel || !ifindex || stat("/proc/self/ns/net", &netns) < 0)
		return EXIT_FAILURE;
	skel->rodata->ifindex = (uint32_t)ifindex;
	skel->rodata->inum = (uint32_t)netns.st_ino;
	if (witness_bpf__load(skel) < 0 || attach(skel, ifindex) < 0)
		return EXIT_FAILURE;
	setvbuf(stdout, NULL, _IOLBF, 0);
	do
		printf("%" PRIu64 " %" PRIu64 "\n", (uint64_t)skel->bss->unseen,
		       difference(skel->bss->sent, skel->bss->sent_seen));
	while (fgets(line, sizeof(line), stdin));
	witness_bpf__destroy(skel);
	return EXIT_SUCCESS;
}
