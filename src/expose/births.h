/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which series are new: see pe_births_new(). One thread at a time. */
#ifndef PE_EXPOSE_BIRTHS_H
#define PE_EXPOSE_BIRTHS_H

#include <sys/queue.h>

#include "pe/remote.h"

#include "labels.h"
#include "ledger.h"
#include "outline.h"

/* Hashes in the order in which they came, and once it is needed an index of them. */
struct pe_births_set {
	uint64_t *hash;
	uint32_t *item; /* of each; NULL if has_items is not set */
	bool has_items;
	size_t count, size;
	uint32_t *place; /* number of a hash, from 1 on; 0 is free */
	size_t places;	 /* a power of two */
	size_t indexed;
};

struct pe_gone;

/* A state, to walk it again: with the largest flows as a whole. Neither: there is none. */
struct pe_births_state {
	struct pe_snapshot *snapshot;
	struct pe_outline *outline;
	struct pe_remote_options options;
};

struct pe_births {
	struct pe_births_set before, now;
	size_t next; /* of `before`: what is expected to come next in `now` */
	struct pe_births_state last, current; /* `before` and `now` are of these */
	STAILQ_HEAD(, pe_gone) waiting;	      /* for their markers: gone.c */
	/* What is no longer in a state, but was so lately that a zero could be before its last
	 * sample: the younger and the older half. */
	struct pe_births_set gone[2];
	uint64_t turned_ns; /* the younger one became the older */
	size_t again;	    /* of `now`: how many were before */
	struct pe_ledger ledger;
	/* What interfaces were called in both. */
	struct pe_births_set labels_before, labels_now;
	bool gone_failed; /* `gone` lacks some */
	bool failed;	  /* `now` lacks some */
	bool complete;	  /* `now` has all of a state */
};

/* A hash that goes on from another one; 0 at first. */
static inline uint64_t pe_births_hash(uint64_t hash, struct pe_span text)
{
	const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t word;

	hash ^= text.len;
	for (; text.len >= sizeof(word); text.data += sizeof(word), text.len -= sizeof(word)) {
		memcpy(&word, text.data, sizeof(word));
		hash = (hash ^ word) * factor;
		hash ^= hash >> 32;
	}
	word = 0;
	if (text.len)
		memcpy(&word, text.data, text.len);
	hash = (hash ^ word) * factor;
	return hash ^ hash >> 29;
}

/* There is a series with this hash now, of this interface of the snapshot or of PE_BIRTHS_NO_IFACE.
 * True if there was none in the last state. Without memory it is false, and so is what
 * pe_births_end() returns. */
#define PE_BIRTHS_NO_IFACE UINT32_MAX
bool pe_births_add(struct pe_births *births, uint64_t hash, uint32_t iface);
/* An interface has these labels. True if one had in the last state. Likewise without memory. */
bool pe_births_had_labels(struct pe_births *births, uint64_t hash);
/* Whether there is one with this hash. True without memory, and pe_births_end() is false. */
bool pe_births_is(struct pe_births *births, uint64_t hash);
/* A state is encoded: keeps what its series are called. 0 or -ENOMEM. */
int pe_births_take(struct pe_births *births, const struct pe_remote_options *options,
		   struct pe_snapshot *snapshot);
/*
 * What the last state had and this one has not may be in a snapshot that this makes of the last
 * one; NULL if nothing is gone. pe_births_is_gone() says whether one of its series is. 0 or
 * -ENOMEM. The caller owns a reference.
 */
int pe_births_gone(struct pe_births *births, struct pe_snapshot **ret_snapshot);
bool pe_births_is_gone(struct pe_births *births, uint64_t hash);
/* Whether there was one with this hash lately, in a state before the last one. True without memory.
 */
bool pe_births_was(const struct pe_births *births, uint64_t hash);
/* Forgets what was not in a state for `keep_ns`, at the earliest. */
void pe_births_forget(struct pe_births *births, uint64_t now_ns, uint64_t keep_ns);
/* All of them were added. */
bool pe_births_end(struct pe_births *births);

#endif
