/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The push URL and the grouping key: what is refused, and that every value survives its path. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pe/clock.h"
#include "pe/push.h"

#define ROUNDS	   10000
#define LABELS_MAX 4
#define VALUE_MAX  96

static struct pe_push_options plain(void)
{
	return (struct pe_push_options){
		.url = "http://gateway:9091",
		.job = "job",
		.instance = "host",
		.interval_ns = PE_NS_PER_S,
		.timeout_ns = PE_NS_PER_S,
	};
}

/* ---- addresses ---- */

static void test_group_url(void **state)
{
	static const struct {
		const char *url, *job, *instance, *name, *value, *expect;
	} table[] = {
		{ "http://gw", "j", "i", NULL, NULL, "http://gw/metrics/job/j/instance/i" },
		{ "http://gw:9091/", "j", "i", NULL, NULL,
		  "http://gw:9091/metrics/job/j/instance/i" },
		{ "https://gw/prefix//", "j", "i", NULL, NULL,
		  "https://gw/prefix/metrics/job/j/instance/i" },
		{ "http://user:secret@gw:1/p", "j", "i", NULL, NULL,
		  "http://gw:1/p/metrics/job/j/instance/i" },
		{ "http://[::1]:9091", "j", "i", NULL, NULL,
		  "http://[::1]:9091/metrics/job/j/instance/i" },
		{ "http://gw", "a b", "i", "x", "",
		  "http://gw/metrics/job/a%20b/instance/i/x@base64/=" },
		{ "http://gw", "a+b", "50%", "x", "/",
		  "http://gw/metrics/job/a%2Bb/instance/50%25/x@base64/Lw" },
		{ "http://gw", "a/b", "é", "x", "..",
		  "http://gw/metrics/job@base64/YS9i/instance/%C3%A9/x@base64/Li4" },
		{ "http://gw", "j", ".", "x", "...",
		  "http://gw/metrics/job/j/instance@base64/Lg/x/..." },
		{ "http://gw", "j", "/\xc3\xbf\xc3\xbe", "x", "-_.~",
		  "http://gw/metrics/job/j/instance@base64/L8O_w74/x/-_.~" },
		{ "http://gw", "j", "i", "x", "a?b#c;d=e&f@g:h\\",
		  "http://gw/metrics/job/j/instance/i/x/a%3Fb%23c%3Bd%3De%26f%40g%3Ah%5C" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct pe_push_label label = { table[i].name, table[i].value };
		struct pe_push_options options = plain();
		char error[256] = "";
		char *url;

		options.url = table[i].url;
		options.job = table[i].job;
		options.instance = table[i].instance;
		options.grouping = &label;
		options.grouping_count = table[i].name ? 1 : 0;
		assert_int_equal(pe_push_check(&options, error, sizeof(error)), 0);
		url = pe_push_group_url(&options);
		assert_non_null(url);
		assert_string_equal(url, table[i].expect);
		free(url);
	}
}

/* ---- round trip: the gateway's side, written apart from the code under test ---- */

static int hex(char c)
{
	const char *digits = "0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static void decode_percent(const char *text, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '%') {
			assert_true(i + 2 < len);
			assert_true(hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0);
			*out++ = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
			i += 2;
		} else {
			/* A plus or a raw byte would be read differently by different servers. */
			assert_true(text[i] > 0x20 && text[i] < 0x7f && text[i] != '+');
			*out++ = text[i];
		}
	}
	*out = '\0';
}

static void decode_base64(const char *text, size_t len, char *out)
{
	const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0;
	unsigned int have = 0;

	assert_true(len > 0); /* an empty segment does not exist for the gateway */
	while (len > 0 && text[len - 1] == '=')
		len--;
	for (size_t i = 0; i < len; i++) {
		const char *at = strchr(digits, text[i]);

		assert_non_null(at);
		bits = bits << 6 | (uint32_t)(at - digits);
		have += 6;
		if (have >= 8) {
			have -= 8;
			*out++ = (char)(bits >> have & 0xff);
		}
	}
	assert_int_equal(bits & ((1u << have) - 1), 0);
	*out = '\0';
}

/* Takes "/name/value" off *path and compares. */
static void expect_label(const char **path, const char *name, const char *value)
{
	const char *segment = *path + 1;
	size_t name_len = strcspn(segment, "/");
	const char *encoded = segment + name_len + 1;
	size_t len = strcspn(encoded, "/");
	char decoded[VALUE_MAX * 3 + 1];
	const char *mark = "@base64";
	size_t mark_len = strlen(mark);

	assert_int_equal(**path, '/');
	assert_true(len > 0 && len < sizeof(decoded));
	if (name_len > mark_len && memcmp(segment + name_len - mark_len, mark, mark_len) == 0) {
		name_len -= mark_len;
		decode_base64(encoded, len, decoded);
	} else {
		/* A path is cleaned of these before it is routed. */
		assert_false(len == 1 && encoded[0] == '.');
		assert_false(len == 2 && memcmp(encoded, "..", 2) == 0);
		decode_percent(encoded, len, decoded);
		assert_null(strchr(decoded, '/'));
	}
	assert_int_equal(name_len, strlen(name));
	assert_memory_equal(segment, name, name_len);
	assert_string_equal(decoded, value);
	*path = encoded + len;
}

