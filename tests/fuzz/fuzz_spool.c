/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk gives back: a header is read as it was written or not at all, and an arbitrary body
 * can be cut and rewritten without losing a sample, or is refused before anything came of it. The
 * input is a header, a byte for the size of the pieces, and a body that is not compressed.
 */
#include "fuzz.h"

#include <errno.h>
#include <snappy-c.h>

#include "pe/remote.h"

#include "../../src/deliver/spool_file.h"

#define BODY_MAX 65536

struct pieces {
	enum pe_remote_format format;
	size_t count, samples, max;
	bool whole; /* no cutting again */
};

static int take(void *userdata, const struct pe_remote_batch *batch)
{
	struct pieces *pieces = userdata;
	struct pieces again = { .format = pieces->format, .max = 1, .whole = true };

	pieces->count++;
	pieces->samples += batch->samples;
	fuzz_check(batch->ends && !batch->begins, "flags");
	if (pieces->whole)
		return 0;
	fuzz_check(pe_remote_cut(batch, pieces->format, pieces->format, 1, take, &again) == 0,
		   "a piece cannot be read");
	fuzz_check(again.samples == batch->samples, "%zu samples of %zu", again.samples,
		   batch->samples);
	return 0;
}

static void check_cut(const struct pe_remote_batch *batch, enum pe_remote_format from,
		      enum pe_remote_format to, size_t max)
{
	struct pieces cut = { .format = to, .max = max }, one = { .format = to, .whole = true };
	const int r = pe_remote_cut(batch, from, to, max, take, &cut);

	fuzz_check(r == 0 || (r == -EBADMSG && cut.count == 0), "%d after %zu", r, cut.count);
	fuzz_check(pe_remote_cut(batch, from, to, SIZE_MAX, take, &one) == r, "now and then");
	fuzz_check(r < 0 || (one.count == 1 && one.samples == cut.samples), "%zu of %zu",
		   cut.samples, one.samples);
}

static void check_header(const uint8_t *bytes)
{
	struct pe_spool_header header;
	uint8_t again[PE_SPOOL_HEADER_BYTES];

	if (pe_spool_header_read(bytes, &header) < 0)
		return;
	pe_spool_header_write(&header, again);
	fuzz_check(memcmp(bytes, again, sizeof(again)) == 0, "another header");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *why;

	fuzz_check(pe_remote_load(&why) == 0, "%s", why);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char block[BODY_MAX * 2];
	struct fuzz_input input = { data, size };
	uint8_t header[PE_SPOOL_HEADER_BYTES];
	struct pe_remote_batch batch = { .data = block, .ends = true };
	uint32_t crc;
	size_t max;

	fuzz_bytes(&input, header, sizeof(header));
	check_header(header);
	/* No input comes by a checksum that is right. */
	crc = pe_crc32c(0, header, sizeof(header) - sizeof(crc));
	for (size_t i = 0; i < sizeof(crc); i++)
		header[sizeof(header) - sizeof(crc) + i] = (uint8_t)(crc >> 8 * i);
	check_header(header);
	max = (size_t)fuzz_u8(&input) + 1;
	if (input.left > BODY_MAX)
		return 0;
	batch.len = sizeof(block);
	fuzz_check(snappy_compress((const char *)input.at, input.left, block, &batch.len) ==
			   SNAPPY_OK,
		   "no block");
	check_cut(&batch, PE_REMOTE_WRITE_1, PE_REMOTE_WRITE_1, max);
	check_cut(&batch, PE_REMOTE_WRITE_2, PE_REMOTE_WRITE_2, max);
	check_cut(&batch, PE_REMOTE_WRITE_2, PE_REMOTE_WRITE_1, max);
	/* What is no block either. */
	batch.data = (const char *)input.at;
	batch.len = input.left;
	check_cut(&batch, PE_REMOTE_WRITE_2, PE_REMOTE_WRITE_1, max);
	return 0;
}
