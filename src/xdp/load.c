/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fits the BPF object to this kernel and these options, and loads it. Everything that differs from
 * kernel to kernel is decided here, before the load.
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
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/log.h"

#include "growth.h"

#include "packet_exporter.skel.h"
#include "packet_exporter_plain.skel.h"

/* Bytes of one message of libbpf's that are logged. */
#define LOG_TAIL 1000

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
	unsigned int slots = pe_xdp_slots(&xdp->options);
	unsigned int chunks = (slots + PE_CHUNK_SLOTS - 1) / PE_CHUNK_SLOTS;
	/* Those that live long have any ifindex. At 1,024 of them a set is full once in some 500
	 * hosts; with a quarter of the sets, that of each host would be. */
	unsigned int sets = round_up_power_of_two(4 * slots);
	struct pe_bpf *skel = xdp->skel;
	int r;

	r = bpf_map__set_max_entries(skel->maps.interfaces, sets);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.common, chunks);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.lanes, chunks * xdp->cpus);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.cpus, xdp->cpus);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.flows, xdp->cpus);
	if (!r)
		r = bpf_map__set_max_entries(skel->maps.rings, xdp->options.rings ?: 1);
	return r;
}

static int set_constants(struct pe_xdp *xdp)
{
	struct pe_bpf__rodata *ro = xdp->skel->rodata;

	ro->pe_cpus = xdp->cpus;
	ro->pe_interface_mask = bpf_map__max_entries(xdp->skel->maps.interfaces) - 1;
	ro->pe_pair_bits = xdp->pair_bits;
	ro->pe_has_flows = xdp->options.flows;
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
SAME_CONSTANT(pe_pair_bits);
SAME_CONSTANT(pe_has_flows);
SAME_CONSTANT(pe_rings);
SAME_CONSTANT(pe_wake_bytes);
SAME_CONSTANT(pe_active_ticks);
SAME_CONSTANT(pe_has_buff_len);
SAME_CONSTANT(pe_reads_bytes);
SAME_CONSTANT(pe_reads_pages);
SAME_CONSTANT(pe_gro_feature);
SAME_CONSTANT(pe_seed);
#define LINE		64
#define LINE_OF(member) (offsetof(struct pe_bpf__rodata, member) / LINE)
_Static_assert(LINE_OF(pe_interface_mask) == 0 && LINE_OF(pe_wake_bytes) == 0 &&
		       LINE_OF(class_words) == LINE_OF(size_word_of_64),
	       "what most packets need of constants is in two lines of the CPU's cache");
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

static int load(struct pe_xdp *xdp)
{
	_cleanup_close_ int flow_cache = -1;
	int r = set_sizes(xdp);

	if (!r)
		r = set_constants(xdp);
	if (!r)
		r = pe_growth_prepare(xdp, &flow_cache);
	if (r < 0)
		return r;
	bpf_program__set_autoload(xdp->skel->progs.pe_native, xdp->options.native);
	bpf_program__set_autoload(xdp->skel->progs.pe_egress, xdp->features & FEATURE_EGRESS);
	bpf_program__set_autoload(xdp->skel->progs.pe_receive, xdp->features & FEATURE_RECEIVE);
	bpf_program__set_autoload(xdp->skel->progs.pe_gro, xdp->features & FEATURE_RECEIVE);
	bpf_program__set_autoload(xdp->skel->progs.pe_tcx, xdp->features & FEATURE_TCX);
	bpf_program__set_autoload(xdp->skel->progs.pe_learn_netns, pe_xdp_must_learn_netns(xdp));
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

/* What differs from kernel to kernel; tests/kernels reads it. */
static void log_features(const struct pe_xdp *xdp)
{
	pe_debug("xdp", "loaded, with%s%s%s%s%s%s%s",
		 xdp->features & FEATURE_EGRESS ? " egress" : "",
		 xdp->features & FEATURE_RECEIVE ? " receive" : "",
		 xdp->features & FEATURE_CASTS ? " namespaces" : "",
		 xdp->features & FEATURE_READS ? " reads" : "",
		 xdp->features & FEATURE_PAGES ? " pages" : "",
		 xdp->features & FEATURE_TCX ? " tcx" : "",
		 xdp->skel->rodata->pe_has_buff_len ? " frags" : "");
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
	} else {
		log_features(xdp);
	}
	return r;
}

/*
 * A kernel that refuses one of the other programs, or how they read, may still take the rest. One
 * that has TCX has the other functions, too, and is looked at only after it has refused something.
 */
int pe_xdp_load(struct pe_xdp *xdp)
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
