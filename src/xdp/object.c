/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF object's life: open, fit to this kernel and these options, load, map, attach egress.
 * Everything that differs from kernel to kernel is decided here, before the load.
 */
#include "object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/log.h"

#include "ticks.h"

#include "packet_exporter.skel.h"
#include "packet_exporter_plain.skel.h"

/* A slot rests this long; a program run takes some 100 ns, and never sleeps. */
#define SLOT_REST_NS (50 * PE_NS_PER_MS)
/* Bytes of one message of libbpf's that are logged. */
#define LOG_TAIL 1000
/* Flows of IPv4 in the cache by default: for each CPU, and for all. */
#define USUAL_CACHE_MIN 8192u
#define USUAL_CACHE_MAX 65536u
#define USUAL_CACHE_ALL (16 * USUAL_CACHE_MAX)
/* Those that rest, and provisional ones. */
#define MORE_SLOTS(max) ((max) / 4 + 64 + PE_EARLY_MAX)

/*
 * To the debug log: libbpf cannot know whether a refusal matters; we do, and say it once. A
 * verifier's log is one message of many lines, of which the last ones say why.
 */
static int __attribute__((format(printf, 2, 0)))
print_to_log(enum libbpf_print_level level, const char *fmt, va_list args)
{
	_cleanup_free_ char *text = NULL;
	char *line, *rest;

	if (!pe_log_enabled(PE_LOG_DEBUG) || level == LIBBPF_DEBUG)
		return 0;
	if (vasprintf(&text, fmt, args) < 0) {
		text = NULL;
		return 0;
	}
	rest = strlen(text) > LOG_TAIL ? text + strlen(text) - LOG_TAIL : text;
	while ((line = strsep(&rest, "\n"))) {
		if (*line)
			pe_debug("bpf", "%s", line);
	}
	return 0;
}

static unsigned int round_up_power_of_two(unsigned int n)
{
	unsigned int power = 1;

	while (power < n)
		power *= 2;
	return power;
}

/* Kernels before 5.11 account maps to RLIMIT_MEMLOCK; newer ones ignore it. */
void pe_xdp_prepare_library(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	libbpf_set_print(print_to_log);
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
}

static int set_sizes(struct pe_xdp *xdp)
{
	const struct pe_xdp_options *o = &xdp->options;
	unsigned int slots = o->max_interfaces + MORE_SLOTS(o->max_interfaces);
	/* Those that live long have any ifindex. At 1,024 of them a set is full once in some 500
	 * hosts; with a quarter of the sets, that of each host would be. */
	unsigned int sets = round_up_power_of_two(4 * slots);
	unsigned int flow_sets = o->flow_cache / PE_FLOW_WAYS;
	struct pe_bpf *skel = xdp->skel;
	int r;

	xdp->set_bits = (unsigned int)__builtin_ctz(flow_sets);
	r = bpf_map__set_max_entries(skel->maps.interfaces, sets);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.rows, slots * PE_DIRECTIONS * xdp->cpus);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.cpus, xdp->cpus);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.flows4, flow_sets * xdp->cpus);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.flows6, flow_sets / 2 * xdp->cpus);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.rings, o->rings);
	return r;
}

static int set_constants(struct pe_xdp *xdp)
{
	struct pe_bpf__rodata *ro = xdp->skel->rodata;

	ro->pe_cpus = xdp->cpus;
	ro->pe_interface_mask = bpf_map__max_entries(xdp->skel->maps.interfaces) - 1;
	ro->pe_set_shift = 32 - xdp->set_bits;
	ro->pe_rings = xdp->options.rings;
	ro->pe_wake_bytes = xdp->options.ring_size / 4;
	ro->pe_active_ticks = (uint32_t)(xdp->options.active_ns / xdp->tick_ns) + 1;
	ro->pe_reads_bytes = xdp->features & FEATURE_READS;
	ro->pe_reads_pages = xdp->features & FEATURE_PAGES;
	ro->pe_gro_feature = xdp->options.gro_feature;
	ro->pe_has_buff_len =
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_get_buff_len, NULL) == 1;
	if (getrandom((void *)&ro->pe_seed, sizeof(ro->pe_seed), 0) != sizeof(ro->pe_seed))
		return -EIO;
	if (ro->pe_has_buff_len)
		bpf_program__set_flags(xdp->skel->progs.pe_native, BPF_F_XDP_HAS_FRAGS);
	return 0;
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

