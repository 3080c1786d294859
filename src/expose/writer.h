/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What turns families and samples into bytes: one for each format, all driven by the same walk
 * (encode.c). A writer gets a family before its first sample, and the end after the last.
 * Memory errors stick in `out`. One thread at a time.
 */
#ifndef PE_EXPOSE_WRITER_H
#define PE_EXPOSE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pe/encode.h"
#include "pe/strbuf.h"

#include "labels.h"

enum pe_type {
	PE_COUNTER,
	PE_COUNTER_UNSUFFIXED, /* without _total: in OpenMetrics that can only be unknown */
	PE_GAUGE,
	PE_HISTOGRAM,
	PE_INFO,
};

/* The metadata of a family. */
struct pe_metadata {
	const char *name; /* without the suffix of its samples */
	enum pe_type type;
	const char *unit; /* the name's suffix, or NULL */
	const char *help;
	bool ends;   /* what it has is not repeated: only for receivers of time series */
	bool chosen; /* it shows some of many: one that is new may have counted for long */
};

/* Of which series a sample is. */
struct pe_series {
	const struct pe_labels *labels; /* of all series of an interface, for example */
	const struct pe_labels *more;	/* and what one of them has more; NULL: nothing */
	uint64_t created_ns;		/* wall clock: since when it counts */
	uint64_t at_ns;			/* likewise: when it was so; 0: as the snapshot */
};

struct pe_value {
	uint64_t number;
	/* 0: a plain number; 1..9: nanoseconds, shown as seconds with so many places, cut off. */
	unsigned int decimals;
};

struct pe_histogram {
	const struct pe_labels *le; /* one label each; the last one is +Inf */
	const void *buckets;	    /* of 64 bits each, as many as le, not cumulative */
	size_t count;
	uint64_t observations; /* if more than the buckets hold, the difference is in +Inf alone */
	struct pe_value sum;
};

/* The observations in all buckets. */
uint64_t pe_histogram_total(const struct pe_histogram *histogram);
/* Those in one bucket. */
uint64_t pe_histogram_bucket(const struct pe_histogram *histogram, size_t i);

/* The numbers that stand in le labels, kept from one histogram of a family to the next. */
#define PE_BOUNDS_MAX 32
struct pe_bounds {
	const struct pe_labels *le; /* whose they are */
	double bound[PE_BOUNDS_MAX];
};

struct pe_iface_sample;
struct pe_writer;

struct pe_writer_ops {
	/* family() needs family_len: the walk calls everything of a family once before with
	 * `measuring`, only to count the bytes. */
	bool measured;
	void (*family)(struct pe_writer *writer, const struct pe_metadata *family);
	/* Of a family that is no histogram, and of one that is. */
	void (*sample)(struct pe_writer *writer, const struct pe_series *series,
		       struct pe_value value);
	void (*histogram)(struct pe_writer *writer, const struct pe_series *series,
			  const struct pe_histogram *histogram);
	/* Of the walk: whether it has series of this interface. NULL: of all. */
	bool (*shows)(struct pe_writer *writer, const struct pe_iface_sample *iface);
	void (*end)(struct pe_writer *writer);
};

struct pe_writer {
	const struct pe_writer_ops *ops;
	void *self;		  /* of pe_encoder_walk(): what the writer keeps beside this */
	int error;		  /* likewise: why it goes no further, -errno */
	enum pe_part_level level; /* likewise: of what the samples are */
	struct pe_strbuf out;	  /* what was written; its reader empties it */
	struct pe_metadata family;
	size_t name_len;
	bool with_created;		  /* OpenMetrics: shows since when a series counts */
	const struct pe_labels *left_out; /* JSON: of the item, which all its samples have */
	struct pe_span suffix;		  /* of its samples' names; empty of histograms */
	size_t labels_at, labels_len;	  /* in `out`: those of the last sample, braces and all */
	bool measuring;			  /* see pe_writer_ops.measured */
	size_t family_len;		  /* bytes of the family, what family() writes included */
	struct pe_bounds bounds;	  /* protobuf: of the last histogram */
	/* The time that was shown last, as text with the line's end. */
	uint64_t created_ns;
	char created[32];
	size_t created_len;
};

/* Prometheus text 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/ */
extern const struct pe_writer_ops pe_text_writer;
/* OpenMetrics 1.0: https://prometheus.io/docs/specs/om/open_metrics_spec/ */
extern const struct pe_writer_ops pe_openmetrics_writer;
/* Delimited protobuf: the messages of https://github.com/prometheus/client_model. */
extern const struct pe_writer_ops pe_protobuf_writer;
/* The members of a JSON object; for one item at a time (pe_encoder_add_json()). */
extern const struct pe_writer_ops pe_json_writer;

#endif
