/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The base layer: log lines as they reach standard error, the loop with real fds, timers and
 * signals, the string buffer, the arena and the gzip stream.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "pe/arena.h"
#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/gzip.h"
#include "pe/log.h"
#include "pe/loop.h"
#include "pe/memory.h"
#include "pe/strbuf.h"

#include "emulated.h"

/* ---- log ---- */

static int saved_stderr = -1, capture = -1;

static void capture_begin(void)
{
	capture = memfd_create("log", MFD_CLOEXEC);
	assert_true(capture >= 0);
	/* A memfd does not lock its position as a regular file does: writes could overlap. */
	assert_int_equal(fcntl(capture, F_SETFL, O_APPEND), 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(saved_stderr >= 0);
	assert_int_equal(dup2(capture, STDERR_FILENO), STDERR_FILENO);
}

static size_t capture_end(char *out, size_t size)
{
	ssize_t n;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	n = pread(capture, out, size - 1, 0);
	close(capture);
	assert_true(n >= 0);
	out[n] = '\0';
	return (size_t)n;
}

/* What was logged, without the time stamp, whose form is checked here. */
static void log_one(enum pe_log_format format, const char *message, char *out, size_t size)
{
	unsigned int y, mo, d, h, mi, s, ms;
	const char *form = format == PE_LOG_JSON ? "{\"ts\":\"%4u-%2u-%2uT%2u:%2u:%2u.%3uZ\",%n"
						 : "ts=%4u-%2u-%2uT%2u:%2u:%2u.%3uZ %n";
	char line[8192];
	int end = 0;

	pe_log_init(PE_LOG_INFO, format);
	capture_begin();
	pe_log(PE_LOG_WARN, "net", "%s", message);
	capture_end(line, sizeof(line));
	pe_log_init(PE_LOG_INFO, PE_LOG_LOGFMT);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	assert_int_equal(sscanf(line, form, &y, &mo, &d, &h, &mi, &s, &ms, &end), 7);
#pragma GCC diagnostic pop
	assert_true(end > 0 && y >= 2024 && mo >= 1 && mo <= 12 && d >= 1 && d <= 31 && h < 24);
	assert_true(strlen(line) < 2049);
	snprintf(out, size, "%s", line + end);
}

static const struct {
	const char *in, *out;
} escapes[] = {
	{ "", "" },
	{ "plain words", "plain words" },
	{ "a\nlevel=error", "a\\nlevel=error" },
	{ "say \"x\\y\"", "say \\\"x\\\\y\\\"" },
	{ "tab\tcr\r", "tab\\tcr\\r" },
	{ "bell\a esc\x1b[31m del\x7f", "bell\\u0007 esc\\u001b[31m del\\u007f" },
	{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7",
	  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7" },
	{ "c1 \xc2\x9b!", "c1 \\u009b!" },
	{ "lone \x80 \xff!", "lone \\ufffd \\ufffd!" },
	{ "overlong \xc0\xaf", "overlong \\ufffd\\ufffd" },
	{ "overlong \xe0\x80\xaf", "overlong \\ufffd\\ufffd\\ufffd" },
	{ "surrogate \xed\xa0\x80", "surrogate \\ufffd\\ufffd\\ufffd" },
	{ "too high \xf4\x90\x80\x80", "too high \\ufffd\\ufffd\\ufffd\\ufffd" },
	{ "cut \xe2\x82", "cut \\ufffd\\ufffd" },
};

static void test_log_escapes(void **state)
{
	char line[4096], want[4096];
	size_t i;

	for (i = 0; i < sizeof(escapes) / sizeof(*escapes); i++) {
		log_one(PE_LOG_LOGFMT, escapes[i].in, line, sizeof(line));
		snprintf(want, sizeof(want), "level=warn subsystem=net msg=\"%s\"\n",
			 escapes[i].out);
		assert_string_equal(line, want);
		log_one(PE_LOG_JSON, escapes[i].in, line, sizeof(line));
		snprintf(want, sizeof(want),
			 "\"level\":\"warn\",\"subsystem\":\"net\",\"msg\":\"%s\"}\n",
			 escapes[i].out);
		assert_string_equal(line, want);
	}
}

/* Cut at a whole character, with the end of the format intact, at every length near the limit. */
static void check_cut(enum pe_log_format format, const char *unit, const char *escaped)
{
	const char *tail = format == PE_LOG_JSON ? "\xe2\x80\xa6\"}\n" : "\xe2\x80\xa6\"\n";
	const char *msg = format == PE_LOG_JSON ? "\"msg\":\"" : "msg=\"";
	char in[8192], line[4096], *p;
	size_t pad, units;

	for (pad = 0; pad < 8; pad++) {
		memset(in, 'x', pad);
		for (p = in + pad; p < in + 6000; p += strlen(unit))
			strcpy(p, unit);
		log_one(format, in, line, sizeof(line));
		assert_true(strlen(line) > 1900);
		assert_string_equal(line + strlen(line) - strlen(tail), tail);
		line[strlen(line) - strlen(tail)] = '\0';
		p = strstr(line, msg);
		assert_non_null(p);
		p += strlen(msg) + pad;
		for (units = 0; *p; units++, p += strlen(escaped))
			assert_memory_equal(p, escaped, strlen(escaped));
		assert_true(units > 300);
	}
}

static void test_log_cut(void **state)
{
	check_cut(PE_LOG_LOGFMT, "x", "x");
	check_cut(PE_LOG_JSON, "x", "x");
	check_cut(PE_LOG_JSON, "\"", "\\\"");
	check_cut(PE_LOG_JSON, "\x01", "\\u0001");
	check_cut(PE_LOG_LOGFMT, "\xff", "\\ufffd");
	check_cut(PE_LOG_LOGFMT, "\xf0\x9f\x90\xa7", "\xf0\x9f\x90\xa7");
	check_cut(PE_LOG_JSON, "\xe2\x82\xac", "\xe2\x82\xac");
}

static void test_log_level(void **state)
{
	char out[4096];

	pe_log_init(PE_LOG_WARN, PE_LOG_LOGFMT);
	assert_false(pe_log_enabled(PE_LOG_DEBUG));
	assert_false(pe_log_enabled(PE_LOG_INFO));
	assert_true(pe_log_enabled(PE_LOG_WARN));
	assert_true(pe_log_enabled(PE_LOG_ERROR));
	capture_begin();
	errno = ENOSPC;
	pe_info("net", "not written");
	pe_error("push", "written %d times", 1);
	assert_int_equal(errno, ENOSPC);
	capture_end(out, sizeof(out));
	pe_log_init(PE_LOG_INFO, PE_LOG_LOGFMT);
	assert_null(strstr(out, "not written"));
	assert_non_null(strstr(out, " level=error subsystem=push msg=\"written 1 times\"\n"));
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
}

static void test_log_once(void **state)
{
	struct pe_log_once never = { 0 }, often = { 0 };
	uint64_t deadline_ns;

	assert_true(pe_log_once(&never, 0));
	assert_false(pe_log_once(&never, 0));
	assert_true(pe_log_once(&often, 20 * PE_NS_PER_MS));
	assert_false(pe_log_once(&often, 20 * PE_NS_PER_MS));
	deadline_ns = pe_clock_monotonic_ns() + 5 * PE_NS_PER_S;
	while (!pe_log_once(&often, PE_NS_PER_S))
		assert_true(pe_clock_monotonic_ns() < deadline_ns);
	assert_false(pe_log_once(&often, PE_NS_PER_S));
}

#define LOG_THREADS 4
#define LOG_LINES   200

static void *log_lines(void *arg)
{
	struct pe_log_once *once = arg;
	int i;

	for (i = 0; i < LOG_LINES; i++)
		pe_info("base", "line of some length, so that two of them would show");
	if (pe_log_once(once, 0))
		pe_info("base", "once");
	return NULL;
}

/* Lines of several threads never mix, and one of them is the one that logs once. */
static void test_log_threads(void **state)
{
	static char out[LOG_THREADS * LOG_LINES * 200];
	struct pe_log_once once = { 0 };
	pthread_t threads[LOG_THREADS];
	unsigned int lines = 0, onces = 0;
	char *line, *save = NULL;
	size_t i;

	capture_begin();
	for (i = 0; i < LOG_THREADS; i++)
		pthread_create(&threads[i], NULL, log_lines, &once);
	for (i = 0; i < LOG_THREADS; i++)
		pthread_join(threads[i], NULL);
	capture_end(out, sizeof(out));
	for (line = strtok_r(out, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *msg = strstr(line, " level=info subsystem=base msg=");

		assert_memory_equal(line, "ts=", 3);
		assert_non_null(msg);
		msg += strlen(" level=info subsystem=base msg=");
		if (strcmp(msg, "\"once\"") == 0)
			onces++;
		else if (strcmp(msg, "\"line of some length, so that two of them would show\"") ==
			 0)
			lines++;
		else
			fail_msg("mixed: %s", line);
	}
	assert_int_equal(lines, LOG_THREADS * LOG_LINES);
	assert_int_equal(onces, 1);
}

/* ---- clock ---- */

static void test_clock(void **state)
{
	uint64_t a = pe_clock_monotonic_ns(), b = pe_clock_monotonic_ns();
	uint64_t tick_ns = pe_clock_tick_ns();

	assert_true(a > 0 && b >= a);
	/* 2024 or later. */
	assert_true(pe_clock_realtime_ns() > UINT64_C(1704067200) * PE_NS_PER_S);
	a = pe_clock_cpu_ns();
	assert_true(a > 0 && pe_clock_cpu_ns() >= a);
	/* CONFIG_HZ is 100 to 1000. */
	assert_true(tick_ns >= PE_NS_PER_MS - 1000 && tick_ns <= 10 * PE_NS_PER_MS);
}

static void test_clock_steps(void **state)
{
	const uint64_t wall = UINT64_C(1704067200) * PE_NS_PER_S, day = 86400 * PE_NS_PER_S;
	const uint64_t a = 100 * PE_NS_PER_S, b = a + 50;
	const int64_t offset = (int64_t)(wall - b);

	/* However long the reading took, and however far the offset was rounded down. */
	assert_false(pe_clock_is_step(offset, a, wall, b));
	assert_false(pe_clock_is_step(offset, a + 50, wall + 50, b));
	assert_false(pe_clock_is_step(offset, a, wall, b + day));
	/* A nanosecond in the future is too much, a second in the past is not. */
	assert_false(pe_clock_is_step(offset, a, wall - 50, b));
	assert_true(pe_clock_is_step(offset, a, wall - 51, b));
	assert_true(pe_clock_is_step(offset, a, wall - day, b));
	assert_false(pe_clock_is_step(offset, a, wall + PE_NS_PER_S, b));
	assert_true(pe_clock_is_step(offset, a, wall + PE_NS_PER_S + 1, b));
	assert_true(pe_clock_is_step(offset, a, wall + day, b));
	/* Before 1970 and after boot. */
	assert_false(pe_clock_is_step(-100, 500, 400, 500));

	assert_int_equal(pe_clock_to_wall_ns(7, 5), 12);
	assert_int_equal(pe_clock_to_wall_ns(7, -5), 2);
	assert_int_equal(pe_clock_to_wall_ns(7, -8), 0);
}

/* The same each time, and never in the future. */
static void test_clock_offset(void **state)
{
	int64_t offset = pe_clock_wall_offset_ns();

	for (int i = 0; i < 1000; i++) {
		uint64_t now_ns = pe_clock_to_wall_ns(pe_clock_monotonic_ns(), offset);
		uint64_t wall_ns = pe_clock_realtime_ns();

		assert_true(now_ns <= wall_ns);
		assert_true(pe_clock_wall_offset_ns() == offset);
	}
}

/* ---- loop ---- */

struct fixture {
	struct pe_loop *loop;
	struct pe_source *source[4];
	struct pe_source *watchdog;
	int fd[2];
	unsigned int calls[4];
	int signals[4];
	unsigned int signal_count;
	bool timed_out;
};

static void on_watchdog(void *userdata)
{
	struct fixture *f = userdata;

	f->timed_out = true;
	pe_loop_stop(f->loop);
}

static int loop_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(pe_loop_new(&f->loop), 0);
	f->fd[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	f->fd[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(f->fd[0] >= 0 && f->fd[1] >= 0);
	assert_int_equal(pe_loop_add_timer(f->loop, on_watchdog, f, &f->watchdog), 0);
	assert_int_equal(pe_source_arm(f->watchdog, pe_clock_monotonic_ns() + 10 * PE_NS_PER_S, 0),
			 0);
	*state = f;
	return 0;
}

static int loop_teardown(void **state)
{
	struct fixture *f = *state;

	assert_null(pe_loop_free(f->loop));
	close(f->fd[0]);
	close(f->fd[1]);
	free(f);
	return 0;
}

static void run(struct fixture *f)
{
	assert_int_equal(pe_loop_run(f->loop), 0);
	assert_false(f->timed_out);
}

static void on_fd(void *userdata)
{
	struct fixture *f = userdata;

	if (++f->calls[0] < 3)
		return;
	assert_int_equal(eventfd_read(f->fd[0], &(eventfd_t){ 0 }), 0);
	pe_loop_stop(f->loop);
}

/* Level-triggered: called until the fd is read. */
static void test_loop_fd(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pe_loop_add_fd(f->loop, f->fd[0], on_fd, f, NULL), 0);
	assert_int_equal(pe_loop_add_fd(f->loop, f->fd[0], on_fd, f, NULL), -EEXIST);
	assert_int_equal(pe_loop_add_fd(f->loop, -1, on_fd, f, NULL), -EBADF);
	eventfd_write(f->fd[0], 1);
	run(f);
	assert_int_equal(f->calls[0], 3);
}

static void count_0(void *userdata)
{
	((struct fixture *)userdata)->calls[0]++;
}

static void stop_1(void *userdata)
{
	struct fixture *f = userdata;

	f->calls[1]++;
	pe_loop_stop(f->loop);
}

static void on_tick(void *userdata)
{
	struct fixture *f = userdata;

	if (++f->calls[2] == 5)
		pe_loop_stop(f->loop);
}

static void test_loop_timers(void **state)
{
	struct fixture *f = *state;
	uint64_t start_ns = pe_clock_monotonic_ns();

	assert_int_equal(pe_loop_add_timer(f->loop, count_0, f, &f->source[0]), 0);
	assert_int_equal(pe_loop_add_timer(f->loop, stop_1, f, &f->source[1]), 0);
	assert_int_equal(pe_loop_add_timer(f->loop, on_tick, f, &f->source[2]), 0);

	/* Armed and disarmed again: it does not fire although it is due first. */
	pe_source_arm(f->source[0], start_ns + PE_NS_PER_MS, 0);
	pe_source_arm(f->source[0], 0, 0);
	pe_source_arm(f->source[1], start_ns + 5 * PE_NS_PER_MS, 0);
	run(f);
	assert_int_equal(f->calls[0], 0);
	assert_int_equal(f->calls[1], 1);
	assert_true(pe_clock_monotonic_ns() >= start_ns + 5 * PE_NS_PER_MS);

	/* Periodic, from a time that is long past: the missed periods are one call. */
	start_ns = pe_clock_monotonic_ns();
	pe_source_arm(f->source[2], 1, 2 * PE_NS_PER_MS);
	run(f);
	assert_int_equal(f->calls[2], 5);
	assert_true(pe_clock_monotonic_ns() >= start_ns + 3 * 2 * PE_NS_PER_MS);
	assert_int_equal(f->calls[1], 1);
}

static void disarm_other(void *userdata)
{
	struct fixture *f = userdata;

	f->calls[3]++;
	pe_source_arm(f->source[0], 0, 0);
	pe_source_arm(f->source[1], 0, 0);
	pe_loop_stop(f->loop);
}

/* Both are due in one batch; whichever is first disarms both, so only one is called. */
static void test_loop_disarm_in_batch(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pe_loop_add_timer(f->loop, disarm_other, f, &f->source[0]), 0);
	assert_int_equal(pe_loop_add_timer(f->loop, disarm_other, f, &f->source[1]), 0);
	pe_source_arm(f->source[0], 1, 0);
	pe_source_arm(f->source[1], 1, 0);
	run(f);
	assert_int_equal(pe_loop_add_timer(f->loop, stop_1, f, &f->source[2]), 0);
	pe_source_arm(f->source[2], pe_clock_monotonic_ns() + 2 * PE_NS_PER_MS, 0);
	run(f);
	assert_int_equal(f->calls[3], 1);
	assert_int_equal(f->calls[1], 1);
}

static void remove_both(void *userdata)
{
	struct fixture *f = userdata;

	f->calls[0]++;
	f->source[0] = pe_source_remove(f->source[0]);
	f->source[1] = pe_source_remove(f->source[1]);
	assert_int_equal(pe_loop_add_timer(f->loop, stop_1, f, &f->source[2]), 0);
	assert_int_equal(pe_source_arm(f->source[2], 1, 0), 0);
}

/* Both are readable in one batch; whichever runs first removes itself and the other. */
static void test_loop_remove_in_callback(void **state)
{
	struct fixture *f = *state;

	assert_null(pe_source_remove(NULL));
	assert_int_equal(pe_loop_add_fd(f->loop, f->fd[0], remove_both, f, &f->source[0]), 0);
	assert_int_equal(pe_loop_add_fd(f->loop, f->fd[1], remove_both, f, &f->source[1]), 0);
	eventfd_write(f->fd[0], 1);
	eventfd_write(f->fd[1], 1);
	run(f);
	assert_int_equal(f->calls[0], 1);
	assert_int_equal(f->calls[1], 1);

	/* Outside a callback, the middle of the list. */
	assert_int_equal(pe_loop_add_fd(f->loop, f->fd[0], count_0, f, &f->source[0]), 0);
	assert_int_equal(pe_loop_add_fd(f->loop, f->fd[1], count_0, f, &f->source[1]), 0);
	assert_null(pe_source_remove(f->source[0]));
	assert_null(pe_source_remove(f->source[2]));
	assert_null(pe_source_remove(f->source[1]));
	assert_int_equal(pe_loop_add_timer(f->loop, stop_1, f, NULL), 0);
	pe_loop_stop(f->loop);
	run(f);
	assert_int_equal(f->calls[0], 1);
}

static void test_loop_arm_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pe_loop_add_fd(f->loop, f->fd[0], count_0, f, &f->source[0]), 0);
	assert_int_equal(pe_source_arm(f->source[0], 1, 0), -EINVAL);
}

