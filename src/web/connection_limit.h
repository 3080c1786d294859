/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which connection has to go when more come than there are slots.
 *
 * A server that is full and waits until a connection ends can be shut by whoever holds his. So a
 * new one always gets a slot, and if that is one too many, another is evicted: the one that has
 * waited longest without a whole request. Those whose request is being answered stay before them,
 * but leave a quarter of the slots to those that are about to ask: slow readers shut nobody out
 * either.
 *
 * One limit a listening socket, used by libmicrohttpd's thread of that socket alone, but for
 * pe_connection_limit_evicted().
 */
#ifndef PE_WEB_CONNECTION_LIMIT_H
#define PE_WEB_CONNECTION_LIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct pe_connection_limit;

struct pe_connection_slot {
	TAILQ_ENTRY(pe_connection_slot) link;
	struct pe_connection_limit *limit;
	int fd;
	bool answering; /* its request has come, its answer has not ended */
	bool suspended; /* another thread decides how long; in no list, and takes no slot */
	bool evicted;	/* in no list any more */
};

TAILQ_HEAD(pe_connection_slots, pe_connection_slot);

struct pe_connection_limit {
	/* Each begins with the one that has been there longest. */
	struct pe_connection_slots waiting, answering;
	unsigned int waiting_count, answering_count;
	unsigned int max;
	uint64_t evicted; /* atomic */
};

void pe_connection_limit_init(struct pe_connection_limit *limit, unsigned int max);

/* A connection begins; the slot must live until pe_connection_slot_release(). The socket stays the
 * caller's, and must be open as long. */
void pe_connection_slot_take(struct pe_connection_limit *limit, struct pe_connection_slot *slot,
			     int fd);
void pe_connection_slot_release(struct pe_connection_slot *slot);

/* A whole request has come, or is resumed; an answer has ended. */
void pe_connection_slot_answer(struct pe_connection_slot *slot);
void pe_connection_slot_wait(struct pe_connection_slot *slot);

/* The connection is suspended: it would not see that it is evicted. How many there may be is the
 * caller's to bound. */
void pe_connection_slot_suspend(struct pe_connection_slot *slot);

/* Evicts one although there are slots, for what there is too little of. False if there is none that
 * can be. */
bool pe_connection_limit_evict(struct pe_connection_limit *limit);

/* How many were evicted until now. Any thread. */
uint64_t pe_connection_limit_evicted(const struct pe_connection_limit *limit);

#endif
