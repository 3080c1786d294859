/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flow records into a shard and the largest flows, with interfaces that come and go between them,
 * against a model that keeps every flow in a list.
 *
 * The input is a table size, K, an idle time and then operations; see run(). With room in the table
 * everything must be as the model has it. In a table that is too small, flows end early; then the
 * sums must be kept all the same: every flow that began ended once, every byte is in a size.
 */
#include "fuzz.h"

#include <errno.h>
#include <netinet/in.h>

#include "pe/arena.h"
#include "pe/shard.h"
#include "pe/top.h"

#define TOKENS	    4 /* that can be announced, and two that cannot */
#define FLOWS_MAX   128
#define LARGE_TABLE 1024 /* so large that none of FLOWS_MAX ends early */
#define SMALL_TABLE 8
#define TICK_NS	    4000000
#define TOP_MAX	    8

static uint32_t tokens[TOKENS + 2] = {
	PE_TOKEN(1, 0), PE_TOKEN(1, 1), PE_TOKEN(2, 63), 0, PE_TOKEN(65536, 0), PE_TOKEN(1, 64),
};

struct flow {
	uint32_t id; /* token and key: one comparison, where most of the time goes */
	unsigned int token;
	struct pe_flow_key key;
	int64_t first, last;
	uint64_t bytes;
};

struct shown {
	struct pe_flow_key key;
	struct pe_count count;
	uint64_t since_ns;
};

struct iface {
	bool announced;
	struct pe_flow_stats stats[PE_PROTO_COUNT];
	uint64_t bytes[PE_PROTO_COUNT]; /* of all records */
	/* What the largest flows were given. */
	struct pe_count total[PE_DIRECTIONS][PE_PROTO_COUNT];
	struct shown label[FLOWS_MAX / 2]; /* one for each label set */
	size_t labels;
	bool many_labels;
	struct shown before[TOP_MAX];
	size_t befores;
};

struct model {
	struct pe_shard *shard;
	struct pe_top *top;
	unsigned int k;
	bool exact;
	int64_t now, idle;
	struct iface iface[TOKENS];
	size_t flows;
	uint64_t records, orphaned;
	uint64_t wall_ns; /* goes on with each batch */
	struct flow flow[FLOWS_MAX];
};

/* ---- the model ---- */

