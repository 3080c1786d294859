/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what the kernel side reports of a task to who it is. One thread. */
#ifndef PE_IDENTITY_DESCRIBE_H
#define PE_IDENTITY_DESCRIBE_H

#include "sources.h"

/* `match` is of the record. 0 or -ENOMEM; the caller owns the one reference. */
int pe_describe(struct pe_sources_of_names *sources, const struct pe_task_record *record,
		const struct pe_cgroup_match *match, struct pe_identity **ret_identity);

#endif
