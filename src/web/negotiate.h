/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Content negotiation: what a scraper accepts against what we can send (RFC 9110, 12.5).
 *
 * Pure, bounded by the length of the header, any thread. An element that cannot be parsed is
 * skipped, so the worst that a bad header gets is text 0.0.4 without compression, which every
 * scraper reads.
 */
#ifndef PE_WEB_NEGOTIATE_H
#define PE_WEB_NEGOTIATE_H

#include <stdbool.h>

#include "pe/encode.h"

/* The format for an Accept header, which may be NULL. */
enum pe_format pe_negotiate_format(const char *accept);

/* Whether an Accept header, which may be NULL, asks for HTML: names it, and likes plain text no
 * better. */
bool pe_negotiate_html(const char *accept);

/* Whether an Accept-Encoding header, which may be NULL, takes gzip. */
bool pe_negotiate_gzip(const char *accept_encoding);

#endif
