/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The HTTP server under readers that are slow, too many, or not HTTP at all.
 *
 * Linked with --wrap=pe_encoder_read, so that a test can refuse the encoder's memory.
 */
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

#include "emulated.h"

#define IFACES	      1500 /* some MiB of text: more than sockets hold */
#define SNAPSHOTS_MAX 4	   /* that scrapes may keep alive */
#define SMALL_BUFFER  4096
#define TIMEOUT_S     3600 /* longer than any machine takes until a slow reader goes on */

/* Makes a new snapshot for each scrape that asks and remembers it. */
struct fixture {
	struct pe_listeners *listeners;
	struct pe_web *web;
	struct pe_http *http;
	struct pe_snapshot *made[64]; /* each with a reference of ours */
	unsigned int made_count;      /* atomic */
};

/* ---- refused memory ---- */

static int reads_left = -1; /* atomic; -1 is no limit */

ssize_t __real_pe_encoder_read(struct pe_encoder *encoder, char *buf, size_t size);
ssize_t __wrap_pe_encoder_read(struct pe_encoder *encoder, char *buf, size_t size);

ssize_t __wrap_pe_encoder_read(struct pe_encoder *encoder, char *buf, size_t size)
{
	const int left = __atomic_load_n(&reads_left, __ATOMIC_RELAXED);

	if (left == 0)
		return -ENOMEM;
	if (left > 0)
		__atomic_store_n(&reads_left, left - 1, __ATOMIC_RELAXED);
	return __real_pe_encoder_read(encoder, buf, size);
}

/* ---- fixture ---- */

static int make_snapshot(struct pe_snapshot **ret_snapshot)
{
	struct pe_snapshot *snapshot = NULL;
	int r = pe_snapshot_new(&snapshot);

	if (r < 0)
		return r;
	r = pe_snapshot_alloc_ifaces(snapshot, IFACES);
	if (r < 0) {
		pe_snapshot_unref(snapshot);
		return r;
	}
	for (int i = 0; i < IFACES; i++) {
		struct pe_iface_sample *iface = &snapshot->ifaces[i];

		snprintf(iface->info.name, sizeof(iface->info.name), "veth%04d", i);
		iface->info.ifindex = i + 1;
		for (int d = 0; d < PE_DIRECTIONS; d++) {
			for (int c = 0; c < PE_CLASS_COUNT; c++)
				iface->body.row[d].class[c] = (struct pe_count){ 1, 64 };
		}
	}
	*ret_snapshot = snapshot;
	return 0;
}

static int on_snapshot(struct pe_snapshot **ret_snapshot, void *userdata)
{
	struct fixture *f = userdata;
	const unsigned int n = f->made_count;
	const int r = make_snapshot(ret_snapshot);

	if (r < 0)
		return r;
	assert_true(n < sizeof(f->made) / sizeof(f->made[0]));
	f->made[n] = pe_snapshot_ref(*ret_snapshot);
	__atomic_store_n(&f->made_count, n + 1, __ATOMIC_RELEASE);
	return 0;
}

static bool on_ready(void *userdata)
{
	return true;
}

static unsigned int made(const struct fixture *f)
{
	return __atomic_load_n(&f->made_count, __ATOMIC_ACQUIRE);
}

/* Somebody but us still holds it. */
static bool is_alive(const struct pe_snapshot *snapshot)
{
	return __atomic_load_n(&snapshot->references, __ATOMIC_RELAXED) > 1;
}

static unsigned int alive(const struct fixture *f)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < made(f); i++)
		n += is_alive(f->made[i]);
	return n;
}

#define SHARED_MS 60000

