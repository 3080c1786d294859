/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What remote write is made of beside requests: the queue, the file of headers, the spread of a
 * fleet, what options are refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "pe/clock.h"
#include "pe/remote_write.h"
#include "pe/table.h"

#include "../../src/deliver/header_file.h"
#include "../../src/deliver/remote_queue.h"
#include "../../src/deliver/schedule.h"
#include "malloc-failure.h"

#define HOUR_NS (3600 * PE_NS_PER_S)

static void add_batch(struct pe_remote_queue *queue, const struct pe_remote_batch *batch,
		      uint64_t time_ns, uint64_t state)
{
	assert_int_equal(pe_remote_queue_add(queue, batch, PE_REMOTE_WRITE_1, time_ns, state), 0);
}

/* States are an hour apart: none repeats another. */
static void add(struct pe_remote_queue *queue, const char *data, size_t samples, uint64_t state)
{
	const struct pe_remote_batch batch = { .data = data,
					       .len = strlen(data),
					       .samples = samples };

	add_batch(queue, &batch, state * HOUR_NS, state);
}

static void end(struct pe_remote_queue *queue, enum pe_sink_sample_result result)
{
	pe_remote_queue_end(queue, pe_remote_queue_first(queue), result);
}

static struct pe_sink_sample sample_of(struct pe_remote_queue *queue)
{
	struct pe_sink_sample sample = { 0 };

	pe_remote_queue_sample(queue, &sample);
	return sample;
}

static void oldest_make_room(void **state)
{
	struct pe_remote_queue queue;
	struct pe_sink_sample sample;

	pe_remote_queue_init(&queue, 10);
	assert_null(pe_remote_queue_first(&queue));
	assert_int_equal(sample_of(&queue).oldest_ns, 0);
	add(&queue, "aaaa", 1, 1);
	add(&queue, "bbbb", 2, 2);
	sample = sample_of(&queue);
	assert_int_equal(sample.pending_bytes, 8);
	assert_int_equal(sample.pending_samples, 3);
	assert_int_equal(sample.oldest_ns, HOUR_NS);
	pe_remote_queue_first(&queue)->unanswered = true;
	add(&queue, "cc", 4, 3);
	assert_int_equal(sample_of(&queue).samples[PE_SINK_SAMPLE_EXPIRED], 0);
	add(&queue, "dddddd", 8, 4);
	sample = sample_of(&queue);
	assert_int_equal(sample.samples[PE_SINK_SAMPLE_MAYBE_DELIVERED], 1);
	assert_int_equal(sample.samples[PE_SINK_SAMPLE_EXPIRED], 2);
	assert_int_equal(sample.pending_bytes, 8);
	assert_int_equal(sample.oldest_ns, 3 * HOUR_NS);
	assert_memory_equal(pe_remote_queue_first(&queue)->data.data, "cc", 2);
	/* One that is larger than all goes in alone. */
	add(&queue, "eeeeeeeeeeee", 16, 5);
	assert_int_equal(sample_of(&queue).pending_samples, 16);
	end(&queue, PE_SINK_SAMPLE_SENT);
	sample = sample_of(&queue);
	assert_int_equal(sample.samples[PE_SINK_SAMPLE_SENT], 16);
	assert_int_equal(sample.samples[PE_SINK_SAMPLE_EXPIRED], 2 + 4 + 8);
	assert_int_equal(sample.pending_bytes + sample.pending_samples + sample.oldest_ns, 0);
	pe_remote_queue_fini(&queue);
}

static void a_state_is_taken_back(void **state)
{
	struct pe_remote_queue queue;
	struct pe_sink_sample sample;

	pe_remote_queue_init(&queue, 100);
	add(&queue, "a", 1, 1);
	add(&queue, "b", 2, 2);
	add(&queue, "c", 4, 2);
	pe_remote_queue_take_back(&queue, 2);
	sample = sample_of(&queue);
	assert_int_equal(sample.pending_samples, 1);
	assert_int_equal(sample.pending_bytes, 1);
	assert_int_equal(sample.oldest_ns, HOUR_NS);
	for (size_t i = 0; i < PE_SINK_SAMPLE_RESULTS; i++)
		assert_int_equal(sample.samples[i], 0);
	/* What comes then is behind what is left. */
	add(&queue, "d", 8, 3);
	pe_remote_queue_take_back(&queue, 1);
	assert_memory_equal(pe_remote_queue_first(&queue)->data.data, "d", 1);
	assert_int_equal(sample_of(&queue).oldest_ns, 3 * HOUR_NS);
	pe_remote_queue_fini(&queue);
}

