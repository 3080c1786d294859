/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The encoder: snapshots of arbitrary names, addresses, counts and times must give text that the
 * strict reader of exposition.h takes, the same numbers in both formats, the sums of the snapshot,
 * the names byte for byte, and the same text whatever the size of the pieces that are read.
 *
 * The input is bits, interfaces and groups of departed ones; see build(). Counts are drawn from a
 * generator that the input seeds, and stay below 2^48, so that no sum of them wraps.
 */
#include "fuzz.h"

#include "pe/arena.h"
#include "pe/encode.h"
#include "pe/sample.h"

#include "exposition.h"

#define IFACES_MAX   3
#define DEPARTED_MAX 6
#define TOP_MAX	     12
#define ALIAS_MAX    256
#define TEXT_MAX     (512 * 1024)

#define WITH_TOP	0x01
#define WITH_PUSH	0x02
#define WITH_LEGACY	0x04
#define WITHOUT_PROCESS 0x08

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
	draw_counts(builder, flows->rest, sizeof(flows->rest));
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

static void take_iface(struct builder *builder, struct pe_iface_sample *iface)
{
	uint8_t bits = fuzz_u8(builder->input);

	builder->density = bits & 15;
	iface->departed = bits >> 4 & 1;
	iface->info.mode = (enum pe_mode)((bits >> 5) % PE_MODE_COUNT);
	take_name(builder, iface->info.name, sizeof(iface->info.name));
	iface->info.alias = take_text(builder);
	iface->info.altnames = take_text(builder);
	take_name(builder, iface->info.kind, sizeof(iface->info.kind));
	take_name(builder, iface->info.master, sizeof(iface->info.master));
	iface->info.ifindex = 1 + (int)(fuzz_number(builder->input, 4) % INT32_MAX);
	iface->body.created_ns = fuzz_number(builder->input, 8);
	draw_counts(builder, iface->body.row, sizeof(iface->body.row));
	/* There are no bytes without a packet. */
	for (size_t i = 0; i < PE_DIRECTIONS * PE_CLASS_COUNT; i++) {
		struct pe_count *count =
			&iface->body.row[i / PE_CLASS_COUNT].class[i % PE_CLASS_COUNT];

		if (count->packets == 0)
			count->bytes = 0;
	}
	draw_counts(builder, iface->body.unobserved, sizeof(iface->body.unobserved));
	draw_counts(builder, iface->body.overcounted, sizeof(iface->body.overcounted));
	take_flows(builder, &iface->body.flows);
}

static int compare_ifaces(const void *a, const void *b)
{
	const struct pe_iface_sample *x = a, *y = b;

	return strcmp(x->info.name, y->info.name);
}

