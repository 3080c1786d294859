/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of families: what is exported, under which name, and how a snapshot becomes it.
 *
 * Each families_*.c holds a part of the table; the walk (encode.c) goes through them in order and
 * calls `emit` once for each interface, or once for the snapshot. An emit function gives samples to
 * the writer; a family is announced to the writer with its first sample. One thread at a time.
 */
#ifndef PE_EXPOSE_FAMILIES_H
#define PE_EXPOSE_FAMILIES_H

#include "pe/sample.h"

#include "writer.h"

struct pe_emit {
	struct pe_writer writer;
	const struct pe_snapshot *snapshot;
	const struct pe_family *family;
	bool begun; /* the writer knows the family */
	/* Of the series at hand: */
	struct pe_label_set labels;
	uint64_t created_ns;
	/* Families of an interface only: */
	const struct pe_iface_sample *iface;
	struct pe_labels iface_labels; /* interface */
	int labelled;		       /* the direction in `labels`, -1 if none */
	struct pe_top_flow *top;       /* scratch, grows */
	size_t top_size;
	struct pe_strbuf endpoint[2]; /* scratch: values of labels */
	bool no_memory;		      /* for the scratch */
};

/* Which numbers must exist for a family to have a meaning. */
#define PE_WANTS_TOP	 0x01
#define PE_WANTS_PUSH	 0x02
#define PE_WANTS_PROCESS 0x04
#define PE_WANTS_LEGACY	 0x08

/* The values of a label of which an array has a number each. */
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
	const char *label_names; /* "interface, direction"; NULL: none but that of `values` */
	unsigned int wants;
	bool per_iface;
	void (*emit)(struct pe_emit *emit);
	size_t offset;			      /* of the number in the structure that emit reads */
	const struct pe_label_values *values; /* of an array of numbers */
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

/* protocol, by enum pe_proto. */
extern const struct pe_labels pe_proto_labels[PE_PROTO_COUNT];
/* direction */
extern const struct pe_labels pe_direction_labels[PE_DIRECTIONS];
/* reason */
extern const struct pe_labels pe_unobserved_labels[PE_UNOBSERVED_REASONS];

/* The number at an offset; it may be a uint64_t or a __u64, which C treats as different types. */
static inline uint64_t pe_number_at(const void *base, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const char *)base + offset, sizeof(value));
	return value;
}

/* Begins a series that counts since `created_ns` (wall clock), without labels. */
static inline void pe_emit_begin(struct pe_emit *emit, uint64_t created_ns)
{
	pe_label_set_clear(&emit->labels);
	emit->created_ns = created_ns;
	emit->labelled = -1;
}

/* The same of the interface at hand. */
static inline void pe_emit_begin_iface(struct pe_emit *emit)
{
	pe_emit_begin(emit, emit->iface->body.created_ns);
	pe_label_set_add_all(&emit->labels, &emit->iface_labels);
}

static inline void pe_emit_begin_direction(struct pe_emit *emit, unsigned int direction)
{
	if (emit->labelled == (int)direction)
		return;
	pe_emit_begin_iface(emit);
	pe_label_set_add_all(&emit->labels, &pe_direction_labels[direction]);
	emit->labelled = (int)direction;
}

/* Gives a sample to the writer: of the series begun, with further labels or NULL. */
void pe_emit_value(struct pe_emit *emit, const struct pe_labels *more, struct pe_value value);
void pe_emit_histogram(struct pe_emit *emit, const struct pe_labels *more,
		       const struct pe_histogram *histogram);

static inline void pe_emit_number(struct pe_emit *emit, const struct pe_labels *more,
				  uint64_t number)
{
	pe_emit_value(emit, more, (struct pe_value){ .number = number });
}

/* One series of a direction, left out if zero. The labels before it are set when needed. */
static inline void pe_emit_direction(struct pe_emit *emit, unsigned int direction,
				     const struct pe_labels *more, uint64_t number)
{
	if (number == 0)
		return;
	pe_emit_begin_direction(emit, direction);
	pe_emit_number(emit, more, number);
}

#endif
