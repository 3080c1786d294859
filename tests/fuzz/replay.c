/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a fuzz target on its seeds, so that `make check` does with any compiler what was once found
 * with libFuzzer. Speaks TAP. With arguments it runs these files instead: an input that crashed.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>

#define INPUT_BYTES_MAX (1 << 20)

/* Not every target has one. */
#pragma weak LLVMFuzzerInitialize

static void run_file(const char *path, unsigned int number)
{
	uint8_t *data = malloc(INPUT_BYTES_MAX);
	FILE *file = fopen(path, "re");
	size_t size;
	uint8_t *exact;

	fuzz_check(data, "out of memory");
	fuzz_check(file, "%s: %s", path, strerror(errno));
	size = fread(data, 1, INPUT_BYTES_MAX, file);
	fuzz_check(!ferror(file) && size < INPUT_BYTES_MAX, "%s cannot be read", path);
	fclose(file);
	/* Exactly as long as it is, so that a sanitizer sees the first byte behind it read. */
	exact = malloc(size ? size : 1);
	fuzz_check(exact, "out of memory");
	memcpy(exact, data, size);
	free(data);
	fprintf(stderr, "# %s\n", path);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	printf("ok %u - %s\n", number, strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
	fflush(stdout);
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* "…/fuzz_grouping" has its seeds in "$PE_SRCDIR/tests/fuzz/corpus/grouping". */
static unsigned int run_corpus(const char *program)
{
	const char *source = getenv("PE_SRCDIR"), *slash = strrchr(program, '/'), *what;
	struct dirent **entry;
	char folder[4096], path[8192];
	int count;

	what = strstr(slash ? slash : program, "fuzz_");
	fuzz_check(what, "%s is not called fuzz_WHAT", program);
	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s", source ? source : ".",
		 what + strlen("fuzz_"));
	count = scandir(folder, &entry, not_hidden, alphasort);
	fuzz_check(count > 0, "no seeds in %s", folder);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry[i]->d_name);
		run_file(path, (unsigned int)i + 1);
		free(entry[i]);
	}
	free(entry);
	return (unsigned int)count;
}

int main(int argc, char **argv)
{
	unsigned int count = 0;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		run_file(argv[i], ++count);
	if (count == 0)
		count = run_corpus(argv[0]);
	printf("1..%u\n", count);
	return 0;
}
