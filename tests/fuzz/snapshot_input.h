/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A snapshot of arbitrary names, addresses, counts and times from the input of a fuzz target: bits,
 * interfaces and groups; see build(). And what the encoder makes of it. Counts are drawn from a
 * generator that the input seeds, and stay below 2^48, so that no sum of them wraps.
 */
#ifndef PE_FUZZ_SNAPSHOT_INPUT_H
#define PE_FUZZ_SNAPSHOT_INPUT_H

#include "fuzz.h"

#include "pe/arena.h"
#include "pe/encode.h"
#include "pe/sample.h"

#include "../../src/expose/families.h"

#define TEXT_MAX       (2 * 1024 * 1024)
#define IFACES_MAX     3
#define GROUPS_MAX     4
#define TOP_MAX	       12
#define ALIAS_MAX      256
#define NAME_MAX_BYTES 24

#define WITH_TOP	0x01
#define WITH_PUSH	0x02
#define WITH_LEGACY	0x04
#define WITHOUT_PROCESS 0x08
#define WITH_DETAIL	0x10
#define WITH_CREATED	0x20
#define WITH_LABELS	0x40

struct builder {
	struct fuzz_input *input;
	struct pe_snapshot *snapshot;
	uint64_t random;
	unsigned int density; /* of numbers that are not zero, in 16ths */
};

/* ---- the snapshot ---- */

/* splitmix64 */
static uint64_t draw(struct builder *builder)
{
	uint64_t z = builder->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t draw_count(struct builder *builder)
{
	uint64_t z = draw(builder);

	if ((z & 15) >= builder->density)
		return 0;
	return z >> (16 + (z >> 4 & 31));
}

static void draw_counts(struct builder *builder, void *array, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
		uint64_t count = draw_count(builder);

		memcpy((char *)array + i, &count, sizeof(count));
	}
}

static void *allocate(struct builder *builder, size_t count, size_t size)
{
	void *memory = pe_arena_alloc(builder->snapshot->arena, count, size);

	fuzz_check(memory, "out of memory");
	return memory;
}

static void take_name(struct builder *builder, char *ret, size_t size)
{
	char *text = fuzz_text(builder->input, '\0', size - 1);

	strcpy(ret, text);
	free(text);
}

static void take_top_flow(struct builder *builder, struct pe_top_flow *top)
{
	uint8_t bits = fuzz_u8(builder->input);

	top->key.ip_proto = fuzz_u8(builder->input);
	top->key.tag = fuzz_u8(builder->input);
	/* Few addresses and ports, so that labels coincide. */
	fuzz_bytes(builder->input, top->key.saddr, bits & 3);
	fuzz_bytes(builder->input, top->key.daddr,
		   PE_FLOW_IS_IPV6(top->key.tag) ? 16 : bits >> 2 & 3);
	top->key.sport = bits >> 4 & 1;
	top->key.dport = bits >> 5 & 1 ? 0xffff : 0;
	top->key.slot = bits >> 6;
	draw_counts(builder, &top->count, sizeof(top->count));
	top->since_ns = draw(builder);
	if (!PE_FLOW_IS_IPV6(top->key.tag)) {
		memset(top->key.saddr + 4, 0, 12);
		memset(top->key.daddr + 4, 0, 12);
	}
}

static void take_flows(struct builder *builder, struct pe_flow_sample *flows)
{
	uint64_t protos = fuzz_number(builder->input, 2);

	flows->active = draw_count(builder);
	for (size_t i = 0; i < PE_PROTO_COUNT; i++) {
		if (!(protos >> i & 1))
			continue;
		flows->proto[i] = allocate(builder, 1, sizeof(*flows->proto[i]));
		draw_counts(builder, flows->proto[i], sizeof(*flows->proto[i]));
	}
	flows->rest = allocate(builder, 1, sizeof(*flows->rest));
	draw_counts(builder, flows->rest, sizeof(*flows->rest));
	flows->top_count = builder->snapshot->top_flows ? (protos >> 12) % (TOP_MAX + 1) : 0;
	flows->top = allocate(builder, TOP_MAX, sizeof(*flows->top));
	for (size_t i = 0; i < flows->top_count; i++)
		take_top_flow(builder, &flows->top[i]);
}

static const char *take_text(struct builder *builder)
{
	char *text = allocate(builder, ALIAS_MAX, 1);

	take_name(builder, text, ALIAS_MAX);
	return text;
}

static void take_body(struct builder *builder, struct pe_series_body *body)
{
	body->created_ns = fuzz_number(builder->input, 8);
	draw_counts(builder, body->row, sizeof(body->row));
	/* There are no bytes without a packet. */
	for (size_t i = 0; i < PE_DIRECTIONS * PE_CLASS_COUNT; i++) {
		struct pe_count *count = &body->row[i / PE_CLASS_COUNT].class[i % PE_CLASS_COUNT];

		if (count->packets == 0)
			count->bytes = 0;
	}
	draw_counts(builder, body->unobserved, sizeof(body->unobserved));
	draw_counts(builder, body->overcounted, sizeof(body->overcounted));
	body->drops = allocate(builder, 1, sizeof(*body->drops));
	draw_counts(builder, body->drops->count, sizeof(body->drops->count));
	body->dns = allocate(builder, 1, sizeof(*body->dns));
	draw_counts(builder, body->dns, sizeof(*body->dns));
	take_flows(builder, &body->flows);
}

