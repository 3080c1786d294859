/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket of --healthcheck: its name, who is believed, and what it stands. Its owner is a child,
 * as it is another process than the one that asks.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/clock.h"
#include "pe/healthcheck.h"

#include "../../src/daemon/healthcheck_socket.h"

#define NOBODY	       65534
#define FLOOD_PAUSE_MS 1

/* Shared with children. */
static struct {
	unsigned int questions;
	unsigned int answers;
} * shared;

static char own_address[32];
static char *address = own_address;

/* Of this process alone, for others may run the same test. */
static int begin(void **state)
{
	(void)state;
	snprintf(own_address, sizeof(own_address), "test-%d:9817", (int)getpid());
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	return shared == MAP_FAILED ? -1 : 0;
}

static struct pe_options options_for(char **listen)
{
	return (struct pe_options){ .listen = { .item = listen, .count = 1 } };
}

/* ---- the owner of the socket ---- */

static void on_question(char *line, size_t size, void *userdata)
{
	__atomic_add_fetch(&shared->questions, 1, __ATOMIC_RELAXED);
	snprintf(line, size, "%s", (const char *)userdata);
}

/* `line` NULL: it listens, and never answers. The child ends with the test. */
static pid_t start_owner(const char *line, uid_t user)
{
	struct pe_options options = options_for(&address);
	struct pe_healthcheck *health = NULL;
	struct pe_loop *loop = NULL;
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	*shared = (typeof(*shared)){ 0 };
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		close(ready[1]);
		assert_int_equal(read(ready[0], &byte, 1), 1);
		close(ready[0]);
		return pid;
	}
	if ((user && (setgroups(0, NULL) < 0 || setresuid(user, user, user) < 0)) ||
	    /* A change of user would undo it. */
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || pe_healthcheck_new(&options, &health) < 0 ||
	    pe_loop_new(&loop) < 0 ||
	    (line && pe_healthcheck_start(health, loop, on_question, (void *)line) < 0) ||
	    write(ready[1], "", 1) != 1 || pe_loop_run(loop) < 0)
		_exit(1);
	_exit(0);
}

