/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of bpf/dns.bpf.c, which is loaded by itself and only when asked for, and of the queries
 * that nobody answers.
 *
 * A query is taken out of the table of those that are pending by its answer, on any CPU, or here.
 * When its interface goes it is counted as unanswered with the slot's last use, and what the table
 * still has of it counts for nobody: `since_ns` says from when on queries are of the present use.
 */
#include "pe/dns.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pe/clock.h"

#include "object.h"

#include "dns.skel.h"
#include "dns_plain.skel.h"
#include "packet_exporter.skel.h"

/*
 * A client that sends its query again after as long as a query may be pending must find it in the
 * table: then it is known to be unanswered, and the time of the new one begins.
 */
#define SWEEP_AFTER_NS (PE_DNS_TIMEOUT_NS + 500 * PE_NS_PER_MS)
#define BATCH	       1024

struct pe_dns {
	struct dns_bpf *skel;
	struct pe_xdp *xdp;
	bool is_attached, is_refused; /* its tracepoints */
	unsigned int slots;
	struct pe_dns_row *rows; /* mapped */
	size_t size;
	uint64_t *since_ns; /* by slot; UINT64_MAX of one that is not in use */
	struct pe_dns_key *key;
	uint64_t *asked_ns;
};

/* One skeleton serves both objects: see load.c. */
_Static_assert(sizeof(struct dns_bpf__rodata) == sizeof(struct dns_plain_bpf__rodata) &&
		       offsetof(struct dns_bpf__rodata, pe_net) ==
			       offsetof(struct dns_plain_bpf__rodata, pe_net) &&
		       sizeof(((struct dns_bpf *)0)->maps) ==
			       sizeof(((struct dns_plain_bpf *)0)->maps) &&
		       sizeof(((struct dns_bpf *)0)->progs) ==
			       sizeof(((struct dns_plain_bpf *)0)->progs),
	       "the skeleton fits both objects");

static int open_object(bool plain, struct dns_bpf **ret_skel)
{
	struct dns_bpf *skel = calloc(1, sizeof(*skel));
	int r = -ENOMEM;

	if (skel)
		r = dns_bpf__create_skeleton(skel);
	if (!r && plain)
		skel->skeleton->data = (void *)dns_plain_bpf__elf_bytes(&skel->skeleton->data_sz);
	if (!r)
		r = bpf_object__open_skeleton(skel->skeleton, NULL);
	if (r < 0) {
		dns_bpf__destroy(skel);
		return r;
	}
	*ret_skel = skel;
	return 0;
}

/* Packets are read as the other object reads them on this kernel. */
static int set_constants(struct pe_dns *dns)
{
	const struct pe_bpf *counting = dns->xdp->skel;
	struct dns_bpf *skel = dns->skel;
	int r;

	skel->rodata->pe_net = counting->data->pe_net;
	skel->rodata->pe_interface_mask = counting->rodata->pe_interface_mask;
	skel->rodata->pe_cpus = counting->rodata->pe_cpus;
	skel->rodata->pe_reads_bytes = counting->rodata->pe_reads_bytes;
	skel->rodata->pe_reads_pages = counting->rodata->pe_reads_pages;
	skel->rodata->pe_gro_feature = counting->rodata->pe_gro_feature;
	r = bpf_map__set_max_entries(skel->maps.rows, dns->slots);
	if (!r)
		r = bpf_map__reuse_fd(skel->maps.interfaces,
				      bpf_map__fd(counting->maps.interfaces));
	if (!r)
		r = bpf_map__reuse_fd(skel->maps.early, bpf_map__fd(counting->maps.early));
	return r;
}

static int map_rows(struct pe_dns *dns)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *rows;

	dns->size = (dns->slots * sizeof(*dns->rows) + page - 1) & ~(page - 1);
	rows = mmap(NULL, dns->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    bpf_map__fd(dns->skel->maps.rows), 0);
	if (rows == MAP_FAILED)
		return -errno;
	dns->rows = rows;
	return 0;
}

static int load(struct pe_dns *dns)
{
	int r;

	/* Where it is not known, nothing is ours. */
	if (!dns->xdp->skel->data->pe_net)
		return -EOPNOTSUPP;
	r = open_object(!(dns->xdp->features & FEATURE_CASTS), &dns->skel);
	if (!r)
		r = set_constants(dns);
	if (!r)
		r = dns_bpf__load(dns->skel);
	if (!r)
		r = map_rows(dns);
	return r;
}

static int allocate(struct pe_dns *dns)
{
	dns->since_ns = calloc(dns->slots, sizeof(*dns->since_ns));
	dns->key = calloc(BATCH, sizeof(*dns->key));
	dns->asked_ns = calloc(BATCH, sizeof(*dns->asked_ns));
	return dns->since_ns && dns->key && dns->asked_ns ? 0 : -ENOMEM;
}

