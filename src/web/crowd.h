/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may stay when more connections come than there are places.
 *
 * A server that is full and waits until somebody goes can be shut by whoever holds his connections.
 * So a new one always enters, and if that is one too many, another is cut off: the one that has
 * waited longest without a whole request. Those whose request is being answered stay before them,
 * but leave a quarter of the places to those who are about to ask: slow readers shut nobody out
 * either.
 *
 * One crowd a listening socket, used by libmicrohttpd's thread of that socket alone, but for
 * pe_crowd_cut().
 */
#ifndef PE_EXPORT_CROWD_H
#define PE_EXPORT_CROWD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct pe_crowd;

struct pe_guest {
	TAILQ_ENTRY(pe_guest) link;
	struct pe_crowd *crowd;
	int fd;
	bool asked; /* its request has come, its answer has not ended */
	bool away;  /* somebody else decides how long; in no list, and takes no place */
	bool cut;   /* in no list any more */
};

TAILQ_HEAD(pe_guests, pe_guest);

struct pe_crowd {
	/* Each begins with who has been there longest. */
	struct pe_guests waiting, asking;
	unsigned int waiting_count, asking_count;
	unsigned int places;
	uint64_t cut; /* atomic */
};

void pe_crowd_init(struct pe_crowd *crowd, unsigned int places);

/* Takes the guest in; it must live until pe_crowd_leave(). The socket stays the caller's, and must
 * be open as long. */
void pe_crowd_enter(struct pe_crowd *crowd, struct pe_guest *guest, int fd);
void pe_crowd_leave(struct pe_guest *guest);

/* A whole request has come, or is back; an answer has ended. */
void pe_crowd_ask(struct pe_guest *guest);
void pe_crowd_wait(struct pe_guest *guest);

/* The connection is suspended: it would not see that it is cut off. How many there may be is the
 * caller's to bound. */
void pe_crowd_send_away(struct pe_guest *guest);

/* Cuts one off although there are places, for what there is too little of. False if nobody is there
 * who can be. */
bool pe_crowd_make_room(struct pe_crowd *crowd);

/* How many were cut off until now. Any thread. */
uint64_t pe_crowd_cut(const struct pe_crowd *crowd);

#endif
