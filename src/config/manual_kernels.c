/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What works on which kernel, from kernels.def, as a section of the man page. One thread, at start.
 *
 * Columns are by tabulators: the table needs no preprocessor, and is one in any font.
 */
#include "manual.h"

#include <stdbool.h>
#include <string.h>

#define WORD_MAX 16

struct named {
	const char *name, *text;
};

struct row {
	const char *text;
	const char *words; /* of each kernel, its flavours in turn */
	bool is_kind;
};

#define KERNEL(name, text) { name, text },
#define FLAVOUR(name, text)
#define WORD(name, text)
#define FEATURE(name, text, words)
#define KIND(name, text, words)
static const struct named kernels[] = {
#include "kernels.def"
};
#undef KERNEL
#undef FLAVOUR

#define KERNEL(name, text)
#define FLAVOUR(name, text) { name, text },
static const struct named flavours[] = {
#include "kernels.def"
};
#undef FLAVOUR
#undef WORD

#define FLAVOUR(name, text)
#define WORD(name, text) { name, text },
static const struct named meanings[] = {
#include "kernels.def"
};
#undef WORD
#undef FEATURE
#undef KIND

#define WORD(name, text)
#define FEATURE(name, text, words) { text, words, false },
#define KIND(name, text, words)	   { text, words, true },
static const struct row rows[] = {
#include "kernels.def"
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The next word of *words, which goes on behind it. */
static void next_word(const char **words, char ret_word[WORD_MAX])
{
	const size_t len = strcspn(*words, " ");

	snprintf(ret_word, WORD_MAX, "%.*s", (int)len, *words);
	*words += len + ((*words)[len] == ' ');
}

static bool is_everywhere(const struct row *row)
{
	const char *words = row->words;
	char word[WORD_MAX];

	while (*words) {
		next_word(&words, word);
		if (strcmp(word, "yes") != 0)
			return false;
	}
	return true;
}

/* One word for both flavours, or the flavour that has it. */
static void print_cell(FILE *out, const char **words)
{
	char full[WORD_MAX], cloud[WORD_MAX];

	next_word(words, full);
	next_word(words, cloud);
	if (strcmp(full, cloud) == 0)
		fprintf(out, "\t%s", full);
	else if (strcmp(full, "yes") == 0)
		fprintf(out, "\t%s", flavours[0].name);
	else if (strcmp(cloud, "yes") == 0)
		fprintf(out, "\t%s", flavours[1].name);
	else
		fprintf(out, "\t%s/%s", full, cloud);
}

static void print_rows(FILE *out)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *words = rows[i].words;

		if (rows[i].is_kind && is_everywhere(&rows[i]))
			continue;
		fputs(rows[i].text, out);
		for (size_t k = 0; k < COUNT(kernels); k++)
			print_cell(out, &words);
		fputc('\n', out);
	}
}

void pe_manual_print_kernels(FILE *out)
{
	_Static_assert(COUNT(flavours) == 2, "print_cell() knows two");

	fputs(".PP\n.nf\n.ta 3.8i 4.6i 5.4i 6.2i\nLinux", out);
	for (size_t k = 0; k < COUNT(kernels); k++)
		fprintf(out, "\t%s", kernels[k].text);
	fputc('\n', out);
	print_rows(out);
	fputs(".fi\n", out);
	for (size_t i = 0; i < COUNT(flavours); i++)
		fprintf(out, ".TP\n\\fB%s\\fP\nonly the flavour of %s has it\n", flavours[i].name,
			flavours[i].text);
	for (size_t i = 0; i < COUNT(meanings); i++)
		fprintf(out, ".TP\n\\fB%s\\fP\n%s\n", meanings[i].name, meanings[i].text);
}