static void end_owner(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* Asks; *ret_line is what was printed to the one of both streams that may have it. */
static int check(const struct pe_options *options, char ret_line[512])
{
	char *text[2] = { NULL, NULL };
	size_t size[2];
	FILE *out = open_memstream(&text[0], &size[0]), *err = open_memstream(&text[1], &size[1]);
	int r = pe_healthcheck_ask(options, out, err);

	fclose(out);
	fclose(err);
	assert_int_equal(size[r == 0], 0);
	snprintf(ret_line, 512, "%s", text[r < 0]);
	free(text[0]);
	free(text[1]);
	return r;
}

#define assert_says(line, part) assert_non_null(strstr(line, part))

/* ---- tests ---- */

static void test_name(void **state)
{
	char *usual = ":9817", path[300] = "", expected[64], *far = path;
	struct pe_options options = options_for(&usual);
	struct sockaddr_un name;
	struct stat pids;
	socklen_t len;

	(void)state;
	assert_int_equal(stat("/proc/self/ns/pid", &pids), 0);
	snprintf(expected, sizeof(expected), "packet-exporter/%ju/:9817", (uintmax_t)pids.st_ino);
	len = pe_healthcheck_address(&options, &name);
	assert_int_equal(len, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(expected));
	assert_int_equal(name.sun_path[0], 0);
	assert_memory_equal(name.sun_path + 1, expected, strlen(expected));

	/* The port is what sets them apart. */
	memset(path, 'x', 253);
	memcpy(path + 253, ":9819", 6);
	options = options_for(&far);
	len = pe_healthcheck_address(&options, &name);
	assert_int_equal(len, sizeof(name));
	assert_memory_equal(name.sun_path + sizeof(name.sun_path) - 7, "xx:9819", 7);

	options.web_systemd_socket = true;
	len = pe_healthcheck_address(&options, &name);
	assert_memory_equal((char *)&name + len - 8, "/systemd", 8);
}

static void test_answers(void **state)
{
	struct pe_options options = options_for(&address);
	char line[512];
	pid_t pid;

	(void)state;
	assert_int_equal(check(&options, line), -ECONNREFUSED);
	assert_says(line, "unhealthy: no exporter with this --web.listen-address runs");
	assert_says(line, address);

	pid = start_owner("healthy, serving on x", 0);
	/* However often: what it takes to know is done once a second. */
	for (int i = 0; i < 20; i++) {
		assert_int_equal(check(&options, line), 0);
		assert_string_equal(line, "packet-exporter: healthy, serving on x\n");
	}
	assert_in_range(shared->questions, 1, 2);
	end_owner(pid);

	pid = start_owner("not ready: this and that", 0);
	assert_int_equal(check(&options, line), -EAGAIN);
	assert_string_equal(line, "packet-exporter: unhealthy: not ready: this and that\n");
	end_owner(pid);
	assert_int_equal(check(&options, line), -ECONNREFUSED);
}

static void test_one_each(void **state)
{
	char *other = "other:9817";
	struct pe_options first = options_for(&address), second = options_for(&other);
	struct pe_healthcheck *health = NULL, *another = NULL;

	(void)state;
	assert_int_equal(pe_healthcheck_new(&first, &health), 0);
	/* The name is taken: it has another one. */
	assert_int_equal(pe_healthcheck_new(&first, &another), 0);
	assert_null(pe_healthcheck_free(another));
	assert_int_equal(pe_healthcheck_new(&second, &another), 0);
	assert_null(pe_healthcheck_free(another));
	assert_null(pe_healthcheck_free(health));
	assert_int_equal(pe_healthcheck_new(&first, &health), 0);
	pe_healthcheck_free(health);
	assert_null(pe_healthcheck_free(NULL));
}

/* Whoever has taken the name is not believed. */
static void test_another_user(void **state)
{
	struct pe_options options = options_for(&address);
	char line[512];
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = start_owner("healthy", NOBODY);
	assert_int_equal(check(&options, line), -EPERM);
	assert_says(line, "unhealthy: the socket is of user 65534, and neither root's");
	options.user = "65534";
	assert_int_equal(check(&options, line), 0);
	options.user = "65533";
	assert_int_equal(check(&options, line), -EPERM);
	end_owner(pid);
}

/* What the check does where systemd says so of the user: in a mount namespace of its own, with such
 * a link as systemd makes for a service that it has lent a user. */
static int check_with_link(const struct pe_options *options, const char *text, uid_t owner)
{
	static const char path[] = "/run/systemd/dynamic-uid/direct:65534";
	char line[512];
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* The root of a chroot is no mount; who made that has its mounts apart. */
		if (unshare(CLONE_NEWNS) < 0 ||
		    (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 && errno != EINVAL) ||
		    mount("none", "/run", "tmpfs", 0, NULL) < 0 ||
		    mkdir("/run/systemd", 0755) < 0 ||
		    mkdir("/run/systemd/dynamic-uid", 0755) < 0 || symlink(text, path) < 0 ||
		    lchown(path, owner, owner) < 0)
			_exit(UINT8_MAX);
		_exit(-check(options, line));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

/* The service's user has a number that nobody knows beforehand. */
static void test_dynamic_user(void **state)
{
	struct pe_options options = options_for(&address);
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = start_owner("healthy", NOBODY);
	assert_int_equal(check_with_link(&options, "packet-exporter", 0), 0);
	/* Another service, one whose name begins so, and a link that is not systemd's. */
	assert_int_equal(check_with_link(&options, "other", 0), -EPERM);
	assert_int_equal(check_with_link(&options, "packet-exporter2", 0), -EPERM);
	assert_int_equal(check_with_link(&options, "packet", 0), -EPERM);
	assert_int_equal(check_with_link(&options, "packet-exporter", NOBODY), -EPERM);
	/* A unit with another name. */
	options.user = "other";
	assert_int_equal(check_with_link(&options, "other", 0), 0);
	assert_int_equal(check_with_link(&options, "another", 0), -EPERM);
	end_owner(pid);
}

/* ---- what it stands ---- */

static int connect_now(void)
{
	struct pe_options options = options_for(&address);
	struct sockaddr_un name;
	const socklen_t len = pe_healthcheck_address(&options, &name);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&name, len) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Nobody takes what is in the backlog, and then there is no place in it. */
static void test_full_backlog(void **state)
{
	struct pe_options options = options_for(&address);
	pid_t pid = start_owner(NULL, 0);
	uint64_t begin_ns;
	int waiting[256], count = 0;
	char line[512];

	(void)state;
	while (count < 256 && (waiting[count] = connect_now()) >= 0)
		count++;
	assert_in_range(count, 1, 255);
	begin_ns = pe_clock_monotonic_ns();
	assert_int_equal(check(&options, line), -EAGAIN);
	assert_says(line, "unhealthy: no answer within 2 s");
	assert_in_range(pe_clock_monotonic_ns() - begin_ns, 1900 * PE_NS_PER_MS, 10 * PE_NS_PER_S);
	while (count > 0)
		close(waiting[--count]);
	end_owner(pid);
}

static uint64_t cpu_ns(pid_t pid)
{
	struct timespec time;
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &time), 0);
	return (uint64_t)time.tv_sec * PE_NS_PER_S + (uint64_t)time.tv_nsec;
}

