/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the writers of protobuf share: labels and numbers as protobuf has them. One thread at a
 * time. */
#ifndef PE_EXPOSE_PROTOBUF_PARTS_H
#define PE_EXPOSE_PROTOBUF_PARTS_H

#include "protobuf.h"
#include "writer.h"

bool pe_span_is_ascii(struct pe_span text);

/* Appends the value of a label as a string; bytes that are no UTF-8 as the text formats show them.
 */
void pe_protobuf_add_value(struct pe_strbuf *out, unsigned int field, struct pe_span value);

/* The number that the text formats show, to the last digit: what a reader of these makes of it. */
double pe_value_double(struct pe_value value);

/* The upper bounds of a histogram, the last one infinite; in `bounds`, where they may be already.
 */
const double *pe_bounds_of(struct pe_bounds *bounds, const struct pe_histogram *histogram);

#endif