static void start(struct fixture *f, unsigned int max_connections, unsigned int timeout_s,
		  unsigned int share_ms)
{
	static const char *const addresses[] = { "127.0.0.1:0" };
	const struct pe_listen_options listen = { .addresses = addresses, .count = 1 };
	struct pe_http_options options = {
		.telemetry_path = "/metrics",
		.max_connections = max_connections,
		.timeout_s = timeout_s,
		.share_ms = share_ms,
		.snapshot = on_snapshot,
		.look = on_snapshot,
		.ready = on_ready,
		.userdata = f,
	};

	char why[PE_WEB_WHY_MAX];

	assert_int_equal(pe_listeners_new(&listen, &f->listeners, why, sizeof(why)), 0);
	options.listeners = f->listeners;
	assert_int_equal(pe_web_new(NULL, &f->web, why, sizeof(why)), 0);
	options.web = f->web;
	assert_int_equal(pe_http_new(&options, &f->http), 0);
}

static void stop(struct fixture *f)
{
	server_end(&f->http, &f->web, &f->listeners);
	assert_int_equal(alive(f), 0);
	for (unsigned int i = 0; i < f->made_count; i++)
		pe_snapshot_unref(f->made[i]);
}

static struct client ask_slowly(unsigned int port)
{
	struct client client = client_connect_to(AF_INET, port, SMALL_BUFFER);

