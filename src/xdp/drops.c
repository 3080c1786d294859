/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of bpf/drops.bpf.c, which is loaded by itself: a kernel that refuses it is counted on
 * without drops.
 */
#include "pe/drops.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "object.h"
#include "reasons.h"

#include "drops.skel.h"
#include "packet_exporter.skel.h"

/* More CPUs share a stripe, and memory need not follow those that are possible. */
#define STRIPES_MAX 4u
#define ROWS_MAX    8192u

struct pe_drops {
	struct drops_bpf *skel;
	struct pe_xdp *xdp;
	struct pe_reasons reasons;
	unsigned int slots; /* without that of the rest, which comes behind them */
	unsigned int stripes;
	unsigned int usual; /* places that have a reason from the beginning */
	struct pe_drop_row *rows;
	size_t size; /* of their memory */
};

static int read_reasons(struct pe_drops *drops)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	int r;

	if (!kernel)
		return -EOPNOTSUPP;
	r = pe_reasons_read(kernel, &drops->reasons);
	btf__free(kernel);
	return r;
}

static unsigned int choose_stripes(unsigned int slots)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int stripes = 1;

	while (stripes < STRIPES_MAX && (long)stripes * 2 <= cpus &&
	       stripes * 2 * slots <= ROWS_MAX)
		stripes *= 2;
	return stripes;
}

static void place_usual(unsigned int code, void *userdata)
{
	struct pe_drops *drops = userdata;
	struct drops_bpf *skel = drops->skel;

	skel->bss->pe_place_of[code] = (__u8)++drops->usual;
	skel->bss->pe_code_at[drops->usual] = (__u16)(code + 1);
}

static int set_constants(struct pe_drops *drops)
{
	const struct pe_bpf *counting = drops->xdp->skel;
	struct drops_bpf *skel = drops->skel;
	int r;

	skel->rodata->pe_net = counting->data->pe_net;
	skel->rodata->pe_interface_mask = counting->rodata->pe_interface_mask;
	skel->rodata->pe_has_reasons = drops->reasons.has_reasons;
	skel->rodata->pe_has_sockets = drops->reasons.has_sockets;
	skel->rodata->pe_first_reason = drops->reasons.first;
	skel->rodata->pe_subsystems = drops->reasons.named;
	skel->rodata->pe_host_slot = drops->slots;
	skel->rodata->pe_stripe_mask = drops->stripes - 1;
	pe_reasons_list_usual(&drops->reasons, place_usual, drops);
	r = bpf_map__set_max_entries(skel->maps.rows, (drops->slots + 1) * drops->stripes);
	if (!r)
		r = bpf_map__reuse_fd(skel->maps.interfaces,
				      bpf_map__fd(counting->maps.interfaces));
	if (!r)
		r = bpf_map__reuse_fd(skel->maps.early, bpf_map__fd(counting->maps.early));
	return r;
}

static int offer_places(struct pe_drops *drops)
{
	const int places = bpf_map__fd(drops->skel->maps.places);
	const int reserved = bpf_map__fd(drops->skel->maps.reserved);

	for (__u32 at = drops->usual + 1; at < PE_DROP_REASONS; at++) {
		const bool any = at < PE_DROP_REASONS - PE_DROP_RESERVED;

		if (bpf_map_update_elem(any ? places : reserved, NULL, &at, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static int map_rows(struct pe_drops *drops)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const struct bpf_map *map = drops->skel->maps.rows;
	void *rows;

	drops->size = sizeof(struct pe_drop_row) * bpf_map__max_entries(map);
	drops->size = (drops->size + page - 1) & ~(page - 1);
	rows = mmap(NULL, drops->size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (rows == MAP_FAILED)
		return -errno;
	drops->rows = rows;
	return 0;
}

static int load(struct pe_drops *drops)
{
	int r = read_reasons(drops);

	/* Where it cannot be known, nothing is ours. */
	if (!r && !drops->xdp->skel->data->pe_net)
		r = -EOPNOTSUPP;
	if (r < 0)
		return r;
	drops->skel = drops_bpf__open();
	if (!drops->skel)
		return -errno;
	r = set_constants(drops);
	if (!r)
		r = drops_bpf__load(drops->skel);
	if (!r)
		r = offer_places(drops);
	if (!r)
		r = map_rows(drops);
	if (!r)
		r = drops_bpf__attach(drops->skel);
	return r;
}

int pe_drops_open(struct pe_xdp *xdp, struct pe_drops **ret_drops)
{
	struct pe_drops *drops = calloc(1, sizeof(*drops));
	int r;

	if (!drops)
		return -ENOMEM;
	pe_xdp_prepare_library();
	drops->xdp = xdp;
	drops->slots = pe_xdp_slots(&xdp->options);
	drops->stripes = choose_stripes(drops->slots);
	r = load(drops);
	/* What libbpf says where there is no BTF. */
	if (r == -ESRCH)
		r = -EOPNOTSUPP;
	if (r < 0) {
		pe_drops_close(drops);
		return r;
	}
	xdp->drops = drops;
	*ret_drops = drops;
	return 0;
}

struct pe_drops *pe_drops_close(struct pe_drops *drops)
{
	if (!drops)
		return NULL;
	drops->xdp->drops = NULL;
	if (drops->rows)
		munmap(drops->rows, drops->size);
	drops_bpf__destroy(drops->skel);
	free(drops);
	return NULL;
}

/* Nothing counts there now: the slot has rested. */
void pe_drops_clear(struct pe_drops *drops, uint32_t slot)
{
	memset(&drops->rows[slot * drops->stripes], 0, sizeof(*drops->rows) * drops->stripes);
}

static void read_slot(const struct pe_drops *drops, uint32_t slot, struct pe_drop_row *ret_row)
{
	const struct pe_drop_row *row = &drops->rows[slot * drops->stripes];

	for (unsigned int stripe = 0; stripe < drops->stripes; stripe++, row++) {
		for (size_t d = 0; d < PE_DIRECTIONS; d++)
			for (size_t i = 0; i < PE_DROP_REASONS; i++)
				ret_row->count[d][i] +=
					__atomic_load_n(&row->count[d][i], __ATOMIC_RELAXED);
	}
}

void pe_drops_read(const struct pe_drops *drops, uint32_t token, struct pe_drop_row *ret_row)
{
	read_slot(drops, PE_TOKEN_SLOT(token), ret_row);
}

void pe_drops_read_rest(const struct pe_drops *drops, struct pe_drop_row *ret_row)
{
	read_slot(drops, drops->slots, ret_row);
}

const char *pe_drops_reason(const struct pe_drops *drops, unsigned int place)
{
	const char *name;
	unsigned int code;

	if (place == 0)
		return "other";
	code = __atomic_load_n(&drops->skel->bss->pe_code_at[place], __ATOMIC_ACQUIRE);
	if (!code)
		return NULL;
	name = pe_reasons_name(&drops->reasons, code - 1);
	return name ?: "other";
}

uint64_t pe_drops_missed(const struct pe_drops *drops)
{
	return pe_xdp_missed(drops->skel->progs.pe_drop);
}

uint64_t pe_drops_map_bytes(const struct pe_drops *drops)
{
	return drops->size + sizeof(*drops->skel->bss) + 2 * PE_DROP_REASONS * sizeof(__u32);
}
