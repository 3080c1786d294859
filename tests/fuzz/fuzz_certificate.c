/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The certificate of a client, and the names that it may have.
 *
 * The input is texts that are allowed, each on a line, up to an empty line, then names: a letter
 * for the kind, a byte for the length, bytes. A certificate (RFC 5280) is written around them and
 * must be found to have an allowed name if, and only if, one is there. With a first byte 'r' the
 * rest of the input is the certificate itself, of which only "*" is allowed.
 */
#include "fuzz.h"

#include <arpa/inet.h>

#include "pe/strbuf.h"
#include "../../src/web/san.h"

#define ALLOWED_MAX 8
#define TEXT_MAX    256
#define NAMES_MAX   16

#define SEQUENCE  0x30
#define OCTETS	  0x04
#define TAG_MAIL  0x81
#define TAG_DNS	  0x82
#define TAG_URI	  0x86
#define TAG_IP	  0x87
#define TAG_OTHER 0xa0
#define TAG_DIR	  0xa4

struct allowed {
	const char *item[ALLOWED_MAX];
	size_t count;
};

/* ---- writing (X.690) ---- */

static void add_element(struct pe_strbuf *to, unsigned char tag, const void *data, size_t len)
{
	const unsigned char head[] = { tag, 0x82, (unsigned char)(len >> 8), (unsigned char)len };

	/* Lengths have one form each. */
	pe_strbuf_addc(to, (char)tag);
	if (len >= 0x100)
		pe_strbuf_add(to, head + 1, 3);
	else if (len >= 0x80)
		pe_strbuf_add(to, (const unsigned char[]){ 0x81, (unsigned char)len }, 2);
	else
		pe_strbuf_addc(to, (char)len);
	pe_strbuf_add(to, data, len);
}

/* The whole buffer becomes the content of an element. */
static void wrap(struct pe_strbuf *buf, unsigned char tag)
{
	struct pe_strbuf whole = PE_STRBUF_INIT;

	add_element(&whole, tag, buf->data, buf->len);
	pe_strbuf_fini(buf);
	*buf = whole;
}

static void prepend(struct pe_strbuf *buf, const void *data, size_t len)
{
	struct pe_strbuf whole = PE_STRBUF_INIT;

	pe_strbuf_add(&whole, data, len);
	pe_strbuf_add(&whole, buf->data, buf->len);
	pe_strbuf_fini(buf);
	*buf = whole;
}

/* Version 3, number 1, Ed25519, "CN=a" by "CN=a", a day of 2025, some key. */
#define NAME                                                   \
	"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01" \
	"a"
static const char before[] = "\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x05\x06\x03\x2b\x65\x70" NAME
			     "\x30\x1e\x17\x0d"
			     "250101000000Z\x17\x0d"
			     "250102000000Z" NAME "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"
			     "0123456789abcdef0123456789abcdef";
static const char signature[] = "\x30\x05\x06\x03\x2b\x65\x70\x03\x41\x00"
				"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char san_oid[] = "\x06\x03\x55\x1d\x11";

/* From the names to the certificate that has them. */
static void finish(struct pe_strbuf *buf)
{
	wrap(buf, SEQUENCE);
	wrap(buf, OCTETS);
	prepend(buf, san_oid, sizeof(san_oid) - 1);
	wrap(buf, SEQUENCE); /* the extension */
	wrap(buf, SEQUENCE); /* all of them */
	wrap(buf, 0xa3);
	prepend(buf, before, sizeof(before) - 1);
	wrap(buf, SEQUENCE);
	pe_strbuf_add(buf, signature, sizeof(signature) - 1);
	wrap(buf, SEQUENCE);
}

/* ---- the model ---- */

