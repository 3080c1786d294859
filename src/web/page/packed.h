/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A sample of an interface or group in some hundred bytes instead of two kilobytes: most of its
 * counters are zero, and the others are small. All of it comes back as it was, but for its
 * identity, which is shared and stays with whoever keeps the bytes.
 *
 * First come the texts that tell it apart, so that a sample is found and sorted without unpacking
 * it. The format is of this process alone. Pure; any thread.
 */
#ifndef PE_WEB_PAGE_PACKED_H
#define PE_WEB_PAGE_PACKED_H

#include <stddef.h>

#include "pe/arena.h"
#include "pe/sample.h"
#include "pe/strbuf.h"

/* The texts of an interface; those of a group are its labels, by enum pe_group_label. */
enum pe_packed_text {
	PE_PACKED_NAME,
	PE_PACKED_MASTER,
	PE_PACKED_KIND,
	PE_PACKED_ALIAS,
	PE_PACKED_ALTNAMES,
	PE_PACKED_TEXTS,
};

/* Appends a sample. Memory that is refused is out->error. */
void pe_packed_add_iface(struct pe_strbuf *out, const struct pe_iface_sample *iface);
void pe_packed_add_group(struct pe_strbuf *out, const struct pe_group_sample *group);

/* The i-th text of a packed sample. */
const char *pe_packed_text(const char *packed, size_t i);

/*
 * What was packed, its identity NULL. With an arena its flows, drops, connections and DNS, too, in
 * that memory, and -ENOMEM if that is refused; without one the sample has none, and the answer is
 * 0. Alias, altnames and labels point into `packed`.
 */
int pe_packed_read_iface(const char *packed, struct pe_arena *arena,
			 struct pe_iface_sample *ret_iface);
int pe_packed_read_group(const char *packed, struct pe_arena *arena,
			 struct pe_group_sample *ret_group);

#endif
