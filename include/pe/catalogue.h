/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is exported, for documents: every metric family with its type, its labels and its meaning,
 * read from the tables that the encoder goes through. Constant; any thread; nothing blocks.
 */
#ifndef PE_CATALOGUE_H
#define PE_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "pe/encode.h"

#define PE_CATALOGUE_NAME_MAX	96
#define PE_CATALOGUE_LABELS_MAX 192

struct pe_catalogue_entry {
	const char *section; /* the heading above it, if it is the first of a section, else NULL */
	char name[PE_CATALOGUE_NAME_MAX]; /* as in the text format: a counter's ends in _total */
	const char *type;		  /* "counter", "gauge", "histogram", "info" */
	/* "interface, direction" or ""; without a histogram's le. Those that options choose
	 * (--group.by, --interface.labels) are as by default. */
	char labels[PE_CATALOGUE_LABELS_MAX];
	/* Sentences; `x` is a literal. */
	const char *help;      /* the HELP of the exposition */
	const char *details;   /* what the HELP has no place for, or "", also if a family of
				* another level has the same */
	const char *condition; /* when the family exists, or "" for always */
};

/*
 * Fills *ret_entry with the family of this index, from 0 on, in the order in which families are
 * exposed. False, and *ret_entry is unchanged, behind the last one. The strings are static.
 */
bool pe_catalogue_get(size_t index, struct pe_catalogue_entry *ret_entry);

/*
 * Adds to the set all families but those whose whole name, as pe_catalogue_get() has it, matches
 * `include` and does not match `exclude`: POSIX extended regular expressions, "" or NULL for all
 * and for none. 0; -ENOENT if the set has all of them then; -EINVAL for what is no expression;
 * -ENOMEM. Any thread; compiles.
 */
int pe_catalogue_leave_out(const char *include, const char *exclude, struct pe_family_set *set);

/* Whether a series of any family can have a label of this name, whatever the options; le of
 * histograms included. */
bool pe_catalogue_has_label(const char *name);

#endif
