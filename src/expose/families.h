/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of families: what is exported, under which name, and how a snapshot becomes it.
 *
 * What is counted is exported at three levels: of the host, of each group, of each interface. A
 * family of it stands in one table, which is walked at each level under the level's prefix and with
 * the level's labels. Each families_*.c holds one or two tables; the walk (encode.c) goes through
 * the parts in order and calls `emit` once for each item of the part's level. An emit function
 * gives samples to the writer; a family is announced to the writer with its first sample. One
 * thread at a time.
 */
#ifndef PE_EXPOSE_FAMILIES_H
#define PE_EXPOSE_FAMILIES_H

#include "pe/encode.h"
#include "pe/identity.h"
#include "pe/sample.h"

#include "ledger.h"
#include "writer.h"

#define PE_FAMILY_NAME_MAX 96

struct pe_emit {
	struct pe_writer writer;
	const struct pe_snapshot *snapshot;
	struct pe_expose_options show;
	const struct pe_part *part;
	const struct pe_family *family;
	bool begun;		       /* the writer knows the family */
	char name[PE_FAMILY_NAME_MAX]; /* prefix and name of the family that it knows */
	/* Of the series at hand: */
	struct pe_label_set labels;
	uint64_t created_ns;
	uint64_t at_ns;
	/* Of the item at hand; at the exporter's own level there is none of it. */
	const struct pe_series_body *body;
	const struct pe_group_sample *group; /* NULL but at the level of groups */
	const struct pe_iface_sample *iface; /* likewise of interfaces */
	struct pe_labels base;		     /* what all its series have */
	const pe_ledger_row *ledger;	     /* by group */
	bool zeros;		 /* the usual protocols are shown before their first packet */
	int labelled;		 /* the direction in `labels`, -1 if none */
	struct pe_top_flow *top; /* scratch, grows */
	size_t top_size;
	struct pe_strbuf endpoint[2]; /* scratch: values of labels */
	bool no_memory;		      /* for the scratch */
};

/* Which numbers must exist for a family to have a meaning. */
#define PE_WANTS_TOP	   0x01
#define PE_WANTS_PUSH	   0x02
#define PE_WANTS_PROCESS   0x04
#define PE_WANTS_LEGACY	   0x08
#define PE_WANTS_DETAIL	   0x10
#define PE_WANTS_IDENTITY  0x20
#define PE_WANTS_FLOWS	   0x40
#define PE_WANTS_SINKS	   0x80
#define PE_WANTS_LEDGER	   0x100
#define PE_WANTS_DROPS	   0x200
#define PE_WANTS_TCP	   0x400
#define PE_WANTS_OVERFLOWS 0x800
#define PE_WANTS_DNS	   0x1000

/* Timestamps are shown in milliseconds, durations to the nanosecond. */
#define TIMESTAMP_DECIMALS 3
#define DURATION_DECIMALS  9

/* The values of a label of which an array has a number each. */
struct pe_label_values {
	const char *name;
	const char *const *values;
	size_t count;
};
extern const struct pe_label_values pe_sink_results; /* by enum pe_sink_result */

struct pe_family {
	const char *name; /* behind the part's prefix */
	enum pe_type type;
	const char *unit;	 /* the name's suffix, or NULL */
	const char *help;	 /* exposed */
	const char *details;	 /* what documents say beside it, or NULL; `x` is a literal */
	const char *label_names; /* "direction, family"; NULL: none but that of `values` */
	unsigned int wants;
	unsigned int iface_wants; /* further ones at the level of interfaces */
	void (*emit)(struct pe_emit *emit);
	size_t offset;			      /* of the number in the structure that emit reads */
	const struct pe_label_values *values; /* of an array of numbers */
};

struct pe_family_table {
	const struct pe_family *families;
	size_t count;
};

/* A table at a level. */
struct pe_part {
	const char *section; /* of documents: the heading above it, or NULL */
	const char *prefix;
	const char *label_names; /* of the level, by default; those of a family follow */
	enum pe_part_level level;
	const struct pe_family_table *table;
	bool repeats; /* the table was walked at a level before this one */
};

/* All of them, in the order in which they are exposed. */
#define PE_PARTS 20
extern const struct pe_part pe_parts[PE_PARTS];

