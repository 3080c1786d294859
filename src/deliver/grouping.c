/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The push URL and the grouping key: what may be pushed, and under which address.
 *
 * A bad grouping key does not only fail here: it can make the pushes of every other client of the
 * gateway fail until the group is deleted. So all is checked before anything is sent.
 * Invariant: a value that pe_push_check() lets pass comes out of the gateway byte for byte as it
 * was given. Pure; any thread.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "pe/catalogue.h"
#include "pe/cleanup.h"
#include "pe/push.h"
#include "pe/strbuf.h"
#include "pe/utf8.h"

#include "grouping.h"
#include "libcurl.h"

/* Far beyond any sensible key, and below what servers accept as a request line. */
#define GROUPING_LABELS_MAX 64
#define VALUE_BYTES_MAX	    1024

static void cleanup_url(CURLU **url)
{
	if (*url)
		libcurl.url_cleanup(*url);
}

static void cleanup_curl_free(char **p)
{
	if (*p)
		libcurl.free(*p);
}

static void cleanup_strbuf(struct pe_strbuf *buf)
{
	pe_strbuf_fini(buf);
}

/* ---- redaction ---- */

/* Length of "scheme://", 0 if `url` does not begin so. */
static size_t scheme_length(const char *url)
{
	size_t len = strspn(url, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				 "0123456789+.-");

	return len > 0 && strncmp(url + len, "://", 3) == 0 ? len + 3 : 0;
}

char *pe_push_redact_url(const char *url)
{
	size_t scheme = scheme_length(url);
	const char *rest = url + scheme;
	/* The last '@' wherever it is: a password with a stray '/' or '?' must not show either. */
	const char *at = strrchr(rest, '@');
	char *redacted = NULL;
	size_t shown;

	if (at)
		rest = at + 1;
	shown = strcspn(rest, "?#");
	if (asprintf(&redacted, "%.*s%s%.*s%s", (int)scheme, url, at ? "…@" : "", (int)shown, rest,
		     rest[shown] ? "?…" : "") < 0)
		return NULL;
	return redacted;
}

/* The URL that an argument, or the next one, gives to an option that takes one; NULL: none. */
static char *url_in(char **argv)
{
	static const char *const options[] = { "--push.url", "--remote-write.url", "--otlp.url" };

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		const size_t len = strlen(options[i]);

		if (strcmp(*argv, options[i]) == 0)
			return argv[1];
		if (strncmp(*argv, options[i], len) == 0 && (*argv)[len] == '=')
			return *argv + len + 1;
	}
	return NULL;
}

bool pe_push_hide_password(char **argv)
{
	bool hidden = false;

	for (; *argv && strcmp(*argv, "--") != 0; argv++) {
		char *url = url_in(argv), *colon, *at;

		if (!url)
			continue;
		at = strrchr(url + scheme_length(url), '@');
		colon = strchr(url + scheme_length(url), ':');
		if (!at || !colon || colon >= at)
			continue;
		memset(colon + 1, '*', (size_t)(at - colon - 1));
		hidden = true;
	}
	return hidden;
}

/* ---- the URL ---- */

static CURLUcode parse_url(const char *text, CURLU **ret_url)
{
	const char *why;
	_cleanup_(cleanup_url) CURLU *url = pe_libcurl_load(&why) < 0 ? NULL : libcurl.url();
	CURLUcode rc = CURLUE_OUT_OF_MEMORY;

	if (url)
		rc = libcurl.url_set(url, CURLUPART_URL, text, 0);
	if (rc == CURLUE_OK)
		*ret_url = PE_TAKE_PTR(url);
	return rc;
}

/* The part as a string the caller frees; NULL, with 0, if the URL has none. */
static int url_part(CURLU *url, CURLUPart part, char **ret_text)
{
	_cleanup_(cleanup_curl_free) char *text = NULL;
	CURLUcode rc = libcurl.url_get(url, part, &text, CURLU_URLDECODE);
	char *copy;

	*ret_text = NULL;
	if (rc == CURLUE_NO_USER || rc == CURLUE_NO_PASSWORD)
		return 0;
	if (rc != CURLUE_OK)
		return rc == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	*ret_text = copy;
	return 0;
}

