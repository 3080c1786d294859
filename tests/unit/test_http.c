/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTP server over loopback: what it answers to whom. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pe/http.h"
#include "pe/listen.h"
#include "pe/web.h"

#include "http_client.h"
#include "http_server.h"

#define ACCEPT_PROTOBUF                                                                    \
	"Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;" \
	"encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3\r\n"
#define ACCEPT_OPENMETRICS                                                                    \
	"Accept: application/openmetrics-text;version=1.0.0,"                                 \
	"application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/" \
	"*;q=0.1\r\n"
#define ACCEPT_GZIP "Accept-Encoding: gzip\r\n"
#define ACCEPT_HTML "Accept: text/html\r\n"

/* What the daemon would be: one snapshot, given to every scrape. */
struct fixture {
	struct pe_snapshot *snapshot;
	struct pe_listeners *listeners;
	struct pe_web *web;
	struct pe_http *http; /* atomic: a scrape may come before pe_http_new() returns */
	int snapshot_error;   /* atomic */
	bool ready;	      /* atomic */
};

static int on_snapshot(struct pe_snapshot **ret_snapshot, void *userdata)
{
	struct fixture *f = userdata;
	const struct pe_http *http = __atomic_load_n(&f->http, __ATOMIC_ACQUIRE);
	const int error = __atomic_load_n(&f->snapshot_error, __ATOMIC_RELAXED);
	struct pe_http_sample sample;

	/* The daemon reads the statistics at this place; a lock held here would stop us. */
	if (http)
		pe_http_get_stats(http, &sample);
	if (error)
		return error;
	*ret_snapshot = pe_snapshot_ref(f->snapshot);
	return 0;
}

static bool on_ready(void *userdata)
{
	struct fixture *f = userdata;

	return __atomic_load_n(&f->ready, __ATOMIC_RELAXED);
}

static struct pe_listeners *listen_on_loopback(void)
{
	static const char *const addresses[] = { "127.0.0.1:0" };
	const struct pe_listen_options options = { .addresses = addresses, .count = 1 };
	struct pe_listeners *listeners = NULL;
	char why[PE_LISTEN_WHY_MAX];

	assert_int_equal(pe_listeners_new(&options, &listeners, why, sizeof(why)), 0);
	return listeners;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pe_http_options options = {
		.telemetry_path = "/metrics",
		.max_connections = 64,
		.timeout_s = 30,
		.share_ms = 1000,
		.snapshot = on_snapshot,
		.look = on_snapshot,
		.ready = on_ready,
		.userdata = f,
	};
	struct pe_iface_sample *iface;
	struct pe_http *http = NULL;
	char why[PE_WEB_WHY_MAX];

	assert_non_null(f);
	assert_int_equal(pe_snapshot_new(&f->snapshot), 0);
	assert_int_equal(pe_snapshot_alloc_ifaces(f->snapshot, 1), 0);
	iface = &f->snapshot->ifaces[0];
	strcpy(iface->info.name, "veth0");
	strcpy(iface->info.kind, "veth");
	iface->info.ifindex = 7;
	iface->info.mode = PE_MODE_GENERIC;
	iface->body.created_ns = 1700000000 * PE_NS_PER_S;
	iface->body.row[PE_INGRESS].class[PE_CLASS_IPV4 + PE_PROTO_TCP] =
		(struct pe_count){ 12345, 67890 };
	f->ready = true;
	f->listeners = listen_on_loopback();
	options.listeners = f->listeners;
	assert_int_equal(pe_web_new(NULL, &f->web, why, sizeof(why)), 0);
	options.web = f->web;
	assert_int_equal(pe_http_new(&options, &http), 0);
	__atomic_store_n(&f->http, http, __ATOMIC_RELEASE);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	server_end(&f->http, &f->web, &f->listeners);
	/* Every reference that a scrape took came back. */
	assert_int_equal(f->snapshot->references, 1);
	pe_snapshot_unref(f->snapshot);
	free(f);
	return 0;
}