extern const struct pe_family_table pe_families_counters;
extern const struct pe_family_table pe_families_flow;
extern const struct pe_family_table pe_families_tcp;
extern const struct pe_family_table pe_families_dns;
extern const struct pe_family_table pe_families_dns_self;
extern const struct pe_family_table pe_families_group;
extern const struct pe_family_table pe_families_iface;
extern const struct pe_family_table pe_families_top;
extern const struct pe_family_table pe_families_legacy;
extern const struct pe_family_table pe_families_self;
extern const struct pe_family_table pe_families_drops;
extern const struct pe_family_table pe_families_sink;
extern const struct pe_family_table pe_families_ledger;

/* What a family needs at a level: PE_WANTS_*. */
static inline unsigned int pe_family_wants(const struct pe_family *family, enum pe_part_level level)
{
	return family->wants | (level == PE_PART_IFACE ? family->iface_wants : 0);
}

/* Labels of an identity, X(label, its name, which is also a field of struct pe_identity). The first
 * ones, by enum pe_iface_label, may be on every series of an interface. */
#define PE_IDENTITY_LABELS_X(X)       \
	PE_IFACE_LABELS_X(X)          \
	X(IMAGE, image)               \
	X(RUNTIME, runtime)           \
	X(CONTAINER_ID, container_id) \
	X(POD_UID, pod_uid)
#define PE_IDENTITY_LABEL_ONE(label, name) +1
#define PE_IDENTITY_LABELS		   (0 PE_IDENTITY_LABELS_X(PE_IDENTITY_LABEL_ONE))

struct pe_identity_label {
	const char *name;
	size_t offset; /* in struct pe_identity */
};
extern const struct pe_identity_label pe_identity_labels[PE_IDENTITY_LABELS];

/* Its value; "" of nobody. */
static inline const char *pe_identity_label_value(const struct pe_identity *identity,
						  const struct pe_identity_label *label)
{
	const char *value = "";

	if (identity)
		memcpy(&value, (const char *)identity + label->offset, sizeof(value));
	return value;
}

/* protocol, by enum pe_proto. */
extern const struct pe_labels pe_proto_labels[PE_PROTO_COUNT];
/* direction */
extern const struct pe_labels pe_direction_labels[PE_DIRECTIONS];
/* reason */
extern const struct pe_labels pe_unobserved_labels[PE_UNOBSERVED_REASONS];

/* Those that nearly every host has: their series begin at zero where `zeros` says so. */
static inline bool pe_proto_is_usual(size_t proto)
{
	return proto == PE_PROTO_TCP || proto == PE_PROTO_UDP || proto == PE_PROTO_ICMP ||
	       proto == PE_PROTO_ICMPV6;
}

/* The number at an offset; it may be a uint64_t or a __u64, which C treats as different types. */
static inline uint64_t pe_number_at(const void *base, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const char *)base + offset, sizeof(value));
	return value;
}

/* Where every series begins at zero, and not only those of the usual protocols. */
static inline bool pe_emit_is_host(const struct pe_emit *emit)
{
	return emit->part->level == PE_PART_HOST;
}

/* Begins a series that counts since `created_ns` (wall clock), without labels. */
static inline void pe_emit_begin(struct pe_emit *emit, uint64_t created_ns)
{
	pe_label_set_clear(&emit->labels);
	emit->created_ns = created_ns;
	emit->labelled = -1;
}

/* The same of the item at hand. */
static inline void pe_emit_begin_item(struct pe_emit *emit)
{
	pe_emit_begin(emit, emit->body->created_ns);
	pe_label_set_add_all(&emit->labels, &emit->base);
}

static inline void pe_emit_begin_direction(struct pe_emit *emit, unsigned int direction)
{
	if (emit->labelled == (int)direction)
		return;
	pe_emit_begin_item(emit);
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

/* One series of a direction, if it is zero only where `zero` says so. The labels before it are set
 * when needed. */
static inline void pe_emit_direction(struct pe_emit *emit, unsigned int direction,
				     const struct pe_labels *more, uint64_t number, bool zero)
{
	if (number == 0 && !zero)
		return;
	pe_emit_begin_direction(emit, direction);
	pe_emit_number(emit, more, number);
}

#endif
