/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What writers to receivers of time series share: sorted labels, batches. A writer begins a series
 * with pe_remote_sort(), writes it, and ends it with pe_remote_added(), which gives a full batch
 * away. One thread at a time.
 */
#ifndef PE_EXPOSE_REMOTE_H
#define PE_EXPOSE_REMOTE_H

#include "pe/clock.h"
#include "pe/remote.h"

#include "births.h"
#include "families.h"
#include "protobuf_parts.h"
#include "symbols.h"

/* Of a series: those of all, its own, __name__ and le. */
#define PE_REMOTE_SORTED_MAX (PE_REMOTE_LABELS_MAX + 2 * PE_LABELS_MAX + 2)

struct pe_remote {
	const struct pe_remote_options *options;
	const struct pe_snapshot *snapshot;
	pe_remote_take take;
	void *userdata;
	struct pe_label common[PE_REMOTE_LABELS_MAX];
	size_t common_count;

	/* Of the series at hand, by name; the label of the i-th place is label[order[i]]. */
	struct pe_label label[PE_REMOTE_SORTED_MAX];
	unsigned char order[PE_REMOTE_SORTED_MAX];
	size_t labels;
	/* For which names the order is: most series have those of the one before. */
	const char *ordered[PE_REMOTE_SORTED_MAX];
	size_t ordered_count;

	bool stale;	  /* the series at hand is gone, and gets its marker */
	bool ends;	  /* the batch at hand has what no later state repeats */
	int64_t shift_ns; /* from times of the snapshot to those that are written */
	/* Of the interface at hand: when it ended, if its series have no sample later in this
	 * state; otherwise 0. And when they begin at zero, if they are new; 0: they do not. */
	uint64_t ended_ns, born_ns;
	uint64_t at_ns;	  /* of the series at hand: the time of its sample */
	uint64_t zero_ns; /* of the series at hand: when it begins at zero; 0: it does not */
	char name[4][PE_FAMILY_NAME_MAX + 16]; /* of samples, by enum pe_remote_name */
	size_t samples;			       /* in the batch at hand */
	bool has_labels, had_labels;	       /* of the interface at hand: whether it is known */
	uint32_t iface;			       /* its number in the snapshot */
	bool begins;			       /* it has zeros */
	size_t batches;
	struct pe_strbuf body;	   /* of the last batch, compressed */
	struct pe_symbols symbols; /* remote write 2 */
	/* OTLP: the messages that are open. */
	struct {
		size_t request, scope, metric, data;
		bool is_open; /* the last two */
	} otlp;
	struct pe_gzip *gzip; /* OTLP */
};

enum pe_remote_name {
	PE_REMOTE_VALUE, /* of a family that is no histogram */
	PE_REMOTE_BUCKET = 1,
	PE_REMOTE_COUNT = 2,
	PE_REMOTE_SUM = 3,
};

static inline struct pe_remote *pe_remote_of(const struct pe_writer *writer)
{
	return writer->self;
}

/* For the series of a snapshot. */
void pe_remote_init(struct pe_remote *remote, const struct pe_remote_options *options,
		    const struct pe_snapshot *snapshot);

/* What tells a series from the others of a receiver. */
uint64_t pe_remote_hash(const struct pe_writer *writer, const struct pe_series *series);

/* The time of its sample in this state. */
uint64_t pe_remote_time_of(struct pe_writer *writer, const struct pe_series *series);

/* The value that ends a series (a NaN that no computation has), or this one. */
static inline double pe_remote_value(const struct pe_remote *remote, double value)
{
	const uint64_t marker = UINT64_C(0x7ff0000000000002);

	if (remote->stale)
		memcpy(&value, &marker, sizeof(value));
	return value;
}

/* Remembers the family and makes the names of its samples. */
void pe_remote_begin_family(struct pe_writer *writer, const struct pe_metadata *family);

/* Sorts the labels of a series by name; le may be NULL. Empty ones are left out. */
void pe_remote_sort(struct pe_remote *remote, enum pe_remote_name name,
		    const struct pe_series *series, const struct pe_labels *le);

/* Whether a state has series of an interface; begins it. */
bool pe_remote_shows(struct pe_writer *writer, const struct pe_iface_sample *iface);

/* A series begins, or those of a histogram; sets at_ns and zero_ns. */
void pe_remote_begin_series(struct pe_writer *writer, const struct pe_series *series);

/* How many samples the series at hand has, in one batch: if there is no room for them, that is
 * given away first. */
size_t pe_remote_make_room(struct pe_writer *writer);

/* So many samples were written; if they are enough, they are given away. */
void pe_remote_added(struct pe_writer *writer, size_t samples);

/* Gives away what is left. */
void pe_remote_end(struct pe_writer *writer);

/* A value for each series of a histogram, in the order of the text formats; `write` is called for
 * each of them. */
void pe_remote_histogram(struct pe_writer *writer, const struct pe_series *series,
			 const struct pe_histogram *histogram,
			 void (*write)(struct pe_writer *writer, enum pe_remote_name name,
				       const struct pe_series *series, const struct pe_labels *le,
				       double value));

/* Since when a series counts, 0 (none) if that is not before its sample: a receiver would refuse
 * it. */
static inline uint64_t pe_remote_created_ms(const struct pe_remote *remote,
					    const struct pe_series *series)
{
	const uint64_t created_ms = series->created_ns / PE_NS_PER_MS;

	return created_ms < remote->at_ns / PE_NS_PER_MS ? created_ms : 0;
}

extern const struct pe_writer_ops pe_remote_write_1_writer;
extern const struct pe_writer_ops pe_remote_write_2_writer;
/* Makes `out` a body of the series in it. */
void pe_remote_write_2_close(struct pe_writer *writer);
extern const struct pe_writer_ops pe_otlp_writer;
/* Likewise. */
void pe_otlp_close(struct pe_writer *writer);

/* Replaces *body by a gzip stream of `plain`. 0 or -ENOMEM. */
int pe_remote_gzip(struct pe_gzip *gzip, const struct pe_strbuf *plain, struct pe_strbuf *body);

#endif
