/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an interface contributes to series: all that this folder reports to the registry, besides
 * what the audit accounts for. The supervisor's thread.
 */
#ifndef PE_CONTRIBUTION_H
#define PE_CONTRIBUTION_H

#include "record.h"

struct pe_engine;

/* Its counters go to the series of its name from now on. 0 or -ENOMEM. */
int pe_contribution_begin(const struct pe_engine *engine, struct pe_iface *iface);

/* Its link or its mode has changed. 0, -ENOENT if its series were given to another interface of
 * that name, or -ENOMEM. */
int pe_contribution_update(const struct pe_engine *engine, const struct pe_iface *iface);

/* It has got a slot. */
void pe_contribution_set_token(const struct pe_engine *engine, const struct pe_iface *iface);

/* Who is behind it, or behind one that had its ifindex and has departed; NULL: nobody is known. */
void pe_contribution_identify(const struct pe_engine *engine, int ifindex,
			      struct pe_identity *identity);

/* Likewise of a network namespace, which a veth leads to; 0: none that is known. */
void pe_contribution_name_netns(const struct pe_engine *engine, uint64_t netns, int ifindex,
				struct pe_identity *identity);

/* It is counted no longer. */
void pe_contribution_end(const struct pe_engine *engine, struct pe_iface *iface);

/* A veth of which nothing is known but its counters came and went: it counts for its group and the
 * host. The token is released. 0 or -ENOMEM. */
int pe_contribution_fold(const struct pe_engine *engine, int ifindex, uint32_t token);

/* Who has the series of this name, NULL if nobody that exists. */
struct pe_iface *pe_contribution_find(const struct pe_engine *engine, const char *name);

#endif
