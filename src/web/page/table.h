/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows as a table of plain text, for a terminal. Called with the view locked. */
#ifndef PE_WEB_PAGE_TABLE_H
#define PE_WEB_PAGE_TABLE_H

#include "live.h"
#include "query.h"

/* 0 or -ENOMEM. */
int pe_page_add_table(const struct pe_live_view *view, const struct pe_page_query *query,
		      struct pe_strbuf *out);

/* "1.2M": a number with three digits and a prefix of SI, at most six characters; 0 is "0". */
#define PE_SHORT_MAX 32
void pe_page_short(double value, char out[PE_SHORT_MAX]);

/* "3.4s", "12m30s", "5h20m", "3d4h" */
void pe_page_duration(double seconds, char out[PE_SHORT_MAX]);

#endif
