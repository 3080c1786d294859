/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The encoder: a snapshot as text or protobuf, a piece at a time.
 *
 * OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/), Prometheus text 0.0.4
 * or delimited protobuf (https://prometheus.io/docs/instrumenting/exposition_formats/). The order
 * is fixed: families as in the catalogue (catalogue.h), groups by labels and interfaces by name
 * within each.
 * An encoder keeps one buffer, as large as the largest (family, interface) or (family, group) pair,
 * whatever the size of the whole answer. One thread at a time; nothing blocks.
 */
#ifndef PE_ENCODE_H
#define PE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct pe_snapshot;
struct pe_encoder;
struct pe_strbuf;

enum pe_format {
	PE_FORMAT_TEXT,	       /* 0.0.4 */
	PE_FORMAT_OPENMETRICS, /* 1.0.0 */
	PE_FORMAT_PROTOBUF,    /* io.prometheus.client.MetricFamily, each behind its length */
};

/* What a series is of. */
enum pe_part_level {
	PE_PART_HOST,
	PE_PART_GROUP,
	PE_PART_IFACE,
	PE_PART_SELF, /* the exporter */
};

/* Labels of its identity that every series of an interface may have (--interface.labels): X(enum
 * pe_iface_label without its prefix, the label's name). */
#define PE_IFACE_LABELS_X(X)    \
	X(CONTAINER, container) \
	X(POD, pod)             \
	X(NAMESPACE, namespace) \
	X(WORKLOAD, workload)

#define PE_IFACE_LABEL_ENUM(label, name) PE_IFACE_##label,
enum pe_iface_label {
	PE_IFACE_LABELS_X(PE_IFACE_LABEL_ENUM) PE_IFACE_LABELS,
};

enum pe_iface_detail {
	PE_DETAIL_BASIC, /* packets, bytes, and what was not observed or overcounted */
	PE_DETAIL_FULL,	 /* every family that groups have, too */
};

/* Families by their index in the catalogue (catalogue.h). */
#define PE_FAMILIES_MAX 256
struct pe_family_set {
	uint64_t bit[PE_FAMILIES_MAX / 64];
};

/* What is exposed, in whichever way. */
struct pe_expose_options {
	struct pe_family_set left_out; /* by pe_catalogue_leave_out(); people's JSON has all */
	bool legacy; /* add total_packets and total_throughput of the original exporter */
	enum pe_iface_detail detail; /* of interfaces */
	bool created; /* OpenMetrics: since when a series counts, a line each; protobuf always says
			 it */
	unsigned int iface_labels; /* set of bits, by enum pe_iface_label */
};

struct pe_encode_options {
	enum pe_format format;
	struct pe_expose_options show;
	bool no_process; /* leave process_* out: they collide with the Pushgateway's own */
};

/* The Content-Type of a format, with version and charset: a constant. Any thread. */
const char *pe_format_content_type(enum pe_format format);

/* Takes a reference to the snapshot. 0 or -ENOMEM. The caller owns *ret_encoder, which belongs to
 * one thread at a time. */
int pe_encoder_new(struct pe_snapshot *snapshot, const struct pe_encode_options *options,
		   struct pe_encoder **ret_encoder);
/* Gives the reference back. NULL is fine. Returns NULL. */
struct pe_encoder *pe_encoder_free(struct pe_encoder *encoder);

/*
 * The next bytes, at most `size` (> 0). Returns how many (short only at the end), 0 at the end,
 * -ENOMEM if memory is refused; the answer is then incomplete and must not be sent as complete.
 */
ssize_t pe_encoder_read(struct pe_encoder *encoder, char *buf, size_t size);

/*
 * Appends all that there is of one item as a JSON object: a member for each family that has
 * samples, named as in the text formats, an array of its samples. The item is the i-th group or
 * interface of the snapshot; of the host and the exporter 0 is the only one. Its own labels are
 * left out. 0 or -ENOMEM. Not while pe_encoder_read() is in the middle of an answer.
 */
int pe_encoder_add_json(struct pe_encoder *encoder, enum pe_part_level level, size_t i,
			struct pe_strbuf *out);

#endif
