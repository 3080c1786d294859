/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a state of 1,000 interfaces costs on its way to a receiver of time series, with zeros,
 * markers and ledger, beside the Pushgateway's way of the same state: OpenMetrics text and gzip.
 *
 * All ways alternate, so that they see the same machine. CPU time of the thread; medians; one JSON
 * object a line.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pe/clock.h"
#include "pe/encode.h"
#include "pe/gzip.h"
#include "pe/remote.h"

#include "bench.h"
#include "interfaces.h"

#define ROUNDS	    31
#define PIECE_BYTES 16384
#define INTERVAL_NS (15 * PE_NS_PER_S)

static const struct way {
	const char *name;
	enum pe_remote_format format;
	const char *target;
} ways[] = {
	{ "remote_write_1", PE_REMOTE_WRITE_1, "≤ 20 ms" },
	{ "remote_write_2", PE_REMOTE_WRITE_2, NULL },
	{ "otlp", PE_REMOTE_OTLP, NULL },
};
#define WAYS (sizeof(ways) / sizeof(*ways))

struct sent {
	size_t samples, bytes, batches;
};

static double cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static size_t allocated(void)
{
	const struct mallinfo2 all = mallinfo2();

	return all.uordblks + all.hblkhd;
}

static ssize_t read_text(void *userdata, char *buf, size_t size)
{
	return pe_encoder_read(userdata, buf, size);
}

/* The Pushgateway's way. */
static struct sent push(struct pe_snapshot *snapshot, struct pe_gzip *gzip)
{
	const struct pe_encode_options options = { .format = PE_FORMAT_OPENMETRICS,
						   .show.detail = PE_DETAIL_BASIC };
	static char piece[PIECE_BYTES];
	struct pe_encoder *encoder;
	struct sent sent = { 0 };
	ssize_t n;

	if (pe_encoder_new(snapshot, &options, &encoder) < 0)
		abort();
	pe_gzip_begin(gzip, read_text, encoder);
	while ((n = pe_gzip_read(gzip, piece, sizeof(piece))) > 0)
		sent.bytes += (size_t)n;
	pe_encoder_free(encoder);
	return sent;
}

static int take(void *userdata, const struct pe_remote_batch *batch)
{
	struct sent *sent = userdata;

	sent->samples += batch->samples;
	sent->bytes += batch->len;
	sent->batches++;
	return 0;
}

/* The state number `round` of one receiver. */
static struct sent write_state(struct pe_snapshot *snapshot, const struct way *way,
			       struct pe_births *births, uint64_t round)
{
	static const struct pe_remote_label labels[] = { { "job", "bench" },
							 { "instance", "host-1" } };
	const struct pe_remote_options options = {
		.format = way->format,
		.show.detail = PE_DETAIL_BASIC,
		.labels = labels,
		.label_count = 2,
		.time_ns = snapshot->taken_ns + round * INTERVAL_NS,
		.zero_ns = snapshot->taken_ns + (round - 1) * INTERVAL_NS + PE_NS_PER_MS,
		.max_samples = 2000,
		.births = births,
		.interval_ns = INTERVAL_NS,
		.min_age_ns = 2 * INTERVAL_NS,
		.hold_ns = 4 * INTERVAL_NS,
		.since_first_ns = round * INTERVAL_NS,
	};
	struct sent sent = { 0 };

	pe_births_begin(births, false);
	if (pe_remote_encode(snapshot, &options, take, &sent) < 0)
		abort();
	return sent;
}

static void print(const struct way *way, const char *what, double value, const char *unit,
		  double baseline, const char *target)
{
	char text[96];

	snprintf(text, sizeof(text), "%s%s", way->name, what);
	bench_print((struct bench_figure){ text, value, unit, baseline, "OpenMetrics text and gzip",
					   target });
}

/* As many series an interface as one of a busy host has: 56. */
static struct pe_snapshot *busy_snapshot(void)
{
	static const unsigned int classes[] = {
		PE_CLASS_IPV6 + PE_PROTO_UDP,	PE_CLASS_IPV4 + PE_PROTO_SCTP,
		PE_CLASS_IPV4 + PE_PROTO_GRE,	PE_CLASS_IPV4 + PE_PROTO_ESP,
		PE_CLASS_IPV6 + PE_PROTO_OTHER, PE_CLASS_OTHER,
	};
	struct pe_snapshot *snapshot = interfaces_snapshot(false);

	for (size_t i = 0; i < INTERFACES; i++)
		for (size_t d = 0; d < PE_DIRECTIONS; d++)
			for (size_t c = 0; c < sizeof(classes) / sizeof(*classes); c++)
				snapshot->ifaces[i].body.row[d].class[classes[c]] =
					(struct pe_count){ i * 1000 + c, i * 100000 + c };
	return snapshot;
}

int main(void)
{
	const size_t rounds = bench_quick() ? 5 : ROUNDS;
	static double ms[WAYS + 1][ROUNDS];
	struct sent sent[WAYS], pushed = { 0 };
	struct pe_births *births[WAYS];
	double held[WAYS];
	struct pe_snapshot *snapshot = busy_snapshot();
	struct pe_gzip *gzip;
	double baseline;
	const char *why;

	if (pe_remote_load(&why) < 0 || pe_gzip_new(&gzip) < 0)
		return BENCH_CANNOT_RUN;
	for (size_t w = 0; w < WAYS; w++) {
		const size_t before = allocated();

		if (pe_births_new(&births[w]) < 0)
			abort();
		/* Everything is new in the first one. */
		for (uint64_t state = 1; state <= 3; state++)
			write_state(snapshot, &ways[w], births[w], state);
		held[w] = (double)(allocated() - before);
	}
	for (size_t i = 0; i < rounds; i++) {
		double begin = cpu_ms();

		pushed = push(snapshot, gzip);
		ms[WAYS][i] = cpu_ms() - begin;
		for (size_t w = 0; w < WAYS; w++) {
			begin = cpu_ms();
			sent[w] = write_state(snapshot, &ways[w], births[w], i + 4);
			ms[w][i] = cpu_ms() - begin;
		}
	}
	baseline = bench_median(ms[WAYS], rounds);
	for (size_t w = 0; w < WAYS; w++) {
		print(&ways[w], "_1000_interfaces", bench_median(ms[w], rounds), "ms of CPU",
		      baseline, ways[w].target);
		print(&ways[w], "_size", (double)sent[w].bytes, "bytes", (double)pushed.bytes,
		      NULL);
		print(&ways[w], "_held", held[w] / 1e6, "MB between states", 0, NULL);
		pe_births_free(births[w]);
	}
	print(&ways[0], "_samples", (double)sent[0].samples, "samples", INTERFACES, NULL);
	pe_gzip_free(gzip);
	pe_snapshot_unref(snapshot);
	return 0;
}
