/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Content negotiation: what real scrapers send, what the RFC allows, and what nobody should send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pe/cleanup.h"
#include "../../src/web/negotiate.h"

#define TEXT	    PE_FORMAT_TEXT
#define OPENMETRICS PE_FORMAT_OPENMETRICS
#define OM	    "application/openmetrics-text"
#define PROTOBUF    PE_FORMAT_PROTOBUF
#define PB                                                                         \
	"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;" \
	"encoding=delimited"

static const struct {
	const char *accept;
	enum pe_format format;
} accepts[] = {
	/* nothing said */
	{ NULL, TEXT },
	{ "", TEXT },
	{ "   ", TEXT },
	{ ",", TEXT },
	{ " , ,, ", TEXT },

	/* Prometheus 2.x */
	{ OM ";version=1.0.0," OM ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	  OPENMETRICS },
	{ OM "; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPENMETRICS },
	{ PB "," OM ";version=1.0.0;q=0.8," OM ";version=0.0.1;q=0.75,"
	     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	  PROTOBUF },
	{ "text/plain;version=0.0.4;q=1,*/*;q=0.1", TEXT },

	/* Prometheus 3.x */
	{ OM ";version=1.0.0;escaping=allow-utf-8;q=0.6," OM ";version=0.0.1;q=0.5,"
	     "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
	     "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	  OPENMETRICS },
	{ PB ";q=0.7," OM ";version=1.0.0;escaping=allow-utf-8;q=0.6," OM
	     ";version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
	     "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	  PROTOBUF },
	{ "text/plain;version=0.0.4;q=0.6," OM ";version=1.0.0;q=0.5,*/*;q=0.2", TEXT },
	{ "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,*/*;q=0.5", TEXT },

	/* protobuf: only who names it, this message, and this framing */
	{ PB, PROTOBUF },
	{ PB ";q=0.7,text/plain;version=0.0.4;q=0.3", PROTOBUF },
	{ PB ";q=0.2,text/plain;version=0.0.4;q=0.3", TEXT },
	{ PB ", " OM ";q=0.2", PROTOBUF },
	{ PB ";q=0.2, " OM, OPENMETRICS },
	{ PB "," OM ",text/plain", PROTOBUF },
	{ OM "," PB, OPENMETRICS },
	{ "text/plain," OM "," PB, TEXT },
	{ "*/*," PB, PROTOBUF },
	{ PB ";q=0", TEXT },
	{ PB ";q=0,*/*", TEXT },
	{ PB ";escaping=allow-utf-8", PROTOBUF },
	{ "application/vnd.google.protobuf", TEXT },
	{ "application/vnd.google.protobuf;encoding=delimited", TEXT },
	{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily", TEXT },
	{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
	  TEXT },
	{ "application/vnd.google.protobuf;proto=other.Family;encoding=delimited", TEXT },
	{ "application/vnd.google.protobuf; encoding=\"delimited\"; "
	  "proto=\"io.prometheus.client.MetricFamily\"",
	  PROTOBUF },
	{ "application/vnd.google.protobuf," OM ";q=0.1", OPENMETRICS },
	{ OM ";q=0,application/*", TEXT },
	{ OM ";q=0,application/*;q=0.1," PB ";q=0.2", PROTOBUF },

	/* curl, browsers, wget */
	{ "*/*", TEXT },
	{ "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
	  TEXT },
	{ "text/html, application/json", TEXT },

	/* versions */
	{ OM, OPENMETRICS },
	{ OM ";version=1.0.0", OPENMETRICS },
	{ OM ";version=0.0.1", OPENMETRICS },
	{ OM ";version=2.0.0", TEXT },
	{ OM ";version=1.0", TEXT },
	{ OM ";version=1.0.00", TEXT },
	{ OM ";version=2.0.0,*/*;q=0.1", TEXT },
	{ OM ";version=\"1.0.0\"", OPENMETRICS },
	{ OM ";version=", TEXT },
	{ OM ";charset=utf-8;version=1.0.0", OPENMETRICS },
	{ OM ";VERSION=1.0.0;Q=1", OPENMETRICS },
	{ "Application/OpenMetrics-Text", OPENMETRICS },
	{ OM "-v2", TEXT },
	{ "application/openmetrics", TEXT },

	/* weights */
	{ OM ";q=0.5,text/plain;q=0.6", TEXT },
	{ OM ";q=0.6,text/plain;q=0.5", OPENMETRICS },
	{ OM ";q=0.501,text/plain;q=0.5", OPENMETRICS },
	{ OM ";q=1.000,text/plain;q=0.999", OPENMETRICS },
	{ OM ";q=.5", OPENMETRICS },
	{ OM ";q=1.", OPENMETRICS },
	{ OM ";q=0.60000001,text/plain;q=0.5", OPENMETRICS },
	{ OM ";q=0", TEXT },
	{ OM ";q=0.000", TEXT },
	{ OM ";q=0,*/*", TEXT },
	{ "text/plain;q=0,*/*", OPENMETRICS },
	/* The same range twice: the better one. */
	{ "text/plain;q=0.1," OM ";q=0.5,text/plain;q=0.9", TEXT },
	{ "text/plain;q=0.9," OM ";q=0.5,text/plain;q=0.1", TEXT },
	{ "text/plain;q=0," OM ";q=0", TEXT },
	{ "*/*;q=0", TEXT },
	{ OM ";q=0.1,*/*;q=0", OPENMETRICS },
	{ OM ";q=0.1,*/*", TEXT }, /* the named q holds, the wildcard is for the rest */

	/* equal weights: named before wildcard, then the order */
	{ OM ",*/*", OPENMETRICS },
	{ "*/*," OM, OPENMETRICS },
	{ "text/plain,*/*", TEXT },
	{ "text/plain," OM, TEXT },
	{ OM ",text/plain", OPENMETRICS },
	{ OM ",text/plain;version=0.0.4", OPENMETRICS },

	/* ranges */
	{ "application/*", OPENMETRICS },
	{ "text/*", TEXT },
	{ "text/*,application/*", TEXT },
	{ "text/*;q=0.1,application/*;q=0.2", OPENMETRICS },
	{ "application/*,*/*;q=0.1", OPENMETRICS },
	{ "application/*;q=0," OM, OPENMETRICS },
	{ OM ";version=1.0.0;q=0," OM, TEXT }, /* the more precise range overrules */
	{ "*", TEXT },
	{ "*/", TEXT },

	/* white space and parameters */
	{ "\t" OM " ;\tversion=1.0.0 ; q=0.9 , text/plain ; q=0.1", OPENMETRICS },
	{ OM ";;;version=1.0.0;", OPENMETRICS },
	{ OM ";flag", OPENMETRICS },
	{ OM ";note=\"a, b;q=0 \\\" c\"", OPENMETRICS },
	{ "text/html;note=\"" OM "\"", TEXT },

	/* malformed: that element is skipped */
	{ OM ";q=x", TEXT },
	{ OM ";q=", TEXT },
	{ OM ";q", TEXT },
	{ OM ";q=.", TEXT },
	{ OM ";q=2", TEXT },
	{ OM ";q=1.001", TEXT },
	{ OM ";q=-1", TEXT },
	{ OM ";q=0.5.5", TEXT },
	{ OM ";q=99999999999999999999999999999999999999", TEXT },
	{ OM ";q=1e3", TEXT },
	{ OM " version=1.0.0", TEXT },
	{ OM ";version=\"1.0.0", TEXT },
	{ OM ";version=\"1.0.0\\", TEXT },
	{ OM ";version=\"\\", TEXT },
	{ OM ";=1.0.0", TEXT },
	{ OM ";version =1.0.0", TEXT },
	{ OM "\x01", TEXT },
	{ "\xff\xfe\x80", TEXT },
	{ ";q=1", TEXT },
	{ "=,=;=", TEXT },
	{ "\"", TEXT },
	{ "(), " OM, OPENMETRICS },
	{ "text/plain;q=x," OM ";q=0.1", OPENMETRICS },
};

static const struct {
	const char *accept_encoding;
	bool gzip;
} encodings[] = {
	{ NULL, false },
	{ "", false },
	{ "gzip", true }, /* Prometheus */
	{ "GZip", true },
	{ "x-gzip", true },
	{ "gzip, deflate, br, zstd", true },
	{ "deflate, br", false },
	{ "zstd", false },
	{ "identity", false },
	{ "*", true },
	{ "*;q=0.1", true },
	{ "*;q=0", false },
	{ "gzip;q=0", false },
	{ "gzip;q=0.0", false },
	{ "gzip;q=0,*", false },
	{ "gzip;q=0,*;q=1,identity", false },
	{ "*;q=0,gzip", true },
	{ "gzip;q=0.001", true },
	{ "gzip;q=0.5,identity", false },
	{ "gzip;q=0.5,identity;q=0.4", true },
	{ "gzip;q=0.5,*;q=0.6", false },
	{ "gzip,identity", true },
	{ "identity;q=0", false },
	{ "identity;q=0,gzip", true },
	{ "identity;q=0.5,*;q=0.4", false },
	{ "br;q=1.0, gzip;q=0.8, *;q=0.1", true },
	{ " \tgzip ; q=1", true },
	{ "gzip2", false },
	{ "gzi", false },
	{ "gzip;q=x", false },
	{ "gzip;q=1.5", false },
	{ "gzip gzip", false },
	{ "gzip;q=\"1\"", true },
	{ "\x80,gzip", true },
	{ ",,,", false },
	{ "\"gzip", false },
};

static void test_accept(void **state)
{
	for (size_t i = 0; i < sizeof(accepts) / sizeof(accepts[0]); i++) {
		if (pe_negotiate_format(accepts[i].accept) != accepts[i].format)
			fail_msg("Accept: %s", accepts[i].accept ? accepts[i].accept : "(none)");
	}
}

static void test_accept_encoding(void **state)
{
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		const char *s = encodings[i].accept_encoding;

		if (pe_negotiate_gzip(s) != encodings[i].gzip)
			fail_msg("Accept-Encoding: %s", s ? s : "(none)");
	}
}

/* Every header cut at every place, in memory of exactly its size: a sanitizer sees each over-read.
 */
static void test_truncated(void **state)
{
	for (size_t i = 0; i < sizeof(accepts) / sizeof(accepts[0]); i++) {
		const size_t len = accepts[i].accept ? strlen(accepts[i].accept) : 0;

		for (size_t cut = 0; cut < len; cut++) {
			_cleanup_free_ char *s = strndup(accepts[i].accept, cut);
			enum pe_format format;

			assert_non_null(s);
			format = pe_negotiate_format(s);
			assert_true(format == TEXT || format == OPENMETRICS || format == PROTOBUF);
			assert_false(pe_negotiate_gzip(s) && !strchr(s, '*'));
		}
	}
}

/* A header as long as a server lets through, of the characters that mean something. */
static void test_noise(void **state)
{
	static const char alphabet[] = ",;=\"\\*/ \tq01.gzip";
	uint32_t random = 1;
	char s[4096];

	for (int round = 0; round < 500; round++) {
		for (size_t i = 0; i < sizeof(s) - 1; i++) {
			random = random * 1664525 + 1013904223;
			s[i] = alphabet[(random >> 16) % (sizeof(alphabet) - 1)];
		}
		s[sizeof(s) - 1] = '\0';
		assert_int_equal(pe_negotiate_format(s), TEXT); /* no '-' in it: never named */
		pe_negotiate_gzip(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_accept_encoding),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
