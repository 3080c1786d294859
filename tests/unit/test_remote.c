/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bodies for receivers of time series: headers, batches, refused memory. What is in them,
 * tests/fuzz/fuzz_remote.c reads. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pe/remote.h"
#include "pe/strbuf.h"

#include "malloc-failure.h"
#include "snapshot-fixture.h"

static const struct pe_remote_label labels[] = { { "job", "j" }, { "instance", "\xff" } };
static const enum pe_remote_format formats[] = { PE_REMOTE_WRITE_1, PE_REMOTE_WRITE_2,
						 PE_REMOTE_OTLP };
#define FORMATS (sizeof(formats) / sizeof(*formats))

struct bodies {
	size_t count, samples, bytes, largest;
	uint32_t hash;
};

static int take(void *userdata, const struct pe_remote_batch *batch)
{
	struct bodies *bodies = userdata;

	bodies->count++;
	/* Markers of what is gone: test_lives has those. */
	if (!batch->ends)
		bodies->samples += batch->samples;
	bodies->bytes += batch->len;
	bodies->largest = batch->samples > bodies->largest ? batch->samples : bodies->largest;
	for (size_t i = 0; i < batch->len; i++)
		bodies->hash = bodies->hash * 31 + (unsigned char)batch->data[i];
	return 0;
}

static struct pe_births *births;

static int encode_to(struct pe_snapshot *snapshot, enum pe_remote_format format, size_t max_samples,
		     pe_remote_take fn, void *userdata)
{
	const struct pe_remote_options options = {
		.format = format,
		.show.detail = PE_DETAIL_FULL,
		.labels = labels,
		.label_count = 2,
		.time_ns = FIXTURE_START_NS + 60 * PE_NS_PER_S,
		.births = births,
		.zero_ns = FIXTURE_START_NS,
		.hold_ns = UINT64_MAX,
		.max_samples = max_samples,
	};

	return pe_remote_encode(snapshot, &options, fn, userdata);
}

static int encode(struct pe_snapshot *snapshot, enum pe_remote_format format, size_t max_samples,
		  struct bodies *ret_bodies)
{
	*ret_bodies = (struct bodies){ 0 };
	return encode_to(snapshot, format, max_samples, take, ret_bodies);
}

static void test_headers(void **state)
{
	const struct pe_remote_headers *headers = pe_remote_headers(PE_REMOTE_WRITE_1);

	assert_string_equal(headers->content_type, "application/x-protobuf");
	assert_string_equal(headers->content_encoding, "snappy");
	assert_string_equal(headers->version, "0.1.0");
	headers = pe_remote_headers(PE_REMOTE_WRITE_2);
	assert_string_equal(headers->content_type,
			    "application/x-protobuf;proto=io.prometheus.write.v2.Request");
	assert_string_equal(headers->content_encoding, "snappy");
	assert_string_equal(headers->version, "2.0.0");
	headers = pe_remote_headers(PE_REMOTE_OTLP);
	assert_string_equal(headers->content_type, "application/x-protobuf");
	assert_string_equal(headers->content_encoding, "gzip");
	assert_null(headers->version);
}

/* The same samples, however they are cut; none is in two batches. */
static void test_batches(void **state)
{
	struct pe_snapshot *snapshot = fixture_snapshot(20, true, true);

	for (size_t f = 0; f < FORMATS; f++) {
		struct bodies one, many;

		assert_int_equal(encode(snapshot, formats[f], 1000000, &one), 0);
		assert_int_equal(one.count, 1);
		assert_true(one.samples > 2000);
		assert_int_equal(encode(snapshot, formats[f], 100, &many), 0);
		assert_int_equal(many.samples, one.samples);
		assert_int_equal(many.largest, 100);
		assert_int_equal(many.count, (one.samples + 99) / 100);
	}
	pe_snapshot_unref(snapshot);
}

/* Whichever allocation is refused: an error, never a body that only looks complete. */
static void test_refused_memory(void **state)
{
	struct pe_snapshot *snapshot;

	if (!malloc_failure_works)
		return;
	snapshot = fixture_snapshot(3, true, true);
	for (size_t f = 0; f < FORMATS; f++) {
		struct bodies whole, bodies;
		long after;
		int r = -1;

		assert_int_equal(encode(snapshot, formats[f], 1000, &whole), 0);
		for (after = 0; r < 0; after++) {
			malloc_failure_after = after;
			r = encode(snapshot, formats[f], 1000, &bodies);
			malloc_failure_after = -1;
			if (r < 0) {
				assert_int_equal(r, -ENOMEM);
				assert_true(bodies.samples < whole.samples);
			}
		}
		assert_true(after > 10);
		assert_memory_equal(&bodies, &whole, sizeof(whole));
		assert_int_equal(snapshot->references, 1);
	}
	pe_snapshot_unref(snapshot);
}

