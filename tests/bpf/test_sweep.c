/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sweep does to the thread that asks for it, and what other threads may read meanwhile.
 * Needs root; nothing is attached but the receive tracepoint.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pe/clock.h"
#include "pe/xdp.h"
#include "../../src/xdp/object.h"

#include "frames.h"
#include "packet_exporter.skel.h"

#define LO_IFINDEX  1 /* BPF_PROG_TEST_RUN says that frames come from the loopback interface */
#define PROVISIONAL 32

static const struct pe_xdp_options usual = {
	.max_interfaces = 16,
	.rings = 1,
	.flows = true,
	.flow_cache = 1024,
	.ring_size = 1 << 16,
	.active_ns = 60 * PE_NS_PER_S,
};

/* Calls of sched_setaffinity() by this thread, and by others. */
static pthread_t asker;
static unsigned int by_asker, by_others;

/* In the place of libc's. */
int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
	if (pthread_equal(pthread_self(), asker))
		by_asker++;
	else
		__atomic_fetch_add(&by_others, 1, __ATOMIC_RELAXED);
	return (int)syscall(SYS_sched_setaffinity, pid, size, set);
}

static void run_flow(struct pe_xdp *xdp)
{
	struct frame f;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.data, .repeat = 1);

	frame_eth(&f, ETH_P_IP);
	frame_ipv4(&f, IPPROTO_UDP, 0, 0, 8);
	frame_udp(&f, 0);
	frame_fill(&f, ETH_ZLEN);
	opts.data_size_in = (uint32_t)f.len;
	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(xdp->skel->progs.pe_ingress), &opts), 0);
}

/*
 * An affinity that was taken away cannot be put back while a CPU is offline, so the asker's is
 * never changed; but what sweeps does leave the CPU that it sweeps.
 */
static void test_affinity(void **state)
{
	struct pe_xdp_stats stats;
	struct pe_xdp *xdp;
	cpu_set_t before, after, one;
	unsigned int cpus = 0;
	uint32_t token;

	(void)state;
	assert_int_equal(pe_xdp_open(&usual, &xdp), 0);
	assert_int_equal(pe_xdp_take(xdp, LO_IFINDEX, PE_ORIGIN_LINK, &token), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (unsigned int cpu = 0; cpu < xdp->cpus && cpu < CPU_SETSIZE; cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) < 0)
			continue;
		cpus++;
		run_flow(xdp);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	asker = pthread_self();
	by_asker = by_others = 0;
	/* While nothing is left, nobody moves. */
	assert_int_equal(pe_xdp_sweep(xdp, 0), 0);
	if (cpus > 1)
		assert_true(by_others > 0);
	by_others = 0;
	assert_int_equal(pe_xdp_sweep(xdp, 0), 0);
	assert_int_equal(by_others, 0);
	assert_int_equal(by_asker, 0);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
	pe_xdp_get_stats(xdp, &stats);
	assert_int_equal(stats.evicted[PE_EVICT_IDLE], cpus);
	assert_int_equal(stats.bypassed, 0);
	pe_xdp_close(xdp);
}

struct reader {
	struct pe_xdp *xdp;
	bool stop;
	bool wrong;
};

static void *read_stats(void *userdata)
{
	struct reader *reader = userdata;
	struct pe_xdp_stats stats;

	while (!__atomic_load_n(&reader->stop, __ATOMIC_RELAXED)) {
		pe_xdp_get_stats(reader->xdp, &stats);
		/* What was missed before there were provisional slots, subtracted too early, is
		 * less than 0.
		 */
		reader->wrong |= stats.missed > UINT32_MAX;
	}
	return NULL;
}

/* A scrape may come while the first provisional slot is offered; more by the thread sanitizer. */
static void test_stats_while_offering(void **state)
{
	struct reader reader = { 0 };
	pthread_t thread;
	uint32_t token;

	(void)state;
	assert_int_equal(pe_xdp_open(&usual, &reader.xdp), 0);
	assert_int_equal(pthread_create(&thread, NULL, read_stats, &reader), 0);
	for (int i = 0; i < PROVISIONAL; i++) {
		assert_int_equal(pe_xdp_provision(reader.xdp, &token), 0);
		assert_int_equal(pe_xdp_offer(reader.xdp, token), 0);
	}
	__atomic_store_n(&reader.stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_false(reader.wrong);
	pe_xdp_close(reader.xdp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_affinity),
		cmocka_unit_test(test_stats_while_offering),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
