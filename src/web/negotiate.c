/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See negotiate.h. */
#include "negotiate.h"

#include <string.h>
#include <strings.h>

#define Q_ONE	 1000
#define Q_ABSENT (-1)

struct token {
	const char *at; /* NULL if absent */
	size_t len;
};

/* One element of a list header. */
struct element {
	struct token name; /* "gzip", "text/plain" */
	struct token version;
	struct token proto, encoding; /* of protobuf: the message, and how it is framed */
	int q;			      /* in thousandths */
};

static bool token_is(struct token token, const char *s)
{
	return token.len == strlen(s) && strncasecmp(token.at, s, token.len) == 0;
}

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t");
}

static struct token parse_token(const char **p)
{
	/* RFC 9110 tchar, and '/' so that a media range is one token. */
	static const char chars[] = "!#$%&'*+-.^_`|~/0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const struct token token = { *p, strspn(*p, chars) };

	*p += token.len;
	return token;
}

/* *p is at the opening quote. Escapes are left in: no value that we look for has one. */
static bool parse_quoted(const char **p, struct token *ret_value)
{
	const char *end = *p + 1;

	while (*end && *end != '"') {
		if (*end == '\\' && end[1])
			end++;
		end++;
	}
	if (!*end)
		return false;
	*ret_value = (struct token){ *p + 1, (size_t)(end - *p - 1) };
	*p = end + 1;
	return true;
}

/* "0.75" => 750. Further digits are allowed and ignored, as is a missing leading zero. */
static bool parse_q(struct token value, int *ret_q)
{
	int q = 0, scale = Q_ONE;
	bool fraction = false, digits = false;

	for (size_t i = 0; i < value.len; i++) {
		const char c = value.at[i];

		if (c == '.' && !fraction) {
			fraction = true;
			continue;
		}
		if (c < '0' || c > '9')
			return false;
		digits = true;
		if (fraction)
			scale /= 10;
		q = fraction ? q + (c - '0') * scale : q * 10 + (c - '0') * Q_ONE;
		if (q > Q_ONE)
			return false;
	}
	if (!digits)
		return false;
	*ret_q = q;
	return true;
}

/* One ";name=value" of which *p is behind the semicolon. */
static bool parse_parameter(const char **p, struct element *e)
{
	struct token name, value = { 0 };

	*p = skip_space(*p);
	name = parse_token(p);
	if (name.len == 0)
		return **p == ';' || **p == ',' || !**p; /* RFC 9110 allows empty parameters */
	if (**p == '=') {
		(*p)++;
		if (**p != '"')
			value = parse_token(p);
		else if (!parse_quoted(p, &value))
			return false;
	}
	if (token_is(name, "q"))
		return value.at && parse_q(value, &e->q);
	if (token_is(name, "version") && value.at)
		e->version = value;
	if (token_is(name, "proto") && value.at)
		e->proto = value;
	if (token_is(name, "encoding") && value.at)
		e->encoding = value;
	return true;
}

static bool parse_element(const char **p, struct element *ret_element)
{
	struct element e = { .q = Q_ONE };

	*p = skip_space(*p);
	e.name = parse_token(p);
	*p = skip_space(*p);
	while (**p == ';') {
		(*p)++;
		if (!parse_parameter(p, &e))
			return false;
		*p = skip_space(*p);
	}
	if (e.name.len == 0 || (**p && **p != ','))
		return false;
	*ret_element = e;
	return true;
}

/* The next element that is well-formed; false at the end. */
static bool next_element(const char **p, struct element *ret_element)
{
	while (**p) {
		const bool valid = parse_element(p, ret_element);

		*p += strcspn(*p, ",");
		if (**p)
			(*p)++;
		if (valid)
			return true;
	}
	return false;
}

/* ---- Accept ---- */

struct offer {
	const char *name;
	const char *subtypes;
	const char *const versions[3];
	const char *proto; /* protobuf: this message, delimited */
};

/* How precisely a range names an offer; a more precise range overrules the others. */
enum precision {
	MATCH_NONE,
	MATCH_ANY,	/* any type */
	MATCH_SUBTYPES, /* any subtype */
	MATCH_NAME,
	MATCH_VERSION,
};

struct preference {
	enum precision precision;
	int q;
	size_t position;
};

