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

#include "pe/cleanup.h"
#include "pe/log.h"

#include "growth.h"
#include "object.h"
#include "part.h"
#include "reasons.h"

#include "drops.skel.h"
#include "packet_exporter.skel.h"

struct pe_drops {
	struct drops_bpf *skel;
	struct pe_xdp *xdp;
	struct pe_reasons reasons;
	unsigned int stripes;
	unsigned int usual;  /* places that have a reason from the beginning */
	unsigned int chunks; /* of slots, at most */
	struct pe_drop_row *
		*rows;	    /* mapped, by chunk; those that are NULL are counted as the rest */
	uint64_t row_bytes; /* atomic */
	bool has_warned;
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

static unsigned int choose_stripes(void)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int stripes = 1;

	while (stripes < PE_DROP_STRIPES && (long)stripes * 2 <= cpus)
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
	skel->rodata->pe_stripe_mask = drops->stripes - 1;
	pe_reasons_list_usual(&drops->reasons, place_usual, drops);
	r = bpf_map__set_max_entries(skel->maps.rows, drops->chunks);
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

static size_t chunk_rows(const struct pe_drops *drops)
{
	return (size_t)PE_CHUNK_SLOTS * drops->stripes;
}

static size_t chunk_bytes(const struct pe_drops *drops)
{
	return chunk_rows(drops) * sizeof(struct pe_drop_row);
}

/* The kernel wants all chunks to be as large as the one that it knows at the load. */
static int load_object(struct pe_drops *drops)
{
	_cleanup_close_ int fd =
		pe_part_make("pe_drop_rows", sizeof(struct pe_drop_row), chunk_rows(drops));
	int r;

	if (fd < 0)
		return fd;
	r = bpf_map__set_inner_map_fd(drops->skel->maps.rows, fd);
	return r ?: drops_bpf__load(drops->skel);
}

static void add_chunk(unsigned int chunk, void *userdata)
{
	struct pe_drops *drops = userdata;
	void *rows;
	int r;

	if (drops->rows[chunk])
		return;
	r = pe_part_add(bpf_map__fd(drops->skel->maps.rows), chunk, "pe_drop_rows",
			sizeof(struct pe_drop_row), chunk_rows(drops), &rows);

	if (r < 0) {
		if (!drops->has_warned)
			pe_warn("drops",
				"no memory for what is dropped at some interfaces, which is "
				"counted as the host's: %s",
				strerror(-r));
		drops->has_warned = true;
		return;
	}
	__atomic_store_n(&drops->rows[chunk], rows, __ATOMIC_RELEASE);
	__atomic_fetch_add(&drops->row_bytes, chunk_bytes(drops), __ATOMIC_RELAXED);
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
		r = load_object(drops);
	if (!r)
		r = offer_places(drops);
	if (r < 0)
		return r;
	pe_growth_follow(drops->xdp->growth, add_chunk, drops);
	return drops_bpf__attach(drops->skel);
}

int pe_drops_open(struct pe_xdp *xdp, struct pe_drops **ret_drops)
{
	struct pe_drops *drops = calloc(1, sizeof(*drops));
	int r;

	if (!drops)
		return -ENOMEM;
	pe_xdp_prepare_library();
	drops->xdp = xdp;
	drops->stripes = choose_stripes();
	drops->chunks = bpf_map__max_entries(xdp->skel->maps.common);
	drops->rows = calloc(drops->chunks, sizeof(*drops->rows));
	r = drops->rows ? load(drops) : -ENOMEM;
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
	pe_growth_follow(drops->xdp->growth, NULL, NULL);
	for (unsigned int i = 0; drops->rows && i < drops->chunks; i++) {
		if (drops->rows[i])
			munmap(drops->rows[i], chunk_bytes(drops));
	}
	free(drops->rows);
	drops_bpf__destroy(drops->skel);
	free(drops);
	return NULL;
}

/* Of each stripe, or NULL. */
static struct pe_drop_row *find_rows(const struct pe_drops *drops, uint32_t slot)
{
	struct pe_drop_row *rows =
		__atomic_load_n(&drops->rows[slot / PE_CHUNK_SLOTS], __ATOMIC_ACQUIRE);

	return rows ? &rows[slot % PE_CHUNK_SLOTS * drops->stripes] : NULL;
}

/* Nothing counts there now: the slot has rested. */
void pe_drops_clear(struct pe_drops *drops, uint32_t slot)
{
	struct pe_drop_row *rows = find_rows(drops, slot);

	if (rows)
		memset(rows, 0, sizeof(*rows) * drops->stripes);
}

static void add_rows(const struct pe_drops *drops, const struct pe_drop_row *row,
		     struct pe_drop_row *ret_row)
{
	for (unsigned int stripe = 0; stripe < drops->stripes; stripe++, row++) {
		for (size_t d = 0; d < PE_DIRECTIONS; d++)
			for (size_t i = 0; i < PE_DROP_REASONS; i++)
				ret_row->count[d][i] +=
					__atomic_load_n(&row->count[d][i], __ATOMIC_RELAXED);
	}
}

void pe_drops_read(const struct pe_drops *drops, uint32_t token, struct pe_drop_row *ret_row)
{
	const struct pe_drop_row *rows = find_rows(drops, PE_TOKEN_SLOT(token));

	if (rows)
		add_rows(drops, rows, ret_row);
}

void pe_drops_read_rest(const struct pe_drops *drops, struct pe_drop_row *ret_row)
{
	add_rows(drops, drops->skel->bss->pe_rest, ret_row);
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
	return __atomic_load_n(&drops->row_bytes, __ATOMIC_RELAXED) + sizeof(*drops->skel->bss) +
	       2 * PE_DROP_REASONS * sizeof(__u32);
}
