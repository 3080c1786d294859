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

/* What the token counts and what is carried, overwriting ret_row[PE_DIRECTIONS]. */
void pe_carry_read_rows(const struct pe_carry_source *source, const struct pe_entry *entry,
			struct pe_row *ret_row);

/* Memory for pe_carry_rows(), which then cannot fail. 0 or -ENOMEM. */
int pe_carry_reserve_rows(struct pe_entry *entry);

/*
 * Where memory is refused the entry keeps the token, and the counts stay where they are: nothing is
 * lost, but a slot is used for longer. An entry without the token is left as it is.
 */
void pe_carry_rows(const struct pe_carry_source *source, struct pe_entry *entry);
void pe_release_rows(const struct pe_carry_source *source, struct pe_entry *entry);
void pe_release_flows(const struct pe_carry_source *source, struct pe_entry *entry);

/*
 * Carries the flows of `from` in `to`: those of the token, which is given back, and if the two are
 * not the same, those that `from` carries, which then must go. 0 or -ENOMEM (nothing changed).
 */
int pe_carry_flows(const struct pe_carry_source *source, struct pe_entry *from,
		   struct pe_entry *to);

void pe_set_token(struct pe_entry *entry, uint32_t token);

#endif
