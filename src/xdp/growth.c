/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See growth.h. */
#include "growth.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/log.h"

#include "counters.h"
#include "object.h"
#include "online.h"
#include "part.h"

#include "packet_exporter.skel.h"

/* So many slots are ready before they are asked for; in a storm as many as it may bring while the
 * kernel waits for its programs, up to 20 ms. */
#define READY_MIN	   (PE_CHUNK_SLOTS * 3 / 4)
#define READY_MIN_IN_STORM (PE_CHUNK_SLOTS * 2)
/* A storm: more interfaces in so long. What is there at the start is none, and takes that long. */
#define STORM_MIN 64
#define STORM_NS  (100 * PE_NS_PER_MS)
#define START_NS  PE_NS_PER_S
/* The flow caches of CPUs that come later are made while all together are no larger. */
#define FLOWS_MAX_BYTES ((uint64_t)64 << 20)

struct pe_growth {
	struct pe_xdp *xdp; /* borrowed */
	struct pe_counters *counters;
	pthread_mutex_t mutex; /* of whoever adds memory */
	pthread_t thread;
	bool has_thread, is_busy;
	unsigned int chunks;	  /* to be there when the thread ends */
	bool *is_known;		  /* of a CPU: its memory was made, or refused */
	unsigned int flow_caches; /* atomic */
	/* Of whoever takes slots: how many were since when. */
	uint64_t since_ns;
	unsigned int taken;
	void (*follower)(unsigned int chunk, void *userdata);
	void *follower_data;
	/* Of the arrays that are being made, one a CPU at most: */
	uint32_t *key; /* where programs find it */
	int *fd;
	bool *found;
};

static int make_cache(const struct pe_xdp *xdp)
{
	return pe_part_make("pe_flow_cache", sizeof(struct pe_flow_pair), 1u << xdp->pair_bits);
}

static uint64_t cache_bytes(const struct pe_xdp *xdp)
{
	return sizeof(struct pe_flow_pair) << xdp->pair_bits;
}

int pe_growth_prepare(struct pe_xdp *xdp, int *ret_fd)
{
	_cleanup_close_ int fd = make_cache(xdp);
	int r;

	if (fd < 0)
		return fd;
	r = bpf_map__set_inner_map_fd(xdp->skel->maps.flows, fd);
	if (r < 0)
		return r;
	*ret_fd = PE_TAKE_FD(fd);
	return 0;
}

/*
 * Lets programs find `count` arrays, whose descriptors it takes, in one call if the kernel can:
 * each call waits for programs (Linux 5.19 or newer). One that is -1 was refused.
 */
static void publish(struct pe_growth *growth, const struct bpf_map *outer, unsigned int count)
{
	const uint32_t *key = growth->key;
	int outer_fd = bpf_map__fd(outer);
	int *fd = growth->fd;
	uint32_t done = count;
	bool all = count > 1 && !bpf_map_update_batch(outer_fd, key, fd, &done, NULL);

	for (unsigned int i = 0; i < count; i++) {
		growth->found[i] = fd[i] >= 0 && (all || !bpf_map_update_elem(outer_fd, &key[i],
									      &fd[i], BPF_ANY));
		if (fd[i] >= 0)
			close(fd[i]);
	}
}

static void make_lanes(unsigned int chunk, const unsigned int *cpu, unsigned int count,
		       struct pe_lane **ret_lanes, void *userdata)
{
	struct pe_growth *growth = userdata;
	int *fd = growth->fd;

	for (unsigned int i = 0; i < count; i++) {
		growth->key[i] = chunk * growth->xdp->cpus + cpu[i];
		fd[i] = pe_part_make("pe_lanes", sizeof(struct pe_lane), PE_CHUNK_ENTRIES);
		ret_lanes[i] = fd[i] < 0 ? NULL : pe_part_map(fd[i], PE_LANES_BYTES);
		if (!ret_lanes[i] && fd[i] >= 0)
			close(PE_TAKE_FD(fd[i]));
	}
	publish(growth, growth->xdp->skel->maps.lanes, count);
	for (unsigned int i = 0; i < count; i++) {
		/* Nobody has counted there. */
		if (ret_lanes[i] && !growth->found[i])
			munmap(PE_TAKE_PTR(ret_lanes[i]), PE_LANES_BYTES);
	}
}

static void release(void *memory, size_t bytes)
{
	munmap(memory, bytes);
}

/* A chunk that is being made, in parts. */
struct making {
	struct pe_growth *growth;
	unsigned int chunk;
	const unsigned int *cpu;
	unsigned int cpus;
	int r;
	void *common;
	struct pe_lane **lanes;
};

static void *make_common(void *userdata)
{
	struct making *making = userdata;

	making->r = pe_part_add(bpf_map__fd(making->growth->xdp->skel->maps.common), making->chunk,
				"pe_common", sizeof(struct pe_common), PE_CHUNK_ENTRIES,
				&making->common);
	return NULL;
}

