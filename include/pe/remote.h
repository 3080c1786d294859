/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A snapshot as the bodies of requests to a receiver of time series: remote write 1.0
 * and 2.0 (https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/), or OTLP/HTTP
 * (https://opentelemetry.io/docs/specs/otlp/). The same walk as that of scrapes, so the same
 * families in the same order, cut into batches and compressed.
 *
 * All samples have the time that the caller gives, but for those of the ledger, which have that of
 * the last end; times of one receiver must rise from snapshot to snapshot. In remote write the
 * labels of a series are sorted, unique, UTF-8, and none is empty. In OTLP the labels of all series
 * are attributes of the resource, names are those of its conventions where it has any, and a
 * histogram is one sample.
 */
#ifndef PE_REMOTE_H
#define PE_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pe/encode.h"

struct pe_snapshot;

enum pe_remote_format {
	PE_REMOTE_WRITE_1,
	PE_REMOTE_WRITE_2, /* with metadata, and since when series count */
	PE_REMOTE_OTLP,
};
#define PE_REMOTE_FORMATS (PE_REMOTE_OTLP + 1)

/* What a request's body is, for its headers. Constants. */
struct pe_remote_headers {
	const char *content_type;
	const char *content_encoding;
	const char *version; /* X-Prometheus-Remote-Write-Version, or NULL */
};

/* Any thread. */
const struct pe_remote_headers *pe_remote_headers(enum pe_remote_format format);

/* Whether points of OTLP can have an attribute of this name, whatever the options. Any thread. */
bool pe_remote_otlp_has_attribute(const char *name);

struct pe_remote_label {
	const char *name;
	const char *value; /* "" is none */
};

#define PE_REMOTE_LABELS_MAX 32

/*
 * What a receiver has of earlier states. Which series: one that is new begins with a sample of
 * zero, so that what it counted before its first state is in increase(). And the ledger of what
 * ended: packet_exporter_ended_packets and _bytes have what interfaces had moved that ended since
 * the last state, so the sum over all of their samples is exact. A series that is no longer in a
 * state gets a stale marker, in OTLP the flag NoRecordedValue: in the first state that is an
 * interval or more behind its last sample. Two hashes of 8 bytes a series, an index of them once
 * series come or go, some 40 bytes a group, and a reference to the snapshot of the last state. One
 * thread at a time.
 */
struct pe_births;

/* 0 or -ENOMEM. The caller owns *ret_births. */
int pe_births_new(struct pe_births **ret_births);
/* NULL is fine. Returns NULL. */
struct pe_births *pe_births_free(struct pe_births *births);

/* Before a state is encoded; `again`: the same one once more. One that failed does not count. */
void pe_births_begin(struct pe_births *births, bool again);

struct pe_remote_options {
	enum pe_remote_format format;
	struct pe_expose_options show;
	/* Of every series; no name twice, and none that a family has (pe_catalogue_has_label()). At
	 * most PE_REMOTE_LABELS_MAX. Borrowed. */
	const struct pe_remote_label *labels;
	size_t label_count;
	const char *host;   /* OTLP: the attribute host.name of the resource; NULL: none */
	uint64_t time_ns;   /* wall clock: of the samples */
	size_t max_samples; /* of a body, > 0; a series with its zero is never cut apart */
	/*
	 * What counts and is new has a sample of zero at zero_ns, before time_ns and behind the
	 * time of the last state. Those of an interface that is new have it an interval before it
	 * came; of one that had other labels none: it may only have another name. NULL: no zeros,
	 * and no ledger. Borrowed.
	 */
	struct pe_births *births;
	uint64_t zero_ns;
	/*
	 * With births, what interfaces have series, and when. One that is younger than min_age_ns
	 * has none, unless it came more than since_first_ns ago, before the first state; if it is
	 * still younger when it ends, it never has any. Its zero is an interval before it came, and
	 * its first value behind its end is at its end; hold_ns long that is repeated.
	 */
	uint64_t interval_ns;
	uint64_t min_age_ns;
	uint64_t since_first_ns;
	uint64_t hold_ns;
};

/* A body, compressed. Borrowed during the call. */
struct pe_remote_batch {
	const char *data;
	size_t len;
	size_t samples;
	/* It has what no later state repeats: what ended, and what it had moved. */
	bool ends;
	/* It has zeros of what is new, or last values of interfaces. */
	bool begins;
};

/* 0 or -errno, which ends the encoding. */
typedef int (*pe_remote_take)(void *userdata, const struct pe_remote_batch *batch);

/*
 * Loads what bodies are compressed with, unless that has been done. 0, or -ENOENT and in *ret_why
 * what is wrong, for a person. Any thread; the first call reads files.
 */
int pe_remote_load(const char **ret_why);

/*
 * Gives all bodies of a snapshot to `take`, in order; at least one. 0, -ENOMEM, or what `take`
 * returned. pe_remote_load() must have succeeded. One thread; nothing blocks but `take`.
 */
int pe_remote_encode(struct pe_snapshot *snapshot, const struct pe_remote_options *options,
		     pe_remote_take take, void *userdata);

/*
 * Gives the series of a body that pe_remote_encode() made of `from` to `take` again: as `to`, at
 * most max_samples (> 0) in each body, though in remote write no series is cut apart. Their samples
 * stay as they are; metadata and starts are lost from version 2 of remote write to 1. 0; -ENOTSUP
 * from version 1 to 2, and between remote write and OTLP; -EBADMSG if it is no such body, before
 * anything was given away; -ENOMEM, or what `take` returned. pe_remote_load() must have succeeded.
 * One thread; nothing blocks but `take`.
 */
int pe_remote_cut(const struct pe_remote_batch *batch, enum pe_remote_format from,
		  enum pe_remote_format to, size_t max_samples, pe_remote_take take,
		  void *userdata);

#endif