static uint32_t random_state = 0x2545f491;

static uint32_t next_random(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % bound;
}

static size_t put_utf8(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

/* Mostly what hurts: separators, dots, and the ends of the UTF-8 ranges. */
static void random_value(char out[static VALUE_MAX], size_t characters)
{
	static const uint32_t odd[] = { '/',	'.',	 '%',	  '+',	    ' ',   '=',	   '@',
					'\n',	0x7f,	 0x80,	  0x7ff,    0x800, 0xd7ff, 0xe000,
					0xffff, 0x10000, 0x1f680, 0x10ffff, '?',   '#',	   1 };
	size_t len = 0;

	for (size_t i = 0; i < characters; i++) {
		uint32_t c;

		switch (next_random(4)) {
		case 0:
			c = odd[next_random(sizeof(odd) / sizeof(odd[0]))];
			break;
		case 1:
			do {
				c = 1 + next_random(0x10ffff);
			} while (c >= 0xd800 && c <= 0xdfff);
			break;
		default:
			c = 1 + next_random(0x7f);
			break;
		}
		len += put_utf8(c, out + len);
	}
	out[len] = '\0';
}

static void test_round_trip(void **state)
{
	static const char *const names[LABELS_MAX] = { "a", "_b", "Region_9", "zone" };
	const char *base = "http://gateway:9091/metrics";

	for (unsigned int round = 0; round < ROUNDS; round++) {
		char values[LABELS_MAX][VALUE_MAX], job[VALUE_MAX], instance[VALUE_MAX];
		struct pe_push_label labels[LABELS_MAX];
		struct pe_push_options options = plain();
		char error[256] = "";
		const char *path;
		char *url;

		random_value(job, 1 + next_random(20));
		random_value(instance, 1 + next_random(20));
		options.job = job;
		options.instance = instance;
		options.grouping = labels;
		options.grouping_count = next_random(LABELS_MAX + 1);
		for (size_t i = 0; i < options.grouping_count; i++) {
			random_value(values[i], next_random(20));
			labels[i] = (struct pe_push_label){ names[i], values[i] };
		}
		assert_int_equal(pe_push_check(&options, error, sizeof(error)), 0);
		url = pe_push_group_url(&options);
		assert_non_null(url);
		assert_memory_equal(url, base, strlen(base));
		path = url + strlen(base);
		expect_label(&path, "job", job);
		expect_label(&path, "instance", instance);
		for (size_t i = 0; i < options.grouping_count; i++)
			expect_label(&path, names[i], values[i]);
		assert_string_equal(path, "");
		free(url);
	}
}

/* ---- refusals ---- */

static void expect_refused(const struct pe_push_options *options, const char *word)
{
	char error[512] = "";

	assert_int_equal(pe_push_check(options, error, sizeof(error)), -EINVAL);
	if (!strstr(error, word))
		fail_msg("\"%s\" does not say \"%s\"", error, word);
	assert_null(strstr(error, "secret"));
}

static void test_refused_urls(void **state)
{
	static const struct {
		const char *url, *word;
	} table[] = {
		{ "", "not a URL" },
		{ "gateway:9091", "" },
		{ "http://", "not a URL" },
		{ "http://gw:port/", "not a URL" },
		{ "http://gw:99999", "not a URL" },
		{ "http://user:secret@gw:port/", "http://…@gw:port/" },
		{ "http://user:sec/secret@gw:x", "…@gw:x" },
		{ "ftp://user:secret@gw/", "ftp://…@gw/" },
		{ "file:///etc/passwd", "begins with neither" },
		{ "http://gw/?token=secret", "query" },
		{ "http://gw/#secret", "fragment" },
		{ "http://gw/a b", "not a URL" },
		{ "http://gw/a\nb\x1b", "http://gw/a?b?" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct pe_push_options options = plain();

		options.url = table[i].url;
		expect_refused(&options, table[i].word);
	}
}

static void test_refused_values(void **state)
{
	static const char *const not_utf8[] = {
		"\xff",
		"a\x80",
		"\xc3",
		"\xc0\xaf",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"caf\xe9",
		"\xe2\x82",
		"\xe2\x82z",
	};
	struct pe_push_label label = { "zone", "" };
	char longest[1026];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < sizeof(not_utf8) / sizeof(not_utf8[0]); i++) {
		struct pe_push_options options = plain();

		options.job = not_utf8[i];
		expect_refused(&options, "job is not valid UTF-8");
		options = plain();
		options.instance = not_utf8[i];
		expect_refused(&options, "instance is not valid UTF-8");
		options = plain();
		label.value = not_utf8[i];
		options.grouping = &label;
		options.grouping_count = 1;
		expect_refused(&options, "zone is not valid UTF-8");
	}
	for (unsigned int i = 0; i < 6; i++) {
		struct pe_push_options options = plain();
		const char *bad = i < 2 ? "" : i < 4 ? NULL : longest;

		*(i % 2 ? &options.instance : &options.job) = bad;
		expect_refused(&options, i % 2 ? "instance" : "job");
	}
}

static void test_refused_labels(void **state)
{
	static const struct {
		const char *first, *second, *word;
	} table[] = {
		{ "", "ok", "\"\"" },
		{ "9a", "ok", "9a" },
		{ "a-b", "ok", "a-b" },
		{ "a/b", "ok", "a/b" },
		{ "a@base64", "ok", "a@base64" },
		{ "é", "ok", "é" },
		{ "\xff", "ok", "\"?\"" },
		{ "__name__", "ok", "reserved" },
		{ "__x", "ok", "reserved" },
		{ "job", "ok", "job" },
		{ "ok", "instance", "instance" },
		{ "ok", "ok", "twice" },
		{ "interface", "ok", "overwrite" },
		{ "ok", "le", "overwrite" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct pe_push_label labels[] = { { table[i].first, "v" },
						  { table[i].second, "v" } };
		struct pe_push_options options = plain();

		options.grouping = labels;
		options.grouping_count = 2;
		expect_refused(&options, table[i].word);
	}
}

static void test_refused_credentials(void **state)
{
	static const char *const urls[] = { "http://u:secret@gw", "http://u@gw",
					    "http://:secret@gw" };
	struct pe_push_options options = plain();

	options.password_file = "/file";
	expect_refused(&options, "user name");
	options = plain();
	options.username = "u";
	options.bearer_token_file = "/file";
	expect_refused(&options, "exclude each other");
	options = plain();
	options.url = "http://u:secret@gw";
	options.bearer_token_file = "/file";
	expect_refused(&options, "exclude each other");
	options = plain();
	options.username = "u:v";
	expect_refused(&options, "colon");
	options = plain();
	options.url = "http://u%3Av:secret@gw";
	expect_refused(&options, "colon");
	/* Both could be meant; a password that is not used is not dropped silently. */
	options = plain();
	options.username = "u";
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		options.url = urls[i];
		expect_refused(&options, "credentials in the URL and a user name beside it");
	}
	options = plain();
	options.url = "http://u:secret@gw";
	options.password_file = "/file";
	expect_refused(&options, "a password in the URL and a password file");
	options.url = "http://u@gw";
	assert_int_equal(pe_push_check(&options, (char[512]){ 0 }, 512), 0);
	options = plain();
	options.tls_key_file = "/file";
	expect_refused(&options, "certificate");
	options = plain();
	options.interval_ns = 0;
	expect_refused(&options, "interval");
	options = plain();
	options.url = NULL;
	expect_refused(&options, "URL");
}

static void test_small_error_buffer(void **state)
{
	struct pe_push_options options = plain();
	char error[8] = "";

	options.job = "";
	assert_int_equal(pe_push_check(&options, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "job is ");
	assert_int_equal(pe_push_check(&options, NULL, 0), -EINVAL);
}

/* ---- redaction ---- */

static void test_redact(void **state)
{
	static const struct {
		const char *url, *expect;
	} table[] = {
		{ "http://gw:9091/p", "http://gw:9091/p" },
		{ "http://u:pw@gw:9091/p", "http://…@gw:9091/p" },
		{ "http://u@gw", "http://…@gw" },
		{ "https://gw/p?token=x", "https://gw/p?…" },
		{ "https://u:pw@gw/p?token=x#y", "https://…@gw/p?…" },
		{ "https://gw/p#x", "https://gw/p?…" },
		{ "http://u:p@w@gw/", "http://…@gw/" },
		{ "http://u:p/w@gw/", "http://…@gw/" },
		{ "http://u:p?w@gw/", "http://…@gw/" },
		{ "u:pw@gw/", "…@gw/" },
		{ "u:p://w@gw/", "…@gw/" },
		{ "http:/u:pw@gw/", "…@gw/" },
		{ "", "" },
		{ "?", "?…" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char *shown = pe_push_redact_url(table[i].url);

		assert_non_null(shown);
		assert_string_equal(shown, table[i].expect);
		free(shown);
	}
}

static void test_host_names(void **state)
{
	char name[PE_PUSH_HOST_MAX], host[PE_PUSH_HOST_MAX] = "";

	(void)state;
	assert_true(pe_push_is_placeholder("localhost"));
	assert_true(pe_push_is_placeholder("localhost.localdomain"));
	assert_true(pe_push_is_placeholder("(none)"));
	assert_false(pe_push_is_placeholder("localhost1"));
	assert_false(pe_push_is_placeholder("node17.example"));
	assert_false(pe_push_is_placeholder("none"));
	pe_push_host_name(name);
	assert_int_equal(gethostname(host, sizeof(host)), 0);
	assert_string_equal(name, *host ? host : "localhost");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_group_url),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused_urls),
		cmocka_unit_test(test_refused_values),
		cmocka_unit_test(test_refused_labels),
		cmocka_unit_test(test_refused_credentials),
		cmocka_unit_test(test_small_error_buffer),
		cmocka_unit_test(test_redact),
		cmocka_unit_test(test_host_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