/* ---- cutting ---- */

static struct pe_strbuf kept;

static int keep(void *userdata, const struct pe_remote_batch *batch)
{
	kept.len = 0;
	pe_strbuf_add(&kept, batch->data, batch->len);
	*(struct pe_remote_batch *)userdata = *batch;
	return 0;
}

/* The whole snapshot, with zeros, as one body. */
static struct pe_remote_batch body_of(struct pe_snapshot *snapshot, enum pe_remote_format format)
{
	struct pe_remote_batch batch;

	pe_births_begin(births, true);
	assert_int_equal(encode_to(snapshot, format, 1000000, keep, &batch), 0);
	batch.data = kept.data;
	return batch;
}

/* What is cut is what is encoded in that size, byte by byte. */
static void test_cut(void **state)
{
	static const struct {
		enum pe_remote_format from, to;
		size_t max;
	} cases[] = {
		{ PE_REMOTE_WRITE_1, PE_REMOTE_WRITE_1, 100 },
		{ PE_REMOTE_WRITE_2, PE_REMOTE_WRITE_2, 100 },
		{ PE_REMOTE_WRITE_2, PE_REMOTE_WRITE_1, 100 },
		{ PE_REMOTE_WRITE_2, PE_REMOTE_WRITE_1, 1000000 },
		{ PE_REMOTE_WRITE_1, PE_REMOTE_WRITE_1, 7 },
	};
	struct pe_snapshot *snapshot = fixture_snapshot(20, true, true);

	assert_int_equal(pe_births_new(&births), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pe_remote_batch batch;
		struct bodies expected, cut = { 0 };

		pe_births_begin(births, true);
		assert_int_equal(encode(snapshot, cases[i].to, cases[i].max, &expected), 0);
		batch = body_of(snapshot, cases[i].from);
		assert_true(batch.begins && !batch.ends);
		assert_int_equal(
			pe_remote_cut(&batch, cases[i].from, cases[i].to, cases[i].max, take, &cut),
			0);
		assert_memory_equal(&cut, &expected, sizeof(cut));
	}
	births = pe_births_free(births);
	pe_strbuf_fini(&kept);
	pe_snapshot_unref(snapshot);
}

/* However a body is damaged, nothing is given away before all of it was read. */
static void test_cut_refused(void **state)
{
	/* Of the places: where this is emulated or checked by a sanitizer, each takes long. */
	const size_t step = 5;
	struct pe_snapshot *snapshot = fixture_snapshot(1, true, true);
	struct bodies bodies = { 0 };
	size_t bad = 0;

	assert_int_equal(pe_births_new(&births), 0);
	for (size_t f = 0; f < FORMATS; f++) {
		const bool is_otlp = formats[f] == PE_REMOTE_OTLP;
		const enum pe_remote_format to = is_otlp ? PE_REMOTE_OTLP : PE_REMOTE_WRITE_1;
		struct pe_remote_batch batch = body_of(snapshot, formats[f]);
		const size_t len = batch.len;

		for (batch.len = 0; batch.len < len; batch.len += 101 * step)
			assert_int_equal(pe_remote_cut(&batch, formats[f], to, 1, take, &bodies),
					 -EBADMSG);
		batch.len = len;
		assert_int_equal(bodies.count, 0);
		for (size_t i = 0; i < len; i += 211 * step) {
			kept.data[i] ^= 0x55;
			bad += pe_remote_cut(&batch, formats[f], formats[f], 1000000, take,
					     &bodies) == -EBADMSG;
			kept.data[i] ^= 0x55;
		}
		/* gzip sees damage itself. */
		assert_true(bad > 0 && (is_otlp || bodies.samples > 0));
		bodies = (struct bodies){ 0 };
		for (long after = 0; malloc_failure_works && bodies.count == 0; after++) {
			int r;

			malloc_failure_after = after;
			r = pe_remote_cut(&batch, formats[f], to, 1000000, take, &bodies);
			malloc_failure_after = -1;
			assert_int_equal(r, bodies.count ? 0 : -ENOMEM);
		}
		bodies = (struct bodies){ 0 };
		assert_int_equal(pe_remote_cut(&batch, PE_REMOTE_WRITE_1, PE_REMOTE_WRITE_2, 1,
					       take, &bodies),
				 -ENOTSUP);
		assert_int_equal(pe_remote_cut(&batch, formats[f],
					       is_otlp ? PE_REMOTE_WRITE_1 : PE_REMOTE_OTLP, 1,
					       take, &bodies),
				 -ENOTSUP);
	}
	births = pe_births_free(births);
	pe_strbuf_fini(&kept);
	pe_snapshot_unref(snapshot);
}

