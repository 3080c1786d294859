/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a packet costs under the worst traffic, over an empty program: each packet a new flow; rings
 * full because no worker reads them. Whatever is lost of the flow detail, the totals are exact: a
 * difference of one packet or byte ends the program with a failure.
 */
#include "drive.h"

#include "../bpf/frames.h"

#define ROUNDS 15

struct attack {
	struct drive drive;
	uint64_t packets, bytes; /* that our program was given */
};

static void attack_open(struct attack *attack, bool workers)
{
	int r = drive_open(&attack->drive, workers ? DRIVE_WORKERS : DRIVE_NO_WORKERS);

	if (r < 0)
		exit(drive_refused(r));
	attack->packets = attack->bytes = 0;
}

static void make_frame(struct frame *f, bool ipv6)
{
	frame_eth(f, ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	if (ipv6)
		frame_ipv6(f, IPPROTO_UDP, 8 + 22);
	else
		frame_ipv4(f, IPPROTO_UDP, 0, 0, 8 + 22);
	frame_udp(f, 22);
}

static void measure(struct attack *attack, const char *name, unsigned int flows, bool ipv6,
		    const char *target)
{
	struct drive *drive = &attack->drive;
	int programs[2] = { bpf_program__fd(drive->bench->progs.empty), drive->ours };
	int repeat = bench_quick() ? 30000 : 200000;
	size_t rounds = bench_quick() ? 3 : ROUNDS;
	double ns[2][ROUNDS], empty;
	struct frame frame;

	make_frame(&frame, ipv6);
	drive->bench->data->source_offset = ipv6 ? 34 : 26;
	drive->bench->data->flow_count = flows ? flows : 1;
	/* The empty program takes numbers as well; none comes twice. */
	if (!flows && !drive->bench->bss->sequence)
		drive->bench->bss->sequence = 1;
	if (flows)
		drive->bench->bss->sequence = 0;
	/* The first round fills the cache and the rings. */
	for (size_t round = 0; round <= rounds; round++) {
		for (int i = 0; i < 2; i++) {
			double value = drive_run(drive, programs[i], frame.data, frame.len, repeat);

			if (round > 0)
				ns[i][round - 1] = value;
		}
		attack->packets += (uint64_t)repeat;
		attack->bytes += (uint64_t)repeat * frame.len;
	}
	empty = bench_median(ns[0], rounds);
	bench_print((struct bench_figure){ name, bench_median(ns[1], rounds) - empty,
					   "ns/packet over empty", empty, "empty program",
					   target });
}

static void expect(const char *what, uint64_t found, uint64_t expected)
{
	if (found == expected)
		return;
	fprintf(stderr, "%s: %llu instead of %llu\n", what, (unsigned long long)found,
		(unsigned long long)expected);
	exit(1);
}

/* Packets of the records that wait in the rings. */
static uint64_t read_rings(struct drive *drive)
{
	struct pe_flow records[64];
	uint64_t packets = 0;
	size_t count;

	for (unsigned int ring = 0; ring < DRIVE_RINGS; ring++) {
		while ((count = pe_ring_read(drive->rings[ring], records, 64)) > 0) {
			for (size_t i = 0; i < count; i++)
				packets += records[i].packets;
		}
	}
	return packets;
}

/* `single`: each record is of one packet, so that the workers' count of records tells. */
static void attack_end(struct attack *attack, const char *name, bool single)
{
	struct drive *drive = &attack->drive;
	struct pe_row rows[PE_DIRECTIONS];
	struct pe_count total;
	struct pe_workers_stats stats;
	uint64_t lost = 0, arrived;
	char what[160];

	while (pe_xdp_sweep(drive->xdp, 0) > 0)
		;
	if (drive->workers) {
		pe_workers_drain(drive->workers);
		pe_workers_get_stats(drive->workers, &stats);
		arrived = stats.records;
	} else {
		arrived = read_rings(drive);
	}
	pe_xdp_read(drive->xdp, drive->token, rows);
	total = pe_row_total(&rows[PE_INGRESS]);
	expect("packets", total.packets, attack->packets);
	expect("bytes", total.bytes, attack->bytes);
	for (unsigned int i = 0; i < PE_PROTO_COUNT; i++)
		lost += rows[PE_INGRESS].lost[i].packets;
	if (!drive->workers || single)
		expect("packets in records and lost", arrived + lost, attack->packets);
	snprintf(what, sizeof(what), "%s: packets counted", name);
	bench_print((struct bench_figure){ what, (double)total.packets, "packets",
					   (double)attack->packets, "packets given", "equal" });
	snprintf(what, sizeof(what), "%s: flow detail kept", name);
	bench_print((struct bench_figure){ what, (double)(attack->packets - lost), "packets",
					   (double)attack->packets, "packets given", NULL });
	drive_close(drive);
}

int main(void)
{
	struct attack attack;

	attack_open(&attack, true);
	/* After the workers were started: they may use the other CPUs. */
	bench_pin(0);
	measure(&attack, "each packet a new flow, workers reading", 0, false, NULL);
	attack_end(&attack, "each packet a new flow, workers reading", true);

	attack_open(&attack, false);
	measure(&attack, "each packet a new flow, both workers stalled, rings full", 0, false,
		"≤ 120 ns");
	measure(&attack, "each packet a new IPv6 flow, both workers stalled, rings full", 0, true,
		"≤ 120 ns");
	measure(&attack, "64,000 flows, both workers stalled, rings full", 64000, false, NULL);
	measure(&attack, "1,000 flows, both workers stalled, rings full", 1000, false, NULL);
	attack_end(&attack, "both workers stalled, rings full", false);
	return 0;
}
