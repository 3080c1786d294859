/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker threads, with rings in memory that keep the contract of pe/ring.h: the kernel's end
 * of a ring needs privileges and is left to the integration tests.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pe/arena.h"
#include "pe/clock.h"
#include "pe/workers.h"

#define RING_RECORDS 1024
#define DEADLINE_NS  (20 * PE_NS_PER_S)
#define IDLE_TICKS   100

/* ---- the ring ---- */

struct pe_ring {
	pthread_mutex_t lock;
	struct pe_flow record[RING_RECORDS];
	size_t head, tail; /* counted up, not wrapped */
	int fd;
	bool slow; /* a read takes so long that who does not wait for it is found out */
};

static struct pe_ring *ring_new(void)
{
	struct pe_ring *ring = aligned_alloc(64, (sizeof(*ring) + 63) / 64 * 64);

	assert_non_null(ring);
	memset(ring, 0, sizeof(*ring));
	pthread_mutex_init(&ring->lock, NULL);
	ring->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(ring->fd >= 0);
	return ring;
}

struct pe_ring *pe_ring_free(struct pe_ring *ring)
{
	if (ring) {
		close(ring->fd);
		pthread_mutex_destroy(&ring->lock);
		free(ring);
	}
	return NULL;
}

int pe_ring_fd(const struct pe_ring *ring)
{
	return ring->fd;
}

size_t pe_ring_read(struct pe_ring *ring, struct pe_flow *ret_records, size_t max)
{
	size_t n = 0;

	for (unsigned int i = 0; ring->slow && i < 1000; i++)
		sched_yield();
	pthread_mutex_lock(&ring->lock);
	while (n < max && ring->tail != ring->head)
		ret_records[n++] = ring->record[ring->tail++ % RING_RECORDS];
	pthread_mutex_unlock(&ring->lock);
	return n;
}

bool pe_ring_pending(const struct pe_ring *ring)
{
	struct pe_ring *r = (struct pe_ring *)ring;
	bool pending;

	pthread_mutex_lock(&r->lock);
	pending = r->head != r->tail;
	pthread_mutex_unlock(&r->lock);
	return pending;
}

/* As the kernel does: false if the ring is full, a wake-up only when it is half full. */
static bool ring_push(struct pe_ring *ring, const struct pe_flow *record)
{
	uint64_t one = 1;
	size_t fill;

	pthread_mutex_lock(&ring->lock);
	fill = ring->head - ring->tail;
	if (fill < RING_RECORDS)
		ring->record[ring->head++ % RING_RECORDS] = *record;
	pthread_mutex_unlock(&ring->lock);
	if (fill == RING_RECORDS / 2)
		assert_int_equal(write(ring->fd, &one, sizeof(one)), sizeof(one));
	return fill < RING_RECORDS;
}

/* ---- workers on two rings ---- */

enum { WORKERS = 2 };

struct fixture {
	struct pe_ring *ring[WORKERS];
	struct pe_workers *workers;
	atomic_uint jiffies;
};

static uint32_t read_jiffies(void *userdata)
{
	struct fixture *f = userdata;

	return atomic_load(&f->jiffies);
}

static void make_rings(struct fixture *f)
{
	for (unsigned int i = 0; i < WORKERS; i++)
		f->ring[i] = ring_new();
}

static int start(struct fixture *f)
{
	struct pe_workers_options options = {
		.count = WORKERS,
		.rings = f->ring,
		.max_flows = 8192,
		.flow_idle_ns = IDLE_TICKS * PE_NS_PER_MS,
		.top = 5,
		.tick_ns = PE_NS_PER_MS,
		.now = read_jiffies,
		.userdata = f,
	};

	return pe_workers_new(&options, &f->workers);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	make_rings(f);
	assert_int_equal(start(f), 0);
	*state = f;
	return 0;
}

