/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Labels as name and value, with the text that both text formats show for them, which is rendered
 * once and then copied. Sets that are known at compile time cost nothing; a struct pe_label_set
 * gathers the others. One thread at a time.
 */
#ifndef PE_EXPOSE_LABELS_H
#define PE_EXPOSE_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pe/strbuf.h"

struct pe_span {
	const char *data;
	size_t len;
};

/* An initialiser: static const struct pe_span x = PE_SPAN("text"); */
#define PE_SPAN(literal)                        \
	{                                       \
		(literal), sizeof(literal) - 1, \
	}

struct pe_label {
	struct pe_span name;
	struct pe_span value; /* any bytes, with an end behind them */
};

struct pe_labels {
	const struct pe_label *label;
	size_t count;
	struct pe_span text; /* name="value",… without braces */
};

/* Initialisers of sets with one and two labels. The values need no escaping. */
#define PE_LABELS(name, value)                                                     \
	{                                                                          \
		(const struct pe_label[]){ { PE_SPAN(name), PE_SPAN(value) } }, 1, \
			PE_SPAN(name "=\"" value "\""),                            \
	}
#define PE_TWO_LABELS(name, value, name2, value2)                                   \
	{                                                                           \
		(const struct pe_label[]){ { PE_SPAN(name), PE_SPAN(value) },       \
					   { PE_SPAN(name2), PE_SPAN(value2) } },   \
			2, PE_SPAN(name "=\"" value "\"," name2 "=\"" value2 "\""), \
	}

/* A bound of a histogram: see PE_DURATION_BOUNDS_MS. */
#define PE_LE(number, text) PE_LABELS("le", text),
#define PE_LE_INF	    PE_LABELS("le", "+Inf")

#define PE_LABELS_MAX 16

/* Zeroed is empty. Memory errors stick in `text`. */
struct pe_label_set {
	struct pe_labels labels; /* what is in it */
	struct pe_label label[PE_LABELS_MAX];
	struct pe_strbuf text;
};

void pe_label_set_fini(struct pe_label_set *set);

/* Keeps the memory. */
static inline void pe_label_set_clear(struct pe_label_set *set)
{
	set->labels = (struct pe_labels){ 0 };
	set->text.len = 0;
}

/* Appends the value of a label as UTF-8, as pe_label_set_add() does, but nothing is escaped. */
void pe_label_add_value(struct pe_strbuf *buf, struct pe_span value);

/*
 * Adds a label. `name` is a constant, `value` must stay as long as the label is in the set.
 * The value may hold any bytes: in the text a byte that is not part of valid UTF-8 becomes U+FFFD
 * and the byte's two hexadecimal digits. U+FFFD itself is treated in the same way, so different
 * values never look equal.
 */
void pe_label_set_add(struct pe_label_set *set, const char *name, const char *value);

/* Likewise, with a value that needs no escaping; it has a terminator behind it. */
void pe_label_set_add_plain(struct pe_label_set *set, const char *name, struct pe_span value);

/* Adds labels that have their text already. */
void pe_label_set_add_all(struct pe_label_set *set, const struct pe_labels *labels);

#endif