static enum precision match(const struct offer *offer, const struct element *e)
{
	if (token_is(e->name, "*/*"))
		return MATCH_ANY;
	if (token_is(e->name, offer->subtypes))
		return MATCH_SUBTYPES;
	if (!token_is(e->name, offer->name))
		return MATCH_NONE;
	if (offer->proto)
		return e->proto.at && e->encoding.at && token_is(e->proto, offer->proto) &&
				       token_is(e->encoding, "delimited")
			       ? MATCH_VERSION
			       : MATCH_NONE;
	if (!e->version.at)
		return MATCH_NAME;
	for (size_t i = 0; offer->versions[i]; i++) {
		if (token_is(e->version, offer->versions[i]))
			return MATCH_VERSION;
	}
	return MATCH_NONE;
}

static struct preference prefer(const struct offer *offer, const char *accept)
{
	struct preference best = { 0 };
	struct element e;

	for (size_t position = 0; next_element(&accept, &e); position++) {
		const enum precision precision = match(offer, &e);

		/* The same range may come twice, with parameters that we do not tell apart. */
		if (precision > best.precision ||
		    (precision && precision == best.precision && e.q > best.q))
			best = (struct preference){ precision, e.q, position };
	}
	return best;
}

/* Whether a scraper likes `a` better than `b`, which stands before it in the table. Equally liked:
 * what it named goes before what a wildcard let in, then its order. */
static bool is_better(struct preference a, struct preference b)
{
	if (a.q != b.q)
		return a.q > b.q;
	if (a.q == 0 || a.precision < MATCH_NAME)
		return false;
	return b.precision < MATCH_NAME || a.position < b.position;
}

enum pe_format pe_negotiate_format(const char *accept)
{
	static const struct offer offers[] = {
		[PE_FORMAT_TEXT] = {
			.name = "text/plain",
			.subtypes = "text/*",
			.versions = { "0.0.4" },
		},
		/* 0.0.1 is the draft of 1.0.0 and its text reads the same; who asks for it is
		 * content. */
		[PE_FORMAT_OPENMETRICS] = {
			.name = "application/openmetrics-text",
			.subtypes = "application/*",
			.versions = { "1.0.0", "0.0.1" },
		},
		[PE_FORMAT_PROTOBUF] = {
			.name = "application/vnd.google.protobuf",
			.subtypes = "application/*",
			.proto = "io.prometheus.client.MetricFamily",
		},
	};
	struct preference best, next;
	enum pe_format format = PE_FORMAT_TEXT;

	if (!accept)
		return PE_FORMAT_TEXT;
	best = prefer(&offers[PE_FORMAT_TEXT], accept);
	for (size_t i = PE_FORMAT_TEXT + 1; i < sizeof(offers) / sizeof(*offers); i++) {
		next = prefer(&offers[i], accept);
		/* It is not for people: no wildcard lets it in. */
		if (offers[i].proto && next.precision < MATCH_NAME)
			continue;
		if (is_better(next, best)) {
			best = next;
			format = (enum pe_format)i;
		}
	}
	return format;
}

bool pe_negotiate_html(const char *accept)
{
	static const struct offer html_offer = { .name = "text/html", .subtypes = "text/*" };
	static const struct offer plain_offer = { .name = "text/plain", .subtypes = "text/*" };
	struct preference html;

	if (!accept)
		return false;
	html = prefer(&html_offer, accept);
	return html.precision >= MATCH_NAME && html.q > 0 &&
	       html.q >= prefer(&plain_offer, accept).q;
}

/* ---- Accept-Encoding ---- */

bool pe_negotiate_gzip(const char *accept_encoding)
{
	int gzip = Q_ABSENT, identity = Q_ABSENT, any = Q_ABSENT;
	struct element e;

	if (!accept_encoding)
		return false;
	while (next_element(&accept_encoding, &e)) {
		/* RFC 9110, 8.4.1.3: x-gzip is the same. */
		if (token_is(e.name, "gzip") || token_is(e.name, "x-gzip"))
			gzip = e.q > gzip ? e.q : gzip;
		else if (token_is(e.name, "identity"))
			identity = e.q;
		else if (token_is(e.name, "*"))
			any = e.q;
	}
	/* "*" is for each that is not named, and identity is one of them. */
	if (gzip == Q_ABSENT)
		gzip = any;
	if (identity == Q_ABSENT)
		identity = any;
	return gzip > 0 && gzip >= identity;
}