static void on_signal(int signo, void *userdata)
{
	struct fixture *f = userdata;

	f->signals[f->signal_count++] = signo;
	if (f->signal_count == 2)
		pe_loop_stop(f->loop);
}

static void test_loop_signals(void **state)
{
	const int signals[] = { SIGUSR1, SIGUSR2 };
	struct fixture *f = *state;
	sigset_t before, now;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(pe_loop_add_signals(f->loop, (const int[]){ 9999 }, 1, on_signal, f),
			 -EINVAL);
	assert_int_equal(pe_loop_add_signals(f->loop, signals, 2, on_signal, f), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	assert_true(sigismember(&now, SIGUSR1) && sigismember(&now, SIGUSR2));
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	run(f);
	assert_int_equal(f->signal_count, 2);
	assert_int_equal(f->signals[0] + f->signals[1], SIGUSR1 + SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- strbuf ---- */

static void test_strbuf_grows(void **state)
{
	_cleanup_(pe_strbuf_fini) struct pe_strbuf buf = PE_STRBUF_INIT;
	char want[4096];
	size_t i, at = 0;

	pe_strbuf_adds(&buf, "");
	assert_int_equal(buf.len, 0);
	for (i = 0; i < 500; i++) {
		pe_strbuf_addc(&buf, (char)('a' + i % 26));
		pe_strbuf_adds(&buf, "-bc");
		at += (size_t)snprintf(want + at, sizeof(want) - at, "%c-bc", (char)('a' + i % 26));
	}
	assert_int_equal(buf.error, 0);
	assert_int_equal(buf.len, at);
	assert_memory_equal(buf.data, want, at);
	assert_true(buf.cap >= buf.len && buf.cap < 2 * buf.len);

	pe_strbuf_fini(&buf);
	assert_null(buf.data);
	memset(want, 'y', 3000);
	want[3000] = '\0';
	pe_strbuf_addf(&buf, "%s=%d;", "x", 7);
	pe_strbuf_addf(&buf, "<%s>", want);
	assert_int_equal(buf.len, 4 + 3002);
	assert_memory_equal(buf.data, "x=7;<yyy", 8);
	assert_memory_equal(buf.data + buf.len - 3, "yy>", 3);
}

static void test_strbuf_u64(void **state)
{
	_cleanup_(pe_strbuf_fini) struct pe_strbuf buf = PE_STRBUF_INIT;
	uint64_t power = 1, random = 1;
	char want[24];
	unsigned int i;
	int n, around;

	for (i = 0; i < 20; i++, power *= 10) {
		for (around = -1; around <= 1; around++) {
			buf.len = 0;
			pe_strbuf_add_u64(&buf, power + (uint64_t)around);
			n = snprintf(want, sizeof(want), "%" PRIu64, power + (uint64_t)around);
			assert_int_equal(buf.len, n);
			assert_memory_equal(buf.data, want, (size_t)n);
		}
	}
	for (i = 0; i < 100000; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		buf.len = 0;
		pe_strbuf_add_u64(&buf, random >> i % 64);
		n = snprintf(want, sizeof(want), "%" PRIu64, random >> i % 64);
		assert_int_equal(buf.len, n);
		assert_memory_equal(buf.data, want, (size_t)n);
	}
	buf.len = 0;
	pe_strbuf_add_u64(&buf, UINT64_MAX);
	assert_memory_equal(buf.data, "18446744073709551615", 20);
}

/* A refused allocation makes every later append a no-op, also one that would have had room. */
static void test_strbuf_sticky(void **state)
{
	struct pe_strbuf buf = PE_STRBUF_INIT;

	pe_strbuf_adds(&buf, "kept");
	assert_int_equal(pe_strbuf_reserve(&buf, SIZE_MAX - 2), -ENOMEM);
	pe_strbuf_adds(&buf, "x");
	pe_strbuf_addf(&buf, "%d", 1);
	pe_strbuf_add_u64(&buf, 1);
	assert_int_equal(pe_strbuf_reserve(&buf, 0), -ENOMEM);
	assert_int_equal(buf.error, -ENOMEM);
	assert_int_equal(buf.len, 4);
	assert_memory_equal(buf.data, "kept", 4);
	pe_strbuf_fini(&buf);
	pe_strbuf_addc(&buf, 'y');
	assert_int_equal(buf.error, 0);
	assert_int_equal(buf.len, 1);
	pe_strbuf_fini(&buf);
}

/* ---- arena ---- */

static void test_arena(void **state)
{
	struct pe_arena *arena = NULL;
	unsigned char *p[3000];
	size_t i, k, size, sum = 0;

	assert_null(pe_arena_free(NULL));
	assert_int_equal(pe_arena_new(&arena), 0);
	assert_true(pe_arena_bytes(arena) < 4096);
	for (i = 0; i < 3000; i++) {
		size = i % 97 + (i % 500 == 499 ? 100000 : 0);
		p[i] = pe_arena_alloc(arena, size, 1);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % alignof(max_align_t), 0);
		for (k = 0; k < size; k++)
			assert_int_equal(p[i][k], 0);
		memset(p[i], (int)(i % 251 + 1), size);
		sum += size;
	}
	/* No two overlap: each still holds what was written to it. */
	for (i = 0; i < 3000; i++) {
		size = i % 97 + (i % 500 == 499 ? 100000 : 0);
		for (k = 0; k < size; k++)
			assert_int_equal(p[i][k], i % 251 + 1);
	}
	assert_true(pe_arena_bytes(arena) >= sum && pe_arena_bytes(arena) < 3 * sum);
	assert_null(pe_arena_free(arena));
}

static void test_arena_strings(void **state)
{
	struct pe_arena *arena = NULL;
	char *a, *b, *c;

	assert_int_equal(pe_arena_new(&arena), 0);
	a = pe_arena_strdup(arena, "interface", 100);
	b = pe_arena_strdup(arena, "interface", 5);
	c = pe_arena_strdup(arena, "", 0);
	assert_string_equal(a, "interface");
	assert_string_equal(b, "inter");
	assert_string_equal(c, "");
	pe_arena_free(arena);
}

static void test_arena_limits(void **state)
{
	struct pe_arena *arena = NULL;
	char *small;
	size_t before, one;

	assert_int_equal(pe_arena_new(&arena), 0);
	assert_null(pe_arena_alloc(arena, SIZE_MAX / 2, 3));
	assert_null(pe_arena_alloc(arena, SIZE_MAX, 1));
	assert_null(pe_arena_alloc(arena, SIZE_MAX - 20, 1));
	assert_non_null(pe_arena_alloc(arena, 0, 8));

	/* A large piece does not end the chunk before it. */
	small = pe_arena_alloc(arena, 1, 16);
	assert_non_null(pe_arena_alloc(arena, 1, 5 << 20));
	assert_ptr_equal(pe_arena_alloc(arena, 1, 16), small + 16);

	/* Chunks double: far fewer than one a page, and the last is at most a mebibyte. */
	before = pe_arena_bytes(arena);
	while ((one = pe_arena_bytes(arena)) - before < (4u << 20))
		while (pe_arena_bytes(arena) == one)
			assert_non_null(pe_arena_alloc(arena, 1, 1000));
	while (pe_arena_bytes(arena) == one)
		assert_non_null(pe_arena_alloc(arena, 1, 1000));
	assert_int_equal(pe_arena_bytes(arena) - one, 1 << 20);
	pe_arena_free(arena);
}

/* ---- memory ---- */

/* Resident bytes of what a library maps and cannot be written; reads a byte of each page if told.
 */
static size_t code_resident(const char *library, bool touch)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512], perms[5], path[256];
	size_t total = 0, kib;
	uintptr_t begin, end;
	bool is_it = false;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		path[0] = '\0';
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %255s", &begin, &end,
			   perms, path) >= 3) {
			is_it = perms[0] == 'r' && perms[1] == '-' && strstr(path, library);
			for (uintptr_t at = begin; touch && is_it && at < end; at += 4096)
				(void)*(volatile const char *)at;
		} else if (is_it && sscanf(line, "Rss: %zu kB", &kib) == 1) {
			total += kib << 10;
		}
	}
	fclose(file);
	return total;
}

