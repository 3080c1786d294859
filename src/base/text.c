/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One walk over characters, and what each place makes of one. See text.h. */
#include "pe/text.h"

#include <stdbool.h>

#include "pe/utf8.h"

struct character {
	const char *bytes;
	size_t len;
	uint32_t code;
};

/* The next character, or false for a byte that is none. */
static bool decode(const char *text, struct character *ret_character)
{
	static const unsigned char first[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	const unsigned char *s = (const unsigned char *)text;
	const size_t len = pe_utf8_length(text);
	uint32_t code;

	if (len == 0)
		return false;
	code = s[0] & first[len];
	for (size_t i = 1; i < len; i++)
		code = code << 6 | (s[i] & 0x3f);
	/* U+FFFD itself as well, so that it always means a byte that could not be shown. */
	if (code == 0xfffd)
		return false;
	*ret_character = (struct character){ text, len, code };
	return true;
}

/*
 * What moves the cursor, changes the order of others, or cannot be seen: Unicode's categories Cc,
 * Zl and Zp, what has the property Bidi_Control or Default_Ignorable_Code_Point
 * (DerivedCoreProperties.txt), interlinear annotations, and blanks that are letters.
 */
static const struct {
	uint32_t first, last;
} controls[] = {
	{ 0, 0x1f },	    { 0x7f, 0x9f },	  { 0xad, 0xad },	{ 0x34f, 0x34f },
	{ 0x61c, 0x61c },   { 0x115f, 0x1160 },	  { 0x17b4, 0x17b5 },	{ 0x180b, 0x180f },
	{ 0x200b, 0x200f }, { 0x2028, 0x202e },	  { 0x2060, 0x206f },	{ 0x2800, 0x2800 },
	{ 0x3164, 0x3164 }, { 0xfe00, 0xfe0f },	  { 0xfeff, 0xfeff },	{ 0xffa0, 0xffa0 },
	{ 0xfff0, 0xfffb }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

static bool is_control(uint32_t code)
{
	if (code >= 0x20 && code < 0x7f)
		return false;
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		if (code >= controls[i].first && code <= controls[i].last)
			return true;
	}
	return false;
}

static void add_invalid(struct pe_strbuf *out, const char *byte)
{
	pe_strbuf_addf(out, "\xef\xbf\xbd%02x", (unsigned char)*byte);
}

static void add_json(struct pe_strbuf *out, const struct character *c)
{
	if (c->code == '"' || c->code == '\\') {
		pe_strbuf_addc(out, '\\');
		pe_strbuf_add(out, c->bytes, c->len);
	} else if (c->code >= 0x10000 && is_control(c->code)) {
		pe_strbuf_addf(out, "\\u%04x\\u%04x", 0xd800 + ((c->code - 0x10000) >> 10),
			       0xdc00 + (c->code & 0x3ff));
	} else if (is_control(c->code) || c->code == '<' || c->code == '>' || c->code == '&') {
		pe_strbuf_addf(out, "\\u%04x", c->code);
	} else {
		pe_strbuf_add(out, c->bytes, c->len);
	}
}

void pe_text_add_json(struct pe_strbuf *out, const char *text)
{
	struct character c;

	for (; *text; text += c.len) {
		if (decode(text, &c)) {
			add_json(out, &c);
		} else {
			add_invalid(out, text);
			c.len = 1;
		}
	}
}

static size_t add_visible(struct pe_strbuf *out, const char *text,
			  void (*add)(struct pe_strbuf *out, const struct character *c))
{
	struct character c;
	size_t count = 0;

	for (; *text; text += c.len) {
		const size_t at = out->len;

		if (!decode(text, &c)) {
			add_invalid(out, text);
			c.len = 1;
			count += 3;
		} else if (is_control(c.code)) {
			pe_strbuf_addf(out, "\\u{%x}", c.code);
			count += out->len - at;
		} else {
			add(out, &c);
			count++;
		}
	}
	return out->error ? 0 : count;
}

static void add_bytes(struct pe_strbuf *out, const struct character *c)
{
	pe_strbuf_add(out, c->bytes, c->len);
}

static void add_entity(struct pe_strbuf *out, const struct character *c)
{
	if (c->code < 0x80 && strchr("&<>\"'`=", (int)c->code))
		pe_strbuf_addf(out, "&#%u;", c->code);
	else
		add_bytes(out, c);
}

size_t pe_text_add_plain(struct pe_strbuf *out, const char *text)
{
	return add_visible(out, text, add_bytes);
}

void pe_text_add_html(struct pe_strbuf *out, const char *text)
{
	add_visible(out, text, add_entity);
}
