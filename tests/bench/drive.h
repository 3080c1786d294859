/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our ingress program and whatever it is compared with, driven by BPF_PROG_TEST_RUN (bench.bpf.c).
 * For the programs that measure it; one thread.
 */
#ifndef PE_BENCH_DRIVE_H
#define PE_BENCH_DRIVE_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "pe/clock.h"
#include "pe/log.h"
#include "pe/workers.h"
#include "pe/xdp.h"
#include "../../src/xdp/object.h"

#include "bench.h"
#include "flows.h"

#include "bench.skel.h"
#include "packet_exporter.skel.h"

#define DRIVE_RINGS 2
#define LO_IFINDEX  1 /* BPF_PROG_TEST_RUN says that packets come from the loopback interface */

struct drive {
	struct bench_bpf *bench;
	struct pe_xdp *xdp;
	struct pe_ring *rings[DRIVE_RINGS];
	struct pe_workers *workers;
	uint32_t token;
	int ours; /* the program */
};

static inline uint32_t drive_now(void *userdata)
{
	const struct drive *drive = userdata;

	return pe_xdp_now(drive->xdp);
}

static inline void drive_close(struct drive *drive)
{
	pe_workers_free(drive->workers);
	for (unsigned int i = 0; i < DRIVE_RINGS; i++)
		pe_ring_free(drive->rings[i]);
	pe_xdp_close(drive->xdp);
	bench_bpf__destroy(drive->bench);
	*drive = (struct drive){ 0 };
}

/* What the workers have to do with flows. */
enum drive_flows {
	DRIVE_NO_FLOWS,
	DRIVE_NO_WORKERS, /* the rings fill up and stay full */
	DRIVE_WORKERS,
};

/* 0 or -errno. */
static inline int drive_open(struct drive *drive, enum drive_flows flows)
{
	const bool workers = flows == DRIVE_WORKERS;
	const struct pe_xdp_options options = { .max_interfaces = 1024,
						.rings = DRIVE_RINGS,
						.flows = flows != DRIVE_NO_FLOWS,
						.flow_cache = BENCH_FLOWS,
						.ring_size = 1 << 20,
						.active_ns = 5 * PE_NS_PER_S };
	const struct pe_workers_options worker_options = { .count = DRIVE_RINGS,
							   .rings = drive->rings,
							   .max_flows = 131072,
							   .flow_idle_ns = 30 * PE_NS_PER_S,
							   .tick_ns = pe_clock_tick_ns(),
							   .now = drive_now,
							   .userdata = drive };
	int r;

	*drive = (struct drive){ 0 };
	pe_log_init(PE_LOG_WARN, PE_LOG_LOGFMT);
	r = pe_xdp_open(&options, &drive->xdp);
	for (unsigned int i = 0; !r && options.flows && i < DRIVE_RINGS; i++)
		r = pe_xdp_ring(drive->xdp, i, &drive->rings[i]);
	if (!r && workers)
		r = pe_workers_new(&worker_options, &drive->workers);
	if (!r)
		r = pe_xdp_take(drive->xdp, LO_IFINDEX, PE_ORIGIN_LINK, &drive->token);
	if (!r && workers)
		r = pe_workers_announce(drive->workers, drive->token);
	if (!r) {
		drive->bench = bench_bpf__open_and_load();
		r = drive->bench ? 0 : -errno;
	}
	if (r < 0) {
		drive_close(drive);
		return r;
	}
	drive->ours = bpf_program__fd(drive->xdp->skel->progs.pe_ingress);
	return 0;
}

/* What a benchmark that could not begin says, and its exit status. */
static inline int drive_refused(int r)
{
	fprintf(stderr, "cannot load: %s\n", strerror(-r));
	return r == -EPERM || r == -EOPNOTSUPP ? BENCH_CANNOT_RUN : 1;
}

/* ns a packet, driven `repeat` times. */
static inline double drive_run(struct drive *drive, int program, const void *frame, size_t size,
			       int repeat)
{
	static unsigned char out[4096];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)size,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = repeat);
	uint32_t zero = 0;
	int r = bpf_map_update_elem(bpf_map__fd(drive->bench->maps.measured), &zero, &program,
				    BPF_ANY);

	if (!r)
		r = bpf_prog_test_run_opts(bpf_program__fd(drive->bench->progs.drive), &opts);
	if (r < 0 || opts.retval != XDP_PASS) {
		fprintf(stderr, "test run: %s, retval %u\n", strerror(-r), opts.retval);
		exit(1);
	}
	return opts.duration;
}

#endif