	client_send(&client, "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
	return client;
}

static void wait_a_little(void)
{
	poll(NULL, 0, 1); /* between two looks at a condition */
}

#define wait_for(condition)                                                                      \
	for (const uint64_t end_ns = pe_clock_monotonic_ns() + CLIENT_DEADLINE_NS; !(condition); \
	     wait_a_little()) {                                                                  \
		if (pe_clock_monotonic_ns() > end_ns)                                            \
			fail_msg("waited in vain for " #condition);                              \
	}

/* ---- slow readers ---- */

/* Readers that do not read keep four snapshots alive, no more, and are in nobody's way. */
static void test_slow_readers(void **state)
{
	struct fixture f = { 0 };
	struct client slow[7];
	_cleanup_answer_ struct answer quick = { 0 }, last = { 0 };
	unsigned int port;

	start(&f, 64, TIMEOUT_S, SHARED_MS);
	port = pe_listeners_port(f.listeners, 0);
	for (unsigned int i = 0; i < 7; i++) {
		slow[i] = ask_slowly(port);
		/* The head has come, so the scrape has begun. */
		assert_true(client_fill(&slow[i]));
		assert_int_equal(made(&f), i < SNAPSHOTS_MAX ? i + 1 : SNAPSHOTS_MAX);
	}
	assert_int_equal(alive(&f), SNAPSHOTS_MAX);

	ask(port, "GET", "/metrics", "", &quick);
	assert_int_equal(quick.status, 200);
	assert_true(quick.complete);
	assert_true(quick.body.len > 1000000);
	assert_int_equal(made(&f), SNAPSHOTS_MAX);

	/* The newest is the shared one: those that joined it read the same numbers to the end. */
	assert_true(client_read(&slow[6], false, &last));
	assert_true(last.complete);
	assert_int_equal(last.body.len, quick.body.len);
	assert_memory_equal(last.body.data, quick.body.data, quick.body.len);

	/* A reader that goes gives its snapshot back, and the next scrape gets a new one. */
	client_close(&slow[0]);
	wait_for(alive(&f) == SNAPSHOTS_MAX - 1);
	assert_false(is_alive(f.made[0]));
	{
		_cleanup_answer_ struct answer fresh = { 0 };

		ask(port, "HEAD", "/metrics", "", &fresh);
		assert_int_equal(fresh.status, 200);
		assert_int_equal(made(&f), SNAPSHOTS_MAX + 1);
	}
	for (unsigned int i = 1; i < 7; i++)
		client_close(&slow[i]);
	wait_for(alive(&f) == 0);
	stop(&f);
}

static uint64_t cut(const struct fixture *f)
{
	struct pe_http_sample sample;

	pe_http_get_stats(f->http, &sample);
	return sample.connections_evicted;
}

/* Nor must the rest read old numbers because of them: the oldest of them goes instead. */
static void test_slow_readers_of_old_numbers(void **state)
{
	struct fixture f = { 0 };
	struct client slow[SNAPSHOTS_MAX];
	unsigned int port;

	start(&f, 64, TIMEOUT_S, 0);
	port = pe_listeners_port(f.listeners, 0);
	for (int i = 0; i < SNAPSHOTS_MAX; i++) {
		slow[i] = ask_slowly(port);
		assert_true(client_fill(&slow[i]));
	}
	for (unsigned int i = 0; i < 10; i++) {
		_cleanup_answer_ struct answer fresh = { 0 };

		ask(port, "GET", "/metrics", "", &fresh);
		assert_int_equal(fresh.status, 200);
		assert_true(fresh.complete);
		assert_int_equal(made(&f), SNAPSHOTS_MAX + i + 1);
	}
	wait_for(!is_alive(f.made[0]));
	assert_int_equal(cut(&f), 1);
	for (int i = 0; i < SNAPSHOTS_MAX; i++) {
		_cleanup_answer_ struct answer answer = { 0 };

		assert_true(client_read(&slow[i], false, &answer));
		assert_int_equal(answer.complete, i > 0);
		client_close(&slow[i]);
	}
	wait_for(alive(&f) == 0);
	stop(&f);
}

/* A reader that stops altogether is ended by the idle timeout. */
static void test_idle(void **state)
{
	struct fixture f = { 0 };
	struct client slow, silent;

	start(&f, 64, 1, SHARED_MS);
	slow = ask_slowly(pe_listeners_port(f.listeners, 0));
	silent = client_connect(pe_listeners_port(f.listeners, 0));
	client_send(&silent, "GET /metrics HTTP/1.1\r\nHo");
	assert_true(client_fill(&slow));
	assert_int_equal(alive(&f), 1);
	wait_for(alive(&f) == 0);
	while (client_fill(&silent))
		;
	client_close(&slow);
	client_close(&silent);
	stop(&f);
}

/* ---- too many ---- */

static void ask_healthy(struct client *client)
{
	_cleanup_answer_ struct answer answer = { 0 };

	client_ask(client, "GET", "/-/healthy", "", &answer);
	assert_int_equal(answer.status, 200);
}

static void assert_cut_off(struct client *client)
{
	while (client_fill(client))
		;
	client_close(client);
}

/* Whoever comes is let in; who has waited longest goes. */
static void test_connection_limit(void **state)
{
	enum { PLACES = 8 };
	struct client clients[3 * PLACES];
	struct fixture f = { 0 };
	unsigned int port;

	start(&f, PLACES, TIMEOUT_S, SHARED_MS);
	port = pe_listeners_port(f.listeners, 0);
	for (int i = 0; i < PLACES; i++) {
		clients[i] = client_connect(port);
		ask_healthy(&clients[i]);
	}
	assert_int_equal(cut(&f), 0);
	ask_healthy(&clients[0]);
	for (int i = PLACES; i < 2 * PLACES - 1; i++) {
		clients[i] = client_connect(port);
		ask_healthy(&clients[i]);
	}
	assert_int_equal(cut(&f), PLACES - 1);
	for (int i = 1; i < PLACES; i++)
		assert_cut_off(&clients[i]);
	ask_healthy(&clients[0]);
	for (int i = PLACES; i < 2 * PLACES - 1; i++)
		ask_healthy(&clients[i]);

	/* Those that are silent from the beginning, as many as wait, are no different. */
	for (int i = 2 * PLACES; i < 3 * PLACES; i++)
		clients[i] = client_connect(port);
	assert_int_equal(ask_status(port, "GET", "/-/healthy"), 200);
	assert_cut_off(&clients[0]);
	for (int i = PLACES; i < 2 * PLACES - 1; i++)
		assert_cut_off(&clients[i]);
	assert_cut_off(&clients[2 * PLACES]);
	stop(&f);
	for (int i = 2 * PLACES + 1; i < 3 * PLACES; i++)
		assert_cut_off(&clients[i]);
}

/* Answers that do not end leave a quarter of the places; who waits there cuts off who waits. */
static void test_connection_limit_of_slow_readers(void **state)
{
	enum { PLACES = 8, QUARTER = 2 };
	struct client slow[PLACES], idle[2 * QUARTER];
	struct fixture f = { 0 };
	unsigned int port;

	start(&f, PLACES, TIMEOUT_S, SHARED_MS);
	port = pe_listeners_port(f.listeners, 0);
	for (int i = 0; i < PLACES; i++) {
		slow[i] = ask_slowly(port);
		assert_true(client_fill(&slow[i]));
	}
	for (int i = 0; i < 2 * QUARTER; i++) {
		idle[i] = client_connect(port);
		ask_healthy(&idle[i]);
	}
	assert_int_equal(cut(&f), 2 * QUARTER);
	for (int i = 0; i < QUARTER; i++) {
		assert_cut_off(&slow[i]);
		assert_cut_off(&idle[i]);
	}
	for (int i = QUARTER; i < PLACES; i++) {
		_cleanup_answer_ struct answer answer = { 0 };

		assert_true(client_read(&slow[i], false, &answer));
		assert_true(answer.complete);
		client_close(&slow[i]);
	}
	for (int i = QUARTER; i < 2 * QUARTER; i++) {
		ask_healthy(&idle[i]);
		client_close(&idle[i]);
	}
	stop(&f);
}

/* Stopping in the middle of answers. */
static void test_stop_while_reading(void **state)
{
	struct fixture f = { 0 };
	struct client slow[5];

	start(&f, 64, TIMEOUT_S, SHARED_MS);
	for (int i = 0; i < 5; i++) {
		slow[i] = ask_slowly(pe_listeners_port(f.listeners, 0));
		assert_true(client_fill(&slow[i]));
	}
	assert_int_equal(alive(&f), SNAPSHOTS_MAX);
	stop(&f);
	for (int i = 0; i < 5; i++) {
		_cleanup_answer_ struct answer answer = { 0 };

		assert_true(client_read(&slow[i], false, &answer));
		assert_false(answer.complete);
		client_close(&slow[i]);
	}
}

/* ---- failure in the middle ---- */

static void test_no_memory(void **state)
{
	static const char *const headers[] = { "", "Accept-Encoding: gzip\r\n" };
	struct fixture f = { 0 };
	unsigned int port;

	start(&f, 64, TIMEOUT_S, SHARED_MS);
	port = pe_listeners_port(f.listeners, 0);
	for (int i = 0; i < 2; i++) {
		_cleanup_answer_ struct answer cut = { 0 }, whole = { 0 };

		__atomic_store_n(&reads_left, 20, __ATOMIC_RELAXED);
		ask(port, "GET", "/metrics", headers[i], &cut);
		__atomic_store_n(&reads_left, -1, __ATOMIC_RELAXED);
		/* Closed without the last chunk: nobody takes it for the whole. */
		assert_int_equal(cut.status, 200);
		assert_false(cut.complete);

		ask(port, "GET", "/metrics", headers[i], &whole);
		assert_true(whole.complete);
		assert_true(whole.body.len > cut.body.len);
	}
	wait_for(alive(&f) == 0);
	stop(&f);
}

/* ---- not HTTP ---- */

static const char *const garbage[] = {
	"\r\n\r\n\r\n\r\n",
	"\n\n\n\n",
	"GET\r\n\r\n",
	"GET  /  HTTP/1.1\r\n\r\n",
	"GET / HTTP/9.9\r\n\r\n",
	"GET / HTTP/1.1\r\n\r\n", /* no Host */
	"GET / HTCPCP/1.0\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
	"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: \xff\x01;q=\"\r\nAccept-Encoding: ;;\r\n\r\n",
	"GET /%zz%%%00%ff HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://a/metrics HTTP/1.1\r\nHost: a\r\n\r\n",
	"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"\x16\x03\x01\x02\x01\x01\xfc\x03\x03", /* a TLS client */
	"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n\x01\x02garbage behind a request\r\n\r\n",
};

static uint64_t requests(const struct fixture *f, unsigned int code)
{
	struct pe_http_sample sample;

	pe_http_get_stats(f->http, &sample);
	for (size_t i = 0; i < PE_HTTP_CODES; i++) {
		if (sample.requests[i].code == code)
			return sample.requests[i].count;
	}
	return 0;
}

static uint64_t answers(const struct fixture *f)
{
	struct pe_http_sample sample;
	uint64_t sum = 0;

	pe_http_get_stats(f->http, &sample);
	for (size_t i = 0; i < PE_HTTP_CODES; i++)
		sum += sample.requests[i].count;
	return sum;
}

/* All at once, so that those that wait for more wait for the idle timeout together. */
static void test_garbage(void **state)
{
	enum { COUNT = sizeof(garbage) / sizeof(garbage[0]), NOISES = 20 };
	struct client clients[2 * COUNT + NOISES];
	struct fixture f = { 0 };
	uint32_t random = 1;
	size_t n = 0;

	SKIP_IF_EMULATED(); /* it knows no TCP_INFO, without which nothing is answered */
	start(&f, 2 * COUNT + NOISES + 1, 1, SHARED_MS);
	for (size_t i = 0; i < COUNT; i++) {
		const size_t len = strlen(garbage[i]);

		clients[n] = client_connect(pe_listeners_port(f.listeners, 0));
		client_send_bytes(&clients[n++], garbage[i], len);
		clients[n] = client_connect(pe_listeners_port(f.listeners, 0));
		client_send_bytes(&clients[n++], garbage[i], len / 2);
	}
	for (size_t i = 0; i < NOISES; i++) {
		char noise[8192];

		for (size_t j = 0; j < sizeof(noise); j++) {
			random = random * 1664525 + 1013904223;
			noise[j] = (char)(random >> 24);
		}
		clients[n] = client_connect(pe_listeners_port(f.listeners, 0));
		client_send_bytes(&clients[n++], noise, sizeof(noise));
	}
	while (n > 0) {
		n--;
		while (client_fill(&clients[n]))
			;
		/* Whatever it was, it was answered. */
		assert_true(clients[n].in.len > 9);
		assert_memory_equal(clients[n].in.data, "HTTP/1.1 ", 9);
		client_close(&clients[n]);
	}
	assert_int_equal(ask_status(pe_listeners_port(f.listeners, 0), "GET", "/-/healthy"), 200);
	assert_true(answers(&f) >= sizeof(clients) / sizeof(clients[0]));
	stop(&f);
}

static void send_oversized(unsigned int port, const void *data, size_t len)
{
	_cleanup_client_ struct client client = client_connect(port);

	client_send_bytes(&client, data, len);
	while (client_fill(&client))
		;
}

static void test_oversized(void **state)
{
	const size_t len = 1 << 20;
	_cleanup_free_ char *request = malloc(len);
	static const char *const prefixes[] = {
		"GET /",
		"GET / HTTP/1.1\r\nHost: ",
		"GET / HTTP/1.1\r\nHost: a\r\nAccept: ",
	};
	struct fixture f = { 0 };
	unsigned int port;

	assert_non_null(request);
	start(&f, 64, TIMEOUT_S, SHARED_MS);
	port = pe_listeners_port(f.listeners, 0);
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		memset(request, 'x', len);
		memcpy(request, prefixes[i], strlen(prefixes[i]));
		send_oversized(port, request, len);
	}
	/* Many small headers. */
	for (size_t i = 0; i + 4 <= len; i += 4)
		memcpy(request + i, "a:\r\n", 4);
	memcpy(request, "GET / HTTP/1.1\r\n", 16);
	send_oversized(port, request, len);
	assert_int_equal(ask_status(port, "HEAD", "/metrics"), 200);
	wait_for(requests(&f, 431) > 0);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_readers),
		cmocka_unit_test(test_slow_readers_of_old_numbers),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_connection_limit),
		cmocka_unit_test(test_connection_limit_of_slow_readers),
		cmocka_unit_test(test_stop_while_reading),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_oversized),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