/* RFC 5952, but IPv4 in IPv6 as IPv4: what Go's net.IP.String() gives. */
static void write_ip(const unsigned char *ip, size_t len, char *text)
{
	unsigned int word[8], start = 8, run = 1;

	for (unsigned int i = 0; len == 16 && i < 8; i++)
		word[i] = (unsigned int)ip[2 * i] << 8 | ip[2 * i + 1];
	if (len == 4 || (!(word[0] | word[1] | word[2] | word[3] | word[4]) && word[5] == 0xffff)) {
		ip += len - 4;
		sprintf(text, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
		return;
	}
	for (unsigned int i = 0; i < 8; i++) {
		unsigned int n = 0;

		while (i + n < 8 && word[i + n] == 0)
			n++;
		if (n > run) {
			start = i;
			run = n;
		}
	}
	for (unsigned int i = 0; i < 8; i++) {
		if (i == start) {
			text += sprintf(text, "::");
			i += run - 1;
		} else {
			text += sprintf(text, "%s%x", i && i != start + run ? ":" : "", word[i]);
		}
	}
}

static bool is_allowed(const struct allowed *allowed, const void *name, size_t len)
{
	for (size_t i = 0; i < allowed->count; i++) {
		if (strlen(allowed->item[i]) == len && memcmp(allowed->item[i], name, len) == 0)
			return true;
	}
	return false;
}

/* What the names of a certificate come to. */
enum verdict {
	NONE,
	FOUND,
	SPOILT, /* GnuTLS reads none of them if one is empty */
};

/* Adds a name. */
static enum verdict add_name(struct fuzz_input *input, const struct allowed *allowed,
			     struct pe_strbuf *to)
{
	static const char other[] = "\x06\x03\x2b\x65\x70\xa0\x03\x0c\x01*", directory[] = NAME;
	const uint8_t kind = fuzz_u8(input), len = fuzz_u8(input);
	unsigned char name[UINT8_MAX];
	char text[64] = "";

	switch (kind) {
	case 'o':
		add_element(to, TAG_OTHER, other, sizeof(other) - 1);
		return NONE;
	case 'D':
		add_element(to, TAG_DIR, directory, sizeof(directory) - 1);
		return NONE;
	case 'i':
		fuzz_bytes(input, name, len % 2 ? 4 : 16);
		add_element(to, TAG_IP, name, len % 2 ? 4 : 16);
		write_ip(name, len % 2 ? 4 : 16, text);
		return is_allowed(allowed, text, strlen(text)) ? FOUND : NONE;
	default:
		fuzz_bytes(input, name, len);
		add_element(to,
			    kind == 'm'	  ? TAG_MAIL
			    : kind == 'u' ? TAG_URI
					  : TAG_DNS,
			    name, len);
		if (len == 0)
			return SPOILT;
		return is_allowed(allowed, name, len) ? FOUND : NONE;
	}
}

static bool ask(const struct allowed *allowed, const void *data, size_t len)
{
	struct pe_texts texts = { (const char **)allowed->item, allowed->count };
	gnutls_datum_t datum = { (unsigned char *)data, (unsigned int)len };

	return pe_san_is_allowed(&texts, &datum);
}

static void check_names(struct fuzz_input *input)
{
	struct pe_strbuf buf = PE_STRBUF_INIT;
	struct allowed allowed = { 0 };
	enum verdict verdict = NONE;

	while (allowed.count < ALLOWED_MAX) {
		char *text = fuzz_text(input, '\n', TEXT_MAX);

		if (!*text) {
			free(text);
			break;
		}
		allowed.item[allowed.count++] = text;
	}
	for (size_t i = 0; i < NAMES_MAX && input->left > 0; i++) {
		const enum verdict one = add_name(input, &allowed, &buf);

		verdict = one > verdict ? one : verdict;
	}
	if (buf.len > 0) {
		finish(&buf);
		fuzz_check(!buf.error, "out of memory");
		fuzz_check(ask(&allowed, buf.data, buf.len) == (verdict == FOUND), "%s",
			   verdict == FOUND ? "an allowed name is not found" : "none is allowed");
	}
	pe_strbuf_fini(&buf);
	while (allowed.count)
		free((char *)allowed.item[--allowed.count]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct allowed star = { { "*" }, 1 };
	struct fuzz_input input = { data, size };

	if (size > 0 && *data == 'r') {
		/* "*" must be there to be found. */
		fuzz_check(!ask(&star, data + 1, size - 1) || memchr(data + 1, '*', size - 1),
			   "a name that is not there");
		return 0;
	}
	check_names(&input);
	return 0;
}
