/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See protobuf_parts.h. */
#include "protobuf_parts.h"

#include <stdlib.h>

#define DECIMALS_MAX 9

bool pe_span_is_ascii(struct pe_span text)
{
	unsigned char bits = 0;

	for (size_t i = 0; i < text.len; i++)
		bits |= (unsigned char)text.data[i];
	return bits < 0x80;
}

void pe_protobuf_add_value(struct pe_strbuf *out, unsigned int field, struct pe_span value)
{
	size_t begun;

	if (pe_span_is_ascii(value)) {
		pe_protobuf_add_bytes(out, field, value.data, value.len);
		return;
	}
	begun = pe_protobuf_begin(out, field);
	pe_label_add_value(out, value);
	pe_protobuf_end(out, begun);
}

double pe_value_double(struct pe_value value)
{
	static const uint64_t powers[DECIMALS_MAX + 1] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
	};

	if (value.decimals == 0)
		return (double)value.number;
	/* Both are whole numbers, so that only the division rounds. */
	return (double)(value.number / powers[DECIMALS_MAX - value.decimals]) /
	       (double)powers[value.decimals];
}

const double *pe_bounds_of(struct pe_bounds *bounds, const struct pe_histogram *histogram)
{
	/* A defect of this program, which must not go unnoticed. */
	if (histogram->count > PE_BOUNDS_MAX)
		abort();
	for (size_t i = 0; i < histogram->count && bounds->le != histogram->le; i++)
		bounds->bound[i] = strtod(histogram->le[i].label->value.data, NULL);
	bounds->le = histogram->le;
	return bounds->bound;
}
