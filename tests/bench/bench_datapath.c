/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one packet costs in the ingress program, over an empty program driven in the same way: by
 * the kind of packet, by the number of flows and by how they are drawn; and beside it what models
 * of other designs cost (bench.bpf.c). All of one row are interleaved; each figure is a median.
 */
#include "drive.h"

#include <math.h>
#include <pthread.h>
#include <sys/mman.h>

#include "../bpf/frames.h"

#define ROUNDS	     9
#define PROGRAMS_MAX 8
#define SEED	     88172645463325252u

struct program {
	const char *name;
	int fd;
	int share; /* of the runs, one in so many: an expensive one needs fewer */
	double ns[ROUNDS];
};

struct reader {
	struct ring_buffer *ring;
	struct perf_buffer *perf;
	pthread_t thread[2];
	bool stop; /* atomic */
	uint64_t events;
};

static int on_ring(void *userdata, void *data, size_t size)
{
	struct reader *reader = userdata;

	(void)data;
	(void)size;
	reader->events++;
	return 0;
}

static void on_perf(void *userdata, int cpu, void *data, uint32_t size)
{
	(void)cpu;
	on_ring(userdata, data, size);
}

static void on_perf_lost(void *userdata, int cpu, __u64 count)
{
	(void)userdata;
	(void)cpu;
	(void)count;
}

static void *read_ring(void *userdata)
{
	struct reader *reader = userdata;

	while (!__atomic_load_n(&reader->stop, __ATOMIC_RELAXED))
		ring_buffer__poll(reader->ring, 50);
	return NULL;
}

static void *read_perf(void *userdata)
{
	struct reader *reader = userdata;

	while (!__atomic_load_n(&reader->stop, __ATOMIC_RELAXED))
		perf_buffer__poll(reader->perf, 50);
	return NULL;
}

static int start_readers(struct reader *reader, struct bench_bpf *bench)
{
	reader->ring = ring_buffer__new(bpf_map__fd(bench->maps.events), on_ring, reader, NULL);
	reader->perf = perf_buffer__new(bpf_map__fd(bench->maps.perf_events), 64, on_perf,
					on_perf_lost, reader, NULL);
	if (!reader->ring || !reader->perf)
		return -errno;
	if (pthread_create(&reader->thread[0], NULL, read_ring, reader) ||
	    pthread_create(&reader->thread[1], NULL, read_perf, reader))
		return -EAGAIN;
	return 0;
}

static void stop_readers(struct reader *reader)
{
	__atomic_store_n(&reader->stop, true, __ATOMIC_RELAXED);
	pthread_join(reader->thread[0], NULL);
	pthread_join(reader->thread[1], NULL);
	ring_buffer__free(reader->ring);
	perf_buffer__free(reader->perf);
}