static void test_memory_release_start(void **state)
{
	static const char library[] = "libgnutls.so.30";
	void *handle = dlopen(library, RTLD_NOW);
	struct link_map *map;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), all;
	uint8_t *header;

	(void)state;
	SKIP_IF_EMULATED();
	pe_memory_init();
	assert_non_null(handle);
	code_resident(library, true);
	all = code_resident(library, false);
	assert_true(all > 1 << 20);
	pe_memory_release_start();
	assert_true(code_resident(library, false) < all / 4);
	/* It can still be read. */
	code_resident(library, true);
	assert_int_equal(code_resident(library, false), all);

	/* What is not the file's any more stays, as after text relocations or in a debugger. */
	assert_int_equal(dlinfo(handle, RTLD_DI_LINKMAP, &map), 0);
	header = (uint8_t *)map->l_addr;
	assert_int_equal(mprotect(header, page, PROT_READ | PROT_WRITE), 0);
	header[EI_PAD] ^= 0xff;
	assert_int_equal(mprotect(header, page, PROT_READ), 0);
	pe_memory_release_start();
	assert_int_equal(header[EI_PAD], 0xff);
}

/* ---- the gzip stream ---- */

#define PLAIN_BYTES 100000

struct plain {
	size_t given;
	size_t fails_at; /* SIZE_MAX for never */
};