static int setup_slow(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	make_rings(f);
	for (unsigned int i = 0; i < WORKERS; i++)
		f->ring[i]->slow = true;
	assert_int_equal(start(f), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pe_workers_free(f->workers);
	for (unsigned int i = 0; i < WORKERS; i++)
		pe_ring_free(f->ring[i]);
	free(f);
	return 0;
}

static struct pe_flow make_record(uint32_t token, uint32_t id, uint32_t now)
{
	struct pe_flow record = {
		.key = {
			.slot = PE_TOKEN_SLOT(token),
			.ip_proto = IPPROTO_TCP,
			.tag = PE_FLOW_TAG(token & 0xff, 0, PE_INGRESS),
		},
		.packets = 1 + id % 3,
		.bytes = 100 + id,
		.first = now,
		.last = now,
	};

	memcpy(record.key.saddr, &id, sizeof(id));
	return record;
}

/* A flow's records all go to one ring. A full ring is waited for, so that all arrive. */
static void produce(struct fixture *f, uint32_t token, uint32_t id)
{
	struct pe_flow record = make_record(token, id, atomic_load(&f->jiffies));
	uint64_t deadline_ns = pe_clock_monotonic_ns() + DEADLINE_NS;

	while (!ring_push(f->ring[id % WORKERS], &record)) {
		if (pe_clock_monotonic_ns() > deadline_ns)
			abort(); /* cmocka's assertions are for the main thread */
		sched_yield();
	}
}

static struct pe_count total(struct fixture *f, uint32_t token, uint64_t *ret_flows,
			     uint64_t *ret_active)
{
	struct pe_arena *arena = NULL;
	struct pe_flow_sample sample = { 0 };
	struct pe_count sum = { 0 };

	assert_int_equal(pe_arena_new(&arena), 0);
	assert_int_equal(pe_workers_read(f->workers, token, arena, &sample), 0);
	for (size_t i = 0; i < sample.top_count; i++) {
		sum.packets += sample.top[i].count.packets;
		sum.bytes += sample.top[i].count.bytes;
	}
	sum.packets += pe_flow_rest(&sample, PE_INGRESS, PE_PROTO_TCP).packets;
	sum.bytes += pe_flow_rest(&sample, PE_INGRESS, PE_PROTO_TCP).bytes;
	*ret_flows = sample.proto[PE_PROTO_TCP] ? sample.proto[PE_PROTO_TCP]->flows[PE_INGRESS] : 0;
	*ret_active = sample.active;
	pe_arena_free(arena);
	return sum;
}

static struct pe_workers_stats stats_of(struct fixture *f)
{
	struct pe_workers_stats stats;

	pe_workers_get_stats(f->workers, &stats);
	return stats;
}

static void test_refuses_bad_options(void **state)
{
	struct pe_ring *ring = ring_new();
	const struct pe_workers_options good = {
		.count = 1,
		.rings = &ring,
		.max_flows = 1,
		.flow_idle_ns = 1,
		.tick_ns = 1,
		.now = read_jiffies,
	};
	struct pe_workers_options bad;
	struct pe_workers *workers = NULL;

	bad = good;
	bad.count = 257;
	assert_int_equal(pe_workers_new(&bad, &workers), -EINVAL);
	bad = good;
	bad.max_flows = 0;
	assert_int_equal(pe_workers_new(&bad, &workers), -EINVAL);
	bad = good;
	bad.tick_ns = 0;
	assert_int_equal(pe_workers_new(&bad, &workers), -EINVAL);
	bad = good;
	bad.max_flows = SIZE_MAX;
	assert_int_equal(pe_workers_new(&bad, &workers), -ENOMEM);
	assert_null(workers);
	assert_null(pe_workers_free(NULL));
	pe_ring_free(ring);
}

/* Without flows everything works, and is empty. */
static void test_none(void **state)
{
	const struct pe_workers_options options = { .max_flows = 1, .tick_ns = 1, .top = 3 };
	struct pe_flow_sample sample = { 0 };
	struct pe_workers_stats stats;
	struct pe_workers *workers;

	(void)state;
	assert_int_equal(pe_workers_new(&options, &workers), 0);
	assert_int_equal(pe_workers_announce(workers, PE_TOKEN(1, 1)), 0);
	assert_int_equal(pe_workers_read(workers, PE_TOKEN(1, 1), NULL, &sample), 0);
	assert_int_equal(sample.active, 0);
	pe_workers_get_stats(workers, &stats);
	assert_int_equal(stats.records + stats.active, 0);
	pe_workers_kick(workers);
	pe_workers_drain(workers);
	pe_workers_forget(workers, PE_TOKEN(1, 1));
	pe_workers_free(workers);
}

/* A ring that cannot be watched is found after the first thread has started. */
static void test_failed_start_leaves_nothing(void **state)
{
	struct fixture f = { 0 };
	int fd;

	make_rings(&f);
	fd = f.ring[1]->fd;
	f.ring[1]->fd = -1;
	assert_int_equal(start(&f), -EBADF);
	assert_null(f.workers);
	f.ring[1]->fd = fd;
	for (unsigned int i = 0; i < WORKERS; i++)
		pe_ring_free(f.ring[i]);
}

static void test_drain(void **state)
{
	struct fixture *f = *state;
	const uint32_t token = PE_TOKEN(1, 1);
	uint64_t flows, active;

	assert_int_equal(pe_workers_announce(f->workers, token), 0);
	assert_int_equal(pe_workers_announce(f->workers, token), -EEXIST);
	for (uint32_t id = 0; id < 10; id++) {
		struct pe_count sum;

		/* Far below the fill mark: nobody but the drain wakes the workers. */
		produce(f, token, id);
		pe_workers_drain(f->workers);
		assert_false(pe_ring_pending(f->ring[id % WORKERS]));
		sum = total(f, token, &flows, &active);
		assert_int_equal(flows, id + 1);
		assert_int_equal(active, id + 1);
		assert_int_equal(sum.bytes, 100 * (id + 1) + id * (id + 1) / 2);
	}
	produce(f, PE_TOKEN(2, 1), 0);
	pe_workers_drain(f->workers);
	assert_int_equal(stats_of(f).records, 11);
	assert_int_equal(stats_of(f).orphaned, 1);
	assert_int_equal(stats_of(f).active, 10);

	/* The next use of the token inherits nothing. */
	pe_workers_forget(f->workers, token);
	assert_int_equal(stats_of(f).active, 0);
	assert_int_equal(pe_workers_announce(f->workers, token), 0);
	assert_int_equal(total(f, token, &flows, &active).packets, 0);
	assert_int_equal(flows, 0);
}

static void test_wakes_at_the_fill_mark(void **state)
{
	struct fixture *f = *state;
	uint64_t deadline_ns = pe_clock_monotonic_ns() + DEADLINE_NS;

	/* More than the ring holds: produce() waits for the worker. */
	assert_int_equal(pe_workers_announce(f->workers, PE_TOKEN(1, 1)), 0);
	for (uint32_t i = 0; i < 3 * RING_RECORDS; i++)
		produce(f, PE_TOKEN(1, 1), 0);
	while (stats_of(f).records < 2 * RING_RECORDS)
		assert_true(pe_clock_monotonic_ns() < deadline_ns);
}

static void test_kick_ends_idle_flows(void **state)
{
	struct fixture *f = *state;
	uint64_t deadline_ns = pe_clock_monotonic_ns() + DEADLINE_NS;

	assert_int_equal(pe_workers_announce(f->workers, PE_TOKEN(1, 1)), 0);
	for (uint32_t id = 0; id < 500; id++)
		produce(f, PE_TOKEN(1, 1), id);
	pe_workers_kick(f->workers);
	pe_workers_drain(f->workers);
	assert_int_equal(stats_of(f).active, 500);

	atomic_fetch_add(&f->jiffies, IDLE_TICKS);
	pe_workers_kick(f->workers);
	while (stats_of(f).active > 0) {
		assert_true(pe_clock_monotonic_ns() < deadline_ns);
		sched_yield();
	}
}

static void test_stop_empties_the_rings(void **state)
{
	struct fixture *f = *state;

	for (uint32_t id = 0; id < 500; id++)
		produce(f, PE_TOKEN(1, 1), id);
	f->workers = pe_workers_free(f->workers);
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_false(pe_ring_pending(f->ring[i]));
}

/* True if a thread of this process has the name and blocks the signal. */
static bool thread_blocks(const char *name, int signo)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	bool blocks = false;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char path[300], line[128], comm[32] = "";
		unsigned long long mask = 0;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		while (fgets(line, sizeof(line), file)) {
			sscanf(line, "Name:\t%31s", comm);
			sscanf(line, "SigBlk:\t%llx", &mask);
		}
		fclose(file);
		if (strcmp(comm, name) == 0)
			blocks = mask >> (signo - 1) & 1;
	}
	closedir(dir);
	return blocks;
}