/* What the encoder makes of the snapshot. */
static void encode(struct fixture *f, enum pe_format format, struct pe_strbuf *ret_text)
{
	const struct pe_encode_options options = { .format = format };
	struct pe_encoder *encoder = NULL;
	char buf[4096];
	ssize_t n;

	assert_int_equal(pe_encoder_new(f->snapshot, &options, &encoder), 0);
	while ((n = pe_encoder_read(encoder, buf, sizeof(buf))) > 0)
		pe_strbuf_add(ret_text, buf, (size_t)n);
	assert_int_equal(n, 0);
	pe_encoder_free(encoder);
	assert_true(ret_text->len > 0);
}

static void assert_header(const struct answer *answer, const char *name, const char *value)
{
	const char *got = answer_header(answer, name);

	if (!value) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, value);
}

static void assert_body(const struct answer *answer, const struct pe_strbuf *text)
{
	assert_true(answer->complete);
	assert_int_equal(answer->body.len, text->len);
	assert_memory_equal(answer->body.data, text->data, text->len);
}

static void assert_contains(const struct answer *answer, const char *text)
{
	assert_non_null(memmem(answer->body.data, answer->body.len, text, strlen(text)));
}

/* ---- metrics ---- */

static void test_formats(void **state)
{
	static const struct {
		const char *headers;
		enum pe_format format;
		bool gzip;
	} cases[] = {
		{ "", PE_FORMAT_TEXT, false },
		{ "Accept:\r\n", PE_FORMAT_TEXT, false },
		{ ACCEPT_OPENMETRICS, PE_FORMAT_OPENMETRICS, false },
		{ ACCEPT_GZIP, PE_FORMAT_TEXT, true },
		{ ACCEPT_OPENMETRICS ACCEPT_GZIP, PE_FORMAT_OPENMETRICS, true },
		{ ACCEPT_PROTOBUF, PE_FORMAT_PROTOBUF, false },
		{ ACCEPT_PROTOBUF ACCEPT_GZIP, PE_FORMAT_PROTOBUF, true },
		{ "Accept: application/json\r\nAccept-Encoding: br, gzip;q=0\r\n", PE_FORMAT_TEXT,
		  false },
		/* Two lines are one list. */
		{ "Accept: text/plain;q=0.2\r\nAccept: application/openmetrics-text\r\n"
		  "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n",
		  PE_FORMAT_OPENMETRICS, true },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_answer_ struct answer answer = { 0 };
		_cleanup_(pe_strbuf_fini) struct pe_strbuf text = { 0 };

		ask(pe_listeners_port(f->listeners, 0), "GET", "/metrics", cases[i].headers,
		    &answer);
		encode(f, cases[i].format, &text);
		assert_int_equal(answer.status, 200);
		assert_header(&answer, "Content-Type", pe_format_content_type(cases[i].format));
		assert_header(&answer, "Vary", "Accept, Accept-Encoding");
		assert_header(&answer, "X-Content-Type-Options", "nosniff");
		assert_header(&answer, "Cache-Control", "no-store");
		assert_header(&answer, "Content-Encoding", cases[i].gzip ? "gzip" : NULL);
		if (cases[i].gzip) {
			struct pe_strbuf plain = { 0 };

			assert_true(answer.complete);
			gunzip(&answer.body, &plain);
			pe_strbuf_fini(&answer.body);
			answer.body = plain;
		}
		assert_body(&answer, &text);
		if (cases[i].format != PE_FORMAT_PROTOBUF)
			assert_contains(&answer, "12345");
	}
}