static bool same_key(const struct pe_flow_key *a, const struct pe_flow_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* What of a flow its labels show. */
static struct pe_flow_key label_key(const struct pe_flow *record)
{
	struct pe_flow_key key = record->key;
	uint8_t p = key.ip_proto;

	if (p != IPPROTO_TCP && p != IPPROTO_UDP && p != IPPROTO_SCTP)
		key.sport = key.dport = 0;
	if (pe_proto_from_ip(p) == PE_PROTO_OTHER)
		key.ip_proto = 255;
	return key;
}

static void model_end(struct model *model, struct flow *flow)
{
	static const uint64_t ms[] = { 10,    50,    100,   500,    1500,   5500,
				       15000, 30000, 60000, 300000, 1800000 };
	struct pe_flow_stats *stats =
		&model->iface[flow->token].stats[pe_proto_from_ip(flow->key.ip_proto)];
	uint64_t ns = (uint64_t)(flow->last - flow->first) * TICK_NS, limit = 256;
	size_t i = 0;

	while (i < PE_DURATION_BUCKETS - 1 && ns > ms[i] * 1000000)
		i++;
	stats->duration[i]++;
	stats->duration_sum_ns += ns;
	for (i = 0; i < PE_FLOW_SIZE_BUCKETS - 1 && flow->bytes > limit; i++)
		limit *= 4;
	stats->size[i]++;
	stats->size_sum_bytes += flow->bytes;
	*flow = model->flow[--model->flows];
}

static size_t model_expire(struct model *model)
{
	size_t ended = 0;

	for (size_t i = 0; i < model->flows;) {
		if (model->now - model->flow[i].last >= model->idle) {
			model_end(model, &model->flow[i]);
			ended++;
		} else {
			i++;
		}
	}
	return ended;
}

/* Of what take_key() varies. */
static uint32_t flow_id(unsigned int token, const struct pe_flow_key *key)
{
	return token << 30 | (uint32_t)(key->tag & 3) << 28 | (uint32_t)key->saddr[3] << 16 |
	       (uint32_t)key->ip_proto << 8 | (uint32_t)(key->sport << 4 | key->dport);
}

static void model_flow(struct model *model, unsigned int token, const struct pe_flow *record,
		       int64_t first, int64_t last)
{
	struct iface *iface = &model->iface[token];
	enum pe_proto proto = pe_proto_from_ip(record->key.ip_proto);
	uint32_t id = flow_id(token, &record->key);
	struct flow *flow = model->flow, *end = flow + model->flows;

	iface->bytes[proto] += record->bytes;
	while (flow < end && flow->id != id)
		flow++;
	if (flow == end) {
		fuzz_check(model->flows++ < FLOWS_MAX, "more flows than the model has room for");
		iface->stats[proto].flows[PE_FLOW_DIRECTION(record->key.tag)]++;
		*flow = (struct flow){ id, token, record->key, last, last, 0 };
	}
	flow->bytes += record->bytes;
	if (flow->last < last)
		flow->last = last;
	/* A record that ends before it begins says only when the flow was seen last. */
	if (first <= last && flow->first > first)
		flow->first = first;
}

static void model_top(struct iface *iface, const struct pe_flow *record)
{
	struct pe_count *total = &iface->total[PE_FLOW_DIRECTION(record->key.tag)]
					      [pe_proto_from_ip(record->key.ip_proto)];
	struct pe_flow_key key = label_key(record);
	size_t i = 0;

	total->packets += record->packets;
	total->bytes += record->bytes;
	while (i < iface->labels && !same_key(&iface->label[i].key, &key))
		i++;
	if (i == sizeof(iface->label) / sizeof(iface->label[0])) {
		iface->many_labels = true;
		return;
	}
	if (i == iface->labels)
		iface->label[iface->labels++] = (struct shown){ .key = key };
	iface->label[i].count.packets += record->packets;
	iface->label[i].count.bytes += record->bytes;
}

/* ---- comparing ---- */

static void check_stats(const struct model *model, const struct pe_flow_stats *is,
			const struct pe_flow_stats *must, uint64_t *active)
{
	uint64_t began = is->flows[0] + is->flows[1], durations = 0, sizes = 0;

	for (size_t i = 0; i < PE_DURATION_BUCKETS; i++)
		durations += is->duration[i];
	for (size_t i = 0; i < PE_FLOW_SIZE_BUCKETS; i++)
		sizes += is->size[i];
	fuzz_check(durations == sizes && durations <= began, "%llu durations, %llu sizes",
		   (unsigned long long)durations, (unsigned long long)sizes);
	*active += began - durations;
	if (model->exact)
		fuzz_check(memcmp(is, must, sizeof(*is)) == 0,
			   "%llu+%llu flows, %llu ended, %llu ns, %llu bytes; "
			   "not %llu+%llu flows, %llu ns, %llu bytes",
			   (unsigned long long)is->flows[0], (unsigned long long)is->flows[1],
			   (unsigned long long)durations, (unsigned long long)is->duration_sum_ns,
			   (unsigned long long)is->size_sum_bytes,
			   (unsigned long long)must->flows[0], (unsigned long long)must->flows[1],
			   (unsigned long long)must->duration_sum_ns,
			   (unsigned long long)must->size_sum_bytes);
	else
		fuzz_check(began >= must->flows[0] + must->flows[1],
			   "%llu flows are fewer than there were", (unsigned long long)began);
}

static void check_shown(const struct iface *iface, const struct pe_top_flow *top, bool all)
{
	size_t i = 0;

	while (i < iface->labels && !same_key(&iface->label[i].key, &top->key)) {
		struct pe_flow_key key = label_key(&(struct pe_flow){ .key = top->key });

		if (same_key(&iface->label[i].key, &key))
			break;
		i++;
	}
	fuzz_check(i < iface->labels || iface->many_labels, "a flow that never was");
	if (i == iface->labels)
		return;
	fuzz_check(top->count.bytes <= iface->label[i].count.bytes &&
			   top->count.packets <= iface->label[i].count.packets,
		   "more than the flow had");
	if (all)
		fuzz_check(top->count.bytes == iface->label[i].count.bytes &&
				   top->count.packets == iface->label[i].count.packets,
			   "less than the flow had, though there is room for all");
}

/* While a series exists it does not go back. */
static void check_monotonic(struct iface *iface, const struct pe_flow_sample *sample)
{
	for (size_t i = 0; i < sample->top_count; i++) {
		const struct pe_top_flow *top = &sample->top[i];

		for (size_t j = 0; j < iface->befores; j++) {
			const struct shown *before = &iface->before[j];

			if (same_key(&before->key, &top->key) && before->since_ns == top->since_ns)
				fuzz_check(before->count.bytes <= top->count.bytes &&
						   before->count.packets <= top->count.packets,
					   "a series went back");
		}
	}
	iface->befores = sample->top_count;
	for (size_t i = 0; i < sample->top_count; i++)
		iface->before[i] = (struct shown){ sample->top[i].key, sample->top[i].count,
						   sample->top[i].since_ns };
}

static void check_top(struct model *model, unsigned int token, struct pe_arena *arena)
{
	struct iface *iface = &model->iface[token];
	struct pe_flow_sample sample = { 0 };
	struct pe_flow_rest all = { 0 };

	fuzz_check(pe_top_read(model->top, tokens[token], arena, &sample) == 0, "no memory");
	fuzz_check(sample.top_count <= model->k, "%zu are shown", sample.top_count);
	fuzz_check(iface->many_labels ||
			   sample.top_count ==
				   (iface->labels < model->k ? iface->labels : model->k),
		   "%zu of %zu flows are shown", sample.top_count, iface->labels);
	check_monotonic(iface, &sample);
	if (sample.rest)
		all = *sample.rest;
	for (size_t i = 0; i < sample.top_count; i++) {
		const struct pe_top_flow *top = &sample.top[i];
		struct pe_count *rest = &all.count[PE_FLOW_DIRECTION(top->key.tag)]
						  [pe_proto_from_ip(top->key.ip_proto)];

		fuzz_check(i == 0 || sample.top[i - 1].count.bytes >= top->count.bytes,
			   "not the largest first");
		for (size_t j = 0; j < i; j++)
			fuzz_check(!same_key(&top->key, &sample.top[j].key), "a flow twice");
		check_shown(iface, top, iface->labels <= model->k);
		rest->packets += top->count.packets;
		rest->bytes += top->count.bytes;
	}
	fuzz_check(memcmp(all.count, iface->total, sizeof(all.count)) == 0,
		   "the largest and the rest are not all");
}

static void check(struct model *model)
{
	static const struct pe_flow_stats none;
	uint64_t all_active = 0;
	struct pe_shard_stats stats;
	struct pe_arena *arena;

	fuzz_check(pe_arena_new(&arena) == 0, "out of memory");
	for (unsigned int token = 0; token < TOKENS; token++) {
		const struct iface *iface = &model->iface[token];
		struct pe_flow_sample sample = { 0 };
		uint64_t active = 0;
		int r = pe_shard_read(model->shard, tokens[token], arena, &sample);

		fuzz_check(r == (iface->announced ? 0 : -ENOENT), "read: %d", r);
		if (r < 0)
			continue;
		for (size_t proto = 0; proto < PE_PROTO_COUNT; proto++)
			check_stats(model, sample.proto[proto] ? sample.proto[proto] : &none,
				    &iface->stats[proto], &active);
		fuzz_check(active == sample.active, "%llu active, %llu did not end",
			   (unsigned long long)sample.active, (unsigned long long)active);
		all_active += active;
		if (model->top)
			check_top(model, token, arena);
	}
	pe_shard_get_stats(model->shard, &stats);
	fuzz_check(stats.active == all_active && stats.active <= pe_shard_places(model->shard),
		   "%llu active, not %llu", (unsigned long long)stats.active,
		   (unsigned long long)all_active);
	fuzz_check(!model->exact || (stats.table_full == 0 && all_active == model->flows),
		   "%llu ended early, %llu active of %zu", (unsigned long long)stats.table_full,
		   (unsigned long long)all_active, model->flows);
	fuzz_check(stats.records == model->records && stats.orphaned == model->orphaned,
		   "%llu records of %llu, %llu orphans of %llu", (unsigned long long)stats.records,
		   (unsigned long long)model->records, (unsigned long long)stats.orphaned,
		   (unsigned long long)model->orphaned);
	pe_arena_free(arena);
}

/* ---- operations ---- */

static void announce(struct model *model, unsigned int token)
{
	int r = pe_shard_announce(model->shard, tokens[token]);
	int must = token >= TOKENS ? -EINVAL : model->iface[token].announced ? -EEXIST : 0;

	fuzz_check(r == must, "announce: %d, not %d", r, must);
	if (r == 0)
		model->iface[token].announced = true;
}

/* As the workers forget. */
static void forget(struct model *model, unsigned int token)
{
	pe_shard_forget(model->shard, tokens[token]);
	if (model->top)
		pe_top_forget(model->top, tokens[token]);
	if (token >= TOKENS)
		return;
	memset(&model->iface[token], 0, sizeof(model->iface[token]));
	for (size_t i = 0; i < model->flows;) {
		if (model->flow[i].token == token)
			model->flow[i] = model->flow[--model->flows];
		else
			i++;
	}
}

static struct pe_flow_key take_key(struct fuzz_input *input, unsigned int token)
{
	static const uint8_t protos[8] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP,
					   88,		89,	     IPPROTO_GRE,  IPPROTO_ICMPV6 };
	uint8_t bits = fuzz_u8(input), ports = fuzz_u8(input);
	struct pe_flow_key key = {
		.saddr = { 192, 0, 2, bits >> 5 },
		.daddr = { 198, 51, 100, 1 },
		.sport = ports & 15,
		.dport = ports >> 4,
		.slot = (uint16_t)PE_TOKEN_SLOT(tokens[token]),
		.ip_proto = protos[bits & 7],
		.tag = PE_FLOW_TAG(tokens[token] & 0xff, bits >> 4 & 1, bits >> 3 & 1),
	};

	return key;
}

