/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of exposition text: metadata, labels, samples, in both formats.
 *
 * A writer has one family and one label set at a time; samples are written under them. Memory
 * errors stick in the buffers, pe_writer_error() tells at the end. One thread at a time.
 *
 * OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/), Prometheus text 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 */
#ifndef PE_METRICS_WRITER_H
#define PE_METRICS_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pe/strbuf.h"

struct pe_span {
	const char *data;
	size_t len;
};

/* An initialiser: static const struct pe_span x = PE_SPAN("text"); */
#define PE_SPAN(literal)                        \
	{                                       \
		(literal), sizeof(literal) - 1, \
	}
#define PE_NO_LABEL ((struct pe_span){ 0 })

enum pe_type {
	PE_COUNTER,
	PE_BARE_COUNTER, /* by a name without _total: in OpenMetrics that can only be unknown */
	PE_GAUGE,
	PE_HISTOGRAM,
	PE_INFO,
};

struct pe_writer {
	struct pe_strbuf out;
	bool openmetrics;
	struct pe_span name; /* of the family */
	enum pe_type type;
	struct pe_strbuf labels; /* of the label set, without braces */
	uint64_t created_ns;
	char created[32]; /* the same as text, with the line's end */
	size_t created_len;
};

void pe_writer_fini(struct pe_writer *writer);

/* 0 or -ENOMEM. */
int pe_writer_error(const struct pe_writer *writer);

/* Begins a family: its metadata is appended. `unit` is the name's suffix or NULL. */
void pe_writer_family(struct pe_writer *writer, const char *name, enum pe_type type,
		      const char *unit, const char *help);

/* Begins a label set of series that count since `created_ns` (wall clock). */
void pe_writer_labels(struct pe_writer *writer, uint64_t created_ns);

/*
 * Adds a label; the value may hold any bytes. A byte that is not part of valid UTF-8 becomes U+FFFD
 * and the byte's two hexadecimal digits. U+FFFD itself is treated in the same way, so different
 * values never look equal.
 */
void pe_writer_label(struct pe_writer *writer, const char *name, const char *value);

/* Adds labels that are text already: name="value",… */
void pe_writer_label_text(struct pe_writer *writer, const char *text, size_t len);

/*
 * One series under the label set and one further label, PE_NO_LABEL for none. The sample's suffix
 * and the _created line follow from the family's type. _ns shows nanoseconds as seconds with
 * `decimals` (1..9) places, cut off.
 */
void pe_writer_value(struct pe_writer *writer, struct pe_span label, uint64_t value);
void pe_writer_value_ns(struct pe_writer *writer, struct pe_span label, uint64_t ns,
			unsigned int decimals);

struct pe_histogram {
	const struct pe_span *le; /* as labels, le="64.0"; the last one is +Inf */
	const void *buckets;	  /* of 64 bits each, as many as le, not cumulative */
	size_t count;
	uint64_t observations; /* if more than the buckets hold, the difference is in +Inf alone */
	uint64_t sum;
	bool sum_is_ns;
};

/* The observations in all buckets. */
uint64_t pe_histogram_total(const struct pe_histogram *histogram);
void pe_writer_histogram(struct pe_writer *writer, const struct pe_histogram *histogram);

#define PE_NO_PORT (-1)

/* Appends "192.0.2.1:80" or "[2001:db8::1]:80"; without a port the address alone (RFC 5952).
 * `addr` has 16 bytes, IPv4 in the first four. */
void pe_text_endpoint(struct pe_strbuf *buf, const uint8_t *addr, bool ipv6, int port);

#endif
