/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text that comes from outside in HTTP and in addresses: Accept, Accept-Encoding, Authorization,
 * listen addresses, the telemetry path, push URLs.
 *
 * The first byte of the input says which, the rest is the text. What is well-formed is judged a
 * second time here, in another way; for the rest it is checked what must hold of any text.
 */
#include "fuzz.h"

#include <ctype.h>
#include <errno.h>

#include "../../src/web/negotiate.h"
#include "pe/options.h"
#include "pe/push.h"
#include "../../src/config/table.h"
#include "../../src/web/address.h"
#include "../../src/deliver/grouping.h"
#include "../../src/deliver/libcurl.h"
#include "../../src/web/users.h"

#define TEXT_MAX   4000
#define HEADER_MAX (2 * TEXT_MAX) /* as base64 */
#define RANGES_MAX 64
#define SECRET	   "S3CRET"

static char *join(const char *a, const char *b, const char *c)
{
	char *text = NULL;

	fuzz_check(asprintf(&text, "%s%s%s", a, b, c) >= 0, "out of memory");
	return text;
}

/* ---- Accept and Accept-Encoding (RFC 9110, 12.5) ---- */

struct range {
	char name[64];
	char version[16];
	char proto[64], encoding[64];
	bool other; /* has a version that we do not offer */
	int q;	    /* in thousandths */
};

static bool take(const char **at, const char *allowed, char *ret, size_t size)
{
	size_t len = strspn(*at, allowed);

	if (len == 0 || len >= size)
		return false;
	for (size_t i = 0; i < len; i++)
		ret[i] = (char)tolower((unsigned char)(*at)[i]);
	ret[len] = '\0';
	*at += len;
	return true;
}

/* 0, 1, or 0.… with up to three digits */
static bool take_q(const char **at, int *ret_q)
{
	char text[8];
	double q;

	if (!take(at, "0123456789.", text, sizeof(text)) || strlen(text) > 5 ||
	    (text[0] != '0' && text[0] != '1') || (text[1] && text[1] != '.') ||
	    strchr(text + 1, '.') != strrchr(text, '.'))
		return false;
	q = strtod(text, NULL);
	*ret_q = (int)(q * 1000 + 0.5);
	return q <= 1;
}

/* False if the header is anything but plain; then it is not judged here. */
static bool take_ranges(const char *at, struct range *range, size_t *ret_count)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-+*/";

	for (*ret_count = 0; *ret_count < RANGES_MAX; at++) {
		struct range *r = &range[(*ret_count)++];

		*r = (struct range){ .q = 1000 };
		at += strspn(at, " \t");
		if (!take(&at, letters, r->name, sizeof(r->name)))
			return false;
		while (*at == ';') {
			if (strncmp(++at, "q=", 2) == 0) {
				at += 2;
				if (!take_q(&at, &r->q))
					return false;
			} else if (strncmp(at, "version=", 8) == 0) {
				at += 8;
				if (r->version[0] ||
				    !take(&at, "0123456789.", r->version, sizeof(r->version)))
					return false;
			} else if (strncmp(at, "proto=", 6) == 0) {
				at += 6;
				if (r->proto[0] || !take(&at, letters, r->proto, sizeof(r->proto)))
					return false;
			} else if (strncmp(at, "encoding=", 9) == 0) {
				at += 9;
				if (r->encoding[0] ||
				    !take(&at, letters, r->encoding, sizeof(r->encoding)))
					return false;
			} else {
				return false;
			}
		}
		at += strspn(at, " \t");
		if (!*at)
			return true;
		if (*at != ',')
			return false;
	}
	return false;
}

/* The weight of an offer: that of the most precise range; of equal ones, the best. */
static int weigh(const struct range *range, size_t count, const char *name, const char *any,
		 const char *const *versions, int *ret_precision, size_t *ret_position)
{
	int best = 0;

	*ret_precision = 0;
	for (size_t i = 0; i < count; i++) {
		int precision = 0;

		if (strcmp(range[i].name, "*/*") == 0)
			precision = 1;
		else if (strcmp(range[i].name, any) == 0)
			precision = 2;
		else if (strcmp(range[i].name, name) == 0)
			precision = range[i].version[0] ? 0 : 3;
		for (size_t v = 0; versions[v] && strcmp(range[i].name, name) == 0; v++)
			if (strcmp(versions[v], range[i].version) == 0)
				precision = 4;
		if (precision > *ret_precision ||
		    (precision && precision == *ret_precision && range[i].q > best)) {
			*ret_precision = precision;
			*ret_position = i;
			best = range[i].q;
		}
	}
	return best;
}

