/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See packed.h. Behind the texts all is words of 64 bits: how many are zero, how many are not,
 * these, and so on, each number in as many bytes as it needs (seven bits in each, the last one
 * below 128).
 */
#include "packed.h"

#include <errno.h>
#include <string.h>

#define WORDS(type)   (sizeof(type) / sizeof(uint64_t))
#define VARINT_MAX    10 /* bytes */
#define SUMMARY_WORDS WORDS(struct pe_tcp_summary)

_Static_assert(sizeof(struct pe_flow_stats) % sizeof(uint64_t) == 0, "it is words alone");
_Static_assert(sizeof(struct pe_flow_rest) % sizeof(uint64_t) == 0, "it is words alone");
_Static_assert(sizeof(struct pe_tcp_summary) % sizeof(uint64_t) == 0, "it is words alone");
_Static_assert(sizeof(struct pe_top_flow) % sizeof(uint64_t) == 0, "it is words alone");
/* From the rows to the flows there is no hole. */
_Static_assert(offsetof(struct pe_series_body, flows) - offsetof(struct pe_series_body, row) ==
		       sizeof(((struct pe_series_body *)0)->row) +
			       sizeof(((struct pe_series_body *)0)->unobserved) +
			       sizeof(((struct pe_series_body *)0)->overcounted),
	       "what is counted is words alone");
#define COUNTED_WORDS                                                                      \
	((offsetof(struct pe_series_body, flows) - offsetof(struct pe_series_body, row)) / \
	 sizeof(uint64_t))

/* ---- numbers ---- */

static void add_number(struct pe_strbuf *out, uint64_t value)
{
	char bytes[VARINT_MAX];
	size_t len = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[len++] = (char)(value | 0x80);
	bytes[len++] = (char)value;
	pe_strbuf_add(out, bytes, len);
}

static uint64_t read_number(const char **at)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	unsigned char byte;

	do {
		byte = (unsigned char)*(*at)++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return value;
}

static uint64_t word_at(const void *words, size_t i)
{
	uint64_t word;

	memcpy(&word, (const char *)words + i * sizeof(word), sizeof(word));
	return word;
}

static size_t run(const void *words, size_t from, size_t count, bool of_zeros)
{
	size_t to = from;

	while (to < count && (word_at(words, to) == 0) == of_zeros)
		to++;
	return to - from;
}

static void add_words(struct pe_strbuf *out, const void *words, size_t count)
{
	for (size_t i = 0; i < count;) {
		const size_t zeros = run(words, i, count, true);
		const size_t others = run(words, i + zeros, count, false);

		add_number(out, zeros);
		if (i + zeros < count)
			add_number(out, others);
		for (i += zeros; i < count && word_at(words, i) != 0; i++)
			add_number(out, word_at(words, i));
	}
}

/* The words are zero before. */
static void read_words(const char **at, void *ret_words, size_t count)
{
	char *to = ret_words;

	for (size_t i = read_number(at); i < count; i += i < count ? read_number(at) : 0) {
		for (uint64_t others = read_number(at); others > 0; others--, i++) {
			const uint64_t word = read_number(at);

			memcpy(to + i * sizeof(word), &word, sizeof(word));
		}
	}
}

/* ---- flows ---- */

static void add_flows(struct pe_strbuf *out, const struct pe_flow_sample *flows)
{
	uint64_t protos = 0;

	for (size_t i = 0; i < PE_PROTO_COUNT; i++)
		protos |= (uint64_t)(flows->proto[i] != NULL) << i;
	add_number(out, flows->active);
	add_number(out, protos << 1 | (flows->rest != NULL));
	add_number(out, flows->top_count);
	for (size_t i = 0; i < PE_PROTO_COUNT; i++) {
		if (flows->proto[i])
			add_words(out, flows->proto[i], WORDS(*flows->proto[i]));
	}
	if (flows->rest)
		add_words(out, flows->rest, WORDS(*flows->rest));
	for (size_t i = 0; i < flows->top_count; i++)
		add_words(out, &flows->top[i], WORDS(*flows->top));
}

