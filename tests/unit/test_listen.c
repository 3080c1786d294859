/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listening sockets: addresses and what stands for none, and sockets that systemd passes. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "pe/listen.h"

#include "http_client.h"

static int open_listeners(const char *const *addresses, size_t count, struct pe_listeners **ret,
			  char why[PE_LISTEN_WHY_MAX])
{
	const struct pe_listen_options options = { .addresses = addresses, .count = count };

	why[0] = '\0';
	*ret = NULL;
	return pe_listeners_new(&options, ret, why, PE_LISTEN_WHY_MAX);
}

/* ---- addresses ---- */

/* A connection arrives at that very socket. */
static void assert_accepts(const struct pe_listeners *listeners, size_t index, int family)
{
	_cleanup_client_ struct client client =
		client_connect_to(family, pe_listeners_port(listeners, index), 0);
	struct pollfd pollfd = { .fd = pe_listeners_fd(listeners, index), .events = POLLIN };
	_cleanup_close_ int fd = -1;

	assert_true(client.fd >= 0);
	assert_int_equal(poll(&pollfd, 1, (int)(CLIENT_DEADLINE_NS / PE_NS_PER_MS)), 1);
	fd = accept(pollfd.fd, NULL, NULL);
	assert_true(fd >= 0);
}

static void test_addresses(void **state)
{
	static const char *const addresses[] = { "127.0.0.1:0", "[::1]:0", ":0", "localhost:0" };
	static const struct {
		size_t index;
		int family;
		const char *name;
	} reachable[] = {
		{ 0, AF_INET, "127.0.0.1" }, { 1, AF_INET6, "[::1]" }, { 2, AF_INET, "[::]" },
		{ 2, AF_INET6, "[::]" },     { 3, AF_UNSPEC, NULL },
	};
	struct pe_listeners *listeners;
	char why[PE_LISTEN_WHY_MAX];
	size_t count;

	assert_int_equal(open_listeners(addresses, 4, &listeners, why), 0);
	assert_string_equal(why, "");
	count = pe_listeners_count(listeners);
	assert_true(count >= 4);
	for (size_t i = 0; i < sizeof(reachable) / sizeof(reachable[0]); i++) {
		const size_t index = reachable[i].index;
		const char *name = pe_listeners_name(listeners, index);
		int family = reachable[i].family;
		char expected[64];

		if (family == AF_UNSPEC) {
			family = *name == '[' ? AF_INET6 : AF_INET;
		} else {
			snprintf(expected, sizeof(expected), "%s:%u", reachable[i].name,
				 pe_listeners_port(listeners, index));
			assert_string_equal(name, expected);
		}
		assert_accepts(listeners, index, family);
	}
	/* All sockets of a name share its port. */
	for (size_t i = 4; i < count; i++)
		assert_int_equal(pe_listeners_port(listeners, i), pe_listeners_port(listeners, 3));
	assert_int_equal(pe_listeners_port(listeners, count), 0);
	assert_int_equal(pe_listeners_fd(listeners, count), -1);
	assert_string_equal(pe_listeners_name(listeners, count), "");
	for (size_t i = 0; i < count; i++)
		assert_true(fcntl(pe_listeners_fd(listeners, i), F_GETFD) & FD_CLOEXEC);
	assert_null(pe_listeners_free(listeners));
	assert_null(pe_listeners_free(NULL));
}

static void test_port_in_use(void **state)
{
	static const char *const one[] = { "127.0.0.1:0" };
	struct pe_listeners *first, *second;
	char why[PE_LISTEN_WHY_MAX], taken[32], expected[128];
	const char *const both[] = { "127.0.0.1:0", taken };

	assert_int_equal(open_listeners(one, 1, &first, why), 0);
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", pe_listeners_port(first, 0));
	assert_int_equal(open_listeners(both, 2, &second, why), -EADDRINUSE);
	assert_null(second);
	snprintf(expected, sizeof(expected), "cannot listen on %s: Address already in use", taken);
	assert_string_equal(why, expected);

	pe_listeners_free(first);
	assert_int_equal(open_listeners(both + 1, 1, &second, why), 0);
	pe_listeners_free(second);
}

