/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of bpf/tcp.bpf.c, which is loaded by itself, and the places in which namespaces count.
 *
 *   free ──first event──▶ used ──quiet, and few are free──▶ rests ──read once more──▶ free
 *
 * The kernel side writes the cookie of a place before the first count; here counts are read before
 * the cookie, so that whatever is new belongs to that cookie. A place that rests is found by no
 * event that begins now; one that has found it already has ended long before the rest is over.
 */
#include "pe/tcp.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pe/clock.h"

#include "object.h"
#include "tcp.skel.h"

/* With more than half of the places in use, those go that were quiet for long; with most, soon. */
#define QUIET_NS      (10 * PE_NS_PER_S)
#define QUIET_SOON_NS PE_NS_PER_S
#define REST_NS	      (50 * PE_NS_PER_MS)
/* The kernel's counters of overflows are read so many at a time, for which a CPU does nothing else
 * for some 100 microseconds, and so often in a second: of more, in turn. */
#define READS_MAX 4096u
#define LOOKS_MAX 8u

struct place {
	struct pe_tcp_counts counts; /* that were read */
	uint64_t cookie;
	uint64_t changed_ns; /* when it was seen to count, or to be taken */
	uint64_t rests_ns;   /* since when it rests, 0 if it does not */
};

struct pe_tcp {
	struct tcp_bpf *skel;
	struct pe_tcp_space *spaces; /* mapped */
	size_t size;
	uint32_t count;
	pthread_mutex_t mutex;
	struct place *places;
	uint32_t used;
	uint32_t looked; /* up to this place for overflows; 0 again behind the last one */
	uint32_t cpus;	 /* possible ones */
	uint32_t cpu;	 /* that is to be learned next, if it is there by now */
	bool overflows;	 /* the kernel's counter is found */
};

/* ---- places ---- */

/* Whether anything is new. */
static bool take_new(struct place *place, const struct pe_tcp_space *space,
		     struct pe_tcp_counts *ret_more)
{
	const __u64 *from = (const __u64 *)&space->counts;
	__u64 *before = (__u64 *)&place->counts, *more = (__u64 *)ret_more, any = 0;

	for (size_t i = 0; i < PE_TCP_WORDS; i++) {
		more[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED) - before[i];
		/* Overflows: see take_overflows(). */
		if ((__s64)more[i] < 0)
			more[i] = 0;
		any |= more[i];
	}
	/* Not before its cookie is there. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (!any)
		return false;
	for (size_t i = 0; i < PE_TCP_WORDS; i++)
		before[i] += more[i];
	return true;
}

static void read_place(struct pe_tcp *tcp, uint32_t i, uint64_t now_ns, pe_tcp_visit *visit,
		       void *userdata)
{
	const struct pe_tcp_space *space = &tcp->spaces[i];
	struct place *place = &tcp->places[i];
	struct pe_tcp_counts more;
	uint64_t cookie = __atomic_load_n(&space->cookie, __ATOMIC_ACQUIRE);
	bool is_new;

	if (!cookie && i >= PE_TCP_SPACE_FIRST)
		return;
	is_new = take_new(place, space, &more);
	cookie = __atomic_load_n(&space->cookie, __ATOMIC_RELAXED);
	if (!place->cookie && cookie)
		tcp->used++;
	if (is_new || cookie != place->cookie)
		place->changed_ns = now_ns;
	place->cookie = cookie;
	if (is_new)
		visit(cookie, &more, userdata);
}

void pe_tcp_read(struct pe_tcp *tcp, pe_tcp_visit *visit, void *userdata)
{
	const uint64_t now_ns = pe_clock_monotonic_ns();

	pthread_mutex_lock(&tcp->mutex);
	for (uint32_t i = 0; i < tcp->count; i++)
		read_place(tcp, i, now_ns, visit, userdata);
	pthread_mutex_unlock(&tcp->mutex);
}

/* The kernel side gives back at once what another CPU was faster with: such a place is not found by
 * its cookie, and not ours to take. */
static void take_back(struct pe_tcp *tcp, uint32_t i, uint64_t now_ns)
{
	struct place *place = &tcp->places[i];
	const int fd = bpf_map__fd(tcp->skel->maps.places);
	uint32_t found;

	if (!bpf_map_lookup_elem(fd, &place->cookie, &found) && found == i &&
	    !bpf_map_delete_elem(fd, &place->cookie))
		place->rests_ns = now_ns;
}

static void set_free(struct pe_tcp *tcp, uint32_t i)
{
	struct place *place = &tcp->places[i];

	__atomic_store_n(&tcp->spaces[i].cookie, 0, __ATOMIC_SEQ_CST);
	if (bpf_map_update_elem(bpf_map__fd(tcp->skel->maps.free_spaces), NULL, &i, BPF_ANY) < 0)
		return; /* with the next call */
	place->cookie = 0;
	place->rests_ns = 0;
	tcp->used--;
}

/* Fails where it is not there. */
static void learn_cpu(struct pe_tcp *tcp, uint32_t cpu)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .flags = BPF_F_TEST_RUN_ON_CPU, .cpu = cpu);

	(void)bpf_prog_test_run_opts(bpf_program__fd(tcp->skel->progs.pe_tcp_learn_cpu), &opts);
}