int pe_push_url_credentials(const char *url, char **ret_user, char **ret_password)
{
	_cleanup_(cleanup_url) CURLU *parsed = NULL;
	_cleanup_free_ char *user = NULL;
	_cleanup_free_ char *password = NULL;
	CURLUcode rc = parse_url(url, &parsed);
	int r;

	if (rc != CURLUE_OK)
		return rc == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
	r = url_part(parsed, CURLUPART_USER, &user);
	if (r < 0)
		return r;
	r = url_part(parsed, CURLUPART_PASSWORD, &password);
	if (r < 0)
		return r;
	*ret_user = PE_TAKE_PTR(user);
	*ret_password = PE_TAKE_PTR(password);
	return 0;
}

static bool url_has(CURLU *url, CURLUPart part)
{
	_cleanup_(cleanup_curl_free) char *text = NULL;

	return libcurl.url_get(url, part, &text, 0) == CURLUE_OK;
}

/* ---- the address of the group ---- */

static bool is_alpha(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 3986, 2.3. */
static bool is_unreserved(unsigned char c)
{
	return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* Would the value be lost as a path segment? The gateway splits the path after decoding it. */
static bool needs_base64(const char *value)
{
	return strcmp(value, "") == 0 || strcmp(value, ".") == 0 || strcmp(value, "..") == 0 ||
	       strchr(value, '/');
}

static void add_percent(struct pe_strbuf *buf, const char *value)
{
	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		if (is_unreserved(*p))
			pe_strbuf_addc(buf, (char)*p);
		else
			pe_strbuf_addf(buf, "%%%02X", *p);
	}
}

/* RFC 4648, 5, without padding; only the empty value needs a '=' to be a segment at all. */
static void add_base64url(struct pe_strbuf *buf, const char *value)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789-_";
	const unsigned char *p = (const unsigned char *)value;
	size_t left = strlen(value);

	if (left == 0)
		pe_strbuf_addc(buf, '=');
	while (left > 0) {
		size_t n = left < 3 ? left : 3;
		unsigned int bits = (unsigned int)p[0] << 16;

		if (n > 1)
			bits |= (unsigned int)p[1] << 8;
		if (n > 2)
			bits |= p[2];
		for (size_t i = 0; i <= n; i++)
			pe_strbuf_addc(buf, digits[bits >> (18 - 6 * i) & 63]);
		p += n;
		left -= n;
	}
}

static void add_label(struct pe_strbuf *buf, const char *name, const char *value)
{
	bool base64 = needs_base64(value);

	pe_strbuf_addf(buf, "/%s%s/", name, base64 ? "@base64" : "");
	if (base64)
		add_base64url(buf, value);
	else
		add_percent(buf, value);
}

