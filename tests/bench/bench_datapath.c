/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one packet costs in the ingress program, over an empty program driven in the same way: by
 * the kind of packet, by the number of flows and by how they are drawn; and beside it what models
 * of other designs cost (bench.bpf.c). All of one row are interleaved; each figure is a median. And
 * how many lines of data a packet of a flow that is known changes.
 */
#include "drive.h"

#include <pthread.h>
#include <sys/mman.h>

#include "lines.h"
#include "packets.h"

#define ROUNDS	     9
#define SHORT_ROUNDS 45 /* of a fifth each, of few flows */
#define PROGRAMS_MAX 8

struct program {
	const char *name;
	int fd;
	int share;		 /* of the runs, one in so many: an expensive one needs fewer */
	double ns[SHORT_ROUNDS]; /* of each round; then the first is their median */
	double fastest;
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

static void measure(struct drive *drive, struct program *program, size_t count,
		    const struct frame *frame)
{
	int repeat = bench_quick() ? 20000 : 100000, rounds = bench_quick() ? 3 : ROUNDS;

	if (!bench_quick() && drive->bench->data->flow_count <= PACKETS_FEW_FLOWS) {
		repeat = repeat * ROUNDS / SHORT_ROUNDS;
		rounds = SHORT_ROUNDS;
	}
	/* Flows of what was measured before have ended: in a second the daemon would have swept
	 * them out. */
	pe_xdp_sweep(drive->xdp, 0);
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
	for (size_t i = 0; i < count; i++) {
		double median = bench_median(program[i].ns, (size_t)rounds);

		program[i].fastest = program[i].ns[0]; /* sorted now */
		program[i].ns[0] = median;
	}
}

/* The first so many know flows. */
#define PROGRAMS_WITH_FLOWS 5

/* The first program is the empty one, the second ours. */
static void print(const char *what, const struct program *program, size_t count, const char *target,
		  const char *model_target)
{
	double empty = program[0].ns[0], ours = program[1].ns[0] - empty;
	char name[200];

	snprintf(name, sizeof(name), "ingress, %s", what);
	bench_print((struct bench_figure){ name, ours, "ns/packet over empty", empty,
					   program[0].name, target });
	for (size_t i = 2; i < count; i++) {
		const char *of_model = i == 2			  ? model_target
				       : i == PROGRAMS_WITH_FLOWS ? "ratio ≤ 2.0"
								  : NULL;

		snprintf(name, sizeof(name), "ingress, %s; beside %s", what, program[i].name);
		bench_print((struct bench_figure){ name, ours, "ns/packet over empty",
						   program[i].ns[0] - empty, "model, over empty",
						   of_model });
		if (!of_model)
			continue;
		/* Where others use the core's other thread, instructions take up to twice as long,
		 * and waiting for memory does not. */
		snprintf(name, sizeof(name), "ingress, %s; beside %s, the fastest round of each",
			 what, program[i].name);
		bench_print((struct bench_figure){
			name, program[1].fastest - program[0].fastest, "ns/packet over empty",
			program[i].fastest - program[0].fastest, "model, over empty", of_model });
	}
}

static void fill_programs(const struct drive *drive, struct program program[PROGRAMS_MAX])
{
	const struct bench_bpf *bench = drive->bench;
	const struct program all[PROGRAMS_MAX] = {
		{ "empty program", bpf_program__fd(bench->progs.empty), 1, { 0 }, 0 },
		{ "ours", drive->ours, 1, { 0 }, 0 },
		{ "an LRU per-CPU hash of 65,536 flows",
		  bpf_program__fd(bench->progs.model_lru),
		  1,
		  { 0 },
		  0 },
		{ "a shared hash of 65,536 flows",
		  bpf_program__fd(bench->progs.model_shared),
		  1,
		  { 0 },
		  0 },
		{ "a cache as large that reports nothing",
		  bpf_program__fd(bench->progs.model_line),
		  1,
		  { 0 },
		  0 },
		{ "a per-CPU array of protocols",
		  bpf_program__fd(bench->progs.model_array),
		  1,
		  { 0 },
		  0 },
		{ "a ring event per packet, read",
		  bpf_program__fd(bench->progs.model_ring),
		  1,
		  { 0 },
		  0 },
		{ "a perf event per packet, read",
		  bpf_program__fd(bench->progs.model_perf),
		  10,
		  { 0 },
		  0 },
	};

	memcpy(program, all, sizeof(all));
}

static void measure_kinds(struct drive *drive)
{
	drive->bench->data->flow_count = 1000;
	drive->bench->bss->use_drawn = false;
	for (size_t i = 0; i < PACKETS_KINDS; i++) {
		struct program program[PROGRAMS_MAX];
		struct frame frame;
		char what[96];

		fill_programs(drive, program);
		packets_make(&frame, &packets_kinds[i]);
		drive->bench->data->source_offset = packets_kinds[i].source;
		measure(drive, program, 2, &frame);
		snprintf(what, sizeof(what), "%s, 1,000 flows", packets_kinds[i].name);
		print(what, program, 2, i == 0 ? "≤ 10 ns" : NULL, NULL);
	}
}

static const char *target_of(unsigned int flows)
{
	return flows <= PACKETS_FEW_FLOWS    ? "≤ 10 ns"
	       : flows == PACKETS_MANY_FLOWS ? "≤ 70 ns"
					     : NULL;
}

/* Against the LRU hash. */
static const char *ratio_of(unsigned int flows)
{
	return flows == PACKETS_FEW_FLOWS    ? "ratio ≤ 0.45"
	       : flows == PACKETS_MANY_FLOWS ? "ratio ≤ 0.25"
					     : NULL;
}

static void measure_flows(struct drive *drive, uint64_t *drawn)
{
	struct bench_bpf *bench = drive->bench;
	struct program program[PROGRAMS_MAX];
	struct frame frame;

	packets_make(&frame, &packets_kinds[0]);
	bench->data->source_offset = packets_kinds[0].source;
	for (size_t i = 0; i < 2 * PACKETS_CASES; i++) {
		const struct packets_case *one = &packets_cases[i / 2];
		bool zipf = i % 2;
		/* The last three do not know flows: one case shows them. */
		size_t count = one->flows == PACKETS_FEW_FLOWS && !zipf ? PROGRAMS_MAX
									: PROGRAMS_WITH_FLOWS;
		char what[64];

		if (zipf && one->flows == 1)
			continue;
		if (zipf)
			packets_draw_zipf(drawn, one->flows);
		bench->data->flow_count = one->flows;
		bench->bss->use_drawn = zipf;
		fill_programs(drive, program);
		measure(drive, program, count, &frame);
		snprintf(what, sizeof(what), "64 B, %s%s", one->name,
			 one->flows == 1 ? ""
			 : zipf		 ? ", Zipf"
					 : ", uniform");
		print(what, program, count, zipf ? NULL : target_of(one->flows),
		      zipf ? NULL : ratio_of(one->flows));
	}
}

/* Interleaved, each finds that the others have used the CPU's caches. Not here. */
static void measure_alone(struct drive *drive)
{
	struct program program[PROGRAMS_MAX];
	struct frame frame;

	packets_make(&frame, &packets_kinds[0]);
	drive->bench->data->source_offset = packets_kinds[0].source;
	drive->bench->data->flow_count = PACKETS_MANY_FLOWS;
	drive->bench->bss->use_drawn = false;
	fill_programs(drive, program);
	for (size_t i = 1; i < PROGRAMS_WITH_FLOWS; i++) {
		struct program pair[] = { program[0], program[i] };

		measure(drive, pair, 2, &frame);
		if (i == 1)
			program[0].ns[0] = pair[0].ns[0];
		program[i].ns[0] = pair[1].ns[0] - pair[0].ns[0] + program[0].ns[0];
	}
	print("64 B, 64,000 flows, uniform, each alone", program, PROGRAMS_WITH_FLOWS, NULL, NULL);
}

/* Counters alone. */
static int measure_without_flows(struct drive *drive)
{
	struct program all[PROGRAMS_MAX], program[3];
	struct drive plain;
	struct frame frame;
	int r = drive_open(&plain, DRIVE_NO_FLOWS);

	if (r < 0)
		return r;
	packets_make(&frame, &packets_kinds[0]);
	drive->bench->data->source_offset = packets_kinds[0].source;
	drive->bench->data->flow_count = 1000;
	drive->bench->bss->use_drawn = false;
	fill_programs(drive, all);
	program[0] = all[0];
	program[1] = (struct program){ "ours", plain.ours, 1, { 0 }, 0 };
	program[2] = all[PROGRAMS_WITH_FLOWS];
	measure(drive, program, 3, &frame);
	print("64 B, --flows=off", program, 3, NULL, "ratio ≤ 1.3");
	drive_close(&plain);
	return 0;
}

struct one_run {
	struct drive *drive;
	int program;
	struct frame frame;
};

static void run_once(void *userdata)
{
	struct one_run *one = userdata;

	drive_run(one->drive, one->program, one->frame.data, one->frame.len, 1);
}

static void measure_lines(struct drive *drive)
{
	struct program program[PROGRAMS_MAX];
	struct one_run one = { .drive = drive };
	int ours, model;

	fill_programs(drive, program);
	packets_make(&one.frame, &packets_kinds[0]);
	drive->bench->data->source_offset = packets_kinds[0].source;
	drive->bench->data->flow_count = 1;
	drive->bench->bss->use_drawn = false;
	one.program = program[1].fd;
	ours = lines_of(one.program, run_once, &one);
	one.program = program[PROGRAMS_WITH_FLOWS].fd;
	model = lines_of(one.program, run_once, &one);
	if (ours < 0 || model < 0)
		fprintf(stderr, "lines: %s\n", strerror(ours < 0 ? -ours : -model));
	else
		bench_print((struct bench_figure){ "ingress, lines of data that a packet changes",
						   ours, "lines", model,
						   program[PROGRAMS_WITH_FLOWS].name, NULL });
}

int main(void)
{
	struct reader reader = { 0 };
	struct drive drive;
	uint64_t *drawn;
	int r = drive_open(&drive, DRIVE_WORKERS);

	if (r < 0)
		return drive_refused(r);
	drawn = mmap(NULL, BENCH_DRAWN * sizeof(*drawn), PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_map__fd(drive.bench->maps.drawn), 0);
	r = start_readers(&reader, drive.bench);
	if (r < 0 || drawn == MAP_FAILED)
		return drive_refused(r < 0 ? r : -errno);
	/* After the workers and readers were started: they may use the other CPUs. */
	bench_pin(0);
	measure_lines(&drive);
	measure_kinds(&drive);
	measure_flows(&drive, drawn);
	measure_alone(&drive);
	r = measure_without_flows(&drive);
	stop_readers(&reader);
	drive_close(&drive);
	return r < 0 ? drive_refused(r) : 0;
}