/* The snapshot gives the reference back. */
static struct pe_identity *take_identity(struct builder *builder)
{
	struct pe_identity names = { 0 }, *identity;
	char text[PE_IDENTITY_LABELS][NAME_MAX_BYTES];

	for (size_t i = 0; i < PE_IDENTITY_LABELS; i++) {
		const char *name = text[i];

		take_name(builder, text[i], NAME_MAX_BYTES);
		memcpy((char *)&names + pe_identity_labels[i].offset, &name, sizeof(name));
	}
	fuzz_check(pe_identity_new(&names, &identity) == 0, "out of memory");
	return identity;
}

static void take_iface(struct builder *builder, struct pe_iface_sample *iface)
{
	uint8_t bits = fuzz_u8(builder->input);

	builder->density = bits & 15;
	iface->departed = bits >> 4 & 1;
	draw_counts(builder, iface->dropped, sizeof(iface->dropped));
	draw_counts(builder, iface->errors, sizeof(iface->errors));
	iface->info.mode = (enum pe_mode)((bits >> 5) % PE_MODE_COUNT);
	take_name(builder, iface->info.name, sizeof(iface->info.name));
	iface->info.alias = take_text(builder);
	iface->info.altnames = take_text(builder);
	take_name(builder, iface->info.kind, sizeof(iface->info.kind));
	take_name(builder, iface->info.master, sizeof(iface->info.master));
	iface->info.ifindex = 1 + (int)(fuzz_number(builder->input, 4) % INT32_MAX);
	take_body(builder, &iface->body);
}

static int compare_ifaces(const void *a, const void *b)
{
	const struct pe_iface_sample *x = a, *y = b;

	return strcmp(x->info.name, y->info.name);
}

static int compare_groups(const void *a, const void *b)
{
	const struct pe_group_sample *x = a, *y = b;
	int order = 0;

	for (size_t i = 0; i < PE_GROUP_LABELS && order == 0; i++)
		order = strcmp(x->label[i], y->label[i]);
	return order;
}

/* Sorts and leaves out what is there twice, as the registry does. Returns how many are left. */
static size_t sort_out(void *array, size_t count, size_t size,
		       int (*compare)(const void *a, const void *b))
{
	char *at = array;
	size_t kept = 0;

	if (count == 0)
		return 0;
	qsort(array, count, size, compare);
	for (size_t i = 1; i < count; i++) {
		if (compare(at + kept * size, at + i * size) != 0 && ++kept != i)
			memcpy(at + kept * size, at + i * size, size);
	}
	return kept + 1;
}

static void take_group(struct builder *builder, struct pe_group_sample *group)
{
	builder->density = fuzz_u8(builder->input) & 15;
	for (unsigned int i = 0; i < PE_GROUP_LABELS; i++) {
		char *name;

		if (!(builder->snapshot->group_by & PE_GROUP_BIT(i)))
			continue;
		name = allocate(builder, 1, NAME_MAX_BYTES);
		take_name(builder, name, NAME_MAX_BYTES);
		group->label[i] = name;
	}
	group->interfaces = draw_count(builder);
	group->arrived = draw_count(builder);
	group->departed = draw_count(builder);
	take_body(builder, &group->body);
	group->body.flows.top_count = 0;
}

static void take_groups(struct builder *builder, size_t count)
{
	struct pe_snapshot *snapshot = builder->snapshot;

	/* Without the host there are none. */
	snapshot->group_by = fuzz_u8(builder->input);
	if (snapshot->group_by == 0)
		return;
	fuzz_check(pe_snapshot_alloc_groups(snapshot, count) == 0, "out of memory");
	for (size_t i = 0; i < count; i++)
		take_group(builder, &snapshot->groups[i]);
	snapshot->group_count =
		sort_out(snapshot->groups, count, sizeof(*snapshot->groups), compare_groups);
	take_body(builder, &snapshot->host->body);
	snapshot->host->body.flows.top_count = 0;
}

/* Two places have one reason. */
static void set_reasons(struct pe_drop_reasons *reasons)
{
	reasons->counted = true;
	for (size_t i = 0; i < PE_DROP_REASONS; i++)
		reasons->place[i] = (uint8_t)i;
	reasons->name[0] = "other";
	reasons->name[1] = "no_socket";
	reasons->name[3] = "netfilter_drop";
	reasons->place[2] = 1;
}