/* Protobuf is for clients that name it, the message and the framing; of several the best, then the
 * first.
 */
static int weigh_protobuf(const struct range *range, size_t count, size_t *ret_position)
{
	int best = -1;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(range[i].name, "application/vnd.google.protobuf") != 0 ||
		    strcmp(range[i].proto, "io.prometheus.client.metricfamily") != 0 ||
		    strcmp(range[i].encoding, "delimited") != 0 || range[i].q <= best)
			continue;
		best = range[i].q;
		*ret_position = i;
	}
	return best;
}

static enum pe_format expected_format(const struct range *range, size_t count)
{
	static const char *const text_versions[] = { "0.0.4", NULL };
	static const char *const open_versions[] = { "1.0.0", "0.0.1", NULL };
	size_t text_at = 0, open_at = 0, protobuf_at = 0;
	int text_precision, open_precision;
	int text = weigh(range, count, "text/plain", "text/*", text_versions, &text_precision,
			 &text_at);
	int open = weigh(range, count, "application/openmetrics-text", "application/*",
			 open_versions, &open_precision, &open_at);
	int protobuf = weigh_protobuf(range, count, &protobuf_at);
	enum pe_format best = PE_FORMAT_TEXT;

	/* As welcome as the other: who is called by name, else who comes first. */
	if (open > text || (open == text && open > 0 && open_precision >= 3 &&
			    (text_precision < 3 || open_at < text_at))) {
		best = PE_FORMAT_OPENMETRICS;
		text = open;
		text_precision = open_precision;
		text_at = open_at;
	}
	if (protobuf > text ||
	    (protobuf == text && protobuf > 0 && (text_precision < 3 || protobuf_at < text_at)))
		best = PE_FORMAT_PROTOBUF;
	return best;
}

static bool expected_gzip(const struct range *range, size_t count)
{
	int gzip = -1, identity = -1, any = -1;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(range[i].name, "gzip") == 0 || strcmp(range[i].name, "x-gzip") == 0)
			gzip = gzip > range[i].q ? gzip : range[i].q;
		else if (strcmp(range[i].name, "identity") == 0)
			identity = range[i].q;
		else if (strcmp(range[i].name, "*") == 0)
			any = range[i].q;
	}
	if (gzip < 0)
		gzip = any;
	if (identity < 0)
		identity = any;
	return gzip > 0 && gzip >= identity;
}

/* What must hold of any header: letters' case means nothing, nor does a range more of another kind.
 */