static int read_flows(const char *at, struct pe_arena *arena, struct pe_flow_sample *ret_flows)
{
	uint64_t protos;

	ret_flows->active = read_number(&at);
	protos = read_number(&at);
	ret_flows->top_count = read_number(&at);
	for (size_t i = 0; i < PE_PROTO_COUNT; i++) {
		if (!(protos >> (i + 1) & 1))
			continue;
		ret_flows->proto[i] = pe_arena_alloc(arena, 1, sizeof(*ret_flows->proto[i]));
		if (!ret_flows->proto[i])
			return -ENOMEM;
		read_words(&at, ret_flows->proto[i], WORDS(*ret_flows->proto[i]));
	}
	if (protos & 1) {
		if (!pe_flow_rest_make(ret_flows, arena))
			return -ENOMEM;
		read_words(&at, ret_flows->rest, WORDS(*ret_flows->rest));
	}
	if (ret_flows->top_count)
		ret_flows->top =
			pe_arena_alloc(arena, ret_flows->top_count, sizeof(*ret_flows->top));
	if (ret_flows->top_count && !ret_flows->top)
		return -ENOMEM;
	for (size_t i = 0; i < ret_flows->top_count; i++)
		read_words(&at, &ret_flows->top[i], WORDS(*ret_flows->top));
	return 0;
}

/* ---- bodies ---- */

/* A part of a body that is there only where something was counted; NULL: it is not. */
static void add_part(struct pe_strbuf *out, const void *part, size_t words)
{
	add_number(out, part != NULL);
	if (part)
		add_words(out, part, words);
}

/* *ret_part is NULL if it is not there. 0 or -ENOMEM. */
static int read_part(const char **at, struct pe_arena *arena, size_t words, void **ret_part)
{
	*ret_part = NULL;
	if (!read_number(at))
		return 0;
	*ret_part = pe_arena_alloc(arena, words, sizeof(uint64_t));
	if (!*ret_part)
		return -ENOMEM;
	read_words(at, *ret_part, words);
	return 0;
}

static void add_body(struct pe_strbuf *out, const struct pe_series_body *body)
{
	add_words(out, body->row, COUNTED_WORDS);
	add_part(out, body->drops, WORDS(*body->drops));
	add_part(out, body->tcp, PE_TCP_WORDS);
	add_part(out, body->dns, PE_DNS_WORDS);
	add_flows(out, &body->flows);
}

static int read_body(const char *at, struct pe_arena *arena, struct pe_series_body *ret_body)
{
	void *part = NULL;
	int r;

	read_words(&at, ret_body->row, COUNTED_WORDS);
	if (!arena)
		return 0;
	r = read_part(&at, arena, WORDS(*ret_body->drops), &part);
	ret_body->drops = part;
	if (r == 0) {
		r = read_part(&at, arena, PE_TCP_WORDS, &part);
		ret_body->tcp = part;
	}
	if (r == 0) {
		r = read_part(&at, arena, PE_DNS_WORDS, &part);
		ret_body->dns = part;
	}
	return r < 0 ? r : read_flows(at, arena, &ret_body->flows);
}

/* ---- texts ---- */

static void add_text(struct pe_strbuf *out, const char *text)
{
	pe_strbuf_add(out, text, strlen(text) + 1);
}

static const char *next_text(const char **at)
{
	const char *text = *at;

	*at += strlen(text) + 1;
	return text;
}

const char *pe_packed_text(const char *packed, size_t i)
{
	while (i-- > 0)
		next_text(&packed);
	return packed;
}

/* ---- samples ---- */

enum iface_word {
	IFACE_IFINDEX,
	IFACE_MODE,
	IFACE_REASON,
	IFACE_DEPARTED,
	IFACE_DEPARTED_NS,
	IFACE_CREATED_NS,
	IFACE_DROPPED,
	IFACE_ERRORS = IFACE_DROPPED + PE_DIRECTIONS,
	IFACE_HAS_TCP = IFACE_ERRORS + PE_DIRECTIONS,
	IFACE_TCP,
	IFACE_WORDS = IFACE_TCP + SUMMARY_WORDS,
};

