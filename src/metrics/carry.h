/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an entry of the registry keeps when its counters go to another use.
 *
 * Carrying reads a token for the last time, adds that to the entry, and gives the token back.
 * Protected by the registry's mutex.
 */
#ifndef PE_METRICS_CARRY_H
#define PE_METRICS_CARRY_H

#include "pe/registry.h"

#include "table.h"

/* Where counters come from. */
struct pe_carry_source {
	const struct pe_registry_ops *ops;
	void *userdata;
};

/* An entry without the token is left as it is, by each of these. */
void pe_carry_rows(const struct pe_carry_source *source, struct pe_entry *entry);
/* 0 or -ENOMEM (nothing changed). */
int pe_carry_flows(const struct pe_carry_source *source, struct pe_entry *entry);
void pe_release_rows(const struct pe_carry_source *source, struct pe_entry *entry);
void pe_release_flows(const struct pe_carry_source *source, struct pe_entry *entry);

/* Adds to the flows an entry carries. 0 or -ENOMEM (nothing was added). */
int pe_carry_sample(struct pe_entry *entry, const struct pe_flow_sample *flows);

void pe_set_token(struct pe_entry *entry, uint32_t token);

#endif