static void check_relations(const char *header)
{
	enum pe_format format = pe_negotiate_format(header);
	bool gzip = pe_negotiate_gzip(header);
	char *more = join(header, "", " , x/y;q=0.7"), *upper = strdup(header);

	fuzz_check(upper, "out of memory");
	for (char *p = upper; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	fuzz_check(pe_negotiate_format(upper) == format && pe_negotiate_gzip(upper) == gzip,
		   "the case of letters matters: %s", header);
	/* An open quote would swallow it. */
	if (!strchr(header, '"'))
		fuzz_check(pe_negotiate_format(more) == format && pe_negotiate_gzip(more) == gzip,
			   "one more range matters: %s", more);
	fuzz_check(format == PE_FORMAT_TEXT || strstr(upper, "APPLICATION/") ||
			   strstr(upper, "*/*"),
		   "another format for a client that did not ask: %s", header);
	fuzz_check(!gzip || strstr(upper, "GZIP") || strchr(upper, '*'),
		   "gzip for a client that did not ask: %s", header);
	free(upper);
	free(more);
}

static void check_accept(const char *header)
{
	struct range range[RANGES_MAX];
	size_t count;

	check_relations(header);
	if (!take_ranges(header, range, &count))
		return;
	fuzz_check(pe_negotiate_format(header) == expected_format(range, count),
		   "another format for %s", header);
	fuzz_check(pe_negotiate_gzip(header) == expected_gzip(range, count),
		   "another encoding for %s", header);
}

/* ---- Authorization (RFC 7617) ---- */

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Strictly (RFC 4648, 4): whole groups of four, padded, no bits to spare. -1 if it is not so. */
static long decode_base64(const char *text, unsigned char *ret_bytes)
{
	const size_t len = strlen(text), digits = strcspn(text, "=");
	unsigned int bits = 0;
	size_t used = 0;

	if (len % 4 != 0 || len - digits > 2 || strspn(text + digits, "=") != len - digits)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		if (digit_value(text[i]) < 0)
			return -1;
		bits = bits << 6 | (unsigned int)digit_value(text[i]);
		if (i % 4 != 0)
			ret_bytes[used++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
	}
	if (len > digits)
		return (bits & (len - digits == 1 ? 3 : 15)) == 0 ? (long)used : -1;
	return (long)used;
}

/* Whether the header names a user and a password, and which. */
static bool expected_credentials(const char *header, struct pe_credentials *ret)
{
	unsigned char bytes[HEADER_MAX];
	char text[HEADER_MAX + 1];
	const unsigned char *colon = NULL;
	size_t user, password;
	long len;

	if (strlen(header) < 6 || strncasecmp(header, "basic ", 6) != 0)
		return false;
	header += 6;
	header += strspn(header, " ");
	/* What is behind a value is no part of it. */
	for (len = (long)strlen(header); len > 0 && strchr(" \t", header[len - 1]);)
		len--;
	snprintf(text, sizeof(text), "%.*s", (int)len, header);
	len = decode_base64(text, bytes);
	for (long i = 0; i < len; i++) {
		if (!bytes[i])
			return false;
		if (!colon && bytes[i] == ':')
			colon = &bytes[i];
	}
	if (!colon)
		return false;
	user = (size_t)(colon - bytes);
	password = (size_t)len - user - 1;
	if (user > PE_USER_MAX - 1 || password > PE_PASSWORD_MAX - 1)
		return false;
	*ret = (struct pe_credentials){ 0 };
	memcpy(ret->user, bytes, user);
	memcpy(ret->password, colon + 1, password);
	return true;
}

static void check_authorization(const char *header)
{
	struct pe_credentials expected, got;
	const bool valid = expected_credentials(header, &expected);

	memset(&got, 0xa5, sizeof(got));
	fuzz_check(pe_credentials_parse(header, &got) == valid, "%s of %s",
		   valid ? "no credentials" : "credentials", header);
	/* Every byte: a digest is made of all of them. */
	fuzz_check(!valid || memcmp(&got, &expected, sizeof(got)) == 0, "user %.16s of %s",
		   got.user, header);
}

/* The same from the other end: any bytes as user and password. */
static void check_user(const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const size_t len = strlen(text);
	char header[HEADER_MAX] = "Basic ", *to = header + 6;

	for (size_t i = 0; i < len; i += 3) {
		unsigned int bits = (unsigned int)(unsigned char)text[i] << 16;

		if (i + 1 < len)
			bits |= (unsigned int)(unsigned char)text[i + 1] << 8;
		if (i + 2 < len)
			bits |= (unsigned char)text[i + 2];
		for (size_t k = 0; k < 4; k++)
			*to++ = i + k > len ? '=' : digits[bits >> (18 - 6 * k) & 63];
	}
	*to = '\0';
	check_authorization(header);
}

/* ---- listen addresses and the telemetry path ---- */

static void check_address(const char *text)
{
	struct pe_address address, again;
	const char *colon = strrchr(text, ':');
	char why[PE_OPTION_WHY_MAX] = "", *back, port[8];
	int r = pe_address_parse(text, &address);

	if (pe_option_check_listen(text, why, sizeof(why)) == 0)
		fuzz_check(r == 0, "an option that the server refuses: %s", text);
	fuzz_check(r == 0 || r == -EINVAL, "returned %d", r);
	if (r < 0)
		return;
	/* Host and port together are all there was. */
	fuzz_check(colon && strspn(colon + 1, "0123456789") == strlen(colon + 1),
		   "no port at the end of %s", text);
	fuzz_check(strtoul(colon + 1, NULL, 10) == address.port, "port %u of %s", address.port,
		   text);
	back = join(address.ipv6 ? "[" : "", address.host, address.ipv6 ? "]" : "");
	fuzz_check(strlen(back) == (size_t)(colon - text) && strncmp(back, text, strlen(back)) == 0,
		   "host %s of %s", address.host, text);
	fuzz_check(!strpbrk(address.host, "[]/ \t\r\n"), "host %s", address.host);
	free(back);
	snprintf(port, sizeof(port), ":%u", address.port);
	back = join(address.ipv6 ? "[" : "", address.host, address.ipv6 ? "]" : "");
	text = join(back, port, "");
	fuzz_check(pe_address_parse(text, &again) == 0 && again.port == address.port &&
			   again.ipv6 == address.ipv6 && strcmp(again.host, address.host) == 0,
		   "%s is not the same again", text);
	free((char *)text);
	free(back);
}

static void check_path(const char *path)
{
	char why[PE_OPTION_WHY_MAX] = "";

	if (pe_option_check_path(path, why, sizeof(why)) < 0) {
		fuzz_check(*why, "no reason to refuse %s", path);
		return;
	}
	fuzz_check(path[0] == '/' && strcmp(path, "/") != 0, "path %s", path);
	for (const char *p = path; *p; p++)
		fuzz_check(*p > ' ' && *p < 0x7f && !strchr("?#%\"<>\\", *p), "path %s", path);
}

/* ---- push URLs ---- */

static char *url_part(const char *text, CURLUPart part)
{
	CURLU *url = libcurl.url();
	char *value = NULL, *copy = NULL;

	fuzz_check(url, "out of memory");
	if (libcurl.url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
	    libcurl.url_get(url, part, &value, CURLU_DEFAULT_PORT) == CURLUE_OK)
		copy = strdup(value);
	libcurl.free(value);
	libcurl.url_cleanup(url);
	return copy;
}

/* The group is at the same server, and without the credentials. */
static void check_same_server(const char *url, const char *group)
{
	static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char *a = url_part(url, parts[i]), *b = url_part(group, parts[i]);

		fuzz_check(a && b && strcmp(a, b) == 0, "%s goes to %s", url, group);
		free(a);
		free(b);
	}
	fuzz_check(!url_part(group, CURLUPART_USER) && !url_part(group, CURLUPART_PASSWORD) &&
			   !url_part(group, CURLUPART_QUERY) &&
			   !url_part(group, CURLUPART_FRAGMENT),
		   "%s has more than a path", group);
	for (const char *p = group; *p; p++)
		fuzz_check((unsigned char)*p > ' ' && *p != 0x7f, "byte %d in %s", *p, group);
}