/* A queue of states each 15 s, and how many of those that are left are in each window. */
static void states_are_thinned(void **state)
{
	struct pe_remote_queue queue;
	struct pe_sink_sample sample;
	uint64_t last = 0, number = 0;
	size_t kept = 0, begins = 0;

	pe_remote_queue_init(&queue, 1000);
	for (; number < 300; number++) {
		/* Two bodies; the second one has zeros in the tenth state. */
		struct pe_remote_batch batch = { .data = "aaaaa", .len = 5, .samples = 1 };

		/* Another exporter's last state is the 22nd. */
		if (number == 22)
			queue.run++;
		add_batch(&queue, &batch, number * 15 * PE_NS_PER_S, number);
		batch.begins = number == 9;
		add_batch(&queue, &batch, number * 15 * PE_NS_PER_S, number);
		sample = sample_of(&queue);
		/* Nothing is dropped while there is something to thin. */
		if (number < 150)
			assert_int_equal(sample.samples[PE_SINK_SAMPLE_EXPIRED], 0);
		assert_true(sample.pending_bytes <= 1000);
		if (number != 150)
			continue;
		for (struct pe_remote_body *body = pe_remote_queue_first(&queue); body;
		     body = pe_remote_queue_next(&queue, body)) {
			begins += body->begins;
			kept += body->state == 22 - 1;
			assert_true(body->state >= last);
			last = body->state;
		}
		assert_int_equal(begins, 1);
		assert_int_equal(kept, 2);
		assert_int_equal(last, 150);
	}
	assert_true(sample.samples[PE_SINK_SAMPLE_THINNED] > 300);
	assert_int_equal(sample.samples[PE_SINK_SAMPLE_THINNED] +
				 sample.samples[PE_SINK_SAMPLE_EXPIRED] + sample.pending_samples,
			 600);
	/* Two thirds are as they came; before them one state each four minutes. */
	assert_true(sample.oldest_ns < HOUR_NS / 4);
	pe_remote_queue_fini(&queue);
}

/* What no later state repeats goes last. */
static void what_ended_goes_last(void **state)
{
	struct pe_remote_batch batch = { .data = "aaaa", .len = 4, .samples = 1 };
	struct pe_remote_queue queue;

	pe_remote_queue_init(&queue, 12);
	for (uint64_t number = 0; number < 3; number++) {
		batch.ends = number == 0;
		add_batch(&queue, &batch, number * HOUR_NS, number);
	}
	batch.ends = false;
	add_batch(&queue, &batch, 3 * HOUR_NS, 3);
	assert_int_equal(pe_remote_queue_first(&queue)->state, 0);
	assert_int_equal(pe_remote_queue_next(&queue, pe_remote_queue_first(&queue))->state, 2);
	batch.len = 1;
	batch.ends = true;
	queue.max_bytes = 4;
	pe_remote_queue_make_room(&queue, false, 1);
	assert_null(pe_remote_queue_first(&queue));
	pe_remote_queue_fini(&queue);
}

static void old_ones_expire(void **state)
{
	struct pe_remote_queue queue;
	struct pe_sink_sample sample;

	pe_remote_queue_init(&queue, 100);
	for (uint64_t number = 1; number < 6; number++)
		add(&queue, "a", 1, number);
	pe_remote_queue_first(&queue)->unanswered = true;
	pe_remote_queue_expire(&queue, 4 * HOUR_NS);
	sample = sample_of(&queue);
	assert_int_equal(sample.oldest_ns, 4 * HOUR_NS);
	assert_int_equal(sample.samples[PE_SINK_SAMPLE_EXPIRED], 2);
	assert_int_equal(sample.samples[PE_SINK_SAMPLE_MAYBE_DELIVERED], 1);
	pe_remote_queue_fini(&queue);
}

static void refused_memory_changes_nothing(void **state)
{
	const struct pe_remote_batch batch = { .data = "bbbb", .len = 4, .samples = 1 };
	struct pe_remote_queue queue;

	if (!malloc_failure_works)
		return;
	pe_remote_queue_init(&queue, 10);
	add(&queue, "aaaaaaaa", 1, 1);
	for (long n = 0; n < 2; n++) {
		malloc_failure_after = n;
		assert_int_equal(pe_remote_queue_add(&queue, &batch, PE_REMOTE_WRITE_1, 1, 2),
				 -ENOMEM);
		malloc_failure_after = -1;
		assert_int_equal(sample_of(&queue).pending_samples, 1);
	}
	pe_remote_queue_fini(&queue);
}

