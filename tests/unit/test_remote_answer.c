/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an answer of a receiver means for what waits, where that takes minutes or hours, which a
 * clock of our own has pass; the other answers are in tests/integration/test_remote_write.py. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "pe/clock.h"

#include "../../src/deliver/libcurl.h"
#include "../../src/deliver/remote_sink.h"

#define HOUR_NS	  (3600 * PE_NS_PER_S)
#define MINUTE_NS (60 * PE_NS_PER_S)

/* ---- a receiver, which answers each request with the next code ---- */

static struct {
	int fd, code; /* 0: it closes the connection instead */
	char url[64];
	pthread_t thread;
} server = { .fd = -1 };

static uint64_t clock_ns;

uint64_t __wrap_pe_clock_monotonic_ns(void);
uint64_t __wrap_pe_clock_monotonic_ns(void)
{
	return clock_ns;
}

/* False at the end of the connection. */
static bool read_request(int fd)
{
	char request[4096];
	size_t len = 0;
	ssize_t n;

	/* A body is one byte. */
	do {
		n = recv(fd, request + len, sizeof(request) - 1 - len, 0);
		if (n <= 0)
			return false;
		len += (size_t)n;
		request[len] = '\0';
	} while (!strstr(request, "\r\n\r\n") || !strstr(request, "\r\n\r\n")[4]);
	return true;
}

static void *serve(void *userdata)
{
	int fd;

	while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
		char answer[128];

		while (read_request(fd) && server.code) {
			const int len = snprintf(
				answer, sizeof(answer), "HTTP/1.1 %d Why\r\nLocation: /\r\n%s\r\n",
				server.code, server.code == 204 ? "" : "Content-Length: 0\r\n");

			send(fd, answer, (size_t)len, MSG_NOSIGNAL);
		}
		close(fd);
	}
	return userdata;
}

static int begin_server(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	const char *why;

	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server.fd < 0 || pe_libcurl_load(&why) < 0 ||
	    bind(server.fd, (struct sockaddr *)&address, len) < 0 || listen(server.fd, 8) < 0 ||
	    getsockname(server.fd, (struct sockaddr *)&address, &len) < 0)
		return -1;
	snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
	return pthread_create(&server.thread, NULL, serve, NULL);
}

static int end_server(void **state)
{
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.fd);
	return 0;
}

/* ---- a sink of it ---- */

static const struct pe_sink_ops ops = { .subsystem = "remote_write" };

static void begin(struct pe_remote_sink *remote)
{
	const struct pe_transfer_options options = { .content_type = "application/x-protobuf",
						     .any_2xx = true };

	*remote = (struct pe_remote_sink){ .ops = &ops,
					   .answer = pe_remote_answer,
					   .url = server.url,
					   .shown = server.url,
					   .max_samples = 2000 };
	pe_remote_queue_init(&remote->queue, 1000);
	assert_int_equal(
		pe_transfer_new_to(server.url, &options, &remote->transfer[PE_REMOTE_WRITE_1]), 0);
}

static void end(struct pe_remote_sink *remote)
{
	pe_transfer_free(remote->transfer[PE_REMOTE_WRITE_1]);
	pe_remote_queue_fini(&remote->queue);
}

static void add(struct pe_remote_sink *remote, uint64_t time_ns, size_t samples)
{
	const struct pe_remote_batch batch = { .data = "a", .len = 1, .samples = samples };

	remote->time_ns = time_ns;
	remote->state++;
	assert_int_equal(pe_remote_queue_add(&remote->queue, &batch, PE_REMOTE_WRITE_1, time_ns,
					     remote->state),
			 0);
}

/* The receiver's answer to the body whose turn it is. */
static struct pe_outcome answer(struct pe_remote_sink *remote, int code, uint64_t now_ns)
{
	struct pe_outcome outcome = { 0 };

	server.code = code;
	clock_ns = now_ns;
	pe_remote_send(remote, now_ns + MINUTE_NS, &outcome);
	if (code)
		assert_int_equal(outcome.code, code);
	else
		assert_int_equal(outcome.result, PE_SINK_NETWORK);
	return outcome;
}

static uint64_t count(struct pe_remote_sink *remote, enum pe_sink_sample_result result)
{
	struct pe_sink_sample sample = { 0 };

	pe_remote_queue_sample(&remote->queue, &sample);
	return sample.samples[result];
}