static void test_http_1_0(void **state)
{
	struct fixture *f = *state;
	_cleanup_client_ struct client client = client_connect(pe_listeners_port(f->listeners, 0));
	_cleanup_answer_ struct answer answer = { 0 };
	_cleanup_(pe_strbuf_fini) struct pe_strbuf text = { 0 };
	char length[32];

	client_send(&client, "GET /metrics HTTP/1.0\r\n\r\n");
	assert_true(client_read(&client, false, &answer));
	encode(f, PE_FORMAT_TEXT, &text);
	assert_int_equal(answer.status, 200);
	assert_header(&answer, "Transfer-Encoding", NULL);
	snprintf(length, sizeof(length), "%zu", text.len);
	assert_header(&answer, "Content-Length", length);
	assert_body(&answer, &text);
}

static void test_no_snapshot(void **state)
{
	struct fixture *f = *state;
	const unsigned int port = pe_listeners_port(f->listeners, 0);

	__atomic_store_n(&f->snapshot_error, -ENOMEM, __ATOMIC_RELAXED);
	assert_int_equal(ask_status(port, "GET", "/metrics"), 503);
	assert_int_equal(ask_status(port, "HEAD", "/metrics"), 503);
	assert_int_equal(ask_status(port, "GET", "/-/healthy"), 200);
	__atomic_store_n(&f->snapshot_error, 0, __ATOMIC_RELAXED);
	assert_int_equal(ask_status(port, "GET", "/metrics"), 200);
}

/* ---- the other paths ---- */

static void test_page(void **state)
{
	struct fixture *f = *state;
	_cleanup_answer_ struct answer answer = { 0 };

	ask(pe_listeners_port(f->listeners, 0), "GET", "/", ACCEPT_HTML, &answer);
	assert_int_equal(answer.status, 200);
	assert_header(&answer, "Content-Type", "text/html; charset=utf-8");
	assert_header(&answer, "X-Content-Type-Options", "nosniff");
	assert_non_null(
		strstr(answer_header(&answer, "Content-Security-Policy"), "default-src 'none'"));
	assert_contains(&answer, "<title>Packet Exporter</title>");
	assert_contains(&answer, "href=\"/metrics\"");
	assert_contains(&answer, "href=\"/-/healthy\"");
	assert_contains(&answer, "href=\"/-/ready\"");
	assert_contains(&answer, "color-scheme: light dark");
	/* Nothing from elsewhere. */
	assert_null(memmem(answer.body.data, answer.body.len, "://", 3));
	assert_null(memmem(answer.body.data, answer.body.len, "src=", 4));
	assert_true(answer.body.len < 60000);
}

static void test_page_escapes(void **state)
{
	struct fixture *f = *state;
	struct pe_listeners *listeners = listen_on_loopback();
	const unsigned int port = pe_listeners_port(listeners, 0);
	const struct pe_http_options options = {
		.listeners = listeners,
		.web = f->web,
		.telemetry_path = "/a\"><script>&'",
		.max_connections = 4,
		.timeout_s = 30,
		.share_ms = 1000,
		.snapshot = on_snapshot,
		.look = on_snapshot,
		.ready = on_ready,
		.userdata = f,
	};
	_cleanup_answer_ struct answer answer = { 0 };
	struct pe_http *http = NULL;

	assert_int_equal(pe_http_new(&options, &http), 0);
	ask(port, "GET", "/", ACCEPT_HTML, &answer);
	assert_contains(&answer, "href=\"/a&#34;&#62;&#60;script&#62;&#38;&#39;\"");
	assert_int_equal(ask_status(port, "GET", "/a%22%3E%3Cscript%3E&'"), 200);
	assert_int_equal(ask_status(port, "GET", "/metrics"), 404);
	pe_http_free(http);
	pe_listeners_free(listeners);
}

static void test_health(void **state)
{
	struct fixture *f = *state;
	const unsigned int port = pe_listeners_port(f->listeners, 0);
	_cleanup_answer_ struct answer answer = { 0 };

	ask(port, "GET", "/-/healthy", "", &answer);
	assert_int_equal(answer.status, 200);
	assert_header(&answer, "Content-Type", "text/plain; charset=utf-8");
	assert_contains(&answer, "OK\n");

	assert_int_equal(ask_status(port, "GET", "/-/ready"), 200);
	__atomic_store_n(&f->ready, false, __ATOMIC_RELAXED);
	assert_int_equal(ask_status(port, "GET", "/-/ready"), 503);
	assert_int_equal(ask_status(port, "GET", "/-/healthy"), 200);
	__atomic_store_n(&f->ready, true, __ATOMIC_RELAXED);
	assert_int_equal(ask_status(port, "GET", "/-/ready"), 200);
}

