/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server with users: many at once, through changes of the file and the end of the server. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "pe/http.h"
#include "pe/listen.h"
#include "pe/web.h"

#include "http_client.h"

/* Of "fakepassword", at the least cost there is. */
#define HASH	   "$2b$04$abcdefghijklmnopqrstuuBQnHgpqTvGwW5nyIPXIaIQpu5QBGVRy"
#define AUTH_RIGHT "Authorization: Basic YWxpY2U6ZmFrZXBhc3N3b3Jk\r\n" /* alice:fakepassword */
#define AUTH_WRONG "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n"	       /* alice:wrong */
#define USERS	   "basic_auth_users:\n  alice: " HASH "\n"
#define THREADS	   8
#define ROUNDS	   50

struct fixture {
	char file[64];
	struct pe_snapshot *snapshot;
	struct pe_listeners *listeners;
	struct pe_web *web;
	struct pe_http *http;
	unsigned int port;
};

static int on_snapshot(struct pe_snapshot **ret_snapshot, void *userdata)
{
	struct fixture *f = userdata;

	*ret_snapshot = pe_snapshot_ref(f->snapshot);
	return 0;
}

static bool on_ready(void *userdata)
{
	return true;
}

static void write_file(const struct fixture *f, const char *text)
{
	FILE *file = fopen(f->file, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void start(struct fixture *f)
{
	static const char *const addresses[] = { "127.0.0.1:0" };
	const struct pe_listen_options listen = { .addresses = addresses, .count = 1 };
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
	char why[PE_WEB_WHY_MAX];

	assert_int_equal(pe_listeners_new(&listen, &f->listeners, why, sizeof(why)), 0);
	if (pe_web_new(f->file, &f->web, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	options.listeners = f->listeners;
	options.web = f->web;
	assert_int_equal(pe_http_new(&options, &f->http), 0);
	f->port = pe_listeners_port(f->listeners, 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	assert_non_null(f);
	strcpy(f->file, "/tmp/pe-web-XXXXXX");
	fd = mkstemp(f->file);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(pe_snapshot_new(&f->snapshot), 0);
	write_file(f, USERS);
	start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pe_http_free(f->http);
	pe_web_free(f->web);
	pe_listeners_free(f->listeners);
	assert_int_equal(f->snapshot->references, 1);
	pe_snapshot_unref(f->snapshot);
	unlink(f->file);
	free(f);
	return 0;
}

static int ask_as(unsigned int port, const char *headers)
{
	_cleanup_answer_ struct answer answer = { 0 };

	ask(port, "GET", "/-/ready", headers, &answer);
	return answer.status;
}

static void test_keep_alive(void **state)
{
	struct fixture *f = *state;
	_cleanup_client_ struct client client = client_connect(f->port);
	static const struct {
		const char *headers;
		int status;
	} asked[] = { { "", 401 },	   { AUTH_WRONG, 401 }, { AUTH_RIGHT, 200 },
		      { AUTH_RIGHT, 200 }, { AUTH_WRONG, 401 }, { "", 401 },
		      { AUTH_RIGHT, 200 } };

	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		_cleanup_answer_ struct answer answer = { 0 };

		client_ask(&client, "GET", "/-/ready", asked[i].headers, &answer);
		assert_int_equal(answer.status, asked[i].status);
		assert_true(answer.complete);
		if (answer.status == 401)
			assert_string_equal(answer_header(&answer, "WWW-Authenticate"),
					    "Basic realm=\"packet-exporter\", charset=\"UTF-8\"");
	}
}

/* Supervisors know no passwords. */
static void test_healthy_without_password(void **state)
{
	struct fixture *f = *state;
	static const char *const paths[] = { "/", "/metrics", "/-/ready", "/api/v1/health",
					     "/none" };

	assert_int_equal(ask_status(f->port, "GET", "/-/healthy"), 200);
	assert_int_equal(ask_status(f->port, "HEAD", "/-/healthy"), 200);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(ask_status(f->port, "GET", paths[i]), 401);
}

/* One login waits behind another on one connection. */
static void test_pipeline(void **state)
{
	struct fixture *f = *state;
	_cleanup_client_ struct client client = client_connect(f->port);

	client_send(&client, "GET /-/ready HTTP/1.1\r\nHost: x\r\n" AUTH_WRONG "\r\n"
			     "GET /-/ready HTTP/1.1\r\nHost: x\r\n" AUTH_RIGHT "\r\n"
			     "GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 3; i++) {
		_cleanup_answer_ struct answer answer = { 0 };

		assert_true(client_read(&client, false, &answer));
		assert_int_equal(answer.status, i == 1 ? 200 : 401);
	}
}

static void *ask_often(void *userdata)
{
	const struct fixture *f = userdata;

	for (int i = 0; i < ROUNDS; i++) {
		const bool right = i % 2;
		const int status = ask_as(f->port, right ? AUTH_RIGHT : AUTH_WRONG);

		if (status != (right ? 200 : 401))
			return (void *)(intptr_t)status;
	}
	return NULL;
}

/* All of them at once, while the file is read again and again. */
static void test_many(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[THREADS];
	struct pe_http_sample sample;

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, f), 0);
	for (int i = 0; i < ROUNDS; i++)
		assert_int_equal(pe_http_reload(f->http), 0);
	for (int i = 0; i < THREADS; i++) {
		void *wrong;

		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
	pe_http_get_stats(f->http, &sample);
	for (size_t i = 0; i < PE_HTTP_CODES; i++) {
		if (sample.requests[i].code == 200 || sample.requests[i].code == 401)
			assert_int_equal(sample.requests[i].count, THREADS * ROUNDS / 2);
	}
}

/* What waits for its hash when the server ends is ended, too, and nothing of it stays. */
static void test_end_while_waiting(void **state)
{
	struct fixture *f = *state;
	struct client clients[THREADS];

	/* Long enough that most of them are waiting still. */
	write_file(f, "basic_auth_users:\n"
		      "  alice: $2b$12$abcdefghijklmnopqrstuuBQnHgpqTvGwW5nyIPXIaIQpu5QBGVRy\n");
	assert_int_equal(pe_http_reload(f->http), 0);
	for (int i = 0; i < THREADS; i++) {
		clients[i] = client_connect(f->port);
		client_send(&clients[i], "GET / HTTP/1.1\r\nHost: x\r\n" AUTH_WRONG "\r\n");
	}
	/* The first has been answered: the others have come. */
	while (!client_fill(&clients[0]))
		;
	/* One went away meanwhile. */
	client_close(&clients[THREADS - 1]);
	f->http = pe_http_free(f->http);
	for (int i = 0; i < THREADS - 1; i++)
		client_close(&clients[i]);
}

static void test_reload(void **state)
{
	struct fixture *f = *state;
	struct pe_http_sample before, after;

	assert_int_equal(ask_as(f->port, AUTH_RIGHT), 200);
	pe_http_get_stats(f->http, &before);
	assert_true(before.reload_successful);
	write_file(f, "basic_auth_users:\n  bob: " HASH "\nx: y\n");
	assert_int_equal(pe_http_reload(f->http), -EINVAL);
	pe_http_get_stats(f->http, &after);
	assert_false(after.reload_successful);
	assert_true(after.reload_success_ns == before.reload_success_ns);
	assert_int_equal(ask_as(f->port, AUTH_RIGHT), 200);

	/* Who was let in before is not known without the user. */
	write_file(f, "basic_auth_users:\n  bob: " HASH "\n");
	assert_int_equal(pe_http_reload(f->http), 0);
	pe_http_get_stats(f->http, &after);
	assert_true(after.reload_successful);
	assert_true(after.reload_success_ns > before.reload_success_ns);
	assert_int_equal(ask_as(f->port, AUTH_RIGHT), 401);

	unlink(f->file);
	assert_int_equal(pe_http_reload(f->http), -ENOENT);
	assert_int_equal(ask_as(f->port, ""), 401);
	/* It lets in nobody who had to stay out, neither empty nor whole. */
	write_file(f, "");
	assert_int_equal(pe_http_reload(f->http), -EINVAL);
	write_file(f, "basic_auth_users: {}\n");
	assert_int_equal(pe_http_reload(f->http), -EINVAL);
	assert_int_equal(ask_as(f->port, ""), 401);
}

static void test_bad_files(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *file;
		int error;
		const char *why;
	} cases[] = {
		{ "/nonexistent/web.yml", -ENOENT,
		  "/nonexistent/web.yml: cannot be read: No such file or directory" },
		{ "/", -EISDIR, "/: cannot be read: Is a directory" },
		{ "/dev/null", -EINVAL, "/dev/null: is not a regular file" },
	};
	struct pe_web *web = NULL;
	char why[PE_WEB_WHY_MAX], expected[PE_WEB_WHY_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(pe_web_new(cases[i].file, &web, why, sizeof(why)), cases[i].error);
		assert_string_equal(why, cases[i].why);
		assert_null(web);
	}
	assert_return_code(truncate(f->file, 1024 * 1024 + 1), 0);
	assert_int_equal(pe_web_new(f->file, &web, why, sizeof(why)), -EFBIG);
	write_file(f, "{}\nx");
	assert_int_equal(pe_web_new(f->file, &web, why, sizeof(why)), -EINVAL);
	snprintf(expected, sizeof(expected), "%s:2: not YAML: ", f->file);
	assert_memory_equal(why, expected, strlen(expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_keep_alive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_healthy_without_password, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pipeline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_while_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_files, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
