/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one packet costs in the ingress program, over an empty program driven in the same way.
 * A and B are interleaved; each figure is a median.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/log.h"
#include "pe/xdp.h"
#include "../../src/xdp/object.h"

#include "bench.skel.h"
#include "packet_exporter.skel.h"

#define ROUNDS	   15
#define REPEAT	   200000
#define LO_IFINDEX 1 /* BPF_PROG_TEST_RUN says that packets come from the loopback interface */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *value, size_t count)
{
	qsort(value, count, sizeof(*value), compare);
	return value[count / 2];
}

static size_t make_udp(unsigned char *frame, size_t size)
{
	struct ethhdr *eth = (struct ethhdr *)frame;
	struct iphdr *ip = (struct iphdr *)(eth + 1);
	struct udphdr *udp = (struct udphdr *)(ip + 1);

	memset(frame, 0, size);
	eth->h_proto = htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons((uint16_t)(size - sizeof(*eth)));
	ip->protocol = IPPROTO_UDP;
	ip->daddr = htonl(0x0a800001);
	udp->source = htons(1234);
	udp->dest = htons(53);
	return size;
}

static double run(int driver, const unsigned char *frame, size_t size, int repeat)
{
	unsigned char out[2048];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)size,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = repeat);
	int r = bpf_prog_test_run_opts(driver, &opts);

	if (r < 0 || opts.retval != 2 /* XDP_PASS */) {
		fprintf(stderr, "test run: %s, retval %u\n", strerror(-r), opts.retval);
		exit(1);
	}
	return opts.duration;
}

static void measure(const char *name, struct bench_bpf *bench, int ours, unsigned int flows,
		    unsigned int sequence)
{
	unsigned char frame[64];
	size_t size = make_udp(frame, sizeof(frame));
	int driver = bpf_program__fd(bench->progs.drive);
	int programs[2] = { bpf_program__fd(bench->progs.empty), ours };
	double ns[2][ROUNDS];
	uint32_t zero = 0;

	bench->bss->sequence = sequence;
	bench->data->flow_count = flows;
	for (int round = -1; round < ROUNDS; round++) {
		for (int i = 0; i < 2; i++) {
			double value;

			bpf_map_update_elem(bpf_map__fd(bench->maps.measured), &zero, &programs[i],
					    BPF_ANY);
			value = run(driver, frame, size, REPEAT);
			if (round >= 0)
				ns[i][round] = value;
		}
	}
	double empty = median(ns[0], ROUNDS), full = median(ns[1], ROUNDS);

	printf("{\"name\":\"ingress program, %s\",\"value\":%.0f,\"unit\":\"ns/packet over "
	       "empty\",\"baseline\":%.0f,\"baseline_name\":\"empty program\"}\n",
	       name, full - empty, empty);
}

int main(void)
{
	struct pe_xdp_options options = { .max_interfaces = 1024,
					  .rings = 2,
					  .flow_cache = 32768,
					  .ring_size = 1 << 20,
					  .active_ns = 5 * PE_NS_PER_S };
	struct pe_xdp *xdp = NULL;
	struct bench_bpf *bench = bench_bpf__open_and_load();
	uint32_t token;
	pe_log_init(PE_LOG_DEBUG, PE_LOG_LOGFMT);
	int r = pe_xdp_open(&options, &xdp);

	if (r < 0 || !bench || pe_xdp_take(xdp, LO_IFINDEX, 0, &token) < 0) {
		fprintf(stderr, "cannot load: %s\n", strerror(-r));
		return r == -EPERM || r == -EOPNOTSUPP ? 77 : 1;
	}
	int ours = bpf_program__fd(xdp->skel->progs.pe_ingress);

	measure("1 flow", bench, ours, 1, 0);
	measure("1,000 flows", bench, ours, 1000, 0);
	measure("16,000 flows", bench, ours, 16000, 0);
	measure("64,000 flows", bench, ours, 64000, 0);
	measure("every packet a new flow, rings full", bench, ours, 1, 1);
	bench_bpf__destroy(bench);
	pe_xdp_close(xdp);
	return 0;
}
