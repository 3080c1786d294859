/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See endpoint.h. */
#include "pe/endpoint.h"

static void add_ipv4(struct pe_strbuf *buf, const uint8_t *addr)
{
	size_t i;

	for (i = 0; i < 4; i++) {
		if (i > 0)
			pe_strbuf_addc(buf, '.');
		pe_strbuf_add_u64(buf, addr[i]);
	}
}

static void add_hex16(struct pe_strbuf *buf, unsigned int value)
{
	static const char hex[] = "0123456789abcdef";
	int shift = 12;

	while (shift > 0 && value >> shift == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		pe_strbuf_addc(buf, hex[value >> shift & 15]);
}

/* RFC 5952: lower case, the longest run of two or more zero groups (the first of equals) as "::".
 */
static void add_ipv6(struct pe_strbuf *buf, const uint8_t *addr)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	size_t i, run, best = 8, best_len = 1;

	if (memcmp(addr, mapped, sizeof(mapped)) == 0) {
		pe_strbuf_adds(buf, "::ffff:");
		add_ipv4(buf, addr + sizeof(mapped));
		return;
	}
	for (i = 0; i < 8; i += run + 1) {
		for (run = 0; i + run < 8; run++)
			if (addr[(i + run) * 2] | addr[(i + run) * 2 + 1])
				break;
		if (run > best_len) {
			best = i;
			best_len = run;
		}
	}
	for (i = 0; i < 8; i++) {
		if (i == best) {
			pe_strbuf_adds(buf, "::");
			i += best_len - 1;
			continue;
		}
		if (i > 0 && i != best + best_len)
			pe_strbuf_addc(buf, ':');
		add_hex16(buf, (unsigned int)addr[i * 2] << 8 | addr[i * 2 + 1]);
	}
}

void pe_text_endpoint(struct pe_strbuf *buf, const uint8_t *addr, bool ipv6, int port)
{
	bool brackets = ipv6 && port != PE_NO_PORT;

	if (brackets)
		pe_strbuf_addc(buf, '[');
	if (ipv6)
		add_ipv6(buf, addr);
	else
		add_ipv4(buf, addr);
	if (brackets)
		pe_strbuf_addc(buf, ']');
	if (port != PE_NO_PORT) {
		pe_strbuf_addc(buf, ':');
		pe_strbuf_add_u64(buf, (uint64_t)port);
	}
}
