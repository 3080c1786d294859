/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A strict reader of the HTML that the page is made of. It knows no more than that needs: what a
 * browser would have to guess, or could take for something else, is an error. One thread.
 */
#ifndef PE_TESTS_HTML_CHECK_H
#define PE_TESTS_HTML_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "pe/utf8.h"

#define HTML_DEPTH_MAX 32
#define HTML_IDS_MAX   1024

struct html_name {
	const char *at;
	size_t len;
};

struct html {
	const char *at;
	struct html_name open[HTML_DEPTH_MAX];
	size_t depth;
	struct html_name id[HTML_IDS_MAX];
	size_t ids;
	char error[160]; /* "" if there is none */
};

static inline bool html_fail(struct html *html, const char *why)
{
	if (!*html->error)
		snprintf(html->error, sizeof(html->error), "%s at \"%.60s\"", why, html->at);
	return false;
}

static inline bool html_is(struct html_name name, const char *text)
{
	return name.len == strlen(text) && memcmp(name.at, text, name.len) == 0;
}

static inline bool html_is_one(struct html_name name, const char *const *texts)
{
	for (; *texts; texts++) {
		if (html_is(name, *texts))
			return true;
	}
	return false;
}

/* Characters, of which no one is a control or changes the order of others. */
static inline bool html_character(struct html *html)
{
	const unsigned char *s = (const unsigned char *)html->at;
	const size_t len = pe_utf8_length(html->at);

	if (len == 0)
		return html_fail(html, "not UTF-8");
	if ((*s < ' ' && *s != '\n' && *s != '\t') || *s == 0x7f ||
	    (len == 2 && s[0] == 0xc2 && (s[1] < 0xa0 || s[1] == 0xad)) ||
	    (len == 2 && s[0] == 0xd8 && s[1] == 0x9c) ||
	    (len == 3 && s[0] == 0xe2 && s[1] == 0x80 &&
	     ((s[2] >= 0x8b && s[2] <= 0x8f) || (s[2] >= 0xa8 && s[2] <= 0xae))) ||
	    (len == 3 && s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xa0 && s[2] <= 0xaf) ||
	    (len == 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0))
		return html_fail(html, "a control");
	html->at += len;
	return true;
}

static inline bool html_entity(struct html *html)
{
	const size_t digits = strspn(html->at + 2, "0123456789");

	if (strncmp(html->at, "&amp;", 5) == 0)
		html->at += 5;
	else if (html->at[1] == '#' && digits > 0 && html->at[2 + digits] == ';')
		html->at += digits + 3;
	else
		return html_fail(html, "an ampersand");
	return true;
}

static inline struct html_name html_read_name(struct html *html)
{
	const struct html_name name = { html->at,
					strspn(html->at, "abcdefghijklmnopqrstuvwxyz0123456789-") };

	html->at += name.len;
	return name;
}

static inline bool html_add_id(struct html *html, struct html_name id)
{
	for (size_t i = 0; i < html->ids; i++) {
		if (html->id[i].len == id.len && memcmp(html->id[i].at, id.at, id.len) == 0)
			return html_fail(html, "an id twice");
	}
	if (html->ids == HTML_IDS_MAX)
		return html_fail(html, "too many ids");
	html->id[html->ids++] = id;
	return true;
}

/* Only what cannot run, load or send anything elsewhere. */
static inline bool html_attribute_fits(struct html *html, struct html_name name,
				       struct html_name value)
{
	static const char *const names[] = { "action",
					     "aria-current",
					     "aria-expanded",
					     "aria-label",
					     "aria-live",
					     "aria-sort",
					     "autocomplete",
					     "charset",
					     "class",
					     "colspan",
					     "content",
					     "d",
					     "enterkeyhint",
					     "for",
					     "height",
					     "href",
					     "http-equiv",
					     "id",
					     "lang",
					     "maxlength",
					     "method",
					     "name",
					     "placeholder",
					     "preserveaspectratio",
					     "rel",
					     "role",
					     "scope",
					     "spellcheck",
					     "tabindex",
					     "title",
					     "type",
					     "value",
					     "view-box",
					     "width",
					     "aria-hidden",
					     "aria-controls",
					     "aria-labelledby",
					     "aria-describedby",
					     NULL };