/* Numbers of flows as Zipf's law with exponent 1 has them, into the table that the driver reads. */
static void draw_zipf(uint64_t *drawn, unsigned int flows)
{
	double *sum = malloc(flows * sizeof(*sum));
	uint64_t state = SEED;

	if (!sum)
		abort();
	for (unsigned int i = 0; i < flows; i++)
		sum[i] = (i ? sum[i - 1] : 0) + 1.0 / (i + 1);
	for (unsigned int i = 0; i < BENCH_DRAWN; i++) {
		unsigned int low = 0, high = flows - 1;
		double at;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		at = ldexp((double)(state >> 11), -53) * sum[flows - 1];
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

static void measure(struct drive *drive, struct program *program, size_t count,
		    const struct frame *frame)
{
	int repeat = bench_quick() ? 20000 : 100000, rounds = bench_quick() ? 3 : ROUNDS;

	/* The first round fills maps; within a round, a part that is not timed fills CPU caches. */
	for (int round = -1; round < rounds; round++) {
		for (size_t i = 0; i < count; i++) {
			int runs = repeat / program[i].share;
			double ns;

			drive_run(drive, program[i].fd, frame->data, frame->len, runs / 2);
			ns = drive_run(drive, program[i].fd, frame->data, frame->len, runs);
			if (round >= 0)
				program[i].ns[round] = ns;
		}
	}
	for (size_t i = 0; i < count; i++)
		program[i].ns[0] = bench_median(program[i].ns, (size_t)rounds);
}

/* The first program is the empty one, the second ours. */
static void print(const char *what, const struct program *program, size_t count, const char *target,
		  const char *model_target)
{
	double empty = program[0].ns[0], ours = program[1].ns[0] - empty;
	char name[160];

	snprintf(name, sizeof(name), "ingress, %s", what);
	bench_print((struct bench_figure){ name, ours, "ns/packet over empty", empty,
					   program[0].name, target });
	for (size_t i = 2; i < count; i++) {
		snprintf(name, sizeof(name), "ingress, %s; beside %s", what, program[i].name);
		bench_print((struct bench_figure){ name, ours, "ns/packet over empty",
						   program[i].ns[0] - empty, "model, over empty",
						   i == 2 ? model_target : NULL });
	}
}

static void make_kind(struct frame *f, const char *kind)
{
	if (strcmp(kind, "IPv4 UDP") == 0) {
		frame_eth(f, ETH_P_IP);
		frame_ipv4(f, IPPROTO_UDP, 0, 0, 8 + 22);
		frame_udp(f, 22);
	} else if (strcmp(kind, "IPv4 TCP") == 0) {
		frame_eth(f, ETH_P_IP);
		frame_ipv4(f, IPPROTO_TCP, 0, 0, 20 + 10);
		frame_tcp(f, 0x10);
		frame_fill(f, 64);
	} else if (strcmp(kind, "IPv4 TCP 1,514 B") == 0) {
		frame_eth(f, ETH_P_IP);
		frame_ipv4(f, IPPROTO_TCP, 0, 0, 1480);
		frame_tcp(f, 0x10);
		frame_fill(f, 1514);
	} else if (strcmp(kind, "IPv6 UDP") == 0) {
		frame_eth(f, ETH_P_IPV6);
		frame_ipv6(f, IPPROTO_UDP, 8 + 22);
		frame_udp(f, 22);
	} else if (strcmp(kind, "IPv6 with 3 extension headers") == 0) {
		frame_eth(f, ETH_P_IPV6);
		frame_ipv6(f, IPPROTO_HOPOPTS, 8 + 8 + 8 + 8 + 22);
		frame_extension(f, IPPROTO_DSTOPTS, 0);
		frame_extension(f, IPPROTO_ROUTING, 0);
		frame_extension(f, IPPROTO_UDP, 0);
		frame_udp(f, 22);
	} else if (strcmp(kind, "VLAN, IPv4 UDP") == 0) {
		frame_eth(f, ETH_P_8021Q);
		frame_vlan(f, 7, ETH_P_IP);
		frame_ipv4(f, IPPROTO_UDP, 0, 0, 8 + 18);
		frame_udp(f, 18);
	} else {
		frame_eth(f, ETH_P_ARP);
		frame_fill(f, 64);
	}
}

static void measure_kinds(struct drive *drive)
{
	/* Where the driver writes the low part of the source address. */
	static const struct {
		const char *kind;
		uint32_t offset;
	} kinds[] = { { "IPv4 UDP", 26 },
		      { "IPv4 TCP", 26 },
		      { "IPv4 TCP 1,514 B", 26 },
		      { "IPv6 UDP", 34 },
		      { "IPv6 with 3 extension headers", 34 },
		      { "VLAN, IPv4 UDP", 30 },
		      { "ARP", 28 } };

	drive->bench->data->flow_count = 1000;
	drive->bench->bss->use_drawn = false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct program program[] = {
			{ "empty program", bpf_program__fd(drive->bench->progs.empty), 1, { 0 } },
			{ "ours", drive->ours, 1, { 0 } },
		};
		struct frame frame;
		char what[96];

		make_kind(&frame, kinds[i].kind);
		drive->bench->data->source_offset = kinds[i].offset;
		measure(drive, program, 2, &frame);
		snprintf(what, sizeof(what), "%s, 1,000 flows", kinds[i].kind);
		print(what, program, 2, i == 0 ? "≤ 10 ns" : NULL, NULL);
	}
}

static void measure_flows(struct drive *drive, uint64_t *drawn)
{
	static const struct {
		unsigned int flows;
		const char *name, *target, *model_target;
	} cases[] = { { 1, "1 flow", "≤ 10 ns", NULL },
		      { 16, "16 flows", "≤ 10 ns", NULL },
		      { 1000, "1,000 flows", "≤ 10 ns", NULL },
		      { 16000, "16,000 flows", NULL, NULL },
		      { 64000, "64,000 flows", "≤ 70 ns", "ratio ≤ 0.2" },
		      { 1000000, "1,000,000 flows", NULL, NULL } };
	struct bench_bpf *bench = drive->bench;
	struct frame frame;

	make_kind(&frame, "IPv4 UDP");
	bench->data->source_offset = 26;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		size_t at = i / 2;
		bool zipf = i % 2;
		struct program program[PROGRAMS_MAX] = {
			{ "empty program", bpf_program__fd(bench->progs.empty), 1, { 0 } },
			{ "ours", drive->ours, 1, { 0 } },
			{ "an LRU per-CPU hash of 65,536 flows",
			  bpf_program__fd(bench->progs.model_lru),
			  1,
			  { 0 } },
			{ "a shared hash of 65,536 flows",
			  bpf_program__fd(bench->progs.model_shared),
			  1,
			  { 0 } },
			{ "a cache as large that reports nothing",
			  bpf_program__fd(bench->progs.model_line),
			  1,
			  { 0 } },
			{ "a per-CPU array of protocols",
			  bpf_program__fd(bench->progs.model_array),
			  1,
			  { 0 } },
			{ "a ring event per packet, read",
			  bpf_program__fd(bench->progs.model_ring),
			  1,
			  { 0 } },
			{ "a perf event per packet, read",
			  bpf_program__fd(bench->progs.model_perf),
			  10,
			  { 0 } },
		};
		/* The last three do not know flows: one case shows them. */
		size_t count = cases[at].flows == 1000 && !zipf ? PROGRAMS_MAX : 5;
		char what[64];

		if (zipf && cases[at].flows == 1)
			continue;
		if (zipf)
			draw_zipf(drawn, cases[at].flows);
		bench->data->flow_count = cases[at].flows;
		bench->bss->use_drawn = zipf;
		measure(drive, program, count, &frame);
		snprintf(what, sizeof(what), "64 B, %s%s", cases[at].name,
			 cases[at].flows == 1 ? ""
			 : zipf		      ? ", Zipf"
					      : ", uniform");
		print(what, program, count, zipf ? NULL : cases[at].target,
		      zipf ? NULL : cases[at].model_target);
	}
}

int main(void)
{
	struct reader reader = { 0 };
	struct drive drive;
	uint64_t *drawn;
	int r = drive_open(&drive, true);

	if (r < 0)
		return drive_refused(r);
	drawn = mmap(NULL, BENCH_DRAWN * sizeof(*drawn), PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_map__fd(drive.bench->maps.drawn), 0);
	r = start_readers(&reader, drive.bench);
	if (r < 0 || drawn == MAP_FAILED)
		return drive_refused(r < 0 ? r : -errno);
	/* After the workers and readers were started: they may use the other CPUs. */
	bench_pin(0);
	measure_kinds(&drive);
	measure_flows(&drive, drawn);
	stop_readers(&reader);
	drive_close(&drive);
	return 0;
}
