/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network namespaces by cookie, as the registry holds them; what is done with them is in inside.h.
 */
#ifndef PE_SERIES_SPACES_H
#define PE_SERIES_SPACES_H

#include "pe/table.h"

struct space;

struct pe_spaces {
	struct pe_table by_cookie;
	struct space *oldest, *newest; /* by use */
};

/* 0 or -ENOMEM; then pe_spaces_fini() is fine. */
int pe_spaces_init(struct pe_spaces *spaces);
void pe_spaces_fini(struct pe_spaces *spaces);

#endif
