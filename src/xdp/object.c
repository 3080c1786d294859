/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF object's life: load, map, attach egress.
 */
#include "object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/log.h"

#include "growth.h"
#include "ticks.h"
#include "tracepoints.h"

#include "packet_exporter.skel.h"

/* A slot rests this long; a program run takes some 100 ns, and never sleeps. */
#define SLOT_REST_NS (50 * PE_NS_PER_MS)
/* Flows of IPv4 in the cache: at least, and by default for each CPU and for all. */
#define PE_FLOW_CACHE_MIN 64
#define USUAL_CACHE_MIN	  8192u
#define USUAL_CACHE_MAX	  65536u
#define USUAL_CACHE_ALL	  (16 * USUAL_CACHE_MAX)
/* Those that rest, and provisional ones. */
#define MORE_SLOTS(max) ((max) / 4 + 64 + PE_EARLY_MAX)

unsigned int pe_xdp_slots(const struct pe_xdp_options *options)
{
	return options->max_interfaces + MORE_SLOTS(options->max_interfaces);
}

bool pe_xdp_must_learn_netns(const struct pe_xdp *xdp)
{
	return xdp->features & (FEATURE_CASTS | FEATURE_EGRESS | FEATURE_RECEIVE);
}

static int make_rings(struct pe_xdp *xdp)
{
	int outer = bpf_map__fd(xdp->skel->maps.rings);

	for (uint32_t i = 0; i < xdp->options.rings; i++) {
		int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "pe_ring", 0, 0,
					xdp->options.ring_size, NULL);

		if (fd < 0)
			return fd;
		xdp->ring_fds[i] = fd;
		if (bpf_map_update_elem(outer, &i, &fd, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static void close_rings(struct pe_xdp *xdp)
{
	for (uint32_t i = 0; xdp->ring_fds && i < xdp->options.rings; i++) {
		if (xdp->ring_fds[i] >= 0)
			close(xdp->ring_fds[i]);
	}
	free(xdp->ring_fds);
}

static int map_memory(struct mapped *mapped, const struct bpf_map *map)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (size_t)((bpf_map__value_size(map) + 7) & ~7u) * bpf_map__max_entries(map);
	void *data;

	size = (size + page - 1) & ~(page - 1);
	data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (data == MAP_FAILED)
		return -errno;
	mapped->data = data;
	mapped->size = size;
	return 0;
}

static void unmap_memory(struct mapped *mapped)
{
	if (mapped->data)
		munmap(mapped->data, mapped->size);
	mapped->data = NULL;
}

static void clear_slot(uint32_t slot, void *userdata)
{
	const struct pe_xdp *xdp = userdata;

	if (xdp->drops)
		pe_drops_clear(xdp->drops, slot);
	if (xdp->dns)
		pe_dns_clear(xdp->dns, slot);
}

static int map_all(struct pe_xdp *xdp)
{
	struct pe_bpf *skel = xdp->skel;
	struct pe_slots_options options = {
		.count = pe_xdp_slots(&xdp->options),
		.limit = xdp->options.max_interfaces,
		.cpus = xdp->cpus,
		.table_sets = bpf_map__max_entries(skel->maps.interfaces),
		.rest_ns = SLOT_REST_NS,
		.clear = clear_slot,
		.userdata = xdp,
	};
	int r;

	r = map_memory(&xdp->interfaces, skel->maps.interfaces);
	if (!r)
		r = map_memory(&xdp->cpu, skel->maps.cpus);
	if (!r)
		r = pe_growth_new(xdp, PE_EARLY_MAX + 1, &xdp->growth);
	if (r < 0)
		return r;
	options.table = xdp->interfaces.data;
	options.cpu = xdp->cpu.data;
	options.counters = pe_growth_counters(xdp->growth);
	return pe_slots_new(&options, &xdp->slots);
}

static int read_id(const struct bpf_program *program, uint32_t *ret_id)
{
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) < 0)
		return -errno;
	*ret_id = info.id;
	return 0;
}

uint64_t pe_xdp_missed(const struct bpf_program *program)
{
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) < 0)
		return 0;
	return info.recursion_misses;
}

/* Without egress by tracepoint the exporter still counts ingress; the supervisor says so. */
static void attach_egress(struct pe_xdp *xdp)
{
	if (!xdp->options.egress || !(xdp->features & FEATURE_EGRESS))
		return;
	xdp->egress = !pe_xdp_attach_egress(xdp);
}

