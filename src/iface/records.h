/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records of all interfaces. There is one look-up, by struct pe_ifkey, and it is the link
 * monitor's: a link hands its record back (pe_link.owner). There is one walk, over those in certain
 * states, oldest first; it costs nothing while none is. The supervisor's thread.
 */
#ifndef PE_IFACE_RECORDS_H
#define PE_IFACE_RECORDS_H

#include "record.h"

struct pe_records;

/* The monitor is borrowed. 0 or -ENOMEM; the caller owns *ret_records. */
int pe_records_new(struct pe_monitor *monitor, struct pe_records **ret_records);

/* Frees all records. NULL is fine. Returns NULL. */
struct pe_records *pe_records_free(struct pe_records *records);

/* Makes the record of a link, which becomes its owner: not watched. NULL for want of memory. */
struct pe_iface *pe_records_add(struct pe_records *records, struct pe_link *link);

/* Frees a record, whose interface has gone. NULL is fine. */
void pe_records_remove(struct pe_records *records, struct pe_iface *iface);

/* The record of an interface that exists, NULL if there is none. */
struct pe_iface *pe_records_find(const struct pe_records *records, struct pe_ifkey key);

/* The same in the namespace of the exporter. */
static inline struct pe_iface *pe_records_find_index(const struct pe_records *records, int ifindex)
{
	return pe_records_find(records, pe_ifkey_own(ifindex));
}

/* Sets or clears states (PE_IFACE_*). */
void pe_records_set(struct pe_records *records, struct pe_iface *iface, unsigned int states,
		    bool set);

/* How many are in this state. */
unsigned int pe_records_count(const struct pe_records *records, unsigned int state);

/*
 * The walk: the next record after `iface`, or the first one for NULL, that is in this state; NULL
 * at the end. The state of one that was returned may change meanwhile; it must not be removed.
 */
struct pe_iface *pe_records_next(const struct pe_records *records, const struct pe_iface *iface,
				 unsigned int state);

/* For each in this state. */
#define pe_records_for_each(records, iface, state)                                  \
	for (struct pe_iface *iface = pe_records_next(records, NULL, state); iface; \
	     iface = pe_records_next(records, iface, state))

/* The next one that is watched, in turn from call to call, round and round; NULL if none is. */
struct pe_iface *pe_records_in_turn(struct pe_records *records);

#endif
