/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See ledger.h. A group that is in the last state and not in this one has ended, and PE_GROUP_OTHER
 * has all of it: also what was written under the group's own labels, which must not be written
 * again.
 */
#include "ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void pe_ledger_fini(struct pe_ledger *ledger)
{
	free(ledger->before.sum);
	free(ledger->now.sum);
}

void pe_ledger_commit(struct pe_ledger *ledger)
{
	const struct pe_ledger_sums before = ledger->before;

	ledger->before = ledger->now;
	ledger->now = before;
}

static int compare(const void *a, const void *b)
{
	const struct pe_ledger_sum *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static int fill(struct pe_ledger_sums *sums, const struct pe_snapshot *snapshot)
{
	if (snapshot->group_count > sums->size) {
		struct pe_ledger_sum *sum =
			reallocarray(sums->sum, snapshot->group_count, sizeof(*sum));

		if (!sum)
			return -ENOMEM;
		sums->sum = sum;
		sums->size = snapshot->group_count;
	}
	sums->count = snapshot->group_count;
	for (size_t i = 0; i < sums->count; i++) {
		sums->sum[i].id = snapshot->groups[i].id;
		memcpy(sums->sum[i].ended, snapshot->groups[i].ended, sizeof(sums->sum[i].ended));
	}
	if (sums->count > 0)
		qsort(sums->sum, sums->count, sizeof(*sums->sum), compare);
	return 0;
}

static const struct pe_ledger_sum *find(const struct pe_ledger_sums *sums, uint64_t id)
{
	const struct pe_ledger_sum key = { .id = id };

	return sums->count ? bsearch(&key, sums->sum, sums->count, sizeof(key), compare) : NULL;
}

/* What was written of groups that have ended since. */
static void sum_up_ended(const struct pe_ledger *ledger, pe_ledger_row *ret_row)
{
	memset(ret_row, 0, sizeof(*ret_row));
	for (size_t i = 0; i < ledger->before.count; i++)
		for (size_t d = 0; d < PE_DIRECTIONS; d++)
			if (!find(&ledger->now, ledger->before.sum[i].id))
				pe_count_add(&(*ret_row)[d], &ledger->before.sum[i].ended[d]);
}

static uint64_t above(uint64_t all, uint64_t written)
{
	return all > written ? all - written : 0;
}

int pe_ledger_balance(struct pe_ledger *ledger, const struct pe_snapshot *snapshot,
		      pe_ledger_row **ret_rows)
{
	pe_ledger_row *rows = calloc(snapshot->group_count + 1, sizeof(*rows)), ended;
	int r = rows ? fill(&ledger->now, snapshot) : -ENOMEM;

	if (r < 0) {
		free(rows);
		return r;
	}
	sum_up_ended(ledger, &ended);
	for (size_t i = 0; i < snapshot->group_count; i++) {
		const struct pe_group_sample *group = &snapshot->groups[i];
		const struct pe_ledger_sum *before = find(&ledger->before, group->id);

		for (size_t d = 0; d < PE_DIRECTIONS; d++) {
			struct pe_count written = { 0 };

			if (before)
				written = before->ended[d];
			if (group->id == PE_GROUP_OTHER_ID)
				pe_count_add(&written, &ended[d]);
			rows[i][d].packets = above(group->ended[d].packets, written.packets);
			rows[i][d].bytes = above(group->ended[d].bytes, written.bytes);
		}
	}
	*ret_rows = rows;
	return 0;
}
