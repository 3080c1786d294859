/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what the kernel side reports of a task to who it is. One thread. */
#ifndef PE_IDENTITY_DESCRIBE_H
#define PE_IDENTITY_DESCRIBE_H

#include "cgroups.h"
#include "docker.h"
#include "names.h"

/* Where names come from besides. */
struct pe_sources_of_names {
	struct pe_docker *docker; /* NULL: its files cannot be read */
	const struct pe_names *names;
	const struct pe_workload_rule *rules;
	size_t rule_count;
};

/* `match` is of the record. 0 or -ENOMEM; the caller owns the one reference. */
int pe_describe(const struct pe_sources_of_names *sources, const struct pe_task_record *record,
		const struct pe_cgroup_match *match, struct pe_identity **ret_identity);

#endif
