/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sandbox's parts, each alone, in a child: Landlock without the filter of system calls, and the
 * filter without Landlock; and the places that a file's name leads through.
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
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pe/cleanup.h"
#include "pe/thread.h"

#include "../../src/daemon/calls.h"
#include "../../src/daemon/landlock.h"
#include "../../src/daemon/privileges.h"

#include "emulated.h"

/* ---- a child ---- */

#define SKIP_STATUS 77

/* Ends the child with the line that was wrong. */
#define EXPECT(condition)                                                                      \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			dprintf(2, "# line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
			_exit(1);                                                              \
		}                                                                              \
	} while (0)
#define EXPECT_ERROR(call, error) EXPECT((call) == -1 && errno == (error))

static void in_child(void (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIP_STATUS)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static char folder[] = "/tmp/test_sandbox.XXXXXX";

static void write_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder) || chdir(folder) < 0)
		return -1;
	mkdir("open", 0700);
	mkdir("open/below", 0700);
	mkdir("closed", 0700);
	write_file("open/below/file");
	write_file("closed/file");
	write_file("closed/single");
	return 0;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return chdir("/") < 0 || system(command) != 0 ? -1 : 0;
}

/* ---- files ---- */

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

static void restrict_files(void)
{
	int rules = pe_landlock_new();

	if (rules == -ENOSYS || rules == -EOPNOTSUPP)
		_exit(SKIP_STATUS);
	EXPECT(rules >= 0);
	EXPECT(pe_landlock_allow(rules, "open") == 0);
	EXPECT(pe_landlock_allow(rules, "closed/single") == 0);
	EXPECT(pe_landlock_allow(rules, "none") == -ENOENT);
	EXPECT(pe_landlock_enforce(rules) == 0);

	EXPECT(try_open("open/below/file", O_RDONLY) == 0);
	EXPECT(try_open("open/below", O_RDONLY | O_DIRECTORY) == 0);
	EXPECT(try_open("closed/single", O_RDONLY) == 0);
	EXPECT_ERROR(try_open("closed/file", O_RDONLY), EACCES);
	EXPECT_ERROR(try_open("closed", O_RDONLY | O_DIRECTORY), EACCES);
	/* Neither is written anywhere, nor made, nor taken away, nor executed. */
	EXPECT_ERROR(try_open("open/below/file", O_WRONLY), EACCES);
	EXPECT_ERROR(try_open("closed/single", O_RDWR), EACCES);
	EXPECT_ERROR(try_open("open/new", O_WRONLY | O_CREAT), EACCES);
	EXPECT_ERROR(unlink("open/below/file"), EACCES);
	EXPECT_ERROR(mkdir("open/new", 0700), EACCES);
	EXPECT_ERROR(symlink("x", "open/new"), EACCES);
	EXPECT(rename("open/below/file", "open/file") == -1);
	EXPECT_ERROR(execl("/bin/true", "true", NULL), EACCES);
}

static void test_landlock(void **state)
{
	(void)state;
	in_child(restrict_files);
}

/* What the spool does, there and nowhere else. */
static void use_spool(const char *where, int error)
{
	char name[64], other[64];

	snprintf(name, sizeof(name), "%s/folder", where);
	EXPECT(mkdir(name, 0700) == 0 ? !error : errno == error);
	snprintf(name, sizeof(name), "%s/new", where);
	EXPECT(try_open(name, O_WRONLY | O_CREAT | O_EXCL) == 0 ? !error : errno == error);
	if (error)
		return;
	snprintf(other, sizeof(other), "%s/other", where);
	EXPECT(rename(name, other) == 0);
	EXPECT(try_open(other, O_RDONLY) == 0);
	EXPECT(unlink(other) == 0);
	EXPECT_ERROR(symlink("x", other), EACCES);
	EXPECT_ERROR(execl("/bin/true", "true", NULL), EACCES);
}

static void restrict_but_spool(void)
{
	int rules = pe_landlock_new();

	if (rules == -ENOSYS || rules == -EOPNOTSUPP)
		_exit(SKIP_STATUS);
	EXPECT(rules >= 0);
	mkdir("spool", 0700);
	EXPECT(pe_landlock_allow_writing(rules, "none") == -ENOENT);
	EXPECT(pe_landlock_allow_writing(rules, "spool") == 0);
	EXPECT(pe_landlock_allow(rules, "open") == 0);
	EXPECT(pe_landlock_enforce(rules) == 0);
	use_spool("spool", 0);
	use_spool("open", EACCES);
}

static void test_landlock_writing(void **state)
{
	(void)state;
	in_child(restrict_but_spool);
}

/* ---- places ---- */

struct places {
	char text[1024];
};

static void add_place(const char *place, void *userdata)
{
	struct places *places = userdata;
	size_t len = strlen(places->text);

	/* As seen from the folder of the test. */
	if (strncmp(place, folder, strlen(folder)) == 0)
		place += strlen(folder);
	snprintf(places->text + len, sizeof(places->text) - len, "%s%s", len ? " " : "", place);
}

static void expect_places(const char *file, bool with_folder, const char *expected)
{
	struct places places = { "" };

	pe_landlock_places(file, with_folder, add_place, &places);
	assert_string_equal(places.text, expected);
}

static void link_to(const char *target, const char *name)
{
	assert_int_equal(symlink(target, name), 0);
}