/* The time at which the second one is tried: `errors` in minutes 0, 1, 2, … before. */
static uint64_t suspect(struct pe_remote_sink *remote, uint64_t from_ns, unsigned int errors)
{
	struct pe_remote_body *first = pe_remote_queue_first(&remote->queue);

	for (unsigned int i = 0; i < errors; i++) {
		assert_ptr_equal(pe_remote_turn(remote, from_ns + i * MINUTE_NS / 2), first);
		answer(remote, 500, from_ns + i * MINUTE_NS / 2);
	}
	/* Eight times, but not five minutes. */
	assert_ptr_equal(pe_remote_turn(remote, from_ns + 5 * MINUTE_NS - 1), first);
	return from_ns + 5 * MINUTE_NS;
}

static void poison_is_given_up(void **state)
{
	struct pe_remote_sink remote;
	uint64_t now_ns;

	begin(&remote);
	add(&remote, HOUR_NS, 1);
	now_ns = suspect(&remote, 1000, 8);
	/* There is no other one yet. */
	assert_ptr_equal(pe_remote_turn(&remote, now_ns), pe_remote_queue_first(&remote.queue));
	add(&remote, HOUR_NS + 1, 2);
	add(&remote, HOUR_NS + 2, 4);
	assert_int_equal(pe_remote_turn(&remote, now_ns)->samples, 2);
	assert_true(answer(&remote, 204, now_ns).state_ended);
	assert_int_equal(count(&remote, PE_SINK_SAMPLE_SENT), 2);
	/* Once more, for a receiver that has just come back. */
	assert_int_equal(pe_remote_turn(&remote, now_ns)->samples, 1);
	answer(&remote, 0, now_ns);
	assert_int_equal(count(&remote, PE_SINK_SAMPLE_REJECTED), 0);
	assert_true(answer(&remote, 500, now_ns).given_up);
	assert_int_equal(count(&remote, PE_SINK_SAMPLE_REJECTED), 1);
	assert_int_equal(pe_remote_turn(&remote, now_ns)->samples, 4);
	assert_false(answer(&remote, 204, now_ns).state_ended);
	assert_null(pe_remote_turn(&remote, now_ns));
	end(&remote);
}

static void a_receiver_that_comes_back_loses_nothing(void **state)
{
	struct pe_remote_sink remote;
	uint64_t now_ns;

	begin(&remote);
	add(&remote, HOUR_NS, 1);
	add(&remote, HOUR_NS + 1, 2);
	now_ns = suspect(&remote, 1000, 8);
	assert_int_equal(pe_remote_turn(&remote, now_ns)->samples, 2);
	answer(&remote, 204, now_ns);
	answer(&remote, 204, now_ns);
	assert_int_equal(count(&remote, PE_SINK_SAMPLE_SENT), 3);
	assert_null(pe_remote_turn(&remote, now_ns));
	end(&remote);
}

static void a_receiver_that_fails_at_all_loses_nothing(void **state)
{
	struct pe_remote_sink remote;
	uint64_t now_ns;

	begin(&remote);
	add(&remote, HOUR_NS, 1);
	add(&remote, HOUR_NS + 1, 2);
	now_ns = suspect(&remote, 1000, 7);
	/* Five minutes, but not eight times. */
	assert_int_equal(pe_remote_turn(&remote, now_ns)->samples, 1);
	answer(&remote, 503, now_ns);
	assert_int_equal(pe_remote_turn(&remote, now_ns)->samples, 2);
	answer(&remote, 0, now_ns);
	assert_int_equal(pe_remote_turn(&remote, now_ns)->samples, 2);
	answer(&remote, 500, now_ns);
	assert_int_equal(pe_remote_turn(&remote, now_ns)->samples, 1);
	/* It takes as long again. */
	now_ns = suspect(&remote, now_ns, 8);
	assert_int_equal(pe_remote_turn(&remote, now_ns)->samples, 2);
	/* Refused on its own account: the first one stays suspect. */
	assert_true(answer(&remote, 400, now_ns).given_up);
	assert_int_equal(count(&remote, PE_SINK_SAMPLE_REJECTED), 2);
	assert_int_equal(pe_remote_turn(&remote, now_ns)->samples, 1);
	answer(&remote, 204, now_ns);
	assert_int_equal(count(&remote, PE_SINK_SAMPLE_SENT), 1);
	end(&remote);
}

