/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Groups by their labels, at most so many. Protected by the registry's mutex.
 */
#ifndef PE_SERIES_GROUPS_H
#define PE_SERIES_GROUPS_H

#include "accumulator.h"

struct pe_group {
	struct pe_accumulator total; /* first: a feed leads to it */
	struct pe_node by_labels;
	const char *label[PE_GROUP_LABELS]; /* never NULL */
	uint64_t live, arrived, departed;   /* arrived = live + departed */
	/* As in struct pe_group_sample. */
	struct pe_count ended[PE_DIRECTIONS];
	uint64_t ended_ns;
	uint64_t id;
	bool used;			/* the others' group is there from the start */
	struct pe_group *newer, *older; /* of those without live members */
	char text[];
};

struct pe_groups {
	unsigned int by; /* set of PE_GROUP_BIT() */
	size_t max;	 /* 0 is no limit */
	struct pe_table by_labels;
	struct pe_group *oldest, *newest; /* without live members, by when the last one went */
	struct pe_group *other;
	uint64_t next_id;
};

/* 0 or -ENOMEM; then pe_groups_fini() is fine. */
int pe_groups_init(struct pe_groups *groups, unsigned int by, size_t max);
/* Nothing may feed a group any more. */
void pe_groups_fini(struct pe_groups *groups);

/*
 * The group of these labels, but for those that do not distinguish groups; makes it, at the cost of
 * the least recently used one without live members if there are too many. If there is none of that
 * kind, or no memory for what it leaves, it is the group of the others. NULL if memory is refused.
 */
struct pe_group *pe_groups_open(struct pe_groups *groups, const char *const label[PE_GROUP_LABELS],
				uint64_t now_ns);

/* The labels of an interface, or of what is behind it; the identity may be NULL. Borrowed. */
void pe_groups_name(const char *kind, const char *master, const struct pe_identity *identity,
		    const char *ret_label[PE_GROUP_LABELS]);

/* Makes it only if there is room, and if memory is refused not at all. */
void pe_groups_prepare(struct pe_groups *groups, const char *const label[PE_GROUP_LABELS],
		       uint64_t now_ns);

/* A member comes, and it goes: to another group if it is live. A departed one does both at once. */
void pe_group_arrive(struct pe_groups *groups, struct pe_group *group);
void pe_group_depart(struct pe_groups *groups, struct pe_group *group);

/* Members that went, the last of them at `at_ns`, had moved so much. */
void pe_group_end(struct pe_group *group, const struct pe_count moved[PE_DIRECTIONS],
		  uint64_t at_ns);

static inline struct pe_group *pe_group_of_node(struct pe_node *node)
{
	return (struct pe_group *)((char *)node - offsetof(struct pe_group, by_labels));
}

#endif
