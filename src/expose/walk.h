/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk of the encoder (encode.c) for writers that keep what they have written. */
#ifndef PE_EXPOSE_WALK_H
#define PE_EXPOSE_WALK_H

#include "pe/encode.h"

#include "ledger.h"
#include "writer.h"

/*
 * Has a writer with this `self` write everything, up to ops->end(). It is called with all that was
 * written since the last call in writer->out, and may empty that between two samples. Families of
 * the ledger, last of all, have what is in `ledger`, by group; NULL: there are none. 0, -ENOMEM, or
 * the error that the writer set.
 */
int pe_encoder_walk(struct pe_encoder *encoder, const struct pe_writer_ops *ops, void *self,
		    const pe_ledger_row *ledger);

#endif