static void add(struct model *model, struct fuzz_input *input)
{
	static struct pe_flow batch[80];
	size_t count = 0, want = 1 + fuzz_u8(input) % 80;

	for (; count < want && input->left > 0; count++) {
		unsigned int token = fuzz_u8(input) % TOKENS;
		struct pe_flow *record = &batch[count];
		int64_t first, last;

		*record = (struct pe_flow){ .key = take_key(input, token) };
		record->packets = fuzz_u8(input);
		record->bytes = fuzz_number(input, 1) << (fuzz_u8(input) % 25);
		last = model->now + (int8_t)fuzz_u8(input);
		first = last - (int8_t)fuzz_u8(input) * 5;
		record->first = (uint32_t)first;
		record->last = (uint32_t)last;
		if (model->flows == FLOWS_MAX)
			break;
		if (!model->iface[token].announced || record->packets == 0) {
			model->orphaned++;
			continue;
		}
		model_flow(model, token, record, first, last);
		model_top(&model->iface[token], record);
	}
	model->records += count;
	pe_shard_add(model->shard, batch, count, (uint32_t)model->now, ++model->wall_ns);
}

/* All places, `steps` at a time. */
static void expire(struct model *model, size_t steps)
{
	size_t places = pe_shard_places(model->shard), ended = 0, must = model_expire(model);

	for (size_t done = 0; done < places; done += steps)
		ended += pe_shard_expire(model->shard, (uint32_t)model->now, steps);
	fuzz_check(!model->exact || ended == must, "%zu flows ended, not %zu", ended, must);
}