static void test_bad_addresses(void **state)
{
	static const struct {
		const char *address;
		int error;
	} cases[] = {
		{ "", -EINVAL },
		{ ":", -EINVAL },
		{ "9817", -EINVAL },
		{ "localhost", -EINVAL },
		{ "localhost:", -EINVAL },
		{ ":x", -EINVAL },
		{ ":-1", -EINVAL },
		{ ":+1", -EINVAL },
		{ ": 1", -EINVAL },
		{ ":1 ", -EINVAL },
		{ ":65536", -EINVAL },
		{ ":99999999999999999999", -EINVAL },
		{ "::1:9817", -EINVAL },
		{ "[::1]", -EINVAL },
		{ "[::1]9817", -EINVAL },
		{ "[::1:9817", -EINVAL },
		{ "[]:9817", -EINVAL },
		{ "[127.0.0.1]:0", -EINVAL },
		{ "[localhost]:0", -EINVAL },
		{ "local host:0", -EINVAL },
		{ "http://localhost:0", -EINVAL },
		{ "192.0.2.1:0", -EADDRNOTAVAIL }, /* RFC 5737: nobody's */
		{ "[2001:db8::1]:0", -EADDRNOTAVAIL },
		/* Many hosts', which the kernel would bind to. */
		{ "224.0.0.1:0", -EADDRNOTAVAIL },
		{ "239.255.255.255:0", -EADDRNOTAVAIL },
		{ "255.255.255.255:0", -EADDRNOTAVAIL },
		{ "127.255.255.255:0", -EADDRNOTAVAIL }, /* the loopback's broadcast */
		{ "[ff02::1]:0", -EADDRNOTAVAIL },
		{ "[ff0e::1]:0", -EADDRNOTAVAIL },
	};
	struct pe_listeners *listeners;
	char why[PE_LISTEN_WHY_MAX], expected[PE_LISTEN_WHY_MAX], longest[400];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const list[] = { "127.0.0.1:0", cases[i].address, "127.0.0.1:0" };
		const int r = open_listeners(list, 3, &listeners, why);

		if (r != cases[i].error)
			fail_msg("\"%s\": %d instead of %d", cases[i].address, r, cases[i].error);
		assert_null(listeners);
		snprintf(expected, sizeof(expected), "cannot listen on %s: %s", cases[i].address,
			 cases[i].error == -EADDRNOTAVAIL
				 ? "no address of this host, nor a name of one"
				 : strerror(-cases[i].error));
		assert_string_equal(why, expected);
	}
	memset(longest, 'a', sizeof(longest));
	strcpy(longest + sizeof(longest) - 4, ":80");
	assert_int_equal(open_listeners((const char *const[]){ longest }, 1, &listeners, why),
			 -EINVAL);
}

/* ---- systemd's sockets ---- */

static int listen_on(int family, int type)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET,
					.sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct sockaddr_un un = { .sun_family = AF_UNIX };
	const int fd = socket(family, type, 0);

	assert_true(fd >= 0);
	/* Without a path the kernel gives an abstract name. */
	assert_return_code(family == AF_UNIX
				   ? bind(fd, (const struct sockaddr *)&un, sizeof(sa_family_t))
				   : bind(fd, (const struct sockaddr *)&v4, sizeof(v4)),
			   0);
	if (type == SOCK_STREAM)
		assert_return_code(listen(fd, 8), 0);
	return fd;
}

struct activation {
	const char *pid; /* "self" is that of the process */
	const char *fds, *names;
	int passed[3]; /* become 3, 4, 5; 0 where there is none */
	int error;
	const char *why; /* NULL: it works */
	size_t count;
};