	if (!html_is_one(name, names) && !html_is(name, "view"))
		return html_fail(html, "an attribute that is not known");
	if ((html_is(name, "href") || html_is(name, "action")) &&
	    (value.len == 0 || (*value.at != '/' && strncmp(value.at, "data:,\"", 7) != 0) ||
	     (value.len > 1 && value.at[0] == '/' && value.at[1] == '/')))
		return html_fail(html, "a link elsewhere");
	return !html_is(name, "id") || html_add_id(html, value);
}

/* name="value", with the quotes, or a name alone. */
static inline bool html_attribute(struct html *html)
{
	struct html_name name, value = { 0 };

	/* The one that is written with capitals. */
	if (strncmp(html->at, "viewBox=", 8) == 0) {
		name = (struct html_name){ html->at, 4 };
		html->at += 7;
	} else {
		name = html_read_name(html);
	}
	if (name.len == 0)
		return html_fail(html, "no attribute");
	if (*html->at != '=')
		return html_is(name, "selected") || html_is(name, "hidden") ||
		       html_fail(html, "an attribute without a value");
	if (*++html->at != '"')
		return html_fail(html, "a value without quotes");
	value.at = ++html->at;
	while (*html->at && *html->at != '"') {
		if (*html->at == '<' || *html->at == '>')
			return html_fail(html, "a bracket in a value");
		if (!(*html->at == '&' ? html_entity(html) : html_character(html)))
			return false;
	}
	value.len = (size_t)(html->at - value.at);
	if (!*html->at++)
		return html_fail(html, "a value without end");
	return html_attribute_fits(html, name, value);
}

/* What is inside is no HTML. */
static inline bool html_raw(struct html *html, struct html_name name)
{
	char end[16];

	snprintf(end, sizeof(end), "</%.*s>", (int)name.len, name.at);
	while (*html->at && strncmp(html->at, end, strlen(end)) != 0) {
		if (!html_character(html))
			return false;
	}
	return *html->at || html_fail(html, "no end");
}

static inline bool html_begin(struct html *html)
{
	static const char *const empty[] = { "meta", "link", "input", "br", NULL };
	struct html_name name;
	bool closed = false;

	html->at++;
	name = html_read_name(html);
	if (name.len == 0)
		return html_fail(html, "no element");
	while (*html->at == ' ') {
		html->at++;
		if (!html_attribute(html))
			return false;
	}
	if (*html->at == '/') {
		html->at++;
		closed = true;
	}
	if (*html->at++ != '>')
		return html_fail(html, "an element without end");
	if (closed || html_is_one(name, empty))
		return true;
	if (html->depth == HTML_DEPTH_MAX)
		return html_fail(html, "too deep");
	html->open[html->depth++] = name;
	return (!html_is(name, "style") && !html_is(name, "script")) || html_raw(html, name);
}

static inline bool html_end(struct html *html)
{
	struct html_name name, open;

	html->at += 2;
	name = html_read_name(html);
	if (html->depth == 0)
		return html_fail(html, "an end too many");
	open = html->open[--html->depth];
	if (name.len != open.len || memcmp(name.at, open.at, name.len) != 0)
		return html_fail(html, "the end of another element");
	return *html->at++ == '>' || html_fail(html, "an end without end");
}

/* Reads a page, or a part of one; `text` is terminated. Returns "" or what is wrong. */
static inline const char *html_check(struct html *html, const char *text)
{
	static const char doctype[] = "<!DOCTYPE html>";
	bool fine = true;

	memset(html, 0, sizeof(*html));
	html->at = text;
	if (strncmp(text, doctype, sizeof(doctype) - 1) == 0)
		html->at += sizeof(doctype) - 1;
	while (fine && *html->at) {
		if (*html->at == '<')
			fine = html->at[1] == '/' ? html_end(html) : html_begin(html);
		else if (*html->at == '>')
			fine = html_fail(html, "a bracket");
		else if (*html->at == '&')
			fine = html_entity(html);
		else
			fine = html_character(html);
	}
	if (fine && html->depth > 0)
		html_fail(html, "elements without end");
	return html->error;
}

#endif