int pe_dns_open(struct pe_xdp *xdp, struct pe_dns **ret_dns)
{
	struct pe_dns *dns = calloc(1, sizeof(*dns));
	int r;

	if (!dns)
		return -ENOMEM;
	pe_xdp_prepare_library();
	dns->xdp = xdp;
	dns->slots = pe_xdp_slots(&xdp->options);
	r = allocate(dns);
	if (!r)
		r = load(dns);
	/* What libbpf says where there is no BTF. */
	if (r == -ESRCH)
		r = -EOPNOTSUPP;
	if (r < 0) {
		pe_dns_close(dns);
		return r;
	}
	xdp->dns = dns;
	*ret_dns = dns;
	return 0;
}

struct pe_dns *pe_dns_close(struct pe_dns *dns)
{
	if (!dns)
		return NULL;
	dns->xdp->dns = NULL;
	if (dns->rows)
		munmap(dns->rows, dns->size);
	dns_bpf__destroy(dns->skel);
	free(dns->since_ns);
	free(dns->key);
	free(dns->asked_ns);
	free(dns);
	return NULL;
}

void pe_dns_detach(struct pe_dns *dns)
{
	dns_bpf__detach(dns->skel);
	dns->is_attached = false;
}

int pe_dns_attach(struct pe_dns *dns)
{
	int r = 0;

	if (!dns->is_attached && !dns->is_refused) {
		r = dns_bpf__attach(dns->skel);
		dns->is_attached = !r;
		dns->is_refused = r < 0;
	}
	if (r < 0)
		dns_bpf__detach(dns->skel);
	return r;
}

/* ---- queries ---- */

static void add(__u64 *word, uint64_t by)
{
	__atomic_fetch_add(word, by, __ATOMIC_RELAXED);
}

/* Nothing counts there now: the slot has rested. */
void pe_dns_clear(struct pe_dns *dns, uint32_t slot)
{
	memset(&dns->rows[slot], 0, sizeof(*dns->rows));
	dns->since_ns[slot] = pe_clock_monotonic_ns();
}

void pe_dns_end(struct pe_dns *dns, uint32_t slot)
{
	dns->since_ns[slot] = UINT64_MAX;
	for (size_t d = 0; d < PE_DIRECTIONS; d++) {
		struct pe_dns_counts *counts = &dns->rows[slot].of[d];

		add(&counts->unanswered,
		    __atomic_exchange_n(&counts->pending, 0, __ATOMIC_RELAXED));
	}
}

static void sweep_one(struct pe_dns *dns, const struct pe_dns_key *key, uint64_t asked_ns)
{
	const uint32_t slot = PE_TOKEN_SLOT(key->token);
	struct pe_dns_counts *counts = &dns->rows[slot].of[key->direction];

	/* Its answer may have been faster. */
	if (bpf_map_delete_elem(bpf_map__fd(dns->skel->maps.pending), key) < 0)
		return;
	add(&dns->skel->bss->pe_pending, (uint64_t)-1);
	if (asked_ns < dns->since_ns[slot])
		return;
	add(&counts->unanswered, 1);
	add(&counts->pending, (uint64_t)-1);
}

void pe_dns_sweep(struct pe_dns *dns)
{
	const int fd = bpf_map__fd(dns->skel->maps.pending);
	const uint64_t now_ns = pe_clock_monotonic_ns();
	__u32 at, count;
	bool first = true;
	int r;

	if (!__atomic_load_n(&dns->skel->bss->pe_pending, __ATOMIC_RELAXED))
		return;
	do {
		count = BATCH;
		r = bpf_map_lookup_batch(fd, first ? NULL : &at, &at, dns->key, dns->asked_ns,
					 &count, NULL);
		/* -ENOENT is the end, and comes with the last ones. */
		if (r < 0 && r != -ENOENT)
			return;
		for (__u32 i = 0; i < count; i++) {
			if (now_ns > dns->asked_ns[i] &&
			    now_ns - dns->asked_ns[i] >= SWEEP_AFTER_NS)
				sweep_one(dns, &dns->key[i], dns->asked_ns[i]);
		}
		first = false;
	} while (!r);
}

/* ---- numbers ---- */

void pe_dns_read(const struct pe_dns *dns, uint32_t token, struct pe_dns_row *ret_row)
{
	const __u64 *from = (const __u64 *)&dns->rows[PE_TOKEN_SLOT(token)];
	__u64 *to = (__u64 *)ret_row;

	for (size_t i = 0; i < PE_DNS_WORDS; i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	for (size_t d = 0; d < PE_DIRECTIONS; d++)
		ret_row->of[d].pending = 0;
}

uint64_t pe_dns_missed(const struct pe_dns *dns)
{
	return pe_xdp_missed(dns->skel->progs.pe_dns_receive) +
	       pe_xdp_missed(dns->skel->progs.pe_dns_send);
}

uint64_t pe_dns_map_bytes(const struct pe_dns *dns)
{
	/* A key and a value with about 48 bytes of the kernel's. */
	return dns->size + sizeof(*dns->skel->bss) +
	       PE_DNS_PENDING * (sizeof(struct pe_dns_key) + sizeof(uint64_t) + 64) +
	       (uint64_t)dns->xdp->cpus * bpf_map__value_size(dns->skel->maps.looks);
}