/* The kernel side learns which namespace is ours. */
static int learn_netns(struct pe_xdp *xdp)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int r;

	if (!pe_xdp_must_learn_netns(xdp))
		return 0;
	r = bpf_prog_test_run_opts(bpf_program__fd(xdp->skel->progs.pe_learn_netns), &opts);
	return r < 0 ? r : opts.retval ? -EIO : 0;
}

/* Flows of IPv4 for each CPU; all that are online take no more than 32 MiB, unless there are very
 * many. */
static unsigned int usual_flow_cache(void)
{
	unsigned int cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int flows = USUAL_CACHE_MAX;

	while (flows > USUAL_CACHE_MIN && flows * cpus > USUAL_CACHE_ALL)
		flows /= 2;
	return flows;
}

int pe_xdp_open(const struct pe_xdp_options *options, struct pe_xdp **ret_xdp)
{
	struct pe_xdp *xdp;
	int cpus = libbpf_num_possible_cpus();
	int r;

	if (options->active_ns / pe_clock_tick_ns() >= PE_FLOW_SPAN_MAX)
		return -EINVAL;
	if (cpus < 0)
		return cpus;
	xdp = calloc(1, sizeof(*xdp));
	if (!xdp)
		return -ENOMEM;
	xdp->options = *options;
	if (!options->flows) {
		xdp->options.rings = 0;
		xdp->options.flow_cache = PE_FLOW_CACHE_MIN;
	}
	xdp->ring_fds = malloc(options->rings * sizeof(*xdp->ring_fds) + 1);
	if (!xdp->ring_fds) {
		free(xdp);
		return -ENOMEM;
	}
	memset(xdp->ring_fds, 0xff, options->rings * sizeof(*xdp->ring_fds));
	xdp->cpus = (unsigned int)cpus;
	if (xdp->options.flow_cache == 0)
		xdp->options.flow_cache = usual_flow_cache();
	xdp->pair_bits = (unsigned int)__builtin_ctz(xdp->options.flow_cache / PE_PAIR_FLOWS);
	xdp->tick_ns = pe_clock_tick_ns();
	pe_xdp_prepare_library();

	r = pe_xdp_load(xdp);
	if (!r)
		r = learn_netns(xdp);
	if (!r)
		r = make_rings(xdp);
	if (!r)
		r = map_all(xdp);
	if (!r)
		r = pe_xdp_calibrate(xdp);
	if (!r)
		r = read_id(xdp->skel->progs.pe_ingress, &xdp->generic_id);
	if (!r && options->native)
		r = read_id(xdp->skel->progs.pe_native, &xdp->native_id);
	if (r < 0) {
		pe_xdp_close(xdp);
		return r;
	}
	attach_egress(xdp);
	*ret_xdp = xdp;
	return 0;
}

struct pe_xdp *pe_xdp_close(struct pe_xdp *xdp)
{
	if (!xdp)
		return NULL;
	pe_slots_free(xdp->slots);
	pe_growth_free(xdp->growth);
	unmap_memory(&xdp->interfaces);
	unmap_memory(&xdp->cpu);
	close_rings(xdp);
	pe_bpf__destroy(xdp->skel);
	free(xdp);
	return NULL;
}

bool pe_xdp_is_ours(const struct pe_xdp *xdp, uint32_t id)
{
	return id && (id == xdp->generic_id || id == xdp->native_id);
}

bool pe_xdp_egress(const struct pe_xdp *xdp)
{
	return xdp->egress;
}

bool pe_xdp_has_tcx(const struct pe_xdp *xdp)
{
	return xdp->features & FEATURE_TCX;
}

uint64_t pe_xdp_map_bytes(const struct pe_xdp *xdp)
{
	/* A queue's word, and a key and a value with about 48 bytes of the kernel's. */
	const uint64_t early = PE_EARLY_MAX * (8 + 64);
	const struct pe_bpf *skel = xdp->skel;
	/* What leads to the parts. */
	uint64_t pointers = sizeof(void *) * (bpf_map__max_entries(skel->maps.common) +
					      bpf_map__max_entries(skel->maps.lanes) +
					      bpf_map__max_entries(skel->maps.flows));

	return xdp->interfaces.size + xdp->cpu.size + pointers + pe_growth_bytes(xdp->growth) +
	       early + (uint64_t)xdp->options.rings * xdp->options.ring_size;
}
