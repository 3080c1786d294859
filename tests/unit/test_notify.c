/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports to a service manager, over real sockets: addresses, the watchdog, and who does not read.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/clock.h"

#include "../../src/daemon/notify.h"

static char folder[] = "/tmp/test_notify.XXXXXX";

static int make_folder(void **state)
{
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/notify", folder);
	unlink(path);
	return rmdir(folder);
}

/* A manager that listens at `name`, '@' standing for the NUL of an abstract one. */
static int listen_at(const char *name)
{
	const size_t len = strlen(name);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = '\0';
	else
		unlink(name);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
	return fd;
}

static void assert_received(int fd, const char *expected)
{
	char text[256] = "";
	ssize_t len = recv(fd, text, sizeof(text) - 1, 0);

	assert_int_equal(len, (ssize_t)strlen(expected));
	assert_string_equal(text, expected);
}

static void set(const char *socket, const char *usec, const char *pid)
{
	setenv("NOTIFY_SOCKET", socket, 1);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (usec)
		setenv("WATCHDOG_USEC", usec, 1);
	if (pid)
		setenv("WATCHDOG_PID", pid, 1);
}

static void assert_removed(void)
{
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
}

static void test_nobody_listens(void **state)
{
	struct pe_notify notify;

	set("", "30000000", NULL);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pe_notify_open(&notify), 0);
		assert_removed();
		assert_int_equal(notify.fd, -1);
		assert_int_equal(pe_notify_send(&notify, "READY=1"), 0);
		assert_false(pe_notify_alive_due(&notify, UINT64_MAX / 2, 0));
		pe_notify_close(&notify);
	}
}

static void test_addresses(void **state)
{
	char path[64], abstract[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	const char *const names[] = { path, abstract };

	snprintf(path, sizeof(path), "%s/notify", folder);
	/* As long as one can be. */
	memset(abstract, 'x', sizeof(abstract));
	snprintf(abstract, sizeof(abstract), "@pe-notify-%d", (int)getpid());
	abstract[strlen(abstract)] = 'x';
	abstract[sizeof(abstract) - 1] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		_cleanup_close_ int manager = listen_at(names[i]);
		struct pe_notify notify;

		set(names[i], NULL, NULL);
		assert_int_equal(pe_notify_open(&notify), 0);
		assert_removed();
		assert_true(fcntl(notify.fd, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(pe_notify_send(&notify, "READY=1\nSTATUS=x"), 0);
		assert_received(manager, "READY=1\nSTATUS=x");
		pe_notify_close(&notify);
		assert_int_equal(notify.fd, -1);
		pe_notify_close(&notify);
	}
}

static void test_bad_addresses(void **state)
{
	char long_path[109], long_name[110];
	const struct {
		const char *name;
		int error;
	} cases[] = {
		{ "notify", -EINVAL },
		{ "./notify", -EINVAL },
		{ "/", -EINVAL },
		{ "@", -EINVAL },
		{ "vsock:2:1234", -EINVAL },
		{ long_path, -ENAMETOOLONG },
		{ "/nowhere/x", -ENOENT },
		{ long_name, -ENAMETOOLONG },
		{ "@pe-nobody", -ECONNREFUSED },
	};

	memset(long_path, '/', sizeof(long_path));
	long_path[sizeof(long_path) - 1] = '\0';
	memset(long_name, '@', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pe_notify notify;

		set(cases[i].name, "30000000", NULL);
		assert_int_equal(pe_notify_open(&notify), cases[i].error);
		assert_removed();
		assert_int_equal(notify.fd, -1);
		assert_int_equal(notify.watchdog_ns, 0);
		assert_int_equal(pe_notify_send(&notify, "READY=1"), 0);
	}
}

static void test_watchdog(void **state)
{
	char own[16], name[32];
	const struct {
		const char *usec, *pid;
		uint64_t ns;
	} cases[] = {
		{ "30000000", NULL, 30 * PE_NS_PER_S },
		{ "30000000", own, 30 * PE_NS_PER_S },
		{ "30000000", "1", 0 },
		{ "30000000", "", 0 },
		{ NULL, own, 0 },
		{ "0", NULL, 0 },
		{ "", NULL, 0 },
		{ "-1", NULL, 0 },
		{ "1s", NULL, 0 },
		/* 2^64, and what is too much in nanoseconds. */
		{ "18446744073709551616", NULL, 0 },
		{ "18446744073709551615", NULL, 0 },
	};
	_cleanup_close_ int manager = -1;

	snprintf(own, sizeof(own), "%d", (int)getpid());
	snprintf(name, sizeof(name), "@pe-watchdog-%s", own);
	manager = listen_at(name);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pe_notify notify;

		set(name, cases[i].usec, cases[i].pid);
		assert_int_equal(pe_notify_open(&notify), 0);
		assert_int_equal(notify.watchdog_ns, cases[i].ns);
		assert_int_equal(pe_notify_alive_due(&notify, UINT64_MAX / 2, 0), cases[i].ns != 0);
		pe_notify_close(&notify);
	}
}

/* At the latest after half of the time, seen by somebody who looks once a second. */
static void test_when_it_is_due(void **state)
{
	struct pe_notify notify = {
		.fd = 0,
		.watchdog_ns = 30 * PE_NS_PER_S,
		.last_alive_ns = 100 * PE_NS_PER_S,
	};

	assert_false(pe_notify_alive_due(&notify, 113 * PE_NS_PER_S, PE_NS_PER_S));
	assert_false(pe_notify_alive_due(&notify, 114 * PE_NS_PER_S, PE_NS_PER_S));
	assert_true(pe_notify_alive_due(&notify, 114 * PE_NS_PER_S + 1, PE_NS_PER_S));
	notify.watchdog_ns = 2 * PE_NS_PER_S;
	assert_true(pe_notify_alive_due(&notify, 100 * PE_NS_PER_S + 1, PE_NS_PER_S));
}

static void test_a_manager_that_does_not_read(void **state)
{
	_cleanup_close_ int manager = -1;
	struct pe_notify notify;
	char name[32];
	int r = 0;

	snprintf(name, sizeof(name), "@pe-stuck-%d", (int)getpid());
	manager = listen_at(name);
	set(name, NULL, NULL);
	assert_int_equal(pe_notify_open(&notify), 0);
	for (int i = 0; i < 100000 && r == 0; i++)
		r = pe_notify_send(&notify, "WATCHDOG=1");
	assert_int_equal(r, -EAGAIN);
	assert_received(manager, "WATCHDOG=1");
	assert_int_equal(pe_notify_send(&notify, "STOPPING=1"), 0);
	/* It has gone: an error, and no signal. */
	close(PE_TAKE_FD(manager));
	assert_true(pe_notify_send(&notify, "STOPPING=1") < 0);
	pe_notify_close(&notify);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_bad_addresses),
		cmocka_unit_test(test_watchdog),
		cmocka_unit_test(test_when_it_is_due),
		cmocka_unit_test(test_a_manager_that_does_not_read),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
