/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See outline.h. */
#include "outline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pe/arena.h"
#include "pe/cleanup.h"

struct iface {
	struct pe_iface_info info;
	struct pe_identity *identity;
	bool departed;
	uint64_t departed_ns, created_ns;
};

struct group {
	const char *label[PE_GROUP_LABELS];
	uint64_t created_ns;
};

struct pe_outline {
	struct pe_arena *arena; /* of what is below */
	struct iface *ifaces;
	size_t iface_count;
	struct group *groups;
	size_t group_count;
	unsigned int group_by;
	bool no_flows, tcp, overflows, dns;
	struct pe_drop_reasons drop_reasons;
	uint64_t taken_ns;
	struct pe_self_sample self;
};

/* ---- from a snapshot ---- */

static bool copy_text(struct pe_arena *arena, const char **text)
{
	*text = pe_arena_strdup(arena, *text ? *text : "", SIZE_MAX);
	return *text;
}

static int copy_self(struct pe_arena *arena, const struct pe_self_sample *from,
		     struct pe_self_sample *to)
{
	*to = *from;
	for (size_t i = 0; i < to->sink_count; i++)
		if (!copy_text(arena, &to->sinks[i].url))
			return -ENOMEM;
	return 0;
}

static int copy_ifaces(struct pe_outline *outline, const struct pe_snapshot *snapshot)
{
	outline->ifaces =
		pe_arena_alloc(outline->arena, snapshot->iface_count, sizeof(*outline->ifaces));
	if (!outline->ifaces)
		return -ENOMEM;
	for (size_t i = 0; i < snapshot->iface_count; i++) {
		const struct pe_iface_sample *from = &snapshot->ifaces[i];
		struct iface *to = &outline->ifaces[i];

		to->info = from->info;
		to->departed = from->departed;
		to->departed_ns = from->departed_ns;
		to->created_ns = from->body.created_ns;
		if (!copy_text(outline->arena, &to->info.alias) ||
		    !copy_text(outline->arena, &to->info.altnames))
			return -ENOMEM;
		to->identity = from->identity ? pe_identity_ref(from->identity) : NULL;
		outline->iface_count++;
	}
	return 0;
}

static int copy_groups(struct pe_outline *outline, const struct pe_snapshot *snapshot)
{
	outline->groups =
		pe_arena_alloc(outline->arena, snapshot->group_count, sizeof(*outline->groups));
	if (!outline->groups)
		return -ENOMEM;
	outline->group_count = snapshot->group_count;
	for (size_t i = 0; i < snapshot->group_count; i++) {
		struct group *to = &outline->groups[i];

		memcpy(to->label, snapshot->groups[i].label, sizeof(to->label));
		to->created_ns = snapshot->groups[i].body.created_ns;
		for (size_t l = 0; l < PE_GROUP_LABELS; l++)
			if (!copy_text(outline->arena, &to->label[l]))
				return -ENOMEM;
	}
	return 0;
}

static void cleanup_outline(struct pe_outline **outline)
{
	*outline = pe_outline_free(*outline);
}

int pe_outline_new(const struct pe_snapshot *snapshot, struct pe_outline **ret_outline)
{
	_cleanup_(cleanup_outline) struct pe_outline *outline = calloc(1, sizeof(*outline));
	int r;

	if (!outline)
		return -ENOMEM;
	outline->group_by = snapshot->group_by;
	outline->no_flows = snapshot->no_flows;
	outline->tcp = snapshot->tcp;
	outline->overflows = snapshot->overflows;
	outline->dns = snapshot->dns;
	outline->drop_reasons = snapshot->drop_reasons;
	outline->taken_ns = snapshot->taken_ns;
	r = pe_arena_new(&outline->arena);
	if (r == 0)
		r = copy_self(outline->arena, &snapshot->self, &outline->self);
	if (r == 0)
		r = copy_ifaces(outline, snapshot);
	if (r == 0)
		r = copy_groups(outline, snapshot);
	if (r < 0)
		return r;
	pe_arena_trim(outline->arena);
	*ret_outline = PE_TAKE_PTR(outline);
	return 0;
}

struct pe_outline *pe_outline_free(struct pe_outline *outline)
{
	if (!outline)
		return NULL;
	for (size_t i = 0; i < outline->iface_count; i++)
		pe_identity_unref(outline->ifaces[i].identity);
	pe_arena_free(outline->arena);
	free(outline);
	return NULL;
}

size_t pe_outline_iface_count(const struct pe_outline *outline)
{
	return outline->iface_count;
}

/* ---- to a snapshot ---- */

