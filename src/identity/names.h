/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of containers that are about to run, as their runtime has passed them to others: until the
 * container runs. A bounded number; the oldest go first. One thread.
 */
#ifndef PE_IDENTITY_NAMES_H
#define PE_IDENTITY_NAMES_H

#include <stdbool.h>

#include "pe/abi.h"

struct pe_names;

/* Terminated, "" for what is unknown. */
struct pe_name {
	char pod[PE_TASK_ARGS_MAX];
	char namespace[PE_TASK_ARGS_MAX];
	char container[PE_TASK_ARGS_MAX];
};

/* 0 or -ENOMEM. */
int pe_names_new(struct pe_names **ret_names);
/* NULL is fine. Returns NULL. */
struct pe_names *pe_names_free(struct pe_names *names);

/*
 * Remembers what a record names, unless its id has been named: an id is made up just before, so who
 * knows it first is its runtime. Out of memory, it is forgotten.
 */
void pe_names_put(struct pe_names *names, const struct pe_task_names *record);

/* Whether a kind of record has named this id; *ret_name is set in any case. */
bool pe_names_find(const struct pe_names *names, enum pe_task_record_kind kind, const char *id,
		   struct pe_name *ret_name);

#endif
