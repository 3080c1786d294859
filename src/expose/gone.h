/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Series that are gone: a stale marker at a receiver, an interval after the last sample or later. A
 * receiver that keeps one sample in an interval would keep the marker in place of that otherwise.
 * One thread at a time.
 */
#ifndef PE_EXPOSE_GONE_H
#define PE_EXPOSE_GONE_H

#include "remote.h"

/* Writes the markers that are due, behind all series of the state. */
void pe_gone_write(struct pe_writer *writer);

/* The state with what waits was written, or not. */
void pe_gone_settle(struct pe_births *births, bool written);

void pe_gone_fini(struct pe_births *births);

#endif