/* ---- headers ---- */

static int read_headers(const char *text, size_t len, struct pe_headers *ret_headers,
			char error[256])
{
	char path[] = "/tmp/pe-headers-XXXXXX";
	const int fd = mkstemp(path);
	int r;

	assert_true(fd >= 0 && write(fd, text, len) == (ssize_t)len);
	close(fd);
	*error = '\0';
	r = pe_headers_read(path, ret_headers, error, 256);
	unlink(path);
	return r;
}

static void headers_are_read(void **state)
{
	static const char text[] = "# a comment\n\nX-Scope-OrgID: tenant 1\r\nX-Empty-Not:x\n"
				   "x!#$%&'*+-.^_`|~9: \xc3\xa9\ttab";
	struct pe_headers headers = { 0 };
	char error[256];

	assert_int_equal(read_headers(text, strlen(text), &headers, error), 0);
	assert_int_equal(headers.count, 3);
	assert_string_equal(headers.header[0], "X-Scope-OrgID: tenant 1");
	assert_string_equal(headers.header[1], "X-Empty-Not:x");
	assert_string_equal(headers.header[2], "x!#$%&'*+-.^_`|~9: \xc3\xa9\ttab");
	assert_null(headers.header[3]);
	pe_headers_fini(&headers);
	assert_int_equal(pe_headers_read(NULL, &headers, error, sizeof(error)), 0);
	assert_int_equal(headers.count, 0);
}

static void headers_are_refused(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "X-Fine: 1\nno colon\n", "line 2 is not \"Name: value\"" },
		{ ": nothing\n", "line 1 is not \"Name: value\"" },
		{ "X-Empty: \t\n", "line 1 is not \"Name: value\"" },
		{ "X Space: SECRET\n", "line 1 is not \"Name: value\"" },
		{ "X-Control: a\x01SECRET\n", "line 1 has a control character" },
		{ "X-Return: a\rSECRET: b\n", "line 1 has a control character" },
		{ "\n#\nauthorization: SECRET\n",
		  "line 3: the exporter sends the header authorization itself" },
		{ "Content-length: 3\n",
		  "line 1: the exporter sends the header Content-length itself" },
		{ "X-Prometheus-Remote-Write-Version: 1\n",
		  "line 1: the exporter sends the header X-Prometheus-Remote-Write-Version "
		  "itself" },
	};
	char error[256], many[33 * 16], *end = many;
	struct pe_headers headers = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(
			read_headers(cases[i].text, strlen(cases[i].text), &headers, error),
			-EINVAL);
		assert_string_equal(error, cases[i].error);
		assert_int_equal(headers.count, 0);
	}
	for (int i = 0; i < 33; i++)
		end += sprintf(end, "X-%d: y\n", i);
	assert_int_equal(read_headers(many, (size_t)(end - many), &headers, error), -EINVAL);
	assert_string_equal(error, "more than 32 headers");
	assert_int_equal(read_headers("X: a\0b\n", 7, &headers, error), -EINVAL);
	assert_non_null(strstr(error, "cannot be read: "));
	assert_int_equal(pe_headers_read("/", &headers, error, sizeof(error)), -EINVAL);
	assert_int_equal(pe_headers_read("/nonexistent/f", &headers, error, sizeof(error)),
			 -EINVAL);
	assert_string_equal(error, "cannot be read: No such file or directory");
}

/* ---- a fleet ---- */

/* A hundred hosts that begin together: no second has more than three times the mean. */
/* The order in which all is sent, a letter each. */
static const char *order_of(struct pe_remote_queue *queue)
{
	static char order[16];
	struct pe_remote_body *body = pe_remote_queue_first(queue);
	size_t len = 0;

	for (; body; body = pe_remote_queue_next(queue, body))
		order[len++] = *(char *)body->data.data;
	order[len] = '\0';
	return order;
}