static void *make_first_lanes(void *userdata)
{
	struct making *making = userdata;

	make_lanes(making->chunk, making->cpu, making->cpus, making->lanes, making->growth);
	return NULL;
}

static void *make_followers(void *userdata)
{
	struct making *making = userdata;
	struct pe_growth *growth = making->growth;

	/* Those before it as well, of which one may have been refused. */
	for (unsigned int i = 0; growth->follower && i <= making->chunk; i++)
		growth->follower(i, growth->follower_data);
	return NULL;
}

/* Its parts at the same time, because each waits for programs; its slots may be used as soon as it
 * is there. */
static int make_chunk(unsigned int chunk, const unsigned int *cpu, unsigned int cpus,
		      struct pe_common **ret_common, struct pe_lane **ret_lanes, void *userdata)
{
	static void *(*const parts[])(void *) = { make_common, make_first_lanes, make_followers };
	enum { PARTS = sizeof(parts) / sizeof(*parts) };
	struct making making = { userdata, chunk, cpu, cpus, 0, NULL, ret_lanes };
	bool is_apart[PARTS] = { false };
	pthread_t thread[PARTS];

	for (size_t i = 1; i < PARTS; i++)
		is_apart[i] = !pthread_create(&thread[i], NULL, parts[i], &making);
	for (size_t i = 0; i < PARTS; i++) {
		if (is_apart[i])
			pthread_join(thread[i], NULL);
		else
			parts[i](&making);
	}
	for (unsigned int i = 0; making.r < 0 && i < cpus; i++) {
		if (ret_lanes[i])
			release(PE_TAKE_PTR(ret_lanes[i]), PE_LANES_BYTES);
	}
	*ret_common = making.common;
	return making.r;
}

static const struct pe_counters_ops ops = { make_chunk, make_lanes, release };

/* Of the first CPUs, whatever they take; of others, while there is room. */
static void make_flow_caches(struct pe_growth *growth, const unsigned int *cpu, unsigned int count,
			     uint64_t max_bytes)
{
	struct pe_xdp *xdp = growth->xdp;

	if (!xdp->options.flows)
		return;
	for (unsigned int i = 0; i < count; i++) {
		bool fits = (growth->flow_caches + i + 1) * cache_bytes(xdp) <= max_bytes;

		growth->key[i] = cpu[i];
		growth->fd[i] = fits ? make_cache(xdp) : -1;
	}
	publish(growth, xdp->skel->maps.flows, count);
	for (unsigned int i = 0; i < count; i++) {
		__atomic_fetch_add(&growth->flow_caches, growth->found[i], __ATOMIC_RELAXED);
		if (!growth->found[i])
			pe_warn("xdp",
				"CPU %u has no flow cache: its packets are counted without "
				"flow detail (packet_exporter_flow_lost_packets_total)",
				cpu[i]);
	}
}

static unsigned int chunks_there(const struct pe_growth *growth)
{
	return pe_counters_slots(growth->counters) / PE_CHUNK_SLOTS;
}

static int make_first(struct pe_growth *growth, unsigned int slots)
{
	unsigned int cpus = growth->xdp->cpus;
	_cleanup_free_ unsigned int *online = malloc(cpus * sizeof(*online));
	int r = 0;

	if (!online)
		return -ENOMEM;
	cpus = pe_cpus_online(online, cpus);
	for (unsigned int i = 0; i < cpus; i++) {
		pe_counters_add_cpu(growth->counters, online[i]);
		growth->is_known[online[i]] = true;
	}
	make_flow_caches(growth, online, cpus, UINT64_MAX);
	while (!r && pe_counters_slots(growth->counters) < slots)
		r = pe_counters_add_chunk(growth->counters);
	return r;
}

int pe_growth_new(struct pe_xdp *xdp, unsigned int slots, struct pe_growth **ret_growth)
{
	struct pe_growth *growth = calloc(1, sizeof(*growth));
	unsigned int chunks = bpf_map__max_entries(xdp->skel->maps.common);
	int r = -ENOMEM;

	if (!growth)
		return -ENOMEM;
	growth->xdp = xdp;
	growth->since_ns = pe_clock_monotonic_ns() + START_NS;
	pthread_mutex_init(&growth->mutex, NULL);
	growth->is_known = calloc(xdp->cpus, sizeof(*growth->is_known));
	growth->key = calloc(xdp->cpus, sizeof(*growth->key));
	growth->fd = calloc(xdp->cpus, sizeof(*growth->fd));
	growth->found = calloc(xdp->cpus, sizeof(*growth->found));
	if (growth->is_known && growth->key && growth->fd && growth->found)
		r = pe_counters_new(chunks, xdp->cpus, &ops, growth, &growth->counters);
	if (!r)
		r = make_first(growth, slots);
	if (r < 0) {
		pe_growth_free(growth);
		return r;
	}
	*ret_growth = growth;
	return 0;
}