static void setenv_or_not(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

/* In a child, as systemd would start it. Returns what is wrong, NULL if nothing is. */
static const char *activate(const struct activation *a)
{
	static char problem[PE_LISTEN_WHY_MAX + 64];
	const struct pe_listen_options options = { .systemd = true };
	struct pe_listeners *listeners = NULL;
	char why[PE_LISTEN_WHY_MAX] = "", pid[16];
	int r;

	for (int i = 0; i < 3; i++) {
		if (!a->passed[i])
			close(3 + i);
		else if (dup2(a->passed[i], 3 + i) < 0)
			return "dup2";
	}
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv_or_not("LISTEN_PID", a->pid && strcmp(a->pid, "self") == 0 ? pid : a->pid);
	setenv_or_not("LISTEN_FDS", a->fds);
	setenv_or_not("LISTEN_FDNAMES", a->names);
	r = pe_listeners_new(&options, &listeners, why, sizeof(why));
	if (getenv("LISTEN_PID") || getenv("LISTEN_FDS") || getenv("LISTEN_FDNAMES"))
		return "the variables are still set";
	if (r != a->error || !strstr(why, a->why ? a->why : "")) {
		snprintf(problem, sizeof(problem), "%d: %s", r, why);
		return problem;
	}
	if (r < 0)
		return NULL;
	if (pe_listeners_count(listeners) != a->count)
		return "not so many";
	for (size_t i = 0; i < a->count; i++) {
		const int fd = pe_listeners_fd(listeners, i);

		if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC) || !(fcntl(fd, F_GETFL) & O_NONBLOCK))
			return "flags";
		if (!pe_listeners_port(listeners, i) !=
		    (strncmp(pe_listeners_name(listeners, i), "unix:@", 6) == 0))
			return "name or port";
	}
	pe_listeners_free(listeners);
	return fcntl(3, F_GETFD) < 0 ? NULL : "still open";
}

/* Away from 3, where the children put what they are passed. */
static int far(int fd)
{
	const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 100);

	assert_true(copy >= 100);
	close(fd);
	return copy;
}

static void test_systemd(void **state)
{
	const int tcp = far(listen_on(AF_INET, SOCK_STREAM));
	const int local = far(listen_on(AF_UNIX, SOCK_STREAM));
	const int udp = far(listen_on(AF_INET, SOCK_DGRAM));
	const int file = far(open("/dev/null", O_RDONLY));
	const int idle = far(socket(AF_INET, SOCK_STREAM, 0));
	const struct activation cases[] = {
		{ "self", "1", NULL, { tcp }, 0, NULL, 1 },
		{ "self", "1", "web", { tcp }, 0, NULL, 1 },
		{ "self", "2", "a:b", { tcp, local }, 0, NULL, 2 },
		{ NULL, NULL, NULL, { 0 }, -ENOENT, "LISTEN_PID is not set", 0 },
		{ "self", NULL, NULL, { tcp }, -ENOENT, "LISTEN_FDS is not set", 0 },
		{ "self", "0", NULL, { tcp }, -ENOENT, "LISTEN_FDS is 0", 0 },
		{ "1", "1", NULL, { tcp }, -ENOENT, "to this process (LISTEN_PID is 1, ", 0 },
		{ "x", "1", NULL, { tcp }, -EINVAL, "LISTEN_PID is not a process: \"x\"", 0 },
		{ "self", "x", NULL, { tcp }, -EINVAL, "from 1 to 64: \"x\"", 0 },
		{ "self", "-1", NULL, { tcp }, -EINVAL, "from 1 to 64: \"-1\"", 0 },
		{ "self", "65", NULL, { tcp }, -EINVAL, "from 1 to 64: \"65\"", 0 },
		{ "self", "4294967297", NULL, { tcp }, -EINVAL, "from 1 to 64", 0 },
		{ "self", "99999999999999999999", NULL, { tcp }, -EINVAL, "from 1 to 64", 0 },
		{ "self", "2", "a:b", { tcp }, -ENOTSOCK, "descriptor 4 (b) is not a socket", 0 },
		{ "self", "2", "a", { tcp, file }, -ENOTSOCK, "descriptor 4 is not a socket", 0 },
		{ "self", "1", "web", { udp }, -EPROTOTYPE, "3 (web) is not a TCP or UNIX", 0 },
		{ "self", "1", ":::", { idle }, -EPROTOTYPE, "descriptor 3 does not listen", 0 },
	};
	const int mine[] = { tcp, local, udp, file, idle };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0) {
			const char *wrong = activate(&cases[i]);

			if (wrong)
				fprintf(stderr, "# case %zu: %s\n", i, wrong);
			_exit(wrong != NULL);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	for (size_t i = 0; i < sizeof(mine) / sizeof(mine[0]); i++)
		close(mine[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_port_in_use),
		cmocka_unit_test(test_bad_addresses),
		cmocka_unit_test(test_systemd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