static void test_threads_have_names_and_no_signals(void **state)
{
	sigset_t own;

	assert_true(thread_blocks("pe-worker-0", SIGTERM));
	assert_true(thread_blocks("pe-worker-1", SIGTERM));
	assert_true(thread_blocks("pe-worker-1", SIGHUP));
	/* Blocked, it would kill the process. */
	assert_false(thread_blocks("pe-worker-0", SIGSYS));
	/* Theirs only, not that of the thread that started them. */
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &own), 0);
	assert_false(sigismember(&own, SIGTERM));
}

/* ---- everything at once ---- */

enum { PRODUCERS = 2, ROUNDS = 100000, FLOWS = 300 };

struct storm {
	struct fixture *f;
	atomic_bool done;
	atomic_uint_fast64_t produced;
};

static const uint32_t steady = PE_TOKEN(1, 1), brief = PE_TOKEN(1, 2);

static void *storm_produce(void *userdata)
{
	struct storm *storm = userdata;
	uint32_t offset = atomic_fetch_add(&storm->produced, 2 * ROUNDS) ? FLOWS : 0;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		produce(storm->f, steady, offset + i % FLOWS);
		produce(storm->f, brief, i % FLOWS);
	}
	return NULL;
}

static void *storm_announce(void *userdata)
{
	struct storm *storm = userdata;

	while (!atomic_load(&storm->done)) {
		if (pe_workers_announce(storm->f->workers, brief) < 0)
			abort();
		sched_yield();
		pe_workers_forget(storm->f->workers, brief);
	}
	return NULL;
}

