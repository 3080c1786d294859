/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Says how many packets of an interface the receive tracepoint could not show to any program
 * (witness.bpf.c), for test_passages.py:
 *
 *   witness INTERFACE   answers each line of standard input by the number until now; the first line
 *                       of its output is 0, when it has begun. Its filter stays on the interface.
 */
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "witness.skel.h"

static int attach(struct witness_bpf *skel, int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(skel->progs.look));
	int r;

	skel->links.see = bpf_program__attach(skel->progs.see);
	if (!skel->links.see)
		return -1;
	r = bpf_tc_hook_create(&hook);
	return r < 0 ? r : bpf_tc_attach(&hook, &opts);
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
		printf("%" PRIu64 "\n", (uint64_t)skel->bss->missed);
	while (fgets(line, sizeof(line), stdin));
	witness_bpf__destroy(skel);
	return EXIT_SUCCESS;
}