static void look(struct pe_tcp *tcp)
{
	const uint32_t fit = READS_MAX / tcp->cpus, each = fit < PE_TCP_LOOK ? fit : PE_TCP_LOOK;

	tcp->cpu = (tcp->cpu + 1) % tcp->cpus;
	if (!tcp->skel->bss->pe_cpu_offset[tcp->cpu])
		learn_cpu(tcp, tcp->cpu);
	for (unsigned int i = 0; i < LOOKS_MAX; i++) {
		__u64 context[2] = { tcp->looked, each };
		LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = context,
			    .ctx_size_in = sizeof(context));

		(void)bpf_prog_test_run_opts(bpf_program__fd(tcp->skel->progs.pe_tcp_look), &opts);
		tcp->looked += each;
		if (tcp->looked < tcp->count)
			continue;
		tcp->looked = 0;
		return;
	}
}

void pe_tcp_tidy(struct pe_tcp *tcp, pe_tcp_visit *visit, void *userdata)
{
	const uint64_t now_ns = pe_clock_monotonic_ns();
	const uint32_t most = tcp->count - PE_TCP_SPACE_FIRST;
	uint64_t quiet_ns;

	pthread_mutex_lock(&tcp->mutex);
	if (tcp->overflows)
		look(tcp);
	quiet_ns = tcp->used > most - most / 8 ? QUIET_SOON_NS : QUIET_NS;
	for (uint32_t i = PE_TCP_SPACE_FIRST; i < tcp->count; i++) {
		const struct place *place = &tcp->places[i];

		read_place(tcp, i, now_ns, visit, userdata);
		if (place->rests_ns && now_ns - place->rests_ns >= REST_NS)
			set_free(tcp, i);
		else if (place->cookie && !place->rests_ns && tcp->used > most / 2 &&
			 now_ns - place->changed_ns >= quiet_ns)
			take_back(tcp, i, now_ns);
	}
	pthread_mutex_unlock(&tcp->mutex);
}

/* ---- life ---- */

/* The number that the running kernel has for it, which is not the same in all of them; 0: its BTF
 * does not say. */
static uint32_t find_counter(void)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	uint32_t found = 0;

	for (uint32_t id = 1; kernel && !found && id < btf__type_cnt(kernel); id++) {
		const struct btf_type *type = btf__type_by_id(kernel, id);

		/* It has no name. */
		for (uint32_t i = 0; btf_is_enum(type) && !type->name_off && i < btf_vlen(type);
		     i++) {
			const struct btf_enum *value = &btf_enum(type)[i];

			if (strcmp(btf__name_by_offset(kernel, value->name_off),
				   "LINUX_MIB_LISTENOVERFLOWS") == 0)
				found = (uint32_t)value->val;
		}
	}
	btf__free(kernel);
	return found;
}

