/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packets that the data path is measured with: their kinds, and of which flow each is. */
#ifndef PE_BENCH_PACKETS_H
#define PE_BENCH_PACKETS_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/frames.h"
#include "flows.h"

#define PACKETS_SEED 88172645463325252u

/* A flow's number is written where the low part of the source address is. */
static const struct packets_kind {
	const char *name;
	uint32_t source; /* offset */
} packets_kinds[] = { { "IPv4 UDP", 26 },
		      { "IPv4 TCP", 26 },
		      { "IPv4 TCP 1,514 B", 26 },
		      { "IPv6 UDP", 34 },
		      { "IPv6 with 3 extension headers", 34 },
		      { "VLAN, IPv4 UDP", 30 },
		      { "ARP", 28 } };
#define PACKETS_KINDS (sizeof(packets_kinds) / sizeof(*packets_kinds))

/* As many flows as are measured. */
static const struct packets_case {
	unsigned int flows;
	const char *name;
} packets_cases[] = { { 1, "1 flow" },		 { 16, "16 flows" },
		      { 1000, "1,000 flows" },	 { 16000, "16,000 flows" },
		      { 64000, "64,000 flows" }, { 1000000, "1,000,000 flows" } };
#define PACKETS_CASES (sizeof(packets_cases) / sizeof(*packets_cases))
/* What is to be reached, is with no more flows than the one, and with the other. */
#define PACKETS_FEW_FLOWS  1000
#define PACKETS_MANY_FLOWS 64000

static inline void packets_make(struct frame *f, const struct packets_kind *kind)
{
	const char *name = kind->name;

	if (strcmp(name, "IPv4 UDP") == 0) {
		frame_eth(f, ETH_P_IP);
		frame_ipv4(f, IPPROTO_UDP, 0, 0, 8 + 22);
		frame_udp(f, 22);
	} else if (strcmp(name, "IPv4 TCP") == 0) {
		frame_eth(f, ETH_P_IP);
		frame_ipv4(f, IPPROTO_TCP, 0, 0, 20 + 10);
		frame_tcp(f, 0x10);
		frame_fill(f, 64);
	} else if (strcmp(name, "IPv4 TCP 1,514 B") == 0) {
		frame_eth(f, ETH_P_IP);
		frame_ipv4(f, IPPROTO_TCP, 0, 0, 1480);
		frame_tcp(f, 0x10);
		frame_fill(f, 1514);
	} else if (strcmp(name, "IPv6 UDP") == 0) {
		frame_eth(f, ETH_P_IPV6);
		frame_ipv6(f, IPPROTO_UDP, 8 + 22);
		frame_udp(f, 22);
	} else if (strcmp(name, "IPv6 with 3 extension headers") == 0) {
		frame_eth(f, ETH_P_IPV6);
		frame_ipv6(f, IPPROTO_HOPOPTS, 8 + 8 + 8 + 8 + 22);
		frame_extension(f, IPPROTO_DSTOPTS, 0);
		frame_extension(f, IPPROTO_ROUTING, 0);
		frame_extension(f, IPPROTO_UDP, 0);
		frame_udp(f, 22);
	} else if (strcmp(name, "VLAN, IPv4 UDP") == 0) {
		frame_eth(f, ETH_P_8021Q);
		frame_vlan(f, 7, ETH_P_IP);
		frame_ipv4(f, IPPROTO_UDP, 0, 0, 8 + 18);
		frame_udp(f, 18);
	} else {
		frame_eth(f, ETH_P_ARP);
		frame_fill(f, 64);
	}
}

static inline uint64_t packets_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* BENCH_DRAWN numbers below `flows`, each as likely as the others. */
static inline void packets_draw_uniform(uint64_t *drawn, unsigned int flows)
{
	uint64_t state = PACKETS_SEED;

	for (unsigned int i = 0; i < BENCH_DRAWN; i++)
		drawn[i] = (packets_random(&state) >> 32) * flows >> 32;
}

/* As Zipf's law with exponent 1 has them. */
static inline void packets_draw_zipf(uint64_t *drawn, unsigned int flows)
{
	double *sum = malloc(flows * sizeof(*sum));
	uint64_t state = PACKETS_SEED;

	if (!sum)
		abort();
	for (unsigned int i = 0; i < flows; i++)
		sum[i] = (i ? sum[i - 1] : 0) + 1.0 / (i + 1);
	for (unsigned int i = 0; i < BENCH_DRAWN; i++) {
		unsigned int low = 0, high = flows - 1;
		double at = ldexp((double)(packets_random(&state) >> 11), -53) * sum[flows - 1];

		while (low < high) {
			unsigned int middle = (low + high) / 2;

			if (sum[middle] < at)
				low = middle + 1;
			else
				high = middle;
		}
		drawn[i] = low;
	}
	free(sum);
}

#endif