static void take_self(struct builder *builder, bool push)
{
	static const unsigned int codes[PE_HTTP_CODES] = { 200, 400, 404, 405, 413, 500, 503, 505 };
	struct pe_self_sample *self = &builder->snapshot->self;
	uint8_t bits = fuzz_u8(builder->input);

	builder->density = bits & 15;
	self->created_ns = draw(builder);
	draw_counts(builder, self->interfaces_attached, sizeof(self->interfaces_attached));
	draw_counts(builder, &self->attach, sizeof(self->attach));
	draw_counts(builder, self->attach_errors, sizeof(self->attach_errors));
	self->egress_available = bits >> 4 & 1;
	draw_counts(builder, &self->netlink_messages,
		    offsetof(struct pe_self_sample, http) -
			    offsetof(struct pe_self_sample, netlink_messages));
	for (size_t i = bits >> 5; i < PE_HTTP_CODES; i++) {
		self->http.requests[i - (bits >> 5)].code = codes[i];
		self->http.requests[i - (bits >> 5)].count = draw_count(builder);
	}
	draw_counts(builder, &self->http.scrape_duration, sizeof(self->http.scrape_duration));
	self->push.enabled = push;
	self->identity_enabled = bits & 1;
	draw_counts(builder, self->push.requests, sizeof(self->push.requests));
	draw_counts(builder, &self->push.duration, sizeof(self->push.duration));
	self->push.last_success_ns = draw(builder);
	for (; push && self->sink_count < (bits & 1) + 1u; self->sink_count++) {
		struct pe_sink_sample *sink = &self->sinks[self->sink_count];

		sink->url = self->sink_count ? "http://\xff\"\\" : "http://a/";
		draw_counts(builder, sink->requests, sizeof(sink->requests));
		draw_counts(builder, &sink->duration, sizeof(sink->duration));
		draw_counts(builder, sink->samples, sizeof(sink->samples));
		sink->oldest_ns = draw(builder);
	}
	draw_counts(builder, &self->process, sizeof(self->process));
}

static struct pe_snapshot *build(struct fuzz_input *input, uint8_t bits)
{
	struct builder builder = { .input = input };
	uint8_t counts = fuzz_u8(input);
	size_t ifaces = counts & IFACES_MAX;
	struct pe_snapshot *snapshot;

	fuzz_check(pe_snapshot_new(&snapshot) == 0, "out of memory");
	builder.snapshot = snapshot;
	builder.random = fuzz_number(input, 4);
	fuzz_check(pe_snapshot_alloc_ifaces(snapshot, ifaces) == 0, "out of memory");
	snapshot->top_flows = bits & WITH_TOP;
	set_reasons(&builder.snapshot->drop_reasons);
	snapshot->dns = bits & WITH_DETAIL;
	take_self(&builder, bits & WITH_PUSH);
	for (size_t i = 0; i < ifaces; i++)
		take_iface(&builder, &snapshot->ifaces[i]);
	snapshot->iface_count =
		sort_out(snapshot->ifaces, ifaces, sizeof(*snapshot->ifaces), compare_ifaces);
	for (size_t i = 0; i < snapshot->iface_count; i++)
		if (snapshot->ifaces[i].info.ifindex & 1)
			snapshot->ifaces[i].identity = take_identity(&builder);
	take_groups(&builder, (counts >> 2) % (GROUPS_MAX + 1));
	return snapshot;
}

/* ---- encoding ---- */

static struct pe_encode_options options_of(uint8_t bits)
{
	return (struct pe_encode_options){
		.show.legacy = bits & WITH_LEGACY,
		.show.detail = bits & WITH_DETAIL ? PE_DETAIL_FULL : PE_DETAIL_BASIC,
		.show.created = bits & WITH_CREATED,
		.show.iface_labels = bits & WITH_LABELS ? ~0u : 0,
		.no_process = bits & WITHOUT_PROCESS,
	};
}

/* Reads it all into `text`, which has TEXT_MAX bytes; the last is a NUL. Returns its length. */
static size_t encode(struct pe_snapshot *snapshot, const struct pe_encode_options *options,
		     size_t piece, char *text)
{
	struct pe_encoder *encoder;
	size_t len = 0;
	ssize_t n;

	fuzz_check(pe_encoder_new(snapshot, options, &encoder) == 0, "out of memory");
	for (;;) {
		if (piece > TEXT_MAX - 1 - len)
			piece = TEXT_MAX - 1 - len;
		fuzz_check(piece > 0, "more than %d bytes", TEXT_MAX);
		n = pe_encoder_read(encoder, text + len, piece);
		fuzz_check(n >= 0 && (size_t)n <= piece, "read %zd of %zu", n, piece);
		len += (size_t)n;
		if ((size_t)n < piece)
			break;
		/* From the second piece on the size differs from one to the next. */
		piece = piece > 4096 ? piece : piece % 4093 + 7;
	}
	fuzz_check(pe_encoder_read(encoder, text + len, 1) == 0, "bytes behind the end");
	pe_encoder_free(encoder);
	text[len] = '\0';
	return len;
}

static inline void check_pieces(struct pe_snapshot *snapshot,
				const struct pe_encode_options *options, const char *text,
				size_t len, size_t piece)
{
	static char again[TEXT_MAX];
	size_t again_len = encode(snapshot, options, piece, again);

	fuzz_check(again_len == len && memcmp(again, text, len) == 0,
		   "%zu bytes in pieces of %zu differ from %zu in one", again_len, piece, len);
}

#endif