/* What all bodies point to. */
struct shared {
	struct pe_flow_stats *stats;
	struct pe_drop_row *drops;
	struct pe_tcp_counts *tcp;
	struct pe_dns_row *dns;
};

static int fill_shared(struct pe_arena *arena, struct shared *shared)
{
	shared->stats = pe_arena_alloc(arena, 1, sizeof(*shared->stats));
	shared->drops = pe_arena_alloc(arena, 1, sizeof(*shared->drops));
	shared->tcp = pe_arena_alloc(arena, 1, sizeof(*shared->tcp));
	shared->dns = pe_arena_alloc(arena, 1, sizeof(*shared->dns));
	if (!shared->stats || !shared->drops || !shared->tcp || !shared->dns)
		return -ENOMEM;
	memset(shared->stats, 1, sizeof(*shared->stats));
	memset(shared->drops, 1, sizeof(*shared->drops));
	memset(shared->tcp, 1, sizeof(*shared->tcp));
	memset(shared->dns, 1, sizeof(*shared->dns));
	return 0;
}

/* Everything has counted something. */
static void fill_body(struct pe_series_body *body, const struct shared *shared, uint64_t created_ns)
{
	memset(body, 1, sizeof(*body));
	body->created_ns = created_ns;
	body->flows.top = NULL;
	body->flows.top_count = 0;
	body->flows.rest = NULL;
	for (size_t i = 0; i < PE_PROTO_COUNT; i++)
		body->flows.proto[i] = shared->stats;
	body->drops = shared->drops;
	body->tcp = shared->tcp;
	body->dns = shared->dns;
}

static int fill_ifaces(const struct pe_outline *outline, const bool *wanted,
		       const struct shared *shared, struct pe_snapshot *snapshot)
{
	size_t count = 0;
	int r;

	for (size_t i = 0; i < outline->iface_count; i++)
		count += wanted[i];
	r = pe_snapshot_alloc_ifaces(snapshot, count);
	if (r < 0)
		return r;
	for (size_t i = 0, at = 0; i < outline->iface_count; i++) {
		const struct iface *from = &outline->ifaces[i];
		struct pe_iface_sample *to;

		if (!wanted[i])
			continue;
		to = &snapshot->ifaces[at++];
		to->info = from->info;
		to->departed = from->departed;
		to->departed_ns = from->departed_ns;
		memset(to->dropped, 1, sizeof(to->dropped));
		memset(to->errors, 1, sizeof(to->errors));
		if (!copy_text(snapshot->arena, &to->info.alias) ||
		    !copy_text(snapshot->arena, &to->info.altnames))
			return -ENOMEM;
		to->identity = from->identity ? pe_identity_ref(from->identity) : NULL;
		fill_body(&to->body, shared, from->created_ns);
	}
	return 0;
}

static int fill_groups(const struct pe_outline *outline, const struct shared *shared,
		       struct pe_snapshot *snapshot)
{
	int r = pe_snapshot_alloc_groups(snapshot, outline->group_count);

	if (r < 0)
		return r;
	for (size_t i = 0; i < outline->group_count; i++) {
		const struct group *from = &outline->groups[i];
		struct pe_group_sample *to = &snapshot->groups[i];

		memset(to, 1, sizeof(*to));
		memcpy(to->label, from->label, sizeof(to->label));
		for (size_t l = 0; l < PE_GROUP_LABELS; l++)
			if (!copy_text(snapshot->arena, &to->label[l]))
				return -ENOMEM;
		fill_body(&to->body, shared, from->created_ns);
	}
	/* The host's series never end. */
	snapshot->host = snapshot->waiting = NULL;
	return 0;
}

int pe_outline_snapshot(const struct pe_outline *outline, const bool *wanted, bool groups,
			struct pe_snapshot **ret_snapshot)
{
	struct pe_snapshot *snapshot;
	struct shared shared;
	int r = pe_snapshot_new(&snapshot);

	if (r < 0)
		return r;
	snapshot->taken_ns = outline->taken_ns;
	snapshot->group_by = outline->group_by;
	snapshot->no_flows = outline->no_flows;
	snapshot->tcp = outline->tcp;
	snapshot->overflows = outline->overflows;
	snapshot->dns = outline->dns;
	snapshot->drop_reasons = outline->drop_reasons;
	r = fill_shared(snapshot->arena, &shared);
	if (r == 0)
		r = copy_self(snapshot->arena, &outline->self, &snapshot->self);
	if (r == 0)
		r = fill_ifaces(outline, wanted, &shared, snapshot);
	if (r == 0 && groups)
		r = fill_groups(outline, &shared, snapshot);
	if (r < 0) {
		pe_snapshot_unref(snapshot);
		return r;
	}
	*ret_snapshot = snapshot;
	return 0;
}