/* In the end, whatever happened between, every flow has ended and every byte is in one. */
static void check_end(struct model *model)
{
	struct pe_arena *arena;

	model->now += model->idle + 1000;
	expire(model, SIZE_MAX / 2);
	check(model);
	fuzz_check(pe_arena_new(&arena) == 0, "out of memory");
	for (unsigned int token = 0; token < TOKENS; token++) {
		struct pe_flow_sample sample = { 0 };

		if (pe_shard_read(model->shard, tokens[token], arena, &sample) < 0)
			continue;
		fuzz_check(sample.active == 0, "a flow did not end");
		for (size_t i = 0; i < PE_PROTO_COUNT; i++) {
			uint64_t bytes = sample.proto[i] ? sample.proto[i]->size_sum_bytes : 0;

			fuzz_check(bytes == model->iface[token].bytes[i], "%s: %llu bytes of %llu",
				   pe_proto_name((enum pe_proto)i), (unsigned long long)bytes,
				   (unsigned long long)model->iface[token].bytes[i]);
		}
	}
	pe_arena_free(arena);
}

static void run(struct model *model, struct fuzz_input *input)
{
	while (input->left > 0) {
		uint8_t operation = fuzz_u8(input);

		switch (operation % 8) {
		case 0:
			announce(model, fuzz_u8(input) % (TOKENS + 2));
			break;
		case 1:
			forget(model, fuzz_u8(input) % (TOKENS + 2));
			break;
		case 2:
			model->now += (int64_t)fuzz_number(input, 2);
			break;
		case 3:
			expire(model, SIZE_MAX / 2);
			break;
		case 4:
			expire(model, 3 + fuzz_u8(input));
			break;
		case 5:
			check(model);
			break;
		default:
			add(model, input);
		}
	}
	check_end(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model model; /* too large for the stack */
	struct fuzz_input input = { data, size };
	uint8_t bits = fuzz_u8(&input);
	struct pe_shard_options options = { .tick_ns = TICK_NS };

	memset(&model, 0, offsetof(struct model, flow));
	model.exact = bits & 1;
	model.k = bits >> 1 & 7;
	/* The largest is possible, but makes the tables that are indexed by slot slow. */
	tokens[3] = bits & 0x80 ? PE_TOKEN(65535, 0) : PE_TOKEN(99, 0);
	model.idle = 1 + fuzz_u8(&input) * 4;
	/* Around here the 32 bits of a record's time wrap. */
	model.now = INT64_C(0xffffff00) + fuzz_u8(&input) * 4;
	options.max_flows = model.exact ? LARGE_TABLE : SMALL_TABLE << (bits >> 4 & 3);
	options.idle_ticks = (uint32_t)model.idle;
	if (model.k)
		fuzz_check(pe_top_new(model.k, &model.top) == 0, "out of memory");
	options.top = model.top;
	fuzz_check(pe_shard_new(&options, &model.shard) == 0, "out of memory");
	run(&model, &input);
	pe_shard_free(model.shard);
	pe_top_free(model.top);
	return 0;
}
