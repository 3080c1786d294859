/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page at "/". */
#ifndef PE_WEB_INDEX_PAGE_H
#define PE_WEB_INDEX_PAGE_H

#include "pe/strbuf.h"

/* Appends the page, as HTML in UTF-8. 0 or -ENOMEM. Pure, any thread. */
int pe_index_page_build(struct pe_strbuf *page, const char *telemetry_path);

#endif
