/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all fuzz targets share: how an input is read, and how a target says what is wrong.
 *
 * A target is one file fuzz_WHAT.c with LLVMFuzzerTestOneInput(); its seeds are corpus/WHAT/. It
 * aborts through fuzz_check(), and only for a true fault. It is linked with libFuzzer by `make
 * fuzz` and with replay.c for `make check`, so it must not need clang. One thread.
 */
#ifndef PE_FUZZ_H
#define PE_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* See https://llvm.org/docs/LibFuzzer.html. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* A target may have it. Ends with fuzz_skip() where the target cannot run. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define fuzz_check(condition, ...)                                                      \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
			fprintf(stderr, __VA_ARGS__);                                   \
			fputc('\n', stderr);                                            \
			abort();                                                        \
		}                                                                       \
	} while (0)

static inline void __attribute__((noreturn)) fuzz_skip(const char *reason)
{
	printf("1..0 # SKIP %s\n", reason);
	exit(0);
}

/* ---- an input, from its start to its end; zeros behind that ---- */

struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

static inline void fuzz_bytes(struct fuzz_input *input, void *ret_bytes, size_t size)
{
	size_t n = size < input->left ? size : input->left;

	memset(ret_bytes, 0, size);
	if (n == 0)
		return;
	memcpy(ret_bytes, input->at, n);
	input->at += n;
	input->left -= n;
}

static inline uint8_t fuzz_u8(struct fuzz_input *input)
{
	uint8_t value;

	fuzz_bytes(input, &value, sizeof(value));
	return value;
}

/* Big-endian, so that a corpus reads the same everywhere. */
static inline uint64_t fuzz_number(struct fuzz_input *input, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | fuzz_u8(input);
	return value;
}

/*
 * The text up to `end` (which is skipped) or the input's end, cut to `max` bytes and without NUL.
 * The caller frees.
 */
static inline char *fuzz_text(struct fuzz_input *input, uint8_t end, size_t max)
{
	const uint8_t *stop = input->left ? memchr(input->at, end, input->left) : NULL;
	size_t len = stop ? (size_t)(stop - input->at) : input->left, used = 0;
	char *text = malloc((len < max ? len : max) + 1);

	fuzz_check(text, "out of memory");
	for (size_t i = 0; i < len && used < max; i++) {
		if (input->at[i] != '\0')
			text[used++] = (char)input->at[i];
	}
	text[used] = '\0';
	len += stop != NULL;
	input->at += len;
	input->left -= len;
	return text;
}

#endif
