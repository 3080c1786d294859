/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lower half of the reader of exposition.h: characters, names, numbers, one line with a value.
 * Included by exposition.c alone.
 */
#ifndef PE_FUZZ_EXPOSITION_TEXT_H
#define PE_FUZZ_EXPOSITION_TEXT_H

#include <ctype.h>
#include <math.h>

#include "fuzz.h"

#define LABELS_MAX 16
#define ID_MAX	   4096

struct text {
	const char *at;
	const char *line; /* where it begins, for messages */
};

struct label {
	const char *name;
	size_t name_len;
	const char *value;
	size_t value_len;
};

/* One line with a value. */
struct sample {
	const char *name;
	size_t name_len;
	struct label label[LABELS_MAX]; /* sorted */
	size_t labels;
	const char *value;
	size_t value_len;
};

#define text_check(text, condition, what) \
	fuzz_check(condition, "%s: %.*s", what, (int)strcspn((text)->line, "\n"), (text)->line)

static inline size_t utf8_length(const unsigned char *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0x80       ? 1
		     : s[0] >> 5 == 6  ? 2
		     : s[0] >> 4 == 14 ? 3
		     : s[0] >> 3 == 30 ? 4
				       : 0;
	uint32_t code = len == 1 ? s[0] : s[0] & (0x7f >> len);

	for (size_t i = 1; i < len; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (len > 1 && (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)))
		return 0;
	return len;
}

static inline void check_utf8(const char *text, size_t len)
{
	size_t step;

	fuzz_check(memchr(text, '\0', len) == NULL, "a NUL");
	for (size_t i = 0; i < len; i += step) {
		step = utf8_length((const unsigned char *)text + i);
		fuzz_check(step > 0, "not UTF-8 at byte %zu of %zu", i, len);
	}
}

static inline size_t name_length(const char *at, bool colon)
{
	size_t len = 0;

	while (isalpha((unsigned char)at[len]) || at[len] == '_' || (colon && at[len] == ':') ||
	       (len > 0 && isdigit((unsigned char)at[len])))
		len++;
	return len;
}

static inline void expect_text(struct text *text, const char *expected)
{
	text_check(text, strncmp(text->at, expected, strlen(expected)) == 0, expected);
	text->at += strlen(expected);
}

/* The rest of the line, in which only some characters may be escaped, and these must be. */
static inline void skip_escaped(struct text *text, const char *escapes, char end)
{
	for (; *text->at != end; text->at++) {
		text_check(text, *text->at != '\n' && *text->at != '\0', "ends too early");
		text_check(text, *text->at != '"' || !strchr(escapes, '"'), "a bare quote");
		if (*text->at != '\\')
			continue;
		text->at++;
		text_check(text, *text->at && strchr(escapes, *text->at), "a wrong escape");
	}
}

/* [0-9]+ or [0-9]+.[0-9]+ */
static inline bool is_number(const char *at, size_t len)
{
	size_t digits = strspn(at, "0123456789"), more;

	if (digits == 0 || (digits > 1 && at[0] == '0'))
		return false;
	if (digits == len)
		return true;
	more = strspn(at + digits + 1, "0123456789");
	return at[digits] == '.' && more > 0 && digits + 1 + more == len;
}

/* As Go writes a float in the text format: the fewest digits, an exponent from 1e6 up and below
 * 1e-4. */
static inline void canonical(double value, char *ret, size_t size)
{
	int precision = 0, exponent;

	if (isinf(value)) {
		snprintf(ret, size, "+Inf");
		return;
	}
	do
		snprintf(ret, size, "%.*e", precision, value);
	while (strtod(ret, NULL) != value && precision++ < 17);
	exponent = atoi(strchr(ret, 'e') + 1);
	if (exponent < -4 || exponent >= 6)
		return;
	precision -= exponent;
	snprintf(ret, size, "%.*f", precision > 0 ? precision : 0, value);
}

static inline void read_label(struct text *text, struct label *label)
{
	label->name = text->at;
	label->name_len = name_length(text->at, false);
	text_check(text, label->name_len > 0 && label->name[0] != '_', "a bad label name");
	text->at += label->name_len;
	expect_text(text, "=\"");
	label->value = text->at;
	skip_escaped(text, "\\n\"", '"');
	label->value_len = (size_t)(text->at - label->value);
	text->at++;
}

static inline int compare_labels(const struct label *a, const struct label *b)
{
	size_t n = a->name_len < b->name_len ? a->name_len : b->name_len;
	int order = memcmp(a->name, b->name, n);

	return order ? order : (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

static inline void add_label(struct text *text, struct sample *sample, struct label label)
{
	size_t i = sample->labels++;

	text_check(text, i < LABELS_MAX, "too many labels");
	for (; i > 0; i--) {
		int order = compare_labels(&sample->label[i - 1], &label);

		text_check(text, order != 0, "a label twice");
		if (order < 0)
			break;
		sample->label[i] = sample->label[i - 1];
	}
	sample->label[i] = label;
}

static inline struct sample read_sample(struct text *text)
{
	struct sample sample = { .name = text->at, .name_len = name_length(text->at, true) };
	struct label label;

	text_check(text, sample.name_len > 0, "no name");
	text->at += sample.name_len;
	if (*text->at == '{') {
		do {
			text->at++;
			read_label(text, &label);
			add_label(text, &sample, label);
		} while (*text->at == ',');
		expect_text(text, "}");
	}
	expect_text(text, " ");
	sample.value = text->at;
	sample.value_len = strcspn(text->at, "\n");
	text_check(text, is_number(sample.value, sample.value_len), "not a number");
	text->at += sample.value_len;
	expect_text(text, "\n");
	return sample;
}

static inline char *put(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	return to + len;
}

/* name{labels}, without one of the labels if `without` is not NULL. Returns its length. */
static inline size_t identify(const struct sample *sample, const char *without, char ret_id[ID_MAX])
{
	size_t need = sample->name_len + 2;
	char *to = ret_id;

	for (size_t i = 0; i < sample->labels; i++)
		need += sample->label[i].name_len + sample->label[i].value_len + 4;
	fuzz_check(need <= ID_MAX, "labels are too long");
	to = put(to, sample->name, sample->name_len);
	*to++ = '{';
	for (size_t i = 0; i < sample->labels; i++) {
		const struct label *label = &sample->label[i];

		if (without && strlen(without) == label->name_len &&
		    memcmp(without, label->name, label->name_len) == 0)
			continue;
		to = put(to, label->name, label->name_len);
		to = put(to, "=\"", 2);
		to = put(to, label->value, label->value_len);
		to = put(to, "\",", 2);
	}
	*to = '\0';
	return (size_t)(to - ret_id);
}

#endif
