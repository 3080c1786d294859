/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One decoder for the log, the labels and the grouping key: see utf8.h. */
#include "pe/utf8.h"

size_t pe_utf8_length(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0; /* overlong below */
	else if (s[0] == 0xed)
		high = 0x9f; /* surrogates above */
	else if (s[0] == 0xf0)
		low = 0x90; /* overlong below */
	else if (s[0] == 0xf4)
		high = 0x8f; /* beyond U+10FFFF above */
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	}
	return len;
}

bool pe_utf8_valid(const char *s)
{
	size_t len;

	for (; *s; s += len) {
		len = pe_utf8_length(s);
		if (len == 0)
			return false;
	}
	return true;
}
