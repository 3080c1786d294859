/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text of others: what JSON, HTML and a terminal get of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "pe/cleanup.h"
#include "pe/text.h"
#include "pe/utf8.h"

#include "../../src/expose/labels.h"

#define BAD	    "\xef\xbf\xbd"
#define ALIKE(text) text, text, text

static const struct {
	const char *text, *json, *plain, *html;
} cases[] = {
	{ "", ALIKE("") },
	{ "web-1", ALIKE("web-1") },
	{ "caf\xc3\xa9 \xf0\x9f\x9a\x80", ALIKE("caf\xc3\xa9 \xf0\x9f\x9a\x80") },
	{ "\"\\/", "\\\"\\\\/", "\"\\/", "&#34;\\/" },
	{ "<a href='x'>&amp;`=", "\\u003ca href='x'\\u003e\\u0026amp;`=", "<a href='x'>&amp;`=",
	  "&#60;a href&#61;&#39;x&#39;&#62;&#38;amp;&#96;&#61;" },
	{ "a\nb\tc\x1b[2J\x7f", "a\\u000ab\\u0009c\\u001b[2J\\u007f",
	  "a\\u{a}b\\u{9}c\\u{1b}[2J\\u{7f}", "a\\u{a}b\\u{9}c\\u{1b}[2J\\u{7f}" },
	/* C1 controls begin sequences of a terminal, too. */
	{ "\xc2\x9b"
	  "31m",
	  "\\u009b31m", "\\u{9b}31m", "\\u{9b}31m" },
	{ "\xe2\x80\xae"
	  "gpj.exe\xe2\x81\xa6",
	  "\\u202egpj.exe\\u2066", "\\u{202e}gpj.exe\\u{2066}", "\\u{202e}gpj.exe\\u{2066}" },
	{ "a\xe2\x80\x8b\xe2\x80\xa8\xef\xbb\xbf", "a\\u200b\\u2028\\ufeff",
	  "a\\u{200b}\\u{2028}\\u{feff}", "a\\u{200b}\\u{2028}\\u{feff}" },
	/* Beyond 16 bits JSON has pairs. */
	{ "\xf3\xa0\x80\xa1", "\\udb40\\udc21", "\\u{e0021}", "\\u{e0021}" },
	/* Not UTF-8: a byte, an overlong '/', a surrogate, beyond the last character, cut off. */
	{ "\xff", ALIKE(BAD "ff") },
	{ "\xc0\xaf", ALIKE(BAD "c0" BAD "af") },
	{ "\xed\xa0\x80", ALIKE(BAD "ed" BAD "a0" BAD "80") },
	{ "\xf4\x90\x80\x80", ALIKE(BAD "f4" BAD "90" BAD "80" BAD "80") },
	{ "x\xe2\x82", ALIKE("x" BAD "e2" BAD "82") },
	/* U+FFFD always means a byte that could not be shown. */
	{ BAD, ALIKE(BAD "ef" BAD "bf" BAD "bd") },
};

static void assert_text(const struct pe_strbuf *out, const char *expected)
{
	if (out->len != strlen(expected) ||
	    (out->len && memcmp(out->data, expected, out->len) != 0))
		fail_msg("\"%.*s\" is not \"%s\"", (int)out->len, out->data, expected);
}

static size_t count_characters(const struct pe_strbuf *text)
{
	size_t count = 0;

	for (size_t i = 0; i < text->len; i++)
		count += ((unsigned char)text->data[i] & 0xc0) != 0x80;
	return count;
}

static void test_cases(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(pe_strbuf_fini) struct pe_strbuf json = PE_STRBUF_INIT;
		_cleanup_(pe_strbuf_fini) struct pe_strbuf plain = PE_STRBUF_INIT;
		_cleanup_(pe_strbuf_fini) struct pe_strbuf html = PE_STRBUF_INIT;
		size_t count;

		pe_text_add_json(&json, cases[i].text);
		pe_text_add_html(&html, cases[i].text);
		count = pe_text_add_plain(&plain, cases[i].text);
		assert_text(&json, cases[i].json);
		assert_text(&html, cases[i].html);
		assert_text(&plain, cases[i].plain);
		assert_int_equal(count, count_characters(&plain));
	}
}

/* ---- what holds of any text ---- */

