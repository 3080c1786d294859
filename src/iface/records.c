/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See records.h. A list in the order of arrival, and how many are in each state. */
#include "records.h"

#include <errno.h>
#include <stdlib.h>

struct pe_records {
	struct pe_monitor *monitor;
	struct pe_iface *first, *last;
	struct pe_iface *turn; /* the next one of pe_records_in_turn(), NULL: the first */
	unsigned int count[PE_IFACE_STATES];
};

int pe_records_new(struct pe_monitor *monitor, struct pe_records **ret_records)
{
	struct pe_records *records = calloc(1, sizeof(*records));

	if (!records)
		return -ENOMEM;
	records->monitor = monitor;
	*ret_records = records;
	return 0;
}

struct pe_records *pe_records_free(struct pe_records *records)
{
	while (records && records->first)
		pe_records_remove(records, records->first);
	free(records);
	return NULL;
}

struct pe_iface *pe_records_add(struct pe_records *records, struct pe_link *link)
{
	struct pe_iface *iface = calloc(1, sizeof(*iface));

	if (!iface)
		return NULL;
	iface->link = link;
	iface->attachment = (struct pe_attachment)PE_ATTACHMENT_INIT;
	iface->previous = records->last;
	*(records->last ? &records->last->next : &records->first) = iface;
	records->last = iface;
	link->owner = iface;
	return iface;
}

void pe_records_remove(struct pe_records *records, struct pe_iface *iface)
{
	if (!iface)
		return;
	pe_records_set(records, iface, iface->state, false);
	if (records->turn == iface)
		records->turn = iface->next;
	*(iface->previous ? &iface->previous->next : &records->first) = iface->next;
	*(iface->next ? &iface->next->previous : &records->last) = iface->previous;
	free(iface);
}

struct pe_iface *pe_records_find(const struct pe_records *records, struct pe_ifkey key)
{
	const struct pe_link *link =
		key.netns == PE_NETNS_OWN ? pe_monitor_find(records->monitor, key.ifindex) : NULL;

	return link ? link->owner : NULL;
}

void pe_records_set(struct pe_records *records, struct pe_iface *iface, unsigned int states,
		    bool set)
{
	for (unsigned int i = 0; i < PE_IFACE_STATES; i++) {
		unsigned int bit = states & 1u << i;

		if (!bit || !!(iface->state & bit) == set)
			continue;
		iface->state ^= bit;
		records->count[i] += set ? 1 : -1u;
	}
}

unsigned int pe_records_count(const struct pe_records *records, unsigned int state)
{
	return records->count[__builtin_ctz(state)];
}

struct pe_iface *pe_records_next(const struct pe_records *records, const struct pe_iface *iface,
				 unsigned int state)
{
	struct pe_iface *next = iface ? iface->next : records->first;

	if (!pe_records_count(records, state))
		return NULL;
	while (next && !(next->state & state))
		next = next->next;
	return next;
}

struct pe_iface *pe_records_in_turn(struct pe_records *records)
{
	struct pe_iface *iface = records->turn ? records->turn : records->first;

	if (!pe_records_count(records, PE_IFACE_WATCHED))
		return NULL;
	while (!(iface->state & PE_IFACE_WATCHED))
		iface = iface->next ? iface->next : records->first;
	records->turn = iface->next;
	return iface;
}
