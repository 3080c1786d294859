/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A strict reader of exposition text, for what the encoder writes: it aborts through fuzz_check()
 * on whatever OpenMetrics 1.0 or the text format 0.0.4 does not allow, or this exporter never has
 * to use (signs, exponents and white space that may be left out). One thread.
 */
#ifndef PE_FUZZ_EXPOSITION_H
#define PE_FUZZ_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct series {
	char *id;	 /* name{label="value",…}, sorted by label, escapes left in */
	size_t name_len; /* of the sample */
	char value[32];
	uint64_t number;  /* its integral part */
	char created[32]; /* the _created of what it is the last sample of, or "" */
};

struct exposition {
	struct series *series; /* in the order of the text, without _created */
	size_t count;
	size_t created; /* how many series had one */
	size_t families;
};

/* Reads a whole answer, with a NUL behind it; takes `# EOF` off. */
void exposition_read(char *text, size_t len, bool openmetrics, bool with_created,
		     struct exposition *ret);
void exposition_free(struct exposition *exposition);

/* Whether it is a series of this name. */
bool exposition_is(const struct series *series, const char *name);

/* The sum over all series of a sample's name, modulo 2^64. */
uint64_t exposition_sum(const struct exposition *exposition, const char *name);

/*
 * A label's value as the bytes it was made of: escapes undone, and what stands for a byte that is
 * not UTF-8. False if the series has no such label. `ret` has room for `size` bytes.
 */
bool exposition_label(const struct series *series, const char *label, char *ret, size_t size);

#endif
