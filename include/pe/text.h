/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text of others, made safe for where it is shown: names of interfaces, containers and pods are
 * chosen by whoever starts them.
 *
 * In all of these a byte that is not part of valid UTF-8 becomes U+FFFD and its two hexadecimal
 * digits, as in the labels of the exposition formats. Pure, but for growing `out`, whose error
 * sticks; any thread, one at a time.
 */
#ifndef PE_TEXT_H
#define PE_TEXT_H

#include "pe/strbuf.h"

/* The inside of a JSON string (RFC 8259, 7): the same characters, as \u202e where a browser or a
 * terminal could take one for more than itself. */
void pe_text_add_json(struct pe_strbuf *out, const char *text);

/*
 * For a terminal. Characters that move the cursor, change the order of others or cannot be seen
 * (C0, C1, bidi controls, line and paragraph separators, Unicode's Default_Ignorable_Code_Point)
 * are shown as \u{202e}. Returns how many characters were appended, 0 if memory was refused.
 */
size_t pe_text_add_plain(struct pe_strbuf *out, const char *text);

/* Likewise for text and quoted attributes of HTML. */
void pe_text_add_html(struct pe_strbuf *out, const char *text);

#endif