static void join(struct pe_growth *growth)
{
	if (growth->has_thread)
		pthread_join(growth->thread, NULL);
	growth->has_thread = false;
}

struct pe_growth *pe_growth_free(struct pe_growth *growth)
{
	if (!growth)
		return NULL;
	join(growth);
	pe_counters_free(growth->counters);
	free(growth->is_known);
	free(growth->key);
	free(growth->fd);
	free(growth->found);
	pthread_mutex_destroy(&growth->mutex);
	free(growth);
	return NULL;
}

struct pe_counters *pe_growth_counters(struct pe_growth *growth)
{
	return growth->counters;
}

void pe_growth_follow(struct pe_growth *growth, void (*add)(unsigned int chunk, void *userdata),
		      void *userdata)
{
	pthread_mutex_lock(&growth->mutex);
	growth->follower = add;
	growth->follower_data = userdata;
	for (unsigned int i = 0; add && i < chunks_there(growth); i++)
		add(i, userdata);
	pthread_mutex_unlock(&growth->mutex);
}

static int grow(struct pe_growth *growth)
{
	unsigned int slots = pe_counters_slots(growth->counters);
	int r = 0;

	pthread_mutex_lock(&growth->mutex);
	/* Perhaps the thread has, meanwhile. */
	if (pe_counters_slots(growth->counters) == slots)
		r = pe_counters_add_chunk(growth->counters);
	pthread_mutex_unlock(&growth->mutex);
	return r;
}

static bool lacks(const struct pe_growth *growth, unsigned int cpu)
{
	return !growth->is_known[cpu] &&
	       __atomic_load_n(&pe_xdp_cpu(growth->xdp, cpu)->lacks, __ATOMIC_RELAXED);
}

static void add_cpu(struct pe_growth *growth, unsigned int cpu)
{
	growth->is_known[cpu] = true;
	pe_counters_add_cpu(growth->counters, cpu);
	make_flow_caches(growth, &cpu, 1, FLOWS_MAX_BYTES);
}

static void *grow_in_thread(void *userdata)
{
	struct pe_growth *growth = userdata;
	int r = 0;

	pthread_mutex_lock(&growth->mutex);
	while (!r && chunks_there(growth) < growth->chunks)
		r = pe_counters_add_chunk(growth->counters);
	for (unsigned int cpu = 0; cpu < growth->xdp->cpus; cpu++) {
		if (lacks(growth, cpu))
			add_cpu(growth, cpu);
	}
	pthread_mutex_unlock(&growth->mutex);
	__atomic_store_n(&growth->is_busy, false, __ATOMIC_RELEASE);
	return NULL;
}

/* Of which there is one at a time; what was asked meanwhile is asked again. */
static void start_thread(struct pe_growth *growth, unsigned int chunks)
{
	if (__atomic_load_n(&growth->is_busy, __ATOMIC_ACQUIRE))
		return;
	join(growth);
	growth->chunks = chunks;
	growth->is_busy = true;
	/* Without one, memory is made when there is no more: grow(). */
	growth->has_thread = !pthread_create(&growth->thread, NULL, grow_in_thread, growth);
	if (!growth->has_thread)
		growth->is_busy = false;
}

/* Asked once for each slot that is taken. */
static bool is_storm(struct pe_growth *growth, uint64_t now_ns)
{
	if (now_ns < growth->since_ns)
		return false;
	if (now_ns - growth->since_ns >= STORM_NS) {
		growth->since_ns = now_ns;
		growth->taken = 0;
	}
	return ++growth->taken > STORM_MIN;
}

bool pe_growth_look_after(struct pe_xdp *xdp, int *r)
{
	struct pe_growth *growth = xdp->growth;
	const uint64_t now_ns = pe_clock_monotonic_ns();

	if (*r == -ENODATA) {
		*r = grow(growth);
		return !*r;
	}
	if (pe_slots_ready(xdp->slots, now_ns) <
	    (is_storm(growth, now_ns) ? READY_MIN_IN_STORM : READY_MIN))
		start_thread(growth, chunks_there(growth) + 1);
	return false;
}

void pe_xdp_follow_cpus(struct pe_xdp *xdp)
{
	struct pe_growth *growth = xdp->growth;

	if (__atomic_load_n(&growth->is_busy, __ATOMIC_ACQUIRE))
		return;
	for (unsigned int cpu = 0; cpu < xdp->cpus; cpu++) {
		if (lacks(growth, cpu)) {
			start_thread(growth, 0);
			return;
		}
	}
}

uint64_t pe_growth_bytes(struct pe_growth *growth)
{
	uint64_t caches = __atomic_load_n(&growth->flow_caches, __ATOMIC_RELAXED);

	return pe_counters_bytes(growth->counters) + caches * cache_bytes(growth->xdp);
}
