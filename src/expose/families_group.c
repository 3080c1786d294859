/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Families of groups alone: how many interfaces a group has and had. One thread at a time. */
#include "families.h"

/* offset: in struct pe_group_sample */
static void emit_members(struct pe_emit *emit)
{
	pe_emit_begin_item(emit);
	pe_emit_number(emit, NULL, pe_number_at(emit->group, emit->family->offset));
}

static const struct pe_family families[] = {
	{ .name = "interfaces",
	  .type = PE_GAUGE,
	  .help = "Live interfaces of the group.",
	  .details = "A group has the labels that `--group.by` names. The sum of a counter over "
		     "all groups is that of the host, but for what a new interface counts before "
		     "it is known whose it is.",
	  .emit = emit_members,
	  .offset = offsetof(struct pe_group_sample, interfaces) },
	{ .name = "interfaces_arrived",
	  .type = PE_COUNTER,
	  .help = "Interfaces that became members of the group.",
	  .emit = emit_members,
	  .offset = offsetof(struct pe_group_sample, arrived) },
	{ .name = "interfaces_departed",
	  .type = PE_COUNTER,
	  .help = "Interfaces that are gone, or members of another group now.",
	  .emit = emit_members,
	  .offset = offsetof(struct pe_group_sample, departed) },
};

const struct pe_family_table pe_families_group = {
	families,
	sizeof(families) / sizeof(families[0]),
};
