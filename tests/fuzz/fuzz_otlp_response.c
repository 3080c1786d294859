/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a receiver of OTLP can answer: any bytes, cut short anywhere. What libprotobuf-c takes for a
 * message says the same here; what is found lies in the answer.
 */
#include "fuzz.h"

#include "pe/otlp.h"

#include "otlp.pb-c.h"

static void check_inside(const uint8_t *data, size_t size, const char *text, size_t len)
{
	fuzz_check(!text || (text >= (const char *)data && len > 0 &&
			     len <= (size_t)((const char *)data + size - text)),
		   "%zu bytes outside of the answer", len);
}

static void check_text(const char *expected, const char *text, size_t len)
{
	const size_t wanted = expected ? strlen(expected) : 0;

	/* It ends texts at a NUL. */
	fuzz_check(text ? len >= wanted && memcmp(text, expected, wanted) == 0 : wanted == 0,
		   "a message of %zu bytes, not of %zu", len, wanted);
}

static void check_partial(const uint8_t *data, size_t size)
{
	Otlp__Response *response = otlp__response__unpack(NULL, size, data);
	struct pe_otlp_partial partial;

	pe_otlp_read_partial((const char *)data, size, &partial);
	check_inside(data, size, partial.message, partial.message_len);
	fuzz_check(partial.rejected <= INT64_MAX, "%llu rejected",
		   (unsigned long long)partial.rejected);
	if (response && response->partial_success) {
		const Otlp__Partial *expected = response->partial_success;
		const int64_t rejected = expected->has_rejected_data_points &&
							 expected->rejected_data_points > 0
						 ? expected->rejected_data_points
						 : 0;

		fuzz_check(partial.rejected == (uint64_t)rejected, "%llu rejected, not %lld",
			   (unsigned long long)partial.rejected, (long long)rejected);
		check_text(expected->error_message, partial.message, partial.message_len);
	} else if (response) {
		fuzz_check(partial.rejected == 0 && !partial.message, "of nothing");
	}
	if (response)
		otlp__response__free_unpacked(response, NULL);
}

static void check_status(const uint8_t *data, size_t size)
{
	Otlp__Status *status = otlp__status__unpack(NULL, size, data);
	size_t len;
	const char *text = pe_otlp_read_status((const char *)data, size, &len);

	check_inside(data, size, text, len);
	if (!status)
		return;
	check_text(status->message, text, len);
	otlp__status__free_unpacked(status, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as large as it is, for the sanitizer. */
	uint8_t *copy = malloc(size ? size : 1);

	fuzz_check(copy, "out of memory");
	if (size > 0)
		memcpy(copy, data, size);
	check_partial(copy, size);
	check_status(copy, size);
	free(copy);
	return 0;
}