static void *storm_read(void *userdata)
{
	struct storm *storm = userdata;

	while (!atomic_load(&storm->done)) {
		struct pe_arena *arena = NULL;
		struct pe_flow_sample sample = { 0 };

		if (pe_arena_new(&arena) < 0 ||
		    pe_workers_read(storm->f->workers, steady, arena, &sample) < 0)
			abort();
		(void)stats_of(storm->f);
		pe_workers_kick(storm->f->workers);
		pe_workers_drain(storm->f->workers);
		pe_arena_free(arena);
	}
	return NULL;
}

static void test_storm(void **state)
{
	struct fixture *f = *state;
	struct storm storm = { .f = f };
	pthread_t producer[PRODUCERS], announcer, reader[2];
	struct pe_count expected = { 0 }, sum;
	uint64_t flows, active;

	assert_int_equal(pe_workers_announce(f->workers, steady), 0);
	for (unsigned int i = 0; i < PRODUCERS; i++)
		assert_int_equal(pthread_create(&producer[i], NULL, storm_produce, &storm), 0);
	assert_int_equal(pthread_create(&announcer, NULL, storm_announce, &storm), 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&reader[i], NULL, storm_read, &storm), 0);

	for (unsigned int i = 0; i < PRODUCERS; i++)
		pthread_join(producer[i], NULL);
	atomic_store(&storm.done, true);
	pthread_join(announcer, NULL);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(reader[i], NULL);
	pe_workers_drain(f->workers);

	for (uint32_t p = 0; p < PRODUCERS; p++) {
		for (uint32_t i = 0; i < ROUNDS; i++) {
			struct pe_flow record = make_record(steady, p * FLOWS + i % FLOWS, 0);

			expected.packets += record.packets;
			expected.bytes += record.bytes;
		}
	}
	sum = total(f, steady, &flows, &active);
	assert_int_equal(sum.packets, expected.packets);
	assert_int_equal(sum.bytes, expected.bytes);
	assert_int_equal(flows, PRODUCERS * FLOWS);
	assert_int_equal(active, PRODUCERS * FLOWS);
	assert_int_equal(stats_of(f).active, active);
	assert_int_equal(stats_of(f).records, atomic_load(&storm.produced));
	assert_int_equal(stats_of(f).table_full, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_bad_options),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_failed_start_leaves_nothing),
		cmocka_unit_test_setup_teardown(test_drain, setup_slow, teardown),
		cmocka_unit_test_setup_teardown(test_wakes_at_the_fill_mark, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kick_ends_idle_flows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_empties_the_rings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads_have_names_and_no_signals, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_storm, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