static int map_all(struct pe_xdp *xdp)
{
	struct pe_bpf *skel = xdp->skel;
	struct pe_slots_options options = {
		.count = xdp->options.max_interfaces + MORE_SLOTS(xdp->options.max_interfaces),
		.limit = xdp->options.max_interfaces,
		.cpus = xdp->cpus,
		.table_sets = bpf_map__max_entries(skel->maps.interfaces),
		.rest_ns = SLOT_REST_NS,
	};
	int r;

	r = map_memory(&xdp->interfaces, skel->maps.interfaces);
	if (!r)
		r = map_memory(&xdp->rows, skel->maps.rows);
	if (!r)
		r = map_memory(&xdp->cpu, skel->maps.cpus);
	if (r < 0)
		return r;
	options.table = xdp->interfaces.data;
	options.rows = xdp->rows.data;
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

/* Without egress by tracepoint the exporter still counts ingress; the supervisor says so. */
static void attach_egress(struct pe_xdp *xdp)
{
	if (!xdp->options.egress || !(xdp->features & FEATURE_EGRESS))
		return;
	xdp->skel->links.pe_egress = bpf_program__attach(xdp->skel->progs.pe_egress);
	xdp->egress = xdp->skel->links.pe_egress != NULL;
}

/*
 * One object has the programs for kernels with certain functions, one those for all others. One
 * skeleton serves both, because they are compiled from the same source.
 */
#define SAME_CONSTANT(name)                                                 \
	_Static_assert(offsetof(struct pe_bpf__rodata, name) ==             \
			       offsetof(struct pe_plain_bpf__rodata, name), \
		       "the skeleton fits both objects")
SAME_CONSTANT(pe_cpus);
SAME_CONSTANT(pe_interface_mask);
SAME_CONSTANT(pe_set_shift);
SAME_CONSTANT(pe_rings);
SAME_CONSTANT(pe_wake_bytes);
SAME_CONSTANT(pe_active_ticks);
SAME_CONSTANT(pe_has_buff_len);
SAME_CONSTANT(pe_reads_bytes);
SAME_CONSTANT(pe_reads_pages);
SAME_CONSTANT(pe_gro_feature);
SAME_CONSTANT(pe_seed);
_Static_assert(sizeof(struct pe_bpf__rodata) == sizeof(struct pe_plain_bpf__rodata) &&
		       sizeof(((struct pe_bpf *)0)->maps) ==
			       sizeof(((struct pe_plain_bpf *)0)->maps) &&
		       sizeof(((struct pe_bpf *)0)->progs) ==
			       sizeof(((struct pe_plain_bpf *)0)->progs),
	       "the skeleton fits both objects");

static int open_object(bool plain, struct pe_bpf **ret_skel)
{
	struct pe_bpf *skel = calloc(1, sizeof(*skel));
	int r = -ENOMEM;

	if (skel)
		r = pe_bpf__create_skeleton(skel);
	if (!r && plain)
		skel->skeleton->data = (void *)pe_plain_bpf__elf_bytes(&skel->skeleton->data_sz);
	if (!r)
		r = bpf_object__open_skeleton(skel->skeleton, NULL);
	if (r < 0) {
		pe_bpf__destroy(skel);
		return r;
	}
	*ret_skel = skel;
	return 0;
}

/* Without casts only the tracepoints look at the namespace. */
static bool must_learn_netns(const struct pe_xdp *xdp)
{
	return xdp->features & (FEATURE_CASTS | FEATURE_EGRESS | FEATURE_RECEIVE);
}

static int load(struct pe_xdp *xdp)
{
	int r = set_sizes(xdp);

	if (!r)
		r = set_constants(xdp);
	if (r < 0)
		return r;
	bpf_program__set_autoload(xdp->skel->progs.pe_egress, xdp->features & FEATURE_EGRESS);
	bpf_program__set_autoload(xdp->skel->progs.pe_receive, xdp->features & FEATURE_RECEIVE);
	bpf_program__set_autoload(xdp->skel->progs.pe_gro, xdp->features & FEATURE_RECEIVE);
	bpf_program__set_autoload(xdp->skel->progs.pe_tcx, xdp->features & FEATURE_TCX);
	bpf_program__set_autoload(xdp->skel->progs.pe_learn_netns, must_learn_netns(xdp));
	return pe_bpf__load(xdp->skel);
}

static bool has_function(const struct btf *kernel, const char *name)
{
	return btf__find_by_name_kind(kernel, name, BTF_KIND_FUNC) > 0;
}

/* What cannot be for lack of functions in the kernel. Its BTF is some 5 MB, of which each page is
 * read and copied: most of what a start costs beside the verifier. */
static int look_at_kernel(unsigned int *ret_lacks)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	unsigned int lacks = 0;

	if (!kernel)
		return -EOPNOTSUPP;
	if (!has_function(kernel, "bpf_cast_to_kern_ctx") ||
	    !has_function(kernel, "bpf_rdonly_cast"))
		lacks |= FEATURE_CASTS | FEATURE_READS | FEATURE_TCX;
	if (!has_function(kernel, "bpf_dynptr_from_skb"))
		lacks |= FEATURE_PAGES;
	btf__free(kernel);
	*ret_lacks = lacks;
	return 0;
}

