/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See symbols.h. Strings are compared where they were written: what they came from may be gone. */
#include "symbols.h"

#include <errno.h>
#include <stdlib.h>

#include "protobuf_parts.h"

#define PLACES_MIN 1024

static uint32_t hash_of(struct pe_span text)
{
	const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t hash = text.len, word;

	for (; text.len >= sizeof(word); text.data += sizeof(word), text.len -= sizeof(word)) {
		memcpy(&word, text.data, sizeof(word));
		hash = (hash ^ word) * factor;
		hash ^= hash >> 32;
	}
	word = 0;
	if (text.len)
		memcpy(&word, text.data, text.len);
	hash = (hash ^ word) * factor;
	return (uint32_t)(hash >> 32);
}

/* The place of a text, or the free one where it belongs. */
static struct pe_symbol *find(const struct pe_symbols *symbols, struct pe_span text, uint32_t hash)
{
	for (size_t i = hash;; i++) {
		struct pe_symbol *place = &symbols->places[i & symbols->mask];

		if (place->number == 0)
			return place;
		if (place->hash == hash && place->len == text.len &&
		    (text.len == 0 ||
		     memcmp(symbols->out.data + place->at, text.data, text.len) == 0))
			return place;
	}
}

static int grow(struct pe_symbols *symbols)
{
	const size_t before = symbols->places ? symbols->mask + 1 : 0;
	const size_t size = before ? before * 2 : PLACES_MIN;
	struct pe_symbol *places = calloc(size, sizeof(*places));

	if (!places)
		return -ENOMEM;
	for (size_t o = 0; o < before; o++) {
		const struct pe_symbol *old = &symbols->places[o];
		size_t i = old->hash;

		if (old->number == 0)
			continue;
		while (places[i & (size - 1)].number)
			i++;
		places[i & (size - 1)] = *old;
	}
	free(symbols->places);
	symbols->places = places;
	symbols->mask = size - 1;
	return 0;
}

uint32_t pe_symbols_add(struct pe_symbols *symbols, struct pe_span text)
{
	const uint32_t hash = hash_of(text);
	struct pe_symbol *place;

	if (symbols->out.error)
		return 0;
	if ((!symbols->places || symbols->count > symbols->mask / 2) && grow(symbols) < 0) {
		symbols->out.error = -ENOMEM;
		return 0;
	}
	place = find(symbols, text, hash);
	if (place->number == 0) {
		pe_protobuf_add_bytes(&symbols->out, symbols->field, text.data, text.len);
		if (symbols->out.error)
			return 0;
		*place = (struct pe_symbol){ symbols->out.len - text.len, text.len, hash,
					     (uint32_t)++symbols->count };
	}
	return place->number - 1;
}

uint32_t pe_symbols_add_value(struct pe_symbols *symbols, struct pe_span value)
{
	if (pe_span_is_ascii(value))
		return pe_symbols_add(symbols, value);
	symbols->scratch.len = 0;
	pe_label_add_value(&symbols->scratch, value);
	if (symbols->scratch.error) {
		symbols->out.error = -ENOMEM;
		return 0;
	}
	return pe_symbols_add(symbols,
			      (struct pe_span){ symbols->scratch.data, symbols->scratch.len });
}

void pe_symbols_begin(struct pe_symbols *symbols, unsigned int field)
{
	symbols->field = field;
	symbols->out.len = 0;
	symbols->count = 0;
	if (symbols->places)
		memset(symbols->places, 0, (symbols->mask + 1) * sizeof(*symbols->places));
	pe_symbols_add(symbols, (struct pe_span)PE_SPAN(""));
}

void pe_symbols_fini(struct pe_symbols *symbols)
{
	pe_strbuf_fini(&symbols->out);
	pe_strbuf_fini(&symbols->scratch);
	free(symbols->places);
	symbols->places = NULL;
}
