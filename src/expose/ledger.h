/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ledger: what a receiver has been written of what interfaces that are gone had moved, by
 * group. A state's samples have the difference, so the sum over all samples ever is all that they
 * had moved. One thread at a time.
 */
#ifndef PE_EXPOSE_LEDGER_H
#define PE_EXPOSE_LEDGER_H

#include "pe/sample.h"

/* Sums of groups, by id. */
struct pe_ledger_sums {
	struct pe_ledger_sum {
		uint64_t id;
		struct pe_count ended[PE_DIRECTIONS];
	} * sum;
	size_t count, size;
};

/* Zeroed is empty. */
struct pe_ledger {
	struct pe_ledger_sums before, now; /* with the last state, with the one at hand */
};

typedef struct pe_count pe_ledger_row[PE_DIRECTIONS];

void pe_ledger_fini(struct pe_ledger *ledger);

/* The state at hand was written: the next one goes on from it. */
void pe_ledger_commit(struct pe_ledger *ledger);

/*
 * What a state adds, a row for each group of the snapshot in its order, and one that nobody reads.
 * The caller frees *ret_rows. 0 or -ENOMEM.
 */
int pe_ledger_balance(struct pe_ledger *ledger, const struct pe_snapshot *snapshot,
		      pe_ledger_row **ret_rows);

#endif