/* It has read the request; whoever cannot be reached has not. */
static void what_was_sent_without_an_answer_may_be_there(void **state)
{
	struct pe_remote_sink remote;

	begin(&remote);
	add(&remote, HOUR_NS, 1);
	add(&remote, 2 * HOUR_NS, 2);
	add(&remote, 3 * HOUR_NS, 4);
	assert_true(answer(&remote, 0, 0).broken_off);
	pe_remote_queue_expire(&remote.queue, 3 * HOUR_NS);
	assert_int_equal(count(&remote, PE_SINK_SAMPLE_MAYBE_DELIVERED), 1);
	assert_int_equal(count(&remote, PE_SINK_SAMPLE_EXPIRED), 2);
	remote.url = (char *)"http://127.0.0.1:1/";
	assert_false(answer(&remote, 0, 0).broken_off);
	pe_remote_queue_expire(&remote.queue, 4 * HOUR_NS);
	assert_int_equal(count(&remote, PE_SINK_SAMPLE_EXPIRED), 6);
	remote.url = server.url;
	end(&remote);
}

static void a_backlog_that_is_too_old_is_skipped(void **state)
{
	struct pe_remote_sink remote;

	begin(&remote);
	for (uint64_t i = 0; i < 8; i++)
		add(&remote, 10 * HOUR_NS + i * HOUR_NS / 2, 1);
	answer(&remote, 400, 0);
	answer(&remote, 400, 0);
	/* Not in a row. */
	answer(&remote, 204, 0);
	answer(&remote, 400, 0);
	answer(&remote, 409, 0);
	assert_int_equal(count(&remote, PE_SINK_SAMPLE_REJECTED), 4);
	/* The oldest is no hour older than the newest. */
	assert_int_equal(remote.time_ns - pe_remote_turn(&remote, 0)->time_ns, HOUR_NS);
	answer(&remote, 400, 0);
	answer(&remote, 400, 0);
	answer(&remote, 400, 0);
	assert_int_equal(count(&remote, PE_SINK_SAMPLE_EXPIRED), 0);
	assert_null(pe_remote_turn(&remote, 0));
	add(&remote, 15 * HOUR_NS, 1);
	answer(&remote, 204, 0);
	for (uint64_t i = 0; i < 8; i++)
		add(&remote, 20 * HOUR_NS + i * HOUR_NS / 2, 1);
	for (int i = 0; i < 3; i++)
		assert_true(answer(&remote, 400, 0).given_up);
	assert_int_equal(count(&remote, PE_SINK_SAMPLE_EXPIRED), 2);
	assert_int_equal(remote.time_ns - pe_remote_turn(&remote, 0)->time_ns, HOUR_NS);
	end(&remote);
}

static void what_somebody_puts_right_is_held(void **state)
{
	static const int codes[] = { 301, 302, 307, 401, 403, 404, 407 };
	struct pe_remote_sink remote;

	begin(&remote);
	add(&remote, HOUR_NS, 1);
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		const struct pe_outcome outcome = answer(&remote, codes[i], 0);

		assert_true(outcome.held && !outcome.given_up);
		assert_int_equal(outcome.retry_after_ns, MINUTE_NS);
	}
	assert_int_equal(answer(&remote, 429, 0).result, PE_SINK_SERVER);
	assert_int_equal(answer(&remote, 408, 0).result, PE_SINK_SERVER);
	assert_false(answer(&remote, 503, 0).held);
	assert_int_equal(pe_remote_turn(&remote, 0)->samples, 1);
	end(&remote);
}

static void a_receiver_of_little_gets_little(void **state)
{
	struct pe_remote_sink remote;

	begin(&remote);
	add(&remote, HOUR_NS, 9);
	assert_true(answer(&remote, 413, 0).again);
	assert_int_equal(remote.max_samples, 4);
	/* As if it could not be cut. */
	pe_remote_turn(&remote, 0)->whole = true;
	assert_true(answer(&remote, 413, 0).given_up);
	add(&remote, HOUR_NS, 1);
	assert_true(answer(&remote, 413, 0).given_up);
	assert_int_equal(remote.max_samples, 4);
	/* Version 1 is not supported either. */
	add(&remote, HOUR_NS, 1);
	assert_true(answer(&remote, 415, 0).given_up);
	assert_int_equal(count(&remote, PE_SINK_SAMPLE_REJECTED), 11);
	end(&remote);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(poison_is_given_up),
		cmocka_unit_test(a_receiver_that_comes_back_loses_nothing),
		cmocka_unit_test(a_receiver_that_fails_at_all_loses_nothing),
		cmocka_unit_test(what_was_sent_without_an_answer_may_be_there),
		cmocka_unit_test(a_backlog_that_is_too_old_is_skipped),
		cmocka_unit_test(what_somebody_puts_right_is_held),
		cmocka_unit_test(a_receiver_of_little_gets_little),
	};

	return cmocka_run_group_tests(tests, begin_server, end_server);
}