/* Of 64 connections at a time the oldest makes place. */
static void flood(void)
{
	int waiting[64];
	char line[64];

	memset(waiting, -1, sizeof(waiting));
	for (size_t i = 0;; i = (i + 1) % 64) {
		if (waiting[i] >= 0 && recv(waiting[i], line, sizeof(line), 0) > 0)
			__atomic_add_fetch(&shared->answers, 1, __ATOMIC_RELAXED);
		close(waiting[i]);
		waiting[i] = connect_now();
		if (waiting[i] < 0)
			poll(NULL, 0, FLOOD_PAUSE_MS);
	}
}

/* Answers are limited, and whoever has a right to one gets it all the same. */
static void test_flood(void **state)
{
	struct pe_options options = options_for(&address);
	pid_t pid = start_owner("healthy", 0), flooders[3];
	const uint64_t begin_ns = pe_clock_monotonic_ns();
	uint64_t windows;
	char line[512];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		flooders[i] = fork();
		assert_true(flooders[i] >= 0);
		if (flooders[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			flood();
		}
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(check(&options, line), 0);
	while (pe_clock_monotonic_ns() - begin_ns < 300 * PE_NS_PER_MS)
		poll(NULL, 0, 10);
	for (size_t i = 0; i < 3; i++)
		end_owner(flooders[i]);
	windows = (pe_clock_monotonic_ns() - begin_ns) / (100 * PE_NS_PER_MS) + 1;
	assert_in_range(shared->answers, 1, 128 * windows);
	end_owner(pid);
}

/* The socket stays readable then. */
static void test_no_descriptors(void **state)
{
	struct pe_options options = options_for(&address);
	pid_t pid = start_owner("healthy", 0);
	struct rlimit none = { 0 }, before;
	_cleanup_close_ int fd = -1;
	uint64_t begin_ns;
	char line[512];

	(void)state;
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &before), 0);
	none.rlim_max = before.rlim_max;
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &none, NULL), 0);
	begin_ns = cpu_ns(pid);
	fd = connect_now();
	assert_true(fd >= 0);
	poll(NULL, 0, 300);
	assert_in_range(cpu_ns(pid) - begin_ns, 0, 20 * PE_NS_PER_MS);
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &before, NULL), 0);
	assert_int_equal(check(&options, line), 0);
	end_owner(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name),	     cmocka_unit_test(test_answers),
		cmocka_unit_test(test_one_each),     cmocka_unit_test(test_another_user),
		cmocka_unit_test(test_dynamic_user), cmocka_unit_test(test_full_backlog),
		cmocka_unit_test(test_flood),	     cmocka_unit_test(test_no_descriptors),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, begin, NULL);
}