/* Digits, which cannot be guessed from those before: half their size remains. */
static char plain_byte(size_t at)
{
	uint32_t mixed = (uint32_t)at * UINT32_C(2654435761);

	return "0123456789abcdef"[(mixed ^ mixed >> 15) * UINT32_C(2246822519) >> 28];
}

static ssize_t give_plain(void *userdata, char *buf, size_t size)
{
	struct plain *plain = userdata;
	size_t n = 0;

	if (plain->given >= plain->fails_at)
		return -ENOMEM;
	/* A source may give less than there is room for. */
	for (; n < size - size / 8 && plain->given < PLAIN_BYTES; n++)
		buf[n] = plain_byte(plain->given++);
	return (ssize_t)n;
}

static void assert_inflates(const char *packed, size_t len)
{
	static unsigned char out[PLAIN_BYTES + 1];
	z_stream z = { .next_in = (unsigned char *)packed, .avail_in = (unsigned int)len };

	/* 16: the gzip format alone. */
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_out = out;
	z.avail_out = sizeof(out);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	assert_int_equal(z.total_out, PLAIN_BYTES);
	inflateEnd(&z);
	for (size_t i = 0; i < PLAIN_BYTES; i++) {
		if (out[i] != (unsigned char)plain_byte(i))
			fail_msg("byte %zu", i);
	}
}