static void test_not_found(void **state)
{
	static const char *const paths[] = { "/metrics/", "/metric",	 "/metricsx",
					     "/-/",	  "/-/healthy/", "//",
					     "/..",	  "/METRICS",	 "/favicon.ico" };
	struct fixture *f = *state;
	_cleanup_answer_ struct answer answer = { 0 };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(ask_status(pe_listeners_port(f->listeners, 0), "GET", paths[i]),
				 404);
	}
	/* It would end libmicrohttpd's path. */
	assert_int_equal(ask_status(pe_listeners_port(f->listeners, 0), "GET", "/metrics%00"), 400);
	ask(pe_listeners_port(f->listeners, 0), "GET", "/nothing?x=/metrics", "", &answer);
	assert_int_equal(answer.status, 404);
	assert_header(&answer, "Content-Type", "text/plain; charset=utf-8");
	assert_int_equal(ask_status(pe_listeners_port(f->listeners, 0), "GET", "/metrics?x=1"),
			 200);
}

/* ---- methods ---- */

/* The header lines but those that HEAD may leave out (RFC 9110, 9.3.2), and the time. Ages on the
 * page get longer. */
static void comparable_head(const struct answer *answer, char *out, size_t size)
{
	static const char *const ignored[] = { "Date:", "Transfer-Encoding:", "Connection:",
					       "Content-Length:" };
	const char *line = answer->head;

	out[0] = '\0';
	while (*line) {
		const size_t len = (size_t)(strstr(line, "\r\n") - line) + 2;
		bool keep = true;

		for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
			keep = keep && strncmp(line, ignored[i], strlen(ignored[i])) != 0;
		if (keep)
			snprintf(out + strlen(out), size - strlen(out), "%.*s", (int)len, line);
		line += len;
	}
}

static void test_head(void **state)
{
	static const char *const paths[] = { "/", "/metrics", "/-/healthy", "/-/ready",
					     "/nothing" };
	static const char *const headers[] = { "", ACCEPT_OPENMETRICS ACCEPT_GZIP };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		for (size_t j = 0; j < sizeof(headers) / sizeof(headers[0]); j++) {
			_cleanup_client_ struct client client =
				client_connect(pe_listeners_port(f->listeners, 0));
			_cleanup_answer_ struct answer head = { 0 }, get = { 0 };
			char head_lines[4096], get_lines[4096];

			ask(pe_listeners_port(f->listeners, 0), "GET", paths[i], headers[j], &get);
			assert_true(get.complete && get.body.len > 0);
			client_ask(&client, "HEAD", paths[i], headers[j], &head);
			comparable_head(&head, head_lines, sizeof(head_lines));
			comparable_head(&get, get_lines, sizeof(get_lines));
			assert_string_equal(head_lines, get_lines);

			/* Nothing follows the head: what comes next is the next answer, or the end.
			 */
			if (answer_header(&head, "Connection")) {
				assert_false(client_fill(&client));
			} else {
				_cleanup_answer_ struct answer next = { 0 };

				client_ask(&client, "GET", "/-/healthy", "", &next);
				assert_int_equal(next.status, 200);
			}
			assert_int_equal(client.in.len, 0);
		}
	}
}

static void test_bad_method(void **state)
{
	static const char *const methods[] = { "POST",	"PUT",	 "DELETE", "OPTIONS",
					       "PATCH", "TRACE", "get",	   "BREW" };
	struct fixture *f = *state;
	const unsigned int port = pe_listeners_port(f->listeners, 0);

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		_cleanup_answer_ struct answer answer = { 0 };

		ask(port, methods[i], "/metrics", "", &answer);
		assert_int_equal(answer.status, 405);
		assert_header(&answer, "Allow", "GET, HEAD");
		assert_header(&answer, "Content-Type", "text/plain; charset=utf-8");
		assert_int_equal(ask_status(port, methods[i], "/nothing"), 404);
	}
}

