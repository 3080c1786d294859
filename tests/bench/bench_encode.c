/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast 1,000 interfaces with traffic become OpenMetrics text, beside memcpy() of the same
 * bytes; and how often an encode allocates.
 *
 * Encodings and copies alternate, so that both see the same machine; medians are reported, one JSON
 * object a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/clock.h"
#include "pe/encode.h"

#include "bench.h"
#include "interfaces.h"

#define ROUNDS	    31
#define PIECE_BYTES 16384

/* glibc's own, behind the wrappers that count. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static size_t allocations;
/* What the run at hand exposes. */
static enum pe_iface_detail detail;
static bool labels;

void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	allocations++;
	return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	allocations++;
	return __libc_realloc(memory, size);
}

/* Encodes into `to`, or nowhere if that is NULL. Returns the length. */
static size_t encode(struct pe_snapshot *snapshot, char *to)
{
	const struct pe_encode_options options = {
		.format = PE_FORMAT_OPENMETRICS,
		.show.detail = detail,
		.show.created = detail == PE_DETAIL_FULL,
		.show.iface_labels = labels ? ~0u : 0,
	};
	static char piece[PIECE_BYTES];
	struct pe_encoder *encoder;
	size_t total = 0;
	ssize_t n;

	if (pe_encoder_new(snapshot, &options, &encoder) < 0)
		abort();
	while ((n = pe_encoder_read(encoder, to ? to + total : piece, sizeof(piece))) > 0)
		total += (size_t)n;
	if (n < 0)
		abort();
	pe_encoder_free(encoder);
	return total;
}

static void print(const char *name, const char *what, double value, const char *unit,
		  double baseline, const char *baseline_name, const char *target)
{
	char text[96];

	snprintf(text, sizeof(text), "%s%s", name, what);
	bench_print((struct bench_figure){ text, value, unit, baseline, baseline_name, target });
}

static void run(const char *name, bool everything)
{
	struct pe_snapshot *snapshot = interfaces_snapshot(everything);
	size_t size = encode(snapshot, NULL), before, count, i;
	double encode_ns[ROUNDS], copy_ns[ROUNDS];
	size_t rounds = bench_quick() ? 5 : ROUNDS;
	uint64_t start;
	char *text = malloc(size + PIECE_BYTES), *copy = malloc(size);
	double ns, baseline;

	if (!text || !copy)
		abort();
	before = allocations;
	encode(snapshot, text);
	count = allocations - before;
	memcpy(copy, text, size);
	for (i = 0; i < rounds; i++) {
		start = pe_clock_monotonic_ns();
		encode(snapshot, text);
		encode_ns[i] = (double)(pe_clock_monotonic_ns() - start);
		start = pe_clock_monotonic_ns();
		memcpy(copy, text, size);
		copy_ns[i] = (double)(pe_clock_monotonic_ns() - start);
	}
	if (memcmp(copy, text, size) != 0)
		abort();
	ns = bench_median(encode_ns, rounds);
	baseline = bench_median(copy_ns, rounds);
	print(name, "_1000_interfaces", ns / PE_NS_PER_MS, "ms", baseline / PE_NS_PER_MS,
	      "memcpy of the same bytes", NULL);
	print(name, "", (double)size / ns, "GB/s", (double)size / baseline,
	      "memcpy of the same bytes", "≥ 1 GB/s");
	print(name, "_allocations", (double)count, "allocations/encode", INTERFACES, "interfaces",
	      "none a series");
	print(name, "_size", (double)size, "bytes", INTERFACES, "interfaces", NULL);
	free(text);
	free(copy);
	pe_snapshot_unref(snapshot);
}

int main(void)
{
	run("encode_openmetrics", false);
	labels = true;
	run("encode_openmetrics_labels", false);
	labels = false;
	detail = PE_DETAIL_FULL;
	run("encode_openmetrics_full", false);
	/* Every protocol, every fault, top flows: the most an interface can have. */
	run("encode_openmetrics_everything", true);
	return 0;
}