void pe_packed_add_iface(struct pe_strbuf *out, const struct pe_iface_sample *iface)
{
	const struct pe_iface_info *info = &iface->info;
	uint64_t word[IFACE_WORDS] = {
		[IFACE_IFINDEX] = (uint64_t)info->ifindex,
		[IFACE_MODE] = info->mode,
		[IFACE_REASON] = info->mode_reason,
		[IFACE_DEPARTED] = iface->departed,
		[IFACE_DEPARTED_NS] = iface->departed_ns,
		[IFACE_CREATED_NS] = iface->body.created_ns,
		[IFACE_HAS_TCP] = iface->has_tcp,
	};

	memcpy(&word[IFACE_DROPPED], iface->dropped, sizeof(iface->dropped));
	memcpy(&word[IFACE_ERRORS], iface->errors, sizeof(iface->errors));
	memcpy(&word[IFACE_TCP], &iface->tcp, sizeof(iface->tcp));
	add_text(out, info->name);
	add_text(out, info->master);
	add_text(out, info->kind);
	add_text(out, info->alias);
	add_text(out, info->altnames);
	add_words(out, word, IFACE_WORDS);
	add_body(out, &iface->body);
}

int pe_packed_read_iface(const char *packed, struct pe_arena *arena,
			 struct pe_iface_sample *ret_iface)
{
	struct pe_iface_info *info = &ret_iface->info;
	const char *at = packed;
	uint64_t word[IFACE_WORDS] = { 0 };

	memset(ret_iface, 0, sizeof(*ret_iface));
	/* As enum pe_packed_text. */
	strcpy(info->name, next_text(&at));
	strcpy(info->master, next_text(&at));
	strcpy(info->kind, next_text(&at));
	info->alias = next_text(&at);
	info->altnames = next_text(&at);
	read_words(&at, word, IFACE_WORDS);
	info->ifindex = (int)word[IFACE_IFINDEX];
	info->mode = (enum pe_mode)word[IFACE_MODE];
	info->mode_reason = (enum pe_mode_reason)word[IFACE_REASON];
	ret_iface->departed = word[IFACE_DEPARTED];
	ret_iface->departed_ns = word[IFACE_DEPARTED_NS];
	ret_iface->body.created_ns = word[IFACE_CREATED_NS];
	memcpy(ret_iface->dropped, &word[IFACE_DROPPED], sizeof(ret_iface->dropped));
	memcpy(ret_iface->errors, &word[IFACE_ERRORS], sizeof(ret_iface->errors));
	ret_iface->has_tcp = word[IFACE_HAS_TCP];
	memcpy(&ret_iface->tcp, &word[IFACE_TCP], sizeof(ret_iface->tcp));
	return read_body(at, arena, &ret_iface->body);
}

enum group_word {
	GROUP_INTERFACES,
	GROUP_ARRIVED,
	GROUP_DEPARTED,
	GROUP_CREATED_NS,
	GROUP_TCP,
	GROUP_WORDS = GROUP_TCP + SUMMARY_WORDS,
};

void pe_packed_add_group(struct pe_strbuf *out, const struct pe_group_sample *group)
{
	struct pe_tcp_summary tcp = { 0 };
	uint64_t word[GROUP_WORDS] = {
		[GROUP_INTERFACES] = group->interfaces,
		[GROUP_ARRIVED] = group->arrived,
		[GROUP_DEPARTED] = group->departed,
		[GROUP_CREATED_NS] = group->body.created_ns,
	};

	if (group->body.tcp)
		pe_tcp_summarize(&tcp, group->body.tcp);
	memcpy(&word[GROUP_TCP], &tcp, sizeof(tcp));
	for (size_t i = 0; i < PE_GROUP_LABELS; i++)
		add_text(out, group->label[i]);
	add_words(out, word, GROUP_WORDS);
	add_body(out, &group->body);
}

int pe_packed_read_group(const char *packed, struct pe_arena *arena,
			 struct pe_group_sample *ret_group)
{
	uint64_t word[GROUP_WORDS] = { 0 };
	const char *at = packed;

	memset(ret_group, 0, sizeof(*ret_group));
	for (size_t i = 0; i < PE_GROUP_LABELS; i++)
		ret_group->label[i] = next_text(&at);
	read_words(&at, word, GROUP_WORDS);
	ret_group->interfaces = word[GROUP_INTERFACES];
	ret_group->arrived = word[GROUP_ARRIVED];
	ret_group->departed = word[GROUP_DEPARTED];
	ret_group->body.created_ns = word[GROUP_CREATED_NS];
	memcpy(&ret_group->tcp, &word[GROUP_TCP], sizeof(ret_group->tcp));
	return read_body(at, arena, &ret_group->body);
}