static void the_newest_state_comes_first(void **state)
{
	struct pe_remote_queue queue;

	pe_remote_queue_init(&queue, 1000);
	add(&queue, "a", 1, 1);
	add(&queue, "b", 1, 1);
	add(&queue, "c", 1, 2);
	add(&queue, "d", 1, 3);
	add(&queue, "e", 1, 3);
	assert_string_equal(order_of(&queue), "abcde");
	queue.newest_first = true;
	assert_string_equal(order_of(&queue), "deabc");
	end(&queue, PE_SINK_SAMPLE_SENT);
	assert_string_equal(order_of(&queue), "eabc");
	end(&queue, PE_SINK_SAMPLE_SENT);
	/* What was newest until now is not among what waits. */
	assert_string_equal(order_of(&queue), "abc");
	end(&queue, PE_SINK_SAMPLE_SENT);
	add(&queue, "f", 1, 4);
	assert_string_equal(order_of(&queue), "fbc");
	add(&queue, "g", 1, 5);
	assert_string_equal(order_of(&queue), "gbcf");
	/* Another exporter's states have their own numbers. */
	queue.run++;
	assert_string_equal(order_of(&queue), "bcfg");
	pe_remote_queue_fini(&queue);
}

static void a_fleet_is_spread(void **state)
{
	static const char *const words[] = { "host-", "ip-10-0-0-", "" };
	const uint64_t interval_ns = 15 * PE_NS_PER_S;

	for (size_t w = 0; w < sizeof(words) / sizeof(*words); w++) {
		unsigned int seconds[15] = { 0 };

		for (int i = 0; i < 100; i++) {
			char name[64];
			uint64_t phase_ns;

			snprintf(name, sizeof(name), "%s%d", words[w], i);
			phase_ns = pe_schedule_phase_ns(pe_hash_string(PE_HASH_START, name),
							interval_ns);
			assert_true(phase_ns < interval_ns);
			seconds[phase_ns / PE_NS_PER_S]++;
		}
		for (size_t s = 0; s < 15; s++)
			assert_true(seconds[s] > 0 && seconds[s] <= 20);
	}
}

/* ---- options ---- */

static void options_are_refused(void **state)
{
	struct pe_remote_label labels[PE_REMOTE_LABELS_MAX] = { { "zone", "z" } };
	const struct pe_remote_write_options fine = {
		.url = "http://localhost/api/v1/write",
		.job = "j",
		.instance = "i",
		.labels = labels,
		.label_count = 1,
		.interval_ns = 1,
		.timeout_ns = 1,
		.max_samples = 1,
	};
	static const struct {
		const char *name, *value, *error;
	} bad[] = {
		{ "interface", "x",
		  "label interface would overwrite the label of the same name of the series" },
		{ "__name__", "x", "label __name__: names with \"__\" are reserved" },
		{ "a-b", "x", "label name \"a-b\" does not match [a-zA-Z_][a-zA-Z0-9_]*" },
		{ "job", "", "job is empty" },
		{ "instance", "\xff", "the value of instance is not valid UTF-8" },
	};
	struct pe_remote_write_options options = fine;
	char error[512];

	assert_int_equal(pe_remote_write_check(&fine, error, sizeof(error)), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		labels[0] = (struct pe_remote_label){ bad[i].name, bad[i].value };
		assert_int_equal(pe_remote_write_check(&options, error, sizeof(error)), -EINVAL);
		assert_string_equal(error, bad[i].error);
	}
	labels[0] = (struct pe_remote_label){ "job", "other" };
	assert_int_equal(pe_remote_write_check(&options, error, sizeof(error)), 0);
	options.url = "ftp://localhost/";
	assert_int_equal(pe_remote_write_check(&options, error, sizeof(error)), -EINVAL);
	options.url = fine.url;
	options.header_file = "/nonexistent/f";
	assert_int_equal(pe_remote_write_check(&options, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "/nonexistent/f: cannot be read: No such file or directory");
	options.header_file = NULL;
	options.spool_path = "/nonexistent/f";
	assert_int_equal(pe_remote_write_check(&options, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "the spool /nonexistent/f: No such file or directory");
	options.spool_path = "/dev/null";
	assert_int_equal(pe_remote_write_check(&options, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "the spool /dev/null: it is no folder");
	options.spool_path = "/";
	assert_int_equal(pe_remote_write_check(&options, error, sizeof(error)), 0);
	options.label_count = PE_REMOTE_LABELS_MAX - 1;
	assert_int_equal(pe_remote_write_check(&options, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "more than 30 labels");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oldest_make_room),
		cmocka_unit_test(a_state_is_taken_back),
		cmocka_unit_test(states_are_thinned),
		cmocka_unit_test(what_ended_goes_last),
		cmocka_unit_test(old_ones_expire),
		cmocka_unit_test(refused_memory_changes_nothing),
		cmocka_unit_test(headers_are_read),
		cmocka_unit_test(headers_are_refused),
		cmocka_unit_test(the_newest_state_comes_first),
		cmocka_unit_test(a_fleet_is_spread),
		cmocka_unit_test(options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