/* Adds the URL as far as its path, with no slash at the end. */
static int add_base_url(struct pe_strbuf *buf, const char *text)
{
	_cleanup_(cleanup_url) CURLU *url = NULL;
	_cleanup_(cleanup_curl_free) char *bare = NULL;
	size_t len;

	if (parse_url(text, &url) != CURLUE_OK ||
	    libcurl.url_set(url, CURLUPART_USER, NULL, 0) != CURLUE_OK ||
	    libcurl.url_set(url, CURLUPART_PASSWORD, NULL, 0) != CURLUE_OK ||
	    libcurl.url_set(url, CURLUPART_OPTIONS, NULL, 0) != CURLUE_OK ||
	    libcurl.url_set(url, CURLUPART_QUERY, NULL, 0) != CURLUE_OK ||
	    libcurl.url_set(url, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK ||
	    libcurl.url_get(url, CURLUPART_URL, &bare, 0) != CURLUE_OK)
		return -EINVAL;
	len = strlen(bare);
	while (len > 0 && bare[len - 1] == '/')
		len--;
	pe_strbuf_add(buf, bare, len);
	return 0;
}

int pe_push_bare_url(const char *url, char **ret_bare)
{
	_cleanup_(cleanup_strbuf) struct pe_strbuf bare = PE_STRBUF_INIT;

	if (add_base_url(&bare, url) < 0)
		return -EINVAL;
	pe_strbuf_addc(&bare, '\0');
	if (bare.error < 0)
		return -ENOMEM;
	*ret_bare = PE_TAKE_PTR(bare.data);
	return 0;
}

int pe_push_address_parts(const struct pe_push_options *options, char **ret_before,
			  char **ret_after)
{
	_cleanup_(cleanup_strbuf) struct pe_strbuf before = PE_STRBUF_INIT;
	_cleanup_(cleanup_strbuf) struct pe_strbuf after = PE_STRBUF_INIT;

	if (add_base_url(&before, options->url) < 0)
		return -EINVAL;
	pe_strbuf_adds(&before, "/metrics");
	add_label(&before, "job", options->job);
	pe_strbuf_addc(&before, '\0');
	for (size_t i = 0; i < options->grouping_count; i++)
		add_label(&after, options->grouping[i].name, options->grouping[i].value);
	pe_strbuf_addc(&after, '\0');
	if (before.error < 0 || after.error < 0)
		return -ENOMEM;
	*ret_before = PE_TAKE_PTR(before.data);
	*ret_after = PE_TAKE_PTR(after.data);
	return 0;
}

char *pe_push_address(const char *before, const char *instance, const char *after)
{
	_cleanup_(cleanup_strbuf) struct pe_strbuf buf = PE_STRBUF_INIT;

	pe_strbuf_adds(&buf, before);
	add_label(&buf, "instance", instance);
	pe_strbuf_adds(&buf, after);
	pe_strbuf_addc(&buf, '\0');
	if (buf.error < 0)
		return NULL;
	return PE_TAKE_PTR(buf.data);
}

char *pe_push_group_url(const struct pe_push_options *options)
{
	_cleanup_free_ char *before = NULL;
	_cleanup_free_ char *after = NULL;

	if (pe_push_address_parts(options, &before, &after) < 0)
		return NULL;
	return pe_push_address(before, options->instance, after);
}

/* ---- checks ---- */

static bool is_label_name(const char *name)
{
	if (!is_alpha((unsigned char)*name) && *name != '_')
		return false;
	for (; *name; name++) {
		if (!is_alpha((unsigned char)*name) && !is_digit((unsigned char)*name) &&
		    *name != '_')
			return false;
	}
	return true;
}

static int __attribute__((format(printf, 3, 4)))
refuse(char *error, size_t error_size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, error_size, fmt, args);
	va_end(args);
	/* It quotes what it refuses, and has to stay one line. */
	for (char *p = error; error_size > 0 && *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
	return -EINVAL;
}

static int check_url(const char *text, char *error, size_t size)
{
	_cleanup_(cleanup_url) CURLU *url = NULL;
	_cleanup_(cleanup_curl_free) char *scheme = NULL;
	_cleanup_free_ char *shown = pe_push_redact_url(text);
	CURLUcode rc = parse_url(text, &url);

	if (rc != CURLUE_OK)
		return refuse(error, size, "\"%s\" is not a URL http(s)://HOST[:PORT][/PREFIX]: %s",
			      shown ? shown : "?", libcurl.url_strerror(rc));
	if (libcurl.url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return refuse(error, size, "\"%s\" begins with neither http:// nor https://",
			      shown ? shown : "?");
	if (url_has(url, CURLUPART_QUERY) || url_has(url, CURLUPART_FRAGMENT))
		return refuse(error, size,
			      "\"%s\" has a query or a fragment, which is not possible",
			      shown ? shown : "?");
	return 0;
}

static int check_value(const char *name, const char *value, bool may_be_empty, char *error,
		       size_t size)
{
	if (!value || (!may_be_empty && *value == '\0'))
		return refuse(error, size, "%s is empty", name);
	if (strlen(value) > VALUE_BYTES_MAX)
		return refuse(error, size, "the value of %s is longer than %d bytes", name,
			      VALUE_BYTES_MAX);
	if (!pe_utf8_valid(value))
		return refuse(error, size, "the value of %s is not valid UTF-8", name);
	return 0;
}

static int check_name(const struct pe_push_label *labels, size_t index, char *error, size_t size)
{
	const char *name = labels[index].name;

	if (!name || !is_label_name(name))
		return refuse(error, size,
			      "grouping label name \"%s\" does not match [a-zA-Z_][a-zA-Z0-9_]*",
			      name && pe_utf8_valid(name) ? name : "?");
	if (strncmp(name, "__", 2) == 0)
		return refuse(error, size, "grouping label %s: names with \"__\" are reserved",
			      name);
	if (strcmp(name, "job") == 0 || strcmp(name, "instance") == 0)
		return refuse(error, size, "grouping label %s has an option of its own", name);
	/*
	 * The gateway overwrites a label of a series with the grouping label of the same name:
	 * series that differ only there would become one, and every push would be refused as
	 * inconsistent.
	 */
	if (pe_catalogue_has_label(name))
		return refuse(error, size,
			      "grouping label %s would overwrite the label of the same name of the "
			      "series",
			      name);
	for (size_t i = 0; i < index; i++) {
		if (strcmp(labels[i].name, name) == 0)
			return refuse(error, size, "grouping label %s is given twice", name);
	}
	return 0;
}

static int check_labels(const struct pe_push_options *options, char *error, size_t size)
{
	const struct pe_push_label *labels = options->grouping;
	int r;

	r = check_value("job", options->job, false, error, size);
	if (r < 0)
		return r;
	r = check_value("instance", options->instance, false, error, size);
	if (r < 0)
		return r;
	if (options->grouping_count > GROUPING_LABELS_MAX)
		return refuse(error, size, "more than %d grouping labels", GROUPING_LABELS_MAX);
	for (size_t i = 0; i < options->grouping_count; i++) {
		r = check_name(labels, i, error, size);
		if (r < 0)
			return r;
		r = check_value(labels[i].name, labels[i].value, true, error, size);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_auth(const struct pe_push_options *options, char *error, size_t size)
{
	_cleanup_free_ char *user = NULL;
	_cleanup_free_ char *password = NULL;
	int r = pe_push_url_credentials(options->url, &user, &password);
	bool basic = user || password || options->username;

	if (r < 0)
		return refuse(error, size, "the credentials in the URL cannot be decoded");
	if ((user || password) && options->username)
		return refuse(error, size,
			      "credentials in the URL and a user name beside it exclude each "
			      "other");
	if (password && options->password_file)
		return refuse(error, size,
			      "a password in the URL and a password file exclude each other");
	if (strchr(options->username ? options->username : user ? user : "", ':'))
		return refuse(error, size,
			      "a colon in the user name: basic authentication would end it there");
	if (basic && options->bearer_token_file)
		return refuse(error, size, "%s and a bearer token exclude each other",
			      options->username ? "a user name" : "credentials in the URL");
	if (options->password_file && !user && !options->username)
		return refuse(error, size, "a password file needs a user name");
	if (options->tls_key_file && !options->tls_cert_file)
		return refuse(error, size, "a TLS key needs its certificate");
	return 0;
}

int pe_push_check(const struct pe_push_options *options, char *error, size_t error_size)
{
	const char *why;
	int r;

	if (!options->url)
		return refuse(error, error_size, "there is no URL");
	if (pe_libcurl_load(&why) < 0)
		return refuse(error, error_size, "libcurl cannot be loaded: %s", why);
	if (options->interval_ns == 0 || options->timeout_ns == 0)
		return refuse(error, error_size, "interval and timeout must be above zero");
	r = check_url(options->url, error, error_size);
	if (r < 0)
		return r;
	r = check_labels(options, error, error_size);
	if (r < 0)
		return r;
	return check_auth(options, error, error_size);
}
