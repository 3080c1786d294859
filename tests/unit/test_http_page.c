/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page, the table and the JSON API over loopback: who gets what, and how much of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <microhttpd.h>

#include "pe/http.h"
#include "pe/listen.h"
#include "pe/page.h"
#include "pe/web.h"

#include "http_client.h"
#include "http_server.h"

#include "../../src/web/body.h"

#define IFACES	  1000
#define TYPE_HTML "text/html; charset=utf-8"
#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_JSON "application/json"

struct fixture {
	struct pe_snapshot *snapshot;
	struct pe_listeners *listeners;
	struct pe_web *web;
	struct pe_http *http;
	unsigned int port;
	unsigned int looks; /* atomic */
	char alias[256];
};

static int on_snapshot(struct pe_snapshot **ret_snapshot, void *userdata)
{
	struct fixture *f = userdata;

	*ret_snapshot = pe_snapshot_ref(f->snapshot);
	return 0;
}

static int on_look(struct pe_snapshot **ret_snapshot, void *userdata)
{
	struct fixture *f = userdata;

	__atomic_add_fetch(&f->looks, 1, __ATOMIC_RELAXED);
	return on_snapshot(ret_snapshot, userdata);
}

static bool on_ready(void *userdata)
{
	return true;
}

/* Names of which an answer becomes as long as it can. */
static void make_snapshot(struct fixture *f)
{
	assert_int_equal(pe_snapshot_new(&f->snapshot), 0);
	assert_int_equal(pe_snapshot_alloc_ifaces(f->snapshot, IFACES), 0);
	memset(f->alias, 1, sizeof(f->alias) - 1);
	f->snapshot->taken_ns = 1700000000 * PE_NS_PER_S;
	for (int i = 0; i < IFACES; i++) {
		struct pe_iface_sample *iface = &f->snapshot->ifaces[i];

		snprintf(iface->info.name, sizeof(iface->info.name), "veth%04d", i);
		strcpy(iface->info.kind, "veth");
		iface->info.ifindex = i + 1;
		iface->info.alias = f->alias;
		iface->info.altnames = f->alias;
		iface->body.created_ns = f->snapshot->taken_ns - PE_NS_PER_S;
	}
}

