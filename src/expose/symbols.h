/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strings of a message that are written once and referred to by number: the symbols of remote write
 * 2.0. The first one is "", as that wants it. Memory errors stick in `out`. One thread at a time.
 */
#ifndef PE_EXPOSE_SYMBOLS_H
#define PE_EXPOSE_SYMBOLS_H

#include <stdbool.h>

#include "labels.h"

struct pe_symbol {
	size_t at, len; /* in `out` */
	uint32_t hash;
	uint32_t number; /* + 1; 0 is a free place */
};

struct pe_symbols {
	struct pe_strbuf out; /* the fields */
	unsigned int field;
	struct pe_symbol *places; /* a power of two, more than there are symbols */
	size_t mask;
	size_t count;
	struct pe_strbuf scratch;
};

/* Begins with "" alone; keeps memory. A zeroed table is fine. */
void pe_symbols_begin(struct pe_symbols *symbols, unsigned int field);
void pe_symbols_fini(struct pe_symbols *symbols);

/* The number of a text that is UTF-8, and of a label's value, which need not be. */
uint32_t pe_symbols_add(struct pe_symbols *symbols, struct pe_span text);
uint32_t pe_symbols_add_value(struct pe_symbols *symbols, struct pe_span value);

#endif