static void test_places(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/open/below/file", folder);
	expect_places(path, true, "/open/below");
	expect_places(path, false, "/open/below/file");
	expect_places("open/below/file", true, "/open/below");
	/* It may come yet. */
	expect_places("open/none", true, "/open");
	expect_places("/vmlinuz-none", true, "/");

	link_to("../open/below/file", "closed/link");
	expect_places("closed/link", true, "/closed /closed/../open/below");
	expect_places("closed/link", false, "closed/link /closed/../open/below");
	snprintf(path, sizeof(path), "%s/closed/link", folder);
	link_to(path, "open/absolute");
	expect_places("open/absolute", true, "/open /closed /closed/../open/below");

	/* Kubernetes: ..data is what changes. */
	mkdir("secret", 0700);
	mkdir("secret/..1", 0700);
	write_file("secret/..1/key");
	link_to("..1", "secret/..data");
	link_to("..data/key", "secret/key");
	expect_places("secret/key", true, "/secret /secret /secret/..1");

	/* A link to a folder on the way, but none of the system's. */
	link_to("below", "open/current");
	expect_places("open/current/file", true, "/open /open/below");
	link_to("loop", "loop");
	expect_places("loop", true, "");
}

/* ---- system calls ---- */

static void *allowed_thread(void *userdata)
{
	uint64_t before = pe_calls_refused();

	(void)userdata;
	EXPECT_ERROR(syscall(SYS_personality, 0), EPERM);
	EXPECT(pe_calls_refused() == before + 1);
	return NULL;
}

static void restrict_calls(void)
{
	pthread_t thread;
	char name[32];
	int fd, r = pe_calls_restrict(false);

	if (r == -ENOSYS || r == -EINVAL)
		_exit(SKIP_STATUS);
	EXPECT(r == 0);
	pe_calls_last_refused(name, sizeof(name));
	EXPECT(pe_calls_refused() == 0 && !*name);

	EXPECT(getpid() > 0);
	EXPECT(try_open("open/below/file", O_RDONLY) == 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	EXPECT(fd >= 0 || errno == EAFNOSUPPORT);
	EXPECT(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0);
	EXPECT(mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	EXPECT(prctl(PR_SET_DUMPABLE, 0) == 0);
	EXPECT(pe_calls_refused() == 0);

	/* By the filter alone, as before Landlock there was. */
	EXPECT_ERROR(try_open("open/below/file", O_WRONLY), EPERM);
	EXPECT_ERROR(try_open("open/below/file", O_RDWR), EPERM);
	EXPECT_ERROR(try_open("open/new", O_RDONLY | O_CREAT), EPERM);
	EXPECT_ERROR(try_open("open/below/file", O_RDONLY | O_TRUNC), EPERM);
	pe_calls_last_refused(name, sizeof(name));
	EXPECT(pe_calls_refused() == 4 && strcmp(name, "openat") == 0);
	EXPECT_ERROR(syscall(SYS_setuid, getuid()), EPERM);
	EXPECT_ERROR(prctl(PR_SET_DUMPABLE, 1), EPERM);
	EXPECT_ERROR(syscall(SYS_execve, "/bin/true", NULL, NULL), EPERM);
	EXPECT_ERROR(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), EPERM);
	EXPECT_ERROR(syscall(SYS_tgkill, getppid(), getppid(), 0), EPERM);
	EXPECT_ERROR(syscall(9999), EPERM);
	pe_calls_last_refused(name, sizeof(name));
	EXPECT(pe_calls_refused() == 10 && strcmp(name, "number 9999") == 0);
	/* Neither counted nor logged. */
	EXPECT_ERROR(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), EACCES);
	EXPECT(pe_calls_refused() == 10);

	/* Threads there are, and they are no less restricted. */
	EXPECT(pe_thread_new(&thread, "a-name-that-is-cut", allowed_thread, NULL) == 0);
	EXPECT(pthread_join(thread, NULL) == 0);
	EXPECT(pe_calls_refused() == 11);
}

static void __attribute__((unused)) test_calls(void **state)
{
	(void)state;
	SKIP_IF_EMULATED();
	in_child(restrict_calls);
}

/* ---- users ---- */

static void become_nobody(void)
{
	struct pe_user user;

	EXPECT(pe_user_find("nobody", &user) == 0);
	EXPECT(pe_privileges_drop(&user) == 0);
	EXPECT(getuid() == 65534 && geteuid() == 65534 && getgid() == 65534);
	EXPECT(getgroups(0, NULL) <= 1);
	/* No way back. */
	EXPECT_ERROR(setuid(0), EPERM);
	pe_user_fini(&user);
}

static void test_user(void **state)
{
	struct pe_user user;

	(void)state;
	assert_int_equal(pe_user_find("no-such-user", &user), -ENOENT);
	assert_int_equal(pe_user_find("4294967295", &user), -ENOENT);
	assert_int_equal(pe_user_find("4294967294", &user), 0);
	assert_int_equal(user.uid, 4294967294u);
	assert_int_equal(user.gid, 4294967294u);
	assert_null(user.name);
	assert_int_equal(pe_user_find("0", &user), 0);
	assert_string_equal(user.name, "root");
	pe_user_fini(&user);
	if (getuid() != 0)
		skip();
	in_child(become_nobody);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_landlock),
		cmocka_unit_test(test_landlock_writing),
		cmocka_unit_test(test_places),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
		/* Those builds may do more. */
		cmocka_unit_test(test_calls),
#endif
		cmocka_unit_test(test_user),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