static void test_gzip(void **state)
{
	static const size_t sizes[] = { 1, 7, 4096, 2 * PLAIN_BYTES };
	static char packed[2 * PLAIN_BYTES];
	struct pe_gzip *gzip;
	size_t first = 0;

	(void)state;
	assert_int_equal(pe_gzip_new(&gzip), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct plain plain = { .fails_at = SIZE_MAX };
		size_t len = 0;
		ssize_t n;

		pe_gzip_begin(gzip, give_plain, &plain);
		do {
			assert_false(pe_gzip_ended(gzip));
			n = pe_gzip_read(gzip, packed + len, sizes[i]);
			assert_true(n >= 0 && (size_t)n <= sizes[i]);
			len += (size_t)n;
		} while (n == (ssize_t)sizes[i] && !pe_gzip_ended(gzip));
		assert_true(pe_gzip_ended(gzip));
		assert_int_equal(pe_gzip_read(gzip, packed + len, 1), 0);
		assert_inflates(packed, len);
		/* It is small, and the same however it is read. */
		assert_true(len < PLAIN_BYTES * 3 / 5);
		assert_true(i == 0 || len == first);
		first = len;
	}
	assert_null(pe_gzip_free(gzip));
	assert_null(pe_gzip_free(NULL));
}

/* A stream that ends early must not look whole, and the next one is not spoilt by it. */
static void test_gzip_fails(void **state)
{
	static char packed[2 * PLAIN_BYTES];
	struct plain failing = { .fails_at = PLAIN_BYTES / 2 }, plain = { .fails_at = SIZE_MAX };
	struct pe_gzip *gzip;
	ssize_t n;

	(void)state;
	assert_int_equal(pe_gzip_new(&gzip), 0);
	pe_gzip_begin(gzip, give_plain, &failing);
	assert_int_equal(pe_gzip_read(gzip, packed, sizeof(packed)), -ENOMEM);
	assert_false(pe_gzip_ended(gzip));
	/* In the middle, perhaps with input that zlib has not taken. */
	for (size_t cut = 16; cut < PLAIN_BYTES / 2; cut += 1709) {
		plain.given = 0;
		pe_gzip_begin(gzip, give_plain, &plain);
		assert_int_equal(pe_gzip_read(gzip, packed, cut), cut);
		plain.given = 0;
		pe_gzip_begin(gzip, give_plain, &plain);
		n = pe_gzip_read(gzip, packed, sizeof(packed));
		assert_true(n > 0);
		assert_inflates(packed, (size_t)n);
	}
	pe_gzip_free(gzip);
}

int main(void)
{
#define LOOP_TEST(fn) cmocka_unit_test_setup_teardown(fn, loop_setup, loop_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_escapes),
		cmocka_unit_test(test_log_cut),
		cmocka_unit_test(test_log_level),
		cmocka_unit_test(test_log_once),
		cmocka_unit_test(test_log_threads),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_clock_steps),
		cmocka_unit_test(test_clock_offset),
		LOOP_TEST(test_loop_fd),
		LOOP_TEST(test_loop_timers),
		LOOP_TEST(test_loop_disarm_in_batch),
		LOOP_TEST(test_loop_remove_in_callback),
		LOOP_TEST(test_loop_arm_refused),
		LOOP_TEST(test_loop_signals),
		cmocka_unit_test(test_strbuf_grows),
		cmocka_unit_test(test_strbuf_u64),
		cmocka_unit_test(test_strbuf_sticky),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_arena_strings),
		cmocka_unit_test(test_arena_limits),
		cmocka_unit_test(test_memory_release_start),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_gzip_fails),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