/* Bytes that are often the beginning of something. */
static void draw(char *text, size_t size)
{
	static const char *const pieces[] = {
		"<",	    ">",	"&",	    "\"",	    "'",	"\\",
		"=",	    "`",	"\n",	    "\x1b",	    "\x7f",	"\xc2\x85",
		"\xe2\x80", "\xae",	"\xe2",	    "\xe2\x80\xae", "\xf0\x9f", "\xf3\xa0\x80\xa0",
		"\xed\xa0", "\xef\xbf", "\xbd",	    "\xef\xbb\xbf", "\xc0",	"\xff",
		"a",	    "\xc3\xa9", "\xcd\x8f", "\xe3\x85\xa4", "u",	"{",
	};
	size_t len = (size_t)rand() % (size - 4);

	text[0] = '\0';
	while (strlen(text) < len) {
		if (rand() % 8)
			strcat(text, pieces[(size_t)rand() % (sizeof(pieces) / sizeof(*pieces))]);
		else
			strcat(text, (char[]){ (char)(1 + rand() % 255), '\0' });
	}
}

static uint32_t code_of(const unsigned char *s, size_t len)
{
	uint32_t code = len == 1 ? *s : *s & (0x7fu >> len);

	for (size_t i = 1; i < len; i++)
		code = code << 6 | (s[i] & 0x3f);
	return code;
}

/* Valid UTF-8, and no character that a terminal or browser acts on, and none of `never`. */
static void assert_harmless(struct pe_strbuf *out, const char *never)
{
	pe_strbuf_addc(out, '\0');
	assert_int_equal(out->error, 0);
	assert_true(pe_utf8_valid(out->data));
	for (size_t i = 0, len; i + 1 < out->len; i += len) {
		uint32_t code;

		len = pe_utf8_length(out->data + i);
		code = code_of((const unsigned char *)out->data + i, len);
		assert_true(code >= 0x20 && (code < 0x7f || code >= 0xa0));
		assert_false(code == 0x61c || code == 0x200e || code == 0x200f);
		assert_false(code >= 0x2028 && code <= 0x202e);
		assert_false(code >= 0x2060 && code <= 0x206f);
		assert_false(code == 0x34f || code == 0x3164 || code == 0xfeff);
		assert_false(code >= 0xe0000 && code < 0xe1000);
		assert_false(code < 0x80 && strchr(never, (int)code));
	}
}

/* A label's value in the text formats, as it is meant. */
static void add_label(struct pe_strbuf *out, const char *text)
{
	struct pe_label_set set = { 0 };

	pe_label_set_add(&set, "l", text);
	for (size_t i = sizeof("l=\"") - 1; i < set.text.len - 1; i++) {
		char c = set.text.data[i];

		if (c == '\\')
			c = set.text.data[++i] == 'n' ? '\n' : set.text.data[i];
		pe_strbuf_addc(out, c);
	}
	pe_strbuf_addc(out, '\0');
	pe_label_set_fini(&set);
}

/* The same name is the same in JSON and in the labels of /metrics. */
static void check_json(const char *text)
{
	_cleanup_(pe_strbuf_fini) struct pe_strbuf label = PE_STRBUF_INIT;
	_cleanup_(pe_strbuf_fini) struct pe_strbuf json = PE_STRBUF_INIT;
	json_error_t error;
	json_t *root;

	pe_strbuf_adds(&json, "[\"");
	pe_text_add_json(&json, text);
	pe_strbuf_adds(&json, "\"]");
	assert_harmless(&json, "<>&");
	root = json_loads(json.data, 0, &error);
	if (!root)
		fail_msg("%s: %s", json.data, error.text);
	add_label(&label, text);
	assert_string_equal(json_string_value(json_array_get(root, 0)), label.data);
	json_decref(root);
}

static void check_html(const char *text, const char *plain)
{
	_cleanup_(pe_strbuf_fini) struct pe_strbuf html = PE_STRBUF_INIT;

	pe_text_add_html(&html, text);
	assert_harmless(&html, "<>\"'`=");
	for (const char *p = html.data; *p; plain++) {
		unsigned int code;
		int len;

		if (*p == '&') {
			assert_int_equal(sscanf(p, "&#%u;%n", &code, &len), 1);
			assert_int_equal(code, (unsigned char)*plain);
			p += len;
		} else {
			assert_int_equal(*p++, *plain);
		}
	}
	assert_int_equal(*plain, '\0');
}

static void test_any(void **state)
{
	char text[40];

	srand(7);
	for (int i = 0; i < 20000; i++) {
		_cleanup_(pe_strbuf_fini) struct pe_strbuf plain = PE_STRBUF_INIT;
		size_t count;

		draw(text, sizeof(text));
		count = pe_text_add_plain(&plain, text);
		assert_int_equal(count, count_characters(&plain));
		assert_harmless(&plain, "");
		check_json(text);
		check_html(text, plain.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
