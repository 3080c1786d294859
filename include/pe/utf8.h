/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UTF-8, strictly: names and texts come from outside. Pure; any thread. */
#ifndef PE_UTF8_H
#define PE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Length in bytes of the character at s (1 to 4), 0 if the bytes are none: an overlong form, a
 * surrogate, above U+10FFFF (RFC 3629). Reads no further than a terminator.
 */
size_t pe_utf8_length(const char *s);

/* Whether all of a terminated string is UTF-8. */
bool pe_utf8_valid(const char *s);

#endif
