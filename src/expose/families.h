/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of families: what is exported, under which name, and how a snapshot becomes it.
 *
 * Each families_*.c holds a part of the table; the encoder goes through them in order and calls
 * `emit` once for each interface, or once for the snapshot. An emit function writes samples only:
 * the encoder writes the metadata and drops it again when no sample follows. One thread at a time.
 */
#ifndef PE_METRICS_FAMILIES_H
#define PE_METRICS_FAMILIES_H

#include "pe/sample.h"

#include "writer.h"

struct pe_emit {
	struct pe_writer writer;
	const struct pe_snapshot *snapshot;
	const struct pe_family *family;
	/* Families of an interface only: */
	const struct pe_iface_sample *iface;
	struct pe_span iface_label; /* interface="…" */
	int labelled;		    /* the direction in the writer's labels, -1 if none */
	struct pe_top_flow *top;    /* scratch, grows */
	size_t top_size;
	bool no_memory; /* for the scratch */
};

/* Which numbers must exist for a family to have a meaning. */
#define PE_WANTS_TOP	 0x01
#define PE_WANTS_PUSH	 0x02
#define PE_WANTS_PROCESS 0x04
#define PE_WANTS_LEGACY	 0x08

struct pe_label_values {
	const char *name;
	const char *const *values;
	size_t count;
};

struct pe_family {
	const char *section; /* of documents: the heading above it, if it is the first of one */
	const char *name;
	enum pe_type type;
	const char *unit;	 /* the name's suffix, or NULL */
	const char *help;	 /* exposed */
	const char *details;	 /* what documents say beside it, or NULL; `x` is a literal */
	const char *label_names; /* "interface, direction"; NULL: none but that of `labels` */
	unsigned int wants;
	bool per_iface;
	void (*emit)(struct pe_emit *emit);
	size_t offset;			      /* of the number in the structure that emit reads */
	const struct pe_label_values *labels; /* of an array of numbers */
};

struct pe_family_table {
	const struct pe_family *families;
	size_t count;
};

/* All parts, in the order in which they are exposed. */
#define PE_FAMILY_TABLES 5
extern const struct pe_family_table *const pe_family_tables[PE_FAMILY_TABLES];

extern const struct pe_family_table pe_families_iface;
extern const struct pe_family_table pe_families_flow;
extern const struct pe_family_table pe_families_top;
extern const struct pe_family_table pe_families_departed;
extern const struct pe_family_table pe_families_self;

/* protocol="tcp", … by enum pe_proto. */
extern const struct pe_span pe_proto_label[PE_PROTO_COUNT];
/* direction="ingress", … */
extern const struct pe_span pe_direction_label[PE_DIRECTIONS];
/* reason="before_attach", … */
extern const struct pe_span pe_unobserved_label[PE_UNOBSERVED_REASONS];

/* The number at an offset; it may be a uint64_t or a __u64, which C takes for different types. */
static inline uint64_t pe_number_at(const void *base, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const char *)base + offset, sizeof(value));
	return value;
}

/* Begins a label set of the interface at hand. */
static inline void pe_emit_label_iface(struct pe_emit *emit)
{
	pe_writer_labels(&emit->writer, emit->iface->created_ns);
	pe_writer_label_text(&emit->writer, emit->iface_label.data, emit->iface_label.len);
	emit->labelled = -1;
}

static inline void pe_emit_label_direction(struct pe_emit *emit, unsigned int direction)
{
	const struct pe_span label = pe_direction_label[direction];

	if (emit->labelled == (int)direction)
		return;
	pe_emit_label_iface(emit);
	pe_writer_label_text(&emit->writer, label.data, label.len);
	emit->labelled = (int)direction;
}

/* One series of a direction, left out if zero. The labels before it are rendered when needed. */
static inline void pe_emit_direction(struct pe_emit *emit, unsigned int direction,
				     struct pe_span label, uint64_t value)
{
	if (value == 0)
		return;
	pe_emit_label_direction(emit, direction);
	pe_writer_value(&emit->writer, label, value);
}

#endif
