/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of the two text formats, as far as these are alike. One thread at a time. */
#ifndef PE_EXPOSE_LINES_H
#define PE_EXPOSE_LINES_H

#include "writer.h"

/* An initialised struct pe_span of a literal. */
#define PE_TEXT(literal) ((struct pe_span)PE_SPAN(literal))

/* What the names of a family's samples end in; of histograms it differs from line to line. */
struct pe_span pe_lines_suffix(enum pe_type type);

/* Begins a family: "# WORD name<suffix> text", where `text` has these bytes escaped besides the
 * line's end. */
void pe_lines_comment(struct pe_writer *writer, const char *word, struct pe_span suffix,
		      const char *text, const char *escaped);

/* Remembers the family, whose metadata the caller writes. */
void pe_lines_begin(struct pe_writer *writer, const struct pe_metadata *family);

/* A whole line. */
void pe_lines_sample(struct pe_writer *writer, struct pe_span suffix,
		     const struct pe_series *series, struct pe_value value);

/* Begins another line of the series whose sample has just been written, and is still in the buffer:
 * "name<suffix>{labels} ", with the labels as they stand there, and room for any number behind it.
 * False without memory. */
bool pe_lines_name_again(struct pe_writer *writer, struct pe_span suffix);

void pe_lines_histogram(struct pe_writer *writer, const struct pe_series *series,
			const struct pe_histogram *histogram);

/* Nanoseconds as seconds. */
void pe_lines_seconds(struct pe_strbuf *buf, uint64_t ns, unsigned int decimals);

#endif