static int load(struct pe_tcp *tcp)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct tcp_bpf *skel = tcp_bpf__open();
	int r;

	if (!skel)
		return -errno;
	tcp->skel = skel;
	if (tcp->cpus > 0 && tcp->cpus <= PE_TCP_CPUS_MAX)
		skel->rodata->pe_listen_overflows = find_counter();
	skel->rodata->pe_cpus = tcp->cpus;
	tcp->overflows = skel->rodata->pe_listen_overflows;
	r = bpf_map__set_max_entries(skel->maps.spaces, tcp->count);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.free_spaces, tcp->count);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.places, tcp->count);
	if (!r)
		r = tcp_bpf__load(skel);
	for (uint32_t cpu = 0; !r && tcp->overflows && cpu < tcp->cpus; cpu++)
		learn_cpu(tcp, cpu);
	if (!r)
		r = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.pe_tcp_locate), &opts);
	return !r && opts.retval ? -EIO : r;
}

static int map_spaces(struct pe_tcp *tcp)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *spaces;

	tcp->size = (tcp->count * sizeof(*tcp->spaces) + page - 1) & ~(page - 1);
	spaces = mmap(NULL, tcp->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      bpf_map__fd(tcp->skel->maps.spaces), 0);
	if (spaces == MAP_FAILED)
		return -errno;
	tcp->spaces = spaces;
	return 0;
}

static int start(struct pe_tcp *tcp)
{
	int r;

	tcp->places = calloc(tcp->count, sizeof(*tcp->places));
	if (!tcp->places)
		return -ENOMEM;
	r = load(tcp);
	/* What libbpf says where there is no BTF. */
	if (r == -ESRCH)
		r = -EOPNOTSUPP;
	if (!r)
		r = map_spaces(tcp);
	for (uint32_t i = PE_TCP_SPACE_FIRST; !r && i < tcp->count; i++) {
		if (bpf_map_update_elem(bpf_map__fd(tcp->skel->maps.free_spaces), NULL, &i,
					BPF_ANY) < 0)
			r = -errno;
	}
	return r ? r : tcp_bpf__attach(tcp->skel);
}

int pe_tcp_open(unsigned int max, struct pe_tcp **ret_tcp)
{
	struct pe_tcp *tcp = calloc(1, sizeof(*tcp));
	int possible, r;

	if (!tcp)
		return -ENOMEM;
	pthread_mutex_init(&tcp->mutex, NULL);
	tcp->count = PE_TCP_SPACE_FIRST + max;
	pe_xdp_prepare_library();
	possible = libbpf_num_possible_cpus();
	tcp->cpus = possible > 0 ? (uint32_t)possible : 0;
	r = start(tcp);
	if (r < 0) {
		pe_tcp_close(tcp);
		return r;
	}
	*ret_tcp = tcp;
	return 0;
}

struct pe_tcp *pe_tcp_close(struct pe_tcp *tcp)
{
	if (!tcp)
		return NULL;
	if (tcp->spaces)
		munmap(tcp->spaces, tcp->size);
	tcp_bpf__destroy(tcp->skel);
	pthread_mutex_destroy(&tcp->mutex);
	free(tcp->places);
	free(tcp);
	return NULL;
}

bool pe_tcp_has_overflows(const struct pe_tcp *tcp)
{
	return tcp->overflows;
}

uint64_t pe_tcp_unplaced(const struct pe_tcp *tcp)
{
	return __atomic_load_n(&tcp->skel->bss->pe_unplaced, __ATOMIC_RELAXED);
}

uint64_t pe_tcp_map_bytes(const struct pe_tcp *tcp)
{
	/* A word in the queue, and a key and a value with about 48 bytes of the kernel's. */
	return tcp->size + (uint64_t)tcp->count * (4 + 64) + PE_TCP_BIRTHS * sizeof(uint64_t) +
	       sizeof(*tcp->skel->bss);
}