/* A kernel that is older, or was built without, does not know this type of attachment; one that
 * does looks for the interface, which is none. */
static bool has_tcx(void)
{
	LIBBPF_OPTS(bpf_prog_query_opts, query);

	return bpf_prog_query_opts(INT_MAX, (enum bpf_attach_type)TCX_INGRESS, &query) == -ENODEV;
}

static int open_and_load_as(struct pe_xdp *xdp, unsigned int features)
{
	int r;

	xdp->features = features;
	r = open_object(!(features & FEATURE_CASTS), &xdp->skel);
	if (r < 0)
		return r;
	r = load(xdp);
	if (r < 0) {
		pe_bpf__destroy(xdp->skel);
		xdp->skel = NULL;
	}
	return r;
}

/*
 * A kernel that refuses one of the other programs, or how they read, may still take the rest. One
 * that has TCX has the other functions, too, and is looked at only after it has refused something.
 */
static int open_and_load(struct pe_xdp *xdp)
{
	static const unsigned int attempts[] = {
		FEATURE_CASTS | FEATURE_EGRESS | FEATURE_RECEIVE | FEATURE_READS | FEATURE_PAGES |
			FEATURE_TCX,
		FEATURE_CASTS | FEATURE_EGRESS | FEATURE_RECEIVE | FEATURE_READS | FEATURE_TCX,
		FEATURE_CASTS | FEATURE_EGRESS | FEATURE_RECEIVE | FEATURE_TCX,
		FEATURE_CASTS | FEATURE_EGRESS | FEATURE_RECEIVE | FEATURE_READS,
		FEATURE_CASTS | FEATURE_EGRESS | FEATURE_RECEIVE,
		FEATURE_EGRESS | FEATURE_RECEIVE,
		FEATURE_CASTS | FEATURE_EGRESS,
		FEATURE_CASTS | FEATURE_RECEIVE,
		FEATURE_CASTS,
		FEATURE_EGRESS,
		FEATURE_RECEIVE,
		0,
	};
	const bool is_new = has_tcx();
	unsigned int impossible = is_new ? 0 : FEATURE_TCX, lacks = 0;
	uint64_t tried = 0;
	int r = is_new ? 0 : look_at_kernel(&lacks);

	if (r < 0)
		return r;
	if (xdp->options.plain)
		impossible |= FEATURE_CASTS | FEATURE_READS | FEATURE_PAGES | FEATURE_TCX;
	if (xdp->options.copy_heads)
		impossible |= FEATURE_READS;
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
		const unsigned int features = attempts[i] & ~(impossible | lacks);

		if (tried & (uint64_t)1 << features)
			continue;
		r = open_and_load_as(xdp, features);
		if (!r || r == -EPERM || r == -ENOMEM)
			return r;
		if (is_new && !tried && look_at_kernel(&lacks) < 0)
			return -EOPNOTSUPP;
		tried |= (uint64_t)1 << features;
	}
	return r;
}

/* The kernel side learns which namespace is ours. */
static int learn_netns(struct pe_xdp *xdp)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int r;

	if (!must_learn_netns(xdp))
		return 0;
	r = bpf_prog_test_run_opts(bpf_program__fd(xdp->skel->progs.pe_learn_netns), &opts);
	return r < 0 ? r : opts.retval ? -EIO : 0;
}

/* Flows of IPv4 for each CPU; all CPUs take no more than 64 MiB with those of IPv6, unless there
 * are very many. */
static unsigned int usual_flow_cache(unsigned int cpus)
{
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
	xdp->ring_fds = malloc(options->rings * sizeof(*xdp->ring_fds));
	if (!xdp->ring_fds) {
		free(xdp);
		return -ENOMEM;
	}
	memset(xdp->ring_fds, 0xff, options->rings * sizeof(*xdp->ring_fds));
	xdp->cpus = (unsigned int)cpus;
	if (xdp->options.flow_cache == 0)
		xdp->options.flow_cache = usual_flow_cache(xdp->cpus);
	xdp->tick_ns = pe_clock_tick_ns();
	pe_xdp_prepare_library();

	r = open_and_load(xdp);
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
	if (!r)
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
	unmap_memory(&xdp->interfaces);
	unmap_memory(&xdp->rows);
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
	uint64_t sets = (uint64_t)xdp->cpus << xdp->set_bits;
	uint64_t flows =
		sets * sizeof(struct pe_flow4_set) + sets / 2 * sizeof(struct pe_flow6_set);

	return xdp->interfaces.size + xdp->rows.size + xdp->cpu.size + flows + early +
	       (uint64_t)xdp->options.rings * xdp->options.ring_size;
}
