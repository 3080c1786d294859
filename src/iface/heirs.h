/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interfaces that got the ifindex of another one before the news of that one's end were read.
 *
 * The kernel side knows interfaces by their ifindex: what such an heir sends, and what the receive
 * tracepoint sees of it, has been counted for the one before. It must not be taken for unobserved
 * when the heir itself is told. Supervisor's thread.
 */
#ifndef PE_HEIRS_H
#define PE_HEIRS_H

#include <stdbool.h>

#include "pe/abi.h"
#include "pe/link.h"

/* An ifindex comes again only by somebody's wish: few at a time. */
#define PE_HEIRS_MAX 64

struct pe_heirs {
	struct {
		int ifindex; /* 0: free */
		struct pe_count known[PE_DIRECTIONS];
	} place[PE_HEIRS_MAX];
};

/*
 * An interface has gone and is not counted any more. If another one has its ifindex already, what
 * the kernel has of that one is remembered, in those directions that were counted. Takes a lock of
 * the kernel only then.
 */
void pe_heirs_look(struct pe_heirs *heirs, struct pe_monitor *monitor, int ifindex, bool ingress,
		   bool egress);

/* One with this ifindex is told: adds what is remembered of it (not if `known` is NULL), and
 * forgets it. */
void pe_heirs_take(struct pe_heirs *heirs, int ifindex, struct pe_count known[PE_DIRECTIONS]);

#endif