/* ---- births ---- */

static size_t samples_of(struct pe_snapshot *snapshot, bool again)
{
	struct bodies bodies;

	pe_births_begin(births, again);
	assert_int_equal(encode(snapshot, PE_REMOTE_WRITE_1, 1000, &bodies), 0);
	return bodies.samples;
}

/* A series begins at zero once; a state of which memory was refused was none. */
static void test_births(void **state)
{
	struct pe_snapshot *few = fixture_snapshot(3, true, true);
	struct pe_snapshot *many = fixture_snapshot(40, true, true);
	size_t few_samples, many_samples, born, r = 1;
	struct bodies bodies;

	assert_int_equal(encode(few, PE_REMOTE_WRITE_1, 1000, &bodies), 0);
	few_samples = bodies.samples;
	assert_int_equal(encode(many, PE_REMOTE_WRITE_1, 1000, &bodies), 0);
	many_samples = bodies.samples;
	assert_int_equal(pe_births_new(&births), 0);
	born = samples_of(few, false);
	assert_true(born > few_samples + few_samples / 2);
	assert_int_equal(samples_of(few, true), born);
	assert_int_equal(samples_of(few, false), few_samples);
	assert_true(samples_of(many, false) > many_samples);
	assert_int_equal(samples_of(many, false), many_samples);
	for (long after = 0; malloc_failure_works && r != 0; after += 7) {
		pe_births_begin(births, false);
		malloc_failure_after = after;
		r = (size_t)encode(many, PE_REMOTE_WRITE_1, 1000, &bodies);
		malloc_failure_after = -1;
		assert_int_equal(samples_of(many, false), many_samples);
	}
	/* What went and comes back begins anew. */
	assert_int_equal(samples_of(few, false), few_samples);
	assert_true(samples_of(many, false) > many_samples);
	births = pe_births_free(births);
	assert_null(pe_births_free(NULL));
	pe_snapshot_unref(few);
	pe_snapshot_unref(many);
}

/* libsnappy's own memory cannot be refused: see snappy.c. */
int __real_pe_snappy_compress(const struct pe_strbuf *data, struct pe_strbuf *ret_block);
int __wrap_pe_snappy_compress(const struct pe_strbuf *data, struct pe_strbuf *ret_block);
int __wrap_pe_snappy_compress(const struct pe_strbuf *data, struct pe_strbuf *ret_block)
{
	const long after = malloc_failure_after;
	int r;

	malloc_failure_after = -1;
	r = __real_pe_snappy_compress(data, ret_block);
	malloc_failure_after = after;
	return r;
}

static int load(void **state)
{
	const char *why;

	return pe_remote_load(&why);
}

/* What a receiver costs between two states does not depend on what was counted. */
static void test_memory(void **state)
{
	/* Sanitizers have an allocator of their own, of which mallinfo2() says nothing. */
	const int rounds = malloc_failure_works ? 3 : 1;
	struct pe_snapshot *snapshot = fixture_snapshot(1000, true, false);
	const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	size_t samples = 0, held;

	snapshot->top_flows = false;
	assert_int_equal(pe_births_new(&births), 0);
	for (int i = 0; i < rounds; i++)
		samples = samples_of(snapshot, false);
	assert_true(samples > 100000);
	held = mallinfo2().uordblks + mallinfo2().hblkhd - before;
	/* Capacities are powers of two. */
	assert_true(held < 64 * samples);
	assert_int_equal(snapshot->references, 1);
	births = pe_births_free(births);
	pe_snapshot_unref(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),	       cmocka_unit_test(test_batches),
		cmocka_unit_test(test_refused_memory), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_refused),    cmocka_unit_test(test_births),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, load, NULL);
}