static void check_url(const char *text)
{
	char error[512] = "", *user = NULL, *password = NULL, *group, *path;
	struct pe_push_options options = {
		.url = text, .job = "j", .instance = "i", .interval_ns = 1, .timeout_ns = 1
	};
	int r = pe_push_check(&options, error, sizeof(error));

	fuzz_check(r == 0 || r == -EINVAL, "returned %d", r);
	fuzz_check((r < 0) == (*error != '\0'), "returned %d and \"%s\"", r, error);
	fuzz_check(!strstr(error, SECRET), "the password: %s", error);
	for (const char *p = error; *p; p++)
		fuzz_check((unsigned char)*p >= ' ' && *p != 0x7f, "byte %d in %s", *p, error);
	if (r < 0)
		return;
	fuzz_check(pe_push_url_credentials(text, &user, &password) == 0, "no credentials");
	free(user);
	free(password);
	group = pe_push_group_url(&options);
	fuzz_check(group, "no address for %s", text);
	/* Behind the host it is no password, whatever it looks like. */
	path = url_part(text, CURLUPART_PATH);
	fuzz_check((path && strstr(path, SECRET)) || !strstr(group, SECRET), "the password: %s",
		   group);
	free(path);
	check_same_server(text, group);
	free(group);
}

/* A byte 2 in the text stands for credentials; a query may hold some, too. */
static void check_push_url(char *text)
{
	char *at = strchr(text, '\2'), *url, *shown;

	if (strstr(text, SECRET))
		return;
	if (at) {
		*at = '\0';
		url = join(text, "u:" SECRET "@", at + 1);
	} else {
		url = join(text, "?x=", SECRET);
	}
	shown = pe_push_redact_url(url);
	fuzz_check(shown && !strstr(shown, SECRET), "the password: %s", shown);
	free(shown);
	check_url(url);
	check_url(text);
	free(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	uint8_t what = fuzz_u8(&input);
	char *text = fuzz_text(&input, '\0', TEXT_MAX);

	switch (what) {
	case 'a':
		check_accept(text);
		break;
	case 'b':
		check_authorization(text);
		break;
	case 'l':
		check_address(text);
		break;
	case 'p':
		check_path(text);
		break;
	case 'u':
		check_user(text);
		break;
	default:
		check_push_url(text);
	}
	free(text);
	return 0;
}
