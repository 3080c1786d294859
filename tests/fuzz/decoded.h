/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was decoded from protobuf, against the exposition text of the same snapshot: the same
 * series in the same order, with the same labels and the same values.
 */
#ifndef PE_FUZZ_DECODED_H
#define PE_FUZZ_DECODED_H

#include "fuzz.h"

#include <math.h>

#include "pe/utf8.h"

#include "exposition.h"

#define DECODED_LABELS_MAX 32
#define DECODED_ID_MAX	   16384

/* The text's series in order. */
struct expected {
	const struct exposition *exposition;
	size_t at;
	bool no_empty; /* labels without a value are left out */
};

struct decoded_label {
	const char *name;
	const char *value;
};

struct decoded {
	const char *name, *suffix; /* of the sample */
	struct decoded_label label[DECODED_LABELS_MAX];
	size_t labels;
};

static inline void decoded_add(struct decoded *decoded, const char *name, const char *value)
{
	fuzz_check(decoded->labels < DECODED_LABELS_MAX, "too many labels");
	fuzz_check(pe_utf8_valid(value), "%s is not UTF-8", name);
	decoded->label[decoded->labels++] = (struct decoded_label){ name, value };
}

static inline int decoded_compare(const void *a, const void *b)
{
	const struct decoded_label *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static inline char *decoded_put(char *to, const char *text, bool escapes)
{
	for (; *text; text++) {
		if (escapes && strchr("\\\"\n", *text))
			*to++ = '\\';
		*to++ = escapes && *text == '\n' ? 'n' : *text;
	}
	return to;
}

/* As exposition.h has it. */
static inline void decoded_identify(struct decoded *decoded, char ret_id[static DECODED_ID_MAX])
{
	size_t need = strlen(decoded->name) + strlen(decoded->suffix) + 2;
	char *to = ret_id;

	qsort(decoded->label, decoded->labels, sizeof(*decoded->label), decoded_compare);
	for (size_t i = 0; i < decoded->labels; i++)
		need += strlen(decoded->label[i].name) + 2 * strlen(decoded->label[i].value) + 4;
	fuzz_check(need <= DECODED_ID_MAX, "labels are too long");
	to = decoded_put(to, decoded->name, false);
	to = decoded_put(to, decoded->suffix, false);
	*to++ = '{';
	for (size_t i = 0; i < decoded->labels; i++) {
		to = decoded_put(to, decoded->label[i].name, false);
		to = decoded_put(to, "=\"", false);
		to = decoded_put(to, decoded->label[i].value, true);
		to = decoded_put(to, "\",", false);
	}
	*to = '\0';
}

/* Integers beyond 2^53 with a fraction may differ in the last bit. */
static inline bool decoded_equal(double value, const char *text)
{
	const double expected = strtod(text, NULL);

	return value == expected ||
	       (expected > 0x1p53 / 1e9 && strchr(text, '.') &&
		(value == nextafter(expected, 0) || value == nextafter(expected, INFINITY)));
}

/* Takes `label="",` out. A quote inside a value is escaped, so that none looks like it. */
static inline void decoded_drop_empty(char *id)
{
	char *at = strchr(id, '{') + 1, *to = at;

	while (*at) {
		const char *value = strchr(at, '"') + 1, *end = value;

		for (; *end != '"'; end++)
			end += *end == '\\';
		end += 2;
		if (*value != '"') {
			memmove(to, at, (size_t)(end - at));
			to += end - at;
		}
		at = (char *)end;
	}
	*to = '\0';
}

/* It is the next series of the text; returns that. */
static inline const struct series *decoded_check(struct expected *expected, struct decoded *decoded,
						 double value)
{
	static char id[DECODED_ID_MAX];
	struct series *series;

	fuzz_check(expected->at < expected->exposition->count, "more series than in the text");
	series = &expected->exposition->series[expected->at++];
	decoded_identify(decoded, id);
	if (expected->no_empty)
		decoded_drop_empty(series->id);
	fuzz_check(strcmp(id, series->id) == 0, "%s is %s", series->id, id);
	fuzz_check(decoded_equal(value, series->value), "%s: %s is %.17g", id, series->value,
		   value);
	return series;
}

/* The text of the bound of the next series, which is a bucket; of another one "". */
static inline const char *decoded_next_bound(const struct expected *expected)
{
	static char bound[64];

	*bound = '\0';
	if (expected->at < expected->exposition->count)
		exposition_label(&expected->exposition->series[expected->at], "le", bound,
				 sizeof(bound));
	return bound;
}

/* Microseconds, cut off, as _created shows them. */
static inline void decoded_check_created(const struct series *series, uint64_t created_ns)
{
	char text[48];

	snprintf(text, sizeof(text), "%llu.%06llu", (unsigned long long)created_ns / 1000000000,
		 (unsigned long long)created_ns / 1000 % 1000000);
	fuzz_check(strcmp(text, series->created) == 0, "%s began %s, not %s", series->id,
		   series->created, text);
}

#endif