static int setup(void **state)
{
	static const char *const addresses[] = { "127.0.0.1:0", "127.0.0.1:0" };
	const struct pe_listen_options listen = { .addresses = addresses, .count = 2 };
	struct fixture *f = calloc(1, sizeof(*f));
	struct pe_http_options options = {
		.telemetry_path = "/metrics",
		.max_connections = 64,
		.timeout_s = 30,
		.share_ms = 1000,
		.snapshot = on_snapshot,
		.look = on_look,
		.ready = on_ready,
		.userdata = f,
	};
	char why[PE_WEB_WHY_MAX];

	assert_non_null(f);
	make_snapshot(f);
	assert_int_equal(pe_listeners_new(&listen, &f->listeners, why, sizeof(why)), 0);
	assert_int_equal(pe_web_new(NULL, &f->web, why, sizeof(why)), 0);
	options.listeners = f->listeners;
	options.web = f->web;
	assert_int_equal(pe_http_new(&options, &f->http), 0);
	f->port = pe_listeners_port(f->listeners, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	server_end(&f->http, &f->web, &f->listeners);
	assert_int_equal(f->snapshot->references, 1);
	pe_snapshot_unref(f->snapshot);
	free(f);
	return 0;
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

static void assert_contains(const struct answer *answer, const char *text)
{
	if (!memmem(answer->body.data, answer->body.len, text, strlen(text)))
		fail_msg("no %s in %.*s", text, (int)answer->body.len, answer->body.data);
}

/* ---- who gets what ---- */

/* Only who asks for HTML gets it. */
static void test_negotiation(void **state)
{
	static const struct {
		const char *accept, *type;
	} cases[] = {
		{ "", TYPE_TEXT },
		{ "Accept: */*\r\n", TYPE_TEXT },
		{ "Accept: text/*\r\n", TYPE_TEXT },
		{ "Accept: text/plain\r\n", TYPE_TEXT },
		{ "Accept: application/json\r\n", TYPE_TEXT },
		{ "Accept: text/html\r\n", TYPE_HTML },
		{ "Accept: TEXT/HTML;q=0.5\r\n", TYPE_HTML },
		{ "Accept: text/html;q=0\r\n", TYPE_TEXT },
		{ "Accept: text/html;q=0.5, text/plain\r\n", TYPE_TEXT },
		{ "Accept: text/html;q=0.5, */*;q=0.8\r\n", TYPE_TEXT },
		{ "Accept: text/html, text/plain\r\n", TYPE_HTML },
		{ "Accept: text/plain;q=0.9\r\nAccept: text/html\r\n", TYPE_HTML },
		/* A browser's. */
		{ "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;"
		  "q=0.8\r\n",
		  TYPE_HTML },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_answer_ struct answer answer = { 0 };

		ask(f->port, "GET", "/", cases[i].accept, &answer);
		assert_int_equal(answer.status, 200);
		assert_header(&answer, "Content-Type", cases[i].type);
		assert_header(&answer, "Vary", "Accept, Accept-Encoding");
		assert_header(&answer, "Cache-Control", "no-store");
		assert_header(&answer, "X-Content-Type-Options", "nosniff");
		assert_header(&answer, "Referrer-Policy", "no-referrer");
		assert_non_null(strstr(answer_header(&answer, "Content-Security-Policy"),
				       "default-src 'none'"));
		assert_contains(&answer,
				strcmp(cases[i].type, TYPE_HTML) == 0 ? "<main" : "\nveth0000 ");
	}
}

static void test_paths(void **state)
{
	static const struct {
		const char *path, *type;
		int status;
	} cases[] = {
		{ "/api/v1/interfaces", TYPE_JSON, 200 },
		{ "/api/v1/interfaces?", TYPE_JSON, 200 },
		{ "/api/v1/interfaces?limit=1&sort=name", TYPE_JSON, 200 },
		{ "/api/v1/interfaces/1", TYPE_JSON, 200 },
		{ "/api/v1/interfaces/1000?x", TYPE_JSON, 200 },
		{ "/api/v1/groups", TYPE_JSON, 200 },
		{ "/api/v1/health", TYPE_JSON, 200 },
		{ "/api/v1/interfaces/1001", TYPE_JSON, 404 },
		{ "/api/v1/interfaces?limit=x", TYPE_JSON, 400 },
		{ "/api/v1/health?x=%00", TYPE_JSON, 400 },
		{ "/?search=%00", TYPE_TEXT, 400 },
		{ "/?search=%zz", TYPE_TEXT, 400 },
		{ "/?view=groups&search=%f0%9f%9a%80+?&&", TYPE_TEXT, 200 },
		{ "/api/v1", TYPE_TEXT, 404 },
		{ "/api/v1/", TYPE_TEXT, 404 },
		{ "/api/v1/x", TYPE_TEXT, 404 },
		{ "/api/v1/interfaces/", TYPE_TEXT, 404 },
		{ "/api/v1/interfaces/eth0", TYPE_TEXT, 404 },
		{ "/API/v1/interfaces", TYPE_TEXT, 404 },
		{ "/api/v1/interfaces%00", TYPE_TEXT, 400 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_answer_ struct answer get = { 0 }, head = { 0 };

		ask(f->port, "GET", cases[i].path, "", &get);
		ask(f->port, "HEAD", cases[i].path, "", &head);
		if (get.status != cases[i].status)
			fail_msg("%s: %d", cases[i].path, get.status);
		assert_int_equal(head.status, cases[i].status);
		assert_header(&get, "Content-Type", cases[i].type);
		assert_header(&head, "Content-Type", cases[i].type);
		if (strcmp(cases[i].type, TYPE_JSON) == 0 && cases[i].status != 200)
			assert_contains(&get, "{\"error\":\"");
	}
}

static void test_methods(void **state)
{
	static const char *const methods[] = { "POST", "PUT", "DELETE", "OPTIONS", "PATCH" };
	static const char *const paths[] = { "/", "/api/v1/interfaces", "/api/v1/interfaces/1",
					     "/api/v1/health" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		for (size_t j = 0; j < sizeof(paths) / sizeof(paths[0]); j++) {
			_cleanup_answer_ struct answer answer = { 0 };

			ask(f->port, methods[i], paths[j], "", &answer);
			assert_int_equal(answer.status, 405);
			assert_header(&answer, "Allow", "GET, HEAD");
		}
		assert_int_equal(ask_status(f->port, methods[i], "/api/v1/x"), 404);
	}
}

/* Each request of a connection has its own query. */
static void test_keep_alive(void **state)
{
	static const struct {
		const char *path, *part;
	} cases[] = {
		{ "/api/v1/interfaces?offset=7&limit=1", "\"offset\":7," },
		{ "/api/v1/interfaces", "\"offset\":0," },
		{ "/api/v1/interfaces?offset=9&limit=1", "\"offset\":9," },
		{ "/metrics?offset=5", "packet_exporter_" },
		{ "/api/v1/interfaces?limit=0", "\"error\"" },
		{ "/?limit=1", "\n1 of 1000;" },
		{ "/", "\n40 of 1000;" },
	};
	struct fixture *f = *state;
	_cleanup_client_ struct client client = client_connect(f->port);

	for (int i = 0; i < 14; i++) {
		_cleanup_answer_ struct answer answer = { 0 };

		client_ask(&client, "GET", cases[i % 7].path, "", &answer);
		assert_contains(&answer, cases[i % 7].part);
	}
}

static int ask_long(unsigned int port, const char *path, size_t query_len)
{
	char target[16384];

	snprintf(target, sizeof(target), "%s?search=%0*d", path, (int)query_len - 7, 0);
	assert_int_equal(strlen(target), strlen(path) + 1 + query_len);
	return ask_status(port, "GET", target);
}

static void test_long_queries(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask_long(f->port, "/", PE_PAGE_QUERY_MAX - 1), 200);
	assert_int_equal(ask_long(f->port, "/", PE_PAGE_QUERY_MAX), 400);
	assert_int_equal(ask_long(f->port, "/api/v1/groups", PE_PAGE_QUERY_MAX - 1), 200);
	assert_int_equal(ask_long(f->port, "/api/v1/groups", PE_PAGE_QUERY_MAX), 400);
}

static void test_very_long_query(void **state)
{
	struct fixture *f = *state;
	_cleanup_client_ struct client client = client_connect(f->port);
	static char request[9000];

	for (int i = 0; i < 2; i++) {
		static const char *const paths[] = { "/", "/metrics" };
		static const int statuses[] = { 400, 200 };
		_cleanup_answer_ struct answer answer = { 0 };

		snprintf(request, sizeof(request), "GET %s?%0*d HTTP/1.1\r\nHost: test\r\n\r\n",
			 paths[i], 8192, 0);
		client_send(&client, request);
		assert_true(client_read(&client, false, &answer));
		assert_int_equal(answer.status, statuses[i]);
	}
}

static void test_reserved(void **state)
{
	static const char *const reserved[] = { "/",	    "/-/healthy", "/-/ready",
						"/api/v1/", "/api/v1/x",  "/api/v1/health" };
	static const char *const others[] = { "/metrics", "/api/v1", "/api/v2/",
					      "/api",	  "/-/",     "/-/healthy/" };

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		assert_true(pe_http_is_reserved(reserved[i]));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(pe_http_is_reserved(others[i]));
}

/* ---- bodies ---- */

/* Two answers are the same behind this: in front of it is how long ago the sample before was. */
static void test_gzip(void **state)
{
	static const struct {
		const char *path, *behind;
	} cases[] = {
		{ "/api/v1/interfaces?limit=900&sort=name", ",\"total\":" },
		{ "/api/v1/interfaces?limit=0", "{" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_answer_ struct answer plain = { 0 }, packed = { 0 };
		_cleanup_(pe_strbuf_fini) struct pe_strbuf text = { 0 };
		char length[32], *a, *b;

		ask(f->port, "GET", cases[i].path, "", &plain);
		ask(f->port, "GET", cases[i].path, "Accept-Encoding: gzip\r\n", &packed);
		assert_header(&plain, "Content-Encoding", NULL);
		assert_header(&packed, "Content-Encoding", "gzip");
		snprintf(length, sizeof(length), "%zu", packed.body.len);
		assert_header(&packed, "Content-Length", length);
		gunzip(&packed.body, &text);
		pe_strbuf_addc(&text, '\0');
		pe_strbuf_addc(&plain.body, '\0');
		a = strstr(text.data, cases[i].behind);
		b = strstr(plain.body.data, cases[i].behind);
		assert_true(a && b);
		assert_string_equal(a, b);
	}
}

#define LARGE "/api/v1/interfaces?limit=1000&history=1"

/* Readers that do not read hold no more than there may be; the rest is answered. */
static void test_slow_readers(void **state)
{
	struct fixture *f = *state;
	struct client slow[5];
	_cleanup_answer_ struct answer first = { 0 }, last = { 0 };
	size_t held = 0;

	for (size_t i = 0; i < 5; i++) {
		slow[i] = client_connect_to(AF_INET, f->port, 65536);
		client_send(&slow[i], "GET " LARGE " HTTP/1.1\r\nHost: test\r\n\r\n");
		assert_true(client_fill(&slow[i]));
		held += strncmp(slow[i].in.data, "HTTP/1.1 200", 12) == 0;
		if (strncmp(slow[i].in.data, "HTTP/1.1 200", 12) != 0)
			assert_int_equal(strncmp(slow[i].in.data, "HTTP/1.1 503", 12), 0);
	}
	assert_in_range(held, 2, PE_BODIES_MAX / (3 << 20));
	ask(f->port, "GET", LARGE, "", &first);
	assert_int_equal(first.status, 503);
	assert_contains(&first, "Too many slow readers\n");
	assert_int_equal(ask_status(f->port, "GET", "/api/v1/health"), 200);
	assert_int_equal(ask_status(f->port, "GET", "/metrics"), 200);
	/* What they have begun is whole, and when they go there is room again. */
	assert_true(client_read(&slow[0], false, &last));
	assert_true(last.complete);
	assert_in_range(last.body.len, 3 << 20, 5 << 20);
	for (size_t i = 0; i < 5; i++)
		client_close(&slow[i]);
	for (int i = 0; ask_status(f->port, "GET", LARGE) != 200; i++) {
		assert_true(i < 10000);
		poll(NULL, 0, 1);
	}
}

/* The bound is for all bodies together, and what is given back is there for others. */
static void test_bodies(void **state)
{
	enum { MOST = 64 };
	struct pe_bodies bodies = { 0 };
	struct MHD_Response *response[MOST];
	struct pe_strbuf small = PE_STRBUF_INIT;
	size_t count = 0;
	int r = 0;

	for (int round = 0; round < 2; round++) {
		for (count = 0; count < MOST; count++) {
			struct pe_strbuf text = PE_STRBUF_INIT;

			assert_int_equal(pe_strbuf_reserve(&text, 1 << 20), 0);
			memset(text.data, 'x', 700000);
			text.len = 700000;
			r = pe_body_respond(&bodies, &text, false, &response[count]);
			assert_null(text.data);
			if (r < 0)
				break;
			assert_true(bodies.bytes <= PE_BODIES_MAX);
		}
		assert_int_equal(r, -EBUSY);
		assert_int_equal(count, PE_BODIES_MAX / 700000);
		assert_int_equal(bodies.bytes, count * 700000);
		/* Who fills it keeps nobody from a page. */
		pe_strbuf_adds(&small, "small");
		assert_int_equal(pe_body_respond(&bodies, &small, false, &response[count]), 0);
		MHD_destroy_response(response[count]);
		while (count > 0)
			MHD_destroy_response(response[--count]);
		assert_int_equal(bodies.bytes, 0);
	}
}

/* ---- many viewers ---- */

/* However many ask, on whichever socket, there is one sample a second. */
static void test_viewers(void **state)
{
	struct fixture *f = *state;
	const uint64_t begin_ns = pe_clock_monotonic_ns();
	const unsigned int before = __atomic_load_n(&f->looks, __ATOMIC_RELAXED);
	struct client viewer[8];

	for (unsigned int i = 0; i < 8; i++)
		viewer[i] = client_connect(pe_listeners_port(f->listeners, i % 2));
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 8; i++)
			client_send(&viewer[i], "GET /?part=1&limit=9 HTTP/1.1\r\nHost: x\r\n"
						"Accept: text/html\r\n\r\n");
		for (int i = 0; i < 8; i++) {
			_cleanup_answer_ struct answer answer = { 0 };

			assert_true(client_read(&viewer[i], false, &answer));
			assert_int_equal(answer.status, 200);
		}
		pe_http_tick(f->http);
	}
	for (int i = 0; i < 8; i++)
		client_close(&viewer[i]);
	assert_true(__atomic_load_n(&f->looks, __ATOMIC_RELAXED) - before <=
		    1 + (pe_clock_monotonic_ns() - begin_ns) / (900 * PE_NS_PER_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_negotiation),  cmocka_unit_test(test_paths),
		cmocka_unit_test(test_methods),	     cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_long_queries), cmocka_unit_test(test_very_long_query),
		cmocka_unit_test(test_reserved),     cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_slow_readers), cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_viewers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