static int compare_departed(const void *a, const void *b)
{
	const struct pe_departed_sample *x = a, *y = b;
	int order = strcmp(x->kind, y->kind);

	return order ? order : strcmp(x->master, y->master);
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

static void take_departed(struct builder *builder, size_t count)
{
	struct pe_snapshot *snapshot = builder->snapshot;

	snapshot->departed = allocate(builder, DEPARTED_MAX, sizeof(*snapshot->departed));
	for (size_t i = 0; i < count; i++) {
		struct pe_departed_sample *group = &snapshot->departed[i];

		take_name(builder, group->kind, sizeof(group->kind));
		take_name(builder, group->master, sizeof(group->master));
		group->created_ns = draw(builder);
		group->interfaces = draw_count(builder);
		draw_counts(builder, group->count, sizeof(group->count));
	}
	snapshot->departed_count =
		sort_out(snapshot->departed, count, sizeof(*snapshot->departed), compare_departed);
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
	draw_counts(builder, self->push.requests, sizeof(self->push.requests));
	draw_counts(builder, &self->push.duration, sizeof(self->push.duration));
	self->push.last_success_ns = draw(builder);
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
	take_self(&builder, bits & WITH_PUSH);
	for (size_t i = 0; i < ifaces; i++)
		take_iface(&builder, &snapshot->ifaces[i]);
	snapshot->iface_count =
		sort_out(snapshot->ifaces, ifaces, sizeof(*snapshot->ifaces), compare_ifaces);
	take_departed(&builder, (counts >> 2) % (DEPARTED_MAX + 1));
	return snapshot;
}

/* ---- encoding ---- */

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

static void check_pieces(struct pe_snapshot *snapshot, const struct pe_encode_options *options,
			 const char *text, size_t len, size_t piece)
{
	static char again[TEXT_MAX];
	size_t again_len = encode(snapshot, options, piece, again);

	fuzz_check(again_len == len && memcmp(again, text, len) == 0,
		   "%zu bytes in pieces of %zu differ from %zu in one", again_len, piece, len);
}

/* ---- what it says ---- */

static void check_equal(const struct exposition *a, const struct exposition *b)
{
	fuzz_check(a->count == b->count, "%zu series in one format, %zu in the other", a->count,
		   b->count);
	fuzz_check(a->families == b->families, "%zu families, %zu", a->families, b->families);
	for (size_t i = 0; i < a->count; i++) {
		fuzz_check(strcmp(a->series[i].id, b->series[i].id) == 0, "%s and %s",
			   a->series[i].id, b->series[i].id);
		fuzz_check(strcmp(a->series[i].value, b->series[i].value) == 0, "%s: %s and %s",
			   a->series[i].id, a->series[i].value, b->series[i].value);
	}
}

static void check_sum(const struct exposition *exposition, const char *name, uint64_t expected)
{
	uint64_t sum = exposition_sum(exposition, name);

	fuzz_check(sum == expected, "%s adds up to %llu, not %llu", name, (unsigned long long)sum,
		   (unsigned long long)expected);
}

static void check_sums(const struct exposition *exposition, const struct pe_snapshot *snapshot)
{
	struct pe_count total = { 0 }, departed = { 0 }, unobserved = { 0 }, top = { 0 };
	struct pe_count overcounted = { 0 };

	for (size_t i = 0; i < snapshot->iface_count; i++) {
		const struct pe_iface_sample *iface = &snapshot->ifaces[i];

		for (size_t d = 0; d < PE_DIRECTIONS; d++) {
			for (size_t j = 0; j < PE_CLASS_COUNT; j++) {
				total.packets += iface->body.row[d].class[j].packets;
				total.bytes += iface->body.row[d].class[j].bytes;
			}
			for (size_t j = 0; j < PE_UNOBSERVED_REASONS; j++) {
				unobserved.packets += iface->body.unobserved[d][j].packets;
				unobserved.bytes += iface->body.unobserved[d][j].bytes;
			}
			overcounted.packets += iface->body.overcounted[d].packets;
			overcounted.bytes += iface->body.overcounted[d].bytes;
			for (size_t j = 0; j < PE_PROTO_COUNT; j++) {
				top.packets += iface->body.flows.rest[d][j].packets +
					       iface->body.row[d].lost[j].packets;
				top.bytes += iface->body.flows.rest[d][j].bytes +
					     iface->body.row[d].lost[j].bytes;
			}
		}
		for (size_t j = 0; j < iface->body.flows.top_count; j++) {
			top.packets += iface->body.flows.top[j].count.packets;
			top.bytes += iface->body.flows.top[j].count.bytes;
		}
	}
	for (size_t i = 0; i < snapshot->departed_count; i++) {
		for (size_t d = 0; d < PE_DIRECTIONS; d++) {
			departed.packets += snapshot->departed[i].count[d].packets;
			departed.bytes += snapshot->departed[i].count[d].bytes;
		}
	}
	check_sum(exposition, "packet_exporter_packets_total", total.packets);
	check_sum(exposition, "packet_exporter_bytes_total", total.bytes);
	check_sum(exposition, "packet_exporter_packet_size_bytes_sum", total.bytes);
	check_sum(exposition, "packet_exporter_unobserved_packets_total", unobserved.packets);
	check_sum(exposition, "packet_exporter_unobserved_bytes_total", unobserved.bytes);
	check_sum(exposition, "packet_exporter_overcounted_packets_total", overcounted.packets);
	check_sum(exposition, "packet_exporter_overcounted_bytes_total", overcounted.bytes);
	check_sum(exposition, "packet_exporter_departed_packets_total", departed.packets);
	check_sum(exposition, "packet_exporter_departed_bytes_total", departed.bytes);
	if (!snapshot->top_flows)
		return;
	check_sum(exposition, "packet_exporter_top_flow_packets_total", top.packets);
	check_sum(exposition, "packet_exporter_top_flow_bytes_total", top.bytes);
}

static void check_label(const struct series *series, const char *label, const char *expected)
{
	char value[1024] = "";

	fuzz_check(exposition_label(series, label, value, sizeof(value)) &&
			   strcmp(value, expected) == 0,
		   "%s of %s is not %s", label, series->id, expected);
}

/* Each live interface has one info, and its labels are what it is called. */
static void check_infos(const struct exposition *exposition, const struct pe_snapshot *snapshot)
{
	size_t at = 0;

	for (size_t i = 0; i < snapshot->iface_count; i++) {
		const struct pe_iface_info *info = &snapshot->ifaces[i].info;
		char ifindex[16];

		if (snapshot->ifaces[i].departed)
			continue;
		while (at < exposition->count &&
		       !exposition_is(&exposition->series[at], "packet_exporter_interface_info"))
			at++;
		fuzz_check(at < exposition->count, "no info of %s", info->name);
		snprintf(ifindex, sizeof(ifindex), "%d", info->ifindex);
		check_label(&exposition->series[at], "interface", info->name);
		check_label(&exposition->series[at], "ifindex", ifindex);
		check_label(&exposition->series[at], "kind", info->kind);
		check_label(&exposition->series[at], "master", info->master);
		check_label(&exposition->series[at], "alias", info->alias);
		check_label(&exposition->series[at], "altnames", info->altnames);
		check_label(&exposition->series[at], "mode", pe_mode_name(info->mode));
		at++;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	uint8_t bits = fuzz_u8(&input);
	size_t piece = 1 + fuzz_u8(&input) * 3, len;
	struct pe_encode_options options = { .legacy = bits & WITH_LEGACY,
					     .no_process = bits & WITHOUT_PROCESS };
	struct pe_snapshot *snapshot = build(&input, bits);
	struct exposition expositions[2];

	for (int format = 0; format < 2; format++) {
		static char text[TEXT_MAX];

		options.format = format ? PE_FORMAT_OPENMETRICS : PE_FORMAT_TEXT;
		len = encode(snapshot, &options, TEXT_MAX / 2, text);
		check_pieces(snapshot, &options, text, len, piece);
		exposition_read(text, len, format, &expositions[format]);
		check_sums(&expositions[format], snapshot);
		check_infos(&expositions[format], snapshot);
	}
	check_equal(&expositions[0], &expositions[1]);
	for (int format = 0; format < 2; format++)
		exposition_free(&expositions[format]);
	pe_snapshot_unref(snapshot);
	return 0;
}