static void test_bodies(void **state)
{
	struct fixture *f = *state;
	_cleanup_client_ struct client post = client_connect(pe_listeners_port(f->listeners, 0));
	_cleanup_client_ struct client get = client_connect(pe_listeners_port(f->listeners, 0));
	_cleanup_answer_ struct answer refused = { 0 }, first = { 0 }, second = { 0 };

	/* Refused before the body is sent. */
	client_ask(&post, "POST", "/metrics", "Content-Length: 1000000000\r\n", &refused);
	assert_int_equal(refused.status, 405);
	assert_header(&refused, "Connection", "close");

	/* A GET with a body, in two pieces: read, ignored, and the connection is good for more. */
	client_send(&get, "GET /-/healthy HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\n\r\nabc");
	client_send(&get, "def");
	assert_true(client_read(&get, false, &first));
	assert_int_equal(first.status, 200);
	client_ask(&get, "GET", "/-/ready", "", &second);
	assert_int_equal(second.status, 200);
}

static void test_keep_alive(void **state)
{
	struct fixture *f = *state;
	_cleanup_client_ struct client client = client_connect(pe_listeners_port(f->listeners, 0));
	_cleanup_answer_ struct answer first = { 0 }, second = { 0 }, third = { 0 };

	client_send(&client, "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n"
			     "GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n"
			     "GET /-/healthy HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
	assert_true(client_read(&client, false, &first));
	assert_true(client_read(&client, false, &second));
	assert_true(client_read(&client, false, &third));
	assert_int_equal(first.status, 200);
	assert_true(first.complete);
	assert_int_equal(second.status, 404);
	assert_int_equal(third.status, 200);
	assert_false(client_fill(&client));
}

/* ---- statistics ---- */

static uint64_t requests(const struct pe_http_sample *sample, unsigned int code)
{
	for (size_t i = 0; i < PE_HTTP_CODES && sample->requests[i].code; i++) {
		if (sample->requests[i].code == code)
			return sample->requests[i].count;
	}
	fail_msg("no code %u", code);
	return 0;
}

static void test_stats(void **state)
{
	struct fixture *f = *state;
	const unsigned int port = pe_listeners_port(f->listeners, 0);
	struct pe_http_sample before, after;
	uint64_t scrapes = 0;

	pe_http_get_stats(f->http, &before);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask_status(port, "GET", "/metrics"), 200);
	assert_int_equal(ask_status(port, "GET", "/nothing"), 404);
	assert_int_equal(ask_status(port, "POST", "/"), 405);
	pe_http_get_stats(f->http, &after);
	assert_int_equal(requests(&after, 200) - requests(&before, 200), 3);
	assert_int_equal(requests(&after, 404) - requests(&before, 404), 1);
	assert_int_equal(requests(&after, 405) - requests(&before, 405), 1);
	assert_int_equal(requests(&after, 503) - requests(&before, 503), 0);
	for (size_t i = 0; i < PE_LATENCY_BUCKETS; i++)
		scrapes += after.scrape_duration.bucket[i] - before.scrape_duration.bucket[i];
	assert_int_equal(scrapes, 3);
	assert_true(after.scrape_duration.sum_ns > before.scrape_duration.sum_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),	     cmocka_unit_test(test_http_1_0),
		cmocka_unit_test(test_no_snapshot),  cmocka_unit_test(test_page),
		cmocka_unit_test(test_page_escapes), cmocka_unit_test(test_health),
		cmocka_unit_test(test_not_found),    cmocka_unit_test(test_head),
		cmocka_unit_test(test_bad_method),   cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_keep_alive),   cmocka_unit_test(test_stats),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
